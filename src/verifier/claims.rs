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
    /// `true` if the key source had no file-read key for at least one claim.
    is_unlisted: bool,
    /// The UID of the first claim without a file-read key, if that claim has a UID.
    unlisted: Option<Uid>,
    /// `true` if the MAC did not match for at least one claim that had a file-read key.
    is_refused: bool,
}

/// The place from which the claims of a tap come.
///
/// A tap without PICCData makes one claim. A tap with PICCData makes at most one claim for each meta-read key. Even a
/// wrong key yields a claim in at least 1 of 256 cases, because the decrypted content is valid by chance.
enum Source<'t, 'a> {
    One(Option<ClaimedTap<'a>>),
    Many(Candidates<'t, 'a, core::slice::Iter<'t, PreparedMetaReadKey>>),
}

impl<'t, 'a> Claims<'t, 'a> {
    /// Creates the claims of a tap. A key that was prepared for a scheme other than the scheme of the layout yields no
    /// claim.
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

    /// Verifies a claim with its file-read key. `key` is `None` if the key source does not know the tag. Returns `None`
    /// if the caller should try the next claim.
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
            // Any other error ends the search, because no further claim can verify. Either the MAC of this claim
            // matched, or the configuration is wrong.
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
