//! Keys that are used once: their round keys are computed for one computation, and wiped after it.

#![allow(clippy::inline_always, reason = "see `compute!`")]

use super::block::{Block, Chain};

/// A cipher for keys that are used once. [`compute!`] selects the implementation.
pub(crate) trait OnceAes: Copy {
    /// Runs a computation that uses this cipher, and wipes what it leaves.
    fn within<T>(self, compute: impl FnOnce() -> T) -> T;

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

/// Runs a computation with keys that are used once, and wipes what it leaves. In `compute!(|aes| ..)`, `aes` is an
/// [`OnceAes`].
///
/// This is a macro and not a function, because the type of `aes` depends on the processor. With `accel`, blocks stay in
/// registers if the compiler inlines the computation into a function that may use the AES instructions. So every function
/// that gets `aes` is always inlined.
macro_rules! compute {
    (|$aes:ident| $body:expr) => {
        match $crate::cipher::backend::engine() {
            $crate::cipher::backend::Engine::Soft($aes) => $crate::cipher::once::OnceAes::within(
                $aes,
                #[inline(always)]
                || $body,
            ),
            #[cfg(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64")))]
            $crate::cipher::backend::Engine::Hard($aes) => $crate::cipher::once::OnceAes::within(
                $aes,
                #[inline(always)]
                || $body,
            ),
        }
    };
}
pub(crate) use compute;
