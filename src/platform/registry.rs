//! The registry in which tags are looked up.

use core::fmt;

use super::api_key::ApiKeyName;
use super::record::{OrganisationId, TagRecord};
use crate::counter::Blocking;
use crate::value::Uid;

/// The identifier by which a request asks for a tag. The client may have invented it.
///
/// `Debug` does not show a captured text, because it may be an eCode.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TagRef<'a> {
    /// An XUID, which is unique across all accounts.
    Xuid(&'a str),
    /// A customer's own name of a tag. It is unique in an account and case-sensitive.
    Cuid {
        /// The account.
        account: &'a str,
        /// The name.
        cuid: &'a str,
    },
    /// The UID of a chip in an account.
    Uid {
        /// The account.
        account: &'a str,
        /// The UID.
        uid: Uid,
    },
    /// The number of a tag, unique across all organisations.
    Number(u64),
    /// The UID that a tap claims, in [`Service::verify_unnamed`](super::Service::verify_unnamed). Tags of several
    /// organisations may have the same UID: `nth` counts them from 0, in any fixed order.
    ClaimedUid {
        /// The UID. The tap is not verified yet.
        uid: Uid,
        /// The number of tags with this UID before the wanted one.
        nth: usize,
    },
    /// The text that the `{:name}` of a layout captured from a URL.
    Captured {
        /// The name, without colon and braces.
        name: &'a str,
        /// The text.
        text: &'a str,
    },
}

impl fmt::Debug for TagRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Xuid(xuid) => f.debug_tuple("Xuid").field(xuid).finish(),
            Self::Cuid { account, cuid } => {
                f.debug_struct("Cuid").field("account", account).field("cuid", cuid).finish()
            }
            Self::Uid { account, uid } => f.debug_struct("Uid").field("account", account).field("uid", uid).finish(),
            Self::Number(number) => f.debug_tuple("Number").field(number).finish(),
            Self::ClaimedUid { uid, nth } => f.debug_struct("ClaimedUid").field("uid", uid).field("nth", nth).finish(),
            Self::Captured { name, .. } => f.debug_struct("Captured").field("name", name).finish_non_exhaustive(),
        }
    }
}

/// Finds the record of a tag, and the owner of an API key.
///
/// A registry only reads. The data that changes with a tap is in the [counter store](crate::CounterStore). No replay
/// decision depends on a record.
///
/// A [`Record`](super::Record) is a view of borrowed values. A registry returns any type that provides one, a
/// [`TagRecord`]: the `Record` itself if the tags are in an array, a reference into a map, or a row that owns its
/// columns. The trait has no lifetime. A registry that lends records implements it for a reference to itself, as
/// collections do with `IntoIterator`:
///
/// ```
/// use std::collections::HashMap;
/// use suntap::platform::{OrganisationId, Record, TagRecord, TagRef, TagRegistry};
/// use suntap::Uid;
///
/// struct Row {
///     owner: u128,
///     uid: Option<Uid>,
/// }
///
/// impl TagRecord for Row {
///     fn record(&self) -> Record<'_> {
///         Record { uid: self.uid, ..Record::new(OrganisationId::new(self.owner)) }
///     }
/// }
///
/// struct Tags(HashMap<String, Row>);
///
/// impl<'r> TagRegistry for &'r Tags {
///     type Record = &'r Row;
///     type Error = core::convert::Infallible;
///
///     fn find(&self, tag: TagRef<'_>) -> Result<Option<&'r Row>, Self::Error> {
///         Ok(match tag {
///             TagRef::Xuid(xuid) => self.0.get(xuid),
///             _ => None, // this service identifies tags only by XUID
///         })
///     }
/// }
///
/// let tags = Tags(HashMap::from([("q8w3sbcz".into(), Row { owner: 1, uid: None })]));
/// assert!((&tags).find(TagRef::Xuid("q8w3sbcz"))?.is_some());
/// # Ok::<(), core::convert::Infallible>(())
/// ```
pub trait TagRegistry {
    /// The type of the records.
    type Record: TagRecord;
    /// The error if the registry fails.
    type Error;

    /// Returns the record of a tag. Returns `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the registry cannot say whether there is one.
    fn find(&self, tag: TagRef<'_>) -> Result<Option<Self::Record>, Self::Error>;

    /// Returns the organisation that an API key or token belongs to. Returns `None` if there is no such key. Keys and
    /// tokens have separate names, so neither can replace the other. The default
    /// implementation returns `None`.
    ///
    /// # Errors
    /// Returns an error if the registry cannot say whether there is such a key.
    fn organisation(&self, key: &ApiKeyName) -> Result<Option<OrganisationId>, Self::Error> {
        let _ = key;
        Ok(None)
    }
}

/// The async counterpart of [`TagRegistry`]. Like [`AsyncCounterStore`](crate::AsyncCounterStore), it does not require
/// `Send`. If the registry's own futures are `Send`, so is everything built on them.
pub trait AsyncTagRegistry {
    /// The type of the records.
    type Record: TagRecord;
    /// The error if the registry fails.
    type Error;

    /// Returns the record of a tag, like [`TagRegistry::find`].
    ///
    /// # Errors
    /// Returns an error if the registry cannot say whether there is one.
    fn find(&self, tag: TagRef<'_>) -> impl Future<Output = Result<Option<Self::Record>, Self::Error>>;

    /// Returns the owner of an API key or token, like [`TagRegistry::organisation`].
    ///
    /// # Errors
    /// Returns an error if the registry cannot say whether there is such a key.
    fn organisation(&self, key: &ApiKeyName) -> impl Future<Output = Result<Option<OrganisationId>, Self::Error>> {
        let _ = key;
        core::future::ready(Ok(None))
    }
}

/// Uses a [`TagRegistry`] as an [`AsyncTagRegistry`]. It blocks the task while it works.
impl<R: TagRegistry> AsyncTagRegistry for Blocking<R> {
    type Record = R::Record;
    type Error = R::Error;

    async fn find(&self, tag: TagRef<'_>) -> Result<Option<Self::Record>, Self::Error> {
        self.0.find(tag)
    }

    async fn organisation(&self, key: &ApiKeyName) -> Result<Option<OrganisationId>, Self::Error> {
        self.0.organisation(key)
    }
}
