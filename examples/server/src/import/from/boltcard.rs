//! boltcard/boltcard: the table `cards` and the table `settings`, as CSV or in its PostgreSQL database.
//!
//! Every card has an SDMFileReadKey of its own, `k2_cmac_key`. All cards share the SDMMetaReadKey, the setting `AES_DECRYPT_KEY`.
//! boltcard itself creates random keys, and a converted card has them as plain keys. With an issuer key, cards whose keys are the
//! deterministic ones get the derivation instead.
//!
//! The tags belong to the ETRNL API, because a Bolt Card writes PICCData, which the ixkio API does not have. The number of a tag is
//! its `card_id`.

use std::collections::HashMap;
use std::pin::pin;

use csv::StringRecord;
use futures_util::TryStreamExt as _;
use suntap::kdf::boltcard;
use suntap::{IssuerKey, SdmFileReadKey, SdmMetaReadKey, Uid};
use tokio_postgres::{IsolationLevel, NoTls};

use super::lines::{Counter, Lines, Origin, TagKeys, TagLine, counter, key, number, uid};
use super::table::{self, Columns, Renamed};
use super::{ConvertError, Input, Secrets};
use crate::registry::document::{Derivation, Layout, ModeName, State};
use crate::store::{postgres_config, postgres_tls};

/// The greatest version of a card that is tried. The version is the number of times that a card was programmed again.
const MAX_VERSION: u32 = 255;

/// What the verdict depends on.
const REQUIRED: [&str; 6] = ["card_id", "k2_cmac_key", "uid", "last_counter_value", "lnurlw_enable", "wiped"];
/// The other columns of the table. Only the name is converted: the others are about payments.
const OTHERS: [&str; 18] = [
    "card_name",
    "k0_auth_key",
    "k3",
    "k4",
    "lnurlw_request_timeout_sec",
    "tx_limit_sats",
    "day_limit_sats",
    "lnurlp_enable",
    "email_address",
    "email_enable",
    "uid_privacy",
    "one_time_code",
    "one_time_code_expiry",
    "one_time_code_used",
    "allow_negative_balance",
    "pin_enable",
    "pin_number",
    "pin_limit_sats",
];

/// Reads in one snapshot, so that no counter is older than another column.
const CARDS: &str = "
    SELECT card_id::text, k2_cmac_key::text, uid::text, last_counter_value::text, lnurlw_enable::text, wiped::text, card_name::text
    FROM cards ORDER BY card_id";
const SETTINGS: &str = "SELECT name::text, value::text FROM settings WHERE name IN ('AES_DECRYPT_KEY', 'HOST_DOMAIN')";

/// The cards, and how they become tags.
#[derive(Debug)]
pub struct Source {
    /// The cards.
    pub cards: Cards,
    /// The name of the issuer key in the secrets, if the keys may be derived from it.
    pub issuer: Option<String>,
    /// The layout, if it is not that of boltcard.
    pub template: Option<String>,
    /// The path of the batch.
    pub batch: String,
    /// Is added to each `card_id`.
    pub first_number: u64,
}

/// Where the cards are.
#[derive(Debug)]
pub enum Cards {
    /// Two tables in CSV.
    Csv {
        /// The table `cards`.
        cards: Input,
        /// The table `settings`.
        settings: Input,
        /// How the columns of `cards` differ.
        renamed: Renamed,
    },
    /// A database. With `sslmode=require`, the connection is encrypted.
    Postgres(Box<tokio_postgres::Config>),
}

impl Cards {
    /// The cards in the database at a URL. `password` is used if the URL has none.
    ///
    /// # Errors
    /// Returns an error if the URL is invalid. The error repeats no part of the URL.
    pub fn in_database(url: &str, password: Option<&[u8]>) -> Result<Self, &'static str> {
        let mut database = postgres_config(url)?;
        if let (None, Some(password)) = (database.get_password(), password) {
            database.password(password);
        }
        Ok(Self::Postgres(Box::new(database)))
    }
}

/// The settings that the taps depend on.
#[derive(Default)]
struct Settings {
    meta: Option<String>,
    host: Option<String>,
}

impl Settings {
    fn set(&mut self, name: &str, value: &str) {
        let value = Some(value.trim()).filter(|value| !value.is_empty()).map(String::from);
        match name {
            "AES_DECRYPT_KEY" => self.meta = value,
            "HOST_DOMAIN" => self.host = value,
            _ => {}
        }
    }
}

pub(super) async fn convert(
    source: Source,
    secrets: Option<&Secrets>,
    lines: &mut Lines<'_>,
) -> Result<(), ConvertError> {
    let Source { cards, issuer, template, batch, first_number } = source;
    let rules = Rules { issuer, template, batch, first_number };
    match cards {
        Cards::Csv { cards, settings, renamed } => {
            let mut converter = Converter::new(rules, &settings_table(settings)?, secrets, lines)?;
            let mut reader = table::reader(cards);
            let mut header = StringRecord::new();
            table::read(&mut reader, &mut header)?;
            let columns = Columns::new(&header, &REQUIRED, &OTHERS, &[], &renamed)?;
            table::each_row(&mut reader, |origin, row| converter.card(origin, |name| columns.value(row, name)))?;
            converter.finish();
        }
        Cards::Postgres(database) => from_database(*database, rules, secrets, lines).await?,
    }
    Ok(())
}

/// Reads the table `settings`.
fn settings_table(input: Input) -> Result<Settings, ConvertError> {
    let mut settings = Settings::default();
    let mut reader = table::reader(input);
    let mut row = StringRecord::new();
    let in_settings = |error| match error {
        ConvertError::Source(reason) => ConvertError::Source(format!("--settings: {reason}")),
        error => error,
    };
    table::read(&mut reader, &mut row).map_err(in_settings)?;
    let columns =
        Columns::new(&row, &["name", "value"], &["setting_id"], &[], &Renamed::default()).map_err(in_settings)?;
    table::each_row(&mut reader, |_, row| {
        settings.set(columns.value(row, "name").unwrap_or_default(), columns.value(row, "value").unwrap_or_default());
        Ok(())
    })
    .map_err(in_settings)?;
    Ok(settings)
}

async fn from_database(
    mut database: tokio_postgres::Config,
    rules: Rules,
    secrets: Option<&Secrets>,
    lines: &mut Lines<'_>,
) -> Result<(), ConvertError> {
    // The connection ends when the client is dropped.
    let tls = postgres_tls(&mut database).map_err(|error| ConvertError::Source(error.to_string()))?;
    let (mut client, connection) = if let Some(tls) = tls {
        let (client, connection) = database.connect(tls).await.map_err(ConvertError::Database)?;
        (client, tokio::spawn(connection))
    } else {
        let (client, connection) = database.connect(NoTls).await.map_err(ConvertError::Database)?;
        (client, tokio::spawn(connection))
    };
    let read = async {
        let transaction = client.build_transaction().read_only(true).isolation_level(IsolationLevel::RepeatableRead);
        let transaction = transaction.start().await?;
        let mut settings = Settings::default();
        for row in transaction.query(SETTINGS, &[]).await? {
            settings.set(row.try_get(0)?, row.try_get(1)?);
        }
        let mut converter = match Converter::new(rules, &settings, secrets, lines) {
            Ok(converter) => converter,
            Err(error) => return Ok(Err(error)),
        };
        let no_parameters: [&str; 0] = [];
        let mut rows = pin!(transaction.query_raw(CARDS, no_parameters).await?);
        while let Some(row) = rows.try_next().await? {
            let mut texts = HashMap::new();
            for (index, column) in row.columns().iter().enumerate() {
                let text: Option<&str> = row.try_get(index)?;
                texts.extend(text.map(str::trim).filter(|text| !text.is_empty()).map(|text| (column.name(), text)));
            }
            let origin = Origin::Named(format!("card_id {}", texts.get("card_id").unwrap_or(&"")).into());
            if let Err(error) = converter.card(origin, |name| texts.get(name).copied()) {
                return Ok(Err(error));
            }
        }
        converter.finish();
        Ok(Ok(()))
    };
    let result = read.await.map_err(ConvertError::Database);
    drop(client);
    // The connection reports the same error as the client.
    let _ = connection.await;
    result?
}

/// How cards become tags.
struct Rules {
    issuer: Option<String>,
    template: Option<String>,
    batch: String,
    first_number: u64,
}

struct Converter<'c, 'w> {
    lines: &'c mut Lines<'w>,
    rules: Rules,
    layout: Layout,
    meta: String,
    issuer: Option<&'c IssuerKey>,
    /// The cards that are not wiped.
    live: HashMap<Uid, Origin>,
    cards: usize,
    derived: usize,
    inactive: usize,
    without_uid: usize,
}

impl<'c, 'w> Converter<'c, 'w> {
    fn new(
        rules: Rules,
        settings: &Settings,
        secrets: Option<&'c Secrets>,
        lines: &'c mut Lines<'w>,
    ) -> Result<Self, ConvertError> {
        let missing = |name| ConvertError::Source(format!("the setting {name} is missing"));
        let meta = settings.meta.clone().ok_or_else(|| missing("AES_DECRYPT_KEY"))?;
        key("the setting AES_DECRYPT_KEY", &meta).map_err(ConvertError::Source)?;
        let template = if let Some(template) = &rules.template {
            template.clone()
        } else {
            let host = settings.host.as_ref().ok_or_else(|| missing("HOST_DOMAIN"))?;
            format!("lnurlw://{host}/ln?p={{picc:uid,ctr}}&c={{mac}}")
        };
        let issuer = rules.issuer.as_deref().map(|name| issuer(name, &meta, secrets)).transpose()?;
        let layout = Layout { mode: ModeName::Aes, template };
        let (live, cards, derived, inactive, without_uid) = (HashMap::new(), 0, 0, 0, 0);
        Ok(Self { lines, rules, layout, meta, issuer, live, cards, derived, inactive, without_uid })
    }

    fn card<'r>(&mut self, origin: Origin, value: impl Fn(&str) -> Option<&'r str>) -> Result<(), ConvertError> {
        self.cards = self.cards.saturating_add(1);
        let card = match Card::read(value) {
            Ok(card) => card,
            Err(reason) => {
                self.lines.problem(origin, reason);
                return Ok(());
            }
        };
        if let Some(uid) = card.uid.filter(|_| !card.is_wiped) {
            if let Some(other) = self.live.get(&uid) {
                let reason =
                    format!("uid: the card of {other} has this UID, too, and is not wiped: boltcard refuses both");
                self.lines.problem(origin, reason);
                return Ok(());
            }
            self.live.insert(uid, origin.clone());
        }
        let Some(number) = card.id.checked_add(self.rules.first_number) else {
            self.lines.problem(origin, "card_id: too large with --add-to-card-id");
            return Ok(());
        };
        let is_active = card.is_enabled && !card.is_wiped;
        self.inactive = self.inactive.saturating_add(usize::from(!is_active));
        self.without_uid = self.without_uid.saturating_add(usize::from(card.uid.is_none()));
        let version = card.uid.and_then(|uid| self.version(uid, &card));
        let keys = match version.zip(self.rules.issuer.clone()) {
            Some((version, issuer)) => {
                self.derived = self.derived.saturating_add(1);
                TagKeys::Derived(Derivation::Boltcard { issuer, version })
            }
            None => TagKeys::Plain { meta: Some(&self.meta), file: card.file_text },
        };
        let uid = card.uid.map(|uid| uid.to_string());
        let tag = TagLine {
            batch: Some(&self.rules.batch),
            number: Some(number),
            uid: uid.as_deref(),
            name: card.name,
            state: Some(if is_active { State::Active } else { State::Inactive }),
            // Import refuses keys without the UID that their taps contain.
            keys: Some(keys).filter(|_| card.uid.is_some()),
            counter: card.ctr.map(|ctr| Counter { ctr, at: None, taps: None }),
            ..TagLine::default()
        };
        self.lines.batch(&origin, &self.rules.batch, Some(&self.layout), None)?;
        self.lines.tag(origin, &tag)
    }

    /// Returns the version with which the keys of a card are derived from the issuer key.
    fn version(&self, uid: Uid, card: &Card<'_>) -> Option<u32> {
        let issuer = self.issuer?;
        (0..=MAX_VERSION).find(|version| boltcard::file_read_key(issuer, uid, *version) == card.file)
    }

    fn finish(self) {
        let Self { lines, cards, derived, inactive, without_uid, issuer, .. } = self;
        if issuer.is_some() {
            let plain = cards.saturating_sub(derived).saturating_sub(without_uid);
            lines.notes.push(format!(
                "the keys of {derived} cards are derived from the issuer key; the other {plain} cards have plain keys"
            ));
        }
        if inactive > 0 {
            lines.notes.push(format!("{inactive} cards are wiped or not enabled, and become inactive tags"));
        }
        if without_uid > 0 {
            lines.notes.push(format!(
                "{without_uid} cards have no UID, because boltcard has accepted no tap of them: they are imported without keys. Tap them \
                 at boltcard and import the cards again"
            ));
        }
    }
}

/// Returns the issuer key, if `meta` is derived from it.
fn issuer<'s>(name: &str, meta: &str, secrets: Option<&'s Secrets>) -> Result<&'s IssuerKey, ConvertError> {
    let issuer = secrets.and_then(|secrets| secrets.issuer_key(name)).ok_or_else(|| {
        ConvertError::Source(format!(
            "--issuer-key {name}: the secrets have no issuer key of this name. Add it: \
             \"issuerKeys\":{{\"{name}\":\"<the 32 hex digits of the issuer key>\"}}"
        ))
    })?;
    if SdmMetaReadKey::from_hex(meta).ok() != Some(boltcard::meta_read_key(issuer)) {
        return Err(ConvertError::Source(format!(
            "--issuer-key {name}: AES_DECRYPT_KEY is not derived from this key, so no card of this service uses it"
        )));
    }
    Ok(issuer)
}

/// A row of the table.
struct Card<'r> {
    id: u64,
    file: SdmFileReadKey,
    file_text: &'r str,
    uid: Option<Uid>,
    ctr: Option<u32>,
    is_enabled: bool,
    is_wiped: bool,
    name: Option<&'r str>,
}

impl<'r> Card<'r> {
    fn read(value: impl Fn(&str) -> Option<&'r str>) -> Result<Self, String> {
        let required = |name: &'static str| value(name).ok_or_else(|| format!("{name}: the value is missing"));
        let flag = |name: &'static str| match required(name)? {
            "Y" => Ok(true),
            "N" => Ok(false),
            _ => Err(format!("{name}: expected Y or N")),
        };
        let file_text = key("k2_cmac_key", required("k2_cmac_key")?)?;
        let ctr = counter("last_counter_value", Some(required("last_counter_value")?))?;
        Ok(Self {
            id: number("card_id", required("card_id")?)?,
            file: SdmFileReadKey::from_hex(file_text).map_err(|error| format!("k2_cmac_key: {error}"))?,
            file_text,
            uid: value("uid").map(|text| uid("uid", text)).transpose()?,
            ctr,
            is_enabled: flag("lnurlw_enable")?,
            is_wiped: flag("wiped")?,
            name: value("card_name"),
        })
    }
}
