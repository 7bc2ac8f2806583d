//! Compares `../cases.json` with the verdicts of this version. The vectors and their right answers are in `tests/vectors` of suntap.
//!
//! After a change, `SUNTAP_RECORD=1 cargo test -p suntap-bindings` writes the file again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

use serde::{Deserialize, Serialize};
use suntap::{MasterKey, MemoryCounters};
use suntap_bindings::{Code, Failure, FileKey, MetaKey, Settings, VERSION, Verifier, seal};

/// The contents of `cases.json`.
#[derive(PartialEq, Serialize)]
struct Cases {
    version: &'static str,
    /// The number and the text of each code.
    codes: BTreeMap<&'static str, (i32, &'static str)>,
    settings: Vec<InvalidSettings>,
    taps: Vec<Tap>,
}

/// What a verifier is made from.
#[derive(Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Given {
    scheme: String,
    template: String,
    meta_read_key: Option<String>,
    file_read_key: Option<String>,
    /// Instead of `file_read_key`.
    master_key: Option<String>,
    /// The AN10922 input after the UID, in hexadecimal digits.
    suffix: Option<String>,
}

#[derive(PartialEq, Serialize)]
struct InvalidSettings {
    #[serde(flatten)]
    given: Given,
    code: &'static str,
}

/// A tap, and what follows if it is the first tap of its tag.
#[derive(PartialEq, Serialize)]
struct Tap {
    id: String,
    #[serde(flatten)]
    given: Given,
    url: String,
    /// If it is `fresh`, the same tap again must be `replayed`.
    code: &'static str,
    uid: Option<String>,
    ctr: Option<u32>,
    seal: Option<&'static str>,
}

/// A tap of the vectors.
#[derive(Deserialize)]
struct Vector {
    id: String,
    mode: String,
    url: Option<String>,
    template: Option<String>,
    meta_key: Option<String>,
    file_key: Option<String>,
    file_key_scheme: String,
    master_key: Option<String>,
    div_suffix: Option<String>,
    /// `None` if a verifier may accept or refuse the tap.
    accept: Option<bool>,
    uid: Option<String>,
    ctr: Option<u32>,
}

#[derive(Deserialize)]
struct Vectors {
    taps: Vec<Vector>,
}

impl Given {
    fn verifier(&self) -> Result<Verifier, Failure> {
        let file_read_key = match (&self.file_read_key, &self.master_key) {
            (Some(key), _) => FileKey::from_hex(key)?,
            (None, Some(master)) => {
                let suffix = base16ct::mixed::decode_vec(self.suffix.as_deref().unwrap_or_default()).unwrap();
                FileKey::derived(MasterKey::from_hex(master)?, &suffix, 0)?
            }
            (None, None) => panic!("no key"),
        };
        let meta_read_key = MetaKey::from_hex(self.meta_read_key.as_deref())?;
        Settings { scheme: &self.scheme, template: &self.template, meta_read_key, file_read_key }.verifier()
    }
}

impl Tap {
    /// Decides about a tap. Returns `None` if the vectors leave the answer open, or if no binding can have such a tag.
    fn decide(vector: &Vector) -> Option<Self> {
        let accept = vector.accept?;
        let template = vector.template.clone()?;
        let derived = vector.file_key_scheme == "an10922";
        let file_read_key = vector.file_key.clone().filter(|_| !derived);
        let master_key = vector.master_key.clone().filter(|_| derived);
        file_read_key.as_ref().or(master_key.as_ref())?;
        let meta_read_key = vector.meta_key.clone().filter(|_| template.contains("{picc"));
        let suffix = vector.div_suffix.clone().filter(|_| derived);
        let given = Given { scheme: vector.mode.clone(), template, meta_read_key, file_read_key, master_key, suffix };
        let url = vector.url.clone()?;
        // A tag without a counter has no fresh taps.
        let verifier = given.verifier().ok()?;
        let mut counters = MemoryCounters::<4>::new();
        let first = verifier.admit(&*url, &mut counters, None).map_err(Failure::from);
        let fresh = first.as_ref().ok();
        let code = first.as_ref().map_or_else(Failure::code, |_| Code::Fresh);
        let uid = fresh.and_then(suntap::FreshTap::uid).map(|uid| uid.to_string());
        let ctr = fresh.map(|tap| tap.ctr().get());
        let seal = fresh.and_then(|tap| seal(tap.message().tamper()));
        if accept && vector.ctr.is_none() {
            assert_eq!(code, Code::NoCounter, "{}", vector.id);
        } else if accept {
            assert_eq!((code, ctr), (Code::Fresh, vector.ctr), "{}", vector.id);
            assert_eq!(uid.as_deref().map(str::to_lowercase), vector.uid, "{}", vector.id);
            let again = verifier.admit(&*url, &mut counters, None).map_err(Failure::from);
            assert_eq!(again.unwrap_err().code(), Code::Replayed, "{}", vector.id);
        } else {
            assert!(matches!(code, Code::NotAuthentic | Code::Malformed), "{}: {code:?}", vector.id);
        }
        Some(Self { id: vector.id.clone(), given, url, code: code.name(), uid, ctr, seal })
    }
}

/// Settings that no verifier can be made from.
fn invalid_settings() -> Vec<InvalidSettings> {
    let valid = Given {
        scheme: "aes".into(),
        template: "https://tag.example/?e={picc}&c={mac}".into(),
        meta_read_key: Some("0".repeat(32)),
        file_read_key: Some("0".repeat(32)),
        master_key: None,
        suffix: None,
    };
    assert!(valid.verifier().is_ok());
    let with = |change: fn(&mut Given)| {
        let mut given = valid.clone();
        change(&mut given);
        let Err(failure) = given.verifier() else { panic!("valid: {}", given.template) };
        InvalidSettings { given, code: failure.code().name() }
    };
    vec![
        with(|given| given.scheme = "des".into()),
        with(|given| given.template = String::new()),
        with(|given| given.template = "https://tag.example/?e={picc}".into()),
        with(|given| given.template = "https://tag.example/?e={picc&c={mac}".into()),
        with(|given| given.template = "https://tag.example/é?e={picc}&c={mac}".into()),
        with(|given| given.template = "https://tag.example/?c={mac}".into()),
        with(|given| given.meta_read_key = None),
        with(|given| given.meta_read_key = Some("0".repeat(31))),
        with(|given| given.meta_read_key = Some("0".repeat(30) + "zz")),
        with(|given| given.file_read_key = Some("0".repeat(34))),
        with(|given| given.file_read_key = Some(String::new())),
        with(|given| given.template = "https://tag.example/?u={uid}&n={ctr}&c={mac}".into()),
        with(|given| {
            given.file_read_key = None;
            given.master_key = Some("0".repeat(32));
            given.suffix = Some("00".repeat(25));
        }),
        with(|given| {
            given.file_read_key = None;
            given.master_key = Some("0".repeat(32));
            given.meta_read_key = None;
            given.template = "https://tag.example/?n={ctr}&c={mac}".into();
        }),
    ]
}

#[test]
fn cases_are_those_of_this_version() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let vectors = fs::read_to_string(folder.join("../../../tests/vectors/sun-vectors.json")).unwrap();
    let vectors: Vectors = serde_json::from_str(&vectors).unwrap();
    let cases = Cases {
        version: VERSION,
        codes: Code::ALL.iter().map(|code| (code.name(), (code.number(), code.text()))).collect(),
        settings: invalid_settings(),
        taps: vectors.taps.iter().filter_map(Tap::decide).collect(),
    };
    let count = |code: Code| cases.taps.iter().filter(|tap| tap.code == code.name()).count();
    assert!(count(Code::Fresh) > 100 && count(Code::NotAuthentic) > 100 && count(Code::Malformed) > 0);
    let expected = serde_json::to_string_pretty(&cases).unwrap() + "\n";
    let file = folder.join("../cases.json");
    if env::var_os("SUNTAP_RECORD").is_some() {
        fs::write(&file, &expected).unwrap();
    }
    assert!(fs::read_to_string(&file).unwrap() == expected, "cases.json is old: run this test with SUNTAP_RECORD=1");
}

#[test]
fn numbers_and_names_are_different() {
    for (index, code) in Code::ALL.iter().enumerate() {
        assert_eq!(usize::try_from(code.number()), Ok(index));
        assert!(Code::ALL.iter().skip(index + 1).all(|other| other.name() != code.name()));
    }
}

/// The text of an error must not show a key or a claimed UID.
#[test]
fn texts_show_no_secrets() {
    let given = invalid_settings();
    for case in &given {
        let Err(failure) = case.given.verifier() else { panic!("valid") };
        assert!(!format!("{failure} {failure:?}").contains("0000"), "{failure}");
    }
}
