//! The JSON of the admin API. Commands read the same types.

use serde::{Deserialize, Serialize};
use suntap::Mark;
use utoipa::{IntoParams, ToSchema};

use crate::admin::{Counter as AdminCounter, LevelKind, Listed, TagDetails};
use crate::import::{Report, Roots};
use crate::ops::history;
use crate::registry::document::{self as stored, Derivation, KeySource, StoredKeys};
use crate::registry::redirect::Redirect as StoredRedirect;
use crate::{check, hex, reseal, time};

/// Part of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The objects. A page can be empty without being the last.
    pub items: Vec<T>,
    /// The `cursor` for the next page. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    pub(super) fn new<S>(listed: Listed<S>, item: impl Fn(String, S) -> T) -> Self {
        Self { items: listed.items.into_iter().map(|(key, one)| item(key, one)).collect(), next: listed.next }
    }
}

/// Which part of a list is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// The `next` of the previous page.
    pub(super) cursor: Option<String>,
    /// The maximum number of objects, 1 to 1000.
    #[serde(default = "most")]
    pub(super) limit: usize,
}

fn most() -> usize {
    100
}

/// Which tags are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TagQuery {
    /// The start of a key, such as `xuid/q8` or `number/10`. Without a slash, the start of an XUID.
    #[serde(default)]
    pub(super) prefix: String,
    /// The `next` of the previous page.
    pub(super) cursor: Option<String>,
    /// The maximum number of tags, 1 to 1000.
    #[serde(default = "most")]
    pub(super) limit: usize,
}

/// Which tags are exported.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportQuery {
    /// As for a list of tags.
    #[serde(default)]
    pub(super) prefix: String,
}

/// Which lines of the history are written.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryQuery {
    /// Only lines from this time on, such as `2026-11-26T09:30:00Z`, or `2026-11-26` for midnight UTC.
    pub(super) since: Option<String>,
    /// Only lines before this time.
    pub(super) until: Option<String>,
    /// Only lines about the tag, or the subject, with this document key, such as `xuid/q8w3sbcz`.
    pub(super) tag: Option<String>,
    /// Only lines of this kind.
    #[param(inline)]
    pub(super) event: Option<Event>,
}

/// A kind of line in the history.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Event {
    /// An accepted tap, or a replay.
    Tap,
    /// An accepted tap of a tag whose seal was opened.
    Seal,
    /// A signal of an accepted tap.
    Signal,
    /// A count of refusals in a minute.
    Refused,
    /// What an administrator did.
    Admin,
}

impl From<Event> for history::Event {
    fn from(event: Event) -> Self {
        match event {
            Event::Tap => Self::Tap,
            Event::Seal => Self::Seal,
            Event::Signal => Self::Signal,
            Event::Refused => Self::Refused,
            Event::Admin => Self::Admin,
        }
    }
}

/// The result of sealing keys again.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resealed {
    /// The number of tags and layouts that were examined.
    pub examined: usize,
    /// The number of them whose keys were sealed under the first server secret.
    pub resealed: usize,
    /// The number of tags whose keys are derived from an eCode. They may need an older secret.
    pub derived: usize,
    /// The number of tags whose keys no listed secret opens.
    pub unopened: usize,
    /// The keys of the documents of the first ten of these tags.
    pub first_unopened: Vec<String>,
    /// `true` if the store depends on no other server secret than the first.
    pub is_complete: bool,
}

impl From<reseal::Report> for Resealed {
    fn from(report: reseal::Report) -> Self {
        let reseal::Report { examined, resealed, derived, unopened, first_unopened, is_complete } = report;
        Self { examined, resealed, derived, unopened, first_unopened, is_complete }
    }
}

/// Which levels are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LevelQuery {
    /// The number of an organisation.
    pub(super) organisation: Option<u64>,
    /// The start of a path.
    #[serde(default)]
    pub(super) prefix: String,
    /// The kind of level.
    pub(super) kind: Option<Kind>,
    /// The `next` of the previous page.
    pub(super) cursor: Option<String>,
    /// The maximum number of levels that are read, 1 to 1000.
    #[serde(default = "most")]
    pub(super) limit: usize,
}

/// What an import does only on request. See the flags of the command `import`.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[allow(clippy::struct_excessive_bools, reason = "each of them is a flag of the command")]
pub(super) struct ImportQuery {
    /// Accept API keys and tokens of fewer than 12 characters.
    #[serde(default)]
    pub(super) allow_short_keys: bool,
    /// Accept authentication tags without rules.
    #[serde(default)]
    pub(super) allow_no_rules: bool,
    /// Accept the factory key.
    #[serde(default)]
    pub(super) allow_factory_keys: bool,
    /// Read each line as the whole object.
    #[serde(default)]
    pub(super) replace: bool,
    /// Maximum number of layouts and meta-read keys with the same path and parameters.
    pub(super) max_meta_keys: Option<usize>,
    /// The root keys to trust in place of NXP's, with commas between them.
    #[param(value_type = Option<String>)]
    pub(super) certificate_roots: Option<Roots>,
}

/// In use, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// In use.
    Active,
    /// All taps are refused.
    Inactive,
}

impl From<stored::State> for State {
    fn from(state: stored::State) -> Self {
        match state {
            stored::State::Active => Self::Active,
            stored::State::Inactive => Self::Inactive,
        }
    }
}

/// The kind of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// `Folder`
    Folder,
    /// `Folder/TagGroup`
    TagGroup,
    /// `Folder/TagGroup/Batch`
    Batch,
}

impl From<LevelKind> for Kind {
    fn from(kind: LevelKind) -> Self {
        match kind {
            LevelKind::Folder => Self::Folder,
            LevelKind::TagGroup => Self::TagGroup,
            LevelKind::Batch => Self::Batch,
        }
    }
}

impl From<Kind> for LevelKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Folder => Self::Folder,
            Kind::TagGroup => Self::TagGroup,
            Kind::Batch => Self::Batch,
        }
    }
}

/// A URL template, and the mode of the chip.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    /// `aes`, `lrp`, `suncmac` or `ecdsa`.
    pub mode: String,
    /// The template.
    pub template: String,
}

impl From<stored::Layout> for Layout {
    fn from(layout: stored::Layout) -> Self {
        Self { mode: layout.mode.scheme().name().into(), template: layout.template }
    }
}

/// A tag. Its keys are never shown.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// `xuid/…` or `number/…`, under which the tag is found in this API.
    pub tag: String,
    /// The number of its organisation.
    pub organisation: u64,
    /// The path of its batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// The customer's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cuid: Option<String>,
    /// The UID of its chip: 14 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its own state. A level around it can be inactive too.
    pub state: State,
    /// Where its keys come from: `held`, `sealed`, `an10922`, `boltcard`, `sdmBackend`, `eCode` or `signing`. Absent if they are not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
}

impl Tag {
    pub(super) fn new(key: String, tag: stored::Tag<StoredKeys>) -> Self {
        Self {
            tag: key,
            organisation: tag.organisation,
            batch: tag.batch,
            cuid: tag.cuid,
            uid: tag.uid.map(|uid| uid.to_string()),
            name: tag.name,
            state: tag.state.into(),
            keys: tag.keys.map(|keys| source(&keys.source).into()),
        }
    }
}

fn source(source: &KeySource) -> &'static str {
    match source {
        KeySource::Held { .. } => "held",
        KeySource::Sealed { .. } => "sealed",
        KeySource::Derived(Derivation::An10922 { .. }) => "an10922",
        KeySource::Derived(Derivation::Boltcard { .. }) => "boltcard",
        KeySource::Derived(Derivation::SdmBackend { .. }) => "sdmBackend",
        KeySource::Derived(Derivation::ECode { .. }) => "eCode",
        KeySource::Signing { .. } => "signing",
    }
}

/// A tag with its layout, its counter and its effective state.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagInfo {
    /// The tag.
    #[serde(flatten)]
    pub tag: Tag,
    /// Its layout, its own or that of its tag group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// `true` if the tamper status is part of the verdict.
    pub tamper: bool,
    /// `true` if the tag has rules of its own.
    pub own_rules: bool,
    /// Where its page sends a visitor after a fresh tap, its own or that of its tag group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// `true` if its page shows a verdict only after a second fresh tap.
    pub two_taps: bool,
    /// `inactive` if the tag or a level around it is.
    pub effective_state: State,
    /// The outermost level that is inactive: `organisation`, `folder`, `tagGroup`, `batch` or `tag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactive_level: Option<String>,
    /// Its counter. Absent if the counter id is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<Counter>,
}

impl From<TagDetails> for TagInfo {
    fn from(details: TagDetails) -> Self {
        let TagDetails { key, tag, layout, redirect, two_taps, inactive, mark } = details;
        let id = tag.keys.as_ref().and_then(|keys| keys.counter);
        Self {
            layout: layout.map(Layout::from),
            tamper: tag.tamper,
            own_rules: tag.rules.is_some(),
            redirect: redirect.map(Redirect::from),
            two_taps,
            effective_state: if inactive.is_some() { State::Inactive } else { State::Active },
            inactive_level: inactive.map(String::from),
            counter: id.map(|id| AdminCounter { id, mark }.into()),
            tag: Tag::new(key, *tag),
        }
    }
}

/// The counter of a tag.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counter {
    /// The counter id: 32 hex digits.
    pub counter_id: String,
    /// The last accepted counter. Taps with this counter or a lower one are refused. Absent if no tap was accepted yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ctr: Option<u32>,
    /// When the last tap was accepted, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The number of accepted taps.
    pub taps: u32,
}

impl From<AdminCounter> for Counter {
    fn from(AdminCounter { id, mark }: AdminCounter) -> Self {
        let at = mark.and_then(|mark: Mark| mark.at).map(time::text);
        Self {
            counter_id: hex::encode(id.as_bytes()),
            ctr: mark.map(|mark| mark.ctr.get()),
            at,
            taps: mark.map_or(0, |mark| mark.taps),
        }
    }
}

/// How far a counter is raised.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Raise {
    /// The counter up to which taps are refused, 1 to 16777215.
    pub ctr: u32,
}

/// The result of raising a counter.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Raised {
    /// The counter after that.
    #[serde(flatten)]
    pub counter: Counter,
    /// `false` if the stored counter was at least as high already.
    pub changed: bool,
    /// What is refused from now on, for people.
    pub message: String,
}

/// An API key or token. Its text is not known.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The id by which it is revoked: 32 hex digits of a keyed hash.
    pub id: String,
    /// The number of its organisation.
    pub organisation: u64,
    /// Its kind.
    pub kind: KeyKind,
    /// A name for the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// `true` if it has ended.
    pub expired: bool,
}

impl Key {
    pub(super) fn new(key: &str, stored: stored::ApiKey) -> Self {
        let expired = stored.has_expired();
        let stored::ApiKey { organisation, kind, label, expires, secret: _ } = stored;
        Self { id: id(key), organisation, kind: kind.into(), label, expires: expires.map(time::text), expired }
    }
}

/// The kind of an API key or token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum KeyKind {
    /// For ETRNL clients whose program anybody can read.
    Public,
    /// For ETRNL clients that are servers.
    Private,
    /// For ixkio clients.
    Token,
}

impl From<stored::KeyKind> for KeyKind {
    fn from(kind: stored::KeyKind) -> Self {
        match kind {
            stored::KeyKind::Public => Self::Public,
            stored::KeyKind::Private => Self::Private,
            stored::KeyKind::Token => Self::Token,
        }
    }
}

impl From<KeyKind> for stored::KeyKind {
    fn from(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Public => Self::Public,
            KeyKind::Private => Self::Private,
            KeyKind::Token => Self::Token,
        }
    }
}

/// An API key or token that is to be created.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKey {
    /// The number of its organisation.
    pub organisation: u64,
    /// Its kind.
    pub kind: KeyKind,
    /// A name for the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// When it ends, such as `2027-01-01T00:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// A new key. It cannot be shown again.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedKey {
    /// The key.
    pub key: String,
    /// The id by which it is revoked.
    pub id: String,
}

impl CreatedKey {
    pub(super) fn new(created: crate::keys::Created) -> Self {
        Self { id: id(&created.key), key: created.text }
    }
}

impl std::fmt::Debug for CreatedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The end of a key.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expiry {
    /// When it ends, such as `2027-01-01T00:00:00Z`. `null`: never.
    pub expires: Option<String>,
}

/// What a management key authorises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Reading.
    ReadOnly,
    /// Everything.
    ReadWrite,
    /// Only the vendor's call, for the tags of one organisation.
    Patch,
}

impl From<stored::Role> for Role {
    fn from(role: stored::Role) -> Self {
        match role {
            stored::Role::ReadOnly => Self::ReadOnly,
            stored::Role::ReadWrite => Self::ReadWrite,
            stored::Role::Patch => Self::Patch,
        }
    }
}

impl From<Role> for stored::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::ReadOnly => Self::ReadOnly,
            Role::ReadWrite => Self::ReadWrite,
            Role::Patch => Self::Patch,
        }
    }
}

/// A management key. Its text is not known.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Manager {
    /// The id by which it is revoked: 32 hex digits of a keyed hash.
    pub id: String,
    /// A name for the operator.
    pub label: String,
    /// What it authorises.
    pub role: Role,
    /// The organisation of a key for the vendor's call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<u64>,
    /// When it was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// `true` if it has ended.
    pub expired: bool,
}

impl Manager {
    pub(super) fn new(key: &str, stored: stored::Manager) -> Self {
        let has_ended = stored.has_expired();
        let [expires, created] = [stored.expires.map(time::text), stored.created.map(time::text)];
        let stored::Manager { label, role, organisation, .. } = stored;
        Self { id: id(key), label, role: role.into(), organisation, created, expires, expired: has_ended }
    }
}

/// A management key that is to be created.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewManager {
    /// A name for the operator, which the history shows.
    pub label: String,
    /// What it authorises.
    pub role: Role,
    /// The organisation of a key for the vendor's call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<u64>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// An organisation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Organisation {
    /// Its number.
    pub organisation: u64,
    /// Its name.
    pub name: String,
    /// Its account id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// `true` if ixkio clients need a token.
    pub needs_token: bool,
    /// Its state.
    pub state: State,
    /// `true` if deleting it was interrupted: import adds nothing to it.
    pub closing: bool,
}

impl From<stored::Organisation> for Organisation {
    fn from(stored: stored::Organisation) -> Self {
        let stored::Organisation { id, name, account, needs_token, state, closing } = stored;
        Self { organisation: id, name, account, needs_token, state: state.into(), closing }
    }
}

/// Where a page sends a visitor after a fresh tap.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redirect {
    /// The URL, with `{token}` or `{jwt}`.
    pub url: String,
    /// The audience of its tokens, if it is not the origin of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

impl From<StoredRedirect> for Redirect {
    fn from(StoredRedirect { url, audience }: StoredRedirect) -> Self {
        Self { url, audience }
    }
}

/// A folder, tag group or batch.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Level {
    /// The number of its organisation.
    pub organisation: u64,
    /// Its path, such as `Folder/TagGroup/Batch`.
    pub path: String,
    /// Its kind.
    pub kind: Kind,
    /// Its own state. A level around it can be inactive too.
    pub state: State,
    /// The layout of the tags of a tag group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// `true` if it is a tag group with rules.
    pub has_rules: bool,
    /// Where the page of the tags of a tag group sends a visitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// `true` if the page of the tags of a tag group shows a verdict only after a second fresh tap.
    pub two_taps: bool,
    /// `true` if deleting it was interrupted: import adds nothing to it.
    pub closing: bool,
}

impl From<stored::Level> for Level {
    fn from(stored: stored::Level) -> Self {
        let stored::Level { organisation, path, state, layout, rules, redirect, two_taps, closing } = stored;
        Self {
            organisation,
            kind: LevelKind::from_path(&path).into(),
            path,
            state: state.into(),
            layout: layout.map(Layout::from),
            has_rules: rules.is_some(),
            redirect: redirect.map(Redirect::from),
            two_taps,
            closing,
        }
    }
}

/// The result of an import.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    /// The number of lines with a tag.
    pub tags: usize,
    /// The number of other lines.
    pub others: usize,
    /// The number of tags that have no keys or no layout yet: each of their taps is refused.
    pub waiting: usize,
    /// The keys of the first ten of these tags.
    pub first_waiting: Vec<String>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

impl From<Report> for Imported {
    fn from(Report { tags, others, waiting, first_waiting, warnings }: Report) -> Self {
        Self { tags, others, waiting, first_waiting, warnings }
    }
}

/// A tag that cannot be verified, or a tag group without rules.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The key of its document.
    pub key: String,
    /// What is wrong.
    pub reason: String,
}

impl From<check::Finding> for Finding {
    fn from(check::Finding { key, reason }: check::Finding) -> Self {
        Self { key, reason }
    }
}

/// The result of a check.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// The findings.
    pub findings: Vec<Finding>,
}

/// A line of an import that is invalid.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvalidLine {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a request fails.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// A name for programs.
    pub error: String,
    /// What is wrong, for people.
    pub message: String,
    /// The first invalid lines of an import.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<InvalidLine>>,
}

/// What the vendor's call changes. Of these names, only `ix_dr` is the vendor's. Each can also be a header of this name.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VendorBody {
    /// The default response of the tag. An empty text removes the tag's own rules, so that those of the tag group apply.
    pub(super) ix_dr: Option<String>,
    /// `Active` or `Inactive`. The vendor has these states; the name of the field is ours.
    pub(super) ix_status: Option<String>,
}

/// The answer to the vendor's call. It is ours: the vendor documents none.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VendorAnswer {
    /// The XUID of the tag.
    pub(super) xuid: String,
}

/// Returns the id in the key of the document of a key.
fn id(key: &str) -> String {
    key.rsplit('/').next().unwrap_or_default().to_lowercase()
}
