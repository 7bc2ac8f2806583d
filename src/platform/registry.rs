//! Tag registries, which look up the records of tags.

use core::fmt;

use super::api_key::ApiKeyName;
#[cfg(feature = "dialects")]
use super::api_key::ApiKeySecret;
use super::record::{OrganisationId, TagRecord};
use crate::counter::Blocking;
use crate::value::Uid;

/// Identifies the tag that a request is about. The identifier comes from the client, and may be invented.
///
/// `Debug` does not show the text of [`Captured`](Self::Captured), because the text may be an eCode, a secret code in
/// the URL of the tag.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TagRef<'a> {
    /// The XUID, which is the id of the tag in the ixkio API. An XUID is unique across all accounts.
    Xuid(&'a str),
    /// A customer's own name for a tag. The name is case-sensitive and unique within an account.
    Cuid {
        /// The account of the customer.
        account: &'a str,
        /// The name.
        cuid: &'a str,
    },
    /// The UID of the tag's chip, together with the account of the customer who owns the tag.
    Uid {
        /// The account of the customer.
        account: &'a str,
        /// The UID.
        uid: Uid,
    },
    /// The number of a tag, which is `tagId` in the ETRNL API. The number is unique across all organisations.
    Number(u64),
    /// The UID in a tap that is not verified yet. [`Service::verify_unnamed`](super::Service::verify_unnamed) finds
    /// records by this UID. Several organisations may have a record for the same UID. `nth` selects one of these
    /// records.
    ClaimedUid {
        /// The UID in the tap. This UID is not verified yet.
        uid: Uid,
        /// The index of the requested record among all records with this UID, counted from 0. The registry may return
        /// the records in any order, but this order must not change between lookups.
        nth: usize,
    },
    /// A text from the URL of the tap, for example the number of the tag. In the layout, a `{:name}` element stands in
    /// place of this text.
    Captured {
        /// The name of the element, without colon and braces.
        name: &'a str,
        /// The text that stands in the URL in place of the element.
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
/// The service reads from a registry, but never writes to it. Data that changes with each tap is in the [counter
/// store](crate::CounterStore). To detect a replay, the service uses the counter store, never a record.
///
/// A registry can return any type that implements [`TagRecord`]: a [`Record`](super::Record), a reference into a map,
/// or a database row that owns its columns. A `Record` only borrows its values.
///
/// This trait has no lifetime parameter. If your registry returns references to its own records, implement the trait
/// for a reference to the registry. Collections implement `IntoIterator` for references in the same way:
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
    /// The error of a failed lookup.
    type Error;

    /// Returns the record of a tag, or `None` if the registry does not have the tag.
    ///
    /// # Errors
    /// Returns an error if the registry cannot determine whether it has the tag.
    fn find(&self, tag: TagRef<'_>) -> Result<Option<Self::Record>, Self::Error>;

    /// Returns the organisation that owns an API key or token, or `None` if the key or token is unknown. `key` is not
    /// the text of the API key or token, but its [name](ApiKeyName), which is a keyed hash of the text. The default
    /// implementation returns `None`.
    ///
    /// An API key and a token have different names even if both have the same text. Therefore a client cannot use an
    /// API key as a token, or vice versa.
    ///
    /// # Errors
    /// Returns an error if the registry cannot determine whether the key or token exists.
    fn organisation(&self, key: &ApiKeyName) -> Result<Option<OrganisationId>, Self::Error> {
        let _ = key;
        Ok(None)
    }
}

/// The async counterpart of [`TagRegistry`]. Like [`AsyncCounterStore`](crate::AsyncCounterStore), this trait does not
/// require its futures to be `Send`. The documentation of [`Service::verify_async`](super::Service::verify_async) lists
/// the conditions under which the future of a service is `Send`.
pub trait AsyncTagRegistry {
    /// The type of the records.
    type Record: TagRecord;
    /// The error of a failed lookup.
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

/// Returns the owner of an API key or token, whichever of the secrets computed its stored name. `name` computes a name.
/// The registry is asked once for each secret, in this order, until it knows the name.
#[cfg(feature = "dialects")]
pub(super) async fn owner<R: AsyncTagRegistry>(
    registry: &R,
    secrets: &[ApiKeySecret],
    name: impl Fn(&ApiKeySecret) -> ApiKeyName,
) -> Result<Option<OrganisationId>, R::Error> {
    for secret in secrets {
        let owner = registry.organisation(&name(secret)).await?;
        if owner.is_some() {
            return Ok(owner);
        }
    }
    Ok(None)
}

/// Uses a [`TagRegistry`] as an [`AsyncTagRegistry`]. Each lookup blocks the async task until the lookup is done.
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
