//! Verifies a claimed tap: derives the session key and compares the SDMMAC, or verifies the signature. Also derives the
//! key of the file data.

use super::error::{Field, VerifyError};
use super::mac::SdmMac;
use super::message::SunMessage;
use super::received::Received;
use super::session::{EncKey, Session};
use super::tap::{ClaimedTap, ReplayableTap, VerifiedTap};
use super::{ntag22x, window};
use crate::cipher::{Block, Secret, Suite};
use crate::key::FileReadKey;
#[cfg(feature = "ecdsa")]
use crate::value::hex;
use crate::value::{ConfigError, CounterId, SdmReadCtr};

impl<'a> ClaimedTap<'a> {
    /// Verifies the SDMMAC or the signature, and returns the verified tap.
    ///
    /// To verify one tap, pass an [`SdmFileReadKey`](crate::SdmFileReadKey). To verify many taps with the same key,
    /// prepare the key once and pass the prepared key. If the tag signs its taps, pass its `TagPublicKey` (feature
    /// `ecdsa`).
    ///
    /// # Errors
    /// Returns [`ConfigError::WrongScheme`] if the key is for a scheme other than the scheme of the layout. Returns
    /// [`VerifyError::NotAuthentic`] if the MAC or signature does not match or the counter is 0. Returns
    /// [`VerifyError::NoCounter`] if the MAC or signature matches but the tap carries no counter.
    pub fn verify(self, key: &impl FileReadKey) -> Result<VerifiedTap<'a>, VerifyError> {
        let (enc, id) = self.authenticate(key)?;
        self.counted(enc, id)
    }

    /// Verifies the SDMMAC or the signature of a tap that carries no counter, and returns a [`ReplayableTap`].
    ///
    /// A tap without a counter may be a replay: a copy of its URL passes verification any number of times.
    ///
    /// # Errors
    /// Returns [`ConfigError::WrongScheme`] and [`VerifyError::NotAuthentic`] in the same cases as
    /// [`verify`](Self::verify). Returns [`ConfigError::HasCounter`] if the MAC or signature matches but the tap carries
    /// a counter. For a tap with a counter, call [`verify`](Self::verify).
    pub fn verify_replayable(self, key: &impl FileReadKey) -> Result<ReplayableTap<'a>, VerifyError> {
        let (enc, _) = self.authenticate(key)?;
        match self.received.ctr {
            Some(_) => Err(ConfigError::HasCounter.into()),
            None => Ok(ReplayableTap::new(SunMessage::new(self.layout, self.received, enc))),
        }
    }

    /// Like [`verify`](Self::verify), but with values that were computed in a batch.
    pub(super) fn verified_by(self, session: &Session, key: &impl FileReadKey) -> Result<VerifiedTap<'a>, VerifyError> {
        let (enc, id) = self.judge(session, key)?;
        self.counted(enc, id)
    }

    fn counted(self, enc: Option<EncKey>, id: CounterId) -> Result<VerifiedTap<'a>, VerifyError> {
        let ctr = self.received.ctr.ok_or(VerifyError::NoCounter)?;
        Ok(VerifiedTap::new(SunMessage::new(self.layout, self.received, enc), ctr, id))
    }

    /// Verifies the SDMMAC or the signature. Returns the id under which a store keeps the counter. Also returns the key
    /// of the file data if the layout has `{enc}` and the tap has an SDMMAC.
    fn authenticate(&self, key: &impl FileReadKey) -> Result<(Option<EncKey>, CounterId), VerifyError> {
        let Self { layout, received } = self;
        let Received { uid, ctr, status_detect, .. } = *received;
        let Some(suite) = Suite::of_session(layout.scheme()) else {
            #[cfg(feature = "ecdsa")]
            if layout.scheme().is_signed() {
                return Ok((None, self.check_signature(key)?));
            }
            let (uid, ctr) = uid.zip(ctr).ok_or(VerifyError::NotAuthentic)?;
            // `StatusDetect::from_ascii` has already checked the status block, so `None` means that the key was
            // prepared for a different scheme.
            let cmac = ntag22x::suncmac(key, uid, ctr, status_detect).ok_or(ConfigError::WrongScheme)?;
            self.compare(&cmac)?;
            return Ok((None, key.counter_id(Some(uid))));
        };
        let input = window::mac_input(layout, received);
        let session = Session::compute(layout.scheme(), suite, key, uid, ctr, input).ok_or(ConfigError::WrongScheme)?;
        self.judge(&session, key)
    }

    /// Does what [`authenticate`](Self::authenticate) does, from computed values.
    fn judge(&self, session: &Session, key: &impl FileReadKey) -> Result<(Option<EncKey>, CounterId), VerifyError> {
        self.compare(&session.cmac)?;
        let enc = self.enc_key(&session.secret, key)?;
        Ok((enc, session.id.unwrap_or_else(|| key.counter_id(self.received.uid))))
    }

    /// Verifies the signature. Returns the id under which a store keeps the counter.
    #[cfg(feature = "ecdsa")]
    fn check_signature(&self, key: &impl FileReadKey) -> Result<CounterId, VerifyError> {
        let Self { layout, received } = self;
        let key = key.public().ok_or(ConfigError::WrongScheme)?;
        let digits = received.text_of(layout, Field::Signature).unwrap_or_default();
        let signature = hex::decode(digits).map_err(|_| VerifyError::NotAuthentic)?;
        // A chip never sends counter 0, as in `compare`.
        if !key.has_signed(window::mac_input(layout, received), &signature) || received.ctr == Some(SdmReadCtr::ZERO) {
            return Err(VerifyError::NotAuthentic);
        }
        Ok(key.counter_id(received.uid))
    }

    /// Truncates `cmac`, the full CMAC that a genuine tag computes, and compares the result with the SDMMAC of the tap.
    /// Rejects counter 0.
    fn compare(&self, cmac: &[u8; 16]) -> Result<(), VerifyError> {
        // The session vector SV2 contains the UID and the counter, and is zero-padded. Without this check, the MAC of a
        // UID-only tap would also be valid for a tap with the same UID and counter 0. An NTAG 22x DNA sends counter 0 if
        // its counter is off, and a copy of such a tap cannot be detected.
        if SdmMac::truncate(cmac) != self.received.mac || self.received.ctr == Some(SdmReadCtr::ZERO) {
            return Err(VerifyError::NotAuthentic);
        }
        Ok(())
    }

    /// Derives the key of the file data if the layout has `{enc}`. The caller must have checked that the MAC matches.
    fn enc_key(&self, mac_key: &Secret<Block>, key: &impl FileReadKey) -> Result<Option<EncKey>, VerifyError> {
        if !self.layout.has(Field::EncFileData) {
            return Ok(None);
        }
        // If the layout has `{picc}` without options, the UID or the counter can be missing here. No chip wrote such a
        // tap, because a chip that encrypts file data always mirrors UID and counter.
        let (uid, ctr) = self.received.uid.zip(self.received.ctr).ok_or(VerifyError::NotAuthentic)?;
        Ok(EncKey::derive_after_mac_key(mac_key, self.layout.scheme(), key, uid, ctr))
    }
}
