//! The doctor on any URL: no panic, an end, and at least one finding.
#![no_main]

use libfuzzer_sys::fuzz_target;
use suntap::diagnose::{Case, diagnose};
use suntap::{Mode, SdmLayout, sdm_layout};

static LAYOUT: SdmLayout = sdm_layout!("https://example.com/t?picc_data={picc}&enc=[[{enc}&cmac={mac}");
static LRP: SdmLayout = sdm_layout!(Mode::Lrp, "https://example.com/t?picc_data={picc}&cmac={mac}");

fuzz_target!(|url: &str| {
    for layout in [None, Some(&LAYOUT), Some(&LRP)] {
        let case = Case { layout, ..Case::of(url) };
        let diagnosis = diagnose(&case);
        assert!(diagnosis.is_healthy() || !diagnosis.findings().is_empty());
        for finding in diagnosis.findings() {
            assert!(!finding.to_string().is_empty());
        }
    }
});
