//! Defines the statements of a verified token, and its single use.

use core::time::Duration;

use super::content::Content;
use super::error::UseError;
use crate::counter::{Advance, AsyncCounterStore, CounterStore};
use crate::sun::tamper::TtStatus;
use crate::value::{CounterId, Mark, SdmReadCtr, Uid, UnixMillis};

/// The statements of a verified token: there was a fresh tap, at this counter of this tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "claims alone do not make a token single-use"]
pub struct Claims {
    content: Content,
    use_id: CounterId,
    /// The time of expiry and the skew that was allowed when the token was verified.
    ends_at: UnixMillis,
}

/// Says how often a single-use token was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used {
    /// This is the first time.
    First,
    /// The token was accepted before, and the grace period has not passed: the visitor reloads the page.
    Again {
        /// The time of the first use.
        first: UnixMillis,
    },
}

impl Claims {
    pub(super) fn new(content: Content, use_id: CounterId, ends_at: UnixMillis) -> Self {
        Self { content, use_id, ends_at }
    }

    pub(super) fn has_expired(&self, now: UnixMillis) -> bool {
        now >= self.ends_at
    }

    /// Returns the counter id of the tag, as [`VerifiedTap::counter_id`](crate::VerifiedTap::counter_id) does.
    #[must_use]
    pub fn counter_id(&self) -> CounterId {
        self.content.counter_id
    }

    /// Returns the counter of the tap.
    #[must_use]
    pub fn ctr(&self) -> SdmReadCtr {
        self.content.ctr
    }

    /// Returns the UID, or `None` if the grant did not ask for it or the UID is not known.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.content.uid
    }

    /// Returns the tamper status of the tap, or `None` if the grant did not ask for it or the tap has no authenticated
    /// one.
    #[must_use]
    pub fn tamper(&self) -> Option<TtStatus> {
        self.content.tamper
    }

    /// Returns the time at which the token was minted.
    #[must_use]
    pub fn issued_at(&self) -> UnixMillis {
        self.content.issued_at
    }

    /// Returns the time from which the token is refused. The skew comes on top of it.
    #[must_use]
    pub fn expires_at(&self) -> UnixMillis {
        self.content.expires_at
    }

    /// Returns the id under which [`use_once`](Self::use_once) stores the counter. It depends on the key of the token, the
    /// tag and the audience, so a store needs one row for each combination of the three.
    #[must_use]
    pub fn use_id(&self) -> CounterId {
        self.use_id
    }

    /// Accepts the token once. Of two calls for the same tap, audience and key, only one succeeds, even if they reach two
    /// servers at once. When a token of a newer tap was used, older tokens for the audience are refused.
    ///
    /// All servers of the audience must share `store`. The store of the taps also works, but prefer a separate one: a token
    /// then stays used even if the store of the taps is lost. A row may be deleted when all its tokens have expired, and the
    /// allowed skew has passed too.
    ///
    /// # Errors
    /// Returns [`UseError::Used`] if the token was used before, [`UseError::NewerTap`] if a token of a newer tap was used,
    /// [`UseError::Expired`] if the token has expired, and [`UseError::Store`] if the store failed; the token may be spent
    /// then.
    pub fn use_once<S: CounterStore + ?Sized>(&self, store: &mut S, now: UnixMillis) -> Result<(), UseError<S::Error>> {
        self.use_within(store, now, Duration::ZERO).map(drop)
    }

    /// Like [`use_once`](Self::use_once), but also accepts the token again for `grace` after its first use, so that a
    /// visitor can reload the page. During this time, everybody who has the link can open it.
    ///
    /// # Errors
    /// Returns the same errors as [`use_once`](Self::use_once).
    pub fn use_within<S: CounterStore + ?Sized>(
        &self,
        store: &mut S,
        now: UnixMillis,
        grace: Duration,
    ) -> Result<Used, UseError<S::Error>> {
        self.check_expiry(now)?;
        let advance = store.advance(&self.use_id, self.ctr(), Some(now)).map_err(UseError::Store)?;
        self.used(advance, now, grace)
    }

    /// Like [`use_within`](Self::use_within), but for an [`AsyncCounterStore`].
    ///
    /// If the returned future is dropped before it completes, the token may be spent.
    ///
    /// # Errors
    /// Returns the same errors as [`use_once`](Self::use_once).
    pub async fn use_within_async<S: AsyncCounterStore + ?Sized>(
        &self,
        store: &mut S,
        now: UnixMillis,
        grace: Duration,
    ) -> Result<Used, UseError<S::Error>> {
        self.check_expiry(now)?;
        let advance = store.advance(&self.use_id, self.ctr(), Some(now)).await.map_err(UseError::Store)?;
        self.used(advance, now, grace)
    }

    /// Checks that the tag was not tapped again since the tap of this token. `taps` is the store of the taps.
    ///
    /// The check asks the store to advance to the counter of the token. A store that has the counter refuses this. If the
    /// store advances, it had lost the counter. It then has the counter again, so a copy of the tap stays a replay, and a
    /// second call succeeds. After [`UseError::CounterLost`], end the session, and ask for a new tap.
    ///
    /// The expiry of the token does not matter, so that a session can ask at each request.
    ///
    /// # Errors
    /// Returns [`UseError::NewerTap`] if the tag was tapped again, [`UseError::CounterLost`] if the store does not know the
    /// tap of the token, and [`UseError::Store`] if the store failed.
    pub fn require_latest<S: CounterStore + ?Sized>(&self, taps: &mut S) -> Result<(), UseError<S::Error>> {
        let advance = taps.advance(&self.counter_id(), self.ctr(), Some(self.issued_at())).map_err(UseError::Store)?;
        self.latest(advance)
    }

    /// Like [`require_latest`](Self::require_latest), but for an [`AsyncCounterStore`].
    ///
    /// # Errors
    /// Returns the same errors as [`require_latest`](Self::require_latest).
    pub async fn require_latest_async<S: AsyncCounterStore + ?Sized>(
        &self,
        taps: &mut S,
    ) -> Result<(), UseError<S::Error>> {
        let advance = taps.advance(&self.counter_id(), self.ctr(), Some(self.issued_at())).await;
        self.latest(advance.map_err(UseError::Store)?)
    }

    fn check_expiry<E>(&self, now: UnixMillis) -> Result<(), UseError<E>> {
        if self.has_expired(now) { Err(UseError::Expired) } else { Ok(()) }
    }

    fn used<E>(&self, advance: Advance, now: UnixMillis, grace: Duration) -> Result<Used, UseError<E>> {
        match advance.checked(self.ctr()) {
            Advance::Advanced { .. } => Ok(Used::First),
            Advance::Stale { stored } if stored.ctr != self.ctr() => Err(UseError::NewerTap { stored }),
            // Without a grace period, `now` must not count: a request that lost the race may have an earlier time than the
            // one that won.
            Advance::Stale { stored: Mark { at: Some(first), .. } }
                if !grace.is_zero() && now < first.saturating_add(grace) =>
            {
                Ok(Used::Again { first })
            }
            Advance::Stale { stored } => Err(UseError::Used { stored }),
        }
    }

    fn latest<E>(&self, advance: Advance) -> Result<(), UseError<E>> {
        match advance.checked(self.ctr()) {
            Advance::Stale { stored } if stored.ctr == self.ctr() => Ok(()),
            Advance::Stale { stored } => Err(UseError::NewerTap { stored }),
            Advance::Advanced { .. } => Err(UseError::CounterLost),
        }
    }
}
