//! Derives AES-128 keys from a master key with a CMAC, but without the padding of AN10922.
//!
//! **This derivation is not AN10922.** AN10922 pads `01 || M` to two 16-byte blocks before it computes the CMAC. M is
//! the diversification input, for example the UID. Several programs omit the padding, among them a widely used Java
//! library. Use this module for tags that were set up with such a program, and [`an10922`](super::an10922) for new
//! tags.
//!
//! The two derivations give different keys only for an M of 15 bytes or less, such as the UID alone.

use zeroize::Zeroize;

use super::an10922::{DIV_CONSTANT, check_length};
use crate::cipher::chunks;
use crate::key::MasterKey;
use crate::value::ConfigError;

/// Derives a key of the type `K` as the CMAC of `01 || M` under a master key. M, the diversification input, is the
/// concatenation of the slices in `input`.
///
/// ```
/// use suntap::{MasterKey, SdmFileReadKey, Uid, kdf::{an10922, plain_cmac}};
///
/// let master = MasterKey::from_hex("00112233445566778899AABBCCDDEEFF")?;
/// let uid = Uid::from_hex("04782E21801D80")?;
/// let key: SdmFileReadKey = plain_cmac::derive(&master, &[uid.as_bytes()])?;
/// assert_ne!(key, an10922::derive(&master, &[uid.as_bytes()])?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns [`ConfigError::DiversificationInput`] if M is empty or longer than 31 bytes.
pub fn derive<K: From<[u8; 16]>>(master: &MasterKey, input: &[&[u8]]) -> Result<K, ConfigError> {
    check_length(input)?;
    let message = [DIV_CONSTANT].into_iter().chain(input.iter().flat_map(|part| part.iter().copied()));
    let mut bytes = master.cmac().compute(chunks(message));
    let key = K::from(bytes);
    bytes.zeroize();
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SdmFileReadKey;
    use crate::kdf::an10922;

    fn derived(input: &[u8]) -> [SdmFileReadKey; 2] {
        let master = MasterKey::from_bytes([0x77; 16]);
        [derive(&master, &[input]).unwrap(), an10922::derive(&master, &[input]).unwrap()]
    }

    /// If M is 15 bytes long, `01 || M` fills exactly one block. AN10922 still adds a second block, which contains only
    /// padding. If M is 16 bytes or longer, the plain CMAC and AN10922 both use two blocks.
    #[test]
    fn schemes_agree_from_16_bytes() {
        for len in 1..=31 {
            let [plain, padded] = derived(&[0xA5; 31][..len]);
            assert_eq!(plain == padded, len >= 16, "{len}");
        }
    }

    #[test]
    fn invalid_lengths_are_rejected() {
        let master = MasterKey::from_bytes([0x77; 16]);
        for len in [0, 32] {
            let derived: Result<SdmFileReadKey, _> = derive(&master, &[&[0xA5; 32][..len]]);
            assert_eq!(derived, Err(ConfigError::DiversificationInput), "{len}");
        }
    }

    #[test]
    fn parts_are_concatenated() {
        let master = MasterKey::from_bytes([0x77; 16]);
        let parts: SdmFileReadKey = derive(&master, &[b"ab", b"", b"c"]).unwrap();
        assert_eq!(parts, derived(b"abc")[0]);
    }
}
