//! Blocks: plain arrays, wiped where they are secret.

use core::hint::black_box;

use zeroize::optimization_barrier;

/// One block of the cipher, and also one key.
pub(crate) type Block = [u8; 16];

/// What CMAC is built on: the encryption of one block under a fixed key.
pub(crate) trait BlockEncrypt {
    fn encrypt(&self, block: &mut Block);

    /// Several blocks, each of which waits for the one before. To have them all at once is cheaper where a cipher sets out for
    /// each call.
    fn chain(&self, chain: impl Chain) -> Block {
        chain.run(|block| self.encrypt(block))
    }
}

/// See [`BlockEncrypt::chain`].
pub(crate) trait Chain {
    fn run(self, encrypt: impl Fn(&mut Block)) -> Block;
}

/// Secret blocks, which are overwritten when they are dropped. All at once: byte by byte it would take longer than some of what is
/// done with them.
pub(crate) struct Secret<T: Default>(pub(crate) T);

impl<T: Default> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0 = T::default();
        // Or a compiler would leave out what nobody reads.
        optimization_barrier(&self.0);
    }
}

/// These bytes, as far as there is room, and zeros behind them.
pub(crate) fn padded<const N: usize>(bytes: impl IntoIterator<Item = u8>) -> [u8; N] {
    let mut padded = [0; N];
    padded.iter_mut().zip(bytes).for_each(|(padded, byte)| *padded = byte);
    padded
}

#[inline]
pub(crate) fn xor(block: Block, other: Block) -> Block {
    (u128::from_ne_bytes(block) ^ u128::from_ne_bytes(other)).to_ne_bytes()
}

/// For a table of which nobody may learn which entry is read: a bit of the index, as all ones or all zeros, of which a compiler can make
/// no branch.
#[inline]
pub(super) fn mask(index: u8, bit: u8) -> u64 {
    black_box(0_u64.wrapping_sub((index >> bit & 1).into()))
}

/// Halves a table of sixteen entries bit by bit, until one is left. No function, since one that uses the processor's instructions
/// calls no other on the way.
macro_rules! halve {
    ($table:expr, $masks:expr, $load:expr, $choose:expr) => {{
        let (choose, load, [one, two, four, eight]) = ($choose, $load, $masks);
        let [t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, ta, tb, tc, td, te, tf] = $table;
        let (t0, t1) = (choose(load(t0), load(t1), one), choose(load(t2), load(t3), one));
        let (t2, t3) = (choose(load(t4), load(t5), one), choose(load(t6), load(t7), one));
        let (t4, t5) = (choose(load(t8), load(t9), one), choose(load(ta), load(tb), one));
        let (t6, t7) = (choose(load(tc), load(td), one), choose(load(te), load(tf), one));
        let (t0, t1) = (choose(t0, t1, two), choose(t2, t3, two));
        let (t2, t3) = (choose(t4, t5, two), choose(t6, t7, two));
        choose(choose(t0, t1, four), choose(t2, t3, four), eight)
    }};
}
pub(super) use halve;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_overwritten() {
        use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

        static WRITTEN: AtomicU8 = AtomicU8::new(0);
        struct Told;
        impl Default for Told {
            fn default() -> Self {
                WRITTEN.fetch_add(1, Relaxed);
                Self
            }
        }
        drop(Secret(Told));
        assert_eq!(WRITTEN.load(Relaxed), 1);
    }
}
