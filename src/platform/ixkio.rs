//! Answers `GET /v1/t` like the hosted service ixkio. The source of the wire format is ixkio's documentation, "API Mode
//! for Authentication".
//!
//! # The request
//!
//! | parameter | content |
//! |---|---|
//! | `x` | the XUID, which is ixkio's id of the tag |
//! | `a` and `c` | an account and the customer's own name for the tag |
//! | `a` and `u` | an account and the UID, 14 upper-case hexadecimal digits |
//! | `n` | the mirrored counter, `{ctr}` |
//! | `e` | `{mac}` or `{sig}`; for a layout with `{enc}`: `{enc}` directly followed by `{mac}` or `{sig}` |
//! | `r` | the response API token, for tags that need one |
//!
//! A request identifies the tag in exactly one of three ways: by `x`, by `a` and `c`, or by `a` and `u`. In a request
//! with `x`, the parameter `a` is ignored, and `u` is the UID that the tag wrote into the URL. If this UID differs from
//! the UID of the record, the tap does not verify. Each parameter in the table may occur at most once. Unknown
//! parameters are ignored. A tag whose record has no XUID is unknown to this API, also by its customer's name or its UID.
//!
//! If the layout has `{uid}`, `{:xuid}` or `{:cuid}`, the service takes the value of this element from the record. **If
//! the layout has no `{uid}`, use a different key for each tag.** If tags without `{uid}` shared a key, nothing in a
//! tap would show which tag produced the tap.
//!
//! # The answer
//!
//! The word "ours" marks behaviour that we chose because the vendor's documentation does not define it.
//!
//! | case | status | body |
//! |---|---|---|
//! | the rules choose a response | 200 | `xuid`, `cuid` (if known and `x` was not sent), `response`, extended data |
//! | the tag, its batch, its tag group or its folder is inactive | 200 | `xuid`, `error` (see below) |
//! | the tag is unknown | 404 | the identifier from the request, `error`: `tag_not_found` (ours) |
//! | a required token is missing, unknown or of another organisation | 401 | `xuid`, `error`: `token_invalid` (ours) |
//! | the request is invalid | 400 | `xuid` if `x` was sent once, `error`: `invalid_request` (ours) |
//! | the answer would be too long (see below) | 500 | `xuid` or the requested identifier, `error`: `answer_too_long` (ours) |
//! | the registry or the store failed | 503 | `xuid` or the requested identifier, `error`: `unavailable` (ours) |
//!
//! A folder contains tag groups, a tag group contains batches, and a batch contains tags. If several of these levels
//! are inactive, the error names the outermost inactive level. The errors are `folder_inactive` (ours), `tg_inactive`,
//! `batch_inactive` and `tag_inactive` (ours).
//!
//! The answer to a tap that does not verify has the field `response`, not the field `error`. The rules choose the
//! response, usually the default response. The same applies to a replay, to a request with a missing or malformed `n`
//! or `e`, and to every tap of a tag without keys. A tag whose record has no chip cannot be authenticated, and always
//! gets the default response.
//!
//! The body of an answer has at most 65,536 bytes, and at most 1,024 subtags are looked up for it (at most 256 for each
//! text; any further subtags of this text stay as written). If the texts of a record exceed one of these limits, the answer has status 500, and the tap is spent if it was accepted. [`check`]
//! reports such a record as [`Unfit::TooLong`].
//!
//! # Deliberate differences
//!
//! - This API uses the counter `n` only if the MAC in `e` matches. The hosted service accepts any `n`, so any client
//!   can block a tag. For example, after a forged request with the counter 1000, the hosted service refuses all taps of
//!   the tag until the counter of the chip exceeds 1000.
//! - The scan count, which rules and `{scount}` use, is the number of accepted taps of the tag. The hosted service
//!   counts its answers about the tag instead.
//! - Subtags are placeholders in a response, such as `{scount}`. The supported subtags are `xuid`, `cuid`, `uid`,
//!   `scount`, `ccount`, `folder`, `batch`, `taggroup`, `tagname`, `tagcodedr`, and the names of extended data fields.
//!   The other subtags of the hosted service are not replaced, for example those for dates, random numbers and the
//!   phone.
//!
//! In this example, a new tap gets the response of the matching rule group, and a replay gets the default response:
//!
//! ```
//! use suntap::platform::ixkio::Ixkio;
//! use suntap::platform::{Chip, FileKey, Keys, Names, OrganisationId, Record, TagRef, TagRegistry};
//! use suntap::platform::rules::{Rule, RuleGroup, RuleSet, Rules};
//! use suntap::platform::{ApiKeySecret, Service};
//! use suntap::{MemoryCounters, SdmFileReadKey, SdmLayout, sdm_layout};
//!
//! static LAYOUT: SdmLayout = sdm_layout!("https://t.ixkio.com/{:xuid}?n={ctr}&e={mac}");
//! static KEY: SdmFileReadKey = SdmFileReadKey::FACTORY;
//! const PASS: RuleGroup<'_> = RuleGroup { rules: &[Rule::TagAuthentication], response: "Pass" };
//!
//! struct OneTag;
//!
//! impl TagRegistry for OneTag {
//!     type Record = Record<'static>;
//!     type Error = core::convert::Infallible;
//!
//!     fn find(&self, tag: TagRef<'_>) -> Result<Option<Self::Record>, Self::Error> {
//!         let keys = Keys::Loaded { meta: None, file: FileKey::Plain(&KEY) };
//!         Ok((tag == TagRef::Xuid("q8w3sbcz")).then_some(Record {
//!             names: Names { xuid: Some("q8w3sbcz"), ..Names::default() },
//!             chip: Some(Chip { layout: &LAYOUT, keys, tamper: false, counter: None }),
//!             rules: Rules {
//!                 tag_group: RuleSet { groups: [Some(PASS), None, None], default: "Fail" },
//!                 tag_code: None,
//!             },
//!             ..Record::new(OrganisationId::new(1))
//!         }))
//!     }
//! }
//!
//! let (secrets, mut counters) = ([ApiKeySecret::from_bytes([7; 16])], MemoryCounters::<64>::new());
//! let ixkio = Ixkio::new(Service::new(&[]), &secrets);
//! let mut get = |query| ixkio.answer(query, OneTag, &mut counters, None).body;
//! let tap = "x=q8w3sbcz&n=00003D&e=31EA1461EC64B74A";
//! assert_eq!(get(tap), r#"{"xuid":"q8w3sbcz","response":"Pass"}"#);
//! assert_eq!(get(tap), r#"{"xuid":"q8w3sbcz","response":"Fail"}"#);
//! ```

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::answer::{Answer, MAX_LENGTH, Unfit, check_chip, is_known};
use super::api_key::{ApiKeyName, ApiKeySecret};
use super::outcome::{Outcome, Response, fields};
use super::record::{ExtendedData, Keys, Level, OrganisationId, Record, TagRecord, key};
use super::registry::{AsyncTagRegistry, TagRef, TagRegistry, owner};
use super::request::Caller;
use super::rules::{Budget, Filled, Subtag, Subtags};
use super::service::Service;
use super::verdict::{Failure, Refusal, Verdict};
use crate::counter::{AsyncCounterStore, Blocking, CounterStore, run_ready};
use crate::sun::error::Field;
use crate::sun::presented::Presented;
use crate::sun::received::Mirrors;
use crate::value::{Mark, SdmReadCtr, Uid, UnixMillis};

/// The field names that this API itself uses in answers. Extended data fields must not use these names.
const TAKEN: [&str; 4] = ["xuid", "cuid", "response", "error"];

/// The maximum number of subtags that are looked up for all texts of an answer.
const MAX_LOOK_UPS: u32 = 1024;

/// The maximum length of the name of a subtag in bytes. A longer name stays as written.
const MAX_NAME: usize = 256;

/// Answers requests in the wire format of ixkio.
#[derive(Clone, Copy, Debug)]
pub struct Ixkio<'s> {
    service: Service<'s>,
    api_keys: &'s [ApiKeySecret],
}

impl<'s> Ixkio<'s> {
    /// Creates an API that uses this service. `api_keys` are the secrets for [hashing tokens](ApiKeySecret::token_name).
    /// The registry knows only the hash of each token.
    ///
    /// The first element must be the secret that computes the hashes of new tokens. While you replace a secret, pass
    /// the previous one as the second element. A request with an unknown token costs one lookup for each secret, if the
    /// tag needs a token. With an empty slice, every token is unknown.
    #[must_use]
    pub const fn new(service: Service<'s>, api_keys: &'s [ApiKeySecret]) -> Self {
        Self { service, api_keys }
    }

    /// Answers a request. `query` is everything after the `?` of the URL, as the client sent it. `at` is the time to
    /// store with an accepted tap.
    pub fn answer<R: TagRegistry, S: CounterStore + ?Sized>(
        &self,
        query: &str,
        registry: R,
        counters: &mut S,
        at: Option<UnixMillis>,
    ) -> Answer<Failure<R::Error, S::Error>> {
        run_ready(self.answer_async(query, Blocking(registry), &mut Blocking(counters), at))
    }

    /// Like [`answer`](Self::answer), but for an asynchronous registry and store.
    pub async fn answer_async<R: AsyncTagRegistry, S: AsyncCounterStore + ?Sized>(
        &self,
        query: &str,
        registry: R,
        counters: &mut S,
        at: Option<UnixMillis>,
    ) -> Answer<Failure<R::Error, S::Error>> {
        let query = match Query::read(query) {
            Ok(query) => query,
            Err(xuid) => return invalid(xuid.as_deref()),
        };
        let Some(tag) = query.tag() else { return invalid(query.x.as_deref()) };
        let mirrors = query.mirrors();
        let choose = |record: &Record<'_>| match &query.u {
            // In a request with `x`, the parameter `u` is the UID that the tag wrote into the URL. This UID must match
            // the UID of the record. A tag without a chip always gets the default response.
            Some(uid)
                if record.chip.is_some()
                    && !record.uid.is_some_and(|known| uid.as_bytes().eq_ignore_ascii_case(&known.to_ascii())) =>
            {
                Err(Refusal::OtherUid)
            }
            _ => Ok(Presented::Mirrors(&mirrors)),
        };
        let (newest, older) = match self.api_keys {
            [newest, older @ ..] => (Some(newest), older),
            [] => (None, &[][..]),
        };
        let text = query.token.as_deref();
        let token = newest.zip(text).map(|(secret, token)| secret.token_name(token.as_bytes()));
        let asked = Asked::by(tag);
        let answered = |outcome: Outcome<'_, _, _>| {
            let is_owner = !matches!(outcome.verdict, Ok(Verdict::Refused(Refusal::NotTheOwner)));
            Answer { is_key_invalid: text.is_some() && !is_owner, ..asked.answered(outcome) }
        };
        let request = (tag, Caller::Token(token), at);
        let registry = TagsOfIxkio { registry, older, token: text.unwrap_or_default().as_bytes() };
        self.service.verify_chosen(registry, counters, request, choose, answered).await
    }
}

/// A registry without the tags of other APIs. An ETRNL tag may have an account and a UID too, but only clients with an
/// API key may ask about it. The registry also finds a token whose name was computed with an older secret.
struct TagsOfIxkio<'a, R> {
    registry: R,
    older: &'a [ApiKeySecret],
    token: &'a [u8],
}

impl<R: AsyncTagRegistry> AsyncTagRegistry for TagsOfIxkio<'_, R> {
    type Record = R::Record;
    type Error = R::Error;

    async fn find(&self, tag: TagRef<'_>) -> Result<Option<R::Record>, R::Error> {
        let found = self.registry.find(tag).await?;
        Ok(found.filter(|found| found.record().names.xuid.is_some()))
    }

    async fn organisation(&self, key: &ApiKeyName) -> Result<Option<OrganisationId>, R::Error> {
        match self.registry.organisation(key).await? {
            Some(organisation) => Ok(Some(organisation)),
            None => owner(&self.registry, self.older, |secret| secret.token_name(self.token)).await,
        }
    }
}

/// The parameters of a request.
#[derive(Default)]
struct Query<'q> {
    x: Option<Cow<'q, str>>,
    c: Option<Cow<'q, str>>,
    u: Option<Cow<'q, str>>,
    a: Option<Cow<'q, str>>,
    n: Option<Cow<'q, str>>,
    e: Option<Cow<'q, str>>,
    /// The parameter `r`: the response API token.
    token: Option<Cow<'q, str>>,
}

impl<'q> Query<'q> {
    /// Parses the parameters.
    ///
    /// # Errors
    /// Fails if a known parameter occurs twice or is not UTF-8. The error contains the XUID if `x` was sent once and is
    /// UTF-8.
    fn read(query: &'q str) -> Result<Self, Option<Cow<'q, str>>> {
        let mut read = Self::default();
        let (mut is_valid, mut is_xuid_valid) = (true, true);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let parameter = match &*name {
                "x" => &mut read.x,
                "c" => &mut read.c,
                "u" => &mut read.u,
                "a" => &mut read.a,
                "n" => &mut read.n,
                "e" => &mut read.e,
                "r" => &mut read.token,
                _ => continue,
            };
            // The decoder replaces invalid UTF-8 with the replacement character, so different invalid values could
            // become the same text. Therefore a value with this character is rejected.
            if parameter.is_some() || value.contains(char::REPLACEMENT_CHARACTER) {
                is_valid = false;
                is_xuid_valid &= name != "x";
            }
            *parameter = Some(value);
        }
        if is_valid { Ok(read) } else { Err(read.x.filter(|_| is_xuid_valid)) }
    }

    /// Returns the identifier of the tag. Returns `None` if the request does not have exactly one valid identifier.
    fn tag(&self) -> Option<TagRef<'_>> {
        let tag = match [&self.x, &self.a, &self.c, &self.u].map(Option::as_deref) {
            [Some(xuid), _, None, _] => TagRef::Xuid(xuid),
            [None, Some(account), Some(cuid), None] if !account.is_empty() => TagRef::Cuid { account, cuid },
            [None, Some(account), None, Some(digits)] if !account.is_empty() => {
                let uid = Uid::from_hex(digits).ok()?;
                // The vendor requires hexadecimal digits in upper case.
                if digits.bytes().any(|digit| digit.is_ascii_lowercase()) {
                    return None;
                }
                TagRef::Uid { account, uid }
            }
            _ => return None,
        };
        (tag != TagRef::Xuid("") && !matches!(tag, TagRef::Cuid { cuid: "", .. })).then_some(tag)
    }

    fn mirrors(&self) -> Mirrors<'_> {
        Mirrors { ctr: self.n.as_deref(), enc_mac: self.e.as_deref(), ..Mirrors::default() }
    }
}

/// The identifier that the client sent for the tag. If the tag is unknown, the answer contains only this identifier and
/// the error.
struct Asked<'a> {
    /// The name is empty if this API has no such identifier.
    name: &'static str,
    text: Cow<'a, str>,
}

impl<'a> Asked<'a> {
    fn by(tag: TagRef<'a>) -> Self {
        let (name, text) = match tag {
            TagRef::Xuid(xuid) => ("xuid", xuid.into()),
            TagRef::Cuid { cuid, .. } => ("cuid", cuid.into()),
            TagRef::Uid { uid, .. } => ("uid", alloc::format!("{uid}").into()),
            TagRef::Number(_) | TagRef::Captured { .. } | TagRef::ClaimedUid { .. } => ("", "".into()),
        };
        Self { name, text }
    }

    fn refused<E>(&self, status: u16, error: &'static str) -> Answer<E> {
        let identifier = Some((self.name, &*self.text)).filter(|(name, _)| !name.is_empty());
        Answer::json(status, &Refused { identifier, error })
    }

    fn answered<R: TagRecord, E>(&self, outcome: Outcome<'_, R, E>) -> Answer<E> {
        let Answer { status, headers, body, is_key_invalid, .. } = self.write(&outcome);
        Answer { status, headers, body, verdict: Some(outcome.verdict), is_key_invalid }
    }

    fn write<'o, R: TagRecord, E>(&self, outcome: &'o Outcome<'_, R, E>) -> Answer<&'o E> {
        let record = outcome.view;
        let xuid = record.and_then(|record| record.names.xuid);
        // If the record has an XUID, an error answer contains this XUID, even if the client identified the tag by its
        // CUID or UID.
        let by = match xuid {
            Some(xuid) => Asked::by(TagRef::Xuid(xuid)),
            None => Asked { name: self.name, text: Cow::Borrowed(&*self.text) },
        };
        let answer = match (&outcome.verdict, outcome.response()) {
            (Ok(_), Some(response)) => {
                let cuid = record.and_then(|record| record.names.cuid).filter(|_| self.name != "xuid");
                let answer = Answered::new(cuid, &response).and_then(|body| body.answer());
                answer.unwrap_or_else(|| by.refused(500, "answer_too_long"))
            }
            (Ok(Verdict::Refused(Refusal::NotTheOwner)), _) => by.refused(401, "token_invalid"),
            (Ok(Verdict::Refused(Refusal::Inactive(level))), _) => by.refused(
                200,
                match level {
                    Level::Folder => "folder_inactive",
                    Level::TagGroup => "tg_inactive",
                    Level::Batch => "batch_inactive",
                    Level::TagCode => "tag_inactive",
                },
            ),
            (Ok(_), None) => by.refused(404, "tag_not_found"),
            (Err(_), _) => by.refused(503, "unavailable"),
        };
        Answer { verdict: Some(outcome.verdict.as_ref().copied()), ..answer }
    }
}

/// Writes the answer of this API about a decision that a [`Service`] has already made. It checks nothing, and changes no counter.
/// `tag` is the identifier that the answer repeats if the record has no XUID: an XUID, a CUID or a UID. With another identifier, an
/// error answer for such a record names no tag.
///
/// [`Ixkio::answer`] asks the service and then writes this answer. Use this function to write one decision in several formats: asking a
/// second API would refuse the tap as a replay. `is_key_invalid` is always `false`, because there is no token.
pub fn write_answer<'o, R: TagRecord, E>(tag: TagRef<'_>, outcome: &'o Outcome<'_, R, E>) -> Answer<&'o E> {
    Asked::by(tag).write(outcome)
}

fn invalid<E>(xuid: Option<&str>) -> Answer<E> {
    Answer::json(400, &Refused { identifier: xuid.map(|xuid| ("xuid", xuid)), error: "invalid_request" })
}

/// The body of an error answer.
struct Refused<'a> {
    identifier: Option<(&'a str, &'a str)>,
    error: &'a str,
}

impl Serialize for Refused<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some((name, text)) = self.identifier {
            map.serialize_entry(name, text)?;
        }
        map.serialize_entry("error", self.error)?;
        map.end()
    }
}

/// The body of an answer with the response text that the rules chose.
struct Answered<'a> {
    xuid: Option<&'a str>,
    cuid: Option<&'a str>,
    response: String,
    extended_data: Vec<(String, String)>,
}

impl<'a> Answered<'a> {
    /// Creates the body. Returns `None` if its texts exceed the limits of an answer.
    fn new<R: TagRecord>(cuid: Option<&'a str>, response: &Response<'a, R>) -> Option<Self> {
        let texts = Texts::new(response);
        let mut budget = Budget { bytes: MAX_LENGTH, look_ups: MAX_LOOK_UPS };
        let text = Filled::new(response.text, &texts).within(&mut budget)?;
        let mut extended_data = Vec::new();
        for (key, value) in keys(response.extended_data()) {
            budget.bytes = budget.bytes.checked_sub(key.len())?;
            extended_data.push((key, Filled::new(value, &texts).within(&mut budget)?));
        }
        Some(Self { xuid: response.view.names.xuid, cuid, response: text, extended_data })
    }

    /// Creates the answer. Returns `None` if its body would be too long.
    fn answer<E>(&self) -> Option<Answer<E>> {
        // JSON writes one byte of a text as at most six bytes, so even a body that is too long has a limit.
        Some(Answer::json(200, self)).filter(|answer| answer.body.len() <= MAX_LENGTH)
    }
}

impl Serialize for Answered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(xuid) = self.xuid {
            map.serialize_entry("xuid", xuid)?;
        }
        if let Some(cuid) = self.cuid {
            map.serialize_entry("cuid", cuid)?;
        }
        map.serialize_entry("response", &self.response)?;
        for (key, value) in &self.extended_data {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// The values of the subtags of one answer. The extended data fields are sorted by name, so that the time for an answer
/// does not grow with the product of fields and subtags.
struct Texts<'a, R> {
    response: &'a Response<'a, R>,
    fields: OnceCell<BTreeMap<String, &'a str>>,
}

impl<'a, R: TagRecord> Texts<'a, R> {
    fn new(response: &'a Response<'_, R>) -> Self {
        Self { response, fields: OnceCell::new() }
    }

    fn field(&self, name: &str) -> Option<&'a str> {
        let by_name = self.fields.get_or_init(|| {
            let mut by_name = BTreeMap::new();
            for field in fields(self.response.record) {
                // Of several fields with the same name, the first one counts.
                by_name.entry(field.key().collect()).or_insert(field.value);
            }
            by_name
        });
        by_name.get(&key(name).collect::<String>()).copied()
    }
}

impl<R: TagRecord> Subtags for Texts<'_, R> {
    fn subtag(&self, name: &str) -> Option<Subtag<'_>> {
        // The name of a subtag is not part of the answer, so nothing else limits its length.
        if name.len() > MAX_NAME {
            return None;
        }
        self.response.built_in(name).or_else(|| self.field(name).map(Subtag::Nested))
    }
}

/// Iterates over the JSON keys and the values of extended data fields. The JSON key is the name of the field in lower case,
/// with `_` in place of each space. A field is left out if its JSON key is empty or is already used in the answer.
fn keys<'r>(fields: impl Iterator<Item = ExtendedData<'r>>) -> impl Iterator<Item = (String, &'r str)> {
    let mut taken: BTreeSet<String> = TAKEN.map(String::from).into();
    fields.filter_map(move |field| {
        let key: String = field.key().collect();
        (!key.is_empty() && taken.insert(key.clone())).then_some((key, field.value))
    })
}

/// Checks whether this API can answer requests about a tag. Call this function before you add the tag to your registry.
///
/// # Errors
/// Returns [`Unfit`] with the first reason found. [`Unfit::KeysNotLoaded`] means that all other checks passed, but the
/// keys and the UID were not checked.
pub fn check(tag: &impl TagRecord) -> Result<(), Unfit> {
    let record = tag.record();
    if record.names.xuid.is_none() {
        return Err(Unfit::NoXuid);
    }
    record.rules.check().map_err(Unfit::Rules)?;
    let fields = || (0..).map_while(|index| tag.extended_data(index)).filter(|field| field.in_response);
    if keys(fields()).count() < fields().count() {
        return Err(Unfit::Name);
    }
    // Each number of the tap is as long as it can be.
    let mark = Some(Mark { ctr: SdmReadCtr::MAX, at: None, taps: u32::MAX });
    let is_short = |text| {
        let response = Response { record: tag, view: record, mark, text };
        Answered::new(record.names.cuid, &response).and_then(|body| body.answer::<()>()).is_some()
    };
    if !record.rules.responses().all(is_short) {
        return Err(Unfit::TooLong);
    }
    if let Some(chip) = &record.chip {
        if let Some(field) = [Field::PiccData, Field::TtStatus].into_iter().find(|field| chip.layout.has(*field)) {
            return Err(Unfit::NotSent(field));
        }
        if matches!(chip.keys, Keys::Sealed { .. } | Keys::ECode { .. }) {
            return Err(Unfit::NoECode);
        }
        if !chip.layout.names().all(|name| is_known(&record, name)) {
            return Err(Unfit::NotSent(Field::Captured));
        }
    }
    check_chip(&record)
}
