//! Defines the [`Verifier`] and the sources from which the verifier gets the keys of tags.

use core::borrow::Borrow;
use core::convert::Infallible;
use core::fmt;

use crate::counter::{AsyncCounterStore, CounterStore};
use crate::key::PreparedMetaReadKey;
use crate::sun::error::{Error, Field, VerifyError};
use crate::sun::layout::SdmLayout;
use crate::sun::presented::Presented;
use crate::sun::tap::{FreshTap, VerifiedTap};
use crate::value::{ConfigError, UnixMillis};

mod claims;
mod derived;
mod file_keys;
mod meta_keys;

pub(crate) use claims::Claims;
pub use derived::{An10922, BoltCard, ECodeKeys};
use file_keys::check_key_type;
pub use file_keys::{AsyncFileKeys, FileKeys};
pub use meta_keys::MetaKeys;

/// Verifies the taps of all tags that share one layout and one source of file-read keys.
///
/// ```
/// use suntap::{CommitError, Error, MemoryCounters, SdmFileReadKey, SdmLayout, SdmMetaReadKey, Verifier, sdm_layout};
///
/// static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");
///
/// // The keys of a new chip. To give each tag its own key, pass `An10922` instead of the file key.
/// let verifier = Verifier::new(&LAYOUT, SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY)?;
/// let mut counters = MemoryCounters::<64>::new(); // create it once per program, not per request
///
/// let url = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
/// let fresh = verifier.admit(url, &mut counters, None)?;
/// assert_eq!(fresh.uid().unwrap().to_string(), "04DE5F1EACC040");
///
/// // The same tap again is a replay.
/// let again = verifier.admit(url, &mut counters, None);
/// assert!(matches!(again, Err(Error::Commit(CommitError::Replayed { ctr, .. })) if ctr.get() == 61));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// | parameter | what it is | examples |
/// |---|---|---|
/// | `F` | the source of each tag's SDMFileReadKey (see [`FileKeys`] and [`AsyncFileKeys`]) | an [`SdmFileReadKey`](crate::SdmFileReadKey), [`An10922`], [`BoltCard`], [`ECodeKeys`], a closure that maps a UID to a key |
/// | `M` | the keys that decrypt PICCData (see [`MetaKeys`]) | one key (the default), an array, a `Vec`, none |
/// | `L` | the layout, owned or borrowed | `&'static SdmLayout` (the default), `SdmLayout`, `Arc<SdmLayout>` |
///
/// # Returned errors
///
/// [`new`](Self::new) returns a [`ConfigError`] if it detects a mistake in the configuration. The errors of the other
/// methods usually have a different cause: a tag, an attacker, or a failure of the key source or the counter store.
///
/// **Return the same generic refusal to untrusted clients for every error.** Write the detailed error only to your
/// logs. For example, [`Error::UnknownTag`] would tell an attacker that one of your meta-read keys decrypted the
/// PICCData.
pub struct Verifier<F, M = [PreparedMetaReadKey; 1], L = &'static SdmLayout> {
    layout: L,
    meta_keys: M,
    file_keys: F,
}

impl<F, M: AsRef<[PreparedMetaReadKey]>, L: Borrow<SdmLayout>> Verifier<F, M, L> {
    /// Creates a verifier, and prepares the meta-read keys for the scheme of the layout (computes their key schedules
    /// in advance).
    ///
    /// If the layout has no `{picc}`, pass `()` as the meta-read keys.
    ///
    /// # Errors
    /// Returns [`ConfigError`] if the layout mirrors no counter, or if the meta-read keys or the source of the
    /// file-read keys do not fit the layout. For a layout with `{sig}` and `{picc}`, only one meta-read key is accepted.
    pub fn new<K: MetaKeys<Prepared = M>>(layout: L, meta_keys: K, file_keys: F) -> Result<Self, ConfigError>
    where
        F: FileKeys,
    {
        check_key_type::<F::Key<'_>>(layout.borrow())?;
        file_keys.check(layout.borrow())?;
        Self::checked(layout, meta_keys, file_keys)
    }

    /// Like [`new`](Self::new), but for [`AsyncFileKeys`]. Verify the taps with [`verify_async`](Self::verify_async) or
    /// [`admit_async`](Self::admit_async).
    ///
    /// # Errors
    /// Returns the same errors as [`new`](Self::new).
    pub fn new_async<K: MetaKeys<Prepared = M>>(layout: L, meta_keys: K, file_keys: F) -> Result<Self, ConfigError>
    where
        F: AsyncFileKeys,
    {
        check_key_type::<F::Key<'_>>(layout.borrow())?;
        file_keys.check(layout.borrow())?;
        Self::checked(layout, meta_keys, file_keys)
    }

    fn checked<K: MetaKeys<Prepared = M>>(layout: L, meta_keys: K, file_keys: F) -> Result<Self, ConfigError> {
        let checked = layout.borrow();
        let meta_keys = meta_keys.into_prepared(checked.scheme());
        match (checked.has(Field::PiccData), meta_keys.as_ref()) {
            (true, []) => return Err(ConfigError::NeedsMetaKey),
            (false, [_, ..]) => return Err(ConfigError::NoPiccData),
            (_, keys) if keys.iter().any(|key| key.scheme() != checked.scheme()) => {
                return Err(ConfigError::WrongScheme);
            }
            #[cfg(feature = "ecdsa")]
            (true, [_, _, ..]) if checked.scheme().is_signed() => return Err(ConfigError::ManyMetaKeys),
            _ => {}
        }
        if !checked.carries_ctr() {
            return Err(ConfigError::NoCounter);
        }
        Ok(Self { layout, meta_keys, file_keys })
    }

    /// Returns the layout of the taps that this verifier accepts.
    pub fn layout(&self) -> &SdmLayout {
        self.layout.borrow()
    }

    /// Returns the source of the file-read keys.
    pub fn file_keys(&self) -> &F {
        &self.file_keys
    }

    /// Verifies a tap. `tap` is a full URL or any other form of [`Presented`].
    ///
    /// **This method does not detect replays. A copy of a tap verifies any number of times.** To reject replays,
    /// [commit](VerifiedTap::commit) the returned tap, or call [`admit`](Self::admit) instead of this method.
    ///
    /// With several meta-read keys, the verifier tries each key in turn. Each key that decrypts the PICCData to valid
    /// content yields a claimed tap: a tap whose UID and counter are not verified yet. The verifier then checks the MAC
    /// of this tap with the file-read key that the key source returns. If no claimed tap verifies, the error is one of
    /// these:
    ///
    /// - [`Error::UnknownTag`] if there is at least one claimed tap, and the key source returns `None` for every
    ///   claimed tap
    /// - [`VerifyError::NotAuthentic`] in all other cases
    ///
    /// # Errors
    /// Returns [`Error::Malformed`], [`Error::Verify`], [`Error::UnknownTag`] or [`Error::Keys`].
    pub fn verify<'a>(&'a self, tap: impl Into<Presented<'a>>) -> Result<VerifiedTap<'a>, Error<Infallible, F::Error>>
    where
        F: FileKeys,
    {
        self.verify_for(tap.into())
    }

    /// Verifies a tap and advances the counter of the tag in the store. If this method succeeds, the tap is genuine and
    /// is not a replay. The store keeps the time `at` together with the counter.
    ///
    /// `tap` is the URL as text, or another form of [`Presented`]:
    ///
    /// - `Presented::OriginForm(path_and_query)` for the request target that an HTTP server receives
    /// - `Presented::NdefFile(&bytes)` for the NDEF file as read from the tag
    /// - `&mirrors` (a reference to [`Mirrors`](crate::Mirrors)) for mirrors that arrive as separate values
    ///
    /// # Errors
    /// Returns the errors of [`verify`](Self::verify), and [`Error::Commit`] if the tap is a replay or the store fails.
    pub fn admit<'a, S: CounterStore + ?Sized>(
        &'a self,
        tap: impl Into<Presented<'a>>,
        store: &mut S,
        at: Option<UnixMillis>,
    ) -> Result<FreshTap<'a>, Error<S::Error, F::Error>>
    where
        F: FileKeys,
    {
        Ok(self.verify_for(tap.into())?.commit(store, at)?)
    }

    /// Like [`verify`](Self::verify), but for [`AsyncFileKeys`].
    ///
    /// # Errors
    /// Returns the same errors as [`verify`](Self::verify).
    pub async fn verify_async<'a>(
        &'a self,
        tap: impl Into<Presented<'a>>,
    ) -> Result<VerifiedTap<'a>, Error<Infallible, F::Error>>
    where
        F: AsyncFileKeys,
    {
        self.verify_async_for(tap.into()).await
    }

    /// Like [`admit`](Self::admit), but for [`AsyncFileKeys`] and an [`AsyncCounterStore`].
    ///
    /// If the future is dropped before it completes, the counter may or may not have advanced. In both cases, reject
    /// the tap. In code that is generic over the store, the bound [`AsyncCounterStore`] does not guarantee a `Send`
    /// future. To spawn the future in such code, use the bound [`SendCounterStore`](crate::SendCounterStore), and wrap
    /// the store in [`Sendable`](crate::Sendable).
    ///
    /// # Errors
    /// Returns the same errors as [`admit`](Self::admit).
    pub async fn admit_async<'a, S: AsyncCounterStore + ?Sized>(
        &'a self,
        tap: impl Into<Presented<'a>>,
        store: &mut S,
        at: Option<UnixMillis>,
    ) -> Result<FreshTap<'a>, Error<S::Error, F::Error>>
    where
        F: AsyncFileKeys,
    {
        Ok(self.verify_async_for(tap.into()).await?.commit_async(store, at).await?)
    }

    fn verify_for<'a, S>(&'a self, tap: Presented<'a>) -> Result<VerifiedTap<'a>, Error<S, F::Error>>
    where
        F: FileKeys,
    {
        let tap = self.layout().read_presented(tap).ok_or(VerifyError::Config(ConfigError::OtherLayout))??;
        let mut claims = Claims::new(&tap, self.meta_keys.as_ref());
        while let Some((index, claimed)) = claims.next() {
            let key = self.file_keys.file_key(&claimed, index).map_err(Error::Keys)?;
            if let Some(verified) = claims.judge(claimed, key)? {
                return Ok(verified);
            }
        }
        Err(claims.refusal())
    }

    async fn verify_async_for<'a, S>(&'a self, tap: Presented<'a>) -> Result<VerifiedTap<'a>, Error<S, F::Error>>
    where
        F: AsyncFileKeys,
    {
        let tap = self.layout().read_presented(tap).ok_or(VerifyError::Config(ConfigError::OtherLayout))??;
        let mut claims = Claims::new(&tap, self.meta_keys.as_ref());
        while let Some((index, claimed)) = claims.next() {
            let key = self.file_keys.file_key(&claimed, index).await.map_err(Error::Keys)?;
            if let Some(verified) = claims.judge(claimed, key)? {
                return Ok(verified);
            }
        }
        Err(claims.refusal())
    }
}

impl<F, M, L: fmt::Debug> fmt::Debug for Verifier<F, M, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("layout", &self.layout).finish_non_exhaustive()
    }
}
