//! Round keys. Source: FIPS 197 §5.2.

use zeroize::optimization_barrier;

/// FIPS 197 §5.2, of rounds 1 to 9; round 10 stands apart, since no mixing follows it.
pub(super) const ROUND_CONSTANTS: [u32; 9] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1B];
pub(super) const LAST_CONSTANT: u32 = 0x36;

/// The round keys of some keys, side by side: the first of each, those of the rounds, the last.
pub(crate) struct RoundKeys<const N: usize> {
    pub(super) first: [u128; N],
    pub(super) rounds: [[u128; N]; 9],
    pub(super) last: [u128; N],
}

impl<const N: usize> RoundKeys<N> {
    pub(super) const fn none() -> Self {
        Self { first: [0; N], rounds: [[0; N]; 9], last: [0; N] }
    }
}

impl<const N: usize> Drop for RoundKeys<N> {
    fn drop(&mut self) {
        (self.first, self.rounds, self.last) = ([0; N], [[0; N]; 9], [0; N]);
        optimization_barrier(self);
    }
}
