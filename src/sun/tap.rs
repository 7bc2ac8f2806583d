//! The types for the states of a tap: unverified, claimed, verified, fresh and replayable.

use core::fmt;

use super::error::{CommitError, Field, VerifyError};
use super::layout::SdmLayout;
use super::message::SunMessage;
use super::picc::PiccData;
use super::received::Received;
use crate::cipher::{Block, PiccWire, Suite};
use crate::counter::{Advance, AsyncCounterStore, CounterStore};
use crate::key::MetaReadKey;
use crate::value::{ConfigError, CounterId, Mark, SdmReadCtr, Uid, UnixMillis};

/// A tap whose text matches the layout. Nothing in the tap is verified.
#[must_use = "nothing was verified yet"]
pub struct UnverifiedTap<'a> {
    pub(super) layout: &'a SdmLayout,
    pub(super) received: Received<'a>,
    /// The encrypted PICCData. This field is not part of `Received`, because the other tap types do not need the
    /// PICCData.
    pub(super) picc_data: PiccWire,
}

impl<'a> UnverifiedTap<'a> {
    /// Returns the layout that was used to parse the tap.
    #[must_use]
    pub fn layout(&self) -> &'a SdmLayout {
        self.layout
    }

    /// Returns the text of the element `{:name}` (a capture), or `None` if the layout has no element with this name.
    /// The text is not verified: anybody can write any URL. You can use the text to find the record of the tag.
    #[must_use]
    pub fn captured(&self, name: &str) -> Option<&'a str> {
        self.received.captured(self.layout, name)
    }

    /// Decrypts the PICCData.
    ///
    /// The returned tap only claims a UID and a counter. Do not expose the claimed values before
    /// [`verify`](ClaimedTap::verify) succeeds, because that would turn your service into a PICCData decryption oracle.
    ///
    /// # Errors
    /// Returns [`VerifyError::NotAuthentic`] if the decrypted PICCData is invalid or does not contain exactly the
    /// values that the layout requires, for example UID and counter for `{picc:uid,ctr}`. Returns
    /// [`ConfigError::NoPiccData`] if the layout has no PICCData. Returns [`ConfigError::WrongScheme`] if the key was
    /// prepared for a different scheme.
    pub fn open(self, key: &impl MetaReadKey) -> Result<ClaimedTap<'a>, VerifyError> {
        let picc_data = self.picc_data_by(key)?;
        Ok(self.claimed(picc_data))
    }

    /// Decrypts the PICCData and returns its content.
    pub(crate) fn picc_data_by(&self, key: &impl MetaReadKey) -> Result<PiccData, VerifyError> {
        if !self.layout.has(Field::PiccData) {
            return Err(ConfigError::NoPiccData.into());
        }
        let plain = key.decrypt_in(self.layout.scheme(), &self.picc_data).ok_or(ConfigError::WrongScheme)?;
        self.read_picc_data(&plain).ok_or(VerifyError::NotAuthentic)
    }

    /// Reads decrypted PICCData. Returns `None` if the PICCData is invalid or does not contain exactly the values that
    /// the layout requires.
    pub(crate) fn read_picc_data(&self, plain: &[u8; 16]) -> Option<PiccData> {
        PiccData::read(plain).filter(|picc_data| self.layout.picc.is_none_or(|pinned| picc_data.has_mirrors(pinned)))
    }

    /// Returns the encrypted PICCData of a tap in AES mode. Returns `None` if the tap has no PICCData or is not in AES
    /// mode.
    pub(crate) fn picc_block(&self) -> Option<Block> {
        let is_aes = Suite::of_picc_data(self.layout.scheme()) == Some(Suite::Aes);
        self.picc_data.first_chunk().copied().filter(|_| is_aes && self.layout.has(Field::PiccData))
    }

    /// Returns the text of each element of the layout.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &'a [u8]> {
        self.received.texts(self.layout).map(|(_, text)| text)
    }

    /// Returns a claimed tap with the UID and counter that were decrypted from PICCData. This method borrows the
    /// unverified tap, so that a caller can try many keys.
    pub(crate) fn claimed(&self, PiccData { uid, ctr }: PiccData) -> ClaimedTap<'a> {
        let mut received = self.received;
        (received.uid, received.ctr) = (uid, ctr);
        ClaimedTap { layout: self.layout, received }
    }

    /// Reads the UID and counter from the plain mirrors. If the layout has neither `{uid}` nor `{ctr}`, the returned
    /// tap has no UID and no counter.
    ///
    /// # Errors
    /// Returns [`ConfigError::NeedsMetaKey`] if the layout has PICCData.
    pub fn read_plain(self) -> Result<ClaimedTap<'a>, VerifyError> {
        self.plain_claim().ok_or(ConfigError::NeedsMetaKey.into())
    }

    /// Returns the tap with the UID and counter of its plain mirrors, or `None` if the layout has PICCData.
    pub(crate) fn plain_claim(&self) -> Option<ClaimedTap<'a>> {
        let claim = ClaimedTap { layout: self.layout, received: self.received };
        (!self.layout.has(Field::PiccData)).then_some(claim)
    }
}

/// A tap with its claimed UID and its claimed counter. The UID, the counter or both can be missing. The values are not
/// verified.
#[must_use = "nothing was verified yet"]
pub struct ClaimedTap<'a> {
    pub(super) layout: &'a SdmLayout,
    pub(super) received: Received<'a>,
}

impl<'a> ClaimedTap<'a> {
    /// Returns a copy of this tap, so that the caller can try a different key.
    #[cfg(feature = "platform")]
    pub(crate) fn again(&self) -> Self {
        Self { layout: self.layout, received: self.received }
    }

    /// Returns the claimed UID, or `None` if the tap has no UID. **The UID is not proven**: use it only to choose a
    /// key.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.received.uid
    }

    /// Returns the claimed counter, or `None` if the tap has no counter. **The counter is not proven.**
    #[must_use]
    pub fn ctr(&self) -> Option<SdmReadCtr> {
        self.received.ctr
    }

    /// Returns the text of the element `{:name}`, like [`UnverifiedTap::captured`].
    #[must_use]
    pub fn captured(&self, name: &str) -> Option<&'a str> {
        self.received.captured(self.layout, name)
    }
}

/// A genuine tap. The tap may have been made long ago, and it may be a replay.
#[must_use = "a verified tap is not known to be new: commit it"]
pub struct VerifiedTap<'a> {
    message: SunMessage<'a>,
    ctr: SdmReadCtr,
    id: CounterId,
}

impl<'a> VerifiedTap<'a> {
    /// Wraps a message. The caller must have verified the MAC. `id` is the id under which a store keeps the counter. It
    /// must have been computed from the file-read key with which the MAC was verified.
    pub(super) fn new(message: SunMessage<'a>, ctr: SdmReadCtr, id: CounterId) -> Self {
        Self { message, ctr, id }
    }

    /// Returns the UID, or `None` if the tag does not mirror it.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.message.uid()
    }

    /// Returns the counter, which is at least 1.
    #[must_use]
    pub fn ctr(&self) -> SdmReadCtr {
        self.ctr
    }

    /// Returns the content of the tap.
    #[must_use]
    pub fn message(&self) -> &SunMessage<'a> {
        &self.message
    }

    #[cfg(feature = "platform")]
    pub(crate) fn into_message(self) -> SunMessage<'a> {
        self.message
    }

    /// Returns the tap, or an error if the UID of the tap differs from `uid`.
    ///
    /// Call this method if you found the record of the tag by a value other than the UID, for example by a code in the
    /// URL. Pass the UID from the record.
    ///
    /// A tap without a UID passes this check. The only proof that such a tap comes from the tag is the key in the
    /// record, with which the MAC was verified.
    ///
    /// # Errors
    /// Returns [`VerifyError::WrongTag`] if the tap has a UID other than `uid`.
    pub fn expect_uid(self, uid: Uid) -> Result<Self, VerifyError> {
        self.message.expect_uid(uid)?;
        Ok(self)
    }

    /// Returns the id under which [`commit`](Self::commit) stores the counter.
    ///
    /// The id is computed from the file-read key and the UID, as documented at
    /// [`PreparedFileReadKey::counter_id`](crate::PreparedFileReadKey::counter_id). A tag that is set up again with a
    /// new key therefore gets a new counter id. The old counter stays in the store under the old id.
    #[must_use]
    pub fn counter_id(&self) -> CounterId {
        self.id
    }

    /// Advances the counter of the tag in the store and returns the fresh tap.
    ///
    /// The store keeps the counter under [`counter_id`](Self::counter_id), together with the time `at`. The store
    /// accepts each tap at most once, so a successful call spends the tap: the same URL cannot be committed again. The
    /// tap is spent even if the program crashes before it uses the result.
    ///
    /// # Errors
    /// Returns [`CommitError::Replayed`] if the counter is not greater than the stored counter. Returns
    /// [`CommitError::Store`] if the store failed.
    pub fn commit<S: CounterStore + ?Sized>(
        self,
        store: &mut S,
        at: Option<UnixMillis>,
    ) -> Result<FreshTap<'a>, CommitError<S::Error>> {
        let advance = store.advance(&self.id, self.ctr, at).map_err(CommitError::Store)?;
        self.conclude(advance)
    }

    /// Like [`commit`](Self::commit), but for an [`AsyncCounterStore`].
    ///
    /// The returned future is `Send` if the future of the store is `Send`. Code that is generic over the store may need
    /// a `Send` future. In this case, give the store type the bound [`SendCounterStore`](crate::SendCounterStore), and
    /// pass `&mut Sendable(store)` to this method.
    ///
    /// If the returned future is dropped before it completes, the counter may or may not have advanced. In either case,
    /// treat the tap as spent (already accepted).
    ///
    /// # Errors
    /// Returns the same errors as [`commit`](Self::commit).
    pub async fn commit_async<S: AsyncCounterStore + ?Sized>(
        self,
        store: &mut S,
        at: Option<UnixMillis>,
    ) -> Result<FreshTap<'a>, CommitError<S::Error>> {
        // If the compiler reports that this future is not `Send` for a generic store, give the store type the bound
        // `SendCounterStore`, and pass `&mut Sendable(store)`.
        let advance = store.advance(&self.id, self.ctr, at).await.map_err(CommitError::Store)?;
        self.conclude(advance)
    }

    /// Returns the same tap, but replaces the computed counter id with `id`. Use this method for a counter that a
    /// different program already stored under `id`.
    ///
    /// **Call this method only if a different program filled the store. Never derive the id from the UID alone.** The
    /// caller must follow the rules for a [counter id](CounterId::from_bytes).
    ///
    /// If the tag is set up again, the counter of the chip restarts at 0. If the id then stays the same, new taps are
    /// rejected until the counter of the chip exceeds the stored counter. If the id changes but the keys stay the same,
    /// old taps of the tag are accepted again, because the store has no counter under the new id.
    pub fn with_own_counter_id(self, id: CounterId) -> Self {
        Self { id, ..self }
    }

    fn conclude<E>(self, advance: Advance) -> Result<FreshTap<'a>, CommitError<E>> {
        match advance.checked(self.ctr) {
            Advance::Advanced { previous, now } => {
                Ok(FreshTap { message: self.message, ctr: self.ctr, id: self.id, previous, now })
            }
            Advance::Stale { stored } => Err(CommitError::Replayed { ctr: self.ctr, stored }),
        }
    }
}

/// A genuine tap that is not a replay.
#[must_use = "this is the verdict"]
pub struct FreshTap<'a> {
    message: SunMessage<'a>,
    ctr: SdmReadCtr,
    id: CounterId,
    previous: Option<Mark>,
    now: Mark,
}

impl<'a> FreshTap<'a> {
    /// Returns the UID, or `None` if the tag does not mirror it.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.message.uid()
    }

    /// Returns the counter, which is at least 1.
    #[must_use]
    pub fn ctr(&self) -> SdmReadCtr {
        self.ctr
    }

    /// Returns the content of the tap.
    #[must_use]
    pub fn message(&self) -> &SunMessage<'a> {
        &self.message
    }

    /// Returns the id under which the store keeps the counter, like [`VerifiedTap::counter_id`].
    #[must_use]
    pub fn counter_id(&self) -> CounterId {
        self.id
    }

    /// Returns the [`Mark`] of this tap. A mark is a record in the counter store: the counter, the time and the number
    /// of accepted taps.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.now
    }

    /// Returns the [`Mark`] that was in the counter store before this tap. Returns `None` if the store had not accepted
    /// an earlier tap of this tag.
    #[must_use]
    pub fn previous(&self) -> Option<Mark> {
        self.previous
    }
}

/// A genuine tap without a counter. **Do not use this tap to grant access**: a copy of the URL passes verification, any
/// number of times, just like a tap of the tag itself. To control access, use tags that mirror the counter
/// (`{picc:uid,ctr}` or `{ctr}`), and commit each tap.
#[must_use = "a copy of this URL is as good as the tag: this tap may be a replay"]
pub struct ReplayableTap<'a> {
    message: SunMessage<'a>,
}

impl<'a> ReplayableTap<'a> {
    /// Wraps a message. The caller must have checked that the MAC matches and that the tap carries no counter.
    pub(super) fn new(message: SunMessage<'a>) -> Self {
        Self { message }
    }

    /// Returns the UID, or `None` if the tag does not mirror it.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.message.uid()
    }

    /// Returns the content of the tap.
    #[must_use]
    pub fn message(&self) -> &SunMessage<'a> {
        &self.message
    }

    /// Returns the tap, or an error if the UID of the tap differs from `uid`, like [`VerifiedTap::expect_uid`].
    ///
    /// # Errors
    /// Returns [`VerifyError::WrongTag`] if the tap has a UID other than `uid`.
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
