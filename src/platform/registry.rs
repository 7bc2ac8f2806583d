//! Where tags are looked up.

use core::fmt;

use super::api_key::ApiKeyName;
use super::record::{OrganisationId, TagRecord};
use crate::counter::Blocking;
use crate::value::Uid;

/// By what a tag is asked for. Whoever asks may have made it up.
///
/// `Debug` does not show what was captured: it may be an eCode.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TagRef<'a> {
    /// An XUID, which is unique over all accounts.
    Xuid(&'a str),
    /// A customer's own name of a tag, unique in an account, compared with regard to case.
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
    /// The number of a tag, unique over all organisations.
    Number(u64),
    /// What the `{:name}` of a layout captured from a URL.
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
            Self::Captured { name, .. } => f.debug_struct("Captured").field("name", name).finish_non_exhaustive(),
        }
    }
}

/// Finds the record of a tag, and the owner of an API key.
///
/// A registry only reads. What changes with a tap is in the [counter store](crate::CounterStore), and no decision about a replay is taken
/// from a record.
///
/// A [`Record`](super::Record) is a view of borrowed values. A registry returns anything that shows one, a [`TagRecord`]: the `Record` itself
/// where tags stand in an array, a reference into a map, or a row that owns its columns. The trait has no lifetime; a registry that lends
/// records implements it for a reference to itself, as collections do with `IntoIterator`:
///
/// ```
/// use std::collections::HashMap;
/// use suntap::platform::{OrganisationId, Record, TagRecord, TagRef, TagRegistry};
/// use suntap::platform::{ApiKeyName};
/// use suntap::{Uid};
///
/// struct Row {
///     owner: u128,
///     uid: Option<Uid>,
/// }
///
/// impl TagRecord for Row {
///     fn record(&self) -> Record<'_> {
///         Record { uid: self.uid, ..Record::new(OrganisationId(self.owner)) }
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
///             _ => None, // one way to ask for a tag is enough for this service
///         })
///     }
///
///     fn organisation(&self, _key: &ApiKeyName) -> Result<Option<OrganisationId>, Self::Error> {
///         Ok(None) // nor has it clients with API keys
///     }
/// }
///
/// let tags = Tags(HashMap::from([("q8w3sbcz".into(), Row { owner: 1, uid: None })]));
/// assert!((&tags).find(TagRef::Xuid("q8w3sbcz"))?.is_some());
/// # Ok::<(), core::convert::Infallible>(())
/// ```
pub trait TagRegistry {
    /// What is found.
    type Record: TagRecord;
    /// How the registry fails.
    type Error;

    /// The record of a tag; `None` if there is none.
    ///
    /// # Errors
    /// When the registry can not say whether there is one.
    fn find(&self, tag: TagRef<'_>) -> Result<Option<Self::Record>, Self::Error>;

    /// The organisation that an API key or token is of; `None` if there is no such key. Keys and tokens have names of their own,
    /// so one does not serve for the other.
    ///
    /// # Errors
    /// When the registry can not say.
    fn organisation(&self, key: &ApiKeyName) -> Result<Option<OrganisationId>, Self::Error>;
}

/// A [`TagRegistry`] whose answer takes waiting. As with [`AsyncCounterStore`](crate::AsyncCounterStore), no `Send` is asked
/// for, and where a registry's own futures are `Send`, so is everything built on them.
pub trait AsyncTagRegistry {
    /// What is found.
    type Record: TagRecord;
    /// How the registry fails.
    type Error;

    /// As [`TagRegistry::find`].
    ///
    /// # Errors
    /// When the registry can not say whether there is one.
    fn find(&self, tag: TagRef<'_>) -> impl Future<Output = Result<Option<Self::Record>, Self::Error>>;

    /// As [`TagRegistry::organisation`].
    ///
    /// # Errors
    /// When the registry can not say.
    fn organisation(&self, key: &ApiKeyName) -> impl Future<Output = Result<Option<OrganisationId>, Self::Error>>;
}

/// A [`TagRegistry`] in the place of an [`AsyncTagRegistry`]: it blocks the task while it works.
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
