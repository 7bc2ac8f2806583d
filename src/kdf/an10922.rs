//! Derives AES-128 keys from a master key ("key diversification"), as specified in NXP AN10922 Rev 2.2, §2.2.
//!
//! The application chooses the diversification input M, which is 1 to 31 bytes long. Personalisation and verification
//! must use the same input. Common inputs are:
//! - the UID alone
//! - `UID || application identifier || system identifier` (the example of AN10922)
//! - `UID || application identifier || key number || system identifier`
//!
//! AN10922 **always** pads `01 || M` to two 16-byte blocks. A CMAC of the unpadded `01 || M` uses two blocks only if M
//! is 16 bytes or longer. If M is shorter, the derived key therefore differs from this CMAC. Many implementations
//! wrongly omit the padding. For example, they get a wrong key if M is the UID alone, because the UID is only seven
//! bytes long.

use heapless::Vec;
use zeroize::Zeroize;

use crate::key::{MasterKey, SdmFileReadKey};
use crate::value::{ConfigError, Uid};

/// The byte that precedes the diversification input when an AES-128 key is derived. Source: AN10922 §2.2.
pub(super) const DIV_CONSTANT: u8 = 0x01;
/// The maximum length of the diversification input in bytes. Source: AN10922 §2.2.
const MAX_INPUT: usize = 31;
/// The maximum length in bytes of the suffix that follows the seven-byte UID in the diversification input.
pub(crate) const MAX_SUFFIX: usize = MAX_INPUT - 7;

/// Derives a key from a master key and a diversification input. The diversification input is the concatenation of the
/// slices in `input`.
///
/// `K` is the type of the derived key, usually [`SdmFileReadKey`] or [`SdmMetaReadKey`](crate::SdmMetaReadKey). `K` can
/// also be [`MasterKey`], for example to derive one master key per customer.
///
/// ```
/// use suntap::{MasterKey, SdmFileReadKey, Uid, kdf::an10922};
///
/// // The example in AN10922 §2.2.1: the input is the UID, the application identifier and "NXP Abu".
/// let master = MasterKey::from_hex("00112233445566778899AABBCCDDEEFF")?;
/// let uid = Uid::from_hex("04782E21801D80")?;
/// let key: SdmFileReadKey = an10922::derive(&master, &[uid.as_bytes(), &[0x30, 0x42, 0xF5], b"NXP Abu"])?;
/// assert_eq!(key, SdmFileReadKey::from_hex("A8DD63A3B89D54B37CA802473FDA9175")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns [`ConfigError::DiversificationInput`] if the diversification input is empty or longer than 31 bytes.
pub fn derive<K: From<[u8; 16]>>(master: &MasterKey, input: &[&[u8]]) -> Result<K, ConfigError> {
    check_length(input)?;
    Ok(diversify(master, input))
}

/// Checks that the diversification input is 1 to [`MAX_INPUT`] bytes long.
pub(super) fn check_length(input: &[&[u8]]) -> Result<(), ConfigError> {
    if (1..=MAX_INPUT).contains(&length(input)) { Ok(()) } else { Err(ConfigError::DiversificationInput) }
}

fn length(input: &[&[u8]]) -> usize {
    input.iter().fold(0, |len, part| len.saturating_add(part.len()))
}

/// Derives a key from a diversification input of 1 to [`MAX_INPUT`] bytes.
fn diversify<K: From<[u8; 16]>>(master: &MasterKey, input: &[&[u8]]) -> K {
    let mut blocks = [[0; 16]; 2];
    let mut free = blocks.as_flattened_mut();
    // An input of the maximum length leaves no space for the padding. For such an input, the loop ends before it writes
    // the padding.
    for part in [&[DIV_CONSTANT][..]].iter().chain(input).chain(&[&[0x80][..]]) {
        let Some((place, rest)) = free.split_at_mut_checked(part.len()) else { break };
        place.copy_from_slice(part);
        free = rest;
    }
    let [first, last] = &blocks;
    let mut bytes = master.cmac().two_blocks(first, last, length(input) < MAX_INPUT);
    let key = K::from(bytes);
    bytes.zeroize();
    key
}

/// Derives the file-read key of a tag for one epoch. The epoch is the number of earlier personalisations of the tag, so
/// it is 0 at the first personalisation.
///
/// When a tag is set up again, its counter restarts at 0. With the old key, a counter store would reject the new taps
/// as replays until the tag's counter exceeds the stored counter. Use the next epoch to give the tag a new key. The new
/// key also gives the tag a new [counter id](crate::PreparedFileReadKey::counter_id), under which the store does not
/// have a counter yet.
///
/// In epoch 0, the file-read key is [derived](derive()) from `master` with the input `UID || suffix`. Each later epoch
/// has its own master key, called the epoch key. The epoch key is derived from `master` with the input
/// `"suntap epoch" || epoch`. In this input, the epoch is a four-byte big-endian number. In a later epoch, the
/// file-read key is derived from the epoch key with the input `UID || suffix`.
///
/// ```
/// use suntap::{MasterKey, Scheme, Uid, kdf::an10922};
///
/// let master = MasterKey::from_hex("00112233445566778899AABBCCDDEEFF")?;
/// let uid = Uid::from_hex("04782E21801D80")?;
/// let first = an10922::derive_in_epoch(&master, uid, 0, b"suffix")?;
/// let second = an10922::derive_in_epoch(&master, uid, 1, b"suffix")?;
/// assert_eq!(first, an10922::derive(&master, &[uid.as_bytes(), b"suffix"])?);
/// assert_ne!(first, second);
/// let counter_id = |key: &suntap::SdmFileReadKey| key.prepare(Scheme::Aes).counter_id(Some(uid));
/// assert_ne!(counter_id(&first), counter_id(&second));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns [`ConfigError::DiversificationInput`] if the suffix is longer than 24 bytes.
pub fn derive_in_epoch(master: &MasterKey, uid: Uid, epoch: u32, suffix: &[u8]) -> Result<SdmFileReadKey, ConfigError> {
    let suffix = Vec::from_slice(suffix).map_err(|_| ConfigError::DiversificationInput)?;
    Ok(file_read_key(master, uid, epoch, &suffix))
}

/// Like [`derive_in_epoch`], but for a suffix whose length is known to be valid.
pub(crate) fn file_read_key(master: &MasterKey, uid: Uid, epoch: u32, suffix: &Vec<u8, MAX_SUFFIX>) -> SdmFileReadKey {
    let input = [&uid.as_bytes()[..], suffix];
    if epoch == 0 {
        return diversify(master, &input);
    }
    let epoch_master: MasterKey = diversify(master, &[b"suntap epoch", &epoch.to_be_bytes()]);
    diversify(&epoch_master, &input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SdmMetaReadKey;
    use cmac::{KeyInit as _, Mac as _};

    fn cmac_of(key: [u8; 16], message: &[u8]) -> [u8; 16] {
        let mut mac = cmac::Cmac::<aes::Aes128>::new(&key.into());
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    /// AN10922 §2.2 always pads `01 || M` to 32 bytes. If M is 16 bytes or longer, the derived key must equal the CMAC
    /// of the unpadded `01 || M`. If M is shorter, the derived key must differ from the CMAC of the unpadded `01 || M`.
    #[test]
    fn section_2_2_padding_by_length() {
        let (key, input) = ([0x42; 16], [0xA5; 32]);
        let master = MasterKey::from_bytes(key);
        for len in 1..=31 {
            let derived: SdmMetaReadKey = derive(&master, &[&input[..len]]).unwrap();
            let plain = cmac_of(key, &[&[DIV_CONSTANT], &input[..len]].concat());
            assert_eq!(derived.expose_bytes() == &plain, len > 15, "{len} bytes");
        }
    }

    #[test]
    fn the_input_has_1_to_31_bytes() {
        let master = MasterKey::from_bytes([0; 16]);
        for parts in [&[][..], &[&[][..]], &[&[0; 32][..]], &[&[0; 31], &[0]]] {
            assert_eq!(derive::<SdmFileReadKey>(&master, parts), Err(ConfigError::DiversificationInput));
        }
    }

    #[test]
    fn parts_are_concatenated() {
        let master = MasterKey::from_bytes([7; 16]);
        let whole: SdmFileReadKey = derive(&master, &[b"0123456789"]).unwrap();
        assert_eq!(derive(&master, &[b"01234", b"", b"56789"]), Ok(whole));
    }
}
