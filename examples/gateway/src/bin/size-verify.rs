//! A complete verification by the tap states: parsing, PICCData, AN10922, MAC. With the feature `lrp`, also in LRP
//! mode.

#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use panic_halt as _;
use suntap::kdf::an10922;
use suntap::{MasterKey, Scheme, SdmLayout, SdmMetaReadKey, sdm_layout};

static LAYOUT: SdmLayout = sdm_layout!("https://door.example/t?e={picc:uid,ctr}&c={mac}");
#[cfg(feature = "lrp")]
static LRP: SdmLayout = sdm_layout!(Scheme::Lrp, "https://door.example/t?e={picc:uid,ctr}&c={mac}");

fn verify(layout: &SdmLayout, url: &str) -> Option<u32> {
    let master = MasterKey::from_bytes(black_box([1; 16]));
    let meta = SdmMetaReadKey::from_bytes(black_box([2; 16])).prepare(layout.scheme());
    let claimed = layout.parse(url).ok()?.open(&meta).ok()?;
    let key = an10922::derive_in_epoch(&master, claimed.uid()?, 0, b"door").ok()?;
    Some(claimed.verify(&key.prepare(layout.scheme())).ok()?.ctr().get())
}

#[entry]
fn main() -> ! {
    loop {
        black_box(verify(&LAYOUT, black_box("https://door.example/t")));
        #[cfg(feature = "lrp")]
        black_box(verify(black_box(&LRP), black_box("https://door.example/t")));
        let _ = Scheme::Aes;
    }
}
