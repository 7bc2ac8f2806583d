//! The HTTP answer of the ixkio and ETRNL APIs, and the checks of a record that both APIs share.

use alloc::string::String;
use core::fmt;

use serde::Serialize;

use super::record::{FileKey, Keys, MetaKey, Record};
use super::rules::RulesError;
use super::verdict::Verdict;
use crate::sun::error::Field;
use crate::sun::template::is_name;

/// The maximum length of the body of an ixkio answer, and of the metadata in an ETRNL answer, in bytes.
pub(super) const MAX_LENGTH: usize = 64 * 1024;

/// The HTTP answer to send to the client.
#[derive(Clone, Debug)]
#[must_use = "the client waits for it"]
pub struct Answer<E> {
    /// The HTTP status.
    pub status: u16,
    /// The names and values of the headers: the content type, and `Cache-Control: no-store`.
    pub headers: [(&'static str, &'static str); 2],
    /// The body.
    pub body: String,
    /// The verdict about the tap, or the failure of the registry or the counter store. This value is for the operator's
    /// logs and metrics. Do not send this value to the client. The value is `None` if the request itself is invalid, or
    /// if the API key is missing or unknown.
    pub verdict: Option<Result<Verdict, E>>,
    /// `true` if the client sent an API key or a token that is unknown. For ixkio, this is also `true` for a token of
    /// another organisation. A client that sends many such requests may be guessing keys.
    pub is_key_invalid: bool,
}

impl<E> Answer<E> {
    /// Creates an answer with a JSON body and without a verdict.
    pub(super) fn json(status: u16, body: &impl Serialize) -> Self {
        let headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")];
        // Serialising fails only for values that JSON cannot represent, and no body contains such a value. If
        // serialising failed anyway, the client would get status 500 and `{}`. No client interprets this answer as an
        // accepted tap.
        match serde_json::to_string(body) {
            Ok(body) => Self { status, headers, body, verdict: None, is_key_invalid: false },
            Err(_) => Self { status: 500, headers, body: String::from("{}"), verdict: None, is_key_invalid: false },
        }
    }
}

/// The reason why the ixkio API or the ETRNL API cannot answer requests about a tag as clients expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfit {
    /// The record does not contain the keys yet ([`NotLoaded`](super::Keys::NotLoaded)), so the service refuses
    /// every tap of the tag. You can still add the tag to your registry now, and add the keys and the UID later.
    KeysNotLoaded,
    /// The layout has `{picc}`, but the record has no SDMMetaReadKey, which decrypts `{picc}`.
    NoMetaKey,
    /// The record has no UID, but the layout or the key derivation needs a UID.
    NoUid,
    /// A key in the record is for a [scheme](crate::Scheme) other than the scheme of the layout.
    WrongScheme,
    /// The keys were sealed (encrypted) for a UID other than the UID of the record.
    SealedForAnother,
    /// The suffix for the AN10922 key derivation is longer than 24 bytes. The suffix follows the UID in the input of
    /// the derivation.
    SuffixLength,
    /// The layout mirrors no counter, so the API could not detect a replay.
    NoCounter,
    /// The layout has this element, but the API has no parameter for its value.
    NotSent(Field),
    /// The keys need the eCode of the URL, but the API has no parameter for it. Only for ixkio.
    NoECode,
    /// The MAC input does not consist of `{enc}` alone. Only for ETRNL and tags with a tamper status.
    MacInput,
    /// The API or the keys need the value of the given element, but the layout does not contain the element.
    NotMirrored(Field),
    /// The field [`tamper`](super::Chip::tamper) of the record does not fit the layout. There are two cases. Either
    /// `tamper` is `true`, but the layout has no tamper status in `{enc}`. Or `tamper` is `false`, but the layout has
    /// `{enc}`. The second case is an error only for ETRNL, because ETRNL clients send `{enc}` only for tags with a
    /// tamper status.
    Tamper,
    /// The record has no [`chip`](super::Record::chip), so the ETRNL API answers every tap of the tag with `inactive`.
    /// You can still add the tag to your registry before the tag is programmed.
    NotProgrammed,
    /// The record has no XUID (the id of the tag in the ixkio API). The ixkio API returns the XUID in its answers.
    NoXuid,
    /// An extended data field has no name, or a name that another field of the answer already uses.
    Name,
    /// The rules contain a mistake.
    Rules(RulesError),
    /// The field [`metadata`](super::Record::metadata) of the record is not valid JSON.
    Metadata,
    /// The answer would be too long, or would need too many subtags. The documentation of [`ixkio`](super::ixkio) and
    /// [`etrnl`](super::etrnl) states the limits.
    TooLong,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeysNotLoaded => "the keys are not loaded",
            Self::NoMetaKey => "the layout has {picc}, but the record has no SDMMetaReadKey",
            Self::NoUid => "the layout or the keys need a UID, but the record has none",
            Self::WrongScheme => "a key is for a scheme other than the layout's",
            Self::SealedForAnother => "the keys are sealed for another UID",
            Self::SuffixLength => "the suffix after the UID in the diversification input must have at most 24 bytes",
            Self::NoCounter => "the layout mirrors no counter, so a tap that passes would pass forever",
            Self::NotSent(field) => return write!(f, "{field} is in the layout, but the API has no parameter for it"),
            Self::NoECode => "the keys need an eCode, but the API has no parameter for it",
            Self::MacInput => "the MAC input must consist of {enc} alone: [[{enc}{mac}",
            Self::NotMirrored(field) => return write!(f, "the API needs {field}, but it is not in the layout"),
            Self::Tamper => "the layout and the record disagree on whether there is a tamper status",
            Self::NotProgrammed => "the tag has no layout yet, so it answers `inactive`",
            Self::NoXuid => "the record has no XUID, which the answer needs",
            Self::Name => "an extended data field has a name that is already used in the answer",
            Self::Rules(error) => return error.fmt(f),
            Self::Metadata => "the metadata is not JSON",
            Self::TooLong => "the answer would have more than 65536 bytes or more than 1024 subtags",
        })
    }
}

impl core::error::Error for Unfit {}

/// Checks the requirements that ixkio and ETRNL share for a tag with a chip. The keys and the UID are checked last.
/// [`Unfit::KeysNotLoaded`] therefore means that all other checks passed.
pub(super) fn check_chip(record: &Record<'_>) -> Result<(), Unfit> {
    let Some(chip) = &record.chip else { return Ok(()) };
    let layout = chip.layout;
    if !layout.carries_ctr() {
        return Err(Unfit::NoCounter);
    }
    if chip.tamper && !layout.carries_tamper() {
        return Err(Unfit::Tamper);
    }
    let check_meta_key = |meta: &Option<MetaKey<'_>>| match meta {
        None if layout.has(Field::PiccData) => Err(Unfit::NoMetaKey),
        Some(MetaKey::Prepared(key)) if key.scheme() != layout.scheme() => Err(Unfit::WrongScheme),
        _ => Ok(()),
    };
    let mut is_derived = false;
    match &chip.keys {
        Keys::NotLoaded => return Err(Unfit::KeysNotLoaded),
        #[cfg(feature = "ecdsa")]
        Keys::Signing { meta, .. } if layout.scheme().is_signed() => check_meta_key(meta)?,
        #[cfg(feature = "ecdsa")]
        Keys::Signing { .. } => return Err(Unfit::WrongScheme),
        _ if layout.scheme().is_signed() => return Err(Unfit::WrongScheme),
        Keys::Loaded { meta, file } => {
            check_meta_key(meta)?;
            match file {
                FileKey::Prepared(key) if key.scheme() != layout.scheme() => return Err(Unfit::WrongScheme),
                FileKey::An10922 { suffix, .. } if suffix.len() > 24 => return Err(Unfit::SuffixLength),
                FileKey::Plain(_) | FileKey::Prepared(_) => {}
                _ => is_derived = true,
            }
        }
        Keys::Sealed { tag, .. } if record.uid.is_some_and(|uid| uid != tag.uid) => {
            return Err(Unfit::SealedForAnother);
        }
        Keys::Sealed { .. } => {}
        Keys::ECode { .. } => is_derived = true,
    }
    if record.uid.is_none() && (is_derived || layout.mirrored().uid) {
        return Err(Unfit::NoUid);
    }
    Ok(())
}

/// Returns `true` if the record has a text for the element `{:name}` of a layout, and this text contains only
/// characters that are allowed in such an element.
pub(super) fn is_known(record: &Record<'_>, name: &str) -> bool {
    let text = match name {
        "xuid" => record.names.xuid,
        "cuid" => record.names.cuid,
        _ => None,
    };
    text.is_some_and(|text| is_name(text.as_bytes()))
}
