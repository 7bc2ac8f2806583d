//! Defines traits for keys that are used once. Their round keys are computed for one computation, and wiped after it.

#![allow(clippy::inline_always, reason = "see `compute!`")]

use super::block::{Block, Chain, LANES};

/// An implementation of AES.
pub(crate) trait Aes: Copy {
    /// Runs a computation that uses this cipher, and wipes what it leaves.
    fn within<T>(self, compute: impl FnOnce() -> T) -> T;
}

/// A cipher for keys that are used once. `compute!` selects the implementation.
pub(crate) trait OnceAes: Aes {
    /// Encrypts the blocks `blocks[..][i]` under `keys[i]`.
    fn encrypt_by<const N: usize, const M: usize>(self, keys: [Block; N], blocks: [[Block; N]; M]) -> [[Block; N]; M];

    /// Encrypts one block under a key.
    #[inline(always)]
    fn encrypt(self, key: Block, block: Block) -> Block {
        let [[block]] = self.encrypt_by([key], [[block]]);
        block
    }

    /// Decrypts one block under a key.
    fn decrypt(self, key: Block, block: Block) -> Block;

    /// Runs one chain of encryptions under a key.
    fn chain<C: Chain>(self, key: Block, chain: C) -> C::Output;

    /// Doubles a block in GF(2^128), for the subkeys of CMAC.
    fn double(self, block: Block) -> Block;

    /// Returns the table entry for the low four bits of `index`. This method always reads all entries, so its memory
    /// accesses do not depend on the index.
    fn look_up(self, table: &[u128; 16], index: u8) -> Block;
}

/// A cipher that processes several keys in parallel. `compute_lanes!` selects the implementation.
pub(crate) trait LaneAes: Aes {
    /// One block for each key.
    type Lanes: Copy;

    fn load_lanes(self, blocks: &[Block; LANES]) -> Self::Lanes;

    fn store_lanes(self, lanes: Self::Lanes) -> [Block; LANES];

    fn xor_lanes(self, a: Self::Lanes, b: Self::Lanes) -> Self::Lanes;

    /// Doubles each block in GF(2^128), for the subkeys of CMAC.
    fn double_lanes(self, lanes: Self::Lanes) -> Self::Lanes;

    /// Encrypts one or more blocks under each key.
    fn encrypt_lanes<const M: usize>(self, keys: Self::Lanes, blocks: [Self::Lanes; M]) -> [Self::Lanes; M];

    /// Decrypts one block under each key.
    fn decrypt_lanes(self, keys: Self::Lanes, blocks: Self::Lanes) -> Self::Lanes;

    /// For each key, returns one of the 16 blocks in its column of `table`. The index of the block is a nibble of the
    /// byte at the offset `byte` of `numbers`: the low nibble if `low` is `true`, and the high nibble otherwise. Always
    /// reads the whole table.
    fn look_up_lanes(self, table: &Table, numbers: Self::Lanes, byte: u8, low: bool) -> Self::Lanes;
}

/// Sixteen blocks for each key: `table[index][key]`.
pub(crate) type Table = [[Block; LANES]; 16];
