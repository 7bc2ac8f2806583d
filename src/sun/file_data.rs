//! SDMENCFileData: file content that the tag encrypts for one tap. Source: NT4H2421Gx §9.3.6.

use core::fmt;

use super::session::EncKey;
#[cfg(feature = "lrp")]
use crate::cipher::lrp::Lrp;
use crate::cipher::{Decryptor, encrypt_by_each};
use crate::value::{Mode, SdmReadCtr};

/// Bytes of the longest SDMENCFileData in a 256-byte file: less than half of it.
pub(super) const MAX_FILE_DATA: usize = 128;

impl EncKey {
    /// Decrypts whole blocks in place, from the first one on. There is no padding.
    ///
    /// AES mode: AES-128-CBC; the IV is the counter, LSB first and filled with zero bytes, encrypted under this key. LRP mode:
    /// LRICB; its counter of six bytes is the counter, LSB first, and three zero bytes.
    pub fn decrypt(&self, ctr: SdmReadCtr, blocks: &mut [[u8; 16]]) {
        let key = self.secret().expose_bytes();
        let [low, mid, high] = ctr.to_lsb_first();
        match self.mode() {
            Mode::Aes | Mode::Ntag22x => {
                let mut iv = [[[low, mid, high, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]];
                encrypt_by_each(&[*key], &mut iv);
                let [[iv]] = iv;
                Decryptor::new(key).decrypt_cbc(iv, blocks);
            }
            #[cfg(feature = "lrp")]
            Mode::Lrp => Lrp::new(key, 1).decrypt(&mut [low, mid, high, 0, 0, 0], blocks),
        }
    }
}

/// Why no file data was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileDataError {
    /// The layout has no `{enc}`.
    NotMirrored,
    /// The caller's buffer is too small.
    BufferTooSmall {
        /// Bytes that are needed.
        needed: usize,
    },
}

impl fmt::Display for FileDataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMirrored => f.write_str("the layout has no file data"),
            Self::BufferTooSmall { needed } => write!(f, "the file data needs a buffer of {needed} bytes"),
        }
    }
}

impl core::error::Error for FileDataError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sun::session::SessionSecret;

    /// AN12196 Rev 1.8 Table 4.
    #[test]
    fn an12196_table_4() {
        let secret = SessionSecret::from_hex("8097D73344D53F963B09E23E03B62336").unwrap();
        let key = EncKey::from_secret(Mode::Aes, secret);
        let mut blocks = [0x9459_2FDE_69FA_06E8_E3B6_CA68_6A22_842B_u128.to_be_bytes()];
        key.decrypt(SdmReadCtr::new(1).unwrap(), &mut blocks);
        assert_eq!(&blocks, &[*b"xxxxxxxxxxxxxxxx"]);
    }
}
