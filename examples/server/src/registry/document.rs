//! What the registry holds: JSON documents, each under a key that is a text.
//!
//! | key | document |
//! |---|---|
//! | `organisation/1` | [`Organisation`] |
//! | `account/abc123` | the number of the organisation that has this account |
//! | `level/1/Demo/Shoes/May` | [`Level`]: a folder, a tag group or a batch, by the length of its path |
//! | `xuid/q8w3sbcz` or `number/1001` | [`Entry::Tag`] |
//! | `cuid/abc123/SHOE-0042` `uid/abc123/04AABBCC112233` | [`Entry::See`]: another name of a tag |
//! | `counter/` and 32 digits | [`Entry::See`]: whose counter this is |
//! | `shape/` and a shape | the layouts with this path and these parameters, see [`index`](super::index) |
//! | `claimed/04AABBCC112233` | the keys of the tags with this UID that their URL does not name |
//! | `key/` and 32 digits | [`ApiKey`]: whose an API key or token is |

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::value::RawValue;
use suntap::kdf::ecode::SealedKeys;
use suntap::platform::ApiKeyName;
use suntap::platform::State as InUse;
use suntap::platform::rules::{Comparison, Equality, Rule};
use suntap::{CounterId, LayoutError, Scheme, SdmLayout, SdmReadCtr, Uid, UnixMillis};

use crate::hex;

/// Whose tags are whose.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Organisation {
    /// Its number.
    pub id: u64,
    /// What it is called.
    pub name: String,
    /// Its account id, for requests by CUID or UID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether its ixkio clients need a token.
    #[serde(default)]
    pub needs_token: bool,
}

/// A folder, a tag group or a batch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Level {
    /// Whose it is.
    pub organisation: u64,
    /// Its name behind those of the levels around it: `Demo/Shoes/May` is the batch May of the tag group Shoes in the folder Demo.
    pub path: String,
    /// Whether it is in use.
    #[serde(default)]
    pub state: State,
    /// What the tags of a tag group write, unless a tag says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// What answers for the tags of a tag group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RuleSet>,
}

/// An API key or token. Its text is not kept: it stands under its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKey {
    /// Whose it is.
    pub organisation: u64,
    /// What its holder may do.
    pub kind: KeyKind,
    /// What the operator calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// What the holder of a key may do. Every kind verifies taps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum KeyKind {
    /// The header `API-Key` of ETRNL's clients, in a program that anybody can read: it verifies, and nothing else.
    Public,
    /// The header `API-Key` of ETRNL's clients, in a back end.
    Private,
    /// The parameter `r` of ixkio's clients.
    Token,
}

/// The last accepted tap of a tag, from another service.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImportedCounter {
    /// Its counter.
    pub ctr: SdmReadCtr,
    /// When it was accepted: ISO 8601, with its offset from UTC.
    #[serde(default, deserialize_with = "time_text")]
    pub at: Option<UnixMillis>,
    /// How many taps were accepted.
    #[serde(default)]
    pub taps: Option<u32>,
}

/// What stands under a name of a tag.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Entry {
    /// The tag.
    Tag(Box<Tag<StoredKeys>>),
    /// The key under which it is.
    See(String),
}

/// A tag, with its keys as they are stored or as they are imported.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tag<K> {
    /// Whose it is.
    pub organisation: u64,
    /// The path of its batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// Its name in the API of ixkio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xuid: Option<String>,
    /// The customer's own name of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuid: Option<String>,
    /// Its name in the API of ETRNL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The UID of its chip.
    #[serde(default, with = "uid_text", skip_serializing_if = "Option::is_none")]
    pub uid: Option<Uid>,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is in use.
    #[serde(default)]
    pub state: State,
    /// What it writes. A tag without a layout, of its own or of its tag group, proves nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// Its keys, once they are known.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub keys: Option<K>,
    /// Whether its tamper status is to be looked at.
    #[serde(default)]
    pub tamper: bool,
    /// Rules in the place of those of its tag group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<RuleSet>,
    /// The customer's fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended_data: Vec<Field>,
    /// The customer's data, given out as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Box<RawValue>>,
    /// The last accepted tap, where the tag was with another service before. Only a line of an import has one.
    #[serde(default, skip_serializing)]
    pub counter: Option<ImportedCounter>,
}

/// One field of extended data.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value, with subtags.
    pub value: String,
    /// Whether it goes into the answer.
    #[serde(default)]
    pub in_response: bool,
}

/// Keys as they are stored: none can be used without the secrets of the service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StoredKeys {
    /// Where the keys come from.
    pub source: KeySource,
    /// The name of the counter at the time of the import, to show what was last seen and never to tell a replay by; `None` where
    /// only a tap brings what opens the key.
    #[serde(default, with = "tag_id_text", skip_serializing_if = "Option::is_none")]
    pub counter: Option<CounterId>,
}

/// Where the keys of a tag come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum KeySource {
    /// Of any origin, sealed under the server secret.
    #[serde(rename_all = "camelCase")]
    Held {
        /// The keys.
        #[serde(with = "sealed_text")]
        sealed: SealedKeys,
        /// Whether there is an SDMMetaReadKey among them.
        has_meta: bool,
    },
    /// Of any origin, sealed under the server secret and the eCode that comes with each tap.
    Sealed {
        /// The keys.
        #[serde(with = "sealed_text")]
        sealed: SealedKeys,
        /// How many times the tag was personalised before.
        epoch: u32,
    },
    /// Computed when a tap comes.
    Derived(Derivation),
}

/// How the keys of a tag are computed. Names are those of the secrets.
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
        /// What follows the UID in the diversification input, in hexadecimal digits.
        #[serde(default, with = "bytes_text")]
        suffix: Vec<u8>,
        /// How many times the tag was personalised before.
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
    /// From the eCode that comes with each tap, and the server secret.
    ECode {
        /// How many times the tag was personalised before.
        #[serde(default)]
        epoch: u32,
    },
}

/// Whether something is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is.
    #[default]
    Active,
    /// It is not.
    Inactive,
}

impl From<State> for InUse {
    fn from(state: State) -> Self {
        match state {
            State::Active => Self::Active,
            State::Inactive => Self::Inactive,
        }
    }
}

/// A URL template and the mode of the chip.
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
    /// The layout as the library has it.
    ///
    /// # Errors
    /// If no chip can write it.
    pub fn sdm(&self) -> Result<SdmLayout, LayoutError> {
        let mode = match self.mode {
            ModeName::Aes => Scheme::Aes,
            ModeName::Lrp => Scheme::Lrp,
            ModeName::Ntag22x => Scheme::Suncmac,
        };
        SdmLayout::new(mode, &self.template)
    }
}

/// A mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ModeName {
    /// NTAG 424 DNA.
    #[default]
    Aes,
    /// The same chip in LRP mode.
    Lrp,
    /// NTAG 223 and 224 DNA.
    Ntag22x,
}

/// At most three groups and a default.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleSet {
    /// The groups.
    #[serde(default)]
    pub groups: Vec<RuleGroup>,
    /// What answers if none of them does.
    pub default: String,
}

/// Rules that must all match, and the text that answers then.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleGroup {
    /// The rules: `"authentication"`, `"scan count < 2"` (or `>` `=` `!=`), `"tamper != CC"` (or `=`).
    #[serde(with = "rule_texts")]
    pub rules: Vec<Rule>,
    /// The text.
    pub response: String,
}

/// The keys under which documents stand.
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

    /// A tag by the customer's own name of it.
    #[must_use]
    pub fn cuid(account: &str, cuid: &str) -> String {
        format!("cuid/{account}/{cuid}")
    }

    /// A tag by its UID.
    #[must_use]
    pub fn uid(account: &str, uid: Uid) -> String {
        format!("uid/{account}/{uid}")
    }

    /// A tag by the name of its counter.
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

    /// An API key or token.
    #[must_use]
    pub fn api_key(name: &ApiKeyName) -> String {
        format!("key/{}", hex::encode(name.as_bytes()))
    }
}

/// A type as its text.
macro_rules! as_text {
    ($module:ident, $type:ty, $from:expr, $to:expr, $wanted:literal) => {
        pub(super) mod $module {
            use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

            use super::*;

            pub(in crate::registry) fn serialize<S: Serializer>(
                value: &$type,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&$to(value))
            }

            pub(in crate::registry) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<$type, D::Error> {
                let text = String::deserialize(deserializer)?;
                // The text is not repeated: it may be of a key.
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
    "sealed keys are 128 hexadecimal digits"
);
as_text!(
    bytes_text,
    Vec<u8>,
    |text: &str| base16ct::mixed::decode_vec(text).ok(),
    |bytes: &Vec<u8>| hex::encode(bytes),
    "an even number of hexadecimal digits is wanted"
);
as_text!(
    uid_text,
    Option<Uid>,
    |text: &str| Uid::from_hex(text).ok().map(Some),
    |uid: &Option<Uid>| uid.map(|uid| uid.to_string()).unwrap_or_default(),
    "a UID is 14 hexadecimal digits"
);
as_text!(
    tag_id_text,
    Option<CounterId>,
    |text: &str| hex::decode(text).map(CounterId::from_bytes).map(Some),
    |id: &Option<CounterId>| id.map(|id| hex::encode(id.as_bytes())).unwrap_or_default(),
    "the name of a counter is 32 hexadecimal digits"
);

fn time_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UnixMillis>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let time = chrono::DateTime::parse_from_rfc3339(&text).ok();
    let millis = time.and_then(|time| u64::try_from(time.timestamp_millis()).ok());
    let millis = millis.ok_or_else(|| D::Error::custom("a time is like 2023-07-09T09:23:53.672Z"))?;
    Ok(Some(UnixMillis::new(millis)))
}

mod rule_texts {
    use serde::ser::SerializeSeq as _;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::{Comparison, Equality, Rule};

    const WANTED: &str = "a rule is `authentication`, `scan count < 2` (or > = !=), or `tamper = CC` (or !=)";

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
