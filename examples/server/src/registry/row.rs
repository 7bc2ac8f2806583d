//! A tag as the registry found it: documents put together to what the library calls a record.

use std::sync::Arc;

use serde_json::value::RawValue;
use suntap::kdf::ecode::{ECode, SealedKeys, TagContext};
use suntap::platform::rules::{self, Rules};
use suntap::platform::{
    Chip, ExtendedData, FileKey, Keys, MetaKey, Names, OrganisationId, Record, Standing, State as InUse, TagRecord,
};
use suntap::{LayoutError, Mark, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, Uid};

use crate::registry::document::{Derivation, KeySource, Layout, Level, Organisation, RuleSet, StoredKeys, Tag, key};
use crate::secrets::Secrets;

/// A tag and all that stands above it.
#[derive(Debug)]
pub struct Row {
    tag: Tag<StoredKeys>,
    above: Arc<Above>,
    /// Of its own.
    layout: Option<SdmLayout>,
    held: Option<(SdmMetaReadKey, SdmFileReadKey)>,
    secrets: &'static Secrets,
    last_seen: Option<Mark>,
}

/// What stands above a tag.
#[derive(Debug)]
pub(crate) struct Above {
    pub(crate) organisation: Organisation,
    pub(crate) folder: Option<Level>,
    pub(crate) tag_group: Option<Level>,
    pub(crate) batch: Option<Level>,
    /// That of the tag group.
    pub(crate) layout: Option<SdmLayout>,
}

impl Row {
    /// Puts a row together.
    ///
    /// # Errors
    /// If its own layout is none.
    pub(crate) fn new(
        tag: Tag<StoredKeys>,
        above: Arc<Above>,
        last_seen: Option<Mark>,
        secrets: &'static Secrets,
    ) -> Result<Self, LayoutError> {
        let layout = tag.layout.as_ref().map(Layout::sdm).transpose()?;
        let mut row = Self { tag, above, layout, held: None, secrets, last_seen };
        if let Some(StoredKeys { source: KeySource::Held { sealed, .. }, .. }) = &row.tag.keys {
            let context = held_context(&row.tag);
            let mut opened =
                secrets.server.iter().filter_map(|secret| sealed.unseal(secret, &WITHOUT_CODE, &context).ok());
            row.held = opened.next();
        }
        Ok(row)
    }

    /// Whether both are known to have the same file-read key.
    pub(crate) fn has_same_key(&self, other: &Self) -> bool {
        let source = |row: &Self| {
            let source = row.tag.keys.as_ref().map(|keys| &keys.source)?;
            serde_json::to_string(source).ok()
        };
        match (&self.held, &other.held) {
            (Some((_, file)), Some((_, other))) => file == other,
            (None, None) => self.tag.uid == other.tag.uid && source(self).is_some() && source(self) == source(other),
            _ => false,
        }
    }

    /// The path of its tag group.
    pub(crate) fn group(&self) -> Option<&str> {
        self.above.tag_group.as_ref().map(|group| group.path.as_str())
    }

    /// Returns the SDMMetaReadKey that the tag shares with others, if its keys are derived by AN10922.
    pub(crate) fn shared_meta_key(&self) -> Option<&'static SdmMetaReadKey> {
        match &self.tag.keys.as_ref()?.source {
            KeySource::Derived(Derivation::An10922 { meta, .. }) => self.secrets.plain_meta_key(meta.as_ref()?),
            _ => None,
        }
    }

    pub(crate) fn has_keys(&self) -> bool {
        self.tag.keys.is_some()
    }

    fn keys(&self, mode: Scheme) -> Option<Keys<'_>> {
        Some(match &self.tag.keys.as_ref()?.source {
            KeySource::Held { has_meta, .. } => {
                let (meta, file) = self.held.as_ref()?;
                Keys::Loaded { meta: has_meta.then_some(MetaKey::Plain(meta)), file: FileKey::Plain(file) }
            }
            KeySource::Sealed { sealed, epoch } => {
                Keys::Sealed { keys: sealed, tag: sealed_context(&self.tag, *epoch)? }
            }
            KeySource::Derived(Derivation::An10922 { meta, master, suffix, epoch }) => {
                let meta = match meta {
                    Some(name) => Some(MetaKey::Prepared(self.secrets.meta_key(name, mode)?)),
                    None => None,
                };
                let master = self.secrets.master_key(master)?;
                Keys::Loaded { meta, file: FileKey::An10922 { master, suffix, epoch: *epoch } }
            }
            KeySource::Derived(Derivation::Boltcard { issuer, version }) => {
                let issuer = self.secrets.issuer_key(issuer)?;
                let file = FileKey::Boltcard { issuer, version: *version };
                Keys::Loaded { meta: Some(MetaKey::Boltcard(issuer)), file }
            }
            KeySource::Derived(Derivation::SdmBackend { master }) => {
                let master = self.secrets.sdm_backend(master)?;
                Keys::Loaded { meta: Some(MetaKey::SdmBackend(master)), file: FileKey::SdmBackend(master) }
            }
            KeySource::Derived(Derivation::ECode { epoch }) => Keys::ECode { epoch: *epoch },
        })
    }
}

impl TagRecord for Row {
    fn record(&self) -> Record<'_> {
        let Above { organisation, folder, tag_group, batch, layout } = &*self.above;
        let state = |level: &Option<Level>| level.as_ref().map_or(InUse::Active, |level| level.state.into());
        let chip = self.layout.as_ref().or(layout.as_ref()).map(|layout| Chip {
            layout,
            keys: self.keys(layout.scheme()).unwrap_or(Keys::NotLoaded),
            tamper: self.tag.tamper,
            // What is stored is as old as the import. The name that follows the key can not be out of step with it.
            counter: None,
        });
        let group_rules = tag_group.as_ref().and_then(|group| group.rules.as_ref());
        Record {
            needs_token: organisation.needs_token,
            standing: Standing {
                folder: state(folder),
                tag_group: state(tag_group),
                batch: state(batch),
                tag_code: self.tag.state.into(),
            },
            uid: self.tag.uid,
            names: Names {
                xuid: self.tag.xuid.as_deref(),
                cuid: self.tag.cuid.as_deref(),
                tag: self.tag.name.as_deref(),
                batch: name(batch.as_ref()),
                tag_group: name(tag_group.as_ref()),
                folder: name(folder.as_ref()),
            },
            chip,
            rules: Rules {
                tag_group: group_rules.map(RuleSet::rules).unwrap_or_default(),
                tag_code: self.tag.rules.as_ref().map(RuleSet::rules),
            },
            metadata: self.tag.metadata.as_deref().map(RawValue::get),
            last_seen: self.last_seen,
            ..Record::new(OrganisationId::new(organisation.id.into()))
        }
    }

    fn extended_data(&self, index: usize) -> Option<ExtendedData<'_>> {
        let field = self.tag.extended_data.get(index)?;
        Some(ExtendedData { name: &field.name, value: &field.value, in_response: field.in_response })
    }
}

/// The last name of a path.
fn name(level: Option<&Level>) -> Option<&str> {
    level.and_then(|level| level.path.rsplit('/').next())
}

impl RuleSet {
    pub(crate) fn rules(&self) -> rules::RuleSet<'_> {
        let mut groups = [None; 3];
        for (slot, group) in groups.iter_mut().zip(&self.groups) {
            *slot = Some(rules::RuleGroup { rules: &group.rules, response: &group.response });
        }
        rules::RuleSet { groups, default: &self.default }
    }
}

impl<K> Tag<K> {
    /// The key under which the tag stands: that of its XUID, or of its number.
    pub(crate) fn key(&self) -> String {
        match (&self.xuid, self.number) {
            (Some(xuid), _) => key::xuid(xuid),
            (None, number) => key::number(number.unwrap_or_default()),
        }
    }

    /// The same tag with its keys in another form.
    pub(crate) fn with_keys<L>(self, keys: Option<L>) -> Tag<L> {
        let Self { organisation, batch, xuid, cuid, number, uid, name, state, layout, keys: _, tamper, .. } = self;
        let Self { rules, extended_data, metadata, counter, .. } = self;
        Tag {
            organisation,
            batch,
            xuid,
            cuid,
            number,
            uid,
            name,
            state,
            layout,
            keys,
            tamper,
            rules,
            extended_data,
            metadata,
            counter,
        }
    }
}

/// What stands in the place of the eCode for keys that open without one.
const WITHOUT_CODE: ECode = ECode::from_bytes([0; 16]);

/// Seals keys that open with the server secret alone.
pub(crate) fn hold<K>(
    tag: &Tag<K>,
    secrets: &Secrets,
    meta: &SdmMetaReadKey,
    file: &SdmFileReadKey,
) -> Option<SealedKeys> {
    Some(SealedKeys::seal(secrets.server.first()?, &WITHOUT_CODE, &held_context(tag), meta, file))
}

/// Binds held keys to the place where they stand.
fn held_context<K>(tag: &Tag<K>) -> TagContext {
    use sha2::Digest as _;

    let digest: [u8; 32] = sha2::Sha256::digest(tag.key()).into();
    let (tag_id, _) = digest.split_first_chunk().unwrap_or((&[0; 8], &[]));
    let uid = tag.uid.unwrap_or(Uid::from_bytes([0; 7]));
    TagContext { tag_id: u64::from_be_bytes(*tag_id), uid, epoch: 0 }
}

/// Whose keys are sealed under an eCode; `None` if the tag has no number or no UID.
pub(crate) fn sealed_context<K>(tag: &Tag<K>, epoch: u32) -> Option<TagContext> {
    Some(TagContext { tag_id: tag.number?, uid: tag.uid?, epoch })
}
