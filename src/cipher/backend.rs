//! Selects the block cipher of this build. With the feature `accel` on x86-64 or AArch64, the cipher uses the
//! processor's AES instructions directly. In all other builds, the cipher is RustCrypto's crate `aes`.

#[cfg(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64")))]
use super::accel as chosen;
use super::block::{Block, xor};
#[cfg(not(all(feature = "accel", any(target_arch = "x86_64", target_arch = "aarch64"))))]
use super::soft as chosen;

pub(crate) use chosen::{
    Decryptor, Encryptor, chain_once, decrypt_by_each, encrypt_by_each, look_up, side_by_side, wiping,
};

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
    use crate::cipher::lanes::{LaneEncrypt as _, Lanes};

    const KEY: Block = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128.to_be_bytes();

    /// Encrypts one block with RustCrypto's crate `aes`. The cipher of this build must give the same result.
    fn rustcrypto(key: &Block, mut block: Block) -> Block {
        aes::Aes128Enc::new(key.into()).encrypt_block((&mut block).into());
        block
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
        let mut blocks = [plain; LANES];
        Lanes::new(&[KEY; LANES]).encrypt(&mut blocks);
        assert_eq!(blocks, [cipher; LANES]);
        decrypt_by_each(&[KEY; LANES], &mut blocks);
        assert_eq!(blocks, [plain; LANES]);
        let mut blocks = [[plain, cipher]; 3];
        encrypt_by_each(&[KEY; 3], &mut blocks);
        assert_eq!(blocks.map(|[block, _]| block), [cipher; 3]);
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
            let mut lanes = blocks;
            Lanes::new(&keys).encrypt(&mut lanes);
            assert_eq!(lanes, expected);
            let mut by_each = blocks.map(|block| [block, [7; 16]]);
            encrypt_by_each(&keys, &mut by_each);
            assert_eq!(by_each.map(|[block, _]| block), expected);
            assert_eq!(by_each[LANES - 1][1], rustcrypto(&keys[LANES - 1], [7; 16]));
            let mut decrypted = expected;
            decrypt_by_each(&keys, &mut decrypted);
            assert_eq!(decrypted, blocks);
            decrypted = expected;
            decrypted.iter_mut().zip(&keys).for_each(|(block, key)| Decryptor::new(key).decrypt(block));
            assert_eq!(decrypted, blocks);
        }
    }
}
