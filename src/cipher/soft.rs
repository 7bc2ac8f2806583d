//! Implements the block cipher with RustCrypto's crate `aes`. If the processor has AES instructions, the crate uses
//! them. Otherwise, the crate uses constant-time code.

use super::block::{Block, BlockEncrypt, Chain, halve, mask};
#[cfg(not(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(crate) use super::wipe::on_wiped_stack as wiping;
use aes::cipher::common::BlockSizeUser;
use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, KeyInit};
use aes::{Aes128Dec, Aes128Enc};

/// Returns `true` if it is faster to process several keys in parallel than one by one.
#[cfg(not(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64"))))]
pub(crate) fn side_by_side() -> bool {
    false
}

/// A key prepared for encryption. It does not wipe itself: see `Secret` and `wiping`.
pub(crate) struct Encryptor(Aes128Enc);

/// A key prepared for decryption, see [`Encryptor`].
pub(crate) struct Decryptor(Aes128Dec);

impl Encryptor {
    pub(crate) fn new(key: &Block) -> Self {
        Self(Aes128Enc::new(key.into()))
    }
}

impl BlockEncrypt for Encryptor {
    fn encrypt(&self, block: &mut Block) {
        self.0.encrypt_block(block.into());
    }

    fn chain<C: Chain>(&self, chain: C) -> C::Output {
        run(&self.0, chain)
    }
}

fn run<C: Chain>(key: &Aes128Enc, chain: C) -> C::Output {
    struct Run<'o, C: Chain> {
        chain: C,
        output: &'o mut C::Output,
    }

    impl<C: Chain> BlockSizeUser for Run<'_, C> {
        type BlockSize = U16;
    }

    impl<C: Chain> BlockCipherEncClosure for Run<'_, C> {
        fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
            *self.output = self.chain.run(|block| backend.encrypt_block_inplace(block.into()));
        }
    }

    let mut output = C::Output::default();
    key.encrypt_with_backend(Run { chain, output: &mut output });
    output
}

impl Decryptor {
    pub(crate) fn new(key: &Block) -> Self {
        Self(Aes128Dec::new(key.into()))
    }

    pub(crate) fn decrypt(&self, block: &mut Block) {
        self.0.decrypt_block(block.into());
    }
}

impl From<&Encryptor> for Decryptor {
    fn from(key: &Encryptor) -> Self {
        Self(Aes128Dec::from(&key.0))
    }
}

/// Returns the table entry for the low four bits of `index`. The function always reads all entries, so its memory
/// accesses do not depend on the index.
pub(crate) fn look_up(table: &[u128; 16], index: u8) -> Block {
    let load = |entry: &u128| *entry;
    let choose = |even: u128, odd: u128, mask: u128| even ^ ((even ^ odd) & mask);
    let masks = [0, 1, 2, 3].map(|bit| u128::from(mask(index, bit)));
    halve!(table, masks.map(|mask| mask << 64 | mask), load, choose).to_ne_bytes()
}

/// Runs one chain of encryptions under a key. The round keys are computed for this call only.
// Not inlined, see `encrypt_by`.
#[inline(never)]
pub(crate) fn chain_once<C: Chain>(key: &Block, chain: C) -> C::Output {
    let key = Aes128Enc::new(key.into());
    run(&key, chain)
}

/// Encrypts the blocks in `blocks[i]` under `keys[i]`. The round keys are computed for this call only.
#[inline]
pub(crate) fn encrypt_by_each<const N: usize, const M: usize>(keys: &[Block; N], blocks: &mut [[Block; M]; N]) {
    for (key, blocks) in keys.iter().zip(blocks) {
        encrypt_by(key, blocks);
    }
}

// Not inlined, because inlining copies the schedule, which takes as long as computing half of it.
#[inline(never)]
fn encrypt_by<const M: usize>(key: &Block, blocks: &mut [Block; M]) {
    let key = Aes128Enc::new(key.into());
    for block in blocks {
        key.encrypt_block(block.into());
    }
}

/// Decrypts the block `blocks[i]` under `keys[i]`. The round keys are computed for this call only.
#[inline]
pub(crate) fn decrypt_by_each<const N: usize>(keys: &[Block; N], blocks: &mut [Block; N]) {
    keys.iter().zip(blocks).for_each(|(key, block)| Decryptor::new(key).decrypt(block));
}
