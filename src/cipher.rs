//! The block cipher and its CMAC as the rest of the house sees them: keys prepared once, blocks as plain arrays.
//!
//! CMAC (NIST SP 800-38B, RFC 4493) stands here and not in a crate for two reasons: its subkeys are kept with the key, so
//! that a message of one block costs one block, and AN10922 needs its last step on input that it has padded by a rule of its
//! own.

#[cfg(feature = "lrp")]
use core::hint::black_box;

use dbl::Dbl;
use zeroize::{ZeroizeOnDrop, optimization_barrier};

#[cfg(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod accel;
mod lanes;
#[cfg(feature = "lrp")]
pub mod lrp;
mod soft;

#[cfg(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64")))]
use accel as backend;
#[cfg(not(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64"))))]
use soft as backend;

#[cfg(feature = "lrp")]
pub(crate) use backend::look_up;
pub(crate) use backend::{Decryptor, Encryptor, chain_once, decrypt_by_each, encrypt_by_each};
pub(crate) use lanes::{CmacLanes, LANES, LaneEncrypt, Lanes, side_by_side};

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

impl Decryptor {
    /// Cipher block chaining over whole blocks, in place.
    pub(crate) fn decrypt_cbc(&self, mut iv: Block, blocks: &mut [Block]) {
        for block in blocks {
            let ciphertext = *block;
            self.decrypt(block);
            *block = xor(*block, iv);
            iv = ciphertext;
        }
    }
}

/// A key prepared for CMAC: the cipher and both subkeys.
pub(crate) struct Cmac<C = Encryptor> {
    cipher: C,
    subkeys: Subkeys,
}

/// K1 and K2 of CMAC.
pub(crate) struct Subkeys {
    k1: u128,
    k2: u128,
}

impl Subkeys {
    /// From the encryption of a block of zeros.
    pub(crate) fn new(l: Block) -> Self {
        let l = Secret([l]);
        let k1 = Secret(l.0.map(double));
        let k2 = Secret(k1.0.map(double));
        let number = |Secret([block]): &Secret<[Block; 1]>| u128::from_ne_bytes(*block);
        Self { k1: number(&k1), k2: number(&k2) }
    }

    /// The last block of a message as it goes into the cipher: so many bytes of it are filled.
    pub(crate) fn last(&self, mut block: Block, filled: usize) -> Block {
        let (_, padding) = block.split_at_mut_checked(filled).unwrap_or_default();
        match padding {
            [] => self.whole(block),
            [first, rest @ ..] => {
                *first = 0x80;
                rest.fill(0);
                self.padded(block)
            }
        }
    }

    /// The same of a block that is whole.
    fn whole(&self, last: Block) -> Block {
        (u128::from_ne_bytes(last) ^ self.k1).to_ne_bytes()
    }

    /// The same of a block that was filled up.
    fn padded(&self, last: Block) -> Block {
        (u128::from_ne_bytes(last) ^ self.k2).to_ne_bytes()
    }
}

impl Drop for Subkeys {
    fn drop(&mut self) {
        (self.k1, self.k2) = (0, 0);
        optimization_barrier(self);
    }
}

impl Cmac {
    pub(crate) fn new(key: &Block) -> Self {
        Self::over(Encryptor::new(key))
    }

    /// The tag of a message under a key that serves no other.
    pub(crate) fn once(key: &Block, message: impl Iterator<Item = u8>) -> Block {
        struct Once<I>(I);

        impl<I: Iterator<Item = u8>> Chain for Once<I> {
            fn run(self, encrypt: impl Fn(&mut Block)) -> Block {
                let mut l = [0; 16];
                encrypt(&mut l);
                Of { subkeys: &Subkeys::new(l), message: self.0 }.run(encrypt)
            }
        }

        chain_once(key, Once(message))
    }

    /// As [`once`](Self::once), of a message of exactly one block.
    pub(crate) fn once_one_block(key: &Block, message: &Block) -> Block {
        struct Once(Block);

        impl Chain for Once {
            fn run(self, encrypt: impl Fn(&mut Block)) -> Block {
                let mut l = [0; 16];
                encrypt(&mut l);
                let mut state = Subkeys::new(l).whole(self.0);
                encrypt(&mut state);
                state
            }
        }

        chain_once(key, Once(*message))
    }
}

impl<C: BlockEncrypt> Cmac<C> {
    /// The CMAC of this cipher.
    pub(crate) fn over(cipher: C) -> Self {
        let mut l = [0; 16];
        cipher.encrypt(&mut l);
        Self::knowing(cipher, l)
    }

    /// As [`over`](Self::over), where the encryption of a block of zeros is known.
    pub(crate) fn knowing(cipher: C, l: Block) -> Self {
        Self { cipher, subkeys: Subkeys::new(l) }
    }

    /// The tag of a message of exactly one block.
    pub(crate) fn one_block(&self, message: &Block) -> Block {
        let mut state = self.subkeys.whole(*message);
        self.cipher.encrypt(&mut state);
        state
    }

    /// The tag of exactly two blocks, the second already padded by the caller if `padded`.
    pub(crate) fn two_blocks(&self, first: &Block, last: &Block, padded: bool) -> Block {
        struct Two {
            first: Block,
            last: Block,
        }

        impl Chain for Two {
            fn run(self, encrypt: impl Fn(&mut Block)) -> Block {
                let mut state = self.first;
                encrypt(&mut state);
                state = xor(state, self.last);
                encrypt(&mut state);
                state
            }
        }

        let last = if padded { self.subkeys.padded(*last) } else { self.subkeys.whole(*last) };
        self.cipher.chain(Two { first: *first, last })
    }

    /// The tag of a message of any length.
    pub(crate) fn of(&self, message: impl Iterator<Item = u8>) -> Block {
        self.cipher.chain(Of { subkeys: &self.subkeys, message })
    }
}

impl<C: ZeroizeOnDrop> ZeroizeOnDrop for Cmac<C> {}

struct Of<'k, I> {
    subkeys: &'k Subkeys,
    message: I,
}

impl<I: Iterator<Item = u8>> Chain for Of<'_, I> {
    fn run(self, encrypt: impl Fn(&mut Block)) -> Block {
        let mut state = [0; 16];
        // The block not yet absorbed: the last one is treated apart, so a full one waits until more follows.
        let mut block = [0; 16];
        let mut filled: usize = 0;
        // From within: a message of several parts is asked for its next byte in a roundabout way.
        self.message.for_each(|byte| {
            if filled == block.len() {
                state = xor(state, block);
                encrypt(&mut state);
                filled = 0;
            }
            if let Some(free) = block.get_mut(filled) {
                *free = byte;
            }
            filled = filled.saturating_add(1);
        });
        state = xor(state, self.subkeys.last(block, filled));
        encrypt(&mut state);
        state
    }
}

/// For a table of which nobody may learn which entry is read: a bit of the index, as all ones or all zeros, of which a compiler can make
/// no branch.
#[cfg(feature = "lrp")]
fn mask(index: u8, bit: u8) -> u64 {
    black_box(0_u64.wrapping_sub((index >> bit & 1).into()))
}

/// Halves a table of sixteen entries bit by bit, until one is left. No function, since one that uses the processor's instructions
/// calls no other on the way.
#[cfg(feature = "lrp")]
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
#[cfg(feature = "lrp")]
use halve;

/// Doubling in GF(2^128), without branching on the value.
fn double(block: Block) -> Block {
    aes::Block::from(block).dbl().into()
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

pub(crate) fn xor(block: Block, other: Block) -> Block {
    (u128::from_ne_bytes(block) ^ u128::from_ne_bytes(other)).to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::cipher::BlockCipherEncrypt as _;
    use cmac::{KeyInit as _, Mac as _};
    use proptest::prelude::*;
    use std::vec::Vec;

    const KEY: Block = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();

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

    /// RFC 4493 §4, subkey generation.
    #[test]
    fn rfc4493_subkeys() {
        let key = Cmac::new(&KEY);
        assert_eq!(u128::from_be_bytes(key.subkeys.k1.to_ne_bytes()), 0xfbee_d618_3571_3366_7c85_e08f_7236_a8de);
        assert_eq!(u128::from_be_bytes(key.subkeys.k2.to_ne_bytes()), 0xf7dd_ac30_6ae2_66cc_f90b_c11e_e46d_513b);
    }

    /// RFC 4493 §4, examples 1 and 2.
    #[test]
    fn rfc4493_examples_1_and_2() {
        let key = Cmac::new(&KEY);
        assert_eq!(u128::from_be_bytes(key.of(core::iter::empty())), 0xbb1d_6929_e959_3728_7fa3_7d12_9b75_6746);
        let block = 0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a_u128.to_be_bytes();
        assert_eq!(u128::from_be_bytes(key.one_block(&block)), 0x070a_16b4_6b4d_4144_f79b_dd9d_d04a_287c);
    }

    fn oracle(key: &Block, message: &[u8]) -> Block {
        let mut mac = cmac::Cmac::<aes::Aes128>::new(key.into());
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    /// What is used here, whichever it is, against RustCrypto used one by one.
    fn rustcrypto(key: &Block, mut block: Block) -> Block {
        aes::Aes128Enc::new(key.into()).encrypt_block((&mut block).into());
        block
    }

    /// FIPS 197 appendix B, one key as eight, and by itself.
    #[test]
    fn fips197_appendix_b() {
        let (plain, cipher) =
            (0x3243_f6a8_885a_308d_3131_98a2_e037_0734_u128, 0x3925_841d_02dc_09fb_dc11_8597_196a_0b32_u128);
        let (plain, cipher) = (plain.to_be_bytes(), cipher.to_be_bytes());
        let mut block = plain;
        Encryptor::new(&KEY).encrypt(&mut block);
        assert_eq!(block, cipher);
        Decryptor::new(&KEY).decrypt(&mut block);
        assert_eq!(block, plain);
        let mut blocks = [plain; LANES];
        Lanes::new(&[KEY; LANES]).encrypt(&mut blocks);
        assert_eq!(blocks, [cipher; LANES]);
        decrypt_by_each(&[KEY; LANES], &mut blocks);
        assert_eq!(blocks, [plain; LANES]);
        let mut blocks = [[plain, cipher]; 3];
        encrypt_by_each(&[KEY; 3], &mut blocks);
        assert_eq!(blocks.map(|[block, _]| block), [cipher; 3]);
    }

    proptest! {
        #[test]
        fn every_way_equals_rustcrypto(keys: [Block; LANES], blocks: [Block; LANES]) {
            let mut expected = blocks;
            expected.iter_mut().zip(&keys).for_each(|(block, key)| *block = rustcrypto(key, *block));
            let mut one_by_one = blocks;
            one_by_one.iter_mut().zip(&keys).for_each(|(block, key)| Encryptor::new(key).encrypt(block));
            prop_assert_eq!(one_by_one, expected);
            let mut lanes = blocks;
            Lanes::new(&keys).encrypt(&mut lanes);
            prop_assert_eq!(lanes, expected);
            let mut by_each = blocks.map(|block| [block, [7; 16]]);
            encrypt_by_each(&keys, &mut by_each);
            prop_assert_eq!(by_each.map(|[block, _]| block), expected);
            prop_assert_eq!(by_each[LANES - 1][1], rustcrypto(&keys[LANES - 1], [7; 16]));
            let mut decrypted = expected;
            decrypt_by_each(&keys, &mut decrypted);
            prop_assert_eq!(decrypted, blocks);
            decrypted = expected;
            decrypted.iter_mut().zip(&keys).for_each(|(block, key)| Decryptor::new(key).decrypt(block));
            prop_assert_eq!(decrypted, blocks);
        }

        /// Against the `cmac` crate.
        #[test]
        fn cmac_equals_the_crate(key: Block, message in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(Cmac::new(&key).of(message.iter().copied()), oracle(&key, &message));
            prop_assert_eq!(Cmac::once(&key, message.iter().copied()), oracle(&key, &message));
        }

        /// Side by side, of different lengths.
        #[test]
        fn lanes_equal_the_crate(keys: [Block; LANES], messages: [Vec<u8>; LANES], whole: [Block; LANES]) {
            let lanes = CmacLanes::over(Lanes::new(&keys));
            let tags = lanes.of(&messages.each_ref().map(Vec::as_slice));
            let single = lanes.one_block(&whole);
            for (lane, key) in keys.iter().enumerate() {
                prop_assert_eq!(tags[lane], oracle(key, &messages[lane]));
                prop_assert_eq!(single[lane], oracle(key, &whole[lane]));
            }
        }

        #[test]
        fn short_cuts_equal_the_crate(key: Block, first: Block, last: Block) {
            let prepared = Cmac::new(&key);
            prop_assert_eq!(prepared.one_block(&first), oracle(&key, &first));
            prop_assert_eq!(Cmac::once_one_block(&key, &first), oracle(&key, &first));
            prop_assert_eq!(prepared.two_blocks(&first, &last, false), oracle(&key, &[first, last].concat()));
        }
    }
}
