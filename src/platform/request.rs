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

/// A request to decide about a tap.
#[derive(Debug)]
pub struct Request<'a> {
    /// The tag that the tap claims to come from.
    pub tag: TagRef<'a>,
    /// The client that sends the request.
    pub caller: Caller,
    /// The tap. If it is given as [`Presented::Mirrors`], the service adds the values that are missing:
    ///
    /// - The static text comes from the layout.
    /// - The UID for `{uid}` and the texts for `{:xuid}` and `{:cuid}` come from the record.
    ///
    /// Captured texts that the layout does not have are ignored, except the eCode. If two captured texts have the same
    /// name, the first one is used.
    pub tap: Presented<'a>,
    /// The time to store with an accepted tap, or `None` if there is no clock.
    pub at: Option<UnixMillis>,
}

/// The client that sends the request. [`TagRegistry::organisation`](super::TagRegistry::organisation) finds the
/// organisation that the client belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// An unidentified client, such as the service's own page or a door. It may ask about the tags of every owner.
    Anyone,
    /// A client that may have sent a token. The token is looked up only if the tag [needs
    /// one](super::Record::needs_token). It must then belong to the organisation that owns the tag.
    Token(Option<ApiKeyName>),
    /// A member of an organisation, who may ask only about tags of that organisation.
    Member(OrganisationId),
}

/// A request to decide about a tap whose URL does not name a tag. Only the UID that the tap claims identifies the tag.
#[derive(Debug)]
pub struct UnnamedRequest<'a> {
    /// The tap.
    pub tap: UnverifiedTap<'a>,
    /// The meta-read keys that may open the tap, prepared for the scheme of its layout. They are not needed if the
    /// layout has no `{picc}`.
    pub meta_keys: &'a [PreparedMetaReadKey],
    /// The client that sends the request.
    pub caller: Caller,
    /// The time to store with an accepted tap, or `None` if there is no clock.
    pub at: Option<UnixMillis>,
}

impl Caller {
    /// Returns the token that must be looked up for this tag, if any.
    pub(super) fn token_wanted(&self, record: &Record<'_>) -> Option<&ApiKeyName> {
        match self {
            Self::Token(token) if record.needs_token => token.as_ref(),
            Self::Anyone | Self::Token(_) | Self::Member(_) => None,
        }
    }

    /// Returns `true` if the caller may ask about the tag. `asker` is the owner of the token that was looked up.
    pub(super) fn may_ask(&self, asker: Option<OrganisationId>, record: &Record<'_>) -> bool {
        match self {
            Self::Anyone => true,
            Self::Token(_) => !record.needs_token || asker == Some(record.organisation),
            Self::Member(organisation) => *organisation == record.organisation,
        }
    }
}

/// The values that complete a tap sent as separate mirrors: the UID from the record, and the text of each `{:name}`.
pub(super) struct Supplied<'a> {
    /// The UID of the record and its digits, for a layout with `{uid}`.
    uid: Option<(Uid, [u8; 14])>,
    /// The name and the text of each `{:name}` in the layout, if the tap or the record has a text for it.
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
            // The vector holds all names of a layout, so `push` cannot fail.
            let _ = text.map(|text| supplied.captured.push((name, text)));
        }
        supplied
    }

    /// Returns the given values together with the supplied values. Returns no values if the tap was not given as
    /// separate values.
    pub(super) fn complete<'t>(&'t self, tap: &Presented<'t>) -> Mirrors<'t> {
        let Presented::Mirrors(given) = tap else { return Mirrors::default() };
        let digits = self.uid.as_ref().and_then(|(_, digits)| str::from_utf8(digits).ok());
        Mirrors { uid: given.uid.or(digits), captured: &self.captured, ..**given }
    }

    /// Returns the UID that the record supplied.
    pub(super) fn uid(&self) -> Option<Uid> {
        self.uid.map(|(uid, _)| uid)
    }
}
