//! The content of a verified tap.

use core::fmt;

use super::error::{Field, VerifyError};
use super::layout::SdmLayout;
use super::ntag22x::StatusDetect;
use super::received::Received;
use super::session::EncKey;
use super::tamper::TtStatus;
use crate::value::{SdmReadCtr, Uid, hex};

/// Maximum length of the decrypted SDMENCFileData in bytes. Source: NT4H2421Gx §9.3.6, Table 71.
pub(crate) const MAX_FILE_DATA: usize = 16 * MAX_FILE_BLOCKS;
/// Maximum number of blocks of decrypted file data.
pub(crate) const MAX_FILE_BLOCKS: usize = 8;

/// The content of a tap whose SDMMAC or signature matches.
///
/// SDMMAC authenticates the UID, the counter, and the text inside the MAC window of the layout. A signature authenticates
/// the text inside the MAC window, which contains the UID and the counter. You get a message from
/// a [`VerifiedTap`](crate::VerifiedTap), [`FreshTap`](crate::FreshTap) or [`ReplayableTap`](crate::ReplayableTap). If
/// you get the message from a `FreshTap`, the tap is not a replay. Otherwise, the tap may be a replay.
#[doc(alias = "Secure Unique NFC")]
pub struct SunMessage<'a> {
    layout: &'a SdmLayout,
    received: Received<'a>,
    enc: Option<EncKey>,
}

impl<'a> SunMessage<'a> {
    /// Wraps a received tap. The caller must have checked that the SDMMAC or the signature matches.
    pub(super) fn new(layout: &'a SdmLayout, received: Received<'a>, enc: Option<EncKey>) -> Self {
        Self { layout, received, enc }
    }

    /// Returns the UID, or `None` if the tag does not mirror it.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.received.uid
    }

    /// Returns the counter, or `None` if the tag does not mirror it.
    #[must_use]
    pub fn ctr(&self) -> Option<SdmReadCtr> {
        self.received.ctr
    }

    /// Returns the text of the element `{:name}` (a capture), or `None` if the layout has no element with this name.
    /// The text is authentic only if `{:name}` is between `[[` and `{mac}` or `{sig}` in the layout.
    #[must_use]
    pub fn captured(&self, name: &str) -> Option<&'a str> {
        self.received.captured(self.layout, name)
    }

    pub(super) fn expect_uid(&self, uid: Uid) -> Result<(), VerifyError> {
        match self.uid() {
            Some(verified) if verified != uid => Err(VerifyError::WrongTag),
            _ => Ok(()),
        }
    }

    /// Returns the tamper status, or `None` if the layout contains no tamper status.
    ///
    /// For an NTAG 22x, this method always returns `None`, because the meaning of the two status characters depends on
    /// the settings of the chip. [`status_detect`](Self::status_detect) returns the two characters unchanged.
    #[must_use]
    pub fn tamper(&self) -> Option<TtStatus> {
        if self.received.status_detect.is_some() {
            return None;
        }
        if let Some([perm, curr]) = self.text_of(Field::TtStatus) {
            return Some(TtStatus::new(*perm, *curr, self.layout.tt_in_window));
        }
        let at = self.layout.tt_at?;
        let mut plain = [[0; 16]; MAX_FILE_BLOCKS];
        let blocks = plain.get_mut(..self.layout.tt_end()?.div_ceil(16))?;
        self.decrypt(blocks)?;
        match blocks.as_flattened().get(at..)? {
            [perm, curr, ..] => Some(TtStatus::new(*perm, *curr, true)),
            _ => None,
        }
    }

    /// Returns the whole status block of an NTAG 22x StatusDetect chip, or `None` for any other chip.
    #[must_use]
    pub fn status_detect(&self) -> Option<StatusDetect> {
        self.received.status_detect
    }

    /// Returns the length of the decrypted SDMENCFileData in bytes, or 0 if the layout has no `{enc}`.
    #[must_use]
    pub fn file_data_len(&self) -> usize {
        self.text_of(Field::EncFileData).map_or(0, |text| text.len() / 2)
    }

    /// Decrypts the SDMENCFileData into `buffer` and returns the part of `buffer` that contains the plaintext. Returns
    /// `None` if the layout has no `{enc}`, or if the tap was verified with a public key, from which no key of the file
    /// data can be derived.
    ///
    /// The plaintext is at most 128 bytes long: the mirror has two hexadecimal digits for each byte, and the file of
    /// the tag is 256 bytes long.
    #[must_use]
    pub fn file_data<'b>(&self, buffer: &'b mut [u8; MAX_FILE_DATA]) -> Option<&'b [u8]> {
        let plain = buffer.get_mut(..self.file_data_len()).filter(|plain| !plain.is_empty())?;
        let (blocks, _) = plain.as_chunks_mut();
        self.decrypt(blocks)?;
        Some(plain)
    }

    /// Decrypts the beginning of the SDMENCFileData and fills `blocks` with the plaintext.
    fn decrypt(&self, blocks: &mut [[u8; 16]]) -> Option<()> {
        let (key, ctr) = self.enc.as_ref().zip(self.ctr())?;
        let bytes = blocks.as_flattened_mut();
        let digits = self.text_of(Field::EncFileData)?.get(..bytes.len().checked_mul(2)?)?;
        hex::decode_into(digits, bytes).ok()?;
        key.decrypt(ctr, blocks);
        Some(())
    }

    fn text_of(&self, wanted: Field) -> Option<&'a [u8]> {
        self.received.text_of(self.layout, wanted)
    }
}

impl fmt::Debug for SunMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SunMessage").field("uid", &self.uid()).field("ctr", &self.ctr()).finish_non_exhaustive()
    }
}
