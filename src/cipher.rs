//! The block cipher and its CMAC as the rest of the house sees them: keys prepared once, blocks as plain arrays.
//!
//! CMAC (NIST SP 800-38B, RFC 4493) stands here and not in a crate for two reasons: its subkeys are kept with the key, so
//! that a message of one block costs one block, and AN10922 needs its last step on input that it has padded by a rule of its
//! own.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128Dec, Aes128Enc};
use dbl::Dbl;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// One block of the cipher, and also one key.
pub(crate) type Block = [u8; 16];

/// What CMAC is built on: the encryption of one block under a fixed key.
pub(crate) trait BlockEncrypt {
    fn encrypt(&self, block: &mut Block);
}

/// A key prepared for encryption.
pub(crate) struct Encryptor(Aes128Enc);

/// A key prepared for decryption.
pub(crate) struct Decryptor(Aes128Dec);

impl Encryptor {
    pub(crate) fn new(key: &Block) -> Self {
        Self(Aes128Enc::new(key.into()))
    }
}

impl ZeroizeOnDrop for Encryptor {}
impl ZeroizeOnDrop for Decryptor {}

impl BlockEncrypt for Encryptor {
    fn encrypt(&self, block: &mut Block) {
        self.0.encrypt_block(block.into());
    }
}

impl Decryptor {
    pub(crate) fn new(key: &Block) -> Self {
        Self(Aes128Dec::new(key.into()))
    }

    pub(crate) fn decrypt(&self, block: &mut Block) {
        self.0.decrypt_block(block.into());
    }

    /// Cipher block chaining over whole blocks, in place.
    pub(crate) fn decrypt_cbc(&self, mut iv: Block, blocks: &mut [Block]) {
        for block in blocks {
            let ciphertext = *block;
            self.decrypt(block);
            xor(block, &iv);
            iv = ciphertext;
        }
    }
}

/// A key prepared for CMAC: the cipher and both subkeys.
pub(crate) struct Cmac<C = Encryptor> {
    cipher: C,
    k1: Block,
    k2: Block,
}

impl Cmac {
    pub(crate) fn new(key: &Block) -> Self {
        Self::over(Encryptor::new(key))
    }
}

impl<C: BlockEncrypt> Cmac<C> {
    /// The CMAC of this cipher.
    pub(crate) fn over(cipher: C) -> Self {
        let mut l = [0; 16];
        cipher.encrypt(&mut l);
        let k1 = double(l);
        let k2 = double(k1);
        l.zeroize();
        Self { cipher, k1, k2 }
    }

    /// The tag of a message of exactly one block.
    pub(crate) fn one_block(&self, message: &Block) -> Block {
        let mut state = *message;
        xor(&mut state, &self.k1);
        self.cipher.encrypt(&mut state);
        state
    }

    /// The tag of exactly two blocks, the second already padded by the caller if `padded`.
    pub(crate) fn two_blocks(&self, first: &Block, last: &Block, padded: bool) -> Block {
        let mut state = *first;
        self.cipher.encrypt(&mut state);
        xor(&mut state, last);
        xor(&mut state, if padded { &self.k2 } else { &self.k1 });
        self.cipher.encrypt(&mut state);
        state
    }

    /// The tag of a message of any length.
    pub(crate) fn of(&self, message: impl Iterator<Item = u8>) -> Block {
        let mut state = [0; 16];
        // The block not yet absorbed: the last one is treated apart, so a full one waits until more follows.
        let mut block = [0; 16];
        let mut filled: usize = 0;
        for byte in message {
            if filled == block.len() {
                xor(&mut state, &block);
                self.cipher.encrypt(&mut state);
                filled = 0;
            }
            if let Some(free) = block.get_mut(filled) {
                *free = byte;
            }
            filled = filled.saturating_add(1);
        }
        let (_, padding) = block.split_at_mut(filled);
        let subkey = match padding {
            [] => &self.k1,
            [first, rest @ ..] => {
                *first = 0x80;
                rest.fill(0);
                &self.k2
            }
        };
        xor(&mut state, &block);
        xor(&mut state, subkey);
        self.cipher.encrypt(&mut state);
        state
    }
}

impl<C> Drop for Cmac<C> {
    fn drop(&mut self) {
        self.k1.zeroize();
        self.k2.zeroize();
    }
}

impl<C: ZeroizeOnDrop> ZeroizeOnDrop for Cmac<C> {}

/// Doubling in GF(2^128), without branching on the value.
fn double(block: Block) -> Block {
    aes::Block::from(block).dbl().into()
}

/// These bytes, as far as there is room, and zeros behind them.
pub(crate) fn padded<const N: usize>(bytes: impl IntoIterator<Item = u8>) -> [u8; N] {
    let mut padded = [0; N];
    padded.iter_mut().zip(bytes).for_each(|(padded, byte)| *padded = byte);
    padded
}

fn xor(block: &mut Block, other: &Block) {
    block.iter_mut().zip(other).for_each(|(b, o)| *b ^= o);
}

#[cfg(test)]
mod tests {
    use super::*;
    use cmac::Mac as _;
    use proptest::prelude::*;

    const KEY: Block = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();

    /// RFC 4493 §4, subkey generation.
    #[test]
    fn rfc4493_subkeys() {
        let key = Cmac::new(&KEY);
        assert_eq!(u128::from_be_bytes(key.k1), 0xfbee_d618_3571_3366_7c85_e08f_7236_a8de);
        assert_eq!(u128::from_be_bytes(key.k2), 0xf7dd_ac30_6ae2_66cc_f90b_c11e_e46d_513b);
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

    proptest! {
        /// Against the `cmac` crate.
        #[test]
        fn cmac_equals_the_crate(key: Block, message in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(Cmac::new(&key).of(message.iter().copied()), oracle(&key, &message));
        }

        #[test]
        fn short_cuts_equal_the_crate(key: Block, first: Block, last: Block) {
            let prepared = Cmac::new(&key);
            prop_assert_eq!(prepared.one_block(&first), oracle(&key, &first));
            prop_assert_eq!(prepared.two_blocks(&first, &last, false), oracle(&key, &[first, last].concat()));
        }
    }
}
