//! `POST /v1/tags/verify-authenticity` as the hosted service ETRNL answers it. Source: its documentation, "Verify Authenticity".
//!
//! # The request
//!
//! The header `API-Key`, and a JSON object:
//!
//! | field | is |
//! |---|---|
//! | `tagId` | the number of the tag; as a string of digits too |
//! | `enc` | `{picc}` |
//! | `cmac` | `{mac}`, of a tag without tamper |
//! | `tt` | `{enc}{mac}` in one, of a tag with tamper; its layout has `[[` directly before `{enc}`, and nothing between the two |
//! | `eCode` | the text of `{:eCode}`, which opens [sealed keys](crate::kdf::ecode) |
//!
//! Either `cmac` or `tt`, never both; `null` is as good as nothing, and other fields are ignored.
//!
//! # The answer
//!
//! All eleven fields are always there, in this order: `success` `err` `exists` `authentic` `ctr` `uid` `ttCurrStatus`
//! `ttPermStatus` `lastAuthenticTimestamp` `lastAuthenticCtr` `metadata`. What the vendor leaves open is ours; the steps are
//! taken from left to right, and from top to bottom here:
//!
//! | outcome | status | success, authentic | `err` | exists | the rest |
//! |---|---|---|---|---|---|
//! | the key is missing or unknown | 401 | false | `unauthorized` | false | null |
//! | the body has the wrong shape | 400 | false | `invalidData` | false | null |
//! | no such tag | 200 | false | `doesNotExist` | false | null |
//! | another organisation's tag | 200 | false | `unauthorized` | true | null |
//! | switched off, not fully programmed, without keys | 200 | false | `inactive` | true | null |
//! | the eCode does not open the keys | 200 | false | `cmacMismatch` | true | null |
//! | a mirror has the wrong shape | 400 | false | `invalidData` | false | null |
//! | `enc` opens to another UID, or to none | 200 | false | `uidMismatch` | true | null |
//! | the MAC does not match | 200 | false | `cmacMismatch` | true | null |
//! | genuine, but it carries no counter: the tag is not set up for this | 200 | false | `inactive` | true | null |
//! | the counter is not ahead; equal is not ahead | 200 | false | `ctrBehind` | true | of this tap, of the last accepted one, and metadata |
//! | genuine and new | 200 | true | null | true | of this tap, of the one accepted before, and metadata |
//! | the registry or the store failed | 503 | false | `unavailable` (ours) | false or true | null |
//!
//! `ctr` is decimal, `uid` 14 upper-case digits; `ttCurrStatus` and `ttPermStatus` are `"C"`, `"O"` or `"I"` (or whatever else the
//! tag has in that place), and null without tamper; timestamps are ISO 8601 in UTC with milliseconds, and null where there was no
//! clock; metadata is given out as it is, but for white space around it. **An opened tag is authentic**:
//! read the two statuses. `uidMismatch` is told apart from `cmacMismatch` because the vendor does; to a caller without a key
//! neither is told.

use alloc::string::{String, ToString as _};
use core::fmt;

use chrono::{DateTime, Datelike as _, SecondsFormat};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::answer::{Answer, Unfit, check_chip, is_known};
use super::api_key::ApiKeySecret;
use super::outcome::Outcome;
use super::record::{Keys, OrganisationId, TagRecord};
use super::registry::{AsyncTagRegistry, TagRef, TagRegistry};
use super::request::{Caller, Presented, Request};
use super::service::Service;
use super::verdict::{Accepted, Failure, Refusal, Seen, Verdict};
use crate::counter::{AsyncCounterStore, Blocking, CounterStore, now};
use crate::sun::error::Field;
use crate::sun::received::{Mirrors, split_mac};
use crate::value::{Mark, UnixMillis};

/// Answers requests in this dialect.
#[derive(Clone, Copy, Debug)]
pub struct Etrnl<'s> {
    service: Service<'s>,
    api_keys: &'s ApiKeySecret,
}

impl<'s> Etrnl<'s> {
    /// A dialect over a verifier, which has the server secrets that open sealed keys; `api_keys` is the secret under which API
    /// keys are named.
    #[must_use]
    pub const fn new(service: Service<'s>, api_keys: &'s ApiKeySecret) -> Self {
        Self { service, api_keys }
    }

    /// Answers a request: the value of its header `API-Key`, if it has one, and its body. `at` is the time to remember with an
    /// accepted tap.
    pub fn answer<R: TagRegistry, S: CounterStore + ?Sized>(
        &self,
        api_key: Option<&[u8]>,
        body: &[u8],
        registry: R,
        counters: &mut S,
        at: Option<UnixMillis>,
    ) -> Answer<Failure<R::Error, S::Error>> {
        now(self.answer_async(api_key, body, Blocking(registry), &mut Blocking(counters), at))
    }

    /// As [`answer`](Self::answer), where registry and store take waiting.
    pub async fn answer_async<R: AsyncTagRegistry, S: AsyncCounterStore + ?Sized>(
        &self,
        api_key: Option<&[u8]>,
        body: &[u8],
        registry: R,
        counters: &mut S,
        at: Option<UnixMillis>,
    ) -> Answer<Failure<R::Error, S::Error>> {
        let Some(key) = api_key else { return unauthorized() };
        let organisation = match registry.organisation(&self.api_keys.key_name(key)).await {
            Ok(Some(organisation)) => organisation,
            Ok(None) => return unauthorized(),
            Err(error) => return unavailable(Failure::Registry(error)),
        };
        let Some(body) = Body::read(body) else { return invalid() };
        let captured = body.captured();
        let request = body.request(&captured, organisation, at);
        self.service.verify_async(registry, counters, request, answered).await
    }
}

/// The body of a request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    tag_id: TagNumber,
    enc: String,
    cmac: Option<String>,
    tt: Option<String>,
    e_code: String,
}

impl Body {
    /// Reads a body; `None` if it has not the shape of one.
    fn read(body: &[u8]) -> Option<Self> {
        // An array of the right values would be taken for an object.
        let object = body.trim_ascii_start().starts_with(b"{");
        let body: Self = object.then(|| serde_json::from_slice(body).ok()).flatten()?;
        (body.cmac.is_some() != body.tt.is_some()).then_some(body)
    }

    fn captured(&self) -> [(&'static str, &str); 2] {
        [("tagId", &self.tag_id.text), ("eCode", &self.e_code)]
    }

    fn request<'a>(
        &'a self,
        captured: &'a [(&'a str, &'a str)],
        organisation: OrganisationId,
        at: Option<UnixMillis>,
    ) -> Request<'a> {
        let (enc_file_data, mac) = match &self.tt {
            Some(tt) => split_mac(tt),
            None => (None, self.cmac.as_deref().unwrap_or_default()),
        };
        let mirrors =
            Mirrors { picc_data: Some(&self.enc), enc_file_data, mac: Some(mac), captured, ..Mirrors::default() };
        Request {
            tag: TagRef::Number(self.tag_id.number),
            caller: Caller::Member(organisation),
            tap: Presented::Mirrors(mirrors),
            at,
        }
    }
}

/// A number, or a string of digits: several clients send the text of the URL as it is.
struct TagNumber {
    number: u64,
    /// As the client wrote it, should the tag vouch for the text.
    text: String,
}

impl<'de> Deserialize<'de> for TagNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TagNumberVisitor)
    }
}

struct TagNumberVisitor;

impl Visitor<'_> for TagNumberVisitor {
    type Value = TagNumber;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a string of digits")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(TagNumber { number, text: number.to_string() })
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        // `parse` would let a sign pass.
        let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| E::custom("no tag number"))?;
        Ok(TagNumber { number, text: text.into() })
    }
}

/// The body of an answer.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
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

impl<'a> Told<'a> {
    fn refused(err: &'static str, exists: bool) -> Self {
        Self { err: Some(err), exists, ..Self::default() }
    }

    /// With what a genuine tap said, what was accepted before it, and the customer's data.
    fn with(self, seen: &Seen, last: Option<Mark>, metadata: Option<&'a str>) -> Self {
        Self {
            ctr: Some(seen.ctr.get()),
            uid: seen.uid.map(|uid| uid.to_string()),
            tt_curr_status: seen.tamper.map(|status| status.curr().into()),
            tt_perm_status: seen.tamper.map(|status| status.perm().into()),
            last_authentic_timestamp: last.and_then(|mark| mark.at).and_then(timestamp),
            last_authentic_ctr: last.map(|mark| mark.ctr.get()),
            // What is no JSON did not come through the import check, and would spoil the answer.
            metadata: metadata.and_then(|text| serde_json::from_str(text).ok()),
            ..self
        }
    }
}

/// ISO 8601 in UTC with milliseconds; `None` from the year 10000 on.
fn timestamp(at: UnixMillis) -> Option<String> {
    let time = DateTime::from_timestamp_millis(i64::try_from(at.0).ok()?)?;
    // Behind the year 9999 the notation is another.
    let time = Some(time).filter(|time| time.year() < 10_000)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

fn answered<R: TagRecord, E>(outcome: Outcome<'_, R, E>) -> Answer<E> {
    let exists = outcome.view.is_some();
    let metadata = outcome.view.and_then(|record| record.metadata);
    let (status, told) = match &outcome.verdict {
        Ok(Verdict::Fresh(Accepted { seen, previous, .. })) => {
            let told = Told { success: true, exists, authentic: true, ..Told::default() };
            (200, told.with(seen, *previous, metadata))
        }
        Ok(Verdict::Refused(refusal)) => match refusal {
            Refusal::Malformed(_) | Refusal::OtherLayout => (400, Told::refused("invalidData", false)),
            Refusal::Replayed { seen, stored } => {
                (200, Told::refused("ctrBehind", exists).with(seen, Some(*stored), metadata))
            }
            Refusal::UnknownTag => (200, Told::refused("doesNotExist", exists)),
            Refusal::NotTheOwner => (200, Told::refused("unauthorized", exists)),
            Refusal::Inactive(_) | Refusal::NoChip | Refusal::NoKeys | Refusal::NoCounter => {
                (200, Told::refused("inactive", exists))
            }
            Refusal::NotOpened | Refusal::OtherUid => (200, Told::refused("uidMismatch", exists)),
            Refusal::SealBroken | Refusal::NotAuthentic => (200, Told::refused("cmacMismatch", exists)),
        },
        Err(_) => (503, Told::refused("unavailable", exists)),
    };
    let answer = Answer::json(status, &told);
    Answer { verdict: Some(outcome.verdict), ..answer }
}

fn unauthorized<E>() -> Answer<E> {
    Answer::json(401, &Told::refused("unauthorized", false))
}

fn invalid<E>() -> Answer<E> {
    Answer::json(400, &Told::refused("invalidData", false))
}

fn unavailable<E>(failure: E) -> Answer<E> {
    Answer { verdict: Some(Err(failure)), ..Answer::json(503, &Told::refused("unavailable", false)) }
}

/// Looks for what would keep this dialect from answering for a tag. For whoever imports tags.
///
/// # Errors
/// [`Unfit`] with the first reason; [`Unfit::KeysNotLoaded`] only if there is no other.
pub fn check(tag: &impl TagRecord) -> Result<(), Unfit> {
    let record = tag.record();
    if record.metadata.is_some_and(|text| serde_json::from_str::<&RawValue>(text).is_err()) {
        return Err(Unfit::Metadata);
    }
    let chip = record.chip.as_ref().ok_or(Unfit::NoChip)?;
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
    // `tt` is sent for a tag with tamper, and for no other.
    if chip.tamper != layout.has(Field::EncFileData) {
        return Err(Unfit::Tamper);
    }
    if chip.tamper && !layout.covers_enc_alone() {
        return Err(Unfit::NotSent(Field::EncFileData));
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
