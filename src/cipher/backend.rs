//! Selects the block cipher of this build. With the feature `accel` on x86-64 or AArch64, the cipher uses the
//! processor's AES instructions directly. In all other builds, the cipher is RustCrypto's crate `aes`.

#[cfg(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64")))]
use super::accel as chosen;
#[cfg(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64")))]
use super::accel::Hard;
#[cfg(all(feature = "accel", target_arch = "x86_64"))]
use super::accel::Wide;
use super::block::{Block, xor};
#[cfg(not(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64"))))]
use super::soft as chosen;
use super::soft::Soft;

pub(crate) use chosen::{Decryptor, Encryptor};

/// The ciphers for keys that are used once.
pub(crate) enum Engine {
    Soft(Soft),
    #[cfg(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64")))]
    Hard(Hard),
}

/// Returns the fastest cipher for a key that is used once.
#[inline]
pub(crate) fn engine() -> Engine {
    #[cfg(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64")))]
    if let Some(aes) = Hard::detect() {
        return Engine::Hard(aes);
    }
    Engine::Soft(Soft)
}

/// The ciphers for several keys that are used once.
pub(crate) enum LaneEngine {
    Soft(Soft),
    #[cfg(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64")))]
    Hard(Hard),
    #[cfg(all(feature = "accel", target_arch = "x86_64"))]
    Wide(Wide),
}

/// Returns the fastest cipher for several keys that are used once.
#[inline]
pub(crate) fn lane_engine() -> LaneEngine {
    #[cfg(all(feature = "accel", target_arch = "x86_64"))]
    if let Some(aes) = Wide::detect() {
        return LaneEngine::Wide(aes);
    }
    match engine() {
        Engine::Soft(aes) => LaneEngine::Soft(aes),
        #[cfg(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64")))]
        Engine::Hard(aes) => LaneEngine::Hard(aes),
    }
}

/// Inlines a computation into [`Aes::within`](super::once::Aes::within).
macro_rules! within {
    ($aes:ident, $body:expr) => {
        $crate::cipher::once::Aes::within(
            $aes,
            #[inline(always)]
            || $body,
        )
    };
}
pub(crate) use within;

/// Runs a computation with keys that are used once, and wipes what it leaves. In `compute!(|aes| ..)`, `aes` is an
/// [`OnceAes`](super::once::OnceAes).
///
/// This is a macro and not a function, because the type of `aes` depends on the processor. With `accel`, blocks stay in
/// registers if the compiler inlines the computation into a function that may use the AES instructions. So every function
/// that gets `aes` is always inlined.
macro_rules! compute {
    (|$aes:ident| $body:expr) => {
        match $crate::cipher::backend::engine() {
            $crate::cipher::backend::Engine::Soft($aes) => $crate::cipher::backend::within!($aes, $body),
            #[cfg(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64")))]
            $crate::cipher::backend::Engine::Hard($aes) => $crate::cipher::backend::within!($aes, $body),
        }
    };
}
pub(crate) use compute;

/// Runs a computation with several keys that are used once, like [`compute!`].
macro_rules! compute_lanes {
    (|$aes:ident| $body:expr) => {
        match $crate::cipher::backend::lane_engine() {
            $crate::cipher::backend::LaneEngine::Soft($aes) => $crate::cipher::backend::within!($aes, $body),
            #[cfg(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64")))]
            $crate::cipher::backend::LaneEngine::Hard($aes) => $crate::cipher::backend::within!($aes, $body),
            #[cfg(all(feature = "accel", target_arch = "x86_64"))]
            $crate::cipher::backend::LaneEngine::Wide($aes) => $crate::cipher::backend::within!($aes, $body),
        }
    };
}
pub(crate) use compute_lanes;

/// Returns `true` if it is faster to process several keys in parallel than one by one.
pub(crate) fn side_by_side() -> bool {
    !matches!(lane_engine(), LaneEngine::Soft(_))
}

impl Default for Encryptor {
    fn default() -> Self {
        Self::new(&[0; 16])
    }
}

impl Default for Decryptor {
    fn default() -> Self {
        Self::new(&[0; 16])
    }
}

impl Decryptor {
    /// Decrypts whole blocks in place with cipher block chaining (CBC).
    pub(crate) fn decrypt_cbc(&self, mut iv: Block, blocks: &mut [Block]) {
        for block in blocks {
            let ciphertext = *block;
            self.decrypt(block);
            *block = xor(*block, iv);
            iv = ciphertext;
        }
    }
}

#[cfg(test)]
mod tests {
    use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};

    use super::*;
    use crate::cipher::block::{BlockEncrypt as _, LANES};
    use crate::cipher::cmac::tests::{random_blocks, take};
    use crate::cipher::lanes::decrypt_by_each;
    use crate::cipher::once::{LaneAes as _, OnceAes as _, Table};

    const KEY: Block = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();

    /// Encrypts one block with RustCrypto's crate `aes`. The cipher of this build must give the same result.
    fn rustcrypto(key: &Block, mut block: Block) -> Block {
        aes::Aes128Enc::new(key.into()).encrypt_block((&mut block).into());
        block
    }

    fn encrypt_lanes(keys: &[Block; LANES], blocks: [&[Block; LANES]; 2]) -> [[Block; LANES]; 2] {
        compute_lanes!(|aes| {
            let blocks = blocks.map(|blocks| aes.load_lanes(blocks));
            aes.encrypt_lanes(aes.load_lanes(keys), blocks).map(|blocks| aes.store_lanes(blocks))
        })
    }

    /// Checks the example of FIPS 197 appendix B, first with one key and then with several copies of the key in
    /// parallel.
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
        assert_eq!(compute!(|aes| aes.encrypt_by([KEY; 3], [[plain; 3]])), [[cipher; 3]]);
        assert_eq!(compute!(|aes| aes.decrypt(KEY, cipher)), plain);
        assert_eq!(encrypt_lanes(&[KEY; LANES], [&[plain; LANES]; 2]), [[cipher; LANES]; 2]);
        assert_eq!(decrypt_by_each(&[KEY; LANES], &[cipher; LANES]), [plain; LANES]);
    }

    #[test]
    fn every_code_path_equals_rustcrypto() {
        let mut random = random_blocks();
        for _ in 0..256 {
            let (keys, blocks) = (take::<LANES>(&mut random), take::<LANES>(&mut random));
            let mut expected = blocks;
            expected.iter_mut().zip(&keys).for_each(|(block, key)| *block = rustcrypto(key, *block));
            let mut one_by_one = blocks;
            one_by_one.iter_mut().zip(&keys).for_each(|(block, key)| Encryptor::new(key).encrypt(block));
            assert_eq!(one_by_one, expected);
            let sevens = keys.map(|key| rustcrypto(&key, [7; 16]));
            assert_eq!(encrypt_lanes(&keys, [&blocks, &[[7; 16]; LANES]]), [expected, sevens]);
            assert_eq!(compute!(|aes| aes.encrypt_by(keys, [blocks, [[7; 16]; LANES]])), [expected, sevens]);
            assert_eq!(decrypt_by_each(&keys, &expected), blocks);
            let mut decrypted = expected;
            decrypted.iter_mut().zip(keys).for_each(|(block, key)| *block = compute!(|aes| aes.decrypt(key, *block)));
            assert_eq!(decrypted, blocks);
            decrypted = expected;
            decrypted.iter_mut().zip(&keys).for_each(|(block, key)| Decryptor::new(key).decrypt(block));
            assert_eq!(decrypted, blocks);
        }
    }

    /// Looks up each nibble in tables of random blocks.
    #[test]
    fn look_ups_find_every_entry() {
        let mut random = random_blocks();
        let table: Table = core::array::from_fn(|_| take(&mut random));
        let columns: [[u128; 16]; LANES] = core::array::from_fn(|lane| table.map(|row| u128::from_ne_bytes(row[lane])));
        for _ in 0..16 {
            let numbers = take::<LANES>(&mut random);
            for (byte, low) in (0..16).flat_map(|byte| [(byte, false), (byte, true)]) {
                let nibbles = numbers.map(|number| {
                    let byte = number[usize::from(byte)];
                    if low { byte & 0x0F } else { byte >> 4 }
                });
                let expected: [Block; LANES] = core::array::from_fn(|lane| table[usize::from(nibbles[lane])][lane]);
                let found = compute_lanes!(|aes| aes.store_lanes(aes.look_up_lanes(
                    &table,
                    aes.load_lanes(&numbers),
                    byte,
                    low
                )));
                assert_eq!(found, expected);
                for ((column, nibble), expected) in columns.iter().zip(nibbles).zip(expected) {
                    // The high nibble of the index is ignored.
                    assert_eq!(compute!(|aes| aes.look_up(column, nibble | 0xA0)), expected);
                }
            }
        }
    }
}
