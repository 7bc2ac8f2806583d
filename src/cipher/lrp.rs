//! Implements the leakage-resilient primitive (LRP), which chips use in LRP mode. Source: NXP AN12304 Rev 1.1.
//!
//! To verify a tap, you do not need this module. If the scheme of the layout is [`Scheme::Lrp`](crate::Scheme::Lrp),
//! the steps that decrypt and verify a tap use LRP automatically. The functions are public for callers that analyse a
//! tap or communicate with a chip. The documentation search also finds the functions by NXP's names for the algorithms.
//!
//! The running time does not depend on the values of keys or data. LRP derives 16 secret blocks from each key. NXP
//! calls these blocks plaintexts. To select one plaintext, the code reads all 16, so memory accesses do not reveal
//! which plaintext is selected.

// Only with `accel`, because the default build needs more instructions if these functions are inlined.
#![allow(clippy::inline_always, reason = "see `compute!`")]

use core::fmt;

use zeroize::{ZeroizeOnDrop, optimization_barrier};

use super::backend::compute;
use super::block::{Block, BlockEncrypt, Chunk, LANES, chunks};
use super::cmac::{Cmac, SHARED, once_knowing};
use super::lanes::LaneEncrypt;
use super::once::{LaneAes, OnceAes, Table};
use super::wipe::Secret;

/// A value of this type proves that this build supports LRP. Without the feature `lrp`, this type has no values, so the
/// compiler removes all code that needs a value of this type.
#[cfg(feature = "lrp")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Enabled;
/// Without the feature `lrp`, this type has no values.
#[cfg(not(feature = "lrp"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enabled {}

/// LRP derives two kinds of values from a chain of secrets: secret blocks, which NXP calls plaintexts, and updated
/// keys. Encrypting `NEXT` under a secret gives the next secret in the chain. Encrypting `OUT` under a secret gives a
/// plaintext or an updated key.
const NEXT: Block = [0x55; 16];
const OUT: Block = [0xAA; 16];

/// Returns the 16 secret blocks that LRP derives from a key (`generatePlaintexts(4, key)` in AN12304). NXP calls these
/// blocks plaintexts. Source: AN12304 §2.1, Algorithm 1.
///
/// The plaintexts are as secret as `key`, so the caller must wipe them. An [`Lrp`] wipes its own plaintexts.
#[doc(alias = "generatePlaintexts")]
#[must_use]
pub fn plaintexts(key: &[u8; 16]) -> [[u8; 16]; 16] {
    compute!(|aes| {
        let mut plaintexts = [[0; 16]; 16];
        fill(aes, key, plaintexts.iter_mut(), |plaintext| plaintext);
        plaintexts
    })
}

/// Fills `plaintexts` with the secret blocks that NXP calls the plaintexts of a key. `set` converts each plaintext to
/// the stored type.
#[cfg_attr(feature = "accel", inline(always))]
fn fill<'p, P: 'p>(
    aes: impl OnceAes,
    key: &Block,
    plaintexts: impl Iterator<Item = &'p mut P>,
    set: impl Fn(Block) -> P,
) {
    let mut secret = aes.encrypt(*key, NEXT);
    for plaintext in plaintexts {
        let [[out], [next]] = aes.encrypt_by([secret], [[OUT], [NEXT]]);
        (*plaintext, secret) = (set(out), next);
    }
}

/// Returns one of the updated keys that LRP derives from a key (`generateUpdatedKeys(key)[index]` in AN12304). Each
/// evaluation of LRP starts with an updated key. Source: AN12304 §2.1, Algorithm 2.
///
/// The updated key is as secret as `key`, so the caller must wipe it.
#[doc(alias = "generateUpdatedKeys")]
#[must_use]
pub fn updated_key(key: &[u8; 16], index: u8) -> [u8; 16] {
    compute!(|aes| update(aes, key, index))
}

/// Computes an [`updated_key`] inside of [`compute!`].
#[cfg_attr(feature = "accel", inline(always))]
fn update(aes: impl OnceAes, key: &Block, index: u8) -> Block {
    let mut secret = aes.encrypt(*key, OUT);
    for _ in 0..index {
        secret = aes.encrypt(secret, NEXT);
    }
    aes.encrypt(secret, OUT)
}

/// A key prepared for LRP. It contains 16 secret blocks, which NXP calls plaintexts, and one updated key. All of them
/// are derived from the key. The prepared key is wiped on drop.
pub struct Lrp {
    plaintexts: [u128; 16],
    updated_key: Block,
    _enabled: Enabled,
}

/// Several keys that are prepared for LRP and used in parallel, each with updated key 0.
pub(crate) struct LrpLanes<A: LaneAes> {
    plaintexts: Secret<Table>,
    updated_keys: A::Lanes,
    _enabled: Enabled,
}

impl<A: LaneAes> LrpLanes<A> {
    #[cfg_attr(feature = "accel", inline(always))]
    pub(crate) fn new(aes: A, enabled: Enabled, keys: A::Lanes) -> Self {
        let (next, out) = (aes.load_lanes(&[NEXT; LANES]), aes.load_lanes(&[OUT; LANES]));
        let [mut secrets, update_secrets] = aes.encrypt_lanes(keys, [next, out]);
        let [updated_keys] = aes.encrypt_lanes(update_secrets, [out]);
        let mut plaintexts = Secret([[[0; 16]; LANES]; 16]);
        for row in &mut plaintexts.0 {
            let [given, following] = aes.encrypt_lanes(secrets, [out, next]);
            (*row, secrets) = (aes.store_lanes(given), following);
        }
        Self { plaintexts, updated_keys, _enabled: enabled }
    }

    #[cfg_attr(feature = "accel", inline(always))]
    fn eval(&self, aes: A, numbers: A::Lanes) -> A::Lanes {
        let mut states = self.updated_keys;
        for byte in 0..16 {
            for low in [false, true] {
                [states] = aes.encrypt_lanes(states, [aes.look_up_lanes(&self.plaintexts.0, numbers, byte, low)]);
            }
        }
        let [finalized] = aes.encrypt_lanes(states, [aes.load_lanes(&[[0; 16]; LANES])]);
        finalized
    }
}

impl<A: LaneAes> LaneEncrypt<A> for LrpLanes<A> {
    #[cfg_attr(feature = "accel", inline(always))]
    fn encrypt<const M: usize>(&self, aes: A, blocks: [A::Lanes; M]) -> [A::Lanes; M] {
        let mut states = blocks;
        for state in &mut states {
            *state = self.eval(aes, *state);
        }
        states
    }
}

impl Lrp {
    /// Prepares a key with the updated key at `updated_key_index`. SDM uses index 1 for encryption under a session key,
    /// and index 0 for everything else. Each increment of the index costs one more block encryption. Source: AN12304
    /// §2.1.
    #[cfg(feature = "lrp")]
    #[must_use]
    pub fn new(key: &[u8; 16], updated_key_index: u8) -> Self {
        Self::prepare(Enabled, key, updated_key_index)
    }

    pub(crate) fn prepare(enabled: Enabled, key: &Block, updated_key_index: u8) -> Self {
        compute!(|aes| {
            let updated_key = update(aes, key, updated_key_index);
            let mut lrp = Self { plaintexts: [0; 16], updated_key, _enabled: enabled };
            fill(aes, key, lrp.plaintexts.iter_mut(), u128::from_ne_bytes);
            lrp
        })
    }

    /// Evaluates LRP over nibbles in the given order (`eval` in AN12304). Only the low four bits of each item are used.
    /// Source: AN12304 §2.2, Algorithm 3.
    ///
    /// If `finalize` is `true`, the function encrypts a block of zeros under the result, and returns the encrypted
    /// block instead of the result. Finalize every result that you disclose.
    pub fn eval(&self, nibbles: impl IntoIterator<Item = u8>, finalize: bool) -> [u8; 16] {
        compute!(|aes| self.walk(aes, nibbles, finalize))
    }

    /// Evaluates LRP like [`eval`](Self::eval) inside of [`compute!`].
    #[cfg_attr(feature = "accel", inline(always))]
    fn walk(&self, aes: impl OnceAes, nibbles: impl IntoIterator<Item = u8>, finalize: bool) -> Block {
        let mut state = self.updated_key;
        for nibble in nibbles {
            state = aes.encrypt(state, aes.look_up(&self.plaintexts, nibble));
        }
        if finalize { aes.encrypt(state, [0; 16]) } else { state }
    }

    /// Decrypts whole blocks in place with LRICB, the encryption mode of LRP, without padding. Source: AN12304 §3.1,
    /// Algorithm 5.
    ///
    /// `counter` is a big-endian number of any length. The function increments the counter after each block. The
    /// maximum counter wraps to 0. With an empty counter, all blocks are decrypted with the same key.
    #[doc(alias = "LRICBDec")]
    pub fn decrypt(&self, counter: &mut [u8], blocks: &mut [[u8; 16]]) {
        compute!(|aes| {
            for block in blocks {
                let key = self.block_key(aes, counter);
                *block = aes.decrypt(key, *block);
            }
        });
    }

    /// Encrypts whole blocks in place with LRICB, the encryption mode of LRP, without padding. The arguments have the
    /// same meaning as in [`decrypt`](Self::decrypt). Source: AN12304 §3.1, Algorithm 4.
    #[doc(alias = "LRICBEnc")]
    pub fn encrypt(&self, counter: &mut [u8], blocks: &mut [[u8; 16]]) {
        compute!(|aes| {
            for block in blocks {
                let key = self.block_key(aes, counter);
                *block = aes.encrypt(key, *block);
            }
        });
    }

    /// Computes `CMAC_LRP` and returns all 16 bytes. Source: AN12304 §3.2, Algorithm 6.
    #[must_use]
    pub fn cmac(&self, message: &[u8]) -> [u8; 16] {
        Cmac::over(self).compute(chunks(message.iter().copied()))
    }

    /// Computes the key for one block from the counter, and increments the counter.
    #[cfg_attr(feature = "accel", inline(always))]
    fn block_key(&self, aes: impl OnceAes, counter: &mut [u8]) -> Block {
        let key = self.walk(aes, nibbles(counter), true);
        for byte in counter.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        key
    }
}

impl Cmac<Lrp> {
    /// Prepares `CMAC_LRP` with updated key 0.
    pub(crate) fn lrp(enabled: Enabled, key: &Block) -> Self {
        compute!(|aes| {
            let (lrp, l) = Lrp::start(aes, enabled, key);
            Self::knowing(lrp, l)
        })
    }

    /// Computes the `CMAC_LRP` of a message. The key is prepared for this call only.
    #[cfg_attr(not(feature = "lrp"), allow(unused_assignments, reason = "without LRP, this function cannot be called"))]
    pub(crate) fn once_lrp(enabled: Enabled, key: &Block, message: impl Iterator<Item = Chunk>) -> Block {
        if SHARED {
            return Self::lrp(enabled, key).compute(message);
        }
        compute!(|aes| {
            let (lrp, l) = Lrp::start(aes, enabled, key);
            once_knowing(
                aes,
                l,
                message,
                #[inline(always)]
                |block| lrp.walk(aes, nibbles(&block), true),
            )
        })
    }
}

impl Lrp {
    /// Prepares a key with updated key 0, and encrypts a block of zeros, from which `CMAC_LRP` derives its subkeys. In
    /// LRP, each nibble of a block selects a plaintext. All nibbles of this block are zero, so its encryption needs only
    /// the first plaintext. After the first plaintext is known, the code runs this encryption in parallel with the
    /// computation of the other 15 plaintexts.
    #[cfg_attr(feature = "accel", inline(always))]
    fn start(aes: impl OnceAes, enabled: Enabled, key: &Block) -> (Self, Block) {
        let [[secret], [update_secret]] = aes.encrypt_by([*key], [[NEXT], [OUT]]);
        let [[first, updated_key], [secret, _]] = aes.encrypt_by([secret, update_secret], [[OUT, OUT], [NEXT, OUT]]);
        let mut lrp = Lrp { plaintexts: [u128::from_ne_bytes(first); 16], updated_key, _enabled: enabled };
        // Two chains of encryptions run in parallel, and `keys` contains the current key of each chain. The first chain
        // computes the plaintexts. The second chain encrypts the block of zeros.
        let mut keys = [secret, updated_key];
        let mut nibbles: u8 = 32;
        for plaintext in lrp.plaintexts.iter_mut().skip(1) {
            let [[out, state], [secret, _]] = aes.encrypt_by(keys, [[OUT, first], [NEXT, first]]);
            *plaintext = u128::from_ne_bytes(out);
            keys = [secret, state];
            nibbles = nibbles.saturating_sub(1);
        }
        let [_, mut state] = keys;
        for _ in 0..nibbles {
            state = aes.encrypt(state, first);
        }
        let l = aes.encrypt(state, [0; 16]);
        (lrp, l)
    }
}

impl BlockEncrypt for Lrp {
    fn encrypt(&self, block: &mut Block) {
        *block = self.eval(nibbles(block), true);
    }
}

impl BlockEncrypt for &Lrp {
    fn encrypt(&self, block: &mut Block) {
        BlockEncrypt::encrypt(*self, block);
    }
}

fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F])
}

impl Drop for Lrp {
    fn drop(&mut self) {
        (self.plaintexts, self.updated_key) = ([0; 16], [0; 16]);
        optimization_barrier(self);
    }
}

impl ZeroizeOnDrop for Lrp {}

impl fmt::Debug for Lrp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lrp(secret)")
    }
}

#[cfg(feature = "lrp")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::cipher::backend::compute_lanes;

    /// Encrypting under several keys in parallel gives the same results as encrypting under one key at a time.
    #[test]
    fn lanes_equal_one_by_one() {
        let keys: [Block; LANES] = core::array::from_fn(|lane| [0x11 * u8::try_from(lane).unwrap(); 16]);
        let blocks: [Block; LANES] =
            core::array::from_fn(|lane| core::array::from_fn(|at| (lane * 37 + at * 59).to_le_bytes()[0]));
        let expected = core::array::from_fn(|lane| {
            let mut block = blocks[lane];
            BlockEncrypt::encrypt(&Lrp::new(&keys[lane], 0), &mut block);
            block
        });
        let encrypted = compute_lanes!(|aes| {
            let lanes = LrpLanes::new(aes, Enabled, aes.load_lanes(&keys));
            let [encrypted] = lanes.encrypt(aes, [aes.load_lanes(&blocks)]);
            aes.store_lanes(encrypted)
        });
        assert_eq!(encrypted, expected);
    }

    /// Computing the subkeys and the plaintexts in parallel gives the same results as computing them one after another.
    #[test]
    fn cmac_prepared_in_parallel_equals_cmac_prepared_in_sequence() {
        for seed in 0..64_u8 {
            let key =
                core::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add(at.to_le_bytes()[0].wrapping_mul(17)));
            let (parallel, sequential) = (Cmac::lrp(Enabled, &key), Cmac::over(Lrp::new(&key, 0)));
            for length in [0, 1, 16, 17, 40] {
                let message = (0..length).map(|byte: u8| byte.wrapping_mul(seed | 1));
                assert_eq!(
                    parallel.compute(chunks(message.clone())),
                    sequential.compute(chunks(message)),
                    "{seed} {length}"
                );
            }
        }
    }

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        crate::value::hex::decode(hex.as_bytes()).unwrap()
    }

    /// Checks the first plaintext of a key with the vector in AN12304 §3.1.
    #[test]
    fn an12304_generate_plaintexts() {
        let all = plaintexts(&bytes("567826B8DA8E768432A9548DBE4AA3A0"));
        assert_eq!(all[0], bytes("AC20D39F5341FE98DFCA21DA86BA7914"));
    }

    /// Checks the first `eval` vector in AN12304 §3.2.
    #[test]
    fn an12304_eval() {
        let lrp = Lrp::new(&bytes("567826B8DA8E768432A9548DBE4AA3A0"), 2);
        assert_eq!(lrp.eval([1, 3, 5, 9], true), bytes("1BA2C0C578996BC497DD181C6885A9DD"));
    }

    /// Checks LRICB without padding with a vector in AN12304 §3.3. In this vector, the increment of the counter carries
    /// into a higher byte.
    #[test]
    fn an12304_lricb() {
        let lrp = Lrp::new(&bytes("EFA5B7429CD153BF0086DEF900C0F235"), 0);
        let mut counter: [u8; 4] = bytes("9036FFFF");
        let mut block = [bytes("E7F61E012F4F3255312BA68B1D2FDABF")];
        lrp.encrypt(&mut counter, &mut block);
        assert_eq!(block, [bytes("EA6E09AC2FB97E102D8CA64C1CBC0C0C")]);
        assert_eq!(counter, bytes("90370000"));
        lrp.decrypt(&mut bytes::<4>("9036FFFF"), &mut block);
        assert_eq!(block, [bytes("E7F61E012F4F3255312BA68B1D2FDABF")]);
    }

    /// Checks two CMAC vectors in AN12304 §3.4.
    #[test]
    fn an12304_cmac() {
        let parallel = Cmac::lrp(Enabled, &bytes("63A0169B4D9FE42C72B2784C806EAC21"));
        assert_eq!(parallel.compute(chunks(core::iter::empty())), bytes("0E07C601970814A4176FDA633C6FC3DE"));
        let lrp = Lrp::new(&bytes("63A0169B4D9FE42C72B2784C806EAC21"), 0);
        assert_eq!(lrp.cmac(&[]), bytes("0E07C601970814A4176FDA633C6FC3DE"));
        let lrp = Lrp::new(&bytes("8195088CE6C393708EBBE6C7914ECB0B"), 0);
        assert_eq!(lrp.cmac(&bytes::<6>("BBD5B85772C7")), bytes("AD8595E0B49C5C0DB18E77355F5AAFF6"));
    }
}
