//! A complete verification of a signed tap by the tap states: parsing, and the signature.

#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use panic_halt as _;
use suntap::{Scheme, SdmLayout, TagPublicKey, sdm_layout};

static LAYOUT: SdmLayout = sdm_layout!(Scheme::Ecdsa, "https://door.example/t?m=[[{uid}&c={ctr}&s={sig}");

fn verify(url: &str) -> Option<u32> {
    let key = TagPublicKey::from_sec1(&black_box([2; 33])).ok()?;
    Some(LAYOUT.parse(url).ok()?.read_plain().ok()?.verify(&key).ok()?.ctr().get())
}

#[entry]
fn main() -> ! {
    loop {
        black_box(verify(black_box("https://door.example/t")));
    }
}
