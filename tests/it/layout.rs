//! The template grammar, the rules of the chip, and the reasons why a text is not a tap.

use core::mem::discriminant;
use std::collections::HashMap;

use suntap::{Field, LayoutError, Malformed, Mirrors, Scheme, SdmLayout, UnverifiedTap, sdm_layout};

const PICC: &str = "EF963FF7828658A599F3041510671E88";
const MAC: &str = "94EED9EE65337086";

fn layout(template: &str) -> SdmLayout {
    SdmLayout::new(Scheme::Aes, template).unwrap_or_else(|error| panic!("{template}: {error}"))
}

fn shape(tap: Result<UnverifiedTap<'_>, Malformed>) -> Result<(), Malformed> {
    tap.map(|_| ())
}

/// A template that no chip supports is rejected, and the error names the rule. Source: NT4H2421Gx §9.3.3 to §9.3.7,
/// Table 71.
#[test]
fn invalid_templates_name_the_rule() {
    let long_name = "n".repeat(250);
    let table: &[(&str, LayoutError)] = &[
        ("https://a.b/{mac}é", LayoutError::Character { at: 17 }),
        ("https://a.b/ {mac}", LayoutError::Character { at: 12 }),
        ("https://a.b/}{mac}", LayoutError::Character { at: 12 }),
        ("https://a.b/<{mac}", LayoutError::Character { at: 12 }),
        ("https://a.b/a\\b{mac}", LayoutError::Character { at: 13 }),
        ("https://a.b/{mac", LayoutError::Unclosed { at: 12 }),
        ("https://a.b/{pic}{mac}", LayoutError::UnknownElement { at: 12 }),
        ("https://a.b/{picc:ctr,uid}{mac}", LayoutError::UnknownElement { at: 12 }),
        ("https://a.b/{:}{mac}", LayoutError::UnknownElement { at: 12 }),
        ("https://a.b/{:a.b}/{mac}", LayoutError::UnknownElement { at: 12 }),
        ("https://a.b/[[{picc}{enc:}{mac}", LayoutError::UnknownElement { at: 20 }),
        ("https://a.b/[[{picc}{enc:32,}{mac}", LayoutError::UnknownElement { at: 20 }),
        ("https://a.b/[[{picc}{enc:32,tt@}{mac}", LayoutError::UnknownElement { at: 20 }),
        ("https://a.b/[[{picc}{enc:tt@1x}{mac}", LayoutError::UnknownElement { at: 20 }),
        ("https://a.b/[[{picc}{encx}{mac}", LayoutError::UnknownElement { at: 20 }),
        ("https://a.b/{picc}{picc}{mac}", LayoutError::Repeated(Field::PiccData)),
        ("https://a.b/{uid}{uid}{mac}", LayoutError::Repeated(Field::Uid)),
        ("https://a.b/{ctr}{ctr}{mac}", LayoutError::Repeated(Field::SdmReadCtr)),
        ("https://a.b/{tt}{tt}{mac}", LayoutError::Repeated(Field::TtStatus)),
        ("https://a.b/{mac}{mac}", LayoutError::Repeated(Field::SdmMac)),
        ("https://a.b/[[{picc}{enc:32}{enc:32}{mac}", LayoutError::Repeated(Field::EncFileData)),
        ("https://a.b/{:id}/{:x}/{:id}/{mac}", LayoutError::RepeatedName),
        ("https://a.b/{:a}/{:b}/{:c}/{:d}/{:e}/{mac}", LayoutError::TooManyNames),
        ("https://a.b/[[{uid}[[{mac}", LayoutError::RepeatedMacInput),
        ("https://a.b/{picc}{uid}{mac}", LayoutError::PiccDataAndPlain),
        ("https://a.b/{ctr}{picc}{mac}", LayoutError::PiccDataAndPlain),
        ("https://a.b/{picc}", LayoutError::NoMac),
        ("https://a.b/", LayoutError::NoMac),
        ("", LayoutError::NoMac),
        ("https://a.b/{mac}[[{uid}", LayoutError::MacInputAfterMac),
        ("https://a.b/{picc}/{enc}/{mac}", LayoutError::EncOutsideMacInput),
        ("https://a.b/{picc}/{enc}[[/{mac}", LayoutError::EncOutsideMacInput),
        ("https://a.b/[[{picc}/{mac}/{enc}", LayoutError::EncOutsideMacInput),
        ("https://a.b/[[{picc}{enc:0}{mac}", LayoutError::EncLength),
        ("https://a.b/[[{picc}{enc:33}{mac}", LayoutError::EncLength),
        ("https://a.b/[[{picc}{enc:48}{mac}", LayoutError::EncLength),
        ("https://a.b/[[{uid}/{enc}/{mac}", LayoutError::EncNeedsUidAndCtr),
        ("https://a.b/[[{picc:uid}/{enc}/{mac}", LayoutError::EncNeedsUidAndCtr),
        ("https://a.b/[[{picc:ctr}/{enc}/{mac}", LayoutError::EncNeedsUidAndCtr),
        ("https://a.b/[[{enc}/{mac}", LayoutError::EncNeedsUidAndCtr),
        ("https://a.b/[[{picc}{enc:32,tt@15}{mac}", LayoutError::TamperOutsideEnc),
        ("https://a.b/[[{picc}{enc:32,tt@65535}{mac}", LayoutError::TamperOutsideEnc),
        ("https://a.b/[[{picc}{enc:32,tt@99999999999999999999}{mac}", LayoutError::TamperOutsideEnc),
        ("https://a.b/[[{picc}{tt}{enc:32,tt@0}{mac}", LayoutError::TamperTwice),
        ("https://a.b/[[{picc}/{enc}c={mac}", LayoutError::Unbounded(Field::EncFileData)),
        ("https://a.b/[[{picc}/{enc}{tt}{mac}", LayoutError::Unbounded(Field::EncFileData)),
        ("https://a.b/[[{picc}/{enc}{:id}/{mac}", LayoutError::Unbounded(Field::EncFileData)),
        ("https://a.b/{:id}{mac}", LayoutError::Unbounded(Field::Captured)),
        ("https://a.b/{:id}x{mac}", LayoutError::Unbounded(Field::Captured)),
        ("https://a.b/{:id}[[x{mac}", LayoutError::Unbounded(Field::Captured)),
        ("https://a.b/[[{picc}{enc:224}{mac}", LayoutError::FileTooLong),
        ("https://a.b/[[{picc}{enc:tt@500}{mac}", LayoutError::FileTooLong),
        ("https://a.b/[[{picc}{enc:tt@95}{mac}", LayoutError::FileTooLong),
        (&format!("https://a.b/{}{{mac}}", "{uid}".repeat(12)), LayoutError::Repeated(Field::Uid)),
        (&format!("https://a.b/{}{{mac}}", "[[".repeat(12)), LayoutError::RepeatedMacInput),
        ("https://a.b/[[{picc}{uid}{ctr}{tt}{enc:32}{mac}/{:a}/{:b}/{:c}/{:d}", LayoutError::PiccDataAndPlain),
        (&format!("https://a.b/{long_name}/{{mac}}"), LayoutError::TemplateTooLong),
        ("a.b/{mac}", LayoutError::NoScheme),
        ("//a.b/{mac}", LayoutError::NoScheme),
        ("/t?c={mac}", LayoutError::NoScheme),
        ("1a:{mac}", LayoutError::NoScheme),
        ("a/b:c?{mac}", LayoutError::NoScheme),
        ("{uid}://a.b/{mac}", LayoutError::NoScheme),
        ("https://a.b/?p={picc}&amp;c={mac}", LayoutError::HtmlEscaped),
        ("https://a.b/?p={picc}&c=%7Bmac%7D", LayoutError::PercentEncoded { at: 24 }),
        ("https://a.b/?p=%7bpicc%7d&c={mac}", LayoutError::PercentEncoded { at: 15 }),
        ("https://a.b/%7B:id%7D?c={mac}", LayoutError::PercentEncoded { at: 12 }),
    ];
    let mut rules = HashMap::new();
    for (template, error) in table {
        assert_eq!(SdmLayout::new(Scheme::Aes, template), Err(*error), "{template}");
        // Each error has its own text, and names the position if there is one.
        let kind = discriminant(error);
        assert_eq!(*rules.entry(error.rule()).or_insert(kind), kind, "{error}");
        let place = match error {
            LayoutError::Character { at }
            | LayoutError::UnknownElement { at }
            | LayoutError::PercentEncoded { at }
            | LayoutError::Unclosed { at } => {
                format!(" (byte {at} of the template)")
            }
            LayoutError::Repeated(field) | LayoutError::Unbounded(field) => format!(" ({field})"),
            _ => String::new(),
        };
        assert_eq!(error.to_string(), format!("{}{place}", error.rule()));
    }
}

#[test]
fn valid_templates_are_accepted() {
    for template in [
        "https://a.b/{mac}",
        "https://a.b/?{picc:uid,ctr}{mac}",
        "https://a.b/[[{picc}{enc:192,tt@94}{mac}",
        "https://a.b/[[{picc}{enc}{mac}",
        "https://a.b/[[{uid}x{ctr}x{enc}x{mac}&x=1",
        "https://a.b/[[{picc}{enc:32}c={mac}",
        "https://a.b/[[{picc}{enc:tt@30}/{mac}",
        "https://a.b/[[{picc}{enc:tt@94}{mac}",
        "https://a.b/{:a}/{:b}?{:c}={:d}&u=[[{uid}&n={ctr}&e={enc}&t={tt}&m={mac}",
        "https://a.b/[[{mac}",
        "http://[::1]/{mac}",
        "[[https://a.b/{picc}{mac}",
        "a+b-1.c:{mac}",
        "lnurlw:{mac}",
        "https://a.b/?amp;={mac}",
    ] {
        assert_eq!(layout(template).template(), template);
    }
}

/// The file has at most 256 bytes. It has 7 bytes before the URL, and the URI code replaces the prefix. Source:
/// NT4H2421Gx Table 71.
#[test]
fn the_file_has_at_most_256_bytes() {
    const FREE: usize = 249 - 16;
    for (prefix, saved) in [("a:", 0), ("http://", 7), ("https://", 8), ("http://www.", 11), ("https://www.", 12)] {
        let template = |len: usize| format!("{prefix}{}{{mac}}", "a".repeat(len - prefix.len()));
        let longest = FREE + saved;
        assert!(SdmLayout::new(Scheme::Aes, &template(longest)).is_ok(), "{prefix}");
        assert_eq!(SdmLayout::new(Scheme::Aes, &template(longest + 1)), Err(LayoutError::FileTooLong), "{prefix}");
    }
    // An element without a length counts with its minimum: one character of a name, 32 digits of file data.
    for (element, least) in [("{:a}", 1), ("{enc}", 32)] {
        let with = |len: usize| format!("https://[[{{uid}}{{ctr}}/{element}/{{mac}}{}", "a".repeat(len - 22 - least));
        assert!(SdmLayout::new(Scheme::Aes, &with(FREE)).is_ok(), "{element}");
        assert_eq!(SdmLayout::new(Scheme::Aes, &with(FREE + 1)), Err(LayoutError::FileTooLong), "{element}");
    }
    // If `[[` is inside `www.`, the URI code replaces only the shorter prefix.
    let crossed = |len: usize| format!("https://w[[ww.{}{{mac}}", "a".repeat(len - 12));
    assert!(SdmLayout::new(Scheme::Aes, &crossed(FREE + 8)).is_ok());
    assert_eq!(SdmLayout::new(Scheme::Aes, &crossed(FREE + 8 + 1)), Err(LayoutError::FileTooLong));
}

#[test]
fn a_layout_can_be_a_static_and_equals_one_read_at_run_time() {
    static LAYOUT: SdmLayout = sdm_layout!("https://a.b/?p={picc}&c={mac}");
    assert_eq!(LAYOUT, layout("https://a.b/?p={picc}&c={mac}"));
    assert_ne!(LAYOUT, layout("https://a.b/?q={picc}&c={mac}"));
}

#[test]
fn invalid_urls_give_their_reason() {
    let url = |query: &str| format!("https://a.b/t?{query}");
    let whole = format!("p={PICC}&c={MAC}");
    let table: &[(String, Malformed)] = &[
        (format!("https://a.c/t?{whole}"), Malformed::StaticText { at: 10 }),
        (format!("http://a.b/t?{whole}"), Malformed::StaticText { at: 4 }),
        (url(&format!("{whole}&x=1")), Malformed::Trailing),
        (url(&format!("{whole}#top")), Malformed::Trailing),
        (url(&format!("{whole}\n")), Malformed::Trailing),
        (url(&format!("{whole}\r\n")), Malformed::Trailing),
        (url(&format!("{whole} ")), Malformed::Trailing),
        (url(&format!("x=1&{whole}")), Malformed::StaticText { at: 14 }),
        (url(&format!("c={MAC}&p={PICC}")), Malformed::StaticText { at: 14 }),
        (url(&format!("{whole}&c={MAC}")), Malformed::Duplicate(Field::SdmMac)),
        (url(&format!("p={PICC}&{whole}")), Malformed::Duplicate(Field::PiccData)),
        (url(&format!("p={PICC}")), Malformed::Missing(Field::SdmMac)),
        (url(&format!("c={MAC}")), Malformed::Missing(Field::PiccData)),
        (url(&format!("p={PICC}&c=")), Malformed::Missing(Field::SdmMac)),
        (url(&format!("p=&c={MAC}")), Malformed::Missing(Field::PiccData)),
        (url(&format!("p={PICC}=&c={MAC}")), Malformed::Length(Field::PiccData)),
        (url(&format!("{whole}&utm_source={}", "x".repeat(200))), Malformed::Trailing),
        (url(&format!("p={}&c={MAC}", &PICC[2..])), Malformed::Length(Field::PiccData)),
        (url(&format!("p={PICC}00&c={MAC}")), Malformed::Length(Field::PiccData)),
        (url(&format!("{whole}00")), Malformed::Length(Field::SdmMac)),
        (url(&format!("p={PICC}&c={}", &MAC[1..])), Malformed::Length(Field::SdmMac)),
        (url(&format!("p=G{}&c={MAC}", &PICC[1..])), Malformed::Character(Field::PiccData)),
        (url(&format!("p=%45{}&c={MAC}", &PICC[1..])), Malformed::Character(Field::PiccData)),
        (url(&format!("p={}é&c={MAC}", &PICC[2..])), Malformed::Character(Field::PiccData)),
        (url(&format!("{whole}{}", "0".repeat(300))), Malformed::Length(Field::SdmMac)),
        (String::new(), Malformed::Missing(Field::PiccData)),
    ];
    let layout = layout("https://a.b/t?p={picc}&c={mac}");
    assert_eq!(shape(layout.parse(&url(&whole))), Ok(()));
    assert_eq!(shape(layout.parse(&url(&whole.to_lowercase()))), Ok(()), "digits of either case");
    for (url, reason) in table {
        assert_eq!(shape(layout.parse(url)), Err(*reason), "{url}");
    }
}

/// The name of a parameter may come before `[[`, as in the layouts of AN12196.
#[test]
fn the_reasons_are_the_same_around_the_mac_input() {
    let enc = "0".repeat(32);
    let an12196 = layout("https://a.b/t?p={picc}&enc=[[{enc}&c={mac}");
    let url = |query: &str| format!("https://a.b/t?{query}");
    let table: &[(String, Malformed)] = &[
        (url(&format!("p={PICC}&c={MAC}")), Malformed::Missing(Field::EncFileData)),
        (url(&format!("p={PICC}&enc={enc}&enc={enc}&c={MAC}")), Malformed::Duplicate(Field::EncFileData)),
        (url(&format!("p={PICC}&enc={enc}&c={MAC}&enc={enc}")), Malformed::Duplicate(Field::EncFileData)),
        (url(&format!("p={PICC}&enc=&c={MAC}")), Malformed::Missing(Field::EncFileData)),
        (url(&format!("p={PICC}&enc={enc}x&c={MAC}")), Malformed::Length(Field::EncFileData)),
        (url(&format!("p={PICC}&enc={enc}0&c={MAC}")), Malformed::Length(Field::EncFileData)),
    ];
    for (url, reason) in table {
        assert_eq!(shape(an12196.parse(url)), Err(*reason), "{url}");
    }
    let first = layout("https://a.b/t?p=[[{picc}&c={mac}");
    assert_eq!(shape(first.parse(&url(&format!("c={MAC}")))), Err(Malformed::Missing(Field::PiccData)));
    let twice = url(&format!("p={PICC}&p={PICC}&c={MAC}"));
    assert_eq!(shape(first.parse(&twice)), Err(Malformed::Duplicate(Field::PiccData)));
    let joined = layout("https://a.b/t?m=[[{uid}x{ctr}x{mac}");
    let value = format!("04DE5F1EACC040x00003Dx{MAC}");
    assert_eq!(shape(joined.parse(&url(&format!("m={value}")))), Ok(()));
    let twice = url(&format!("m={value}&m={value}"));
    assert_eq!(shape(joined.parse(&twice)), Err(Malformed::Duplicate(Field::Uid)));
    let path = layout("https://a.b/{uid}/{ctr}/{mac}");
    for (end, field) in
        [("", Field::Uid), ("04DE5F1EACC040", Field::SdmReadCtr), ("04DE5F1EACC040/00003D", Field::SdmMac)]
    {
        assert_eq!(shape(path.parse(&format!("https://a.b/{end}"))), Err(Malformed::Missing(field)), "{end}");
    }
    let before = layout("https://a.b/t?u={uid}&n=[[{ctr}&c={mac}");
    assert_eq!(shape(before.parse(&url(&format!("u=&n=00003D&c={MAC}")))), Err(Malformed::Missing(Field::Uid)));
    let after = layout("https://a.b/t?u={uid}[[&n={ctr}&c={mac}");
    let short = url(&format!("u=04DE5F1EACC0&n=00003D&c={MAC}"));
    assert_eq!(shape(after.parse(&short)), Err(Malformed::Length(Field::Uid)));
}

/// Only the text between `?`, `&` or `#` and `=` is the name of a parameter, which can be missing or duplicate.
#[test]
fn only_parameters_are_reported_as_missing_or_duplicate() {
    let uid = "04DE5F1EACC040";
    for (template, url, reason) in [
        ("https://a.b/x={uid}/{mac}", format!("https://a.c/x={uid}/{MAC}"), Malformed::StaticText { at: 10 }),
        ("https://a.b/?v1{uid}&c={mac}", format!("https://a.b/?v2{uid}&c={MAC}"), Malformed::StaticText { at: 14 }),
        ("https://a.b/?{uid}&c={mac}", format!("https://a.b/?{uid}&c={MAC}&d"), Malformed::Trailing),
        ("https://a.b/?={uid}&c={mac}", format!("https://a.b/?={uid}&c={MAC}&=1"), Malformed::Trailing),
    ] {
        assert_eq!(shape(layout(template).parse(&url)), Err(reason), "{template}");
    }
}

/// The text between mirrors may look like the start of a mirror. It is still read as a separator.
#[test]
fn a_separator_may_look_like_a_mirror() {
    for (template, url) in [
        ("https://a.b/{ctr}0{uid}/{mac}", format!("https://a.b/000001004E141124C2880/{MAC}")),
        ("https://a.b/?u={uid}0{ctr}&m={mac}", format!("https://a.b/?u=04E141124C28800000001&m={MAC}")),
        ("https://a.b/{ctr}00{mac}", format!("https://a.b/00000100{MAC}")),
        ("https://a.b/{tt}C{mac}", format!("https://a.b/CCC{MAC}")),
        ("https://a.b/{mac}9/{:id}", format!("https://a.b/{MAC}9/9")),
    ] {
        assert_eq!(shape(layout(template).parse(&url)), Ok(()), "{template}");
    }
}

/// A file can hold a URL of at most 261 characters: 249 and the longest prefix.
#[test]
fn the_longest_url_is_read() {
    let captured_len = 261 - "https://www.a/".len() - MAC.len() - 1;
    let layout = layout("https://www.a/{:id}/{mac}");
    let url = |len: usize| format!("https://www.a/{}/{MAC}", "i".repeat(len));
    assert_eq!(url(captured_len).len(), 261);
    assert_eq!(shape(layout.parse(&url(captured_len))), Ok(()));
    assert_eq!(shape(layout.parse(&url(captured_len + 1))), Err(Malformed::TooLong));
    // The parser looks for a more precise reason in up to four times as many characters.
    let trailing = |len: usize| format!("{}{}", url(1), "&".repeat(len - url(1).len()));
    assert_eq!(shape(layout.parse(&trailing(4 * 261))), Err(Malformed::Trailing));
    assert_eq!(shape(layout.parse(&trailing(4 * 261 + 1))), Err(Malformed::TooLong));
    assert_eq!(shape(layout.parse(&trailing(5000))), Err(Malformed::TooLong));
}

/// A server does not receive the text before the path, so a mirror there is missing, whatever the path looks like.
#[test]
fn a_mirror_in_the_host_is_not_in_the_target() {
    let layout = layout("https://{uid}.a.b/t/{mac}");
    assert_eq!(layout.to_string(), "https://{uid}.a.b/t/{mac}");
    assert_eq!(shape(layout.parse(&format!("https://04DE5F1EACC040.a.b/t/{MAC}"))), Ok(()));
    for target in [format!("/t/{MAC}"), format!("04DE5F1EACC040.a.b/t/{MAC}"), format!("/{MAC}{MAC}")] {
        assert_eq!(shape(layout.parse_origin_form(&target)), Err(Malformed::Missing(Field::Uid)), "{target}");
    }
}

/// A mirror directly after `{enc}` is not read as a part of it, whatever the length of the file data.
#[test]
fn neighbours_of_file_data_keep_their_own_length() {
    let (uid, ctr, enc) = ("04DE5F1EACC040", "00003D", "0".repeat(64));
    for (template, url) in [
        ("https://a.b/[[{enc}{picc}{mac}", format!("https://a.b/{enc}{PICC}{MAC}")),
        ("https://a.b/[[{uid}x{enc}{ctr}{mac}", format!("https://a.b/{uid}x{enc}{ctr}{MAC}")),
        ("https://a.b/[[{ctr}x{enc}{uid}{mac}/", format!("https://a.b/{ctr}x{enc}{uid}{MAC}/")),
    ] {
        assert_eq!(shape(layout(template).parse(&url)), Ok(()), "{template}");
    }
}

#[test]
fn unpinned_file_data_has_any_number_of_blocks() {
    let enc = |chars: usize| "0".repeat(chars);
    let parse_with = |template: &str, chars: usize| {
        let layout = layout(template);
        shape(layout.parse(
            &template.replace("[[", "").replace("{picc}", PICC).replace("{mac}", MAC).replace("{enc}", &enc(chars)),
        ))
    };
    for template in [
        "https://a.b/?p={picc}&e=[[{enc}&c={mac}",
        "https://a.b/?p={picc}&e=[[{enc}{mac}",
        "https://a.b/{picc}[[{enc}x{mac}/end",
    ] {
        for chars in [32, 64, 96] {
            assert_eq!(parse_with(template, chars), Ok(()), "{template} {chars}");
        }
        for chars in [1, 16, 30, 31, 33, 48] {
            assert_eq!(parse_with(template, chars), Err(Malformed::Length(Field::EncFileData)), "{template} {chars}");
        }
    }
    let pinned = layout("https://a.b/?p={picc}&e=[[{enc:64,tt@30}&c={mac}");
    assert_eq!(shape(pinned.parse(&format!("https://a.b/?p={PICC}&e={}&c={MAC}", enc(64)))), Ok(()));
    for chars in [32, 96] {
        let url = format!("https://a.b/?p={PICC}&e={}&c={MAC}", enc(chars));
        assert_eq!(shape(pinned.parse(&url)), Err(Malformed::Length(Field::EncFileData)), "{chars}");
    }
    // The tamper status must be inside the file data.
    let tamper = layout("https://a.b/?p={picc}&e=[[{enc:tt@15}&c={mac}");
    assert_eq!(shape(tamper.parse(&format!("https://a.b/?p={PICC}&e={}&c={MAC}", enc(64)))), Ok(()));
    let url = format!("https://a.b/?p={PICC}&e={}&c={MAC}", enc(32));
    assert_eq!(shape(tamper.parse(&url)), Err(Malformed::Length(Field::EncFileData)));
}

#[test]
fn captured_text_is_available_before_verification() {
    let layout = layout("https://a.b/{:shop}/t?x={:x-uid}&p={picc}&c={mac}&e={:eCode}");
    let url = format!("https://a.b/corner_2/t?x=q8w3-sbcz&p={PICC}&c={MAC}&e=ABC");
    let tap = layout.parse(&url).unwrap();
    assert_eq!(tap.captured("shop"), Some("corner_2"));
    assert_eq!(tap.captured("x-uid"), Some("q8w3-sbcz"));
    assert_eq!(tap.captured("eCode"), Some("ABC"));
    assert_eq!(tap.captured("other"), None);
    for (bad, reason) in [
        (url.replace("ABC", "A.C"), Malformed::Character(Field::Captured)),
        (url.replace("ABC", ""), Malformed::Missing(Field::Captured)),
        (url.replace("q8w3-sbcz", ""), Malformed::Missing(Field::Captured)),
        (url.replace("q8w3-sbcz", "a%20b"), Malformed::Character(Field::Captured)),
    ] {
        assert_eq!(shape(layout.parse(&bad)), Err(reason), "{bad}");
    }
}

/// A server receives only the path and the query. Source: RFC 9112 §3.2.1.
#[test]
fn origin_form_begins_at_the_path() {
    let target = format!("/t?p={PICC}&c={MAC}");
    let l = layout("https://[[a.b/t?p={picc}&c={mac}");
    assert_eq!(shape(l.parse_origin_form(&target)), Ok(()));
    assert_eq!(shape(l.parse_origin_form(&format!("https://a.b{target}"))), Err(Malformed::FullUrl));
    assert_eq!(shape(l.parse_origin_form(&target[1..])), Err(Malformed::StaticText { at: 0 }));
    assert_eq!(shape(l.parse_origin_form("/t?u=https://a.b")), Err(Malformed::Missing(Field::PiccData)));
    assert_eq!(shape(l.parse(&target)), Err(Malformed::OriginForm));

    let pathless = layout("lnurlw://a.b?p={picc}&c={mac}");
    assert_eq!(shape(pathless.parse_origin_form("/?x=1")), Err(Malformed::Missing(Field::PiccData)));
    let more = format!("/?x=1&p={PICC}&c={MAC}");
    assert_eq!(shape(pathless.parse_origin_form(&more)), Err(Malformed::StaticText { at: 2 }));
    assert_eq!(shape(pathless.parse_origin_form(&more[1..])), Err(Malformed::StaticText { at: 1 }));
    for target in [format!("?p={PICC}&c={MAC}"), format!("/?p={PICC}&c={MAC}")] {
        assert_eq!(shape(pathless.parse_origin_form(&target)), Ok(()), "{target}");
    }
    assert_eq!(
        shape(pathless.parse(&format!("lnurlw://a.b/?p={PICC}&c={MAC}"))),
        Err(Malformed::StaticText { at: 12 })
    );

    // A server does not receive a value in the host.
    let in_host = layout("https://{:shop}.a.b/?p={picc}&c={mac}");
    assert_eq!(shape(in_host.parse(&format!("https://corner.a.b/?p={PICC}&c={MAC}"))), Ok(()));
    let target = format!("/?p={PICC}&c={MAC}");
    assert_eq!(shape(in_host.parse_origin_form(&target)), Err(Malformed::Missing(Field::Captured)));
}

#[test]
fn mirrors_as_values_have_the_same_checks() {
    let l = layout("https://a.b/{:id}?u={uid}&n={ctr}&t={tt}&e=[[{enc}&c={mac}");
    let enc = "0".repeat(32);
    let good = Mirrors {
        uid: Some("04de5f1eacc040"),
        ctr: Some("00003D"),
        tt_status: Some("CC"),
        enc_file_data: Some(&enc),
        mac: Some(MAC),
        captured: &[("id", "q8w3sbcz")],
        ..Mirrors::default()
    };
    assert_eq!(l.assemble(&good).unwrap().captured("id"), Some("q8w3sbcz"));
    let table: &[(Mirrors<'_>, Malformed)] = &[
        (Mirrors { uid: None, ..good }, Malformed::Missing(Field::Uid)),
        (Mirrors { ctr: None, ..good }, Malformed::Missing(Field::SdmReadCtr)),
        (Mirrors { tt_status: None, ..good }, Malformed::Missing(Field::TtStatus)),
        (Mirrors { enc_file_data: None, ..good }, Malformed::Missing(Field::EncFileData)),
        (Mirrors { mac: None, ..good }, Malformed::Missing(Field::SdmMac)),
        (Mirrors { captured: &[], ..good }, Malformed::Missing(Field::Captured)),
        (Mirrors { picc_data: Some(PICC), ..good }, Malformed::Unexpected(Field::PiccData)),
        (Mirrors { captured: &[("id", "a"), ("x", "b")], ..good }, Malformed::Unexpected(Field::Captured)),
        (Mirrors { captured: &[("id", "a"), ("id", "b")], ..good }, Malformed::Duplicate(Field::Captured)),
        (Mirrors { captured: &[("id", "")], ..good }, Malformed::Length(Field::Captured)),
        (Mirrors { captured: &[("id", "a&b")], ..good }, Malformed::Character(Field::Captured)),
        (Mirrors { uid: Some("04de5f1eacc0"), ..good }, Malformed::Length(Field::Uid)),
        (Mirrors { uid: Some("04de5f1eacc04G"), ..good }, Malformed::Character(Field::Uid)),
        (Mirrors { ctr: Some("61"), ..good }, Malformed::Length(Field::SdmReadCtr)),
        (Mirrors { ctr: Some("+0003D"), ..good }, Malformed::Character(Field::SdmReadCtr)),
        (Mirrors { tt_status: Some("C"), ..good }, Malformed::Length(Field::TtStatus)),
        (Mirrors { tt_status: Some("C&"), ..good }, Malformed::Character(Field::TtStatus)),
        (Mirrors { enc_file_data: Some(""), ..good }, Malformed::Length(Field::EncFileData)),
        (Mirrors { enc_file_data: Some(&enc[1..]), ..good }, Malformed::Length(Field::EncFileData)),
        (Mirrors { mac: Some("abcde12345abcde1234"), ..good }, Malformed::Length(Field::SdmMac)),
    ];
    for (mirrors, reason) in table {
        assert_eq!(shape(l.assemble(mirrors)), Err(*reason));
    }
    // File data and MAC in one text.
    let (both, only_mac) = (format!("{enc}{MAC}"), Mirrors { enc_file_data: None, mac: None, ..good });
    for (text, expected) in [
        (&*both, Ok(())),
        (MAC, Err(Malformed::Length(Field::EncFileData))),
        (&both[1..], Err(Malformed::Length(Field::EncFileData))),
        (&MAC[1..], Err(Malformed::Missing(Field::EncFileData))),
        ("", Err(Malformed::Missing(Field::EncFileData))),
    ] {
        assert_eq!(shape(l.assemble(&Mirrors { enc_mac: Some(text), ..only_mac })), expected, "{text}");
    }
    for twice in [Mirrors { mac: None, ..good }, Mirrors { enc_file_data: None, ..good }] {
        assert_eq!(
            shape(l.assemble(&Mirrors { enc_mac: Some(&both), ..twice })),
            Err(Malformed::Duplicate(Field::SdmMac))
        );
    }
    let no_enc = layout("https://a.b/?n={ctr}&c={mac}");
    let mirrors = |text| Mirrors { ctr: Some("00003D"), enc_mac: Some(text), ..Mirrors::default() };
    assert_eq!(shape(no_enc.assemble(&mirrors(MAC))), Ok(()));
    assert_eq!(shape(no_enc.assemble(&mirrors(&both))), Err(Malformed::Length(Field::SdmMac)));
    let (not_hex, long) = (format!("{}Z", &enc[1..]), "0".repeat(320));
    let not_hex = Mirrors { enc_file_data: Some(&not_hex), ..good };
    assert_eq!(shape(l.assemble(&not_hex)), Err(Malformed::Character(Field::EncFileData)));
    assert_eq!(shape(l.assemble(&Mirrors { enc_file_data: Some(&long), ..good })), Err(Malformed::TooLong));
    // A captured text is at most as long as a whole URL.
    let name = "x".repeat(262);
    for (chars, verdict) in [(261, Ok(())), (262, Err(Malformed::TooLong))] {
        let captured = [("id", &name[..chars])];
        assert_eq!(l.assemble(&Mirrors { captured: &captured, ..good }).map(|_| ()), verdict);
    }
}
