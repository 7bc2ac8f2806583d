//! Diagnoses any URL. The search does not panic and is bounded. If the tap is not healthy, there is a finding.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use suntap::diagnose::{Assumptions, GivenKey, Role, diagnose_watched};
use suntap::{Scheme, SdmLayout, SdmReadCtr, TagPublicKey, sdm_layout};

static LAYOUT: SdmLayout = sdm_layout!("https://example.com/t?picc_data={picc}&enc=[[{enc}&cmac={mac}");
static LRP: SdmLayout = sdm_layout!(Scheme::Lrp, "https://example.com/t?picc_data={picc}&cmac={mac}");
static PLAIN: SdmLayout = sdm_layout!("https://example.com/t?uid={uid}&ctr={ctr}&cmac={mac}");
static SIGNED: SdmLayout = sdm_layout!(Scheme::Ecdsa, "https://ntag.nxp.com/xdna?m=[[{uid}&c={ctr}&s={sig}");

/// The key of the recorded taps that are signed, which are among the seeds.
static PUBLIC_KEY: LazyLock<TagPublicKey> = LazyLock::new(|| {
    TagPublicKey::from_hex("03A17C02DAB2E67FD77DB3B7C5956858420BF43D47632F89FA96169239EBA42615").unwrap()
});

fuzz_target!(|url: &str| {
    // A search is slow, so each URL gets only one. The URL itself selects the assumptions.
    let choice = url.bytes().fold(0, |sum: u8, byte| sum.wrapping_add(byte));
    let layout = [None, Some(&LAYOUT), Some(&LRP), Some(&PLAIN), Some(&SIGNED)][usize::from(choice % 5)];
    let (zero, other) = ([0; 16], [choice; 16]);
    let keys = [
        GivenKey { name: "zero", key: &zero, role: Role::File },
        GivenKey { name: "other", key: &other, role: Role::Any },
    ];
    let keys = &keys[..usize::from(choice >> 2) % 3];
    let stored_ctr = SdmReadCtr::new(u32::from(choice));
    let public_key = Some(&*PUBLIC_KEY);
    let assumptions = Assumptions { layout, keys, public_key, stored_ctr, ..Assumptions::about(url) };
    let mut macs = 0;
    let diagnosis = diagnose_watched(&assumptions, |tried| macs = tried);
    assert!(macs <= 405_300, "the search computed {macs} MACs");
    assert!(diagnosis.is_healthy() || !diagnosis.findings().is_empty());
    for finding in diagnosis.findings() {
        assert!(!finding.to_string().is_empty());
    }
});
