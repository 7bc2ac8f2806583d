//! Only counters on flash.

#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use panic_halt as _;
use suntap::{CounterId, CounterStore, FlashCounters, SdmReadCtr};
use suntap_gateway::flash::RamFlash;

#[entry]
fn main() -> ! {
    let Some(chip) = cortex_m::singleton!(: RamFlash = RamFlash::new()) else { loop {} };
    loop {
        let Ok(mut counters) = FlashCounters::<_, 32>::open_blocking(&mut *chip, RamFlash::REGION) else { continue };
        let _ = black_box(counters.advance(&CounterId::from_bytes(black_box([3; 16])), SdmReadCtr::MAX, None).is_ok());
    }
}
