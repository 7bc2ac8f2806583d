//! Emulates the next tap of a tag, to test an installation.

use anyhow::{Context as _, bail};
use suntap::emulator::EmulatedTag;
use suntap::kdf::ecode::{self, ECode, ServerSecret};
use suntap::kdf::{an10922, boltcard};
use suntap::platform::{AsyncTagRegistry as _, FileKey, Keys, MetaKey, TagRecord as _, TagRef};
use suntap::{Field, SdmFileReadKey, SdmMetaReadKey, SdmReadCtr, TagTexts, Uid};

use crate::registry::row::Row;
use crate::registry::{Caches, Registry};
use crate::secrets::Secrets;
use crate::store::Store;

/// Returns the URL that a tag writes if its counter is one greater than the stored counter. `name` is the XUID or the number of the
/// tag, also with `xuid/` or `number/` before it. `code` is its eCode, if its keys need one.
///
/// # Errors
/// Returns an error if the tag is unknown, if its keys or its layout are missing, if it signs its taps, or if the emulator does not
/// support its chip.
pub async fn next_tap(store: &Store, secrets: &Secrets, name: &str, code: Option<&str>) -> anyhow::Result<String> {
    let caches = Caches::default();
    let registry = &Registry::new(store, &caches, secrets);
    let (kind, name) = name.split_once('/').map_or(("", name), |(kind, name)| (kind, name));
    let mut found = match kind {
        "" | "xuid" => registry.find(TagRef::Xuid(name)).await?,
        _ => None,
    };
    if let (None, "" | "number", Ok(number)) = (&found, kind, name.parse()) {
        found = registry.find(TagRef::Number(number)).await?;
    }
    let row = found.with_context(|| format!("unknown tag {name}"))?;
    let record = row.record();
    let layout = record.chip.as_ref().context("the tag has no layout")?.layout;
    let secret = secret(store, &row, secrets, code).await?;
    let (meta, file) = keys(&row, secrets, secret, code)?;

    let known = [("xuid", record.names.xuid), ("cuid", record.names.cuid), ("tagId", Some(name)), ("eCode", code)];
    let known = known.into_iter().filter_map(|(name, text)| Some((name, text?)));
    let captured: Vec<_> = known.filter(|(name, _)| layout.names().any(|element| element == *name)).collect();
    let texts = TagTexts { captured: &captured, ..TagTexts::default() };

    let uid = record.uid.unwrap_or(Uid::from_bytes([0; 7]));
    let mut tag = EmulatedTag::new(layout, &texts, meta.clone(), file.clone(), uid)?;
    // The first tap gives the counter id.
    let first = tag.tap()?;
    let (tap, scheme) = (layout.parse(&first)?, layout.scheme());
    let claimed = if layout.has(Field::PiccData) { tap.open(&meta.prepare(scheme))? } else { tap.read_plain()? };
    let counter = claimed.verify(&file.prepare(scheme))?.counter_id();
    let last = store.read(&[], Some(&counter)).await?.mark.map_or(SdmReadCtr::ZERO, |mark| mark.ctr);
    Ok(tag.with_ctr(last).tap()?.to_string())
}

/// Returns the server secret from which the keys of a tag are derived with an eCode: the one that accepted its last tap, or the first.
async fn secret<'s>(
    store: &Store,
    row: &Row,
    secrets: &'s Secrets,
    code: Option<&str>,
) -> anyhow::Result<Option<&'s ServerSecret>> {
    let record = row.record();
    let chip = record.chip.as_ref().zip(record.uid).zip(code.and_then(|code| ECode::parse(code).ok()));
    if let Some(((chip, uid), code)) = chip
        && let Keys::ECode { epoch } = chip.keys
    {
        for secret in &secrets.server {
            let file = ecode::derive_file_read_key(secret, &code, uid, epoch).prepare(chip.layout.scheme());
            if store.read(&[], Some(&file.counter_id(Some(uid)))).await?.mark.is_some() {
                return Ok(Some(secret));
            }
        }
    }
    Ok(secrets.server.first())
}

/// Returns the keys of a tag: unseals or derives them if necessary.
fn keys(
    row: &Row,
    secrets: &Secrets,
    secret: Option<&ServerSecret>,
    code: Option<&str>,
) -> anyhow::Result<(SdmMetaReadKey, SdmFileReadKey)> {
    let record = row.record();
    let keys = record.chip.as_ref().map_or(Keys::NotLoaded, |chip| chip.keys);
    let uid = || record.uid.context("the tag has no UID");
    let code = || {
        let code = code.context("the keys need the eCode of the tag: pass --ecode")?;
        ECode::parse(code).context("invalid eCode")
    };
    Ok(match keys {
        Keys::Loaded { meta, file } => {
            let meta = match meta {
                None => SdmMetaReadKey::FACTORY,
                Some(MetaKey::Plain(key)) => key.clone(),
                Some(MetaKey::Boltcard(issuer)) => boltcard::meta_read_key(issuer),
                Some(MetaKey::SdmBackend(master)) => master.meta_read_key(),
                Some(_) => row.shared_meta_key().context("unknown source of the SDMMetaReadKey")?.clone(),
            };
            let file = match file {
                FileKey::Plain(key) => key.clone(),
                FileKey::An10922 { master, suffix, epoch } => an10922::derive_in_epoch(master, uid()?, epoch, suffix)?,
                FileKey::Boltcard { issuer, version } => boltcard::file_read_key(issuer, uid()?, version),
                FileKey::SdmBackend(master) => master.file_read_key(uid()?),
                _ => bail!("unknown source of the SDMFileReadKey"),
            };
            (meta, file)
        }
        Keys::Sealed { keys, tag } => {
            let code = code()?;
            secrets.unseal(keys, &code, &tag).context("the eCode does not open the keys of this tag")?
        }
        Keys::ECode { epoch } => {
            let (code, secret) = (code()?, secret.context("there is no server secret")?);
            let meta = ecode::derive_meta_read_key(secret, &code, uid()?, epoch);
            (meta, ecode::derive_file_read_key(secret, &code, uid()?, epoch))
        }
        Keys::Signing { .. } => bail!("the tag signs its taps, and only its chip has the private key"),
        _ => bail!("the tag has no keys"),
    })
}
