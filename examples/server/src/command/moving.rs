//! The options of `suntap-server import --from`.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::ValueEnum;
use suntap_server::import::from::sdm_backend::Route;
use suntap_server::import::from::{Input, Renamed, Source, Target, boltcard, etrnl_json, ixkio_csv, sdm_backend};

#[derive(clap::Args)]
#[command(next_help_heading = "Moving from another service")]
pub(super) struct MovingArgs {
    /// Convert the file, which comes from another service. The guide chapter "Moving from another service" shows each kind.
    #[arg(long, value_name = "KIND", conflicts_with = "replace")]
    pub(super) from: Option<Kind>,
    /// Print the converted lines, and import nothing. The lines contain the keys of the tags.
    #[arg(long, requires = "from", conflicts_with = "dry_run")]
    pub(super) convert: bool,
    /// Write the converted lines to a new file that only its owner can read.
    #[arg(long, requires = "convert", value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// The number of the organisation that the tags belong to.
    #[arg(long, requires = "from", default_value_t = 1)]
    organisation: u64,
    /// The name of the organisation. Needed if it is not stored yet and no line of `--before` has it.
    #[arg(long, requires = "from", value_name = "NAME")]
    organisation_name: Option<String>,
    /// A file with lines that are imported before the converted ones, in the same import: organisations, tokens, tag groups with rules.
    #[arg(long, requires = "from", value_name = "FILE")]
    before: Option<PathBuf>,
    /// The path of the batch of the tags, such as `Folder/TagGroup/Batch`. With etrnl-json, only a folder: its URL groups are the tag
    /// groups.
    #[arg(long, requires = "from", value_name = "PATH")]
    batch: Option<String>,
    /// The layout of the tags, as a URL template. Without it, the layout is that of the service.
    #[arg(long, requires = "from")]
    template: Option<String>,
    /// A column of the table that has another name than in the guide, such as `xuid=Code`. Can be repeated.
    #[arg(long, requires = "from", value_name = "NAME=COLUMN", value_parser = renamed)]
    column: Vec<(String, String)>,
    /// A column of the table that is left out. Can be repeated.
    #[arg(long, requires = "from", value_name = "COLUMN")]
    ignore_column: Vec<String>,
    /// sdm-backend: its `config.py`, or a file with its environment as lines `NAME=VALUE`.
    #[arg(long, requires = "from", value_name = "FILE")]
    sdm_config: Option<PathBuf>,
    /// sdm-backend: the name of its master key in the secrets.
    #[arg(long, requires = "from", value_name = "NAME", default_value = "sdm-backend")]
    sdm_master: String,
    /// sdm-backend: the route in the URLs of the tags.
    #[arg(long, requires = "from", default_value = "tag")]
    route: Route,
    /// sdm-backend: the tags write one parameter, `e`.
    #[arg(long, requires = "from")]
    bulk: bool,
    /// sdm-backend: the start of the URLs of the tags, such as `https://sdm.example.com`.
    #[arg(long, requires = "from", value_name = "URL")]
    base_url: Option<String>,
    /// boltcard: the table `settings` in CSV, if the cards are not read from PostgreSQL.
    #[arg(long, requires = "from", value_name = "FILE")]
    settings: Option<PathBuf>,
    /// boltcard: the name of the issuer key in the secrets. Cards whose keys are derived from it get the derivation instead of the
    /// keys.
    #[arg(long, requires = "from", value_name = "NAME")]
    issuer_key: Option<String>,
    /// boltcard: is added to each `card_id`. The sum is the number of the tag.
    #[arg(long, requires = "from", value_name = "NUMBER", default_value_t = 0)]
    add_to_card_id: u64,
}

/// What the file is.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// A list of UIDs for nfc-developer/sdm-backend, with `--sdm-config`.
    SdmBackend,
    /// The table `cards` of boltcard/boltcard in CSV, with `--settings`; or the URL of its PostgreSQL database. A password can be in
    /// the variable `PGPASSWORD` instead of the URL.
    Boltcard,
    /// A table of ixkio tag codes.
    IxkioCsv,
    /// API keys, URL groups and tags of ETRNL.
    EtrnlJson,
}

impl MovingArgs {
    /// Returns `true` if the conversion needs secrets.
    pub(super) fn needs_secrets(&self) -> bool {
        self.issuer_key.is_some()
    }

    /// Returns `true` if the source has a master key, which must be that of the secrets.
    pub(super) fn has_master_key(&self) -> bool {
        self.from == Some(Kind::SdmBackend)
    }

    pub(super) fn target(&self) -> anyhow::Result<Target> {
        let before = match &self.before {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("--before {}", path.display()))?,
            None => String::new(),
        };
        Ok(Target { organisation: self.organisation, name: self.organisation_name.clone(), before })
    }

    /// Opens the source. `path` is the argument of the command.
    pub(super) fn source(&self, kind: Kind, path: &Path) -> anyhow::Result<Source> {
        self.check(kind)?;
        let renamed = Renamed { columns: self.column.clone(), ignored: self.ignore_column.clone() };
        let batch = |default: &str| self.batch.clone().unwrap_or_else(|| default.into());
        let template = self.template.clone();
        Ok(match kind {
            Kind::SdmBackend => Source::SdmBackend(sdm_backend::Source {
                config: option("--sdm-config", self.sdm_config.as_deref())?,
                tags: open(path)?,
                renamed,
                route: self.route,
                bulk: self.bulk,
                base_url: self.base_url.clone(),
                template,
                master: self.sdm_master.clone(),
                batch: batch("sdm-backend/Tags/All"),
            }),
            Kind::Boltcard => Source::Boltcard(boltcard::Source {
                cards: self.cards(path, renamed)?,
                issuer: self.issuer_key.clone(),
                template,
                batch: batch("boltcard/Cards/All"),
                first_number: self.add_to_card_id,
            }),
            Kind::IxkioCsv => {
                Source::IxkioCsv(ixkio_csv::Source { tags: open(path)?, renamed, batch: self.batch.clone(), template })
            }
            Kind::EtrnlJson => Source::EtrnlJson(etrnl_json::Source { export: open(path)?, folder: batch("ETRNL") }),
        })
    }

    fn cards(&self, path: &Path, renamed: Renamed) -> anyhow::Result<boltcard::Cards> {
        let url = path.to_str().filter(|text| text.starts_with("postgres://") || text.starts_with("postgresql://"));
        Ok(match url {
            Some(_) if self.settings.is_some() => bail!("--settings has no effect with a database, which has its own"),
            Some(_) if !(renamed.columns.is_empty() && renamed.ignored.is_empty()) => {
                bail!("--column and --ignore-column have no effect with a database")
            }
            Some(url) => {
                let password = std::env::var_os("PGPASSWORD");
                let password = password.as_deref().map(OsStr::as_encoded_bytes);
                boltcard::Cards::in_database(url, password).map_err(|problem| anyhow!("the database: {problem}"))?
            }
            None => boltcard::Cards::Csv {
                cards: open(path)?,
                settings: option("--settings", self.settings.as_deref())?,
                renamed,
            },
        })
    }

    /// Refuses options of other kinds, which would have no effect.
    fn check(&self, kind: Kind) -> anyhow::Result<()> {
        let (is_sdm, is_boltcard) = (kind == Kind::SdmBackend, kind == Kind::Boltcard);
        let options = [
            ("--sdm-config", self.sdm_config.is_some(), is_sdm),
            ("--base-url", self.base_url.is_some(), is_sdm),
            ("--bulk", self.bulk, is_sdm),
            ("--route", self.route != Route::Tag, is_sdm),
            ("--settings", self.settings.is_some(), is_boltcard),
            ("--issuer-key", self.issuer_key.is_some(), is_boltcard),
            ("--add-to-card-id", self.add_to_card_id > 0, is_boltcard),
            ("--template", self.template.is_some(), kind != Kind::EtrnlJson),
            ("--column", !self.column.is_empty(), kind != Kind::EtrnlJson),
            ("--ignore-column", !self.ignore_column.is_empty(), kind != Kind::EtrnlJson),
        ];
        match options.into_iter().find(|(_, is_set, is_used)| *is_set && !is_used) {
            Some((name, ..)) => bail!("{name} has no effect with this kind of --from"),
            None => Ok(()),
        }
    }
}

fn option(name: &str, path: Option<&Path>) -> anyhow::Result<Input> {
    open(path.with_context(|| format!("{name} is missing"))?)
}

/// Opens a file, or standard input for `-`.
fn open(path: &Path) -> anyhow::Result<Input> {
    if path.as_os_str() == "-" {
        return Ok(Input::new(std::io::stdin()));
    }
    Ok(Input::new(File::open(path).with_context(|| path.display().to_string())?))
}

fn renamed(text: &str) -> Result<(String, String), String> {
    let (name, column) = text.split_once('=').ok_or("expected NAME=COLUMN")?;
    Ok((name.into(), column.into()))
}
