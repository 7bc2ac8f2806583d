//! Answers `POST /v1/tags/verify-authenticity` like the hosted service ETRNL. The source of the wire format is ETRNL's
//! documentation, "Verify Authenticity".
//!
//! # The request
//!
//! A request has the header `API-Key` and a JSON object:
//!
//! | field | content |
//! |---|---|
//! | `tagId` | the number of the tag, as a JSON number or as text |
//! | `enc` | `{picc}` |
//! | `cmac` | `{mac}` or `{sig}`, for a tag without a tamper status |
//! | `tt` | `{enc}` directly followed by `{mac}`, for a tag with a tamper status |
//! | `eCode` | the text of `{:eCode}`, a code that is needed to [unseal or derive](crate::kdf::ecode) the keys |
//!
//! If the layout of the tag has `{enc}`, the API uses the field `tt`. Otherwise, the API uses `cmac`. The API ignores
//! the field that it does not use, even if the value of this field is not text. The API also ignores unknown fields.
//!
//! The number of a tag is a whole number. If `tagId` is negative, has a fraction, is too large, or is text that is not
//! a number, the answer contains the error `doesNotExist`. The values `123.0` and `" 123 "` mean 123.
//!
//! The layout of a tag with a tamper status must contain `[[`, `{enc}` and `{mac}` in this order, without text between
//! them. `[[` marks the start of the MAC input.
//!
//! # The answer
//!
//! Every answer has all eleven fields, in this order: `success` `err` `exists` `authentic` `ctr` `uid` `ttCurrStatus`
//! `ttPermStatus` `lastAuthenticTimestamp` `lastAuthenticCtr` `metadata`. Where the vendor's documentation does not
//! define a behaviour, we chose one. For example, we chose the error `unavailable`. The checks run in the order of the
//! table rows. If the keys are derived from the eCode, a wrong eCode is reported after malformed mirrors:
//!
//! | outcome | status | success, authentic | `err` | exists | other fields |
//! |---|---|---|---|---|---|
//! | the API key is missing or unknown | 401 | false | `unauthorized` | false | null |
//! | the body is invalid | 200 | false | `invalidData` | false | null |
//! | the tag is unknown | 200 | false | `doesNotExist` | false | null |
//! | the tag belongs to another organisation | 200 | false | `unauthorized` | true | null |
//! | the tag is inactive, not fully programmed, or without keys | 200 | false | `inactive` | true | null |
//! | the keys need an eCode, but the eCode is wrong | 200 | false | `cmacMismatch` | true | null |
//! | a mirror is missing or malformed | 200 | false | `invalidData` | true | null |
//! | the UID in `enc` is missing or is not the UID of the tag | 200 | false | `uidMismatch` | true | null |
//! | the MAC does not match | 200 | false | `cmacMismatch` | true | null |
//! | the tap is genuine but has no counter (wrong setup for this API) | 200 | false | `inactive` | true | null |
//! | replay: the counter is not greater than the stored one | 200 | false | `ctrBehind` | true | as below |
//! | the tap is genuine and new | 200 | true | null | true | as below |
//! | the registry or the store failed | 503 | false | `unavailable` | false or true | null |
//!
//! In the answer to a replay or to a new tap, the other fields have these values. `ctr`, `uid`, `ttCurrStatus` and
//! `ttPermStatus` are the values of this tap. `lastAuthenticCtr` and `lastAuthenticTimestamp` are the counter and the
//! time of the tap that was last accepted before this request. Both fields are null if no tap was accepted before this
//! request. `metadata` is the customer's data about the tag.
//!
//! `ctr` is a decimal number. `uid` is 14 upper-case hexadecimal digits. `ttCurrStatus` and `ttPermStatus` are `"C"`,
//! `"O"`, `"I"`, or any other character that the tag wrote as its status. `ttCurrStatus` and `ttPermStatus` are null if
//! the tag has no tamper status. `lastAuthenticTimestamp` is ISO 8601 in UTC with milliseconds.
//! `lastAuthenticTimestamp` is also null if no time was stored with the last accepted tap. `metadata` is returned
//! unchanged, but without the white space around it. Metadata that is not JSON, or is longer than 64 KiB, is left out: the
//! field is null.
//!
//! **The API reports a tag as authentic even if its tamper seal was opened.** To find out whether the seal was opened,
//! check `ttPermStatus` and `ttCurrStatus`.
//!
//! `uidMismatch` and `cmacMismatch` are separate errors because the vendor's API has both. A client without a valid API
//! key never receives `uidMismatch` or `cmacMismatch`.

use alloc::string::{String, ToString as _};

use chrono::{DateTime, Datelike as _, SecondsFormat};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{Answer, MAX_LENGTH, Unfit, check_chip, is_known};
use super::api_key::ApiKeySecret;
use super::outcome::Outcome;
use super::record::{Keys, Record, TagRecord};
use super::registry::{AsyncTagRegistry, TagRef, TagRegistry, owner};
use super::request::Caller;
use super::service::Service;
use super::verdict::{Accepted, Failure, Refusal, TapValues, Verdict};
use crate::counter::{AsyncCounterStore, Blocking, CounterStore, run_ready};
use crate::sun::error::Field;
use crate::sun::presented::Presented;
use crate::sun::received::Mirrors;
use crate::value::{Mark, UnixMillis};

/// Answers requests in the wire format of ETRNL.
#[derive(Clone, Copy, Debug)]
pub struct Etrnl<'s> {
    service: Service<'s>,
    api_keys: &'s [ApiKeySecret],
}

impl<'s> Etrnl<'s> {
    /// Creates an API that uses this service. If the keys of any tag are sealed (encrypted), or derived from an eCode
    /// (a code in the URL of the tag), pass the server secrets to [`Service::new`]. `api_keys` are the secrets for
    /// [hashing API keys](ApiKeySecret::key_name). The registry knows only the hash of each API key.
    ///
    /// The first element must be the secret that computes the hashes of new API keys. While you replace a secret, pass
    /// the previous one as the second element. A request with an unknown API key costs one lookup for each secret. With
    /// an empty slice, every API key is unknown.
    #[must_use]
    pub const fn new(service: Service<'s>, api_keys: &'s [ApiKeySecret]) -> Self {
        Self { service, api_keys }
    }

    /// Answers a request. `api_key` is the value of the header `API-Key`, or `None` if the request has no such header.
    /// `body` is the JSON text of the request. `at` is the time to store with an accepted tap.
    pub fn answer<R: TagRegistry, S: CounterStore + ?Sized>(
        &self,
        api_key: Option<&[u8]>,
        body: &[u8],
        registry: R,
        counters: &mut S,
        at: Option<UnixMillis>,
    ) -> Answer<Failure<R::Error, S::Error>> {
        run_ready(self.answer_async(api_key, body, Blocking(registry), &mut Blocking(counters), at))
    }

    /// Like [`answer`](Self::answer), but for an asynchronous registry and store.
    pub async fn answer_async<R: AsyncTagRegistry, S: AsyncCounterStore + ?Sized>(
        &self,
        api_key: Option<&[u8]>,
        body: &[u8],
        registry: R,
        counters: &mut S,
        at: Option<UnixMillis>,
    ) -> Answer<Failure<R::Error, S::Error>> {
        let Some(key) = api_key else { return unauthorized() };
        let organisation = match owner(&registry, self.api_keys, |secret| secret.key_name(key)).await {
            Ok(Some(organisation)) => organisation,
            Ok(None) => return Answer { is_key_invalid: true, ..unauthorized() },
            Err(error) => return unavailable(Failure::Registry(error)),
        };
        let Some(body) = Body::read(body) else { return invalid() };
        let Some(number) = body.tag_id.number else {
            return answered::<R::Record, _>(Outcome::without_record(Ok(Verdict::Refused(Refusal::UnknownTag))));
        };
        let captured = body.captured();
        let (cmac, tt) = (body.mirrors(&body.cmac, &captured), body.mirrors(&body.tt, &captured));
        // If the layout in the record has `{enc}`, the API uses `tt`. Otherwise, the API uses `cmac`.
        let choose = |record: &Record<'_>| {
            let is_tamper = record.chip.as_ref().is_some_and(|chip| chip.layout.has(Field::EncFileData));
            Ok(Presented::Mirrors(if is_tamper { &tt } else { &cmac }))
        };
        let asked = (TagRef::Number(number), Caller::Member(organisation), at);
        self.service.verify_chosen(registry, counters, asked, choose, answered).await
    }
}

/// The JSON fields of a request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'b> {
    #[serde(borrow)]
    tag_id: &'b RawValue,
    enc: String,
    #[serde(borrow)]
    cmac: Option<&'b RawValue>,
    #[serde(borrow)]
    tt: Option<&'b RawValue>,
    e_code: String,
}

/// The body of a request.
struct Body {
    tag_id: TagId,
    enc: String,
    /// The MAC. Empty if the JSON field is missing or is not a string.
    cmac: String,
    /// The file data and the MAC. Empty if the JSON field is missing or is not a string.
    tt: String,
    e_code: String,
}

impl Body {
    /// Parses a body. Returns `None` if the body is not a JSON object with the required fields.
    fn read(body: &[u8]) -> Option<Self> {
        // The body must be a JSON object. `serde_json` would also accept an array with the values of the fields.
        let object = body.trim_ascii_start().starts_with(b"{");
        let Fields { tag_id, enc, cmac, tt, e_code } = object.then(|| serde_json::from_slice(body).ok()).flatten()?;
        Some(Self { tag_id: TagId::read(tag_id.get())?, enc, cmac: text(cmac), tt: text(tt), e_code })
    }

    fn captured(&self) -> [(&'static str, &str); 2] {
        [("tagId", &self.tag_id.text), ("eCode", &self.e_code)]
    }

    /// Returns the values of the tap. `enc_mac` is the text of `cmac` or `tt`.
    fn mirrors<'a>(&'a self, enc_mac: &'a str, captured: &'a [(&'a str, &'a str)]) -> Mirrors<'a> {
        Mirrors { picc_data: Some(&self.enc), enc_mac: Some(enc_mac), captured, ..Mirrors::default() }
    }
}

/// Returns the text of a field. Returns an empty text if the field is missing or is not text.
fn text(field: Option<&RawValue>) -> String {
    field.and_then(|value| serde_json::from_str(value.get()).ok()).unwrap_or_default()
}

/// The field `tagId`, sent as a number or as text. Some clients copy the text from the URL of the tag.
struct TagId {
    /// `None` if the value of the field cannot be the number of a tag.
    number: Option<u64>,
    /// The value of the field as text, without white space around it. The text is kept because the URL can contain the
    /// number (`{:tagId}`), and the MAC can cover this part of the URL.
    text: String,
}

impl TagId {
    /// Reads the JSON value of the field. Returns `None` if the value is neither a number nor text.
    fn read(json: &str) -> Option<Self> {
        match json.as_bytes().first()? {
            b'"' => Some(Self::from_text(&serde_json::from_str::<String>(json).unwrap_or_default())),
            b'-' | b'0'..=b'9' if json.contains(['.', 'e', 'E']) => {
                let number: f64 = json.parse().ok()?;
                // `to_string` writes 123.0 as 123. An `f64` of 2^53 or more may have been rounded to the number of a
                // different tag. Therefore such a number is replaced with an empty text, which identifies no tag.
                let is_exact = number < 9_007_199_254_740_992.0;
                Some(Self::from_text(&if is_exact { number.to_string() } else { String::new() }))
            }
            b'-' | b'0'..=b'9' => Some(Self::from_text(json)),
            _ => None,
        }
    }

    fn from_text(text: &str) -> Self {
        let text = text.trim();
        // `parse` would also accept a leading `+`, so the text must consist of digits only.
        let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        Self { number: digits.and_then(|digits| digits.parse().ok()), text: text.into() }
    }
}

/// The body of an answer.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a> {
    success: bool,
    err: Option<&'static str>,
    exists: bool,
    authentic: bool,
    ctr: Option<u32>,
    uid: Option<String>,
    tt_curr_status: Option<char>,
    tt_perm_status: Option<char>,
    last_authentic_timestamp: Option<String>,
    last_authentic_ctr: Option<u32>,
    metadata: Option<&'a RawValue>,
}

impl<'a> Reply<'a> {
    fn refused(err: &'static str, exists: bool) -> Self {
        Self { err: Some(err), exists, ..Self::default() }
    }

    /// Adds the values of a genuine tap, the counter and time of the last accepted tap, and the customer's data.
    fn with(self, tap: &TapValues, last: Option<Mark>, metadata: Option<&'a str>) -> Self {
        Self {
            ctr: Some(tap.ctr.get()),
            uid: tap.uid.map(|uid| uid.to_string()),
            tt_curr_status: tap.tamper.map(|status| status.curr().into()),
            tt_perm_status: tap.tamper.map(|status| status.perm().into()),
            last_authentic_timestamp: last.and_then(|mark| mark.at).and_then(timestamp),
            last_authentic_ctr: last.map(|mark| mark.ctr.get()),
            // Metadata that is not JSON is left out, because it would make the whole answer invalid. The function
            // `check` reports such metadata, and metadata that is too long, before the tag is added to a registry.
            metadata: metadata.filter(|text| text.len() <= MAX_LENGTH).and_then(|text| serde_json::from_str(text).ok()),
            ..self
        }
    }
}

/// Formats a time as ISO 8601 in UTC with milliseconds. Returns `None` if the year is 10000 or later.
fn timestamp(at: UnixMillis) -> Option<String> {
    let time = DateTime::from_timestamp_millis(i64::try_from(at.get()).ok()?)?;
    // ISO 8601 uses a different notation after the year 9999.
    let time = Some(time).filter(|time| time.year() < 10_000)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn answered<R: TagRecord, E>(outcome: Outcome<'_, R, E>) -> Answer<E> {
    let Answer { status, headers, body, is_key_invalid, .. } = write_answer(&outcome);
    Answer { status, headers, body, verdict: Some(outcome.verdict), is_key_invalid }
}

/// Writes the answer of this API about a decision that a [`Service`] has already made. It checks nothing, and changes no counter.
///
/// [`Etrnl::answer`] asks the service and then writes this answer. Use this function to write one decision in several formats: asking a
/// second API would refuse the tap as a replay. `is_key_invalid` is always `false`, because there is no API key.
pub fn write_answer<'o, R: TagRecord, E>(outcome: &'o Outcome<'_, R, E>) -> Answer<&'o E> {
    let exists = outcome.view.is_some();
    let metadata = outcome.view.and_then(|record| record.metadata);
    let (status, reply) = match &outcome.verdict {
        Ok(Verdict::Fresh(Accepted { tap, previous, .. })) => {
            let reply = Reply { success: true, exists, authentic: true, ..Reply::default() };
            (200, reply.with(tap, *previous, metadata))
        }
        Ok(Verdict::Refused(refusal)) => match refusal {
            Refusal::Malformed(_) | Refusal::OtherLayout => (200, Reply::refused("invalidData", exists)),
            Refusal::Replayed { tap, stored } => {
                (200, Reply::refused("ctrBehind", exists).with(tap, Some(*stored), metadata))
            }
            Refusal::UnknownTag => (200, Reply::refused("doesNotExist", exists)),
            Refusal::NotTheOwner => (200, Reply::refused("unauthorized", exists)),
            Refusal::Inactive(_) | Refusal::NoChip | Refusal::NoKeys | Refusal::WrongScheme | Refusal::NoCounter => {
                (200, Reply::refused("inactive", exists))
            }
            Refusal::NotOpened | Refusal::OtherUid => (200, Reply::refused("uidMismatch", exists)),
            Refusal::SealBroken | Refusal::NotAuthentic => (200, Reply::refused("cmacMismatch", exists)),
        },
        Err(_) => (503, Reply::refused("unavailable", exists)),
    };
    let answer = Answer::json(status, &reply);
    Answer { verdict: Some(outcome.verdict.as_ref().copied()), ..answer }
}

fn unauthorized<E>() -> Answer<E> {
    Answer::json(401, &Reply::refused("unauthorized", false))
}

fn invalid<E>() -> Answer<E> {
    Answer::json(200, &Reply::refused("invalidData", false))
}

fn unavailable<E>(failure: E) -> Answer<E> {
    Answer { verdict: Some(Err(failure)), ..Answer::json(503, &Reply::refused("unavailable", false)) }
}

/// Checks whether this API can answer requests about a tag. Call this function before you add the tag to your registry.
///
/// # Errors
/// Returns [`Unfit`] with the first reason found. [`Unfit::KeysNotLoaded`] means that all other checks passed, but the
/// keys and the UID were not checked.
pub fn check(tag: &impl TagRecord) -> Result<(), Unfit> {
    let record = tag.record();
    if record.metadata.is_some_and(|text| serde_json::from_str::<&RawValue>(text).is_err()) {
        return Err(Unfit::Metadata);
    }
    if record.metadata.is_some_and(|text| text.len() > MAX_LENGTH) {
        return Err(Unfit::TooLong);
    }
    let chip = record.chip.as_ref().ok_or(Unfit::NotProgrammed)?;
    let layout = chip.layout;
    if !layout.has(Field::PiccData) {
        return Err(Unfit::NotMirrored(Field::PiccData));
    }
    if layout.has(Field::TtStatus) {
        return Err(Unfit::NotSent(Field::TtStatus));
    }
    if !layout.mirrored().uid {
        return Err(Unfit::NotMirrored(Field::Uid));
    }
    // Clients send `{enc}` as part of `tt`, and they send `tt` only for tags with a tamper status.
    if chip.tamper != layout.has(Field::EncFileData) {
        return Err(Unfit::Tamper);
    }
    if chip.tamper && !layout.covers_enc_alone() {
        return Err(Unfit::MacInput);
    }
    if !layout.names().all(|name| matches!(name, "tagId" | "eCode") || is_known(&record, name)) {
        return Err(Unfit::NotSent(Field::Captured));
    }
    let sealed = matches!(chip.keys, Keys::Sealed { .. } | Keys::ECode { .. });
    if sealed && !layout.names().any(|name| name == "eCode") {
        return Err(Unfit::NotMirrored(Field::Captured));
    }
    check_chip(&record)
}
