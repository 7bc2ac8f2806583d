//! What a [`Service`](super::Service) decides.

use core::fmt;

use super::record::Level;
use crate::counter::Advance;
use crate::sun::error::Malformed;
use crate::sun::tamper::TtStatus;
use crate::value::{Mark, SdmReadCtr, Uid};

/// What a verified tap said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The UID; where the tag mirrors none, that of the record.
    pub uid: Option<Uid>,
    /// The counter.
    pub ctr: SdmReadCtr,
    /// The tamper status, of a tag whose record says that it has one.
    pub tamper: Option<TtStatus>,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Genuine, and seen for the first time.
    Fresh(Accepted),
    /// Anything else.
    Refused(Refusal),
}

/// An accepted tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What it said.
    pub seen: Seen,
    /// What the store remembered before; `None` if this is the first tap of the tag.
    pub previous: Option<Mark>,
    /// What the store remembers now: this tap.
    pub now: Mark,
}

/// The step at which the line ended. Nothing behind it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such tag.
    UnknownTag,
    /// The caller is not of the organisation that the tag belongs to.
    NotTheOwner,
    /// The tag may not be used: this is the outermost level that is inactive.
    Inactive(Level),
    /// It is a standard tag: it proves nothing.
    NoChip,
    /// The record has no keys, or none that serve its layout: no SDMMetaReadKey for a `{picc}`, a key prepared for another mode,
    /// a derivation without a UID, sealed keys and no server secret.
    NoKeys,
    /// The tap brought no eCode, or the keys do not open with the one it brought.
    SealBroken,
    /// The tap does not have the shape of the layout.
    Malformed(Malformed),
    /// The tap was parsed by another layout than the record's.
    OtherLayout,
    /// The PICCData does not open to what the layout says.
    NotOpened,
    /// It opens to the UID of another chip or to none, or the record knows no UID to compare with.
    OtherUid,
    /// The SDMMAC does not match, or the counter is 0.
    NotAuthentic,
    /// Genuine, but it carries no counter: nobody can say whether it is new.
    NoCounter,
    /// Genuine, but this tap or a later one was accepted before.
    Replayed {
        /// What it said.
        seen: Seen,
        /// What the store remembers.
        stored: Mark,
    },
}

/// The registry or the store failed: there is no verdict, and the tap counts as refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<R, S> {
    /// The registry could not say. No counter was touched.
    Registry(R),
    /// The store could not say. Whether the counter moved is not known.
    Counters(S),
}

impl Seen {
    /// What the store's answer means for this tap.
    pub(super) fn verdict(self, advance: Advance) -> Verdict {
        match advance {
            Advance::Advanced { previous, now } => Verdict::Fresh(Accepted { seen: self, previous, now }),
            Advance::Stale { stored } => Verdict::Refused(Refusal::Replayed { seen: self, stored }),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownTag => "there is no such tag",
            Self::NotTheOwner => "the tag belongs to another organisation",
            Self::Inactive(Level::Folder) => "the folder is inactive",
            Self::Inactive(Level::TagGroup) => "the tag group is inactive",
            Self::Inactive(Level::Batch) => "the batch is inactive",
            Self::Inactive(Level::TagCode) => "the tag is inactive",
            Self::NoChip => "a standard tag proves nothing",
            Self::NoKeys => "there are no keys that serve the layout",
            Self::SealBroken => "the sealed keys do not open with what the tap brought",
            Self::Malformed(error) => return error.fmt(f),
            Self::OtherLayout => "the tap was parsed by another layout",
            Self::NotOpened => "the PICCData does not open",
            Self::OtherUid => "the UID is not that of the record",
            Self::NotAuthentic => "the SDMMAC does not match",
            Self::NoCounter => "genuine, but without a counter",
            Self::Replayed { stored, .. } => return write!(f, "seen before: the counter stands at {}", stored.ctr),
        })
    }
}

impl core::error::Error for Refusal {}

impl<R: fmt::Display, S: fmt::Display> fmt::Display for Failure<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(error) => write!(f, "the registry failed: {error}"),
            Self::Counters(error) => write!(f, "the counter store failed: {error}"),
        }
    }
}

impl<R, S> core::error::Error for Failure<R, S>
where
    R: core::error::Error + 'static,
    S: core::error::Error + 'static,
{
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Registry(error) => Some(error),
            Self::Counters(error) => Some(error),
        }
    }
}
