//! What a verified tap says.

use core::fmt;

use super::error::{Field, VerifyError};
use super::file_data::{FileDataError, MAX_FILE_DATA};
use super::layout::SdmLayout;
use super::ntag22x::StatusDetect;
use super::received::Received;
use super::session::EncKey;
use super::tamper::TtStatus;
use crate::value::hex;
use crate::value::{SdmReadCtr, Uid};

/// What a tag said, with its SDMMAC compared: all of it that the layout's MAC window covers, and UID and counter in any case.
///
/// It is reached through a [`VerifiedTap`](crate::VerifiedTap), [`FreshTap`](crate::FreshTap) or
/// [`ReplayableTap`](crate::ReplayableTap), and says nothing about being new.
#[doc(alias = "Secure Unique NFC")]
pub struct SunMessage<'a> {
    layout: &'a SdmLayout,
    received: Received<'a>,
    enc: Option<EncKey>,
}

impl<'a> SunMessage<'a> {
    /// Only for what was compared.
    pub(super) fn new(layout: &'a SdmLayout, received: Received<'a>, enc: Option<EncKey>) -> Self {
        Self { layout, received, enc }
    }

    /// The UID; `None` where the tag mirrors none.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.received.uid
    }

    /// The counter; `None` where the tag mirrors none.
    #[must_use]
    pub fn ctr(&self) -> Option<SdmReadCtr> {
        self.received.ctr
    }

    /// The text captured by `{:name}`. The tag vouches for it only if it lies between `[[` and `{mac}`.
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

    /// The tamper status; `None` where the layout has none, and on an NTAG 22x: what its two characters say is not known well
    /// enough to call a seal closed, so [`status_detect`](Self::status_detect) gives them as they are.
    #[must_use]
    pub fn tamper(&self) -> Option<TtStatus> {
        if self.received.status_detect.is_some() {
            return None;
        }
        if let Some([perm, curr]) = self.text_of(Field::TtStatus) {
            return Some(TtStatus::new(*perm, *curr, self.layout.tt_in_window));
        }
        let at = self.layout.tt_at?;
        let mut plain = [[0; 16]; MAX_FILE_DATA / 16];
        let blocks = plain.get_mut(..at.saturating_add(2).div_ceil(16))?;
        self.decrypt(blocks)?;
        match blocks.as_flattened().get(at..)? {
            [perm, curr, ..] => Some(TtStatus::new(*perm, *curr, true)),
            _ => None,
        }
    }

    /// The whole status block of an NTAG 22x StatusDetect chip; `None` on any other.
    #[must_use]
    pub fn status_detect(&self) -> Option<StatusDetect> {
        self.received.status_detect
    }

    /// Bytes of the decrypted SDMENCFileData; 0 where the layout has none.
    #[must_use]
    pub fn file_data_len(&self) -> usize {
        self.text_of(Field::EncFileData).map_or(0, |text| text.len() / 2)
    }

    /// Decrypts the SDMENCFileData into the caller's buffer, which must hold [`file_data_len`](Self::file_data_len) bytes;
    /// 128 are always enough. What is returned is that part of it.
    ///
    /// # Errors
    /// [`FileDataError`] if the layout has none or the buffer is too small; the buffer is as it was then.
    pub fn file_data<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], FileDataError> {
        let needed = self.file_data_len();
        if needed == 0 {
            return Err(FileDataError::NotMirrored);
        }
        let plain = buffer.get_mut(..needed).ok_or(FileDataError::BufferTooSmall { needed })?;
        let (blocks, _) = plain.as_chunks_mut();
        self.decrypt(blocks).ok_or(FileDataError::NotMirrored)?;
        Ok(plain)
    }

    /// Decrypts as many blocks of the SDMENCFileData, from the first on, as are asked for.
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
