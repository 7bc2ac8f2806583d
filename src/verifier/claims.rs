//! Searches the claims of a tap for a claim that verifies. A claim is a tap with a UID and counter that are not
//! verified yet. Each meta-read key that decrypts the PICCData to valid content yields one claim.

use crate::identify::Candidates;
use crate::key::{FileReadKey, PreparedMetaReadKey};
use crate::sun::error::{Error, Field, VerifyError};
use crate::sun::tap::{ClaimedTap, UnverifiedTap, VerifiedTap};
use crate::value::Uid;

/// The claims of one tap, and the results of the claims that were already checked.
pub(crate) struct Claims<'t, 'a> {
    source: Source<'t, 'a>,
    /// `true` after the key source returned no file-read key for a claim.
    is_unlisted: bool,
    /// The UID of the first claim for which the key source returned no file-read key. `None` if there is no such claim,
    /// or if that claim has no UID.
    unlisted: Option<Uid>,
    /// `true` after the MAC of a claim did not match under its file-read key.
    is_refused: bool,
}

/// The source of the claims of a tap.
///
/// A tap without PICCData yields one claim. A tap with PICCData yields at most one claim for each meta-read key. A
/// wrong key also yields a claim if the decrypted content is valid by chance. The probability of this is at least 1 in
/// 256 for each wrong key.
enum Source<'t, 'a> {
    One(Option<ClaimedTap<'a>>),
    Many(Candidates<'t, 'a, core::slice::Iter<'t, PreparedMetaReadKey>>),
}

impl<'t, 'a> Claims<'t, 'a> {
    /// Creates the claims of a tap. A meta-read key yields no claim if the key was prepared for a scheme other than the
    /// scheme of the layout.
    pub(crate) fn new(tap: &'t UnverifiedTap<'a>, meta_keys: &'t [PreparedMetaReadKey]) -> Self {
        let source = match meta_keys {
            _ if !tap.layout().has(Field::PiccData) => Source::One(tap.plain_claim()),
            [] => Source::One(None),
            [key] => Source::One(tap.picc_data_by(key).ok().map(|picc_data| tap.claimed(picc_data))),
            keys => Source::Many(Candidates::new(tap, keys)),
        };
        Self { source, is_unlisted: false, unlisted: None, is_refused: false }
    }

    /// Returns the next claim and the index of its meta-read key. The index is 0 if the tap has no PICCData.
    pub(crate) fn next(&mut self) -> Option<(usize, ClaimedTap<'a>)> {
        match &mut self.source {
            Source::One(claim) => claim.take().map(|claim| (0, claim)),
            Source::Many(candidates) => candidates.next(),
        }
    }

    /// Verifies a claim with its file-read key. `key` is `None` if the key source does not know the tag. Returns
    /// `Ok(None)` if the claim does not verify. In this case, the caller tries the next claim.
    pub(crate) fn judge<S, K>(
        &mut self,
        claim: ClaimedTap<'a>,
        key: Option<impl FileReadKey>,
    ) -> Result<Option<VerifiedTap<'a>>, Error<S, K>> {
        let Some(key) = key else {
            if !self.is_unlisted {
                (self.is_unlisted, self.unlisted) = (true, claim.uid());
            }
            return Ok(None);
        };
        match claim.verify(&key) {
            Ok(tap) => Ok(Some(tap)),
            Err(VerifyError::NotAuthentic) => {
                self.is_refused = true;
                Ok(None)
            }
            // Any other error ends the search. Either the configuration is wrong, or the MAC of this claim matched. In
            // the second case, the MAC of no other claim can match.
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the error for a tap if none of its claims verified.
    pub(crate) fn refusal<S, K>(self) -> Error<S, K> {
        if self.is_unlisted && !self.is_refused {
            Error::UnknownTag { uid: self.unlisted }
        } else {
            Error::Verify(VerifyError::NotAuthentic)
        }
    }
}
