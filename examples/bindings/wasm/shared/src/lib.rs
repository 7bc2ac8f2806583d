//! What both WebAssembly modules need: the heap, the panic handler, and secrets that leave no copies.

#![cfg_attr(target_arch = "wasm32", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use core::hint::black_box;

use zeroize::{Zeroize, Zeroizing};

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Stops the module. No input is known to cause a panic.
#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Calls `action`, and then overwrites the part of the stack that it used, where moved keys may have left copies. `WORDS`
/// is the size of this part, in words of 8 bytes.
pub fn on_wiped_stack<const WORDS: usize, T>(action: impl FnOnce() -> T) -> T {
    let result = apart(action);
    wipe_stack::<WORDS>();
    result
}

/// Calls `action` in a stack frame of its own, which is below the frame of the caller.
#[inline(never)]
fn apart<T>(action: impl FnOnce() -> T) -> T {
    action()
}

#[inline(never)]
fn wipe_stack<const WORDS: usize>() {
    let mut unused = [0_u64; WORDS];
    unused.zeroize();
    black_box(&unused);
}

/// Reads a key from 16 bytes, or from the bytes of 32 hexadecimal digits, and wipes these bytes. Returns `None` if they are
/// neither.
pub fn read_key<K, E>(
    bytes: Vec<u8>,
    from_bytes: impl FnOnce([u8; 16]) -> K,
    from_hex: impl FnOnce(&str) -> Result<K, E>,
) -> Option<K> {
    let bytes = Zeroizing::new(bytes);
    if let Ok(raw) = <[u8; 16]>::try_from(&**bytes) {
        return Some(from_bytes(*Zeroizing::new(raw)));
    }
    from_hex(str::from_utf8(&bytes).ok()?).ok()
}
