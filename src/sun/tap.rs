//! The states of a tap as types.

use core::fmt;

use super::error::{CommitError, Field, VerifyError};
use super::layout::SdmLayout;
use super::message::SunMessage;
use super::picc::PiccData;
use super::received::Received;
use crate::cipher::{Block, PiccWire, Suite};
use crate::counter::{Advance, AsyncCounterStore, CounterStore};
use crate::key::MetaReadKey;
use crate::value::{CounterId, Mark, SdmReadCtr, Uid, UnixMillis};

/// Text of the right shape. Nothing in it is believed yet.
#[must_use = "nothing was verified yet"]
pub struct UnverifiedTap<'a> {
    pub(super) layout: &'a SdmLayout,
    pub(super) received: Received<'a>,
    /// Of no use once it is opened.
    pub(super) picc_data: PiccWire,
}

impl<'a> UnverifiedTap<'a> {
    /// The layout that parsed it.
    #[must_use]
    pub fn layout(&self) -> &'a SdmLayout {
        self.layout
    }

    /// The text captured by `{:name}`, to find the record of the tag with. Anybody may have written it.
    #[must_use]
    pub fn captured(&self, name: &str) -> Option<&'a str> {
        self.received.captured(self.layout, name)
    }

    /// Decrypts the PICCData.
    ///
    /// The result is a claim. It is not to be shown to anybody, or this would be an oracle that decrypts PICCData for
    /// strangers: verify first.
    ///
    /// # Errors
    /// [`VerifyError::NotAuthentic`] if it does not open to what the layout says, [`VerifyError::NotEncrypted`] if the layout
    /// has none, [`VerifyError::WrongScheme`] if the key was prepared for another mode.
    pub fn open(self, key: &impl MetaReadKey) -> Result<ClaimedTap<'a>, VerifyError> {
        let picc_data = self.picc_data_by(key)?;
        Ok(self.claimed(picc_data))
    }

    /// What a key opens the PICCData to.
    pub(crate) fn picc_data_by(&self, key: &impl MetaReadKey) -> Result<PiccData, VerifyError> {
        if !self.layout.has(Field::PiccData) {
            return Err(VerifyError::NotEncrypted);
        }
        let plain = key.decrypt_in(self.layout.scheme(), &self.picc_data).ok_or(VerifyError::WrongScheme)?;
        self.read_picc_data(&plain).ok_or(VerifyError::NotAuthentic)
    }

    /// What a decrypted PICCData says, if it is what the layout says.
    pub(crate) fn read_picc_data(&self, plain: &[u8; 16]) -> Option<PiccData> {
        PiccData::read(plain).filter(|picc_data| self.layout.picc.is_none_or(|pinned| picc_data.is(pinned)))
    }

    /// The PICCData of a tap in AES mode; `None` if it has none.
    pub(crate) fn picc_block(&self) -> Option<Block> {
        let is_aes = Suite::of(self.layout.scheme()) == Some(Suite::Aes);
        self.picc_data.first_chunk().copied().filter(|_| is_aes && self.layout.has(Field::PiccData))
    }

    /// The text of each element of the layout.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &'a [u8]> {
        self.received.texts(self.layout).map(|(_, text)| text)
    }

    /// The tap with what its PICCData was opened to. The tap stays, for the next of many keys.
    pub(crate) fn claimed(&self, PiccData { uid, ctr }: PiccData) -> ClaimedTap<'a> {
        let mut received = self.received;
        (received.uid, received.ctr) = (uid, ctr);
        ClaimedTap { layout: self.layout, received }
    }

    /// Reads the plain mirrors; where there are none, the claim is empty.
    ///
    /// # Errors
    /// [`VerifyError::Encrypted`] if the layout has PICCData.
    pub fn read_plain(self) -> Result<ClaimedTap<'a>, VerifyError> {
        if self.layout.has(Field::PiccData) {
            return Err(VerifyError::Encrypted);
        }
        Ok(ClaimedTap { layout: self.layout, received: self.received })
    }
}

/// A tap that says which tag it is of. Nobody has checked that.
#[must_use = "nothing was verified yet"]
pub struct ClaimedTap<'a> {
    pub(super) layout: &'a SdmLayout,
    pub(super) received: Received<'a>,
}

impl<'a> ClaimedTap<'a> {
    /// The claimed UID; `None` where the tag mirrors none. Choose a key by it, nothing else.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.received.uid
    }

    /// The claimed counter; `None` where the tag mirrors none.
    #[must_use]
    pub fn ctr(&self) -> Option<SdmReadCtr> {
        self.received.ctr
    }

    /// As [`UnverifiedTap::captured`].
    #[must_use]
    pub fn captured(&self, name: &str) -> Option<&'a str> {
        self.received.captured(self.layout, name)
    }
}

/// A genuine tap that may have been made long ago, and may have been seen before.
#[must_use = "a verified tap is not known to be new: commit it"]
pub struct VerifiedTap<'a> {
    message: SunMessage<'a>,
    ctr: SdmReadCtr,
}

impl<'a> VerifiedTap<'a> {
    /// Only for a tap whose MAC matches.
    pub(super) fn new(message: SunMessage<'a>, ctr: SdmReadCtr) -> Self {
        Self { message, ctr }
    }

    /// The UID; `None` where the tag mirrors none.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.message.uid()
    }

    /// The counter: at least 1.
    #[must_use]
    pub fn ctr(&self) -> SdmReadCtr {
        self.ctr
    }

    /// What the tag said.
    #[must_use]
    pub fn message(&self) -> &SunMessage<'a> {
        &self.message
    }

    #[cfg(feature = "platform")]
    pub(crate) fn into_message(self) -> SunMessage<'a> {
        self.message
    }

    /// Goes on only if the tap is not of another tag. Use it wherever the record of the tag was found by anything but the UID
    /// of the tap. A tap without UID goes on: only the key of the record binds it then.
    ///
    /// # Errors
    /// [`VerifyError::WrongTag`] if a UID was verified and it is another one.
    pub fn expect_uid(self, uid: Uid) -> Result<Self, VerifyError> {
        self.message.expect_uid(uid)?;
        Ok(self)
    }

    /// Moves the counter of `tag` forward, which makes the tap a fresh one. `at` is the time to remember with it.
    ///
    /// The tap is spent by this. After a crash in between it stays spent: a tap is accepted at most once.
    ///
    /// # Errors
    /// [`CommitError::Replayed`] if the counter is not ahead of the stored one, [`CommitError::Store`] if the store failed.
    pub fn commit<S: CounterStore + ?Sized>(
        self,
        store: &mut S,
        tag: &CounterId,
        at: Option<UnixMillis>,
    ) -> Result<FreshTap<'a>, CommitError<S::Error>> {
        let advance = store.advance(tag, self.ctr, at).map_err(CommitError::Store)?;
        self.conclude(advance)
    }

    /// As [`commit`](Self::commit), on an [`AsyncCounterStore`]. The future is `Send` if the store's own is.
    ///
    /// If the future is dropped before it is done, the counter may or may not have moved. The tap is spent either way.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub async fn commit_async<S: AsyncCounterStore + ?Sized>(
        self,
        store: &mut S,
        tag: &CounterId,
        at: Option<UnixMillis>,
    ) -> Result<FreshTap<'a>, CommitError<S::Error>> {
        let advance = store.advance(tag, self.ctr, at).await.map_err(CommitError::Store)?;
        self.conclude(advance)
    }

    fn conclude<E>(self, advance: Advance) -> Result<FreshTap<'a>, CommitError<E>> {
        match advance {
            Advance::Advanced { previous, now } => Ok(FreshTap { message: self.message, ctr: self.ctr, previous, now }),
            Advance::Stale { stored } => Err(CommitError::Replayed { stored }),
        }
    }
}

/// A genuine tap, seen for the first time.
#[must_use = "this is the verdict"]
pub struct FreshTap<'a> {
    message: SunMessage<'a>,
    ctr: SdmReadCtr,
    previous: Option<Mark>,
    now: Mark,
}

impl<'a> FreshTap<'a> {
    /// The UID; `None` where the tag mirrors none.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.message.uid()
    }

    /// The counter: at least 1.
    #[must_use]
    pub fn ctr(&self) -> SdmReadCtr {
        self.ctr
    }

    /// What the tag said.
    #[must_use]
    pub fn message(&self) -> &SunMessage<'a> {
        &self.message
    }

    /// What the store remembers now: this tap.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.now
    }

    /// What the store remembered before; `None` if this is the first tap of the tag.
    #[must_use]
    pub fn previous(&self) -> Option<Mark> {
        self.previous
    }
}

/// A genuine tap without a counter. It may be the thousandth copy of one tap.
#[must_use = "a tap without a counter is never known to be new"]
pub struct ReplayableTap<'a> {
    message: SunMessage<'a>,
}

impl<'a> ReplayableTap<'a> {
    /// Only for a tap whose MAC matches and that carries no counter.
    pub(super) fn new(message: SunMessage<'a>) -> Self {
        Self { message }
    }

    /// The UID; `None` where the tag mirrors none.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.message.uid()
    }

    /// What the tag said.
    #[must_use]
    pub fn message(&self) -> &SunMessage<'a> {
        &self.message
    }

    /// As [`VerifiedTap::expect_uid`].
    ///
    /// # Errors
    /// [`VerifyError::WrongTag`] if a UID was verified and it is another one.
    pub fn expect_uid(self, uid: Uid) -> Result<Self, VerifyError> {
        self.message.expect_uid(uid)?;
        Ok(self)
    }
}

impl fmt::Debug for UnverifiedTap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedTap").finish_non_exhaustive()
    }
}

impl fmt::Debug for ClaimedTap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimedTap").finish_non_exhaustive()
    }
}

impl fmt::Debug for VerifiedTap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifiedTap").field(&self.message).finish()
    }
}

impl fmt::Debug for FreshTap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FreshTap").field(&self.message).field(&self.now).finish()
    }
}

impl fmt::Debug for ReplayableTap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReplayableTap").field(&self.message).finish()
    }
}
