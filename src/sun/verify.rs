//! From a claimed tap to a verified one: session keys, SDMMAC, and the key of the file data.

use super::error::{Field, VerifyError};
use super::mac::SdmMac;
use super::message::SunMessage;
use super::received::Received;
use super::session::{EncKey, MacKey};
use super::tap::{ClaimedTap, ReplayableTap, VerifiedTap};
use super::{ntag22x, window};
use crate::cipher::Suite;
use crate::key::FileReadKey;
use crate::value::SdmReadCtr;

impl<'a> ClaimedTap<'a> {
    /// Compares the SDMMAC. The key is an [`SdmFileReadKey`](crate::SdmFileReadKey) as it is, for one tap, or prepared, for many.
    ///
    /// # Errors
    /// [`VerifyError::WrongScheme`] if the key was prepared for another mode than the layout's;
    /// [`VerifyError::NotAuthentic`] if it does not match or the counter is 0, which no chip sends;
    /// [`VerifyError::NoCounter`] if it matches and the tap carries no counter.
    pub fn verify(self, key: &impl FileReadKey) -> Result<VerifiedTap<'a>, VerifyError> {
        let enc = self.authenticate(key)?;
        self.counted(enc)
    }

    /// Compares the SDMMAC of a tap that carries no counter, and so may have been seen any number of times before: a copy of
    /// its URL is as good as the tag, for ever.
    ///
    /// # Errors
    /// [`VerifyError::NotAuthentic`] if it does not match; [`VerifyError::HasCounter`] if it matches and the tap does carry a
    /// counter: that is what [`verify`](Self::verify) is for.
    pub fn verify_replayable(self, key: &impl FileReadKey) -> Result<ReplayableTap<'a>, VerifyError> {
        let enc = self.authenticate(key)?;
        match self.received.ctr {
            Some(_) => Err(VerifyError::HasCounter),
            None => Ok(ReplayableTap::new(SunMessage::new(self.layout, self.received, enc))),
        }
    }

    /// As [`verify`](Self::verify), where session key and CMAC were computed with those of other taps.
    pub(super) fn verified_by(
        self,
        mac_key: &MacKey,
        cmac: &[u8; 16],
        key: &impl FileReadKey,
    ) -> Result<VerifiedTap<'a>, VerifyError> {
        self.compare(cmac)?;
        let enc = self.enc_key(mac_key, key)?;
        self.counted(enc)
    }

    fn counted(self, enc: Option<EncKey>) -> Result<VerifiedTap<'a>, VerifyError> {
        let ctr = self.received.ctr.ok_or(VerifyError::NoCounter)?;
        Ok(VerifiedTap::new(SunMessage::new(self.layout, self.received, enc), ctr))
    }

    /// Compares the SDMMAC, and derives the key of the file data if there are any.
    fn authenticate(&self, key: &impl FileReadKey) -> Result<Option<EncKey>, VerifyError> {
        let Self { layout, received } = self;
        let Received { uid, ctr, status_detect, .. } = *received;
        let Some(suite) = Suite::of(layout.scheme()) else {
            let (uid, ctr) = uid.zip(ctr).ok_or(VerifyError::NotAuthentic)?;
            // The status block was packed when it was read, so only the mode can be wrong.
            let cmac = ntag22x::suncmac(key, uid, ctr, status_detect).ok_or(VerifyError::WrongScheme)?;
            self.compare(&cmac)?;
            return Ok(None);
        };
        let mac_key = MacKey::derive_in(layout.scheme(), suite, key, uid, ctr).ok_or(VerifyError::WrongScheme)?;
        self.compare(&mac_key.cmac_of(window::of(layout, received)))?;
        self.enc_key(&mac_key, key)
    }

    /// Compares the SDMMAC with the CMAC that the tag should have made.
    fn compare(&self, cmac: &[u8; 16]) -> Result<(), VerifyError> {
        // A MAC without counter is also one with counter 0, since SV2 is filled up with zero bytes: no chip sends a 0.
        if SdmMac::truncate(cmac) != self.received.mac || self.received.ctr == Some(SdmReadCtr::ZERO) {
            return Err(VerifyError::NotAuthentic);
        }
        Ok(())
    }

    /// The key of the file data, if there are any, once the MAC is known to match.
    fn enc_key(&self, mac_key: &MacKey, key: &impl FileReadKey) -> Result<Option<EncKey>, VerifyError> {
        if !self.layout.has(Field::EncFileData) {
            return Ok(None);
        }
        // Only what `{picc}` left open can lack one of them, and a chip would not encrypt then.
        let (uid, ctr) = self.received.uid.zip(self.received.ctr).ok_or(VerifyError::NotAuthentic)?;
        Ok(EncKey::beside(mac_key, self.layout.scheme(), key, uid, ctr))
    }
}
