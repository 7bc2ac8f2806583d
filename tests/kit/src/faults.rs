//! Set-ups with one fault of a known kind, as public reports show them.

#![allow(clippy::needless_pass_by_value, clippy::unnecessary_wraps, reason = "all kinds are functions of one type")]

use fastrand::Rng;
use suntap::kdf::{an10922, boltcard, plain_cmac};
use suntap::{IssuerKey, MasterKey, Scheme, SdmLayout, Uid};

use crate::sdm_mac;
use crate::setup::{Mirror, Offsets, Piece, Setup, pick, random_key, random_uid};

/// A URL, and what somebody believes about it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub url: String,
    pub layout: Option<SdmLayout>,
    /// The role (`meta`, `file` or `any`) and the bytes of each key.
    pub keys: Vec<(&'static str, [u8; 16])>,
    pub suffixes: Vec<Vec<u8>>,
    pub uid: Option<[u8; 7]>,
    pub second_url: Option<String>,
    pub stored_ctr: Option<u32>,
}

/// How the fault is removed. The tap must then verify.
#[derive(Clone, Debug)]
pub enum Remedy {
    /// The URL stays. The layout and the keys that the doctor reports must verify it.
    AsReported,
    /// The offsets are changed as the doctor says.
    Offsets { setup: Box<Setup>, wrong: Offsets },
    /// This report must be healthy.
    Report(Box<Report>),
    /// Nothing that the doctor says can make this tap verify.
    None,
}

/// A report with one fault.
#[derive(Clone, Debug)]
pub struct Case {
    pub kind: &'static str,
    /// The codes of the findings that name the fault.
    pub codes: &'static [&'static str],
    pub report: Report,
    pub remedy: Remedy,
}

type Inject = fn(&mut Rng, Setup) -> Option<Case>;

/// The kinds of faults. A kind returns `None` if the set-up cannot have the fault.
pub const KINDS: &[(&str, Inject)] = &[
    ("every offset is wrong", all_offsets),
    ("one offset is wrong", one_offset),
    ("offsets are in the wrong base", wrong_base),
    ("SDMMACInputOffset is wrong", input_offset),
    ("no mirror is written", no_mirrors),
    ("the MAC is not written", no_mac_mirror),
    ("the placeholder of PICCData is too long", long_placeholder),
    ("the end of the URL is cut off", cut_off),
    ("percent-encoded", percent_encoded),
    ("HTML-escaped", html_escaped),
    ("other scheme in the URL", other_url_scheme),
    ("other host in the URL", other_host),
    ("parameter appended", appended),
    ("case changed", case_changed),
    ("other parameter names in the layout", other_names),
    ("file key of a new chip", factory_file_key),
    ("both keys of a new chip", new_chip),
    ("keys swapped", swapped_keys),
    ("key given for the wrong role", wrong_role),
    ("key derived by AN10922", derived_an10922),
    ("key derived with a given suffix", derived_with_suffix),
    ("key derived for a Bolt Card", derived_boltcard),
    ("key reversed", reversed_key),
    ("wrong mode", wrong_mode),
    ("other MAC input in the layout", other_window),
    ("static UID or counter", static_mirror),
    ("counter in the wrong byte order", reversed_ctr),
    ("wrong bytes of the CMAC", wrong_truncation),
    ("no session key", no_session_key),
    ("MAC over decoded bytes", mac_over_bytes),
    ("UID of another tag", other_tag),
    ("no counter", no_counter),
    ("counter already accepted", replay),
    ("second tap with the same counter", stuck),
    ("unknown file key", unknown_file_key),
    ("unknown meta key", unknown_meta_key),
    ("tamper status outside the MAC input", uncovered_status),
    ("no MAC in the URL", no_mac),
    ("signature in place of the MAC", signature),
];

/// Returns a report about a healthy set-up. It has custom keys, and all of them are given.
pub fn healthy(rng: &mut Rng, setup: &Setup) -> Report {
    let mut report = with_layout(setup, setup.url());
    if rng.u8(..3) == 0 {
        report.layout = None;
    }
    if rng.u8(..4) == 0 {
        report.keys.iter_mut().for_each(|(role, _)| *role = "any");
    }
    if rng.u8(..3) == 0 {
        report.uid = Some(setup.tag.uid);
    }
    if rng.u8(..3) == 0 {
        report.stored_ctr = setup.ctr.checked_sub(1);
    }
    report
}

/// Returns a report with the keys of the tag, and the layout.
fn with_layout(setup: &Setup, url: String) -> Report {
    let layout = SdmLayout::new(setup.scheme(), &setup.template()).ok();
    Report { url, layout, keys: keys(setup), ..Report::default() }
}

fn keys(setup: &Setup) -> Vec<(&'static str, [u8; 16])> {
    let mut keys = vec![("file", setup.tag.file_key)];
    if setup.has(Mirror::Picc) {
        keys.insert(0, ("meta", setup.tag.meta_key));
    }
    keys
}

fn case(kind: &'static str, codes: &'static [&'static str], report: Report, remedy: Remedy) -> Option<Case> {
    Some(Case { kind, codes, report, remedy })
}

fn moved(at: usize, by: i32) -> Option<usize> {
    at.checked_add_signed(by.try_into().unwrap())
}

/// Returns `true` if a chip accepts these offsets and no digit that is needed is lost.
fn is_possible(setup: &Setup, offsets: &Offsets) -> bool {
    let len = setup.placeholder_text().len();
    let places: Vec<_> =
        offsets.mirrors.iter().map(|(mirror, at)| (*mirror, *at, *at + setup.chars(*mirror))).collect();
    let apart = places.iter().enumerate().all(|(index, (_, from, to))| {
        places.iter().skip(index + 1).all(|(_, other_from, other_to)| to <= other_from || other_to <= from)
    });
    let whole = places.iter().all(|(mirror, _, to)| *to <= len + if *mirror == Mirror::Mac { 6 } else { 0 });
    // A chip does not write over the start of the URL.
    apart && whole && places.iter().all(|(_, from, _)| *from > 8)
}

fn shifted(setup: Setup, kind: &'static str, wrong: Offsets) -> Option<Case> {
    if !is_possible(&setup, &wrong) || wrong == setup.offsets() {
        return None;
    }
    let report = with_layout(&setup, setup.write(&wrong));
    case(kind, &["offset-shift"], report, Remedy::Offsets { setup: Box::new(setup), wrong })
}

fn all_offsets(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let by = pick(rng, &[-7, -7, -5, -4, -3, -2, -1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, -16]);
    let mut wrong = setup.offsets();
    for (_, at) in &mut wrong.mirrors {
        *at = moved(*at, by)?;
    }
    wrong.window = moved(wrong.window, by)?;
    shifted(setup, "every offset is wrong", wrong)
}

fn one_offset(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let mut wrong = setup.offsets();
    let by = pick(rng, &[-7, -4, -3, -2, -1, 1, 2, 3, 4, 5]);
    let index = rng.usize(..wrong.mirrors.len());
    let (mirror, at) = wrong.mirrors[index];
    wrong.mirrors[index].1 = moved(at, by)?;
    if mirror == Mirror::Mac && wrong.window == at {
        wrong.window = wrong.mirrors[index].1;
    }
    // If only the offset of the file data or of the status is wrong, the mirror may leave the MAC input.
    let mac = wrong.mirrors.iter().find(|(mirror, _)| *mirror == Mirror::Mac)?.1;
    let covered =
        |wanted| wrong.mirrors.iter().filter(|(mirror, _)| *mirror == wanted).all(|(_, at)| *at >= wrong.window);
    if !covered(Mirror::Enc) || !covered(Mirror::Tt) || wrong.window > mac {
        return None;
    }
    shifted(setup, "one offset is wrong", wrong)
}

/// The offset in the file, whose first bytes are NLEN, the record header and the URI code.
fn file_offset(text: &str, at: usize) -> usize {
    let prefixes = ["https://www.", "http://www.", "https://", "http://"];
    let prefix = prefixes.iter().find(|prefix| text.starts_with(**prefix)).map_or(0, |prefix| prefix.len());
    at + 7 - prefix
}

fn wrong_base(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let text = setup.placeholder_text();
    let all = rng.bool();
    let chosen = rng.usize(..setup.offsets().mirrors.len());
    let convert = |at: usize| {
        let right = file_offset(&text, at);
        let found = usize::from_str_radix(&format!("{right}"), 16).ok()?;
        (at + found).checked_sub(right)
    };
    let mut wrong = setup.offsets();
    for (index, (mirror, at)) in wrong.mirrors.iter_mut().enumerate() {
        if all || index == chosen {
            let right = *at;
            *at = convert(*at)?;
            if *mirror == Mirror::Mac && wrong.window == right {
                wrong.window = *at;
            }
        }
    }
    if all && wrong.window == setup.window {
        wrong.window = convert(wrong.window)?;
    }
    let mac = wrong.mirrors.iter().find(|(mirror, _)| *mirror == Mirror::Mac)?.1;
    if wrong.window > mac {
        return None;
    }
    shifted(setup, "offsets are in the wrong base", wrong)
}

fn input_offset(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let mut wrong = setup.offsets();
    wrong.window = moved(wrong.window, pick(rng, &[-7, -3, -2, -1, 1, 2, 3]))?;
    let starts =
        |wanted| wrong.mirrors.iter().filter(|(mirror, _)| *mirror == wanted).all(|(_, at)| *at >= wrong.window);
    let mac = setup.offset_of(Mirror::Mac);
    if wrong.window >= mac || wrong.window < 9 || !starts(Mirror::Enc) || !starts(Mirror::Tt) {
        return None;
    }
    let report = with_layout(&setup, setup.write(&wrong));
    case("SDMMACInputOffset is wrong", &["mac-input", "mac-input-inside"], report, Remedy::None)
}

fn no_mirrors(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let mut report = with_layout(&setup, setup.placeholder_text());
    report.layout = report.layout.filter(|_| rng.bool());
    case("no mirror is written", &["not-mirrored"], report, Remedy::None)
}

fn no_mac_mirror(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let mut report = with_layout(&setup, setup.write_without_mac(&setup.offsets()));
    report.layout = report.layout.filter(|_| rng.bool());
    case("the MAC is not written", &["mac-not-mirrored"], report, Remedy::None)
}

fn long_placeholder(rng: &mut Rng, mut setup: Setup) -> Option<Case> {
    let layout = SdmLayout::new(setup.scheme(), &setup.template()).ok();
    let index = setup.pieces.iter().position(|piece| matches!(piece, Piece::Mirror(Mirror::Picc)))?;
    let more = "0".repeat(pick(rng, &[1, 2, 2, 4]));
    if setup.window > setup.offset_of(Mirror::Picc) {
        setup.window += more.len();
    }
    match setup.pieces.get_mut(index + 1)? {
        Piece::Text(text) => text.insert_str(0, &more),
        Piece::Mirror(_) => return None,
    }
    let report = Report { layout, ..with_layout(&setup, setup.url()) };
    case("the placeholder of PICCData is too long", &["picc-data-length"], report, Remedy::AsReported)
}

fn cut_off(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let url = setup.url();
    if setup.offset_of(Mirror::Mac) + 16 != url.len() {
        return None;
    }
    let cut = url[..url.len() - rng.usize(1..=6)].to_owned();
    let whole = Report { url, ..with_layout(&setup, String::new()) };
    case("the end of the URL is cut off", &["mac-length"], with_layout(&setup, cut), Remedy::Report(whole.into()))
}

fn percent_encoded(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let url = setup.url();
    let escape = |c: char| match c {
        ':' | '/' | '?' | '=' | '&' | '#' => format!("%{:02X}", u32::from(c)),
        c => c.to_string(),
    };
    let encoded: String = url.chars().map(escape).collect();
    if encoded == url {
        return None;
    }
    let healthy = with_layout(&setup, url.clone());
    let mut report = with_layout(&setup, format!("https://go.example/r?to={encoded}"));
    if rng.bool() {
        let (origin, rest) = url.split_at(url.find("://")? + 3);
        let (host, rest) = rest.split_at(rest.find(['/', '?'])? + 1);
        let path: String = rest.chars().map(escape).collect();
        if path == rest {
            return None;
        }
        report.url = format!("{origin}{host}{path}");
    }
    report.layout = report.layout.filter(|_| rng.bool());
    case("percent-encoded", &["percent-encoded"], report, Remedy::Report(healthy.into()))
}

fn html_escaped(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let url = setup.url();
    let escaped = url.replace('&', pick(rng, &["&amp;", "&amp;", "&#38;"]));
    if escaped == url {
        return None;
    }
    let healthy = with_layout(&setup, url);
    let mut report = with_layout(&setup, escaped);
    report.layout = report.layout.filter(|_| rng.bool());
    case("HTML-escaped", &["html-escaped"], report, Remedy::Report(healthy.into()))
}

fn other_url_scheme(_: &mut Rng, setup: Setup) -> Option<Case> {
    let url = setup.url();
    let other = match url.strip_prefix("https://") {
        Some(rest) => format!("http://{rest}"),
        None => url.replace("http://", "https://"),
    };
    if other == url || setup.window < 9 {
        return None;
    }
    case("other scheme in the URL", &["scheme-differs"], with_layout(&setup, other), Remedy::AsReported)
}

fn other_host(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let url = setup.url();
    let (scheme, rest) = url.split_once("://")?;
    let path = &rest[rest.find(['/', '?'])?..];
    let other = format!("{scheme}://{}{path}", pick(rng, &["other.example", "www.new-shop.example", "localhost:3000"]));
    if setup.window < url.len() - path.len() {
        return None;
    }
    case("other host in the URL", &["layout"], with_layout(&setup, other), Remedy::AsReported)
}

fn appended(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let url = setup.url();
    if url.contains('#') {
        return None;
    }
    let tail = pick(
        rng,
        &["&utm_source=nfc", "&fbclid=IwAR0123456789abcdef", "#top", "&gclid=0123456789ABCDEF0123456789ABCDEF"],
    );
    let healthy = with_layout(&setup, url.clone());
    let report = with_layout(&setup, format!("{url}{tail}"));
    case("parameter appended", &["layout"], report, Remedy::Report(healthy.into()))
}

fn case_changed(_: &mut Rng, setup: Setup) -> Option<Case> {
    let url = setup.url();
    if !setup.placeholder_text().bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let healthy = with_layout(&setup, url.clone());
    let report = with_layout(&setup, url.to_ascii_lowercase());
    case("case changed", &["case-changed"], report, Remedy::Report(healthy.into()))
}

fn other_names(_: &mut Rng, setup: Setup) -> Option<Case> {
    let url = setup.url();
    let template = setup.template().replace("={", "_x={");
    let layout = SdmLayout::new(setup.scheme(), &template).ok().filter(|_| template != setup.template());
    let report = Report { layout: Some(layout?), ..with_layout(&setup, url) };
    case("other parameter names in the layout", &["layout"], report, Remedy::AsReported)
}

fn factory_file_key(rng: &mut Rng, mut setup: Setup) -> Option<Case> {
    let given = random_key(rng);
    setup.tag.file_key = [0; 16];
    let mut report = with_layout(&setup, setup.url());
    report.layout = report.layout.filter(|_| rng.bool());
    report.keys.retain(|(role, _)| *role != "file");
    match rng.u8(..3) {
        0 => report.keys.push(("file", given)),
        1 => report.keys.push(("file", [0; 16])),
        _ if report.keys.is_empty() => report.keys.push(("any", given)),
        _ => {}
    }
    case("file key of a new chip", &["factory-key"], report, Remedy::None)
}

fn new_chip(rng: &mut Rng, mut setup: Setup) -> Option<Case> {
    (setup.tag.meta_key, setup.tag.file_key) = ([0; 16], [0; 16]);
    let mut report = with_layout(&setup, setup.url());
    report.layout = report.layout.filter(|_| rng.bool());
    report.keys.clear();
    case("both keys of a new chip", &["new-chip"], report, Remedy::None)
}

fn swapped_keys(_: &mut Rng, setup: Setup) -> Option<Case> {
    if !setup.has(Mirror::Picc) {
        return None;
    }
    let mut report = with_layout(&setup, setup.url());
    report.keys = vec![("meta", setup.tag.file_key), ("file", setup.tag.meta_key)];
    case("keys swapped", &["keys-swapped"], report, Remedy::AsReported)
}

fn wrong_role(rng: &mut Rng, setup: Setup) -> Option<Case> {
    if !setup.has(Mirror::Picc) {
        return None;
    }
    let mut report = with_layout(&setup, setup.url());
    report.keys = vec![("meta", setup.tag.meta_key), ("file", random_key(rng)), ("any", setup.tag.file_key)];
    case("key given for the wrong role", &["other-key"], report, Remedy::AsReported)
}

/// Returns a report about a tag with this file key. The given key is one from which it is derived.
fn derived(rng: &mut Rng, mut setup: Setup, kind: &'static str, given: [u8; 16], key: [u8; 16]) -> Option<Case> {
    setup.tag.file_key = key;
    let mut report = with_layout(&setup, setup.url());
    report.layout = report.layout.filter(|_| rng.bool());
    report.keys.retain(|(role, _)| *role != "file");
    report.keys.push(("any", given));
    case(kind, &["derived-key"], report, Remedy::AsReported)
}

fn derived_an10922(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let (given, uid) = (random_key(rng), setup.tag.uid);
    let master = MasterKey::from_bytes(given);
    let suffix: &[u8] =
        pick(rng, &[&[], &[0x30, 0x42, 0xF5], b"\x30\x42\xF5testing", b"\x30\x42\xF5NXP Abu", &[1], b"testing"]);
    let input = [&uid[..], suffix];
    let key = if rng.bool() { an10922::derive(&master, &input) } else { plain_cmac::derive(&master, &input) };
    derived(rng, setup, "key derived by AN10922", given, key.unwrap())
}

fn derived_with_suffix(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let (given, uid) = (random_key(rng), setup.tag.uid);
    let master = MasterKey::from_bytes(given);
    let suffix: Vec<u8> = (0..rng.usize(2..12)).map(|_| rng.u8(b'a'..=b'z')).collect();
    let aid = &[0x30, 0x42, 0xF5][..];
    let inputs: [&[&[u8]]; 4] = [&[&suffix], &[&uid, &suffix], &[&uid, aid, &suffix], &[aid, &uid, &suffix]];
    let key = an10922::derive(&master, pick(rng, &inputs)).unwrap();
    let mut case = derived(rng, setup, "key derived with a given suffix", given, key)?;
    case.report.suffixes = vec![suffix];
    Some(case)
}

fn derived_boltcard(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let (given, uid) = (random_key(rng), setup.tag.uid);
    let issuer = IssuerKey::from_bytes(given);
    let key = *boltcard::file_read_key(&issuer, Uid::from_bytes(uid), rng.u32(..4)).expose_bytes();
    derived(rng, setup, "key derived for a Bolt Card", given, key)
}

fn reversed_key(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let (given, mut key) = (setup.tag.file_key, setup.tag.file_key);
    key.reverse();
    derived(rng, setup, "key reversed", given, key)
}

fn wrong_mode(_: &mut Rng, setup: Setup) -> Option<Case> {
    let other = if setup.tag.lrp { Scheme::Aes } else { Scheme::Lrp };
    let layout = SdmLayout::new(other, &setup.template()).ok();
    let report = Report { layout, ..with_layout(&setup, setup.url()) };
    case("wrong mode", &["mode"], report, Remedy::AsReported)
}

fn other_window(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let mac = setup.offset_of(Mirror::Mac);
    let text = setup.placeholder_text();
    let starts: Vec<usize> =
        (9..=mac).filter(|at| *at == mac || matches!(text.as_bytes()[at - 1], b'?' | b'&' | b'=' | b'/')).collect();
    let window = pick(rng, &starts);
    let layout = SdmLayout::new(setup.scheme(), &setup.template_with_window(window)).ok();
    if window == setup.window || layout.is_none() {
        return None;
    }
    let report = Report { layout, ..with_layout(&setup, setup.url()) };
    case("other MAC input in the layout", &["mac-input"], report, Remedy::AsReported)
}

/// The UID or the counter in the URL is typed text, and the chip does not mirror it.
fn static_mirror(rng: &mut Rng, mut setup: Setup) -> Option<Case> {
    if setup.has(Mirror::Picc) || setup.has(Mirror::Enc) {
        return None;
    }
    let layout = SdmLayout::new(setup.scheme(), &setup.template()).ok();
    let wanted = pick(rng, &[Mirror::Uid, Mirror::Ctr]);
    let text = setup.mirror_text(wanted);
    let piece = setup.pieces.iter_mut().find(|piece| matches!(piece, Piece::Mirror(mirror) if *mirror == wanted))?;
    *piece = Piece::Text(text);
    let report = Report { layout, ..with_layout(&setup, setup.url()) };
    case("static UID or counter", &["session-vector"], report, Remedy::AsReported)
}

/// Returns a report about a URL with this MAC, which no chip computes.
fn with_mac(setup: &Setup, mac: &str) -> Report {
    let mut url = setup.write_without_mac(&setup.offsets());
    let at = setup.offset_of(Mirror::Mac);
    url.replace_range(at..at + 16, mac);
    with_layout(setup, url)
}

fn reversed_ctr(_: &mut Rng, setup: Setup) -> Option<Case> {
    let mut fields = setup.fields();
    let at = fields.len().checked_sub(3)?;
    fields[at..].reverse();
    if setup.has(Mirror::Picc) || setup.has(Mirror::Enc) || fields == setup.fields() {
        return None;
    }
    let report = with_mac(&setup, &sdm_mac(&setup.tag.cmac(&fields, setup.mac_input().as_bytes())));
    case("counter in the wrong byte order", &["counter-byte-order"], report, Remedy::None)
}

fn wrong_truncation(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let cmac = setup.tag.cmac(&setup.fields(), setup.mac_input().as_bytes());
    let bytes: Vec<u8> = match rng.u8(..3) {
        0 => cmac.iter().copied().step_by(2).collect(),
        1 => cmac[..8].to_vec(),
        _ => cmac[8..].to_vec(),
    };
    let report = with_mac(&setup, &base16ct::upper::encode_string(&bytes));
    case("wrong bytes of the CMAC", &["mac-truncation"], report, Remedy::None)
}

fn no_session_key(_: &mut Rng, setup: Setup) -> Option<Case> {
    let report = with_mac(&setup, &sdm_mac(&setup.tag.cmac_without_session(setup.mac_input().as_bytes())));
    case("no session key", &["no-session-key"], report, Remedy::None)
}

fn mac_over_bytes(_: &mut Rng, setup: Setup) -> Option<Case> {
    let mirror = if setup.has(Mirror::Picc) { Mirror::Picc } else { Mirror::Uid };
    let bytes = base16ct::upper::decode_vec(setup.mirror_text(mirror)).unwrap();
    let report = with_mac(&setup, &sdm_mac(&setup.tag.cmac(&setup.fields(), &bytes)));
    case("MAC over decoded bytes", &["mac-over-bytes"], report, Remedy::None)
}

fn other_tag(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let report = Report { uid: Some(random_uid(rng)), ..with_layout(&setup, setup.url()) };
    case("UID of another tag", &["other-tag"], report, Remedy::AsReported)
}

fn no_counter(rng: &mut Rng, mut setup: Setup) -> Option<Case> {
    if setup.has(Mirror::Enc) {
        return None;
    }
    if setup.has(Mirror::Picc) {
        setup.picc_values = [true, false];
    } else {
        let index = setup.pieces.iter().position(|piece| matches!(piece, Piece::Mirror(Mirror::Ctr)))?;
        setup.pieces.drain(index - 1..=index);
        setup.window = setup.offset_of(Mirror::Mac);
        if setup.has(Mirror::Tt) {
            return None;
        }
    }
    let mut report = with_layout(&setup, setup.url());
    report.layout = report.layout.filter(|_| rng.bool());
    case("no counter", &["no-counter"], report, Remedy::None)
}

fn replay(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let stored_ctr = Some(setup.ctr + if rng.bool() { 0 } else { rng.u32(..100) }).filter(|ctr| *ctr <= 0xFF_FFFF);
    let report = Report { stored_ctr, ..with_layout(&setup, setup.url()) };
    stored_ctr.and(case("counter already accepted", &["counter-behind"], report, Remedy::AsReported))
}

fn stuck(_: &mut Rng, setup: Setup) -> Option<Case> {
    let url = setup.url();
    let report = Report { second_url: Some(url.clone()), ..with_layout(&setup, url) };
    case("second tap with the same counter", &["counter-stuck"], report, Remedy::AsReported)
}

fn unknown_file_key(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let mut report = with_layout(&setup, setup.url());
    report.keys.retain(|(role, _)| *role != "file");
    report.keys.push(("file", random_key(rng)));
    let codes: &[&str] = if setup.has(Mirror::Picc) { &["file-key"] } else { &["no-match"] };
    case("unknown file key", codes, report, Remedy::None)
}

fn unknown_meta_key(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let mut report = with_layout(&setup, setup.url());
    report.keys.retain(|(role, _)| *role != "meta");
    report.keys.push(("meta", random_key(rng)));
    setup.has(Mirror::Picc).then(|| case("unknown meta key", &["meta-key"], report, Remedy::None))?
}

fn uncovered_status(rng: &mut Rng, mut setup: Setup) -> Option<Case> {
    if !setup.has(Mirror::Tt) || setup.has(Mirror::Enc) {
        return None;
    }
    setup.window = setup.offset_of(Mirror::Mac);
    let mut report = with_layout(&setup, setup.url());
    report.layout = report.layout.filter(|_| rng.bool());
    case("tamper status outside the MAC input", &["tamper-not-covered"], report, Remedy::None)
}

fn no_mac(_: &mut Rng, setup: Setup) -> Option<Case> {
    let url = setup.write_without_mac(&setup.offsets());
    let end = url[..setup.offset_of(Mirror::Mac)].rfind(['&', '/'])?;
    // Two mirrors must be left, and the last 16 digits of file data look like a MAC.
    let report = Report { layout: None, ..with_layout(&setup, url[..end].to_owned()) };
    (!setup.has(Mirror::Enc)).then(|| case("no MAC in the URL", &["no-mac"], report, Remedy::None))?
}

fn signature(rng: &mut Rng, setup: Setup) -> Option<Case> {
    let url = setup.write_without_mac(&setup.offsets());
    let at = setup.offset_of(Mirror::Mac);
    let bytes: Vec<u8> = (0..64).map(|_| rng.u8(..)).collect();
    let signature = base16ct::upper::encode_string(&bytes);
    let report = Report { layout: None, ..with_layout(&setup, format!("{}{signature}", &url[..at])) };
    case("signature in place of the MAC", &["ecc-signature"], report, Remedy::None)
}
