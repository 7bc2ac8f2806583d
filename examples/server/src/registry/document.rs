//! The documents of the registry: JSON, each with a text as its key.
//!
//! | key | document |
//! |---|---|
//! | `organisation/1` | [`Organisation`] |
//! | `account/abc123` | the number of the organisation with this account |
//! | `level/1/Demo/Shoes/May` | [`Level`]: a folder, a tag group or a batch, by the length of its path |
//! | `xuid/q8w3sbcz` or `number/1001` | [`Entry::Tag`] |
//! | `cuid/abc123/SHOE-0042` `uid/abc123/04AABBCC112233` | [`Entry::See`]: another name of a tag |
//! | `counter/` and 32 digits | [`Entry::See`]: the tag with this counter id |
//! | `shape/` and a shape | the layouts with this path and these parameters, see [`index`](super::index) |
//! | `claimed/04AABBCC112233` | the keys of the tags with this UID that their URL does not name |
//! | `key/` and 32 digits | [`ApiKey`]: the organisation and kind of an API key or token |
//! | `manager/` and 32 digits | [`Manager`]: the label and role of a management key |

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use suntap::kdf::ecode::SealedKeys;
use suntap::platform::ApiKeyName;
use suntap::platform::State as InUse;
use suntap::platform::rules::{Comparison, Equality, Rule};
use suntap::{CounterId, LayoutError, Scheme, SdmLayout, SdmReadCtr, TagPublicKey, Uid, UnixMillis};

use super::redirect::Redirect;
use crate::{hex, time};

/// The owner of tags.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Organisation {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its account id, for requests by CUID or UID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// `true` if ixkio clients need a token.
    #[serde(default, deserialize_with = "or_default")]
    pub needs_token: bool,
    /// The state. If it is inactive, all of its tags are.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "State::is_active")]
    pub state: State,
    /// `true` while it is being deleted: import adds nothing to it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub closing: bool,
}

/// A folder, a tag group or a batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Level {
    /// The number of its organisation.
    pub organisation: u64,
    /// The names of the levels around it, and its own: `Demo/Shoes/May` is the batch May of the tag group Shoes in the folder Demo.
    pub path: String,
    /// The state.
    #[serde(default, deserialize_with = "or_default")]
    pub state: State,
    /// The layout of the tags of a tag group. A tag can have another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// The rules that choose the responses of the tags of a tag group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RuleSet>,
    /// Where the page of the tags of a tag group sends a visitor. A tag can have another redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// `true` if the page of the tags of a tag group shows a verdict only after a second fresh tap.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub two_taps: bool,
    /// `true` while it is being deleted: import adds nothing to it.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub closing: bool,
}

/// An API key or token. Its text is not stored: the key of the document is a keyed hash of the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKey {
    /// The number of its organisation.
    pub organisation: u64,
    /// What a client with this key may do.
    pub kind: KeyKind,
    /// A name for the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The id of the `apiKeys` secret that hashed its text, or `None` in a document of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// When it ends. After that, it is answered like an unknown one.
    #[serde(default, with = "time_text", skip_serializing_if = "Option::is_none")]
    pub expires: Option<UnixMillis>,
}

impl ApiKey {
    /// Returns `true` if the key is not valid any more.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        has_passed(self.expires)
    }
}

/// A management key. Its text is not stored: the key of the document is a keyed hash of the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manager {
    /// A name for the operator, which the history shows.
    pub label: String,
    /// What the key authorises.
    pub role: Role,
    /// The organisation to whose tags a key for the vendor's call is restricted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<u64>,
    /// When it ends. After that, it is answered like an unknown one.
    #[serde(default, with = "time_text", skip_serializing_if = "Option::is_none")]
    pub expires: Option<UnixMillis>,
    /// When it was created.
    #[serde(default, with = "time_text", skip_serializing_if = "Option::is_none")]
    pub created: Option<UnixMillis>,
    /// The id of the `apiKeys` secret that hashed its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl Manager {
    /// Returns `true` if the key is not valid any more.
    #[must_use]
    pub fn has_expired(&self) -> bool {
        has_passed(self.expires)
    }
}

/// What a management key authorises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Reading.
    ReadOnly,
    /// Everything.
    ReadWrite,
    /// Only the vendor's calls `PATCH /v1/x/…` and `PATCH /v1/a/…`, for the tags of one organisation.
    Patch,
}

/// What a client with this key may do. Clients with every kind of key can verify taps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum KeyKind {
    /// The header `API-Key` of ETRNL clients whose program anybody can read. It allows nothing but verifying.
    Public,
    /// The header `API-Key` of ETRNL clients that are servers.
    Private,
    /// The parameter `r` of ixkio clients.
    Token,
}

/// The last accepted tap of a tag, from another service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportedCounter {
    /// Its counter.
    pub ctr: SdmReadCtr,
    /// When the tap was accepted: ISO 8601 with the offset from UTC.
    #[serde(default, with = "time_text", skip_serializing_if = "Option::is_none")]
    pub at: Option<UnixMillis>,
    /// The number of accepted taps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taps: Option<u32>,
}

/// The document under a name of a tag.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Entry {
    /// The tag.
    Tag(Box<Tag<StoredKeys>>),
    /// The key of the document with the tag.
    See(String),
}

/// An [`Entry`] that is only written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum EntryRef<'t> {
    /// The tag.
    Tag(&'t Tag<StoredKeys>),
    /// The key of the document with the tag.
    See(&'t str),
}

/// A tag with its keys, as they are stored or as they are imported.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tag<K> {
    /// The number of its organisation.
    pub organisation: u64,
    /// The path of its batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// Its id in the ixkio API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xuid: Option<String>,
    /// The customer's own id for it in the ixkio API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuid: Option<String>,
    /// Its id in the ETRNL API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The UID of its chip.
    #[serde(default, with = "uid_text", skip_serializing_if = "Option::is_none")]
    pub uid: Option<Uid>,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The state.
    #[serde(default, deserialize_with = "or_default")]
    pub state: State,
    /// Its layout, if it differs from that of its tag group. A tag without any layout cannot be authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// Its keys, or `None` if they are not known yet.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub keys: Option<K>,
    /// `true` if the tamper status is part of the verdict.
    #[serde(default, deserialize_with = "or_default")]
    pub tamper: bool,
    /// Its own rules, which replace those of its tag group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RuleSet>,
    /// Where its page sends a visitor after a fresh tap, if this differs from its tag group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// The customer's fields.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub extended_data: Vec<Field>,
    /// The customer's data, which the ETRNL API returns unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Box<RawValue>>,
    /// The last tap that another service accepted. Only a line of an import has this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<ImportedCounter>,
}

/// One field of extended data.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value. It can contain subtags.
    pub value: String,
    /// `true` if the answer contains the field.
    #[serde(default)]
    pub in_response: bool,
}

/// Keys as they are stored. They cannot be used without the secrets of the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredKeys {
    /// The source of the keys.
    pub source: KeySource,
    /// The counter id at the time of the import, for showing the last accepted tap. It is never used to detect a replay. `None`
    /// if the id depends on a key that only a tap can open.
    #[serde(default, with = "tag_id_text", skip_serializing_if = "Option::is_none")]
    pub counter: Option<CounterId>,
}

/// The source of the keys of a tag.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum KeySource {
    /// Keys of any origin, sealed under the server secret.
    #[serde(rename_all = "camelCase")]
    Held {
        /// The keys.
        #[serde(with = "sealed_text")]
        sealed: SealedKeys,
        /// `true` if the sealed SDMMetaReadKey is a key of the tag.
        has_meta: bool,
    },
    /// Keys of any origin, sealed under the server secret and the eCode in the URL of the tag.
    Sealed {
        /// The keys.
        #[serde(with = "sealed_text")]
        sealed: SealedKeys,
        /// The number of earlier personalisations.
        epoch: u32,
    },
    /// Keys that the server derives for each tap.
    Derived(Derivation),
    /// The public key of a tag that signs its taps.
    Signing {
        /// The public key. It is not secret.
        #[serde(with = "public_key_text")]
        public: TagPublicKey,
        /// The SDMMetaReadKey, if the layout has `{picc}`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        meta: Option<SigningMeta>,
    },
}

impl KeySource {
    /// Returns the keys that are sealed under the server secret alone, if there are any.
    pub(crate) fn held(&self) -> Option<&SealedKeys> {
        match self {
            Self::Held { sealed, .. } | Self::Signing { meta: Some(SigningMeta::Held(sealed)), .. } => Some(sealed),
            Self::Sealed { .. } | Self::Derived(_) | Self::Signing { .. } => None,
        }
    }
}

/// The SDMMetaReadKey of a tag that signs its taps.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum SigningMeta {
    /// The key is sealed under the server secret. The SDMFileReadKey in the seal is not used.
    Held(#[serde(with = "sealed_text")] SealedKeys),
    /// The key has this name in the secrets.
    Named(String),
}

/// How the keys of a tag are derived. The names are those of the secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Derivation {
    /// AN10922.
    #[serde(rename_all = "camelCase")]
    An10922 {
        /// The name of the SDMMetaReadKey that the tags share, if their layout has `{picc}`.
        #[serde(default)]
        meta: Option<String>,
        /// The name of the master key.
        master: String,
        /// The bytes after the UID in the diversification input, in hex digits.
        #[serde(default, with = "bytes_text")]
        suffix: Vec<u8>,
        /// The number of earlier personalisations.
        #[serde(default)]
        epoch: u32,
    },
    /// A Bolt Card.
    Boltcard {
        /// The name of the issuer key.
        issuer: String,
        /// The version of the card.
        version: u32,
    },
    /// sdm-backend.
    SdmBackend {
        /// The name of the master key.
        master: String,
    },
    /// Derived from the server secret and the eCode in the URL of the tag.
    ECode {
        /// The number of earlier personalisations.
        #[serde(default)]
        epoch: u32,
    },
}

/// The state of a tag, batch, tag group or folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// In use.
    #[default]
    Active,
    /// Not in use: the server refuses all taps.
    Inactive,
}

impl State {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
    fn is_active(&self) -> bool {
        *self == Self::Active
    }
}

impl From<State> for InUse {
    fn from(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::Inactive => Self::Inactive,
        }
    }
}

/// A URL template, and the mode of the chip.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Layout {
    /// The mode.
    #[serde(default)]
    pub mode: ModeName,
    /// The template.
    pub template: String,
}

impl Layout {
    /// Returns the layout for the library.
    ///
    /// # Errors
    /// Fails if no chip can write this layout.
    pub fn sdm(&self) -> Result<SdmLayout, LayoutError> {
        SdmLayout::new(self.mode.scheme(), &self.template)
    }
}

/// The mode of a chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ModeName {
    /// NTAG 424 DNA.
    #[default]
    Aes,
    /// The same chip in LRP mode.
    Lrp,
    /// NTAG 223 and 224 DNA.
    Suncmac,
    /// NTAG X DNA that signs its taps: the layout has `{sig}`.
    Ecdsa,
}

impl ModeName {
    /// Returns the scheme of the library.
    #[must_use]
    pub fn scheme(self) -> Scheme {
        match self {
            Self::Aes => Scheme::Aes,
            Self::Lrp => Scheme::Lrp,
            Self::Suncmac => Scheme::Suncmac,
            Self::Ecdsa => Scheme::Ecdsa,
        }
    }
}

/// At most three groups of rules, and the default response.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleSet {
    /// The groups.
    #[serde(default)]
    pub groups: Vec<RuleGroup>,
    /// The response if no group matches.
    pub default: String,
}

/// Rules, and the response if all of them match.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleGroup {
    /// The rules: `"authentication"`, `"scan count < 2"` (or `>` `=` `!=`), `"tamper != CC"` (or `=`).
    #[serde(with = "rule_texts")]
    pub rules: Vec<Rule>,
    /// The response.
    pub response: String,
}

/// The keys of documents.
pub mod key {
    use super::{ApiKeyName, CounterId, Uid, hex};

    /// An organisation.
    #[must_use]
    pub fn organisation(id: u64) -> String {
        format!("organisation/{id}")
    }

    /// An account.
    #[must_use]
    pub fn account(account: &str) -> String {
        format!("account/{account}")
    }

    /// A folder, a tag group or a batch.
    #[must_use]
    pub fn level(organisation: u64, path: &str) -> String {
        format!("level/{organisation}/{path}")
    }

    /// A tag by its XUID.
    #[must_use]
    pub fn xuid(xuid: &str) -> String {
        format!("xuid/{xuid}")
    }

    /// A tag by its number.
    #[must_use]
    pub fn number(number: u64) -> String {
        format!("number/{number}")
    }

    /// A tag by its CUID.
    #[must_use]
    pub fn cuid(account: &str, cuid: &str) -> String {
        format!("cuid/{account}/{cuid}")
    }

    /// A tag by its UID.
    #[must_use]
    pub fn uid(account: &str, uid: Uid) -> String {
        format!("uid/{account}/{uid}")
    }

    /// A tag by its counter id.
    #[must_use]
    pub fn counter(counter: &CounterId) -> String {
        format!("counter/{}", hex::encode(counter.as_bytes()))
    }

    /// The layouts whose path and query have this shape.
    #[must_use]
    pub fn shape(shape: &str) -> String {
        format!("shape/{shape}")
    }

    /// The tags with this UID that no URL names.
    #[must_use]
    pub fn claimed(uid: Uid) -> String {
        format!("claimed/{uid}")
    }

    /// A management key.
    #[must_use]
    pub fn manager(name: &ApiKeyName) -> String {
        format!("manager/{}", hex::encode(name.as_bytes()))
    }

    /// An API key or token.
    #[must_use]
    pub fn api_key(name: &ApiKeyName) -> String {
        format!("key/{}", hex::encode(name.as_bytes()))
    }
}

/// Defines how a type is written as text.
macro_rules! as_text {
    ($module:ident, $type:ty, $from:expr, $to:expr, $wanted:literal) => {
        pub(crate) mod $module {
            use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

            use super::*;

            pub(crate) fn serialize<S: Serializer>(value: &$type, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&$to(value))
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                let text = String::deserialize(deserializer)?;
                // The error does not repeat the text, because the text can be a key.
                $from(&text).ok_or_else(|| D::Error::custom($wanted))
            }
        }
    };
}

as_text!(
    sealed_text,
    SealedKeys,
    |text: &str| hex::decode(text).map(SealedKeys::from_bytes),
    |keys: &SealedKeys| hex::encode(keys.as_bytes()),
    "sealed keys must have 128 hex digits"
);
as_text!(
    public_key_text,
    TagPublicKey,
    |text: &str| TagPublicKey::from_hex(text).ok(),
    TagPublicKey::to_string,
    "`public` must be a point on the curve P-256 with 66 or 130 hex digits"
);
as_text!(
    bytes_text,
    Vec<u8>,
    |text: &str| base16ct::mixed::decode_vec(text).ok(),
    |bytes: &Vec<u8>| hex::encode(bytes),
    "a suffix must have an even number of hex digits"
);
as_text!(
    tag_id_text,
    Option<CounterId>,
    |text: &str| hex::decode(text).map(CounterId::from_bytes).map(Some),
    |id: &Option<CounterId>| id.map(|id| hex::encode(id.as_bytes())).unwrap_or_default(),
    "a counter id must have 32 hex digits"
);

mod uid_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::Uid;

    #[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
    pub(super) fn serialize<S: Serializer>(uid: &Option<Uid>, serializer: S) -> Result<S::Ok, S::Error> {
        match uid {
            Some(uid) => serializer.collect_str(uid),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uid>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| Uid::from_hex(&text).map_err(|_| D::Error::custom("a UID must have 14 hex digits"))).transpose()
    }
}

/// Reads `null` as the default, so that a line of an import can remove a value.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
fn is_false(value: &bool) -> bool {
    !value
}

fn has_passed(end: Option<UnixMillis>) -> bool {
    // Without a clock, nothing that ends is valid.
    end.is_some_and(|end| time::now().is_none_or(|now| now >= end))
}

pub(crate) mod time_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::{UnixMillis, time};

    #[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(at: &Option<UnixMillis>, serializer: S) -> Result<S::Ok, S::Error> {
        match at.map(time::text) {
            Some(text) => serializer.serialize_str(&text),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UnixMillis>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let time =
            time::parse(&text).ok_or_else(|| D::Error::custom("a time must be like 2023-07-09T09:23:53.672Z"))?;
        Ok(Some(time))
    }
}

mod rule_texts {
    use serde::ser::SerializeSeq as _;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::{Comparison, Equality, Rule};

    const WANTED: &str = "a rule must be `authentication`, `scan count < 2` (or > = !=), or `tamper = CC` (or !=)";

    pub(super) fn serialize<S: Serializer>(rules: &[Rule], serializer: S) -> Result<S::Ok, S::Error> {
        let mut texts = serializer.serialize_seq(Some(rules.len()))?;
        for rule in rules {
            texts.serialize_element(&text(*rule))?;
        }
        texts.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Rule>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| rule(text).ok_or_else(|| D::Error::custom(WANTED))).collect()
    }

    fn text(rule: Rule) -> String {
        match rule {
            Rule::TagAuthentication => "authentication".into(),
            Rule::ScanCount(comparison, target) => {
                let sign = match comparison {
                    Comparison::LessThan => "<",
                    Comparison::MoreThan => ">",
                    Comparison::Equal => "=",
                    Comparison::NotEqual => "!=",
                };
                format!("scan count {sign} {target}")
            }
            Rule::Tamper(equality, target) => {
                let sign = match equality {
                    Equality::Equal => "=",
                    Equality::NotEqual => "!=",
                };
                format!("tamper {sign} {}", String::from_utf8_lossy(&target))
            }
        }
    }

    fn rule(text: &str) -> Option<Rule> {
        let words: Vec<_> = text.split_whitespace().collect();
        Some(match *words {
            ["authentication"] => Rule::TagAuthentication,
            ["scan", "count", sign, target] => {
                let comparison = match sign {
                    "<" => Comparison::LessThan,
                    ">" => Comparison::MoreThan,
                    "=" => Comparison::Equal,
                    "!=" => Comparison::NotEqual,
                    _ => return None,
                };
                Rule::ScanCount(comparison, target.parse().ok()?)
            }
            ["tamper", sign, target] => {
                let equality = match sign {
                    "=" => Equality::Equal,
                    "!=" => Equality::NotEqual,
                    _ => return None,
                };
                Rule::Tamper(equality, target.as_bytes().try_into().ok()?)
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_as_they_are_read() {
        let texts = [
            "authentication",
            "scan count < 2",
            "scan count > 4294967295",
            "scan count = 0",
            "scan count != 7",
            "tamper = CC",
            "tamper != CC",
        ];
        let group = serde_json::json!({ "rules": texts, "response": "Pass" });
        let read: RuleGroup = serde_json::from_value(group.clone()).unwrap();
        assert_eq!(read.rules.len(), texts.len());
        assert_eq!(serde_json::to_value(read).unwrap(), group);
        for wrong in ["", "authentication 1", "scan count ~ 2", "scan count < -1", "tamper = C", "tamper < CC"] {
            let group = serde_json::json!({ "rules": [wrong], "response": "Pass" });
            assert!(serde_json::from_value::<RuleGroup>(group).is_err(), "{wrong}");
        }
    }
}
