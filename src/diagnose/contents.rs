//! The content of a tap: UID, counter, tamper status and file data.

use core::fmt;

use heapless::Vec;

use super::assumptions::Assumptions;
use super::candidates::{self, KeyTier};
use super::recipe::MacMessage;
use super::search::{ClaimedValues, Match};
use super::url_parts::UrlParts;
use crate::key::SdmFileReadKey;
use crate::sun::message::{MAX_FILE_BLOCKS, MAX_FILE_DATA};
use crate::sun::session::EncKey;
use crate::value::{Scheme, SdmReadCtr, Uid, hex};

/// The values that could be read from a URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    /// `true` if the MAC or the signature is right and no finding says that something other than the tag can have made it.
    /// If this is `false`, the values may be forged. This is also `false` if a signature is right but the key that decrypts
    /// the PICCData was found by derivation, and the UID was not given: a signature does not show which key is right.
    pub is_proven: bool,
    /// The UID, if the tap has one.
    pub uid: Option<Uid>,
    /// The counter, if the tap has one.
    pub ctr: Option<SdmReadCtr>,
    /// The two characters of the tamper status, if the tap has one. A status that the MAC does not cover may be forged,
    /// even if `is_proven` is `true`.
    pub tt_status: Option<[u8; 2]>,
    file_data: Vec<u8, MAX_FILE_DATA>,
}

impl Contents {
    /// Returns the decrypted file data. Returns no bytes if the tap has no file data or if their key is not known. If
    /// no MAC matches, or if the MAC does not cover the data, returns only printable text: a wrong key gives random bytes,
    /// and so do digits that are static text.
    #[must_use]
    pub fn file_data(&self) -> &[u8] {
        &self.file_data
    }

    /// Returns the content of a tap whose MAC matches. `is_proven` says whether only the tag can have made the MAC.
    pub(super) fn of_match(url: &str, found: &Match<'_>, is_proven: bool) -> Self {
        let (uid, ctr) = (found.recipe.vector.uid, found.recipe.vector.used_ctr());
        let mut file_data = decrypt(&found.parts, url, found.scheme, &found.file_key.0, (uid, ctr));
        // A chip encrypts file data only inside the MAC input. Digits outside of it can be static text.
        let is_outside = found.parts.enc.is_some_and(|enc| !found.parts.covers(enc));
        if is_outside && found.recipe.message == MacMessage::Text && !is_text(&file_data) {
            file_data.clear();
        }
        let tt_status = tt_status(&found.parts, url, &file_data);
        Self { is_proven, uid, ctr, tt_status, file_data }
    }

    /// Returns the content of a tap for which no MAC matches. Returns `None` if the tap has no UID and no counter.
    ///
    /// Decrypts the file data with each given key and with the key of a new chip, until the result is printable text. A
    /// wrong key gives random bytes. If a key gives text, also returns this key.
    pub(super) fn claimed(
        assumptions: &Assumptions<'_>,
        url: &str,
        parts: &UrlParts,
        scheme: Scheme,
        claimed: &ClaimedValues<'_>,
    ) -> Option<(Self, Option<SdmFileReadKey>)> {
        let values = (claimed.uid, claimed.ctr);
        let (mut file_data, mut file_key) = (Vec::new(), None);
        candidates::try_file_keys(assumptions, KeyTier::Direct, claimed.uid, |(key, _)| {
            let decrypted = decrypt(parts, url, scheme, &key, values);
            let is_text = is_text(&decrypted);
            if is_text {
                (file_data, file_key) = (decrypted, Some(key));
            }
            is_text
        });
        let tt_status = tt_status(parts, url, &file_data);
        let contents = Self { is_proven: false, uid: values.0, ctr: values.1, tt_status, file_data };
        (contents.uid.is_some() || contents.ctr.is_some()).then_some((contents, file_key))
    }
}

/// Decrypts the file data. Returns no bytes if the file data, the UID or the counter is missing.
fn decrypt(
    parts: &UrlParts,
    url: &str,
    scheme: Scheme,
    key: &SdmFileReadKey,
    (uid, ctr): (Option<Uid>, Option<SdmReadCtr>),
) -> Vec<u8, MAX_FILE_DATA> {
    let decrypted = || {
        let digits = parts.enc?.slice(url).as_bytes();
        let key = EncKey::derive(&key.prepare(scheme), uid?, ctr?)?;
        let mut blocks = [[0; 16]; MAX_FILE_BLOCKS];
        let blocks = blocks.get_mut(..digits.len() / 32)?;
        hex::decode_into(digits, blocks.as_flattened_mut()).ok()?;
        key.decrypt(ctr?, blocks);
        Vec::from_slice(blocks.as_flattened()).ok()
    };
    decrypted().unwrap_or_default()
}

pub(super) fn is_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

fn tt_status(parts: &UrlParts, url: &str, file_data: &[u8]) -> Option<[u8; 2]> {
    let plain = parts.tt_status.map(|part| part.slice(url).as_bytes());
    let encrypted = || file_data.get(parts.tt_at?..);
    plain.or_else(encrypted)?.first_chunk().copied()
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents")
            .field("is_proven", &self.is_proven)
            .field("uid", &self.uid)
            .field("ctr", &self.ctr)
            .finish_non_exhaustive()
    }
}
