//! How much stack was used: it is painted before, and looked at afterwards.

#![allow(unsafe_code, reason = "the stack is nobody's value")]

use core::ptr;

const PAINT: u32 = 0x5AFE_5AFE;
/// What this function itself may use, and is not painted.
const MARGIN: u32 = 256;

unsafe extern "C" {
    /// The end of static data, from the linker script of `cortex-m-rt`.
    static mut __sheap: u32;
    static mut _stack_start: u32;
}

/// The words between static data and the stack.
fn free() -> (u32, u32) {
    let bottom = (&raw const __sheap) as u32;
    (bottom, cortex_m::register::msp::read() - MARGIN)
}

/// Paints what is free.
pub(crate) fn paint() {
    let (bottom, top) = free();
    for at in (bottom..top).step_by(4) {
        // SAFETY: nothing lives between the end of static data and the stack pointer less a margin; there is no heap and no
        // interrupt.
        unsafe { ptr::write_volatile(at as *mut u32, PAINT) };
    }
}

/// The most stack that was used since it was painted, in bytes.
pub(crate) fn used() -> u32 {
    (&raw const _stack_start) as u32 - deepest()
}

/// The stack that something uses, in bytes, apart from what was in use before.
pub(crate) fn of<T>(work: impl FnOnce() -> T) -> u32 {
    paint();
    let before = cortex_m::register::msp::read();
    let _ = core::hint::black_box(work());
    before.saturating_sub(deepest())
}

/// The lowest word that is not painted any more.
fn deepest() -> u32 {
    let (bottom, top) = free();
    // SAFETY: as above; reading what was painted.
    let painted = (bottom..top).step_by(4).take_while(|at| unsafe { ptr::read_volatile(*at as *const u32) } == PAINT);
    bottom + 4 * painted.count() as u32
}
