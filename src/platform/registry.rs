//! The registry in which tags are looked up.

use core::fmt;

use super::api_key::ApiKeyName;
use super::record::{OrganisationId, TagRecord};
use crate::counter::Blocking;
use crate::value::Uid;

/// The identifier of the tag that a request asks for. The client may have invented it.
///
/// `Debug` does not show a captured text, because it may be an eCode.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TagRef<'a> {
    /// The XUID, which is the id of the tag in the ixkio API. It is unique across all accounts.
    Xuid(&'a str),
    /// A customer's own name for a tag. It is case-sensitive and unique within an account.
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
    /// The number of a tag. It is unique across all organisations.
    Number(u64),
    /// The UID that a tap claims. [`Service::verify_unnamed`](super::Service::verify_unnamed) uses this identifier.
    /// Several organisations may have a record for the same UID. `nth` selects one of these records.
    ClaimedUid {
        /// The UID. The tap is not verified yet.
        uid: Uid,
        /// The index of the wanted record among all records with this UID, counted from 0. The records may be in any
        /// order, but the order must never change.
        nth: usize,
    },
    /// Text from the URL, captured by a `{:name}` element of the layout.
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
/// The service only reads from a registry. The data that changes with each tap is in the [counter
/// store](crate::CounterStore). The service never uses a record to decide whether a tap is a replay.
///
/// A [`Record`](super::Record) borrows its values. A registry can return any type that implements [`TagRecord`]. This
/// type can be the `Record` itself, a reference into a map, or a database row that owns its columns.
///
/// This trait has no lifetime parameter. If your registry returns references to its own records, implement the trait
/// for a reference to the registry, as collections do with `IntoIterator`:
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
    /// The error that is returned if the registry fails.
    type Error;

    /// Returns the record of a tag, or `None` if the registry does not have the tag.
    ///
    /// # Errors
    /// Returns an error if the registry cannot determine whether it has the tag.
    fn find(&self, tag: TagRef<'_>) -> Result<Option<Self::Record>, Self::Error>;

    /// Returns the organisation that an API key or token belongs to, or `None` if the key or token is unknown. The
    /// default implementation returns `None`.
    ///
    /// An API key and a token with the same text have different names. Therefore neither can be used in place of the
    /// other.
    ///
    /// # Errors
    /// Returns an error if the registry cannot determine whether the key or token exists.
    fn organisation(&self, key: &ApiKeyName) -> Result<Option<OrganisationId>, Self::Error> {
        let _ = key;
        Ok(None)
    }
}

/// The async counterpart of [`TagRegistry`]. Like [`AsyncCounterStore`](crate::AsyncCounterStore), this trait does not
/// require its futures to be `Send`. [`Service::verify_async`](super::Service::verify_async) says when the future of a
/// service is `Send`.
pub trait AsyncTagRegistry {
    /// The type of the records.
    type Record: TagRecord;
    /// The error that is returned if the registry fails.
    type Error;

    /// Returns the record of a tag, like [`TagRegistry::find`].
    ///
    /// # Errors
    /// Returns an error if the registry cannot determine whether it has the tag.
    fn find(&self, tag: TagRef<'_>) -> impl Future<Output = Result<Option<Self::Record>, Self::Error>>;

    /// Returns the owner of an API key or token, like [`TagRegistry::organisation`].
    ///
    /// # Errors
    /// Returns an error if the registry cannot determine whether the key or token exists.
    fn organisation(&self, key: &ApiKeyName) -> impl Future<Output = Result<Option<OrganisationId>, Self::Error>> {
        let _ = key;
        core::future::ready(Ok(None))
    }
}

/// Uses a [`TagRegistry`] as an [`AsyncTagRegistry`]. Each lookup blocks the task until the lookup is done.
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
