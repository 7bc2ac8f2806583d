//! Known-answer vectors, with one test for each kind.
//!
//! The file is `tests/vectors/sun-vectors.json`, or the one that the environment variable `SUNTAP_VECTORS` names. Each
//! test prints how many entries it ran. The file describes its entries under `_readme` and `_fields`.

use core::fmt::Debug;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;

use serde_json::Value;
use suntap::kdf::{an10922, boltcard};
use suntap::sun::ntag22x::{self, StatusDetect};
use suntap::sun::session::{self, EncKey, MacKey};
use suntap::{
    CommitError, CounterId, IssuerKey, Malformed, Mark, MasterKey, Mirrors, Scheme, SdmFileReadKey, SdmLayout, SdmMac,
    SdmMetaReadKey, SdmReadCtr, SunMessage, TagTamper, TtStatus, Uid, VerifyError,
};
use suntap_testkit::line::LRP;
use suntap_testkit::stores::MapCounters;

#[cfg(feature = "lrp")]
mod lrp;
#[cfg(feature = "sdm-backend")]
mod sdm_backend;

/// The name of another vector file, which may have only some of the kinds.
static OTHER: LazyLock<Option<OsString>> = LazyLock::new(|| std::env::var_os("SUNTAP_VECTORS"));

static FILE: LazyLock<Value> = LazyLock::new(|| {
    let ours = || concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/sun-vectors.json").into();
    let name = OTHER.clone().unwrap_or_else(ours);
    let text = std::fs::read_to_string(&name).unwrap_or_else(|error| panic!("{}: {error}", name.display()));
    serde_json::from_str(&text).expect("the vectors are JSON")
});

type Checked = Result<(), String>;

/// Runs a check on all entries of a kind. Fails with the id and source of each entry that fails.
fn each(kind: &str, check: impl Fn(Entry<'_>) -> Checked) {
    let Some(entries) = FILE.get(kind).and_then(Value::as_array) else {
        assert!(OTHER.is_some(), "{kind} is not in the file");
        return print(kind, "not in this file");
    };
    if let Some(count) = FILE.pointer(&format!("/_counts/{kind}")) {
        assert_eq!(
            count.as_u64(),
            u64::try_from(entries.len()).ok(),
            "{kind}: expected the number of entries in _counts"
        );
    }
    // A build without LRP cannot run the taps of LRP mode.
    let entries: Vec<_> = entries.iter().map(Entry).filter(|entry| LRP || entry.opt("mode") != Some("lrp")).collect();
    let failed: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            // A panic is also reported with id and source.
            let checked = catch_unwind(AssertUnwindSafe(|| check(*entry)));
            let error = checked.unwrap_or_else(|_| Err("it panicked, see the output above".into())).err()?;
            Some(format!("{} ({}): {error}", entry.text("id"), entry.text("source")))
        })
        .collect();
    print(kind, &format!("ran {}", entries.len()));
    assert!(!entries.is_empty(), "{kind} is in the file, but no entry of it was run");
    assert!(failed.is_empty(), "{kind}: {} of {} failed:\n{}", failed.len(), entries.len(), failed.join("\n"));
}

/// Writes to standard error directly. The test harness does not capture that, so the text is always shown.
fn print(kind: &str, what: &str) {
    std::io::stderr().write_all(format!("vectors: {kind}: {what}\n").as_bytes()).unwrap();
}

#[derive(Clone, Copy)]
struct Entry<'a>(&'a Value);

impl<'a> Entry<'a> {
    fn opt(self, name: &str) -> Option<&'a str> {
        self.0.get(name)?.as_str()
    }

    fn text(self, name: &str) -> &'a str {
        self.opt(name).unwrap_or_else(|| panic!("{name} in {}", self.0))
    }

    fn flag(self, name: &str) -> Option<bool> {
        self.0[name].as_bool()
    }

    fn number(self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    fn bytes(self, name: &str) -> Vec<u8> {
        unhex(self.text(name))
    }

    fn array<const N: usize>(self, name: &str) -> [u8; N] {
        self.bytes(name).try_into().unwrap_or_else(|_| panic!("{name} in {}", self.0))
    }

    fn uid(self) -> Option<Uid> {
        self.opt("uid").map(|hex| Uid::from_hex(hex).unwrap())
    }

    fn ctr(self) -> Option<SdmReadCtr> {
        self.number("ctr").map(|ctr| SdmReadCtr::new(ctr.try_into().unwrap()).unwrap())
    }

    /// Returns the mode of an entry. Entries of kinds that have only one mode do not state it.
    fn scheme(self) -> Scheme {
        let mode = self.text("mode");
        assert!(matches!(mode, "aes" | "lrp"), "{mode}");
        suntap_testkit::line::scheme(mode == "lrp")
    }

    fn file_key(self, name: &str, mode: Scheme) -> suntap::PreparedFileReadKey {
        SdmFileReadKey::from_hex(self.text(name)).unwrap().prepare(mode)
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    base16ct::mixed::decode_vec(hex).unwrap()
}

#[allow(clippy::needless_pass_by_value, reason = "it reads better at the many places that call it")]
fn equal<T: PartialEq + Debug>(what: &str, found: T, wanted: T) -> Checked {
    if found == wanted { Ok(()) } else { Err(format!("{what}: found {found:?}, wanted {wanted:?}")) }
}

#[test]
fn every_kind_has_a_test() {
    let kinds: Vec<&String> = FILE.as_object().unwrap().keys().filter(|kind| !kind.starts_with('_')).collect();
    let sources = [include_str!("vectors.rs"), include_str!("vectors/lrp.rs"), include_str!("vectors/sdm_backend.rs")];
    for kind in &kinds {
        let test = format!("each(\"{kind}\"");
        assert!(sources.iter().any(|source| source.contains(&test)), "{kind}");
    }
    assert!(OTHER.is_some() || kinds.len() == FILE["_counts"].as_object().unwrap().len());
}

#[test]
fn mac_truncation() {
    each("mac_truncation", |entry| {
        equal("mac", SdmMac::truncate(&entry.array("mac_full")).as_bytes(), &entry.array("mac"))
    });
}

#[test]
fn aes_cmac() {
    each("aes_cmac", |entry| {
        let cmac = mac_key(entry, "key", Scheme::Aes).cmac(&entry.bytes("msg"));
        equal("tag matches", cmac == entry.array("tag"), entry.flag("valid").unwrap())
    });
}

fn mac_key(entry: Entry<'_>, name: &str, mode: Scheme) -> MacKey {
    MacKey::from_secret(mode, entry.array(name)).unwrap()
}

fn enc_key(entry: Entry<'_>, name: &str, mode: Scheme) -> EncKey {
    EncKey::from_secret(mode, entry.array(name)).unwrap()
}

fn picc_data(entry: Entry<'_>, mode: Scheme) -> Checked {
    let layout = SdmLayout::new(mode, "https://example.com/?p={picc}&m={mac}").unwrap();
    let key = SdmMetaReadKey::from_hex(entry.text("key")).unwrap().prepare(mode);
    let mirrors = Mirrors { picc_data: entry.opt("enc"), mac: Some("0000000000000000"), ..Mirrors::default() };
    match layout.assemble(&mirrors).unwrap().open(&key) {
        Ok(claimed) => {
            equal("valid", true, entry.flag("valid").unwrap())?;
            equal("uid", claimed.uid(), entry.uid())?;
            equal("ctr", claimed.ctr(), entry.ctr())
        }
        Err(error) => {
            equal("valid", false, entry.flag("valid").unwrap())?;
            equal("error", error, VerifyError::NotAuthentic)
        }
    }
}

#[test]
fn picc_data_aes() {
    each("picc_data_aes", |entry| picc_data(entry, Scheme::Aes));
}

#[test]
fn session_keys_aes() {
    each("session_keys_aes", |entry| {
        let key = entry.file_key("file_read_key", Scheme::Aes);
        let (uid, ctr) = (entry.uid(), entry.ctr());
        equal("ctr_le", ctr.map(|ctr| ctr.to_lsb_first().to_vec()), entry.opt("ctr_le").map(unhex))?;
        equal("sv2", session::sv2(uid, ctr), entry.array("sv2"))?;
        equal("k_ses_mac", MacKey::derive(&key, uid, ctr).unwrap(), mac_key(entry, "k_ses_mac", Scheme::Aes))?;
        let (Some(uid), Some(ctr)) = (uid, ctr) else {
            return equal("sv1", None, entry.opt("sv1"));
        };
        equal("sv1", session::sv1(uid, ctr), entry.array("sv1"))?;
        equal("k_ses_enc", EncKey::derive(&key, uid, ctr).unwrap(), enc_key(entry, "k_ses_enc", Scheme::Aes))
    });
}

/// Checks the MAC of an entry. `secret` is the name of the field that holds the secret of the session MAC key.
fn sdmmac(entry: Entry<'_>, mode: Scheme, secret: &str) -> Checked {
    let session_key = MacKey::derive(&entry.file_key("file_read_key", mode), entry.uid(), entry.ctr()).unwrap();
    equal(secret, &session_key, &mac_key(entry, secret, mode))?;
    let cmac = session_key.cmac(&entry.bytes("mac_input"));
    equal("mac_full", cmac, entry.array("mac_full"))?;
    equal("mac", SdmMac::truncate(&cmac), SdmMac::from_bytes(entry.array("mac")))
}

#[test]
fn sdmmac_aes() {
    each("sdmmac_aes", |entry| sdmmac(entry, Scheme::Aes, "k_ses_mac"));
}

fn enc_file_data(entry: Entry<'_>, mode: Scheme, secret: &str) -> Checked {
    let (uid, ctr) = (entry.uid().unwrap(), entry.ctr().unwrap());
    let key = EncKey::derive(&entry.file_key("file_read_key", mode), uid, ctr).unwrap();
    equal(secret, &key, &enc_key(entry, secret, mode))?;
    let mut data = entry.bytes("enc");
    let (blocks, rest) = data.as_chunks_mut();
    assert!(rest.is_empty(), "whole blocks");
    key.decrypt(ctr, blocks);
    equal("plain", data, entry.bytes("plain"))
}

#[test]
fn enc_file_data_aes() {
    each("enc_file_data_aes", |entry| enc_file_data(entry, Scheme::Aes, "k_ses_enc"));
}

/// Returns a template whose MAC input is `window`. Mirrors that `window` does not contain come before the MAC input.
fn template_around(window: &str, mirrors: &[(&str, Option<&str>)]) -> String {
    let mut window = window.to_owned();
    let mut front = String::new();
    for (name, text) in mirrors {
        let Some(text) = text else { continue };
        if let Some(at) = window.find(text) {
            window.replace_range(at..at + text.len(), &format!("{{{name}}}"));
        } else {
            front = format!("{front}{{{name}}}/");
        }
    }
    format!("https://example.com/{front}[[{window}{{mac}}")
}

#[test]
fn plain_mirror() {
    each("plain_mirror", |entry| {
        let (uid_text, ctr_text) = (entry.opt("uid_ascii"), entry.opt("ctr_ascii"));
        let template = template_around(entry.text("mac_input_ascii"), &[("uid", uid_text), ("ctr", ctr_text)]);
        let layout = SdmLayout::new(entry.scheme(), &template).unwrap();
        let mirrors = Mirrors { uid: uid_text, ctr: ctr_text, mac: entry.opt("mac"), ..Mirrors::default() };
        let claimed = layout.assemble(&mirrors).unwrap().read_plain().unwrap();
        let key = entry.file_key("file_read_key", entry.scheme());
        let (uid, ctr) = if claimed.ctr().is_some() {
            let verified = claimed.verify(&key).map_err(|error| format!("{template}: {error}"))?;
            (verified.uid(), Some(verified.ctr()))
        } else {
            let verified = claimed.verify_replayable(&key).map_err(|error| format!("{template}: {error}"))?;
            (verified.uid(), None)
        };
        equal("uid", uid, entry.uid())?;
        equal("ctr", ctr, entry.ctr())?;
        equal("ctr_ascii", ctr.map(|ctr| ctr.to_msb_ascii().to_vec()), ctr_text.map(|text| text.as_bytes().to_vec()))
    });
}

#[test]
fn ntag22x_suncmac() {
    each("ntag22x_suncmac", |entry| {
        let tt = entry.flag("status_detect").unwrap();
        let template = if tt { "https://a.b/?m={uid}x{ctr}x{tt}x{mac}" } else { "https://a.b/?m={uid}x{ctr}x{mac}" };
        let layout = SdmLayout::new(Scheme::Suncmac, template).unwrap();
        let url = format!("https://a.b/?m={}", entry.text("mirror_ascii"));
        let key = entry.file_key("key", Scheme::Suncmac);
        let block = entry.opt("tt_ascii").map(|text| StatusDetect::from_ascii(text.as_bytes()).unwrap());
        let (uid, ctr) = (entry.uid().unwrap(), entry.ctr().unwrap());
        equal("ctr_ascii", &ctr.to_msb_ascii()[..], entry.text("ctr_ascii").as_bytes())?;
        let cmac = ntag22x::suncmac(&key, uid, ctr, block).unwrap();
        equal("mac_full", cmac, entry.array("mac_full"))?;
        let unprepared = SdmFileReadKey::from_bytes(entry.array("key"));
        equal("mac_full by the key as it is", ntag22x::suncmac(&unprepared, uid, ctr, block), Some(cmac))?;
        equal("mac", SdmMac::truncate(&cmac), SdmMac::from_bytes(entry.array("mac")))?;
        let verified = layout.parse(&url).unwrap().read_plain().unwrap().verify(&key);
        if ctr == SdmReadCtr::ZERO {
            // The counter of this tag is off.
            return equal("verdict", verified.map(|_| ()), Err(VerifyError::NotAuthentic));
        }
        let verified = verified.map_err(|error| error.to_string())?;
        equal("uid", verified.uid(), Some(uid))?;
        equal("ctr", verified.ctr(), ctr)?;
        equal("status_detect", verified.message().status_detect(), block)
    });
}

#[test]
fn boltcard_deterministic() {
    each("boltcard_deterministic", |entry| {
        let issuer = IssuerKey::from_bytes(entry.array("issuer_key"));
        let (uid, version) = (entry.uid().unwrap(), u32::try_from(entry.number("version").unwrap()).unwrap());
        let keys = boltcard::card_keys(&issuer, uid, version);
        for (name, key) in ["k0", "k1", "k2", "k3", "k4"].into_iter().zip(&keys) {
            equal(name, key.expose_bytes(), &entry.array(name))?;
        }
        equal("k1 alone", boltcard::meta_read_key(&issuer).expose_bytes(), keys[1].expose_bytes())?;
        equal("k2 alone", boltcard::file_read_key(&issuer, uid, version).expose_bytes(), keys[2].expose_bytes())?;
        equal("card_id", boltcard::card_id(&issuer, uid), entry.array("card_id"))
    });
}

/// Checks the crate that `kdf::ecode` uses for sealing, with the same calls.
#[test]
fn aes_siv() {
    use aes_siv::{KeyInit as _, siv::Aes128Siv};
    each("aes_siv", |entry| {
        let key: [u8; 32] = entry.array("key");
        let ads: Vec<Vec<u8>> =
            entry.0["ads"].as_array().unwrap().iter().map(|ad| unhex(ad.as_str().unwrap())).collect();
        let (plain, out) = (entry.bytes("plain"), entry.bytes("siv_out"));
        let (tag, ciphertext) = out.split_first_chunk::<16>().unwrap();
        let mut data = ciphertext.to_vec();
        let opened =
            Aes128Siv::new(&key.into()).decrypt_inout_detached(&ads, data.as_mut_slice().into(), &(*tag).into());
        equal("opens", opened.is_ok(), entry.flag("valid").unwrap())?;
        if opened.is_err() {
            return Ok(());
        }
        equal("plain", &data, &plain)?;
        let siv = Aes128Siv::new(&key.into()).encrypt_inout_detached(&ads, data.as_mut_slice().into()).unwrap();
        equal("siv_out", [siv.as_slice(), &data].concat(), out)
    });
}

#[test]
fn tag_tamper() {
    each("tag_tamper", |entry| {
        let (uid, ctr) = (entry.uid().unwrap().to_ascii(), entry.ctr().unwrap().to_msb_ascii());
        let (uid, ctr) = (str::from_utf8(&uid).unwrap(), str::from_utf8(&ctr).unwrap());
        let enc_text = entry.opt("enc").map(str::to_uppercase);
        let enc_text = enc_text.as_deref();
        let tt_text = if enc_text.is_none() { entry.opt("tt_ascii") } else { None };
        let enc_name = entry.number("tt_offset_in_plain").map(|at| format!("enc:tt@{at}")).unwrap_or_default();
        let window = entry.text("mac_input_ascii");
        let template = template_around(window, &[(&enc_name, enc_text), ("tt", tt_text)]);
        let template = template.replacen("[[", "{uid}/{ctr}/[[", 1);
        let layout = SdmLayout::new(entry.scheme(), &template).unwrap_or_else(|error| panic!("{template}: {error}"));
        let mirrors = Mirrors {
            uid: Some(uid),
            ctr: Some(ctr),
            enc_file_data: enc_text,
            tt_status: tt_text,
            mac: entry.opt("mac"),
            ..Mirrors::default()
        };
        let claimed = layout.assemble(&mirrors).map_err(|error| error.to_string())?.read_plain().unwrap();
        let verified = claimed
            .verify(&entry.file_key("file_read_key", entry.scheme()))
            .map_err(|error| format!("{template}: {error}"))?;
        let status = verified.message().tamper().ok_or("no status")?;
        equal("perm", vec![status.perm()], entry.bytes("tt_perm"))?;
        equal("curr", vec![status.curr()], entry.bytes("tt_curr"))?;
        equal("tt_authenticated", status.is_authenticated(), entry.flag("tt_authenticated").unwrap())?;
        let state = match entry.text("status") {
            "closed" => TagTamper::Closed,
            "opened_now_closed" => TagTamper::OpenedNowClosed,
            "open" | "open_not_latched" => TagTamper::Open,
            "not_enabled" => TagTamper::NotEnabled,
            "unknown" => TagTamper::Unknown,
            other => panic!("status {other}"),
        };
        equal("status", status.state(), state)
    });
}

#[test]
fn an10922_aes128() {
    each("an10922_aes128", |entry| {
        let master = MasterKey::from_bytes(entry.array("master_key"));
        let key: SdmFileReadKey = an10922::derive(&master, &[&entry.bytes("m")]).map_err(|error| error.to_string())?;
        equal("key", key, SdmFileReadKey::from_bytes(entry.array("key")))
    });
}

/// The verdict on a tap, in the terms of the vectors.
#[derive(Debug, PartialEq)]
enum Class {
    Valid(Said),
    Replay,
    Forged,
    Malformed,
}

impl Class {
    fn name(&self) -> &'static str {
        match self {
            Self::Valid(_) => "valid",
            Self::Replay => "replay",
            Self::Forged => "forged",
            Self::Malformed => "malformed",
        }
    }
}

#[derive(Debug, PartialEq)]
struct Said {
    uid: Option<Uid>,
    ctr: Option<SdmReadCtr>,
    tt: Option<String>,
    tt_authenticated: Option<bool>,
    file_data: Option<Vec<u8>>,
}

impl Said {
    fn by(message: &SunMessage<'_>) -> Self {
        let mut buffer = [0; 128];
        Self {
            uid: message.uid(),
            ctr: message.ctr(),
            tt: message.tamper().map(|tt| tt.to_string()),
            tt_authenticated: message.tamper().as_ref().map(TtStatus::is_authenticated),
            file_data: message.file_data(&mut buffer).map(<[u8]>::to_vec),
        }
    }
}

/// Verifies one tap of the vectors, with or without a counter store, and returns its verdict.
fn judge(entry: Entry<'_>, counters: Option<&mut MapCounters>) -> Class {
    let template = match entry.number("tt_in_plain_off") {
        Some(at) => entry.text("template").replace("{enc}", &format!("{{enc:tt@{at}}}")),
        None => entry.text("template").to_owned(),
    };
    let layout = SdmLayout::new(entry.scheme(), &template).unwrap_or_else(|error| panic!("{template}: {error}"));
    let Ok(tap) = layout.parse(entry.text("url")) else { return Class::Malformed };
    let claimed = match entry.opt("meta_key") {
        Some(hex) => tap.open(&SdmMetaReadKey::from_hex(hex).unwrap().prepare(entry.scheme())),
        None => tap.read_plain(),
    };
    let claimed = match claimed {
        Ok(claimed) => claimed,
        Err(VerifyError::NotAuthentic) => return Class::Forged,
        Err(error) => panic!("{template}: {error}"),
    };
    let key = entry.file_key("file_key", entry.scheme());
    if claimed.ctr().is_none() {
        return match claimed.verify_replayable(&key) {
            Ok(tap) => Class::Valid(Said::by(tap.message())),
            Err(_) => Class::Forged,
        };
    }
    let Ok(verified) = claimed.verify(&key) else { return Class::Forged };
    let said = Said::by(verified.message());
    let Some(counters) = counters else { return Class::Valid(said) };
    match verified.commit(counters, None) {
        Ok(fresh) => {
            assert_eq!(fresh.uid(), said.uid);
            Class::Valid(said)
        }
        Err(CommitError::Replayed { .. }) => Class::Replay,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn taps() {
    each("taps", |entry| {
        if entry.opt("file_key_scheme") == Some("an10922") && entry.flag("accept") == Some(true) {
            let master = MasterKey::from_bytes(entry.array("master_key"));
            let input = [entry.bytes("uid"), entry.bytes("div_suffix")];
            let key: SdmFileReadKey = an10922::derive(&master, &[&input[0], &input[1]]).unwrap();
            equal("file_key", key, SdmFileReadKey::from_bytes(entry.array("file_key")))?;
        }
        let class = judge(entry, None);
        let allowed = entry.0["allowed"].as_array().unwrap();
        if !allowed.iter().any(|allowed| allowed == class.name()) {
            return Err(format!("found {}, allowed {allowed:?}, mutation {:?}", class.name(), entry.opt("mutation")));
        }
        // If `{enc}` is next to `{mac}`, it is undefined which of the two is too long.
        if let Some(reason) = entry.opt("mutation").and_then(reason)
            && !entry.text("template").contains("{enc}{mac}")
        {
            let layout = SdmLayout::new(entry.scheme(), entry.text("template")).unwrap();
            equal("reason", layout.parse(entry.text("url")).map(|_| ()), Err(reason))?;
        }
        if entry.flag("accept") != Some(true) {
            return Ok(());
        }
        let said = Said {
            uid: entry.uid(),
            ctr: entry.ctr(),
            tt: entry.opt("tt").map(str::to_owned),
            tt_authenticated: entry.flag("tt_authenticated"),
            file_data: entry.opt("file_data").map(unhex),
        };
        equal("tap", class, Class::Valid(said))
    });
}

#[test]
fn replay_steps() {
    let stores = std::sync::Mutex::new(HashMap::<String, MapCounters>::new());
    each("replay_steps", |entry| {
        let mut stores = stores.lock().unwrap();
        let counters = stores.entry(entry.text("seq_id").to_owned()).or_default();
        let before = counters.0.clone();
        let wanted = if entry.text("expect") == "accept" { "valid" } else { entry.text("expect") };
        equal("verdict", judge(entry, Some(counters)).name(), wanted)?;
        if wanted != "valid" {
            equal("marks after a refusal", &counters.0, &before)?;
        }
        let Some(uid) = entry.uid() else { return Ok(()) };
        let key = SdmFileReadKey::from_bytes(entry.array("file_key"));
        let tag = key.prepare(Scheme::Aes).counter_id(Some(uid));
        let last = |marks: &HashMap<CounterId, Mark>| Some(u64::from(marks.get(&tag)?.ctr.get()));
        equal("last_ctr_before", last(&before), entry.number("last_ctr_before"))?;
        equal("last_ctr_after", last(&counters.0), entry.number("last_ctr_after"))
    });
}

/// Returns the expected reason for a mutation that changes the form of a URL.
fn reason(mutation: &str) -> Option<Malformed> {
    use suntap::Field::{PiccData, SdmMac as Mac, SdmReadCtr as Ctr, Uid as PlainUid};
    Some(match mutation {
        "duplicate_mac_identical" | "duplicate_mac_bad_then_good" | "duplicate_mac_good_then_bad" => {
            Malformed::Duplicate(Mac)
        }
        "duplicate_picc_other_first" | "duplicate_picc_other_last" => Malformed::Duplicate(PiccData),
        "missing_mac_param" => Malformed::Missing(Mac),
        "missing_picc_param" => Malformed::Missing(PiccData),
        "picc_truncated_1" | "picc_truncated_2" | "picc_extended_2" => Malformed::Length(PiccData),
        "mac_extended_2" | "mac_full_16_bytes" | "mac_truncated_1" | "mac_truncated_2" => Malformed::Length(Mac),
        "uid_extended" => Malformed::Length(PlainUid),
        "ctr_decimal_sign" => Malformed::Character(Ctr),
        "ctr_8_digits" | "ctr_5_digits" => Malformed::Length(Ctr),
        "picc_non_hex_G" | "picc_percent_encoded" => Malformed::Character(PiccData),
        "extra_param_appended" | "fragment_appended" => Malformed::Trailing,
        _ => return None,
    })
}
