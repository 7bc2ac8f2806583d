//! Finds out whether the UID or the counter of a signed tap was changed after the tag wrote it.
//!
//! If a text with another UID or another counter verifies under the public key, the tag wrote that text. A signature
//! does not verify by chance.

use super::assumptions::Assumptions;
use super::finding::Finding;
use super::repair::Tap;
use super::search::{Search, pieces};
use super::signature;
use super::url_parts::UrlParts;
use crate::key::TagPublicKey;
use crate::sun::fixed::MAX_URL;
use crate::sun::window;
use crate::value::{SdmReadCtr, Uid, hex};

/// Searches for the text that the tag signed: the URL with the assumed UID, or with one other digit in the UID or in
/// the counter. Returns `None` if the URL has no plain UID and no plain counter, or if no text verifies.
pub(super) fn find<'a>(
    search: &mut Search<'_, '_>,
    assumptions: &Assumptions<'_>,
    tap: &Tap<'_>,
) -> Option<Finding<'a>> {
    let parts = signature::locate(tap).filter(|parts| parts.picc_data.is_none())?;
    let signature = hex::decode(parts.mac.slice(tap.url).as_bytes()).ok()?;
    let mut text =
        Text { parts: &parts, bytes: [0; MAX_URL], len: tap.url.len(), signature, key: assumptions.public_key? };
    text.bytes.get_mut(..text.len)?.copy_from_slice(tap.url.as_bytes());
    if let (Some(uid), Some(part)) = (assumptions.uid, parts.uid)
        && let Some(found) = text.with(search, part.from, &uid.to_ascii())
    {
        return Some(found);
    }
    let places = [parts.uid, parts.ctr].into_iter().flatten().flat_map(|part| part.from..part.to);
    for place in places {
        for digit in b"0123456789ABCDEF" {
            if search.is_over() {
                return None;
            }
            if let Some(found) = text.with(search, place, &[*digit]) {
                return Some(found);
            }
        }
    }
    None
}

/// A URL, and what its signature is verified with.
struct Text<'t> {
    parts: &'t UrlParts,
    bytes: [u8; MAX_URL],
    len: usize,
    signature: [u8; 64],
    key: &'t TagPublicKey,
}

impl Text<'_> {
    /// Writes digits at an offset, and returns the UID and the counter if the signature then verifies. Otherwise writes
    /// the previous digits again.
    fn with<'a, const N: usize>(
        &mut self,
        search: &mut Search<'_, '_>,
        offset: usize,
        digits: &[u8; N],
    ) -> Option<Finding<'a>> {
        let place = self.bytes.get_mut(offset..)?.first_chunk_mut()?;
        let previous = core::mem::replace(place, *digits);
        if previous.eq_ignore_ascii_case(digits) {
            return None;
        }
        let found = self.verified(search);
        *self.bytes.get_mut(offset..)?.first_chunk_mut()? = previous;
        found
    }

    fn verified<'a>(&self, search: &mut Search<'_, '_>) -> Option<Finding<'a>> {
        let url = str::from_utf8(self.bytes.get(..self.len)?).ok()?;
        search.count(signature::COST);
        let signed = window::input(pieces(url, self.parts, self.parts.window_start));
        self.key.has_signed(signed, &self.signature).then(|| Finding::MirrorChanged {
            uid: self.parts.uid.and_then(|part| Uid::from_hex(part.slice(url)).ok()),
            ctr: self.parts.ctr.and_then(|part| SdmReadCtr::from_msb_ascii(part.slice(url)).ok()),
        })
    }
}
