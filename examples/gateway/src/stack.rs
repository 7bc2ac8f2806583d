//! Measures stack use: paints the free stack before, and finds the lowest overwritten word afterwards.

#![allow(unsafe_code, reason = "the free stack is not memory of any Rust value")]

use core::ptr;

const PAINT: u32 = 0x5AFE_5AFE;
/// The bytes below the stack pointer that `paint` itself may use. They are not painted.
const MARGIN: u32 = 256;

unsafe extern "C" {
    /// The end of static data, from the linker script of `cortex-m-rt`.
    static mut __sheap: u32;
    static mut _stack_start: u32;
}

/// Returns the range of free words between static data and the stack.
fn free() -> (u32, u32) {
    let bottom = (&raw const __sheap) as u32;
    (bottom, cortex_m::register::msp::read() - MARGIN)
}

/// Paints the free words.
pub(crate) fn paint() {
    let (bottom, top) = free();
    for at in (bottom..top).step_by(4) {
        // SAFETY: no value is between the end of static data and the stack pointer minus the margin, because there is no
        // heap and no interrupt handler.
        unsafe { ptr::write_volatile(at as *mut u32, PAINT) };
    }
}

/// Returns the maximum stack use since `paint`, in bytes.
pub(crate) fn used() -> u32 {
    (&raw const _stack_start) as u32 - deepest()
}

/// Returns the stack that `work` uses, in bytes, in addition to the stack already in use, and the result of `work`.
pub(crate) fn used_by<T>(work: impl FnOnce() -> T) -> (u32, T) {
    paint();
    let before = cortex_m::register::msp::read();
    let result = core::hint::black_box(work());
    (before.saturating_sub(deepest()), result)
}

/// Returns the address of the lowest word that was overwritten.
fn deepest() -> u32 {
    let (bottom, top) = free();
    // SAFETY: the range is that of `paint`, and its words were initialized there.
    let painted = (bottom..top).step_by(4).take_while(|at| unsafe { ptr::read_volatile(*at as *const u32) } == PAINT);
    bottom + 4 * painted.count() as u32
}
