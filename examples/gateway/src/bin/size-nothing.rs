//! An empty program, with only the startup code and the panic handler that all programs here have.

#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use panic_halt as _;

#[entry]
fn main() -> ! {
    loop {
        black_box("https://door.example/t");
    }
}
