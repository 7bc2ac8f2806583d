//! The verification of `size-verify` with a `Verifier`.

#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use panic_halt as _;
use suntap::{An10922, MasterKey, SdmLayout, SdmMetaReadKey, Verifier, sdm_layout};

static LAYOUT: SdmLayout = sdm_layout!("https://door.example/t?e={picc:uid,ctr}&c={mac}");

fn door() -> Option<Verifier<An10922>> {
    let keys = An10922::new(MasterKey::from_bytes(black_box([1; 16])), b"door").ok()?;
    Verifier::new(&LAYOUT, SdmMetaReadKey::from_bytes(black_box([2; 16])), keys).ok()
}

#[entry]
fn main() -> ! {
    let door = door();
    loop {
        let Some(door) = &door else { continue };
        black_box(door.verify(black_box("https://door.example/t")).is_ok());
    }
}
