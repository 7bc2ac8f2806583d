//! Implements AES with instructions on registers that hold one or more blocks.

use zeroize::optimization_barrier;

use crate::cipher::block::halve;

/// The round constants of rounds 1 to 9. The constant of round 10 is separate, because round 10 has no MixColumns.
/// Source: FIPS 197 §5.2.
const ROUND_CONSTANTS: [u32; 9] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1B];
const LAST_CONSTANT: u32 = 0x36;

/// Instructions on registers that hold one or more blocks.
pub(crate) trait Vectors: Copy {
    type Register: Copy;

    /// Copies `byte` into each byte of a register.
    fn spread(self, byte: u8) -> Self::Register;

    fn xor(self, a: Self::Register, b: Self::Register) -> Self::Register;

    fn encrypt_round(self, state: Self::Register, key: Self::Register) -> Self::Register;

    fn encrypt_last(self, state: Self::Register, key: Self::Register) -> Self::Register;

    fn decrypt_round(self, state: Self::Register, key: Self::Register) -> Self::Register;

    fn decrypt_last(self, state: Self::Register, key: Self::Register) -> Self::Register;

    /// Computes InvMixColumns.
    fn inverse_mix(self, key: Self::Register) -> Self::Register;

    /// Computes the next round key. To compute SubWord, a step of the key schedule, this method uses the instruction for
    /// the last round of the cipher. The instruction also applies ShiftRows. The method passes four equal columns, and
    /// on these, ShiftRows has no effect. Source: FIPS 197 §5.2.
    fn next_round_key(self, key: Self::Register, constant: u32) -> Self::Register;

    /// Doubles each block in GF(2^128), with the first byte as the highest. Does not branch on the blocks.
    fn double_each(self, blocks: Self::Register) -> Self::Register;

    /// Copies the byte at the offset `index` of each block into each byte of this block.
    fn select_byte(self, blocks: Self::Register, index: u8) -> Self::Register;

    /// Moves the high nibble of each byte to the low nibble. The high nibbles of the result are undefined.
    fn high_nibbles(self, bytes: Self::Register) -> Self::Register;

    /// Returns a mask for [`choose`](Self::choose) for each of the low four bits of each byte, from the lowest bit.
    fn masks(self, nibbles: Self::Register) -> [Self::Register; 4];

    /// Takes a byte of `odd` where `mask` is set, and a byte of `even` elsewhere.
    fn choose(self, even: Self::Register, odd: Self::Register, mask: Self::Register) -> Self::Register;
}

/// The round keys of `N` registers with keys. They are wiped on drop.
pub(crate) struct RoundKeys<R: Copy, const N: usize> {
    pub(super) first: [R; N],
    pub(super) rounds: [[R; N]; 9],
    pub(super) last: [R; N],
    pub(super) zero: R,
}

impl<R: Copy, const N: usize> Drop for RoundKeys<R, N> {
    #[inline(always)]
    fn drop(&mut self) {
        (self.first, self.rounds, self.last) = ([self.zero; N], [[self.zero; N]; 9], [self.zero; N]);
        optimization_barrier(self);
    }
}

#[inline(always)]
pub(super) fn expand<V: Vectors, const N: usize>(v: V, first: [V::Register; N]) -> RoundKeys<V::Register, N> {
    let zero = v.spread(0);
    let mut expanded = RoundKeys { first, rounds: [[zero; N]; 9], last: [zero; N], zero };
    let mut keys = first;
    for (round, constant) in expanded.rounds.iter_mut().zip(ROUND_CONSTANTS) {
        for (kept, key) in round.iter_mut().zip(&mut keys) {
            *key = v.next_round_key(*key, constant);
            *kept = *key;
        }
    }
    for (kept, key) in expanded.last.iter_mut().zip(keys) {
        *kept = v.next_round_key(key, LAST_CONSTANT);
    }
    expanded
}

#[inline(always)]
pub(super) fn xor_each<V: Vectors, const N: usize>(
    v: V,
    mut a: [V::Register; N],
    b: &[V::Register; N],
) -> [V::Register; N] {
    for (a, b) in a.iter_mut().zip(b) {
        *a = v.xor(*a, *b);
    }
    a
}

#[inline(always)]
pub(super) fn double_lanes<V: Vectors, const N: usize>(v: V, mut lanes: [V::Register; N]) -> [V::Register; N] {
    for lane in &mut lanes {
        *lane = v.double_each(*lane);
    }
    lanes
}

/// Encrypts one register under each key.
#[inline(always)]
pub(super) fn encrypt<V: Vectors, const N: usize>(
    v: V,
    keys: &RoundKeys<V::Register, N>,
    states: [V::Register; N],
) -> [V::Register; N] {
    let mut states = xor_each(v, states, &keys.first);
    for round in &keys.rounds {
        for (state, key) in states.iter_mut().zip(round) {
            *state = v.encrypt_round(*state, *key);
        }
    }
    for (state, key) in states.iter_mut().zip(&keys.last) {
        *state = v.encrypt_last(*state, *key);
    }
    states
}

/// Decrypts one register under each key.
#[inline(always)]
pub(super) fn decrypt<V: Vectors, const N: usize>(
    v: V,
    keys: &RoundKeys<V::Register, N>,
    states: [V::Register; N],
) -> [V::Register; N] {
    let mut states = xor_each(v, states, &keys.last);
    for round in keys.rounds.iter().rev() {
        for (state, key) in states.iter_mut().zip(round) {
            *state = v.decrypt_round(*state, v.inverse_mix(*key));
        }
    }
    for (state, key) in states.iter_mut().zip(&keys.first) {
        *state = v.decrypt_last(*state, *key);
    }
    states
}

/// Encrypts `M` registers under each key. The round keys are computed during the encryption, and are not stored.
#[inline(always)]
pub(super) fn expand_and_encrypt<V: Vectors, const N: usize, const M: usize>(
    v: V,
    mut keys: [V::Register; N],
    mut states: [[V::Register; N]; M],
) -> [[V::Register; N]; M] {
    for states in &mut states {
        *states = xor_each(v, *states, &keys);
    }
    for constant in ROUND_CONSTANTS {
        for key in &mut keys {
            *key = v.next_round_key(*key, constant);
        }
        for states in &mut states {
            for (state, key) in states.iter_mut().zip(&keys) {
                *state = v.encrypt_round(*state, *key);
            }
        }
    }
    for key in &mut keys {
        *key = v.next_round_key(*key, LAST_CONSTANT);
    }
    for states in &mut states {
        for (state, key) in states.iter_mut().zip(&keys) {
            *state = v.encrypt_last(*state, *key);
        }
    }
    states
}

/// Selects one of 16 entries for each block. `nibbles` has the index in each byte of the block.
#[inline(always)]
pub(super) fn look_up<V: Vectors, T>(
    v: V,
    table: &[T; 16],
    nibbles: V::Register,
    load: impl Fn(&T) -> V::Register,
) -> V::Register {
    let load = |entry| load(entry);
    let choose = |even, odd, mask| v.choose(even, odd, mask);
    halve!(table, v.masks(nibbles), load, choose)
}

/// The methods of `LaneAes` that are the same for each type of register.
macro_rules! lane_methods {
    () => {
        #[inline(always)]
        fn xor_lanes(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes {
            $crate::cipher::accel::vectors::xor_each(self, a, &b)
        }

        #[inline(always)]
        fn double_lanes(self, lanes: Self::Lanes) -> Self::Lanes {
            $crate::cipher::accel::vectors::double_lanes(self, lanes)
        }

        #[inline(always)]
        fn encrypt_lanes<const M: usize>(self, keys: Self::Lanes, blocks: [Self::Lanes; M]) -> [Self::Lanes; M] {
            $crate::cipher::accel::vectors::expand_and_encrypt(self, keys, blocks)
        }

        #[inline(always)]
        fn decrypt_lanes(self, keys: Self::Lanes, blocks: Self::Lanes) -> Self::Lanes {
            $crate::cipher::accel::vectors::decrypt(self, &$crate::cipher::accel::vectors::expand(self, keys), blocks)
        }
    };
}
pub(super) use lane_methods;
