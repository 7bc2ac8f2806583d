//! nfc-developer/sdm-backend: its configuration, and a list of UIDs.
//!
//! sdm-backend has no table of tags and no counters: it derives the keys of every tag from `MASTER_KEY`. The tags get the derivation,
//! and the master key stays in the secrets.

use std::collections::HashMap;

use csv::StringRecord;
use suntap::Uid;
use suntap::kdf::sdm_backend::Master;

use super::lines::{Counter, Lines, TagKeys, TagLine, counter, number, uid};
use super::table::{self, Columns, Renamed};
use super::{ConvertError, Input, Secrets, text};
use crate::registry::document::{Derivation, Layout, ModeName, RuleGroup, RuleSet};

/// The number of a tag is its UID. Clients that read JSON numbers as floating point change larger numbers.
const MAX_NUMBER: u64 = 1 << 53;

/// The configuration, the tags, and how they become tags of the registry.
#[derive(Debug)]
pub struct Source {
    /// `config.py` or the environment, as lines `NAME=VALUE`.
    pub config: Input,
    /// A table with the column `uid`, or a list of UIDs.
    pub tags: Input,
    /// How the columns differ.
    pub renamed: Renamed,
    /// What the tags write.
    pub route: Route,
    /// `true` if the tags write one parameter `e`.
    pub bulk: bool,
    /// The start of the URLs, such as `https://sdm.example.com`.
    pub base_url: Option<String>,
    /// The layout, if it is not one of sdm-backend.
    pub template: Option<String>,
    /// The name of the master key in the secrets.
    pub master: String,
    /// The path of the batch.
    pub batch: String,
}

/// The route of sdm-backend that the tags write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Route {
    /// `/tag`: encrypted PICCData.
    Tag,
    /// `/tagtt`: encrypted PICCData and the tamper status.
    Tagtt,
    /// `/tagpt`: UID and counter in plain text.
    Tagpt,
}

pub(super) fn convert(source: Source, secrets: Option<&Secrets>, lines: &mut Lines<'_>) -> Result<(), ConvertError> {
    let config = Config::parse(&text(source.config)?)?;
    lines.notes.extend(config.note());
    let name = &source.master;
    if let Some(secrets) = secrets {
        check(name, &config, secrets)?;
    }
    let template = match (&source.template, &source.base_url) {
        (Some(template), _) => template.clone(),
        (None, Some(base)) => config.template(source.route, source.bulk, base.trim_end_matches('/'))?,
        (None, None) => return Err(ConvertError::Source("--base-url or --template is missing".into())),
    };
    let layout = Layout { mode: if config.lrp { ModeName::Lrp } else { ModeName::Aes }, template };
    // ETRNL clients send PICCData, and ixkio clients send the counter in plain text.
    let is_plain = source.route == Route::Tagpt;
    let rules = is_plain.then(|| RuleSet {
        groups: vec![RuleGroup {
            rules: vec![suntap::platform::rules::Rule::TagAuthentication],
            response: "Pass".into(),
        }],
        default: "Fail".into(),
    });
    Tags { input: source.tags, renamed: &source.renamed }.each(|origin, row| {
        let row = match row {
            Ok(row) => row,
            Err(reason) => {
                lines.problem(origin, reason);
                return Ok(());
            }
        };
        let uid = row.uid.to_string();
        let Some(number) = Some(as_number(row.uid)).filter(|number| is_plain || *number < MAX_NUMBER) else {
            lines.problem(origin, "uid: the number of a tag is its UID, and this UID does not start with 00 to 1F");
            return Ok(());
        };
        lines.batch(&origin, &source.batch, Some(&layout), rules.as_ref())?;
        let counter = row.ctr.map(|ctr| Counter { ctr, at: row.at.as_deref(), taps: row.taps });
        let counter = lines.counter(row.has_counter, true, row.taps.is_some_and(|taps| taps > 0), counter);
        let tag = TagLine {
            batch: Some(&source.batch),
            number: (!is_plain).then_some(number),
            xuid: is_plain.then_some(&*uid),
            uid: Some(&uid),
            name: row.name.as_deref(),
            tamper: Some(source.route == Route::Tagtt),
            keys: Some(TagKeys::Derived(Derivation::SdmBackend { master: name.clone() })),
            counter,
            ..TagLine::default()
        };
        lines.tag(origin, &tag)
    })
}

/// Returns a UID as a number, which is the same in each conversion.
fn as_number(uid: Uid) -> u64 {
    uid.as_bytes().iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// Checks that the secrets have the master key of the configuration.
fn check(name: &str, config: &Config, secrets: &Secrets) -> Result<(), ConvertError> {
    let Some(master) = secrets.sdm_backend(name) else {
        return Err(ConvertError::Source(format!(
            "the secrets have no sdm-backend key `{name}`. Add it to the secrets, with the MASTER_KEY of the configuration: \
             \"sdmBackend\":{{\"{name}\":{{\"legacy\":{},\"key\":\"<MASTER_KEY>\"}}}}",
            config.legacy
        )));
    };
    // A key that the derivation makes for one tag.
    let uid = Uid::from_bytes([0x04, 0, 0, 0, 0, 0, 0]);
    let is_same = master.meta_read_key() == config.master.meta_read_key()
        && master.file_read_key(uid) == config.master.file_read_key(uid);
    if !is_same {
        return Err(ConvertError::Source(format!(
            "the sdm-backend key `{name}` of the secrets is not that of the configuration: compare `key` with MASTER_KEY, and `legacy` \
             must be {}",
            config.legacy
        )));
    }
    Ok(())
}

/// The settings that the taps depend on.
struct Config {
    legacy: bool,
    master: Master,
    picc: String,
    uid: String,
    ctr: String,
    mac: String,
    lrp: bool,
    /// The names of settings that sdm-backend does not have.
    unknown: Vec<String>,
}

impl Config {
    /// Parses lines `NAME=VALUE`, also of Python.
    fn parse(text: &str) -> Result<Self, ConvertError> {
        // Python also has lines that are not assignments.
        let lines = text.trim_start_matches('\u{feff}').lines();
        let is_import = |line: &&str| line.starts_with("import ") || line.starts_with("from ");
        let lines: Vec<_> = lines.map(|line| if is_import(&line) { "" } else { line }).collect();
        let mut settings = HashMap::new();
        // The error of the parser repeats the line, which may have the key.
        let fail = |reason: &str| ConvertError::Source(format!("--sdm-config: {reason}"));
        for setting in dotenvy::from_read_iter(lines.join("\n").as_bytes()) {
            let (name, value) = setting.map_err(|_| fail("expected lines like NAME=VALUE"))?;
            settings.insert(name, value);
        }
        let mut take = |name: &str| match settings.remove(name) {
            Some(value) if value.contains("environ") || value.contains("getenv") => Err(fail(&format!(
                "{name} is read from the environment: pass a file with the variables as NAME=VALUE instead"
            ))),
            value => Ok(value),
        };
        if take("SYSTEM_MASTER_KEY")?.is_some() {
            return Err(fail(
                "SYSTEM_MASTER_KEY is the setting of an older version, which has no DERIVE_MODE. Find out which derivation the tags \
                 have, and pass MASTER_KEY and DERIVE_MODE",
            ));
        }
        let digits = take("MASTER_KEY")?.ok_or_else(|| fail("MASTER_KEY is missing"))?;
        let digits = ["binascii.unhexlify", "bytes.fromhex"]
            .iter()
            .find_map(|call| digits.strip_prefix(call))
            .unwrap_or(&digits);
        let digits = digits.trim_matches(['(', ')', '"', '\'', ' ']);
        let bytes = base16ct::mixed::decode_vec(digits).map_err(|_| fail("MASTER_KEY must be hex digits"))?;
        let mode = take("DERIVE_MODE")?.unwrap_or_else(|| "legacy".into());
        let (legacy, master) = match &*mode {
            "legacy" => (true, Master::legacy(&bytes)),
            "standard" => (false, Master::standard(&bytes)),
            _ => return Err(fail("DERIVE_MODE must be legacy or standard")),
        };
        let lrp = match take("REQUIRE_LRP")?.as_deref() {
            None | Some("False" | "0") => false,
            Some("True" | "1") => true,
            Some(_) => return Err(fail("REQUIRE_LRP must be True, False, 1 or 0")),
        };
        let mut parameter = |name: &str, default: &str| {
            let value = take(name)?.unwrap_or_else(|| default.into());
            let is_plain =
                value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'~'));
            if is_plain && !value.is_empty() {
                Ok(value)
            } else {
                Err(fail(&format!("{name} is not the name of a parameter")))
            }
        };
        let (picc, mac) = (parameter("ENC_PICC_DATA_PARAM", "picc_data")?, parameter("SDMMAC_PARAM", "cmac")?);
        let (uid, ctr) = (parameter("UID_PARAM", "uid")?, parameter("CTR_PARAM", "ctr")?);
        parameter("ENC_FILE_DATA_PARAM", "enc")?;
        let master = master.ok_or_else(|| fail("MASTER_KEY must have 32 or 64 hex digits"))?;
        let mut unknown: Vec<_> = settings.into_keys().collect();
        unknown.sort_unstable();
        Ok(Self { legacy, master, picc, uid, ctr, mac, lrp, unknown })
    }

    fn note(&self) -> Option<String> {
        let unknown = &self.unknown;
        (!unknown.is_empty())
            .then(|| format!("the configuration has settings that are not used: {}", unknown.join(", ")))
    }

    /// Returns the layout of the tags of a route, with the parameters in the order of the examples of sdm-backend.
    fn template(&self, route: Route, bulk: bool, base: &str) -> Result<String, ConvertError> {
        let Self { picc, uid, ctr, mac, .. } = self;
        Ok(match (route, bulk) {
            (Route::Tag, false) => format!("{base}/tag?{picc}={{picc:uid,ctr}}&{mac}={{mac}}"),
            (Route::Tag, true) => format!("{base}/tag?e={{picc:uid,ctr}}{{mac}}"),
            (Route::Tagtt, true) => format!("{base}/tagtt?e={{picc:uid,ctr}}[[{{enc:32,tt@0}}{{mac}}"),
            (Route::Tagpt, false) => format!("{base}/tagpt?{uid}={{uid}}&{ctr}={{ctr}}&{mac}={{mac}}"),
            (Route::Tagtt, false) => {
                return Err(ConvertError::Source(format!(
                    "--route tagtt: the MAC of these tags covers `&{mac}=` after the file data, and the clients of neither API send such \
                     taps. Only tags that write one parameter `e` (--bulk) can be moved"
                )));
            }
            (Route::Tagpt, true) => {
                return Err(ConvertError::Source(
                    "--route tagpt: sdm-backend has no such tags with one parameter".into(),
                ));
            }
        })
    }
}

/// The list of tags.
struct Tags<'r> {
    input: Input,
    renamed: &'r Renamed,
}

struct Row {
    uid: Uid,
    /// `false` if the list does not have it.
    has_counter: bool,
    ctr: Option<u32>,
    at: Option<String>,
    taps: Option<u32>,
    name: Option<String>,
}

impl Tags<'_> {
    fn each(
        self,
        mut each: impl FnMut(super::Origin, Result<Row, String>) -> Result<(), ConvertError>,
    ) -> Result<(), ConvertError> {
        let mut reader = table::reader(self.input);
        let mut first = StringRecord::new();
        table::read(&mut reader, &mut first)?;
        let is_list = first.get(0).is_some_and(|text| Uid::from_hex(text.trim()).is_ok());
        // A list without names of columns has UIDs, and maybe counters.
        let names = ["uid", "last_counter"].into_iter().take(first.len()).collect();
        let header = if is_list { names } else { first.clone() };
        if is_list && first.len() > 2 {
            return Err(ConvertError::Source("line 1: the names of the columns are missing".into()));
        }
        let columns =
            Columns::new(&header, &["uid"], &["last_counter", "last_seen", "taps", "name"], &[], self.renamed)?;
        let read = |row: &StringRecord| {
            let value = |name| columns.value(row, name);
            let uid = uid("uid", value("uid").ok_or("uid: the value is missing")?)?;
            let ctr = counter("last_counter", value("last_counter"))?;
            let taps = value("taps").map(|text| number("taps", text)).transpose()?;
            let has_counter = value("last_counter").is_some();
            Ok(Row {
                uid,
                has_counter,
                ctr,
                at: value("last_seen").map(String::from),
                taps,
                name: value("name").map(String::from),
            })
        };
        if is_list {
            each(table::origin(&first), read(&first))?;
        }
        table::each_row(&mut reader, |origin, row| each(origin, read(row)))
    }
}
