//! Defines the sources from which a verifier gets the SDMFileReadKey of a tag.

use core::convert::Infallible;

use crate::counter::Blocking;
#[cfg(feature = "ecdsa")]
use crate::key::TagPublicKey;
use crate::key::{FileReadKey, PreparedFileReadKey, SdmFileReadKey};
use crate::sun::layout::SdmLayout;
use crate::sun::tap::ClaimedTap;
use crate::value::{ConfigError, Uid};

/// A source of file-read keys. The source finds the key of a tag, usually by the UID in the tap. This UID is not
/// verified yet, because verification needs the key.
///
/// | source | the key is |
/// |---|---|
/// | [`SdmFileReadKey`], [`PreparedFileReadKey`], `TagPublicKey` | the same for all tags |
/// | [`An10922`](crate::An10922), [`BoltCard`](crate::BoltCard), [`ECodeKeys`](crate::ECodeKeys), `sdm_backend::Master` | derived for each tag |
/// | a closure `Fn(Uid) -> Result<Option<K>, E>` | looked up by the claimed UID, for example in a map |
///
/// Instead of passing a closure, you can implement this trait for your database. Do this in two cases: if the UID alone
/// is not enough to find a key, or if you must name the type of the source, for example in a struct field (the type of
/// a closure has no name). An implementation receives a tap that is not verified yet, so it must use the tap only to
/// find a key. If your type wraps another source, call the [`check`](Self::check) of the wrapped source in your own
/// `check`.
///
/// A reference to a source does not implement this trait, so a verifier must own its source. If one database contains
/// both keys and counters, move the database into the verifier, and implement `CounterStore` for a reference to your
/// database type. For each tap, borrow the database from the verifier, and pass the borrowed database as the counter
/// store: `verifier.admit(url, &mut verifier.file_keys(), at)`.
///
/// ```
/// use std::collections::HashMap;
/// use suntap::{ClaimedTap, FileKeys, SdmFileReadKey, SdmLayout, SdmMetaReadKey, Uid, Verifier, sdm_layout};
///
/// struct Tags(HashMap<Uid, SdmFileReadKey>);
///
/// impl FileKeys for Tags {
///     type Key<'k> = &'k SdmFileReadKey;
///     type Error = core::convert::Infallible;
///
///     fn file_key(&self, tap: &ClaimedTap<'_>, _meta_key: usize) -> Result<Option<&SdmFileReadKey>, Self::Error> {
///         Ok(tap.uid().and_then(|uid| self.0.get(&uid)))
///     }
/// }
///
/// static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");
/// let tags = Tags(HashMap::from([(Uid::from_hex("04DE5F1EACC040")?, SdmFileReadKey::FACTORY)]));
/// let verifier = Verifier::new(&LAYOUT, SdmMetaReadKey::FACTORY, tags)?;
/// let url = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
/// assert_eq!(verifier.verify(url)?.ctr().get(), 61);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source of file-read keys",
    note = "pass a key, `An10922`, `BoltCard`, `ECodeKeys`, or a closure `|uid: Uid| -> Result<Option<Key>, Error>`",
    note = "for a closure that returns a future, call `Verifier::new_async`",
    note = "a reference or an `Arc` to a source is not a source: move the source into the verifier, and borrow it with `file_keys()`"
)]
pub trait FileKeys {
    /// The type of the key: [`SdmFileReadKey`], [`PreparedFileReadKey`], `TagPublicKey`, or a reference to one of these
    /// types.
    type Key<'k>: FileReadKey
    where
        Self: 'k;
    /// The error of the source, for example a database error.
    type Error;

    /// Checks that the source can find keys for the taps of a layout. The default implementation requires a layout that
    /// mirrors the UID, because most sources look up or derive a key by UID.
    ///
    /// # Errors
    /// Returns [`ConfigError`] if the source does not work with the layout.
    fn check(&self, layout: &SdmLayout) -> Result<(), ConfigError> {
        check_uid(layout)
    }

    /// Returns the file-read key for a claimed tap, or `None` if the source does not know the tag. `meta_key` is the
    /// index of the meta-read key that decrypted the PICCData, or 0 if the layout has no PICCData.
    ///
    /// With several meta-read keys, the verifier may call this method more than once per tap. A wrong meta-read key can
    /// decrypt the PICCData to content that looks valid by chance. The probability of this is at least 1 in 256 for
    /// each wrong key. The verifier then calls this method with a random UID. If this method returns `None`, or if the
    /// MAC does not match under the returned key, the verifier tries the next meta-read key. If this method returns an
    /// error, the verifier stops and returns that error.
    ///
    /// # Errors
    /// Returns an error if the source cannot find out whether it knows the tag, for example because a database is down.
    fn file_key<'k>(&'k self, tap: &ClaimedTap<'_>, meta_key: usize) -> Result<Option<Self::Key<'k>>, Self::Error>;
}

/// The async counterpart of [`FileKeys`].
///
/// This trait is implemented for closures `Fn(Uid) -> impl Future<Output = Result<Option<K>, E>>`, for every key source
/// of this crate, and for [`Blocking`]. You can wrap any type that implements [`FileKeys`] in `Blocking`.
///
/// Like [`AsyncCounterStore`](crate::AsyncCounterStore), this trait does not require its futures to be `Send`. A future
/// that uses a key source is `Send` if the futures of the key source are `Send`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an async source of file-read keys",
    note = "pass a closure `|uid: Uid| async {{ .. }}` that returns `Result<Option<Key>, Error>`",
    note = "`Blocking(source)` makes an async source of a blocking one"
)]
pub trait AsyncFileKeys {
    /// The type of the key: [`SdmFileReadKey`], [`PreparedFileReadKey`], `TagPublicKey`, or a reference to one of these
    /// types.
    type Key<'k>: FileReadKey
    where
        Self: 'k;
    /// The error of the source, for example a database error.
    type Error;

    /// Checks that the source can find keys for the taps of a layout, like [`FileKeys::check`].
    ///
    /// # Errors
    /// Returns [`ConfigError`] if the source does not work with the layout.
    fn check(&self, layout: &SdmLayout) -> Result<(), ConfigError> {
        check_uid(layout)
    }

    /// Returns the file-read key for a claimed tap, like [`FileKeys::file_key`].
    ///
    /// # Errors
    /// Returns an error if the source cannot find out whether it knows the tag, for example because a database is down.
    fn file_key<'k>(
        &'k self,
        tap: &ClaimedTap<'_>,
        meta_key: usize,
    ) -> impl Future<Output = Result<Option<Self::Key<'k>>, Self::Error>>;
}

/// Checks that keys of the type `K` verify the taps of the layout.
pub(super) fn check_key_type<K: FileReadKey>(layout: &SdmLayout) -> Result<(), ConfigError> {
    if K::is_for(layout.scheme()) { Ok(()) } else { Err(ConfigError::WrongScheme) }
}

fn check_uid(layout: &SdmLayout) -> Result<(), ConfigError> {
    if layout.mirrored().uid { Ok(()) } else { Err(ConfigError::NoUid) }
}

/// Implements [`FileKeys`] for a key that all tags share. The type of the key is checked elsewhere.
macro_rules! shared_key {
    ($key:ty) => {
        impl FileKeys for $key {
            type Key<'k> = &'k Self;
            type Error = Infallible;

            fn check(&self, _: &SdmLayout) -> Result<(), ConfigError> {
                Ok(())
            }

            fn file_key(&self, _: &ClaimedTap<'_>, _: usize) -> Result<Option<&Self>, Infallible> {
                Ok(Some(self))
            }
        }
    };
}

shared_key!(SdmFileReadKey);
#[cfg(feature = "ecdsa")]
shared_key!(TagPublicKey);

impl FileKeys for PreparedFileReadKey {
    type Key<'k> = &'k Self;
    type Error = Infallible;

    fn check(&self, layout: &SdmLayout) -> Result<(), ConfigError> {
        if self.scheme() == layout.scheme() { Ok(()) } else { Err(ConfigError::WrongScheme) }
    }

    fn file_key(&self, _: &ClaimedTap<'_>, _: usize) -> Result<Option<&Self>, Infallible> {
        Ok(Some(self))
    }
}

impl<F, K, E> FileKeys for F
where
    F: Fn(Uid) -> Result<Option<K>, E>,
    K: FileReadKey,
{
    type Key<'k>
        = K
    where
        Self: 'k;
    type Error = E;

    fn file_key(&self, tap: &ClaimedTap<'_>, _: usize) -> Result<Option<K>, E> {
        tap.uid().map_or(Ok(None), self)
    }
}

impl<F, T, K, E> AsyncFileKeys for F
where
    F: Fn(Uid) -> T,
    T: Future<Output = Result<Option<K>, E>>,
    K: FileReadKey,
{
    type Key<'k>
        = K
    where
        Self: 'k;
    type Error = E;

    fn file_key(&self, tap: &ClaimedTap<'_>, _: usize) -> impl Future<Output = Result<Option<K>, E>> {
        let lookup = tap.uid().map(self);
        async { if let Some(lookup) = lookup { lookup.await } else { Ok(None) } }
    }
}

/// Calls the wrapped source directly, so each lookup of a key blocks the thread that runs the async task.
impl<F: FileKeys> AsyncFileKeys for Blocking<F> {
    type Key<'k>
        = F::Key<'k>
    where
        Self: 'k;
    type Error = F::Error;

    fn check(&self, layout: &SdmLayout) -> Result<(), ConfigError> {
        self.0.check(layout)
    }

    async fn file_key<'k>(&'k self, tap: &ClaimedTap<'_>, meta_key: usize) -> Result<Option<F::Key<'k>>, F::Error> {
        self.0.file_key(tap, meta_key)
    }
}

/// Implements [`AsyncFileKeys`] for key sources that never wait. Both traits `FileKeys` and `AsyncFileKeys` must be in
/// scope where this macro is called.
macro_rules! never_waits {
    ($($source:ty)*) => {$(
        impl AsyncFileKeys for $source {
            type Key<'k> = <Self as FileKeys>::Key<'k>;
            type Error = <Self as FileKeys>::Error;

            fn check(&self, layout: &SdmLayout) -> Result<(), ConfigError> {
                FileKeys::check(self, layout)
            }

            fn file_key<'k>(
                &'k self,
                tap: &ClaimedTap<'_>,
                meta_key: usize,
            ) -> impl Future<Output = Result<Option<Self::Key<'k>>, Self::Error>> {
                core::future::ready(FileKeys::file_key(self, tap, meta_key))
            }
        }
    )*};
}
pub(super) use never_waits;

never_waits!(SdmFileReadKey PreparedFileReadKey);
#[cfg(feature = "ecdsa")]
never_waits!(TagPublicKey);
