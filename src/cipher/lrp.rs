//! Implements the leakage-resilient primitive (LRP), which chips use in LRP mode. Source: NXP AN12304 Rev 1.1.
//!
//! To verify a tap, you do not need this module. If the scheme of the layout is [`Scheme::Lrp`](crate::Scheme::Lrp),
//! the steps that decrypt and verify a tap use LRP automatically. The functions are public for callers that analyse a
//! tap or communicate with a chip. The documentation search also finds the functions by NXP's names for the algorithms.
//!
//! The running time does not depend on the values of keys or data. LRP derives 16 secret blocks from each key. NXP
//! calls these blocks plaintexts. To select one plaintext, the code reads all 16, so memory accesses do not reveal
//! which plaintext is selected.

use core::fmt;

use zeroize::{ZeroizeOnDrop, optimization_barrier};

use super::backend::{decrypt_by_each, encrypt_by_each, look_up, wiping};
use super::block::{Block, BlockEncrypt, LANES};
use super::cmac::Cmac;
use super::lanes::LaneEncrypt;
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
    wiping(|| {
        let mut plaintexts = [[0; 16]; 16];
        fill(key, plaintexts.iter_mut(), |plaintext| plaintext);
        plaintexts
    })
}

/// Fills `plaintexts` with the secret blocks that NXP calls the plaintexts of a key. `set` converts each plaintext to
/// the stored type.
fn fill<'p, P: 'p>(key: &Block, plaintexts: impl Iterator<Item = &'p mut P>, set: impl Fn(Block) -> P) {
    let mut secret = Secret(encrypt(key, NEXT));
    plaintexts.for_each(|plaintext| *plaintext = set(step(&mut secret.0)));
}

/// Returns one of the updated keys that LRP derives from a key (`generateUpdatedKeys(key)[index]` in AN12304). Each
/// evaluation of LRP starts with an updated key. Source: AN12304 §2.1, Algorithm 2.
///
/// The updated key is as secret as `key`, so the caller must wipe it.
#[doc(alias = "generateUpdatedKeys")]
#[must_use]
pub fn updated_key(key: &[u8; 16], index: u8) -> [u8; 16] {
    wiping(|| update(key, index))
}

/// Computes an [`updated_key`], for a caller that wipes the stack.
fn update(key: &Block, index: u8) -> Block {
    let mut secret = Secret(encrypt(key, OUT));
    for _ in 0..index {
        secret.0 = encrypt(&secret.0, NEXT);
    }
    encrypt(&secret.0, OUT)
}

/// Encrypts `OUT` under a secret, and returns the result. Replaces the secret with the next secret in the chain:
/// `NEXT`, encrypted under the old secret.
fn step(secret: &mut Block) -> Block {
    let mut given = Secret([OUT, NEXT]);
    encrypt_by_each(&[*secret], core::array::from_mut(&mut given.0));
    let [out, next] = given.0;
    *secret = next;
    out
}

fn encrypt(key: &Block, block: Block) -> Block {
    let mut given = [[block]];
    encrypt_by_each(&[*key], &mut given);
    let [[block]] = given;
    block
}

/// A key prepared for LRP. It contains 16 secret blocks, which NXP calls plaintexts, and one updated key. All of them
/// are derived from the key. The prepared key is wiped on drop.
pub struct Lrp {
    plaintexts: [u128; 16],
    updated_key: Block,
    _enabled: Enabled,
}

/// Several keys that are prepared for LRP and used in parallel. For each key, the plaintexts and updated key 0 are
/// stored. All stored values are wiped on drop.
pub(crate) struct LrpLanes {
    plaintexts: Secret<[[u128; 16]; LANES]>,
    updated_keys: Secret<[Block; LANES]>,
    _enabled: Enabled,
}

impl LrpLanes {
    pub(crate) fn new(enabled: Enabled, keys: &[Block; LANES]) -> Self {
        let (mut secrets, update_secrets) = encrypt_both(keys, [NEXT, OUT]);
        let mut lanes = Self {
            plaintexts: Secret([[0; 16]; LANES]),
            updated_keys: encrypt_both(&update_secrets.0, [OUT, OUT]).0,
            _enabled: enabled,
        };
        for index in 0..16 {
            let (given, next) = encrypt_both(&secrets.0, [OUT, NEXT]);
            for (plaintexts, given) in lanes.plaintexts.0.iter_mut().zip(&given.0) {
                if let Some(plaintext) = plaintexts.get_mut(index) {
                    *plaintext = u128::from_ne_bytes(*given);
                }
            }
            secrets = next;
        }
        lanes
    }
}

/// Encrypts the same two blocks under each key. Returns the results for the first block and the results for the second
/// block.
fn encrypt_both(keys: &[Block; LANES], blocks: [Block; 2]) -> (Secret<[Block; LANES]>, Secret<[Block; LANES]>) {
    let mut given = Secret([blocks; LANES]);
    encrypt_by_each(keys, &mut given.0);
    (Secret(given.0.map(|[first, _]| first)), Secret(given.0.map(|[_, second]| second)))
}

impl LaneEncrypt for LrpLanes {
    fn encrypt(&self, blocks: &mut [Block; LANES]) {
        let numbers = blocks.map(u128::from_be_bytes);
        let mut states = self.updated_keys.0;
        for place in (0..32_u32).rev() {
            let mut given = [[[0; 16]]; LANES];
            for ((given, number), plaintexts) in given.iter_mut().zip(&numbers).zip(&self.plaintexts.0) {
                let [.., nibble] = number.wrapping_shr(place.wrapping_mul(4)).to_be_bytes();
                *given = [look_up(plaintexts, nibble)];
            }
            encrypt_by_each(&states, &mut given);
            states = given.map(|[state]| state);
        }
        let mut last = [[[0; 16]]; LANES];
        encrypt_by_each(&states, &mut last);
        *blocks = last.map(|[block]| block);
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
        wiping(|| {
            let updated_key = update(key, updated_key_index);
            let mut lrp = Self { plaintexts: [0; 16], updated_key, _enabled: enabled };
            fill(key, lrp.plaintexts.iter_mut(), u128::from_ne_bytes);
            lrp
        })
    }

    /// Evaluates LRP over nibbles in the given order (`eval` in AN12304). Only the low four bits of each item are used.
    /// Source: AN12304 §2.2, Algorithm 3.
    ///
    /// If `finalize` is `true`, the function encrypts a block of zeros under the result, and returns the encrypted
    /// block instead of the result. Finalize every result that you disclose.
    pub fn eval(&self, nibbles: impl IntoIterator<Item = u8>, finalize: bool) -> [u8; 16] {
        wiping(|| self.walk(nibbles, finalize))
    }

    /// Evaluates LRP like [`eval`](Self::eval), for a caller that wipes the stack.
    fn walk(&self, nibbles: impl IntoIterator<Item = u8>, finalize: bool) -> Block {
        let mut state = self.updated_key;
        for nibble in nibbles {
            state = encrypt(&state, look_up(&self.plaintexts, nibble));
        }
        if finalize { encrypt(&state, [0; 16]) } else { state }
    }

    /// Decrypts whole blocks in place with LRICB, the encryption mode of LRP, without padding. Source: AN12304 §3.1,
    /// Algorithm 5.
    ///
    /// `counter` is a big-endian number of any length. The function increments the counter after each block. The
    /// maximum counter wraps to 0. With an empty counter, all blocks are decrypted with the same key.
    #[doc(alias = "LRICBDec")]
    pub fn decrypt(&self, counter: &mut [u8], blocks: &mut [[u8; 16]]) {
        wiping(|| {
            for block in blocks {
                let key = Secret(self.block_key(counter));
                decrypt_by_each(&[key.0], core::array::from_mut(block));
            }
        });
    }

    /// Encrypts whole blocks in place with LRICB, the encryption mode of LRP, without padding. The arguments have the
    /// same meaning as in [`decrypt`](Self::decrypt). Source: AN12304 §3.1, Algorithm 4.
    #[doc(alias = "LRICBEnc")]
    pub fn encrypt(&self, counter: &mut [u8], blocks: &mut [[u8; 16]]) {
        wiping(|| {
            for block in blocks {
                let key = Secret(self.block_key(counter));
                *block = encrypt(&key.0, *block);
            }
        });
    }

    /// Computes `CMAC_LRP` and returns all 16 bytes. Source: AN12304 §3.2, Algorithm 6.
    #[must_use]
    pub fn cmac(&self, message: &[u8]) -> [u8; 16] {
        Cmac::over(self).of(message.iter().copied())
    }

    /// Computes the key for one block from the counter, and increments the counter.
    fn block_key(&self, counter: &mut [u8]) -> Block {
        let key = self.walk(nibbles(counter), true);
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
    /// Prepares `CMAC_LRP` with updated key 0. The subkeys are derived from the encryption of a block of zeros. In LRP,
    /// each nibble of a block selects a plaintext. All nibbles of this block are zero, so its encryption needs only the
    /// first plaintext. After the first plaintext is known, the code runs this encryption in parallel with the
    /// computation of the other 15 plaintexts.
    pub(crate) fn lrp(enabled: Enabled, key: &Block) -> Self {
        wiping(|| Self::start(enabled, key))
    }

    fn start(enabled: Enabled, key: &Block) -> Self {
        let mut started = Secret([NEXT, OUT]);
        encrypt_by_each(&[*key], core::array::from_mut(&mut started.0));
        let mut given = Secret([[OUT, NEXT], [OUT, OUT]]);
        encrypt_by_each(&started.0, &mut given.0);
        let [[first, secret], [updated_key, _]] = given.0;
        let mut lrp = Lrp { plaintexts: [u128::from_ne_bytes(first); 16], updated_key, _enabled: enabled };
        // Two chains of encryptions run in parallel, and `keys` contains the current key of each chain. The first chain
        // computes the plaintexts. The second chain encrypts the block of zeros.
        let mut keys = Secret([secret, updated_key]);
        let mut nibbles: u8 = 32;
        for plaintext in lrp.plaintexts.iter_mut().skip(1) {
            given.0 = [[OUT, NEXT], [first, first]];
            encrypt_by_each(&keys.0, &mut given.0);
            let [[out, secret], [state, _]] = given.0;
            *plaintext = u128::from_ne_bytes(out);
            keys.0 = [secret, state];
            nibbles = nibbles.saturating_sub(1);
        }
        let [_, mut state] = keys.0;
        for _ in 0..nibbles {
            state = encrypt(&state, first);
        }
        Self::knowing(lrp, encrypt(&state, [0; 16]))
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

    /// Encrypting under several keys in parallel gives the same results as encrypting under one key at a time.
    #[test]
    fn lanes_equal_one_by_one() {
        let keys: [Block; LANES] = core::array::from_fn(|lane| [0x11 * u8::try_from(lane).unwrap(); 16]);
        let mut blocks: [Block; LANES] =
            core::array::from_fn(|lane| core::array::from_fn(|at| (lane * 37 + at * 59).to_le_bytes()[0]));
        let expected = core::array::from_fn(|lane| {
            let mut block = blocks[lane];
            BlockEncrypt::encrypt(&Lrp::new(&keys[lane], 0), &mut block);
            block
        });
        LrpLanes::new(Enabled, &keys).encrypt(&mut blocks);
        assert_eq!(blocks, expected);
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
                assert_eq!(parallel.of(message.clone()), sequential.of(message), "{seed} {length}");
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
        assert_eq!(parallel.of(core::iter::empty()), bytes("0E07C601970814A4176FDA633C6FC3DE"));
        let lrp = Lrp::new(&bytes("63A0169B4D9FE42C72B2784C806EAC21"), 0);
        assert_eq!(lrp.cmac(&[]), bytes("0E07C601970814A4176FDA633C6FC3DE"));
        let lrp = Lrp::new(&bytes("8195088CE6C393708EBBE6C7914ECB0B"), 0);
        assert_eq!(lrp.cmac(&bytes::<6>("BBD5B85772C7")), bytes("AD8595E0B49C5C0DB18E77355F5AAFF6"));
    }
}
