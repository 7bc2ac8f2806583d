//! Implements CMAC. Source: NIST SP 800-38B, RFC 4493.
//!
//! This crate has its own CMAC for two reasons. First, a prepared key contains the subkeys, so the MAC of a one-block
//! message costs only one block encryption. Second, the key derivation of AN10922 has its own padding rule, so this
//! derivation needs a CMAC function for input that is already padded.

#![allow(clippy::inline_always, reason = "see `compute!`")]

use zeroize::optimization_barrier;

use super::backend::{Encryptor, compute};
use super::block::{Block, BlockEncrypt, Chain, Chunk, double, xor};
use super::once::OnceAes;
use super::wipe::Secret;

/// If `true`, the code for prepared keys also handles keys that are used only once. Separate code for such keys is
/// faster, but adds 1.2 KB to the firmware.
pub(super) const SHARED: bool = cfg!(target_pointer_width = "32");

/// A key prepared for CMAC: the cipher and the two subkeys.
pub(crate) struct Cmac<C = Encryptor> {
    cipher: C,
    subkeys: Subkeys,
}

/// The subkeys K1 and K2 of CMAC.
pub(crate) struct Subkeys {
    pub(super) k1: Block,
    pub(super) k2: Block,
}

impl Subkeys {
    /// Derives the subkeys from `l`, which is a block of zeros encrypted under the CMAC key.
    #[inline(always)]
    pub(crate) fn new(l: Block) -> Self {
        let k1 = double(l);
        Self { k1, k2: double(k1) }
    }

    /// Like [`new`](Self::new), but for a key that is used once.
    #[inline(always)]
    fn once(aes: impl OnceAes, l: Block) -> Self {
        let k1 = aes.double(l);
        Self { k1, k2: aes.double(k1) }
    }

    /// Pads the last chunk of a message if necessary, and XORs it with a subkey: K1 for a full block, K2 for a padded
    /// block.
    #[inline(always)]
    pub(crate) fn last(&self, mut chunk: Chunk) -> Block {
        match chunk.free() {
            [] => self.whole(chunk.block),
            [padding, ..] => {
                *padding = 0x80;
                self.padded(chunk.block)
            }
        }
    }

    /// XORs a full last block with K1, the subkey for full blocks.
    #[inline(always)]
    pub(super) fn whole(&self, last: Block) -> Block {
        xor(last, self.k1)
    }

    /// XORs a padded last block with K2, the subkey for padded blocks.
    #[inline(always)]
    fn padded(&self, last: Block) -> Block {
        xor(last, self.k2)
    }
}

impl Drop for Subkeys {
    fn drop(&mut self) {
        (self.k1, self.k2) = ([0; 16], [0; 16]);
        optimization_barrier(self);
    }
}

impl Default for Cmac {
    fn default() -> Self {
        Self::new(&[0; 16])
    }
}

impl Cmac {
    /// Prepares a key for many MACs.
    pub(crate) fn prepare(key: &Block) -> Secret<Self> {
        compute!(|_aes| Secret(Self::new(key)))
    }

    fn new(key: &Block) -> Self {
        Self::over(Encryptor::new(key))
    }

    /// Computes the MAC of a message. The key is prepared for this call only.
    pub(crate) fn once(key: &Block, message: impl Iterator<Item = Chunk>) -> Block {
        compute!(|aes| once(aes, key, message))
    }

    /// Like [`once`](Self::once), but for `N` messages of exactly one block each.
    pub(crate) fn once_each<const N: usize>(key: &Block, messages: [Block; N]) -> [Block; N]
    where
        [Block; N]: Default,
    {
        compute!(|aes| once_each(aes, key, messages))
    }

    /// Computes the MACs of two messages of exactly one block each. Then uses the first MAC as the key for the MAC of a
    /// message of any length. Returns the three MACs in this order.
    pub(crate) fn chained(
        key: &Block,
        messages: [Block; 2],
        message: impl Iterator<Item = Chunk>,
    ) -> (Block, Block, Block) {
        compute!(|aes| {
            let [first, second] = once_each(aes, key, messages);
            (first, second, once(aes, &first, message))
        })
    }
}

/// Computes [`Cmac::once`] inside of [`compute!`].
#[inline(always)]
fn once(aes: impl OnceAes, key: &Block, message: impl Iterator<Item = Chunk>) -> Block {
    struct Once<A, I>(A, I);

    impl<A: OnceAes, I: Iterator<Item = Chunk>> Chain for Once<A, I> {
        type Output = Block;

        #[inline(always)]
        fn run(self, encrypt: impl Fn(Block) -> Block) -> Block {
            once_knowing(self.0, encrypt([0; 16]), self.1, encrypt)
        }
    }

    if SHARED { Cmac::new(key).compute(message) } else { aes.chain(*key, Once(aes, message)) }
}

/// Computes the MAC of a message inside of [`compute!`]. `encrypt` is the cipher, and `l` is a block of zeros encrypted
/// with it.
#[inline(always)]
pub(super) fn once_knowing(
    aes: impl OnceAes,
    l: Block,
    message: impl Iterator<Item = Chunk>,
    encrypt: impl Fn(Block) -> Block,
) -> Block {
    Chunked { subkeys: &Subkeys::once(aes, l), message }.run(encrypt)
}

/// Computes [`Cmac::once_each`] inside of [`compute!`].
#[inline(always)]
fn once_each<const N: usize>(aes: impl OnceAes, key: &Block, messages: [Block; N]) -> [Block; N]
where
    [Block; N]: Default,
{
    struct Once<A, const N: usize>(A, [Block; N]);

    impl<A: OnceAes, const N: usize> Chain for Once<A, N>
    where
        [Block; N]: Default,
    {
        type Output = [Block; N];

        #[inline(always)]
        fn run(self, encrypt: impl Fn(Block) -> Block) -> [Block; N] {
            let subkeys = Subkeys::once(self.0, encrypt([0; 16]));
            let mut states = self.1;
            for state in &mut states {
                *state = encrypt(subkeys.whole(*state));
            }
            states
        }
    }

    if SHARED {
        let cmac = Cmac::new(key);
        return messages.map(|message| cmac.one_block(&message));
    }
    aes.chain(*key, Once(aes, messages))
}

impl<C: BlockEncrypt> Cmac<C> {
    /// Prepares CMAC for a cipher by computing the subkeys.
    pub(crate) fn over(cipher: C) -> Self {
        let mut l = [0; 16];
        cipher.encrypt(&mut l);
        Self::knowing(cipher, l)
    }

    /// Like [`over`](Self::over), but the caller has already computed `l`, which is a block of zeros encrypted with
    /// `cipher`.
    pub(crate) fn knowing(cipher: C, l: Block) -> Self {
        Self { cipher, subkeys: Subkeys::new(l) }
    }

    /// Computes the MAC of a message of exactly one block.
    pub(crate) fn one_block(&self, message: &Block) -> Block {
        let mut state = self.subkeys.whole(*message);
        self.cipher.encrypt(&mut state);
        state
    }

    /// Computes the MAC of a message of exactly two blocks. If `padded` is `true`, the caller has already padded the
    /// second block.
    pub(crate) fn two_blocks(&self, first: &Block, last: &Block, padded: bool) -> Block {
        struct Two {
            first: Block,
            last: Block,
        }

        impl Chain for Two {
            type Output = Block;

            #[inline(always)]
            fn run(self, encrypt: impl Fn(Block) -> Block) -> Block {
                encrypt(xor(encrypt(self.first), self.last))
            }
        }

        let last = if padded { self.subkeys.padded(*last) } else { self.subkeys.whole(*last) };
        self.cipher.chain(Two { first: *first, last })
    }

    /// Computes the MAC of a message of any length.
    pub(crate) fn compute(&self, message: impl Iterator<Item = Chunk>) -> Block {
        self.cipher.chain(Chunked { subkeys: &self.subkeys, message })
    }
}

struct Chunked<'k, I> {
    subkeys: &'k Subkeys,
    message: I,
}

impl<I: Iterator<Item = Chunk>> Chain for Chunked<'_, I> {
    type Output = Block;

    #[inline(always)]
    fn run(mut self, encrypt: impl Fn(Block) -> Block) -> Block {
        let mut state = [0; 16];
        // The last chunk is XORed with a subkey. A chunk is therefore not encrypted until the next one is known.
        let mut chunk = self.message.next().unwrap_or(Chunk::EMPTY);
        for next in self.message {
            state = encrypt(xor(state, chunk.block));
            chunk = next;
        }
        encrypt(xor(state, self.subkeys.last(chunk)))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cipher::block::chunks;
    use aes::cipher::BlockCipherEncrypt as _;
    use cmac::{KeyInit as _, Mac as _};

    const KEY: Block = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();

    /// Checks the subkeys with the example of RFC 4493 §4.
    #[test]
    fn rfc4493_subkeys() {
        let key = Cmac::new(&KEY);
        assert_eq!(u128::from_be_bytes(key.subkeys.k1), 0xfbee_d618_3571_3366_7c85_e08f_7236_a8de);
        assert_eq!(u128::from_be_bytes(key.subkeys.k2), 0xf7dd_ac30_6ae2_66cc_f90b_c11e_e46d_513b);
    }

    /// Checks examples 1 and 2 of RFC 4493 §4.
    #[test]
    fn rfc4493_examples_1_and_2() {
        let key = Cmac::new(&KEY);
        assert_eq!(
            u128::from_be_bytes(key.compute(chunks(core::iter::empty()))),
            0xbb1d_6929_e959_3728_7fa3_7d12_9b75_6746
        );
        let block = 0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a_u128.to_be_bytes();
        assert_eq!(u128::from_be_bytes(key.one_block(&block)), 0x070a_16b4_6b4d_4144_f79b_dd9d_d04a_287c);
    }

    /// Computes the expected CMAC with the `cmac` crate.
    pub(in crate::cipher) fn oracle(key: &Block, message: &[u8]) -> Block {
        let mut mac = cmac::Cmac::<aes::Aes128>::new(key.into());
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    /// Returns pseudo-random blocks from AES in counter mode. The blocks are the same in every run.
    pub(in crate::cipher) fn random_blocks() -> impl Iterator<Item = Block> {
        let cipher = aes::Aes128Enc::new((&KEY).into());
        (0_u128..).map(move |counter| {
            let mut block = counter.to_be_bytes();
            cipher.encrypt_block((&mut block).into());
            block
        })
    }

    /// Takes the next blocks from [`random_blocks`].
    pub(in crate::cipher) fn take<const N: usize>(random: &mut impl Iterator<Item = Block>) -> [Block; N] {
        core::array::from_fn(|_| random.next().unwrap())
    }

    /// Compares the results with the `cmac` crate, for messages of every length up to five blocks.
    #[test]
    fn cmac_equals_the_crate() {
        let mut random = random_blocks();
        let text: std::vec::Vec<u8> = random.by_ref().take(5).flatten().collect();
        for (length, key) in (0..=80).cycle().zip(random).take(810) {
            let message = &text[..length];
            assert_eq!(
                Cmac::new(&key).compute(chunks(message.iter().copied())),
                oracle(&key, message),
                "{length} bytes"
            );
            assert_eq!(Cmac::once(&key, chunks(message.iter().copied())), oracle(&key, message), "{length} bytes");
        }
    }

    #[test]
    fn shortcuts_equal_the_crate() {
        let mut random = random_blocks();
        for _ in 0..256 {
            let [key, first, last] = take(&mut random);
            let prepared = Cmac::new(&key);
            assert_eq!(prepared.one_block(&first), oracle(&key, &first));
            assert_eq!(Cmac::once_each(&key, [first, last]), [oracle(&key, &first), oracle(&key, &last)]);
            assert_eq!(prepared.two_blocks(&first, &last, false), oracle(&key, &[first, last].concat()));
        }
    }
}
