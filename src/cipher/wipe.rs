//! Wipes secrets: a stored secret when it is dropped, and the stack after a computation.

use zeroize::{ZeroizeOnDrop, optimization_barrier, zeroize_stack};

/// A stored secret that is wiped on drop. The whole value is overwritten with its default in one step, because wiping
/// each byte separately would take longer than some operations on the value.
///
/// The default of a prepared key is the same type of key, prepared from zeros. It is as large as any other value of the
/// type, so no byte of the secret remains.
pub(crate) struct Secret<T: Default>(pub(crate) T);

impl<T: Default> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0 = T::default();
        // Without the barrier, the compiler would remove the assignment, because the new value is never read.
        optimization_barrier(&self.0);
    }
}

impl<T: Default> ZeroizeOnDrop for Secret<T> {}

/// With AVX-512, the crate `aes` copies the round keys to the stack, four times each, for every computation.
pub(super) const COPIES_ROUND_KEYS: bool = cfg!(any(target_arch = "x86", target_arch = "x86_64"));

/// A third of the number of bytes that [`on_wiped_stack`] overwrites. The deepest computation uses 2.3 KiB, and more than
/// 4 KiB with AVX-512. A test searches the stack for key schedules that a computation leaves.
const THIRD: usize = match (COPIES_ROUND_KEYS, cfg!(target_pointer_width = "32")) {
    (true, _) => 2048,
    (false, true) => 344,
    (false, false) => 1408,
};

/// The same for [`on_shallow_wiped_stack`]. With AVX-512, a computation with a prepared key uses more than 1.5 KiB.
const SHALLOW_THIRD: usize = 896;

/// The same for [`on_deep_wiped_stack`]. With AVX-512, `aes-siv` encrypts 64 blocks at once, and uses more than 8 KiB.
const DEEP_THIRD: usize = if COPIES_ROUND_KEYS { 5632 } else { THIRD };

/// Runs a computation, and then overwrites the stack that the computation used.
///
/// A key that is used once needs its key schedule only during one computation. The crate `aes` copies the schedule while
/// it computes it, so wiping the last copy on drop would leave the others. Overwriting the stack takes less time, and
/// wipes all copies.
#[inline]
pub(crate) fn on_wiped_stack<T>(compute: impl FnOnce() -> T) -> T {
    wiped::<THIRD, T>(compute)
}

/// Like [`on_wiped_stack`], for a computation with a prepared key, which computes no schedule.
#[inline]
pub(crate) fn on_shallow_wiped_stack<T>(compute: impl FnOnce() -> T) -> T {
    wiped::<SHALLOW_THIRD, T>(compute)
}

/// Like [`on_wiped_stack`], for the crate `aes-siv`.
#[inline]
pub(crate) fn on_deep_wiped_stack<T>(compute: impl FnOnce() -> T) -> T {
    wiped::<DEEP_THIRD, T>(compute)
}

#[inline]
fn wiped<const THIRD: usize, T>(compute: impl FnOnce() -> T) -> T {
    // If the computation were inlined, its values would be in the stack frame of the caller, which `wipe` does not reach.
    #[inline(never)]
    fn apart<T>(compute: impl FnOnce() -> T) -> T {
        compute()
    }

    // In pieces, because some C libraries fill more than 2 KiB with an instruction that starts slowly. The barriers keep the
    // compiler from joining them.
    #[inline(never)]
    fn wipe<const THIRD: usize>() {
        let first = [0_u8; THIRD];
        optimization_barrier(&first);
        let second = [0_u8; THIRD];
        optimization_barrier(&second);
        zeroize_stack::<THIRD>();
        optimization_barrier(&(&first, &second));
    }

    let result = apart(compute);
    wipe::<THIRD>();
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_overwritten() {
        use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

        static WRITTEN: AtomicU8 = AtomicU8::new(0);
        struct Counted;
        impl Default for Counted {
            fn default() -> Self {
                WRITTEN.fetch_add(1, Relaxed);
                Self
            }
        }
        drop(Secret(Counted));
        assert_eq!(WRITTEN.load(Relaxed), 1);
    }
}
