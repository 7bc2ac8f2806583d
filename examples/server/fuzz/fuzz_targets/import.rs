//! Imports any bytes as lines, or converts any bytes as the files of another service and imports the result.
//!
//! The first byte chooses the form of the rest, and the second what the import accepts. Several files are separated by null bytes.
#![no_main]

use std::io::Cursor;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use redb::backends::InMemoryBackend;
use serde::de::IgnoredAny;
use suntap_server::admin::{Actor, Admin, AdminError, Export};
use suntap_server::import::from::sdm_backend::Route;
use suntap_server::import::from::{
    self, ConvertError, Origin, Renamed, Source, Target, boltcard, etrnl_json, ixkio_csv, sdm_backend,
};
use suntap_server::import::{Allowed, ImportError, Input, dry_run};
use suntap_server::secrets::Secrets;
use suntap_server::store::{Embedded, Options, Pace, Record, Store};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

/// The key in the seeds. No other text of an input is expected to be secret.
const PLANTED: &str = "C0DE5EC2E7A1B2C3D4E5F60718293A4B";
/// The fields whose values are secret, with this key.
const SECRET_FIELDS: [&str; 7] = ["eCode", "file", "key", "keys", "meta", "plain", "token"];
/// The documents that an export contains, and the names of tags.
const EXPORTED: [&str; 8] = ["account/", "counter/", "cuid/", "level/", "number/", "organisation/", "uid/", "xuid/"];
/// A registry for lines that need one.
const SAMPLE: &str = include_str!("../../sample.ndjson");
const SECRETS: &str = r#"{"apiKeys":"B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0","server":["B1B1B1B1B1B1B1B1B1B1B1B1B1B1B1B1"],
    "tokenKeys":"B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2","metaKeys":{"m":"B3B3B3B3B3B3B3B3B3B3B3B3B3B3B3B3"},
    "masterKeys":{"m":"B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4"},"issuerKeys":{"i":"00000000000000000000000000000001"},
    "sdmBackend":{"sdm-backend":{"key":"9C1F04E6A2D35B7788E1F0C3D4A59B62"}}}"#;

fuzz_target!(|data: &[u8]| {
    static RUNTIME: OnceLock<(Runtime, Secrets)> = OnceLock::new();
    let (runtime, secrets) = RUNTIME.get_or_init(|| {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        (runtime, Secrets::parse(SECRETS).unwrap())
    });
    let [form, flags, data @ ..] = data else { return };
    let import = Import { secrets, flags: *flags };
    runtime.block_on(async {
        match form % 5 {
            0 => drop(import.lines(data).await),
            form => import.converted(form, data).await,
        }
    });
});

struct Import<'s> {
    secrets: &'s Secrets,
    flags: u8,
}

impl Import<'_> {
    fn has(&self, bit: u8) -> bool {
        self.flags >> bit & 1 == 1
    }

    fn allowed(&self) -> Allowed {
        let default = Allowed::default();
        Allowed {
            meta_keys: if self.has(0) { 1 } else { default.meta_keys },
            short_keys: self.has(1),
            no_rules: self.has(2),
            factory_keys: self.has(3),
            replace: self.has(4),
            ..default
        }
    }

    /// Imports lines, and checks the effect. Returns the error.
    async fn lines(&self, lines: &[u8]) -> Option<ImportError> {
        let store = new_store();
        let admin = Admin::new(&store, self.secrets, Actor::command_line());
        if self.has(5) {
            let allowed = Allowed::default();
            admin.import(&mut Input::text(SAMPLE), allowed, Pace::Alone, |_| ()).await.unwrap();
        }
        let before = contents(&store).await;
        let preview = dry_run(&store, self.secrets, &mut Input::text(lines), self.allowed(), |_| ()).await;
        assert_eq!(contents(&store).await, before, "a dry run changed the store");
        let error = match admin.import(&mut Input::text(lines), self.allowed(), Pace::Alone, |_| ()).await {
            Ok(report) => {
                assert_eq!(preview.unwrap().report, report);
                let documents = format!("{:?}", contents(&store).await);
                // Metadata may contain any text, and a derivation the name of a key.
                let has_names = ["metadata", "an10922"].iter().any(|name| contains(lines, name));
                assert!(has_names || !shows_secret(&documents, lines), "a document contains a key: {documents}");
                self.exported(&admin, &store).await;
                None
            }
            Err(AdminError::Import(error)) => {
                assert_eq!(preview.unwrap_err().to_string(), error.to_string());
                assert_eq!(contents(&store).await, before, "a refused import changed the store");
                check_error(&error, lines);
                Some(error)
            }
            Err(error) => panic!("{error}"),
        };
        store.close().await;
        error
    }

    /// An export can be imported into an empty store, which then has the same tags, and into the same store, which it does not change.
    async fn exported(&self, admin: &Admin<'_>, store: &Store) {
        let exported = export(admin).await;
        let allowed = Allowed { replace: false, ..self.allowed() };
        let new = new_store();
        let other = Admin::new(&new, self.secrets, Actor::command_line());
        for admin in [&other, admin] {
            let imported = admin.import(&mut Input::text(&exported), allowed.clone(), Pace::Alone, |_| ()).await;
            if let Err(error) = imported {
                panic!("an export is refused: {error}\n{exported}");
            }
            assert_eq!(export(admin).await, exported);
        }
        // API keys are not exported. The store also keeps marks of keys that no tag has any more.
        let (contents, expected) = (contents(&new).await, contents(store).await);
        let is_exported = |record: &&Record| match record {
            Record::Document { key, .. } => EXPORTED.iter().any(|prefix| key.starts_with(prefix)),
            _ => false,
        };
        assert!(
            contents.iter().filter(is_exported).eq(expected.iter().filter(is_exported)),
            "{contents:?}\n{expected:?}"
        );
        let lost = contents.iter().find(|record| matches!(record, Record::Mark(..)) && !expected.contains(record));
        assert!(lost.is_none(), "{lost:?} {expected:?}");
        new.close().await;
    }

    /// Converts files, and imports the result.
    async fn converted(&self, form: u8, data: &[u8]) {
        let mut files = data.splitn(2, |byte| *byte == 0).map(<[u8]>::to_vec);
        let mut file = || from::Input::new(Cursor::new(files.next().unwrap_or_default()));
        let (batch, renamed) = (String::from("F/G/B"), Renamed::default());
        let source = match form {
            1 => Source::IxkioCsv(ixkio_csv::Source {
                tags: file(),
                renamed,
                batch: self.has(5).then_some(batch),
                template: self.has(6).then(|| "https://t.example/{:xuid}?n={ctr}&e={mac}".into()),
            }),
            2 => Source::EtrnlJson(etrnl_json::Source { export: file(), folder: "F".into() }),
            3 => Source::SdmBackend(sdm_backend::Source {
                config: file(),
                tags: file(),
                renamed,
                route: [Route::Tag, Route::Tagtt, Route::Tagpt][usize::from(self.flags >> 6) % 3],
                bulk: self.has(5),
                base_url: Some("https://t.example".into()),
                template: None,
                master: "sdm-backend".into(),
                batch,
            }),
            _ => Source::Boltcard(boltcard::Source {
                cards: boltcard::Cards::Csv { settings: file(), cards: file(), renamed },
                issuer: self.has(5).then(|| "i".into()),
                template: None,
                batch,
                first_number: u64::from(self.has(6)),
            }),
        };
        let target = Target { organisation: 1, name: Some("One".into()), before: String::new() };
        let mut lines = Vec::new();
        match from::convert(source, &target, Some(self.secrets), &mut lines).await {
            Ok(converted) => {
                for line in String::from_utf8(lines.clone()).unwrap().lines() {
                    assert!(serde_json::from_str::<IgnoredAny>(line).is_ok(), "{line}");
                }
                // Lines of conversions go to an empty store.
                let import = Import { flags: self.flags & 0x1F, ..*self };
                if let Some(error) = import.lines(&lines).await {
                    // The place of a line that no file has.
                    let error = converted.located(error).to_string();
                    assert!(!error.contains("--before, line"), "{error}");
                }
            }
            Err(error) => {
                let text = error.to_string();
                assert!(!text.contains(&PLANTED[..17]) && !text.contains(&PLANTED[15..]), "{text}");
                if let ConvertError::Rows { listed, all } = &error {
                    check_listed(listed.len(), *all);
                    let count = data.iter().filter(|byte| **byte == b'\n').count() + 1;
                    let exists = |origin: &Origin| match origin {
                        Origin::Line(line) => (1..=count).contains(&usize::try_from(*line).unwrap()),
                        Origin::Before(_) => false,
                        Origin::Option(_) | Origin::Named(_) => true,
                    };
                    assert!(listed.iter().all(|(origin, _)| exists(origin)), "{text}");
                }
            }
        }
    }
}

fn new_store() -> Store {
    let options = Options { cache_size: 1024 * 1024, ..Options::default() };
    Embedded::open_with(InMemoryBackend::new(), options).unwrap().into()
}

/// Returns all documents and marks.
async fn contents(store: &Store) -> Vec<Record> {
    let (sender, mut receiver) = mpsc::channel(1024);
    store.snapshot(sender).await.unwrap();
    let mut records = Vec::new();
    while let Ok(batch) = receiver.try_recv() {
        records.extend(batch.into_iter().filter(|record| !matches!(record, Record::History(..))));
    }
    records
}

async fn export(admin: &Admin<'_>) -> String {
    let mut export = Export::new("").unwrap();
    let mut text = String::new();
    while let Some(lines) = admin.export(&mut export).await.unwrap() {
        text.push_str(&lines);
    }
    text
}

/// Asserts that an error names lines that exist, and shows no key.
fn check_error(error: &ImportError, lines: &[u8]) {
    let ImportError::Lines { listed, all } = error else { panic!("{error}") };
    check_listed(listed.len(), *all);
    let lines_with_text: Vec<_> =
        lines.split(|byte| *byte == b'\n').map(|line| !line.trim_ascii().is_empty()).collect();
    assert!(listed.is_sorted_by_key(|(number, _)| number));
    for (number, _) in listed {
        assert_eq!(number.checked_sub(1).and_then(|index| lines_with_text.get(index)), Some(&true), "{error}");
    }
    assert!(!shows_secret(&error.to_string(), lines), "an error contains a key: {error}");
}

fn check_listed(listed: usize, all: usize) {
    assert!(listed > 0 && listed <= 20 && (listed == all || listed == 20 && listed < all), "{listed} {all}");
}

/// Returns `true` if a text shows a part of the planted key, although the lines contain the key only in secret fields.
fn shows_secret(text: &str, lines: &[u8]) -> bool {
    let lines = String::from_utf8_lossy(lines);
    let fields = SECRET_FIELDS.map(|field| lines.matches(&format!("\"{field}\":\"{PLANTED}\"")).count());
    let count: usize = fields.iter().sum();
    let parts = [&PLANTED[..17], &PLANTED[15..]];
    parts.iter().all(|part| lines.matches(part).count() == count) && parts.iter().any(|part| text.contains(part))
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
