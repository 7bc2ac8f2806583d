//! Compares both APIs with a simple model of them, and sends them malformed input.

use std::cell::Cell;
use std::convert::Infallible;

use proptest::collection::vec;
use proptest::prelude::*;
use suntap::platform::rules::{Rule, RulesError};
use suntap::platform::{
    ApiKeyName, ApiKeySecret, Caller, Chip, FileKey, Keys, MetaKey, OrganisationId, Record, Refusal, Request, Service,
    Standing, State, TagRecord as _, TagRef, TagRegistry, Unfit, Verdict, etrnl, etrnl::Etrnl, ixkio, ixkio::Ixkio,
};
use suntap::{
    Blocking, Field, MasterKey, MemoryCounters, Mirrors, Presented, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey,
    Uid, UnixMillis,
};
use suntap_testkit::line::OTHER_SCHEMES;
use suntap_testkit::registry::{API_KEYS, OwnRules, Row, RowKeys, Tags};
use suntap_testkit::stores::FailingCounters;
use suntap_testkit::{Tag, Tap, ready, world};

/// One event, with the number of the tag.
#[derive(Clone, Debug)]
enum Event {
    /// Reads the tag and sends what it writes.
    Tap { tag: usize, reads: u32 },
    /// Reads the tag and keeps what it writes.
    Keep { tag: usize },
    /// Sends a tap that was kept or sent before, as a tap of this tag.
    Send { tag: usize, which: usize },
    /// Like `Send`, but with one digit of the MAC changed.
    Forge { tag: usize, which: usize, digit: usize },
    /// Sends a counter without a valid MAC.
    Claim { tag: usize, ctr: u32 },
    /// Switches a level on or off.
    Switch { tag: usize, level: usize },
    /// Gives the chip a new key, so that it counts from 0.
    Personalise { tag: usize },
    /// Makes the next call of the store fail. If `moved` is `true`, it fails after it moved the counter.
    Break { moved: bool },
}

const TAGS: usize = 4;

fn event() -> impl Strategy<Value = Event> {
    let tag = || 0..TAGS;
    prop_oneof![
        6 => (tag(), 1..4u32).prop_map(|(tag, reads)| Event::Tap { tag, reads }),
        3 => tag().prop_map(|tag| Event::Keep { tag }),
        6 => (tag(), any::<usize>()).prop_map(|(tag, which)| Event::Send { tag, which }),
        2 => (tag(), any::<usize>(), 0..16usize).prop_map(|(tag, which, digit)| Event::Forge { tag, which, digit }),
        2 => (tag(), 0..2000u32).prop_map(|(tag, ctr)| Event::Claim { tag, ctr }),
        1 => (tag(), 0..4usize).prop_map(|(tag, level)| Event::Switch { tag, level }),
        1 => tag().prop_map(|tag| Event::Personalise { tag }),
        1 => any::<bool>().prop_map(|moved| Event::Break { moved }),
    ]
}

/// A written tap, with its tag, the epoch of the key and the counter.
#[derive(Clone, Debug)]
struct Written {
    tag: usize,
    epoch: u8,
    ctr: u32,
    first: String,
    second: String,
}

/// The state of a tag in the model.
#[derive(Clone, Default)]
struct Known {
    epoch: u8,
    chip: u32,
    /// Counter, time and number of accepted taps in this epoch.
    mark: Option<(u32, u64, u32)>,
    off: [bool; 4],
}

/// A simple model of both APIs.
struct Model {
    tags: [Known; TAGS],
    written: Vec<Written>,
    breaks: Option<bool>,
    now: u64,
}

const XUIDS: [&str; 2] = ["q8w3sbcz", "abcd1234"];
const META_KEY: [u8; 16] = [0xC0; 16];

fn uid(tag: usize) -> [u8; 7] {
    [4, 1, 2, 3, 4, 5, u8::try_from(tag).unwrap()]
}

fn file_key(tag: usize, epoch: u8) -> [u8; 16] {
    [u8::try_from(tag).unwrap() * 50 + 1 + epoch; 16]
}

fn template(tag: usize) -> &'static str {
    [
        "https://t.example/{:xuid}?n={ctr}&e={mac}",
        "https://t.example/{:xuid}?u={uid}&n={ctr}&e=[[{enc:32}{mac}",
        "https://t.example/{:tagId}?k={:eCode}&e={picc:uid,ctr}&c={mac}",
        "https://t.example/{:tagId}?k={:eCode}&e={picc:uid,ctr}&t=[[{enc:32,tt@0}{mac}",
    ][tag]
}

fn row(tag: usize) -> Row {
    let etrnl = tag >= XUIDS.len();
    let rules = |pass: &str, fail: &str| OwnRules {
        groups: vec![(vec![Rule::TagAuthentication], pass.into())],
        default: fail.into(),
    };
    Row {
        number: u64::try_from(tag).ok().filter(|_| etrnl),
        xuid: XUIDS.get(tag).map(|xuid| (*xuid).into()),
        cuid: XUIDS.get(tag).map(|_| "Mine".into()).filter(|_| tag == 1),
        uid: Some(Uid::from_bytes(uid(tag))),
        layout: Some(SdmLayout::new(Scheme::Aes, template(tag)).unwrap()),
        keys: keys(tag, 0),
        tamper: tag == 3,
        group_rules: if tag == 0 { rules("Pass", "Fail") } else { rules("{scount} {ccount}", "no {scount}") },
        metadata: (tag == 2).then(|| r#"{"a": [1]}"#.into()),
        ..Row::new(1)
    }
}

fn keys(tag: usize, epoch: u8) -> RowKeys {
    RowKeys::Held {
        meta: Some(SdmMetaReadKey::from_bytes(META_KEY)),
        file: SdmFileReadKey::from_bytes(file_key(tag, epoch)),
    }
}

impl Model {
    fn new() -> Self {
        Self { tags: Default::default(), written: Vec::new(), breaks: None, now: 1_763_802_000_000 }
    }

    /// Reads the tag `reads` times and returns the last tap.
    fn read(&mut self, tag: usize, reads: u32) -> Written {
        let known = &mut self.tags[tag];
        known.chip += reads;
        let chip = Tag { lrp: false, meta_key: META_KEY, file_key: file_key(tag, known.epoch), uid: uid(tag) };
        let tap = Tap { ctr: known.chip, padding: [7; 12], file_data: b"OCxxxxxxxxxxxxxx".to_vec(), tt: *b"CC" };
        let plain = ["{:xuid}", "{:tagId}", "{:eCode}"]
            .iter()
            .fold(template(tag).to_owned(), |url, name| url.replace(name, "0"));
        let url = chip.write(&plain.replace("{enc:32,tt@0}", "{enc}").replace("{enc:32}", "{enc}"), &tap).url;
        let values: Vec<&str> = url.split('=').map(|part| part.split('&').next().unwrap()).collect();
        let [.., first, second] = values[..] else { panic!("{url}") };
        let written = Written { tag, epoch: known.epoch, ctr: known.chip, first: first.into(), second: second.into() };
        self.written.push(written.clone());
        written
    }

    /// Returns the expected status and body for values that are sent as a tap of `tag`. If the values are genuine,
    /// `genuine` is their tap. `writer` is the tag whose PICCData they contain.
    fn answer(
        &mut self,
        tag: usize,
        values: &[String; 2],
        writer: Option<usize>,
        genuine: Option<&Written>,
    ) -> (u16, String) {
        let (now, known) = (self.now, &mut self.tags[tag]);
        let off = known.off.iter().position(|off| *off);
        let before = known.mark;
        // A tap of another tag gives another UID, and a tap under an older key does not verify.
        let ours = genuine.filter(|written| written.tag == tag && written.epoch == known.epoch && off.is_none());
        let new = ours.filter(|written| before.is_none_or(|(ctr, ..)| written.ctr > ctr));
        let broken = ours.and_then(|_| self.breaks.take());
        if let Some(written) = new {
            let taps = before.map_or(0, |(.., taps)| taps) + 1;
            if broken != Some(false) {
                known.mark = Some((written.ctr, now, taps));
            }
        }
        let accepted = new.filter(|_| broken.is_none()).map(|written| (written.ctr, known.mark.unwrap().2));
        if let Some(xuid) = XUIDS.get(tag) {
            let cuid = if tag == 1 { r#","cuid":"Mine""# } else { "" };
            return match (off, broken, accepted) {
                (Some(level), ..) => {
                    let name = ["folder", "tg", "batch", "tag"][level];
                    (200, format!(r#"{{"xuid":"{xuid}","error":"{name}_inactive"}}"#))
                }
                (_, Some(_), _) => (503, format!(r#"{{"xuid":"{xuid}","error":"unavailable"}}"#)),
                (_, _, Some((ctr, taps))) => {
                    let response = if tag == 0 { "Pass".into() } else { format!("{taps} {ctr}") };
                    (200, format!(r#"{{"xuid":"{xuid}"{cuid},"response":"{response}"}}"#))
                }
                _ => {
                    let response = if tag == 0 { "Fail" } else { "no " };
                    (200, format!(r#"{{"xuid":"{xuid}"{cuid},"response":"{response}"}}"#))
                }
            };
        }
        let head = |success: bool, err: &str| {
            format!(r#"{{"success":{success},"err":{err},"exists":true,"authentic":{success}"#)
        };
        let none = r#","ctr":null,"uid":null,"ttCurrStatus":null,"ttPermStatus":null,"lastAuthenticTimestamp":null,"lastAuthenticCtr":null,"metadata":null}"#;
        let verdict_body = |success, err, written: &Written| {
            let head = head(success, err);
            let hex = base16ct::upper::encode_string(&uid(tag));
            let tamper = if tag == 3 { [r#""C""#, r#""O""#] } else { ["null"; 2] };
            let at = |millis: u64| {
                format!(r#""2025-11-22T09:{:02}:{:02}.000Z""#, (millis / 60_000) % 60, (millis / 1000) % 60)
            };
            let (at, ctr) = before.map_or(("null".into(), "null".into()), |(ctr, millis, _)| {
                (at(millis - 1_763_802_000_000), ctr.to_string())
            });
            let metadata = if tag == 2 { r#"{"a": [1]}"# } else { "null" };
            (
                200,
                format!(
                    r#"{head},"ctr":{},"uid":"{hex}","ttCurrStatus":{},"ttPermStatus":{},"lastAuthenticTimestamp":{at},"lastAuthenticCtr":{ctr},"metadata":{metadata}}}"#,
                    written.ctr, tamper[0], tamper[1]
                ),
            )
        };
        match (off, broken, ours, accepted) {
            (Some(_), ..) => (200, head(false, r#""inactive""#) + none),
            (_, Some(_), ..) => (503, head(false, r#""unavailable""#) + none),
            (_, _, Some(written), Some(_)) => verdict_body(true, "null", written),
            (_, _, Some(written), None) => verdict_body(false, r#""ctrBehind""#, written),
            _ => {
                let chars = [32, if tag == 3 { 48 } else { 16 }];
                if values.each_ref().map(String::len) != chars {
                    return (200, head(false, r#""invalidData""#) + none);
                }
                let err = if writer == Some(tag) { r#""cmacMismatch""# } else { r#""uidMismatch""# };
                (200, head(false, err) + none)
            }
        }
    }
}

type Fragile = FailingCounters<MemoryCounters<256>>;

/// Sends two values as a tap of a tag.
fn send(tags: &Tags, counters: &mut Fragile, tag: usize, [first, second]: [&str; 2], now: u64) -> (u16, String) {
    let at = Some(UnixMillis::new(now));
    let service = Service::new(&[]);
    let answer = match tag {
        0 => Ixkio::new(service, &API_KEYS).answer(&format!("x={}&n={first}&e={second}", XUIDS[0]), tags, counters, at),
        1 => {
            Ixkio::new(service, &API_KEYS).answer(&format!("c=Mine&a=abc123&n={first}&e={second}"), tags, counters, at)
        }
        _ => {
            let name = if tag == 3 { "tt" } else { "cmac" };
            let body = format!(r#"{{"tagId":{tag},"enc":"{first}","{name}":"{second}","eCode":"x"}}"#);
            Etrnl::new(service, &API_KEYS).answer(Some(b"key"), body.as_bytes(), tags, counters, at)
        }
    };
    assert_eq!(answer.headers[1], ("Cache-Control", "no-store"));
    (answer.status, answer.body)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn both_apis_match_the_model(events in vec(event(), 1..60)) {
        let mut model = Model::new();
        let mut tags = Tags { rows: (0..TAGS).map(row).collect(), ..Tags::default() }.with_api_key("key", 1);
        let mut counters = Fragile { counters: MemoryCounters::new(), fail: None };
        for event in events {
            model.now += 1000;
            let (tag, writer, genuine, values) = match event {
                Event::Tap { tag, reads } => {
                    let written = model.read(tag, reads);
                    let values = [written.first.clone(), written.second.clone()];
                    (tag, Some(written.tag), Some(written), values)
                }
                Event::Keep { tag } => {
                    model.read(tag, 1);
                    continue;
                }
                Event::Send { tag, which } => {
                    let Some(written) = which.checked_rem(model.written.len()).map(|at| model.written[at].clone()) else { continue };
                    let values = [written.first.clone(), written.second.clone()];
                    (tag, Some(written.tag), Some(written), values)
                }
                Event::Forge { tag, which, digit } => {
                    let Some(written) = which.checked_rem(model.written.len()).map(|at| model.written[at].clone()) else { continue };
                    let at = written.second.len() - 16 + digit;
                    let mut second = written.second.into_bytes();
                    second[at] = if second[at] == b'0' { b'1' } else { b'0' };
                    (tag, Some(written.tag), None, [written.first, String::from_utf8(second).unwrap()])
                }
                Event::Claim { tag, ctr } => (tag, None, None, [format!("{ctr:06X}"), "0".repeat(16)]),
                Event::Switch { tag, level } => {
                    model.tags[tag].off[level] ^= true;
                    let state = model.tags[tag].off.map(|off| if off { State::Inactive } else { State::Active });
                    let [folder, tag_group, batch, tag_code] = state;
                    tags.rows[tag].standing = Standing { folder, tag_group, batch, tag_code };
                    continue;
                }
                Event::Personalise { tag } => {
                    let known = &mut model.tags[tag];
                    if known.epoch < 40 {
                        *known = Known { epoch: known.epoch + 1, off: known.off, ..Known::default() };
                        tags.rows[tag].keys = keys(tag, known.epoch);
                    }
                    continue;
                }
                Event::Break { moved } => {
                    (model.breaks, counters.fail) = (Some(moved), Some(moved));
                    continue;
                }
            };
            let answer = send(&tags, &mut counters, tag, [&values[0], &values[1]], model.now);
            let expected = model.answer(tag, &values, writer, genuine.as_ref());
            prop_assert_eq!(counters.fail, model.breaks, "the store is called only for verified taps");
            prop_assert_eq!(answer, expected, "{:?}", genuine);
        }
    }

    /// No bytes make a dialect panic or move a counter.
    #[test]
    fn any_bytes_get_an_answer(text in any::<String>(), bytes in vec(any::<u8>(), 0..200)) {
        never_accepted(&text, text.as_bytes());
        never_accepted(&String::from_utf8_lossy(&bytes), &bytes);
    }

    /// Nearly valid requests do not make a dialect panic or move a counter either.
    #[test]
    fn nearly_valid_requests_get_an_answer(
        names in vec(prop_oneof!["[xcuaner]", "[a-z]{1,3}"], 0..8),
        values in vec(prop_oneof!["q8w3sbcz", "f1ledata", "abc123", "SHOE-0042", "[0-9A-Fa-f]{0,50}", "%[0-9A-F]{2}", "[ -~]{0,20}"], 8),
        fields in vec(prop_oneof!["tagId", "enc", "cmac", "tt", "eCode"], 0..6),
        json in vec(prop_oneof!["100[1-8]", "\"100[1-8]\"", "\"[0-9A-F]{32}\"", "\"[0-9A-F]{16}\"", "\"[0-9A-F]{48}\"", "null", "-1", "\\[\\]", "\"\\\\u00[0-9a-f]{2}\""], 6),
    ) {
        let query: Vec<String> = names.iter().zip(&values).map(|(name, value)| format!("{name}={value}")).collect();
        let body: Vec<String> = fields.iter().zip(&json).map(|(name, value)| format!("\"{name}\":{value}")).collect();
        never_accepted(&query.join("&"), format!("{{{}}}", body.join(",")).as_bytes());
    }
}

fn never_accepted(query: &str, body: &[u8]) {
    let (tags, mut counters) = (world::tags(), Fragile { counters: MemoryCounters::new(), fail: Some(true) });
    let secrets = [world::SECRET];
    let service = Service::new(&secrets);
    let get = Ixkio::new(service, &API_KEYS).answer(query, &tags, &mut counters, None);
    let post = Etrnl::new(service, &API_KEYS).answer(Some(b"pk_live_one"), body, &tags, &mut counters, None);
    let anonymous = Etrnl::new(service, &API_KEYS).answer(None, body, &tags, &mut counters, None);
    assert_eq!((counters.fail, anonymous.status), (Some(true), 401));
    for answer in [get, post] {
        assert!(matches!(answer.status, 200 | 400 | 401 | 404), "{}", answer.status);
        assert!(serde_json::from_str::<serde_json::Value>(&answer.body).unwrap().is_object());
        assert!(!matches!(answer.verdict, Some(Ok(Verdict::Fresh(_)))));
    }
}

/// The async answers equal the blocking answers.
#[test]
fn async_answers_equal_blocking_answers() {
    let (tags, secrets) = (world::tags(), [world::SECRET]);
    let (ixkio, etrnl) = (Ixkio::new(Service::new(&secrets), &API_KEYS), Etrnl::new(Service::new(&secrets), &API_KEYS));
    let (mut one, mut other) = (MemoryCounters::<32>::new(), Blocking(MemoryCounters::<32>::new()));
    let row = |tag: &str| tags.rows.iter().find(|row| row.xuid.as_deref() == Some(tag)).unwrap();
    let tap = world::mirrors(row("q8w3sbcz"), 1, "");
    let query = format!("x=q8w3sbcz&n={}&e={}", tap[0], tap[1]);
    for query in [&query, &query, "x=t0ken000&r=rt_one", "x=t0ken000", "x=nosuch", "", "x=b4tch000"] {
        let waited = ready(ixkio.answer_async(query, Blocking(&tags), &mut other, None));
        let blocked = ixkio.answer(query, &tags, &mut one, None);
        assert_eq!((waited.status, waited.body, waited.verdict), (blocked.status, blocked.body, blocked.verdict));
    }
    let sealed = tags.rows.iter().find(|row| row.number == Some(1001)).unwrap();
    let [enc, cmac, ecode] = &world::mirrors(sealed, 1, "")[..] else { panic!("expected three values") };
    let body = format!(r#"{{"tagId":1001,"enc":"{enc}","cmac":"{cmac}","eCode":"{ecode}"}}"#);
    for (key, body) in
        [("pk_live_one", &*body), ("pk_live_one", &body), ("pk_live_two", &body), ("no", &body), ("pk_live_one", "{")]
    {
        let waited =
            ready(etrnl.answer_async(Some(key.as_bytes()), body.as_bytes(), Blocking(&tags), &mut other, None));
        let blocked = etrnl.answer(Some(key.as_bytes()), body.as_bytes(), &tags, &mut one, None);
        assert_eq!((waited.status, waited.body, waited.verdict), (blocked.status, blocked.body, blocked.verdict));
    }
    let again = etrnl.answer(Some(b"pk_live_one"), body.as_bytes(), &tags, &mut one, None);
    assert!(
        matches!(again.verdict, Some(Ok(Verdict::Refused(Refusal::Replayed { .. })))),
        "the tap was accepted above"
    );
}

/// A tag without a chip has no UID that the parameter `u` could contradict.
#[test]
fn a_uid_does_not_change_the_answer_for_a_tag_without_a_chip() {
    let rows = vec![Row { layout: None, uid: None, ..row(0) }, row(0)];
    for (row, refusal) in rows.into_iter().zip([Refusal::NoChip, Refusal::OtherUid]) {
        let tags = Tags { rows: vec![row], ..Tags::default() };
        let mut counters = MemoryCounters::<256>::new();
        let query = format!("x={}&n=000001&e=0123456789ABCDEF&u=04999999999999", XUIDS[0]);
        let answer = Ixkio::new(Service::new(&[]), &[]).answer(&query, &tags, &mut counters, None);
        assert_eq!(answer.verdict, Some(Ok(Verdict::Refused(refusal))), "{}", answer.body);
    }
}

/// ixkio has no number and no captured text that names a tag.
#[test]
fn an_error_answer_repeats_only_identifiers_of_the_api() {
    let tags = Tags { rows: vec![], ..Tags::default() };
    let mut counters = MemoryCounters::<256>::new();
    let service = Service::new(&[]);
    for (tag, expected) in [
        (TagRef::Number(7), r#"{"error":"tag_not_found"}"#),
        (TagRef::Captured { name: "id", text: "x" }, r#"{"error":"tag_not_found"}"#),
        (TagRef::Xuid("x"), r#"{"xuid":"x","error":"tag_not_found"}"#),
    ] {
        let request = Request { tag, caller: Caller::Anyone, tap: Presented::Url("https://a.b/"), at: None };
        let answer = service.verify(&tags, &mut counters, request, |outcome| ixkio::write_answer(tag, &outcome).body);
        assert_eq!(answer, expected);
    }
}

/// One decision can be written in both formats, and spends the tap once. Each API then calls the tap a replay, with the same words.
#[test]
fn one_decision_is_written_in_both_formats() {
    let tags = Tags { rows: vec![row(0), row(2)], ..Tags::default() }.with_api_key("key", 1);
    let mut counters = MemoryCounters::<256>::new();
    let (mut model, service) = (Model::new(), Service::new(&[]));
    let [of_ixkio, of_etrnl] = [model.read(0, 1), model.read(2, 1)];
    let mut write = |tag: TagRef<'_>, mirrors: Mirrors<'_>| {
        let request = Request { tag, caller: Caller::Anyone, tap: Presented::Mirrors(&mirrors), at: None };
        service.verify(&tags, &mut counters, request, |outcome| {
            let (one, other) = (ixkio::write_answer(TagRef::Xuid("asked"), &outcome), etrnl::write_answer(&outcome));
            let verdict = Some(outcome.verdict.as_ref().copied());
            assert_eq!((one.verdict, other.verdict), (verdict, verdict));
            assert!(!one.is_key_invalid && !other.is_key_invalid);
            [(one.status, one.body), (other.status, other.body)]
        })
    };
    let xuid = [("xuid", XUIDS[0])];
    let sent =
        Mirrors { ctr: Some(&of_ixkio.first), enc_mac: Some(&of_ixkio.second), captured: &xuid, ..Mirrors::default() };
    let [ixkio, etrnl] = write(TagRef::Xuid(XUIDS[0]), sent);
    assert_eq!(ixkio, (200, format!(r#"{{"xuid":"{}","response":"Pass"}}"#, XUIDS[0])));
    assert!(etrnl.1.starts_with(r#"{"success":true,"err":null,"exists":true,"authentic":true,"ctr":1,"#), "{etrnl:?}");
    let again = write(TagRef::Xuid(XUIDS[0]), sent);
    assert!(again[0].1.contains("Fail") && again[1].1.contains(r#""err":"ctrBehind""#), "{again:?}");
    let unknown = write(TagRef::Xuid("nobody"), sent);
    assert_eq!(unknown[0], (404, r#"{"xuid":"asked","error":"tag_not_found"}"#.into()));
    assert!(unknown[1].1.contains(r#""err":"doesNotExist","exists":false"#), "{unknown:?}");

    // What the functions write about a replay is what the APIs answer.
    let captured = [("tagId", "2"), ("eCode", "x")];
    let mirrors = Mirrors {
        picc_data: Some(&of_etrnl.first),
        enc_mac: Some(&of_etrnl.second),
        captured: &captured,
        ..Mirrors::default()
    };
    write(TagRef::Number(2), mirrors);
    let [_, written] = write(TagRef::Number(2), mirrors);
    let mut counters = Fragile { counters, fail: None };
    assert_eq!(send(&tags, &mut counters, 0, [&of_ixkio.first, &of_ixkio.second], 0), again[0]);
    assert_eq!(send(&tags, &mut counters, 2, [&of_etrnl.first, &of_etrnl.second], 0), written);
}

/// Extended data cannot replace a field of the answer.
#[test]
fn extended_data_cannot_replace_answer_fields() {
    let field = |name: &str| (String::from(name), String::from("taken"), true);
    let extended = vec![field("Response"), field("XUID"), field("error"), field("cuid"), field("A b"), field("a_B")];
    let row = Row { xuid: Some("q8w3sbcz".into()), extended, ..Row::new(1) };
    assert_eq!(ixkio::check(&row), Err(Unfit::Name));
    let tags = Tags { rows: vec![row], ..Tags::default() };
    let answer =
        Ixkio::new(Service::new(&[]), &API_KEYS).answer("x=q8w3sbcz", &tags, &mut MemoryCounters::<2>::new(), None);
    assert_eq!(answer.body, r#"{"xuid":"q8w3sbcz","response":"","a_b":"taken"}"#);
}

/// A timestamp after the year 9999 would need another notation, so it is left out.
#[test]
fn timestamps_after_the_year_9999_are_left_out() {
    const LAST: u64 = 253_402_300_799_999;
    let tags = Tags { rows: vec![row(2)], ..Tags::default() }.with_api_key("key", 1);
    let (mut model, mut counters) = (Model::new(), Fragile { counters: MemoryCounters::new(), fail: None });
    let mut at = |now| {
        let tap = model.read(2, 1);
        let (_, body) = send(&tags, &mut counters, 2, [&tap.first, &tap.second], now);
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        answer["lastAuthenticTimestamp"].as_str().map(String::from)
    };
    assert_eq!(at(0), None);
    assert_eq!(at(LAST).as_deref(), Some("1970-01-01T00:00:00.000Z"));
    assert_eq!(at(LAST + 1).as_deref(), Some("9999-12-31T23:59:59.999Z"));
    assert_eq!((at(u64::MAX), at(7)), (None, None));
}

/// The work grows linearly with the length of a rule text.
#[test]
fn long_rule_texts_take_linear_time() {
    let long = "{a}".repeat(300_000);
    let group_rules = OwnRules { groups: vec![(vec![Rule::TagAuthentication], long)], default: "Fail".into() };
    let tag_rules = Some(OwnRules { groups: Vec::new(), default: "own".into() });
    let tags = Tags { rows: vec![Row { group_rules, tag_rules, ..row(0) }], ..Tags::default() };
    // Quadratic work would take minutes here.
    let answer =
        Ixkio::new(Service::new(&[]), &API_KEYS).answer("x=q8w3sbcz", &tags, &mut MemoryCounters::<2>::new(), None);
    assert_eq!(answer.body, r#"{"xuid":"q8w3sbcz","response":"own"}"#);
}

/// A record cannot make an answer long or slow: above a limit, the answer is a short error.
#[test]
fn an_answer_has_one_budget() {
    let ask = |extended: Vec<(String, String, bool)>| {
        let row = Row { xuid: Some("q8w3sbcz".into()), extended, ..Row::new(1) };
        let fit = ixkio::check(&row);
        let tags = Tags { rows: vec![row], ..Tags::default() };
        let ixkio = Ixkio::new(Service::new(&[]), &API_KEYS);
        let answer = ixkio.answer("x=q8w3sbcz", &tags, &mut MemoryCounters::<2>::new(), None);
        (fit, answer.status, answer.body)
    };
    let field = |name: &str, value: String| (String::from(name), value, true);
    let too_long = (Err(Unfit::TooLong), 500, String::from(r#"{"xuid":"q8w3sbcz","error":"answer_too_long"}"#));

    // The body has 65,536 bytes, and then one more.
    let frame = r#"{"xuid":"q8w3sbcz","response":"","a":""}"#.len();
    let (fit, status, body) = ask(vec![field("a", "x".repeat(65_536 - frame))]);
    assert_eq!((fit, status, body.len()), (Ok(()), 200, 65_536));
    assert_eq!(ask(vec![field("a", "x".repeat(65_537 - frame))]), too_long);
    assert_eq!(ask(vec![field("a", "\u{1}".repeat(11_000))]), too_long, "JSON writes six bytes for this one");
    assert_eq!(ask((0..70_000).map(|n| field(&format!("f{n}"), String::new())).collect()), too_long);

    // 1,024 subtags, and then one more text with subtags.
    let texts = |count| (0..count).map(|n| field(&format!("f{n}"), "{xuid}".repeat(256))).collect();
    assert_eq!(ask(texts(4)).1, 200);
    assert_eq!(ask(texts(5)), too_long);

    // A value that is repeated, and fields that contain each other.
    let repeated = vec![field("a", "x".repeat(1_000_000)), field("b", "{a}".repeat(256))];
    assert_eq!(ask(repeated), too_long);
    let crossed = (0..20_000).map(|n| field(&format!("f{n}"), format!("{{f{}}}", n + 1).repeat(40))).collect();
    assert_eq!(ask(crossed), too_long);
    // The name of a subtag is not written, so it has a limit of its own.
    let named = "n".repeat(10_000);
    let hidden = vec![
        field("a", "{b}".repeat(256)),
        (named.clone(), String::new(), false),
        (String::from("b"), format!("{{{named}}}").repeat(100), false),
    ];
    assert_eq!(ask(hidden), too_long);
    for (length, is_known) in [(256, true), (257, false), (258, false)] {
        let name = "n".repeat(length);
        let fields = vec![field("a", format!("{{{name}}}")), (name, "filled".into(), false)];
        assert_eq!(ask(fields).2.contains(r#""a":"filled""#), is_known, "{length}");
    }
}

/// A JSON number that another program may have rounded identifies no tag.
#[test]
fn a_large_tag_id_is_exact() {
    for (written, number, is_found) in [
        ("9007199254740991.0", 9_007_199_254_740_991, true),
        ("9007199254740992.0", 9_007_199_254_740_992, false),
        ("9007199254740993.0", 9_007_199_254_740_992, false),
        ("9007199254740993", 9_007_199_254_740_993, true),
        ("9007199254740993", 9_007_199_254_740_992, false),
    ] {
        let tags =
            Tags { rows: vec![Row { number: Some(number), ..row(2) }], ..Tags::default() }.with_api_key("key", 1);
        let tap = Model::new().read(2, 1);
        let body = format!(r#"{{"tagId":{written},"enc":"{}","cmac":"{}","eCode":"x"}}"#, tap.first, tap.second);
        let etrnl = Etrnl::new(Service::new(&[]), &API_KEYS);
        let answer = etrnl.answer(Some(b"key"), body.as_bytes(), &tags, &mut MemoryCounters::<2>::new(), None);
        assert_eq!(answer.body.contains(r#""authentic":true"#), is_found, "{written} {}", answer.body);
    }
}

/// Metadata that is too long is answered as `null`, like metadata that is not JSON.
#[test]
fn long_metadata_is_null() {
    for (length, fit, shown) in [(65_536, Ok(()), true), (65_537, Err(Unfit::TooLong), false)] {
        let long = Row { metadata: Some(format!("\"{}\"", "x".repeat(length - 2))), ..row(2) };
        assert_eq!(etrnl::check(&long), fit);
        let tags = Tags { rows: vec![long], ..Tags::default() }.with_api_key("key", 1);
        let tap = Model::new().read(2, 1);
        let mut counters = Fragile { counters: MemoryCounters::new(), fail: None };
        let (_, body) = send(&tags, &mut counters, 2, [&tap.first, &tap.second], 0);
        assert!(body.contains(r#""authentic":true"#) && body.ends_with(r#""metadata":null}"#) != shown);
    }
}

/// Metadata that is not JSON is answered as `null` and does not break the answer.
#[test]
fn invalid_metadata_is_null() {
    let mut broken = row(2);
    broken.metadata = Some(r#"{"a":1},"authentic":true"#.into());
    assert_eq!(etrnl::check(&broken), Err(Unfit::Metadata));
    let tags = Tags { rows: vec![broken], ..Tags::default() }.with_api_key("key", 1);
    let tap = Model::new().read(2, 1);
    let mut counters = Fragile { counters: MemoryCounters::new(), fail: None };
    let (status, body) = send(&tags, &mut counters, 2, [&tap.first, &tap.second], 0);
    assert_eq!(status, 200);
    assert!(body.ends_with(r#""metadata":null}"#) && body.contains(r#""authentic":true"#), "{body}");
}

/// Tests one record for each reason why an import rejects a record.
#[test]
#[allow(clippy::too_many_lines, reason = "a table of mistakes")]
fn import_checks_name_the_fault() {
    for tag in 0..2 {
        assert_eq!(ixkio::check(&row(tag)), Ok(()));
        assert!(etrnl::check(&row(tag)).is_err());
    }
    for tag in 2..4 {
        assert_eq!(etrnl::check(&row(tag)), Ok(()));
        assert!(ixkio::check(&row(tag)).is_err());
    }
    let layout = |template: &str| Some(SdmLayout::new(Scheme::Aes, template).unwrap());
    let of_ixkio = |template| ixkio::check(&Row { layout: layout(template), ..row(0) });
    assert_eq!(
        of_ixkio("https://a.b/?u={uid}&e={mac}"),
        Err(Unfit::NoCounter),
        "without a counter, the tap could be replayed forever"
    );
    assert_eq!(of_ixkio("https://a.b/?p={picc}&e={mac}"), Err(Unfit::NotSent(Field::PiccData)));
    assert_eq!(of_ixkio("https://a.b/?t={tt}&n={ctr}&e={mac}"), Err(Unfit::NotSent(Field::TtStatus)));
    assert_eq!(of_ixkio("https://a.b/{:shop}?n={ctr}&e={mac}"), Err(Unfit::NotSent(Field::Captured)));
    assert_eq!(
        of_ixkio("https://a.b/{:cuid}?n={ctr}&e={mac}"),
        Err(Unfit::NotSent(Field::Captured)),
        "the tag has no CUID"
    );
    let spaced = Row { cuid: Some("SHOE 42".into()), layout: layout("https://a.b/{:cuid}?n={ctr}&e={mac}"), ..row(0) };
    assert_eq!(ixkio::check(&spaced), Err(Unfit::NotSent(Field::Captured)), "a layout cannot capture a space");
    assert_eq!(ixkio::check(&Row { cuid: Some("SHOE-42".into()), ..spaced }), Ok(()));
    let nameless = Row { extended: vec![(String::new(), "x".into(), true)], ..row(0) };
    assert_eq!(ixkio::check(&nameless), Err(Unfit::Name));
    let zero = row(0);
    let view = zero.record();
    for other in OTHER_SCHEMES {
        let other = SdmFileReadKey::FACTORY.prepare(*other);
        let file = FileKey::Prepared(&other);
        let chip = view.chip.map(|chip| Chip { keys: Keys::Loaded { meta: None, file }, ..chip });
        assert_eq!(ixkio::check(&Record { chip, ..view }), Err(Unfit::WrongScheme));
    }
    let master = MasterKey::from_bytes([1; 16]);
    let file = FileKey::An10922 { master: &master, suffix: &[0; 25], epoch: 0 };
    let chip = view.chip.map(|chip| Chip { keys: Keys::Loaded { meta: None, file }, ..chip });
    assert_eq!(ixkio::check(&Record { chip, ..view }), Err(Unfit::SuffixLength));
    let file = FileKey::An10922 { master: &master, suffix: &[0; 24], epoch: 0 };
    let chip = view.chip.map(|chip| Chip { keys: Keys::Loaded { meta: None, file }, ..chip });
    assert_eq!(ixkio::check(&Record { chip, ..view }), Ok(()));
    let file = FileKey::An10922 { master: &master, suffix: b"", epoch: 0 };
    let chip = view.chip.map(|chip| Chip { keys: Keys::Loaded { meta: None, file }, ..chip });
    assert_eq!(ixkio::check(&Record { chip, uid: None, ..view }), Err(Unfit::NoUid));
    assert_eq!(ixkio::check(&Row { xuid: None, ..row(0) }), Err(Unfit::NoXuid));
    assert_eq!(ixkio::check(&Row { uid: None, ..row(1) }), Err(Unfit::NoUid));
    assert_eq!(ixkio::check(&Row { uid: None, ..row(0) }), Ok(()), "a layout without UID needs none");
    assert_eq!(ixkio::check(&Row { keys: RowKeys::NotLoaded, ..row(0) }), Err(Unfit::KeysNotLoaded));
    assert_eq!(ixkio::check(&Row { keys: RowKeys::NotLoaded, uid: None, ..row(1) }), Err(Unfit::KeysNotLoaded));
    assert_eq!(ixkio::check(&Row { tamper: true, ..row(0) }), Err(Unfit::Tamper));
    let group_rules = OwnRules { groups: vec![(vec![], "x".into())], default: String::new() };
    assert_eq!(ixkio::check(&Row { group_rules, ..row(0) }), Err(Unfit::Rules(RulesError::EmptyGroup)));

    // Each response must fit into an answer, also that of a group.
    for (response, default) in [("x", "x".repeat(65_536)), (&*"x".repeat(65_536), String::new())] {
        let groups = vec![(vec![Rule::TagAuthentication], response.into())];
        let group_rules = OwnRules { groups, default };
        assert_eq!(ixkio::check(&Row { group_rules, ..row(0) }), Err(Unfit::TooLong));
    }

    let of_etrnl = |template| etrnl::check(&Row { layout: layout(template), ..row(2) });
    assert_eq!(of_etrnl("https://a.b/?u={uid}&n={ctr}&c={mac}"), Err(Unfit::NotMirrored(Field::PiccData)));
    assert_eq!(of_etrnl("https://a.b/?e={picc:uid}&c={mac}"), Err(Unfit::NoCounter));
    assert_eq!(of_etrnl("https://a.b/?e={picc}&t=[[{enc:32}{mac}"), Err(Unfit::Tamper));
    assert_eq!(of_etrnl("https://a.b/?e={picc}&t={tt}&c={mac}"), Err(Unfit::NotSent(Field::TtStatus)));
    assert_eq!(of_etrnl("https://a.b/{:shop}?e={picc}&c={mac}"), Err(Unfit::NotSent(Field::Captured)));
    assert_eq!(
        of_etrnl("https://a.b/{:xuid}?e={picc}&c={mac}"),
        Err(Unfit::NotSent(Field::Captured)),
        "the tag has no XUID"
    );
    assert_eq!(of_etrnl("https://a.b/?e={picc:ctr}&c={mac}"), Err(Unfit::NotMirrored(Field::Uid)));
    let of_tamper = |template: &str| etrnl::check(&Row { layout: layout(template), ..row(3) });
    assert_eq!(of_tamper("https://a.b/?e={picc}&t=[[{enc:32,tt@0}{mac}"), Ok(()));
    for other in
        ["?e={picc}&t=[[{enc:32,tt@0}&c={mac}", "?e={picc}&[[t={enc:32,tt@0}{mac}", "?e=[[{picc}&t={enc:32,tt@0}{mac}"]
    {
        let template = format!("https://a.b/{other}");
        assert_eq!(of_tamper(&template), Err(Unfit::MacInput), "{other}");
    }
    let no_meta = RowKeys::Held { meta: None, file: SdmFileReadKey::FACTORY };
    assert_eq!(etrnl::check(&Row { keys: no_meta, ..row(2) }), Err(Unfit::NoMetaKey));
    assert_eq!(etrnl::check(&Row { layout: None, ..row(2) }), Err(Unfit::NotProgrammed));
    assert_eq!(etrnl::check(&Row { uid: None, ..row(2) }), Err(Unfit::NoUid));
    let wrong = OTHER_SCHEMES.iter().flat_map(|other| [(*other, Scheme::Aes), (Scheme::Aes, *other)]);
    let wrong = wrong.map(|(meta, file)| (meta, file, Err(Unfit::WrongScheme)));
    for (of_meta, of_file, expected) in wrong.chain([(Scheme::Aes, Scheme::Aes, Ok(()))]) {
        let (meta, file) = (SdmMetaReadKey::FACTORY.prepare(of_meta), SdmFileReadKey::FACTORY.prepare(of_file));
        let two = row(2);
        let view = two.record();
        let keys = Keys::Loaded { meta: Some(MetaKey::Prepared(&meta)), file: FileKey::Prepared(&file) };
        let chip = view.chip.map(|chip| Chip { keys, ..chip });
        assert_eq!(etrnl::check(&Record { chip, ..view }), expected, "{of_meta:?} {of_file:?}");
    }
    let RowKeys::Sealed { keys, tag } =
        world::tags().rows.into_iter().find(|row| row.number == Some(1001)).unwrap().keys
    else {
        panic!("tag 1001 has no sealed keys")
    };
    let sealed = Row { keys: RowKeys::Sealed { keys, tag }, ..row(0) };
    assert_eq!(ixkio::check(&sealed), Err(Unfit::NoECode));
    let sealed = Row { keys: RowKeys::Sealed { keys, tag }, ..row(2) };
    assert_eq!(etrnl::check(&sealed), Err(Unfit::SealedForAnother));
    let sealed = Row { uid: Some(tag.uid), ..sealed };
    assert_eq!(etrnl::check(&sealed), Ok(()));
    for (template, expected) in [
        ("https://a.b/?e={picc}&c={mac}", Err(Unfit::NotMirrored(Field::Captured))),
        ("https://a.b/{:tagId}?e={picc}&c={mac}", Err(Unfit::NotMirrored(Field::Captured))),
        ("https://a.b/?e={picc}&c={mac}&k={:eCode}", Ok(())),
    ] {
        assert_eq!(etrnl::check(&Row { layout: layout(template), ..sealed.clone() }), expected, "{template}");
    }
}

/// A registry that counts the lookups of API keys and tokens.
struct Counted<'t> {
    tags: &'t Tags,
    lookups: Cell<usize>,
}

impl<'t> TagRegistry for &Counted<'t> {
    type Record = &'t Row;
    type Error = Infallible;

    fn find(&self, tag: TagRef<'_>) -> Result<Option<&'t Row>, Infallible> {
        self.tags.find(tag)
    }

    fn organisation(&self, key: &ApiKeyName) -> Result<Option<OrganisationId>, Infallible> {
        self.lookups.set(self.lookups.get() + 1);
        self.tags.organisation(key)
    }
}

/// While a secret is replaced, the keys and tokens of both secrets are known. Each secret costs at most one lookup.
#[test]
fn each_api_key_secret_finds_its_keys() {
    let tags = world::tags();
    let secret = |byte| ApiKeySecret::from_bytes([byte; 16]);
    // The names in the registry were computed with `API_KEYS`.
    let old = || API_KEYS[0].clone();
    for (secrets, known, unknown) in [
        (vec![], None, 0),
        (vec![old()], Some(1), 1),
        (vec![secret(1)], None, 1),
        (vec![secret(1), old()], Some(2), 2),
        (vec![old(), secret(1)], Some(1), 2),
        (vec![secret(1), old(), secret(2)], Some(2), 3),
    ] {
        let (ixkio, etrnl) = (Ixkio::new(Service::new(&[]), &secrets), Etrnl::new(Service::new(&[]), &secrets));
        let ask = |token: bool, text: &str| {
            let counted = Counted { tags: &tags, lookups: Cell::new(0) };
            let mut counters = MemoryCounters::<2>::new();
            let answer = if token {
                ixkio.answer(&format!("x=t0ken000&r={text}"), &counted, &mut counters, None)
            } else {
                etrnl.answer(Some(text.as_bytes()), b"{}", &counted, &mut counters, None)
            };
            (answer.status == 200, answer.is_key_invalid, counted.lookups.get())
        };
        for (token, right, others) in
            [(true, "rt_one", ["rt_oned", "pk_live_one"]), (false, "pk_live_one", ["pk_live", "rt_one"])]
        {
            let expected = known.map_or((false, true, unknown), |lookups| (true, false, lookups));
            assert_eq!(ask(token, right), expected, "{right} {}", secrets.len());
            for other in others {
                assert_eq!(ask(token, other), (false, true, unknown), "{other} {}", secrets.len());
            }
        }
        // A token that is not needed is not looked up.
        let counted = Counted { tags: &tags, lookups: Cell::new(0) };
        let _ = ixkio.answer("x=q8w3sbcz&r=rt_one", &counted, &mut MemoryCounters::<2>::new(), None);
        assert_eq!(counted.lookups.get(), 0);
    }
}
