//! Implements the block cipher with RustCrypto's crate `aes`. If the processor has AES instructions, the crate uses
//! them. Otherwise, the crate uses constant-time code.

use super::block::{Block, BlockEncrypt, Chain, LANES, double, halve, mask, xor};
use super::once::{Aes, LaneAes, OnceAes, Table};
use super::wipe::{COPIES_ROUND_KEYS, on_shallow_wiped_stack, on_wiped_stack};
use aes::cipher::common::BlockSizeUser;
use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes128Dec, Aes128Enc};

/// A key prepared for encryption. It does not wipe itself: see `Secret` and `compute!`.
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
        prepared(|| self.0.encrypt_block(block.into()));
    }

    fn chain<C: Chain>(&self, chain: C) -> C::Output {
        prepared(|| run(&self.0, chain))
    }
}

/// Runs a computation with a prepared key, and wipes the copies of its round keys.
#[inline]
fn prepared<T>(compute: impl FnOnce() -> T) -> T {
    if COPIES_ROUND_KEYS { on_shallow_wiped_stack(compute) } else { compute() }
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
            *self.output = self.chain.run(|mut block| {
                backend.encrypt_block_inplace((&mut block).into());
                block
            });
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
        prepared(|| self.0.decrypt_block(block.into()));
    }
}

impl From<&Encryptor> for Decryptor {
    fn from(key: &Encryptor) -> Self {
        Self(Aes128Dec::from(&key.0))
    }
}

/// The cipher for keys that are used once.
#[derive(Clone, Copy)]
pub(crate) struct Soft;

impl Aes for Soft {
    fn within<T>(self, compute: impl FnOnce() -> T) -> T {
        on_wiped_stack(compute)
    }
}

impl OnceAes for Soft {
    #[inline]
    fn encrypt_by<const N: usize, const M: usize>(
        self,
        keys: [Block; N],
        mut blocks: [[Block; N]; M],
    ) -> [[Block; N]; M] {
        for (lane, key) in keys.iter().enumerate() {
            encrypt_column(key, &mut blocks, lane);
        }
        blocks
    }

    #[inline]
    fn decrypt(self, key: Block, mut block: Block) -> Block {
        // `within` wipes the stack.
        Aes128Dec::new(&key.into()).decrypt_block((&mut block).into());
        block
    }

    // Not inlined, see `encrypt_column`.
    #[inline(never)]
    fn chain<C: Chain>(self, key: Block, chain: C) -> C::Output {
        let key = Aes128Enc::new(&key.into());
        run(&key, chain)
    }

    #[inline]
    fn double(self, block: Block) -> Block {
        double(block)
    }

    fn look_up(self, table: &[u128; 16], index: u8) -> Block {
        let load = |entry: &u128| *entry;
        let choose = |even: u128, odd: u128, mask: u128| even ^ ((even ^ odd) & mask);
        let masks = [0, 1, 2, 3].map(|bit| u128::from(mask(index, bit)));
        halve!(table, masks.map(|mask| mask << 64 | mask), load, choose).to_ne_bytes()
    }
}

// Not inlined, because inlining copies the schedule, which takes as long as computing half of it. `Aes128Enc` is copied as
// well, but `Aes128` is not: the compiler keeps the round keys in registers to compute the keys for decryption, which takes
// less time than the copy.
#[inline(never)]
fn encrypt_column<const N: usize, const M: usize>(key: &Block, blocks: &mut [[Block; N]; M], lane: usize) {
    let key = Aes128::new(key.into());
    for block in blocks.iter_mut().filter_map(|blocks| blocks.get_mut(lane)) {
        key.encrypt_block(block.into());
    }
}

impl LaneAes for Soft {
    type Lanes = [Block; LANES];

    fn load_lanes(self, blocks: &[Block; LANES]) -> [Block; LANES] {
        *blocks
    }

    fn store_lanes(self, lanes: [Block; LANES]) -> [Block; LANES] {
        lanes
    }

    fn xor_lanes(self, mut a: [Block; LANES], b: [Block; LANES]) -> [Block; LANES] {
        a.iter_mut().zip(b).for_each(|(a, b)| *a = xor(*a, b));
        a
    }

    fn double_lanes(self, lanes: [Block; LANES]) -> [Block; LANES] {
        lanes.map(double)
    }

    fn encrypt_lanes<const M: usize>(self, keys: [Block; LANES], blocks: [[Block; LANES]; M]) -> [[Block; LANES]; M] {
        self.encrypt_by(keys, blocks)
    }

    fn decrypt_lanes(self, keys: [Block; LANES], mut blocks: [Block; LANES]) -> [Block; LANES] {
        keys.into_iter().zip(&mut blocks).for_each(|(key, block)| *block = self.decrypt(key, *block));
        blocks
    }

    fn look_up_lanes(self, table: &Table, numbers: [Block; LANES], byte: u8, low: bool) -> [Block; LANES] {
        let mut chosen = [[0; 16]; LANES];
        for (lane, (chosen, number)) in chosen.iter_mut().zip(&numbers).enumerate() {
            let column = table.map(|row| row.get(lane).map_or(0, |block| u128::from_ne_bytes(*block)));
            let byte = number.get(usize::from(byte)).copied().unwrap_or_default();
            *chosen = self.look_up(&column, if low { byte } else { byte >> 4 });
        }
        chosen
    }
}
