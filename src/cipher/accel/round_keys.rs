//! Stores the round keys of AES-128. Source: FIPS 197 §5.2.

use zeroize::optimization_barrier;

/// The round constants of rounds 1 to 9. The constant of round 10 is separate, because round 10 has no MixColumns.
/// Source: FIPS 197 §5.2.
pub(super) const ROUND_CONSTANTS: [u32; 9] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1B];
pub(super) const LAST_CONSTANT: u32 = 0x36;

/// The round keys of `N` keys. Each key has 11 round keys: the first, one for each of the rounds 1 to 9, and the last.
#[derive(Clone)]
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
