//! The states of a tap and the arrows between them.
//!
//! | state | made only by | what it guarantees |
//! |---|---|---|
//! | [`UnverifiedTap`] | [`SdmLayout::parse`], [`parse_origin_form`](SdmLayout::parse_origin_form), [`assemble`](SdmLayout::assemble) | the right shape, nothing else |
//! | [`ClaimedTap`] | [`open`](UnverifiedTap::open), [`read_plain`](UnverifiedTap::read_plain) | a UID and counter are *claimed*: good for choosing a key |
//! | [`VerifiedTap`] | [`verify`](ClaimedTap::verify) | made by a holder of the key, perhaps long ago; it carries a counter |
//! | [`FreshTap`] | [`commit`](VerifiedTap::commit), [`commit_async`](VerifiedTap::commit_async) | genuine, and seen for the first time |
//! | [`ReplayableTap`] | [`verify_replayable`](ClaimedTap::verify_replayable) | genuine, without a counter, perhaps seen before; it never becomes a `FreshTap` |
//!
//! Each is consumed by the step that follows and is not `Clone`, so a step can not be left out or done twice. Dropping a
//! `VerifiedTap` does no harm: it opens nothing. What types can not know is whether the store keeps its
//! [contract](crate::CounterStore): a store that forgets, or answers what is not so, defeats them.
//!
//! # What does not compile
//!
//! A tap that is only claimed has no counter to commit:
//!
//! ```compile_fail,E0599
//! # use suntap::*;
//! fn admit(tap: ClaimedTap<'_>, counters: &mut MemoryCounters<2>, tag: &TagId) {
//!     tap.commit(counters, tag, None);
//! }
//! ```
//!
//! Nor has a tap without a counter:
//!
//! ```compile_fail,E0599
//! # use suntap::*;
//! fn admit(tap: ReplayableTap<'_>, counters: &mut MemoryCounters<2>, tag: &TagId) {
//!     tap.commit(counters, tag, None);
//! }
//! ```
//!
//! Nothing is committed twice:
//!
//! ```compile_fail,E0382
//! # use suntap::*;
//! fn admit(tap: VerifiedTap<'_>, counters: &mut MemoryCounters<2>, tag: &TagId) {
//!     let first = tap.commit(counters, tag, None);
//!     let second = tap.commit(counters, tag, None);
//! }
//! ```
//!
//! Nothing is kept back for later, in no state:
//!
//! ```compile_fail,E0277
//! fn keeps<T: Clone>() {}
//! keeps::<suntap::UnverifiedTap<'_>>();
//! ```
//!
//! ```compile_fail,E0277
//! fn keeps<T: Clone>() {}
//! keeps::<suntap::ClaimedTap<'_>>();
//! ```
//!
//! ```compile_fail,E0277
//! fn keeps<T: Clone>() {}
//! keeps::<suntap::VerifiedTap<'_>>();
//! ```
//!
//! ```compile_fail,E0277
//! fn keeps<T: Clone>() {}
//! keeps::<suntap::FreshTap<'_>>();
//! ```
//!
//! ```compile_fail,E0277
//! fn keeps<T: Clone>() {}
//! keeps::<suntap::ReplayableTap<'_>>();
//! ```
//!
//! A key does the work of its own kind only:
//!
//! ```compile_fail,E0277
//! # use suntap::*;
//! fn verify(tap: ClaimedTap<'_>, meta: &PreparedMetaReadKey) {
//!     let _ = tap.verify(meta);
//! }
//! ```
//!
//! ```compile_fail,E0308
//! # use suntap::*;
//! fn open(tap: UnverifiedTap<'_>, file: &PreparedFileReadKey) {
//!     let _ = tap.open(file);
//! }
//! ```
//!
//! And no verdict is made by hand:
//!
//! ```compile_fail,E0451
//! # use suntap::*;
//! fn forge<'a>(message: SunMessage<'a>, ctr: SdmReadCtr, now: Mark) -> FreshTap<'a> {
//!     FreshTap { message, ctr, previous: None, now }
//! }
//! ```

use core::fmt;

use crate::counter::{Advance, AsyncCounterStore, CounterStore};
use crate::error::{CommitError, Field, VerifyError};
use crate::key::{FileReadKey, PreparedMetaReadKey};
use crate::types::{Mark, Mode, SdmReadCtr, TagId, Uid, UnixMillis};

mod anatomy;
mod batch;
mod counter_tag;
mod file_data;
mod layout;
mod mac;
mod message;
pub mod ntag22x;
mod parse;
mod picc;
pub mod session;
mod settings;
mod tamper;
mod template;

pub(crate) use anatomy::{Anatomy, Part};
pub use batch::{Batch, verify_batch};
pub use counter_tag::{CounterTagLayout, UnverifiableTap};
pub use file_data::FileDataError;
pub(crate) use layout::MAX_NAMES;
pub use layout::SdmLayout;
pub use mac::SdmMac;
pub use message::SunMessage;
pub(crate) use parse::MAX_URL;
pub use parse::Mirrors;
pub(crate) use picc::{PiccData, Wire as PiccWire};
#[cfg(feature = "emulator")]
pub(crate) use settings::Offsets;
pub use settings::{Access, KeyNumber, SdmAccess, SettingsError, TagTexts};
pub use tamper::{TagTamper, TtStatus};
pub use template::LayoutError;
#[cfg(feature = "dialects")]
pub(crate) use template::is_name;
#[cfg(feature = "emulator")]
pub(crate) use template::{FILE_HEADER, FILE_SIZE};

use parse::Received;
use session::{EncKey, MacKey};

/// Text of the right shape. Nothing in it is believed yet.
#[must_use = "nothing was verified yet"]
pub struct UnverifiedTap<'a> {
    layout: &'a SdmLayout,
    received: Received<'a>,
    /// Of no use once it is opened.
    picc_data: PiccWire,
}

impl<'a> UnverifiedTap<'a> {
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
    /// has none, [`VerifyError::WrongMode`] if the key was prepared for another mode.
    pub fn open(self, key: &PreparedMetaReadKey) -> Result<ClaimedTap<'a>, VerifyError> {
        let picc_data = self.picc_data_by(key)?;
        Ok(self.claimed(picc_data))
    }

    /// What a key opens the PICCData to.
    pub(crate) fn picc_data_by(&self, key: &PreparedMetaReadKey) -> Result<PiccData, VerifyError> {
        if !self.layout.has(Field::PiccData) {
            return Err(VerifyError::NotEncrypted);
        }
        if key.mode() != self.layout.mode() {
            return Err(VerifyError::WrongMode);
        }
        let plain = key.decrypt(&self.picc_data).ok_or(VerifyError::NotAuthentic)?;
        self.read_picc_data(&plain).ok_or(VerifyError::NotAuthentic)
    }

    /// What a decrypted PICCData says, if it is what the layout says.
    pub(crate) fn read_picc_data(&self, plain: &[u8; 16]) -> Option<PiccData> {
        PiccData::read(plain).filter(|picc_data| self.layout.picc.is_none_or(|pinned| picc_data.is(pinned)))
    }

    /// The PICCData of a tap in AES mode; `None` if it has none.
    pub(crate) fn picc_block(&self) -> Option<[u8; 16]> {
        self.picc_data.first_chunk().copied().filter(|_| self.layout.has(Field::PiccData))
    }

    pub(crate) fn mode(&self) -> Mode {
        self.layout.mode()
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
    layout: &'a SdmLayout,
    received: Received<'a>,
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

    /// Compares the SDMMAC. The key is an [`SdmFileReadKey`](crate::SdmFileReadKey) as it is, for one tap, or prepared, for many.
    ///
    /// # Errors
    /// [`VerifyError::WrongMode`] if the key was prepared for another mode than the layout's;
    /// [`VerifyError::NotAuthentic`] if it does not match or the counter is 0, which no chip sends;
    /// [`VerifyError::NoCounter`] if it matches and the tap carries no counter.
    pub fn verify(self, key: &impl FileReadKey) -> Result<VerifiedTap<'a>, VerifyError> {
        let enc = self.authenticate(key)?;
        self.counted(enc)
    }

    /// As [`verify`](Self::verify), where session key and CMAC were computed with those of other taps.
    fn verified_by(
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
        Ok(VerifiedTap { message: SunMessage::new(self.layout, self.received, enc), ctr })
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
            None => Ok(ReplayableTap { message: SunMessage::new(self.layout, self.received, enc) }),
        }
    }

    /// Compares the SDMMAC, and gives the key of the file data if there are any.
    fn authenticate(&self, key: &impl FileReadKey) -> Result<Option<EncKey>, VerifyError> {
        let Self { layout, received } = self;
        let Received { uid, ctr, status_detect, .. } = *received;
        let mode = layout.mode();
        if mode == Mode::Ntag22x {
            let (uid, ctr) = uid.zip(ctr).ok_or(VerifyError::NotAuthentic)?;
            // Its status block was packed when it was read, so only the mode can be wrong.
            let cmac = ntag22x::suncmac(key, uid, ctr, status_detect).ok_or(VerifyError::WrongMode)?;
            self.compare(&cmac)?;
            return Ok(None);
        }
        let mac_key = MacKey::derive_in(mode, key, uid, ctr).ok_or(VerifyError::WrongMode)?;
        self.compare(&mac_key.cmac_of(mac::input(layout, received)))?;
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
        Ok(EncKey::beside(mac_key, key, uid, ctr))
    }
}

/// A genuine tap that may have been made long ago, and may have been seen before.
#[must_use = "a verified tap is not known to be new: commit it"]
pub struct VerifiedTap<'a> {
    message: SunMessage<'a>,
    ctr: SdmReadCtr,
}

impl<'a> VerifiedTap<'a> {
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
        tag: &TagId,
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
        tag: &TagId,
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
