//! The verification of `size-verify` with the crate `ntag424`: in AES mode, and with the feature `lrp` also in LRP mode.
//! It needs a heap.

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "the allocator is initialized with a raw pointer")]

extern crate alloc;

use core::hint::black_box;

use cortex_m_rt::entry;
use embedded_alloc::LlffHeap;
use ntag424::key_diversification::diversify_aes128;
use ntag424::sdm::{SdmUrlOptions, Verifier, sdm_url_config};
use ntag424::types::file_settings::CryptoMode;
use panic_halt as _;

#[global_allocator]
static HEAP: LlffHeap = LlffHeap::empty();

fn verify(mode: CryptoMode, url: &[u8]) -> Option<u32> {
    let template = "https://door.example/t?e={picc:uid+ctr}&c=[[{mac}";
    let config = sdm_url_config(template, mode, SdmUrlOptions::default()).ok()?;
    let shift = i32::try_from(config.prefix_len).ok()? - i32::try_from(config.offset).ok()?;
    let verifier = Verifier::try_new(&config.sdm_settings, mode).ok()?.with_offset(shift)?;
    let (master, meta) = (black_box([1; 16]), black_box([2; 16]));
    let uid = black_box([4; 7]);
    let key = diversify_aes128(&master, &[&uid[..], b"door"].concat());
    verifier.verify_with_meta_key(url, &key, &meta).ok()?.read_ctr
}

#[entry]
fn main() -> ! {
    let Some(memory) = cortex_m::singleton!(: [u8; 8192] = [0; 8192]) else { loop {} };
    // SAFETY: this runs once, before the first allocation, and nothing else uses `memory`.
    unsafe { HEAP.init(memory.as_mut_ptr() as usize, memory.len()) }
    loop {
        black_box(verify(CryptoMode::Aes, black_box(b"https://door.example/t")));
        #[cfg(feature = "lrp")]
        black_box(verify(CryptoMode::Lrp, black_box(b"https://door.example/t")));
    }
}
