//! The decisions of a [`Service`](super::Service).

use core::fmt;

use super::record::Level;
use crate::counter::Advance;
use crate::sun::error::{Malformed, write_replayed};
use crate::sun::proof::FreshProof;
use crate::sun::tamper::TtStatus;
use crate::value::{CounterId, Mark, SdmReadCtr, Uid};

/// The values of a verified tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TapValues {
    /// The UID that the tag mirrors, or the UID of the record if the tag does not mirror its UID.
    pub uid: Option<Uid>,
    /// The counter in the tap.
    pub ctr: SdmReadCtr,
    /// The tamper status. This field is `None` if the tap has no tamper status, or if
    /// [`Chip::tamper`](super::Chip::tamper) is `false` in the record.
    pub tamper: Option<TtStatus>,
}

/// The decision about a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The tap is genuine and was not accepted before.
    Fresh(Accepted),
    /// The tap is refused.
    Refused(Refusal),
}

/// An accepted tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// The values of the tap.
    pub tap: TapValues,
    /// The mark in the counter store before this tap, or `None` if this is the first accepted tap of the tag. A mark
    /// contains the counter and time of the last accepted tap, and the number of accepted taps.
    pub previous: Option<Mark>,
    /// The mark in the counter store after this tap.
    pub now: Mark,
    proof: FreshProof,
}

impl From<&Accepted> for FreshProof {
    fn from(accepted: &Accepted) -> Self {
        accepted.proof
    }
}

/// The reason why the service refused a tap. The service stops at the first check that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The service found no record of the tag.
    UnknownTag,
    /// The caller does not belong to the organisation that owns the tag, or did not send the token that the tag
    /// requires.
    NotTheOwner,
    /// The tag, its batch, its tag group or its folder is inactive. If several of these levels are inactive, the value
    /// names the outermost inactive level.
    Inactive(Level),
    /// The record has no chip, so the tag cannot be authenticated.
    NoChip,
    /// A key is missing or cannot be derived, for one of these reasons:
    ///
    /// - The record has no keys.
    /// - The layout has `{picc}`, but the record has no SDMMetaReadKey, which decrypts `{picc}`.
    /// - The keys are derived from the UID, but the record has no UID.
    /// - The suffix for the AN10922 derivation is longer than 24 bytes.
    /// - The keys are sealed (encrypted), and the service has no server secret.
    /// - The keys are derived from an eCode (a code in the URL of the tag), and the service has no server secret.
    NoKeys,
    /// A key in the record is for a [scheme](crate::Scheme) other than the scheme of the layout: it was prepared for
    /// another scheme, or only one of layout and record is for a tag that signs its taps.
    WrongScheme,
    /// The service needs an eCode (a code in the URL of the tag) to unseal or derive the keys, but the eCode in the tap
    /// is missing, malformed or wrong. Sealed keys that are damaged give the same result. If the keys are derived and the
    /// layout has no `{picc}`, a wrong eCode gives [`NotAuthentic`](Self::NotAuthentic).
    SealBroken,
    /// The tap does not match the layout.
    Malformed(Malformed),
    /// The tap was already parsed with a layout that differs from the layout in the record.
    OtherLayout,
    /// Decrypting the PICCData did not give the values that the layout requires.
    NotOpened,
    /// The UID in the tap does not match the UID of the record. If the layout mirrors the UID, a UID that is missing in
    /// the tap or in the record also counts as a mismatch.
    OtherUid,
    /// The SDMMAC or the signature does not match, or the counter is 0.
    NotAuthentic,
    /// The tap is genuine, but it carries no counter, so the service cannot detect a replay.
    NoCounter,
    /// The tap is genuine, but its counter is not greater than the stored counter. The service has already accepted
    /// this tap or a newer tap of the tag.
    Replayed {
        /// The values of the tap.
        tap: TapValues,
        /// The mark in the counter store: the counter and time of the last accepted tap, and the number of accepted
        /// taps.
        stored: Mark,
    },
}

/// The registry or the counter store failed. There is no verdict. Treat the tap as refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<R, S> {
    /// The registry failed. No counter was changed.
    Registry(R),
    /// The counter store failed. It is unknown whether the counter was advanced.
    Counters(S),
}

impl TapValues {
    /// Converts the result of the counter store into a verdict. `counter` is the id of the counter.
    pub(super) fn verdict(self, counter: CounterId, advance: Advance) -> Verdict {
        match advance.checked(self.ctr) {
            Advance::Advanced { previous, now } => {
                let proof = FreshProof::new(counter, self.ctr, self.uid, self.tamper);
                Verdict::Fresh(Accepted { tap: self, previous, now, proof })
            }
            Advance::Stale { stored } => Verdict::Refused(Refusal::Replayed { tap: self, stored }),
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
            Self::NoChip => "the tag has no chip that can be authenticated",
            Self::NoKeys => "the record lacks a key that its layout needs",
            Self::WrongScheme => "a key of the record is for a scheme other than its layout's",
            Self::SealBroken => "the tap has no eCode that opens the keys",
            Self::Malformed(error) => return error.fmt(f),
            Self::OtherLayout => "the tap was parsed by another layout",
            Self::NotOpened => "the PICCData does not open",
            Self::OtherUid => "the tap does not have the UID of the record",
            Self::NotAuthentic => "the SDMMAC or signature does not match",
            Self::NoCounter => "the tap is genuine but carries no counter",
            Self::Replayed { tap, stored } => return write_replayed(f, tap.ctr, stored.ctr),
        })
    }
}

impl core::error::Error for Refusal {}

impl<R, S> fmt::Display for Failure<R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Registry(_) => "the registry failed",
            Self::Counters(_) => "the counter store failed",
        })
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
