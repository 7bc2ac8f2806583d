//! Rules choose the response text, and its subtags are filled.

use core::fmt::Write as _;
use std::collections::HashMap;

use heapless::String;

use proptest::prelude::*;
use suntap::Uid;
use suntap::platform::rules::{
    Comparison, Equality, Filled, Rule, RuleGroup, RuleInput, RuleSet, Rules, RulesError, Subtag, Subtags,
};

const AUTHENTIC: Rule = Rule::TagAuthentication;

fn facts(authentic: bool, scans: Option<u32>, tamper: Option<&[u8; 2]>) -> RuleInput {
    RuleInput { authentic, scans, tamper: tamper.copied() }
}

fn group<'r>(rules: &'r [Rule], response: &'r str) -> RuleGroup<'r> {
    RuleGroup { rules, response }
}

fn set<'r>(groups: [Option<RuleGroup<'r>>; 3], default: &'r str) -> RuleSet<'r> {
    RuleSet { groups, default }
}

#[test]
fn scan_count_compares_four_ways() {
    let matches =
        |comparison| [4, 5, 6].map(|scans| Rule::ScanCount(comparison, 5).matches(&facts(false, Some(scans), None)));
    assert_eq!(matches(Comparison::LessThan), [true, false, false]);
    assert_eq!(matches(Comparison::MoreThan), [false, false, true]);
    assert_eq!(matches(Comparison::Equal), [false, true, false]);
    assert_eq!(matches(Comparison::NotEqual), [true, false, true]);
}

/// An unknown count or status is neither equal nor unequal to any value.
#[test]
fn unknown_values_match_no_rule() {
    use Comparison::{Equal, LessThan, MoreThan, NotEqual};
    for comparison in [LessThan, MoreThan, Equal, NotEqual] {
        assert!(!Rule::ScanCount(comparison, 0).matches(&facts(true, None, None)));
    }
    for equality in [Equality::Equal, Equality::NotEqual] {
        assert!(!Rule::Tamper(equality, *b"CC").matches(&facts(true, Some(1), None)));
        for tamper in [b"CC", b"OC"] {
            let expected = (tamper == b"CC") == (equality == Equality::Equal);
            assert_eq!(Rule::Tamper(equality, *b"CC").matches(&facts(true, None, Some(tamper))), expected);
        }
    }
}

#[test]
fn the_first_group_whose_rules_all_match_is_chosen() {
    let first = [AUTHENTIC, Rule::ScanCount(Comparison::LessThan, 3)];
    let second = [Rule::ScanCount(Comparison::LessThan, 3)];
    let set = set([Some(group(&first, "a")), None, Some(group(&second, "b"))], "c");
    assert_eq!(set.response(&facts(true, Some(1), None)), "a");
    assert_eq!(set.response(&facts(false, Some(1), None)), "b");
    assert_eq!(set.response(&facts(true, Some(3), None)), "c");
    let empty = self::set([Some(group(&[], "everybody")), None, None], "nobody");
    assert_eq!(empty.response(&facts(true, Some(1), None)), "nobody", "a group without rules never matches");
}

#[test]
fn a_tag_code_replaces_its_group_unless_the_group_layers() {
    let rules = [AUTHENTIC];
    let own = set([Some(group(&rules, "own pass")), None, None], "own default");
    let plain = set([Some(group(&rules, "pass")), None, None], "default");
    let layered = set([Some(group(&rules, "pass {TagCodeDR}")), None, None], "default");
    let answers = |tag_group, tag_code| {
        let rules = Rules { tag_group, tag_code };
        let answer = |authentic| rules.response(&facts(authentic, None, None));
        (answer(true), answer(false), rules.default_response(), rules.layer())
    };
    assert_eq!(answers(plain, None), ("pass", "default", "default", ""));
    assert_eq!(answers(plain, Some(own)), ("own pass", "own default", "own default", "own default"));
    assert_eq!(answers(layered, Some(own)), ("pass {TagCodeDR}", "default", "default", "own default"));
    assert_eq!(answers(layered, None), ("pass {TagCodeDR}", "default", "default", ""));
}

#[test]
fn contradictory_rules_are_rejected() {
    let rules = [AUTHENTIC];
    let check = |tag_group, tag_code| Rules { tag_group, tag_code }.check();
    let plain = set([Some(group(&rules, "pass")), None, None], "default");
    let layered = set([Some(group(&rules, "{tagcodedr}")), None, None], "default");
    assert_eq!(check(plain, Some(plain)), Ok(()));
    assert_eq!(check(layered, Some(plain)), Ok(()));
    assert_eq!(
        check(set([Some(group(&rules, "{tagcodedr}")), None, None], "{tagcodedr}"), None),
        Err(RulesError::LayeredTwice)
    );
    assert_eq!(check(plain, Some(layered)), Err(RulesError::LayerInTagCode));
    assert_eq!(check(plain, Some(set([None, Some(group(&[], "x")), None], ""))), Err(RulesError::EmptyGroup));
}

struct Values(HashMap<&'static str, Subtag<'static>>);

impl Subtags for Values {
    fn subtag(&self, name: &str) -> Option<Subtag<'_>> {
        self.0.get(name).copied()
    }
}

fn values() -> Values {
    Values(HashMap::from([
        ("name", Subtag::Text("a {number}")),
        ("number", Subtag::Number(42)),
        ("uid", Subtag::Uid(Uid::from_bytes([0x04, 0xDE, 0x5F, 0x1E, 0xAC, 0xC0, 0x40]))),
        ("one", Subtag::Nested("1{two}")),
        ("two", Subtag::Nested("2{three}")),
        ("three", Subtag::Nested("3{number}")),
        ("bomb", Subtag::Nested("{bomb}{bomb}{bomb}{bomb}{bomb}{bomb}{bomb}{bomb}{bomb}{bomb}")),
        ("nothing", Subtag::Text("")),
    ]))
}

#[test]
fn subtags_are_filled() {
    let values = values();
    let fill = |text| Filled::new(text, &values).to_string();
    assert_eq!(fill(""), "");
    assert_eq!(fill("no subtag"), "no subtag");
    assert_eq!(fill("{number}{number}x{number}"), "4242x42");
    assert_eq!(fill("{uid}"), "04DE5F1EACC040");
    assert_eq!(fill("[{nothing}]"), "[]");
    assert_eq!(fill("{name}"), "a {number}", "subtags inside a plain text are not filled");
    assert_eq!(fill("ä{number}ö{browser}ü"), "ä42ö{browser}ü", "an unknown subtag stays unchanged");
}

#[test]
fn braces_without_a_partner_are_text() {
    let values = values();
    let fill = |text| Filled::new(text, &values).to_string();
    for text in ["{", "}", "{}", "{{", "}{", "{{}}", "a{b", "a}b", "{number", "number}", "{ number }", "{n{u}}"] {
        assert_eq!(fill(text), text);
    }
    assert_eq!(fill("{{number}}"), "{42}");
    assert_eq!(fill("{{{number}"), "{{42");
    assert_eq!(fill(r#"{"n":{number}}"#), r#"{"n":42}"#, "a response may be JSON");
}

/// At most three levels are filled, and at most 256 subtags in total, however they are nested.
#[test]
fn nesting_is_limited() {
    let values = values();
    assert_eq!(Filled::new("{two}", &values).to_string(), "2342");
    assert_eq!(Filled::new("{one}", &values).to_string(), "123{number}");
    let bombed = Filled::new("{bomb}", &values).to_string();
    assert!(bombed.len() < 256 * 60 && bombed.contains("{bomb}"), "{}", bombed.len());
    let many = "{number}".repeat(300);
    let filled = Filled::new(&many, &values).to_string();
    assert_eq!(filled, "42".repeat(256) + &"{number}".repeat(44));
}

/// A buffer that is too small gives an error, not a truncated answer.
#[test]
fn a_full_buffer_is_an_error() {
    fn written<const N: usize>() -> Result<String<N>, core::fmt::Error> {
        let mut text = String::new();
        write!(text, "{}", Filled::new("n = {number}", &values()))?;
        Ok(text)
    }
    assert_eq!(written::<16>().unwrap(), "n = 42");
    assert_eq!(written::<6>().unwrap(), "n = 42");
    let short = [
        written::<0>().is_err(),
        written::<1>().is_err(),
        written::<2>().is_err(),
        written::<3>().is_err(),
        written::<4>().is_err(),
    ];
    assert_eq!(short, [true; 5]);
    assert!(written::<5>().is_err());
}

proptest! {
    /// Any text is filled without a panic, and text without a known subtag stays unchanged.
    #[test]
    fn any_text_is_filled(text in "[{}a-c \"ä]{0,40}") {
        let known = Values(HashMap::from([("a", Subtag::Nested("{b}")), ("b", Subtag::Text("B"))]));
        let expected = text.replace("{a}", "B").replace("{b}", "B");
        prop_assert_eq!(Filled::new(&text, &known).to_string(), expected);
        prop_assert_eq!(Filled::new(&text, &Values(HashMap::new())).to_string(), text);
    }
}

#[test]
fn rules_show_authenticity_if_a_genuine_tap_can_get_another_answer() {
    let scans = [Rule::ScanCount(Comparison::MoreThan, 0)];
    let both = [AUTHENTIC, scans[0]];
    let only = |rules, response, default| set([Some(group(rules, response)), None, None], default);
    let rules = |tag_group, tag_code| Rules { tag_group, tag_code };
    let pass = only(&[AUTHENTIC], "Pass", "Fail");
    assert!(rules(pass, None).show_authenticity());
    assert!(rules(only(&both, "Pass", ""), None).show_authenticity());
    for same in [
        set([None; 3], ""),
        set([None; 3], "Hi"),
        only(&scans, "Pass", "Fail"),
        only(&[AUTHENTIC], "", ""),
        only(&[AUTHENTIC], "{tagcodedr}", ""),
    ] {
        assert!(!rules(same, None).show_authenticity());
        // Rules of the tag code replace those of the group.
        assert!(!rules(pass, Some(same)).show_authenticity());
        assert!(rules(same, Some(pass)).show_authenticity());
    }
    // With layering, the rules of the group run, and the default of the tag code fills the place.
    let layered = only(&[AUTHENTIC], "{tagcodedr}", "");
    assert!(rules(layered, Some(set([None; 3], "own"))).show_authenticity());
}
