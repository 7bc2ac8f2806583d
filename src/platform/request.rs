//! Requests to a [`Service`](super::Service).

use heapless::Vec;

use super::api_key::ApiKeyName;
use super::record::{OrganisationId, Record};
use super::registry::TagRef;
use crate::key::PreparedMetaReadKey;
use crate::sun::error::Field;
use crate::sun::layout::MAX_NAMES;
use crate::sun::presented::Presented;
use crate::sun::received::Mirrors;
use crate::sun::tap::UnverifiedTap;
use crate::value::{Uid, UnixMillis};

/// A request to decide whether to accept a tap.
#[derive(Debug)]
pub struct Request<'a> {
    /// The tag that the request names. The service verifies the tap with the record of this tag.
    pub tag: TagRef<'a>,
    /// The client that sends the request.
    pub caller: Caller,
    /// The tap. If the tap is given as separate values ([`Presented::Mirrors`]), the service adds missing values:
    ///
    /// - The static text comes from the layout.
    /// - The UID for `{uid}` and the texts for `{:xuid}` and `{:cuid}` come from the record.
    ///
    /// `Mirrors` can contain texts of `{:name}` elements. With one exception, the service ignores a text whose element
    /// is not in the layout. The exception is the eCode, a code that is needed to unseal or derive the keys of some
    /// tags. The service uses the text named `eCode` even if the layout has no `{:eCode}`. If two texts have the same
    /// name, the service uses the first one.
    pub tap: Presented<'a>,
    /// The time to store with an accepted tap, or `None` if you have no clock.
    pub at: Option<UnixMillis>,
}

/// The client that sends the request. To find the organisation of a client by its API key, call
/// [`TagRegistry::organisation`](super::TagRegistry::organisation).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// An unidentified client, such as a web page of your service or a door. This client may ask about the tags of
    /// every owner.
    Anyone,
    /// A client of the ixkio API, which can send a token. The value is the [name](ApiKeyName) of the token (a keyed
    /// hash), or `None` if no token was sent. If the tag [needs a token](super::Record::needs_token), the token must
    /// belong to the organisation that owns the tag. If the tag does not need a token, the token is ignored.
    Token(Option<ApiKeyName>),
    /// A member of an organisation, who may ask only about tags of that organisation.
    Member(OrganisationId),
}

/// A request to decide whether to accept a tap, without naming the tag. The service finds the record of the tag by the
/// UID in the tap.
#[derive(Debug)]
pub struct UnnamedRequest<'a> {
    /// The tap.
    pub tap: UnverifiedTap<'a>,
    /// The meta-read keys. The service tries to decrypt the PICCData with each of these keys. Prepare the keys for the
    /// scheme of the layout. Pass an empty slice if the layout has no `{picc}`. If the layout has `{sig}`, the keys only
    /// find records, and each record needs its own meta-read key.
    pub meta_keys: &'a [PreparedMetaReadKey],
    /// The client that sends the request.
    pub caller: Caller,
    /// The time to store with an accepted tap, or `None` if you have no clock.
    pub at: Option<UnixMillis>,
}

impl Caller {
    /// Returns the keyed hash of the caller's token, by which the service looks up the token in the registry. Returns
    /// `None` if the tag needs no token, or if the caller sent none.
    pub(super) fn token_wanted(&self, record: &Record<'_>) -> Option<&ApiKeyName> {
        match self {
            Self::Token(token) if record.needs_token => token.as_ref(),
            Self::Anyone | Self::Token(_) | Self::Member(_) => None,
        }
    }

    /// Returns `true` if the caller may ask about the tag. `asker` is the organisation that owns the caller's token.
    pub(super) fn may_ask(&self, asker: Option<OrganisationId>, record: &Record<'_>) -> bool {
        match self {
            Self::Anyone => true,
            Self::Token(_) => !record.needs_token || asker == Some(record.organisation),
            Self::Member(organisation) => *organisation == record.organisation,
        }
    }
}

/// The UID and the `{:name}` texts for a tap that was sent as separate values. The UID comes from the record. The text
/// of a `{:name}` element comes from the client. If the client sent no text for an element, the text comes from the
/// record.
pub(super) struct Supplied<'a> {
    /// The UID of the record, as a value and as 14 hexadecimal digits. This field is `None` if the record has no UID,
    /// if the layout has no `{uid}`, or if the client sent a UID.
    uid: Option<(Uid, [u8; 14])>,
    /// The names and texts of the `{:name}` elements of the layout. If neither the client nor the record has a text for
    /// an element, the list does not contain the element.
    captured: Vec<(&'a str, &'a str), MAX_NAMES>,
}

impl<'a> Supplied<'a> {
    pub(super) fn new(tap: &Presented<'a>, record: &Record<'a>) -> Self {
        let mut supplied = Self { uid: None, captured: Vec::new() };
        let (Presented::Mirrors(given), Some(chip)) = (tap, &record.chip) else { return supplied };
        let uid = record.uid.filter(|_| chip.layout.has(Field::Uid) && given.uid.is_none());
        supplied.uid = uid.map(|uid| (uid, uid.to_ascii()));
        for name in chip.layout.names() {
            let text = given.captured(name.as_bytes()).or(match name {
                "xuid" => record.names.xuid,
                "cuid" => record.names.cuid,
                _ => None,
            });
            // The vector has the capacity for all names of a layout, so `push` cannot fail.
            let _ = text.map(|text| supplied.captured.push((name, text)));
        }
        supplied
    }

    /// Returns the values that the client sent, and adds missing values from the record. If the tap was not sent as
    /// separate values, returns a `Mirrors` without values.
    pub(super) fn complete<'t>(&'t self, tap: &Presented<'t>) -> Mirrors<'t> {
        let Presented::Mirrors(given) = tap else { return Mirrors::default() };
        let digits = self.uid.as_ref().and_then(|(_, digits)| str::from_utf8(digits).ok());
        Mirrors { uid: given.uid.or(digits), captured: &self.captured, ..**given }
    }

    /// Returns the UID that was taken from the record, or `None` if no UID was taken from the record.
    pub(super) fn uid(&self) -> Option<Uid> {
        self.uid.map(|(uid, _)| uid)
    }
}
