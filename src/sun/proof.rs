//! Defines the values of a fresh tap that remain without its text.

use super::tamper::TtStatus;
use super::tap::FreshTap;
use crate::value::{CounterId, SdmReadCtr, Uid};

/// Proof that a tap was fresh. It does not borrow the text of the tap.
///
/// Only a [`FreshTap`] or an accepted tap of a [`Service`](crate::platform::Service) converts into a proof, and its
/// values cannot be changed. A [`TokenKey`](crate::token::TokenKey) mints tokens from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshProof {
    counter_id: CounterId,
    ctr: SdmReadCtr,
    uid: Option<Uid>,
    /// Always an authenticated status.
    tamper: Option<TtStatus>,
}

impl FreshProof {
    /// The caller must have advanced the counter with this id to `ctr`.
    pub(crate) fn new(counter_id: CounterId, ctr: SdmReadCtr, uid: Option<Uid>, tamper: Option<TtStatus>) -> Self {
        Self { counter_id, ctr, uid, tamper: tamper.filter(TtStatus::is_authenticated) }
    }

    /// Returns the id under which the store keeps the counter, like
    /// [`VerifiedTap::counter_id`](crate::VerifiedTap::counter_id).
    #[must_use]
    pub fn counter_id(&self) -> CounterId {
        self.counter_id
    }

    /// Returns the counter of the tap.
    #[must_use]
    pub fn ctr(&self) -> SdmReadCtr {
        self.ctr
    }

    /// Returns the UID, or `None` if it is not known.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.uid
    }

    /// Returns the tamper status, or `None` if the tap has no [authenticated](TtStatus::is_authenticated) one.
    #[must_use]
    pub fn tamper(&self) -> Option<TtStatus> {
        self.tamper
    }
}

impl From<&FreshTap<'_>> for FreshProof {
    fn from(tap: &FreshTap<'_>) -> Self {
        Self::new(tap.counter_id(), tap.ctr(), tap.uid(), tap.message().tamper())
    }
}

impl From<FreshTap<'_>> for FreshProof {
    fn from(tap: FreshTap<'_>) -> Self {
        Self::from(&tap)
    }
}
