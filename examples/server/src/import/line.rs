//! The lines of an import, and how a line is merged with what is stored.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use suntap::kdf::ecode::SealedKeys;
use suntap::{CounterId, SdmFileReadKey, SdmMetaReadKey, TagPublicKey, UnixMillis};

use super::check::MAX_LINE;
use super::input::Numbered;
use crate::registry::document::{
    ApiKey, Derivation, KeyKind, KeySource, Level, Organisation, StoredKeys, Tag, key, public_key_text, sealed_text,
    tag_id_text, time_text,
};
use crate::secrets::redacted;

/// A complete line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line {
    Organisation(Organisation),
    ApiKey(ImportedKey),
    Token(ImportedToken),
    Folder(Level),
    TagGroup(Level),
    Batch(Level),
    Tag(Box<Tag<Keys>>),
}

/// An API key that ETRNL clients already use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ImportedKey {
    organisation: u64,
    key: String,
    kind: ImportedKind,
    label: Option<String>,
    #[serde(default, with = "time_text")]
    expires: Option<UnixMillis>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ImportedKind {
    Public,
    Private,
}

/// A token that ixkio clients already use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ImportedToken {
    organisation: u64,
    token: String,
    label: Option<String>,
    #[serde(default, with = "time_text")]
    expires: Option<UnixMillis>,
}

impl Line {
    /// Returns the text of an API key or token, and the document to store under its name.
    pub(super) fn api_key(&self) -> Option<(&str, ApiKey)> {
        let (text, organisation, kind, label, expires) = match self {
            Self::ApiKey(ImportedKey { organisation, key, kind, label, expires }) => {
                let kind = match kind {
                    ImportedKind::Public => KeyKind::Public,
                    ImportedKind::Private => KeyKind::Private,
                };
                (key, organisation, kind, label, expires)
            }
            Self::Token(ImportedToken { organisation, token, label, expires }) => {
                (token, organisation, KeyKind::Token, label, expires)
            }
            _ => return None,
        };
        Some((
            text,
            ApiKey { organisation: *organisation, kind, label: label.clone(), secret: None, expires: *expires },
        ))
    }
}

/// The keys of a tag in a line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Keys {
    /// The keys themselves. Import seals them before it stores them.
    #[serde(rename_all = "camelCase")]
    Plain {
        meta: Option<String>,
        file: String,
        /// The eCode in the URL of the tag. The keys can then be unsealed only with this eCode.
        e_code: Option<String>,
        #[serde(default)]
        epoch: u32,
    },
    /// Keys that were sealed when the tag was set up.
    #[serde(rename_all = "camelCase")]
    Sealed {
        sealed: String,
        #[serde(default)]
        epoch: u32,
        /// The counter id, which only an export knows.
        #[serde(default, with = "tag_id_text")]
        counter_id: Option<CounterId>,
    },
    /// Keys that a server sealed under its secret, from an export.
    #[serde(rename_all = "camelCase")]
    Held {
        #[serde(with = "sealed_text")]
        sealed: SealedKeys,
        has_meta: bool,
    },
    /// Keys that the server derives for each tap.
    Derived(Derivation),
    /// The public key of a tag that signs its taps.
    Signing(Signing),
    /// The line does not name the keys, so the stored ones stay.
    #[serde(skip)]
    Kept(Box<StoredKeys>),
    /// The keys themselves, which are sealed already.
    #[serde(skip)]
    Ready(Box<ReadyKeys>),
}

/// The keys of a tag that signs its taps. The public key is given by itself or in a certificate.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signing {
    pub(super) public: Option<ImportedPublic>,
    /// The certificate as the chip returns it, in hex.
    pub(super) certificate: Option<String>,
    /// The SDMMetaReadKey, if the layout has `{picc}`.
    pub(super) meta: Option<ImportedMeta>,
}

/// The public key of a tag that signs its taps.
#[derive(Deserialize)]
pub(super) struct ImportedPublic(#[serde(with = "public_key_text")] pub(super) TagPublicKey);

/// The SDMMetaReadKey of a tag that signs its taps.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ImportedMeta {
    /// The key itself. Import seals it before it stores it.
    Plain(String),
    /// The key, which a server sealed under its secret, from an export.
    Held(#[serde(with = "sealed_text")] SealedKeys),
    /// The key has this name in the secrets.
    Named(String),
}

/// Keys that were sealed when the line was parsed.
pub(super) struct ReadyKeys {
    pub(super) source: KeySource,
    pub(super) plain: PlainKeys,
    /// The counter id if the URL contains the UID.
    pub(super) with_uid: CounterId,
    /// The counter id if the URL does not contain the UID.
    pub(super) without_uid: CounterId,
}

/// The keys of a tag, from its line. They are wiped when they are dropped.
pub(super) struct PlainKeys {
    pub(super) meta: SdmMetaReadKey,
    pub(super) file: SdmFileReadKey,
}

/// The fields of a JSON object: the text of each value by its name.
type Fields<'t> = BTreeMap<String, &'t RawValue>;

/// The object of a line or of a stored tag, which is not parsed further.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Outline<'t> {
    #[serde(borrow)]
    Organisation(&'t RawValue),
    #[serde(borrow)]
    ApiKey(&'t RawValue),
    #[serde(borrow)]
    Token(&'t RawValue),
    #[serde(borrow)]
    Folder(&'t RawValue),
    #[serde(borrow)]
    TagGroup(&'t RawValue),
    #[serde(borrow)]
    Batch(&'t RawValue),
    #[serde(borrow)]
    Tag(&'t RawValue),
}

/// What a line is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Organisation,
    ApiKey,
    Token,
    Level,
    Tag,
}

impl<'t> Outline<'t> {
    fn parts(self) -> (Kind, &'t RawValue) {
        match self {
            Self::Organisation(object) => (Kind::Organisation, object),
            Self::ApiKey(object) => (Kind::ApiKey, object),
            Self::Token(object) => (Kind::Token, object),
            Self::Folder(object) | Self::TagGroup(object) | Self::Batch(object) => (Kind::Level, object),
            Self::Tag(object) => (Kind::Tag, object),
        }
    }
}

/// A line that is not merged with the stored document yet. It may have only some of the fields.
#[derive(Default)]
pub(super) struct Partial {
    line: String,
    /// `None` if the line is not an object of a known kind. Parsing it as a complete line then fails with the reason.
    pub(super) kind: Option<Kind>,
    /// The key of the document that the line changes, if the line names it. That of an API key or token depends on what is stored.
    pub(super) key: Option<String>,
    /// The text of an API key or token.
    pub(super) credential: Option<(KeyKind, String)>,
    pub(super) organisation: Option<u64>,
    pub(super) account: Option<String>,
    /// The line has the field `closing`.
    pub(super) is_closing: bool,
    /// The line names a tag and its state, and nothing else.
    pub(super) has_only_state: bool,
}

/// A line that was parsed before the lines in front of it were added.
pub(super) struct Parsed {
    pub(super) number: usize,
    pub(super) partial: Result<Partial, String>,
    /// The complete line, if no document is stored that it is merged with.
    pub(super) whole: Option<Result<Line, String>>,
}

impl Parsed {
    /// Parses a line. `seal` replaces the keys of a tag by sealed ones, if it can.
    pub(super) fn new((number, line): Numbered, seal: impl Fn(&mut Tag<Keys>)) -> Self {
        let partial = line.and_then(Partial::read);
        let whole = partial.as_ref().ok().map(|partial| {
            let mut whole = partial.merged(None);
            if let Ok(Line::Tag(tag)) = &mut whole {
                seal(tag);
            }
            whole
        });
        Self { number, partial, whole }
    }
}

/// Returns the kind and the fields of the object of a line.
fn outline(line: &str) -> Option<(Kind, &RawValue)> {
    serde_json::from_str::<Outline<'_>>(line).ok().map(Outline::parts)
}

impl Partial {
    /// Reads the outline of a line.
    ///
    /// # Errors
    /// Fails if the line is too long or contains a NUL character.
    pub(super) fn read(line: String) -> Result<Self, String> {
        if line.len() > MAX_LINE {
            return Err(format!("a line must have at most {MAX_LINE} bytes, got {}", line.len()));
        }
        if line.contains("\\u0000") {
            return Err(r"text must not contain the character \u0000".into());
        }
        let object = outline(&line);
        if object.is_some_and(|(_, object)| !object.get().starts_with('{')) {
            return Err("a line must be like {\"tag\":{…}}".into());
        }
        let object = object.and_then(|(kind, object)| Some((kind, serde_json::from_str(object.get()).ok()?)));
        let mut partial = Self::default();
        if let Some((kind, fields)) = object {
            partial.describe(kind, &fields);
        }
        Ok(Self { line, ..partial })
    }

    fn describe(&mut self, kind: Kind, fields: &Fields<'_>) {
        self.kind = Some(kind);
        self.organisation = value(fields, "organisation");
        self.account = value(fields, "account");
        self.is_closing = value::<bool>(fields, "closing").is_some();
        let is_known = |name: &String| matches!(&**name, "organisation" | "xuid" | "number" | "state");
        self.has_only_state = kind == Kind::Tag && fields.contains_key("state") && fields.keys().all(is_known);
        match kind {
            Kind::Organisation => self.key = value(fields, "id").map(key::organisation),
            Kind::ApiKey => self.credential = value(fields, "key").map(|text| (KeyKind::Private, text)),
            Kind::Token => self.credential = value(fields, "token").map(|text| (KeyKind::Token, text)),
            Kind::Level => {
                let path: Option<String> = value(fields, "path");
                self.key = self.organisation.zip(path).map(|(organisation, path)| key::level(organisation, &path));
            }
            Kind::Tag => {
                let xuid: Option<String> = value(fields, "xuid");
                self.key = xuid.map(|xuid| key::xuid(&xuid)).or_else(|| value(fields, "number").map(key::number));
            }
        }
    }

    /// Returns the complete line: each field that the line does not have is taken from the stored document.
    ///
    /// # Errors
    /// Fails if the result is not a valid line. The error names the column of the line.
    pub(super) fn merged(&self, stored: Option<&str>) -> Result<Line, String> {
        let object = stored.filter(|_| self.kind.is_some()).zip(outline(&self.line));
        let Some((stored, (kind, object))) = object else {
            let hint = |error: String| {
                let is_missing = error.starts_with("missing field");
                let hint = if is_missing {
                    " (the object is not stored yet, so its line needs all required fields)"
                } else {
                    ""
                };
                error + hint
            };
            return parse(&self.line, &self.line).map_err(hint);
        };
        let unreadable = || String::from("the stored document cannot be read");
        let fields: Fields<'_> = serde_json::from_str(object.get()).unwrap_or_default();
        let stored: Fields<'_> = match kind {
            Kind::Tag => match serde_json::from_str(stored).map_err(|_| unreadable())? {
                Outline::Tag(tag) => serde_json::from_str(tag.get()).map_err(|_| unreadable())?,
                _ => return Err(unreadable()),
            },
            _ => serde_json::from_str(stored).map_err(|_| unreadable())?,
        };
        // The stored fields are appended, so that the columns in errors are those of the line.
        let head = self.line.trim_end().strip_suffix('}').and_then(|head| head.trim_end().strip_suffix('}'));
        let mut text = String::from(head.unwrap_or(&self.line));
        let is_kept = |name: &str| match kind {
            Kind::Tag => name != "keys",
            Kind::ApiKey => name != "secret",
            Kind::Token => !matches!(name, "kind" | "secret"),
            _ => true,
        };
        let mut comma = if fields.is_empty() { "" } else { "," };
        for (name, value) in stored.iter().filter(|(name, _)| !fields.contains_key(*name) && is_kept(name)) {
            text.extend([comma, "\"", name, "\":", value.get()]);
            comma = ",";
        }
        text.push_str("}}");
        let mut line = parse(&text, &self.line)?;
        if let (Line::Tag(tag), false, Some(keys)) = (&mut line, fields.contains_key("keys"), stored.get("keys")) {
            let keys = serde_json::from_str(keys.get()).map_err(|_| unreadable())?;
            tag.keys = Some(Keys::Kept(Box::new(keys)));
        }
        Ok(line)
    }
}

/// Returns the value of a field, if there is one and it has this type.
fn value<'t, T: Deserialize<'t>>(fields: &Fields<'t>, name: &str) -> Option<T> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}

/// Parses a complete line. `line` is the line that was imported, without the stored fields.
fn parse(text: &str, line: &str) -> Result<Line, String> {
    serde_json::from_str(text).map_err(|error| {
        let text = error.to_string();
        // The parser counts lines too, and this is always its first one.
        let text = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
        // An API key may be too short for `redacted` to recognise it.
        let has_credential = line.contains("\"apiKey\"") || line.contains("\"token\"");
        let text = if has_credential { redacted(&unquoted(text)) } else { redacted(text) };
        format!("{text}, column {}", error.column().min(line.len()))
    })
}

/// Returns an error message of `serde` without the value from the line. The names of the expected values stay.
pub(super) fn unquoted(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected") else { return message.into() };
    let found = found.split_once(['"', '`']).map_or_else(|| found.into(), |(found, _)| format!("{found}…"));
    format!("{found}, expected{expected}")
}
