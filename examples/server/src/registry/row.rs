//! A row: the documents of one tag, combined into a record of the library.

use std::sync::Arc;

use serde_json::value::RawValue;
use suntap::kdf::ecode::{ECode, SealedKeys, TagContext};
use suntap::platform::rules::{self, Rules};
use suntap::platform::{
    Chip, ExtendedData, FileKey, Keys, MetaKey, Names, OrganisationId, Record, Standing, State as InUse, TagRecord,
};
use suntap::token::TokenKey;
use suntap::{CounterId, LayoutError, Mark, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagPublicKey, Uid};

use super::index::{self, MetaKeyRef};
use super::redirect::{Kind, Redirect};
use crate::jwt::JwtKey;
use crate::registry::document::{
    Derivation, ImportedCounter, KeySource, Layout, Level, Organisation, RuleSet, SigningMeta, State, StoredKeys, Tag,
    key,
};
use crate::secrets::{Rewrapped, Secrets};

/// Why a tag with a redirect has none.
pub(crate) const NO_TOKEN_KEY: &str =
    "it has a redirect, and the secrets have no `tokenKeys`: a tap shows the page instead";

/// Why a tag with a redirect for a JSON Web Token has none.
pub(crate) const NO_JWT_KEY: &str =
    "it has a redirect with {jwt}, and the secrets have no `jwtKeys`: a tap shows the page instead";

/// Why the page shows no verdict for the tags of a group that asks for two taps.
pub(crate) const NO_SECOND_TAP: &str =
    "it asks for two taps, and the secrets have no `tokenKeys`: the page refuses to answer";

/// A tag with its organisation, folder, tag group and batch.
#[derive(Debug)]
pub struct Row {
    open: Arc<OpenTag>,
    above: Arc<Above>,
    secrets: Secrets,
    last_seen: Option<Mark>,
}

/// A tag whose layout is parsed, and whose keys are open if they are sealed under a server secret alone.
#[derive(Clone, Debug)]
pub(crate) struct OpenTag {
    tag: Tag<StoredKeys>,
    /// The layout of the tag itself.
    layout: Option<SdmLayout>,
    held: Option<(SdmMetaReadKey, SdmFileReadKey)>,
}

impl OpenTag {
    /// Parses the layout of a tag, and opens its keys.
    ///
    /// # Errors
    /// Fails if the layout of the tag itself is invalid.
    pub(crate) fn new(tag: Tag<StoredKeys>, secrets: &Secrets) -> Result<Self, LayoutError> {
        let mut open = Self::with_held(tag, None)?;
        if let Some(sealed) = open.tag.keys.as_ref().and_then(|keys| keys.source.held()) {
            open.held = open_held(sealed, &open.tag, secrets);
        }
        Ok(open)
    }

    /// Parses the layout of a tag. `held` are the keys that are sealed under a server secret alone, if they are known.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn with_held(
        tag: Tag<StoredKeys>,
        held: Option<(SdmMetaReadKey, SdmFileReadKey)>,
    ) -> Result<Self, LayoutError> {
        let layout = tag.layout.as_ref().map(Layout::sdm).transpose()?;
        Ok(Self { tag, layout, held })
    }

    /// Returns the tag.
    pub(crate) fn tag(&self) -> &Tag<StoredKeys> {
        &self.tag
    }
}

/// The organisation of a tag, and its folder, tag group and batch if it has them.
#[derive(Debug)]
pub(crate) struct Above {
    pub(crate) organisation: Organisation,
    pub(crate) folder: Option<Level>,
    pub(crate) tag_group: Option<Level>,
    pub(crate) batch: Option<Level>,
    /// The layout of the tag group.
    pub(crate) layout: Option<SdmLayout>,
}

impl Row {
    /// Creates a row.
    pub(crate) fn new(open: Arc<OpenTag>, above: Arc<Above>, last_seen: Option<Mark>, secrets: &Secrets) -> Self {
        Self { open, above, secrets: secrets.clone(), last_seen }
    }

    /// Returns the tag.
    pub(crate) fn tag(&self) -> &Tag<StoredKeys> {
        &self.open.tag
    }

    /// Returns the keys of the tokens that a fresh tap of the tag gives.
    pub(crate) fn token_keys(&self) -> &[TokenKey] {
        &self.secrets.token_keys
    }

    /// Returns the key that signs the JSON Web Token of a fresh tap.
    pub(crate) fn jwt_key(&self) -> Option<&JwtKey> {
        self.secrets.jwt_keys.first()
    }

    /// Returns where the page sends a visitor after a fresh tap.
    pub(crate) fn redirect(&self) -> Option<&Redirect> {
        let group = || self.above.tag_group.as_ref().and_then(|group| group.redirect.as_ref());
        self.open.tag.redirect.as_ref().or_else(group)
    }

    /// Returns `true` if the page shows a verdict only after a second fresh tap.
    pub(crate) fn needs_two_taps(&self) -> bool {
        self.above.tag_group.as_ref().is_some_and(|group| group.two_taps)
    }

    /// Returns the reason why a fresh tap of a tag with a redirect shows the page instead, if it does.
    pub(crate) fn no_redirect(&self) -> Option<&'static str> {
        if self.redirect()?.kind() == Kind::Jwt {
            return self.secrets.jwt_keys.is_empty().then_some(NO_JWT_KEY);
        }
        if self.token_keys().is_empty() {
            return Some(NO_TOKEN_KEY);
        }
        // A token names the counter, and leads to the tag only if the counter is known before a tap.
        let has_unknown_counter = self.open.tag.keys.as_ref().is_some_and(|keys| keys.counter.is_none());
        has_unknown_counter.then_some("it has a redirect, and only a tap opens its keys: a tap shows the page instead")
    }

    /// Takes the counter that a line gives out of the tag.
    pub(crate) fn take_counter(&mut self) -> Option<ImportedCounter> {
        Arc::make_mut(&mut self.open).tag.counter.take()
    }

    /// Sets the counter id that is stored with the keys, if there are keys.
    pub(crate) fn set_counter_id(&mut self, id: Option<CounterId>) {
        if let Some(keys) = &mut Arc::make_mut(&mut self.open).tag.keys {
            keys.counter = id;
        }
    }

    /// Returns `true` if both rows are known to have the same key that verifies taps.
    pub(crate) fn has_same_key(&self, other: &Self) -> bool {
        let source = |row: &Self| serde_json::to_string(row.source()?).ok();
        // With another UID, it is another chip, which counts from 0.
        self.open.tag.uid == other.open.tag.uid
            && match (self.public_key(), other.public_key(), &self.open.held, &other.open.held) {
                (None, None, Some((_, file)), Some((_, other))) => file == other,
                (None, None, None, None) => source(self).is_some() && source(self) == source(other),
                (Some(public), Some(other), ..) => public == other,
                _ => false,
            }
    }

    /// Returns the source of the keys.
    fn source(&self) -> Option<&KeySource> {
        self.open.tag.keys.as_ref().map(|keys| &keys.source)
    }

    /// Returns the public key of a tag that signs its taps.
    pub(crate) fn public_key(&self) -> Option<&TagPublicKey> {
        match self.source()? {
            KeySource::Signing { public, .. } => Some(public),
            _ => None,
        }
    }

    /// Returns the UID by which the page must find the tag. See [`index::claimed_uid`].
    pub(crate) fn claimed_uid(&self) -> Option<Uid> {
        index::claimed_uid(&self.open.tag, self.layout()?.0)
    }

    /// Returns `true` if the keys are derived from an eCode, with a server secret that only a tap can show to be the right one.
    pub(crate) fn is_derived_from_code(&self) -> bool {
        matches!(self.source(), Some(KeySource::Derived(Derivation::ECode { .. })))
    }

    /// Returns `true` if the keys are sealed under an eCode and a server secret that is not listed.
    pub(crate) fn needs_other_secret(&self) -> bool {
        let seal = seal_of(&self.open.tag).filter(|_| !self.has_held_keys());
        seal.is_some_and(|(sealed, context)| matches!(self.secrets.rewrap(&sealed, &context), Rewrapped::Unopened))
    }

    /// Returns the path of the tag group.
    pub(crate) fn group(&self) -> Option<&str> {
        self.above.tag_group.as_ref().map(|group| group.path.as_str())
    }

    /// Returns the layout of the tag, its own or that of its tag group, as it is stored and as the library has it.
    pub(crate) fn layout(&self) -> Option<(&Layout, &SdmLayout)> {
        let group =
            || self.above.tag_group.as_ref().and_then(|group| group.layout.as_ref()).zip(self.above.layout.as_ref());
        self.open.tag.layout.as_ref().zip(self.open.layout.as_ref()).or_else(group)
    }

    /// Returns the meta-read key of the tag, as the index stores it. Returns `None` if the tag has none, or if it depends on an
    /// eCode.
    pub(crate) fn meta_key(&self) -> Option<MetaKeyRef> {
        match self.source()? {
            KeySource::Held { has_meta: true, .. } | KeySource::Signing { meta: Some(SigningMeta::Held(_)), .. } => {
                let (meta, _) = self.open.held.as_ref()?;
                MetaKeyRef::sealed(meta, &self.secrets)
            }
            KeySource::Signing { meta: Some(SigningMeta::Named(name)), .. } => Some(MetaKeyRef::MetaKey(name.clone())),
            KeySource::Derived(Derivation::An10922 { meta, .. }) => meta.clone().map(MetaKeyRef::MetaKey),
            KeySource::Derived(Derivation::Boltcard { issuer, .. }) => Some(MetaKeyRef::Boltcard(issuer.clone())),
            KeySource::Derived(Derivation::SdmBackend { master }) => Some(MetaKeyRef::SdmBackend(master.clone())),
            KeySource::Held { has_meta: false, .. }
            | KeySource::Sealed { .. }
            | KeySource::Derived(Derivation::ECode { .. })
            | KeySource::Signing { meta: None, .. } => None,
        }
    }

    /// Returns the SDMMetaReadKey that the tag shares with others, if its keys are derived by AN10922.
    pub(crate) fn shared_meta_key(&self) -> Option<&SdmMetaReadKey> {
        match self.source()? {
            KeySource::Derived(Derivation::An10922 { meta, .. }) => self.secrets.plain_meta_key(meta.as_ref()?),
            _ => None,
        }
    }

    pub(crate) fn has_keys(&self) -> bool {
        self.open.tag.keys.is_some()
    }

    /// Returns `true` if the keys are sealed under a server secret alone.
    pub(crate) fn has_held_keys(&self) -> bool {
        self.source().and_then(KeySource::held).is_some()
    }

    fn keys(&self, mode: Scheme) -> Option<Keys<'_>> {
        Some(match self.source()? {
            KeySource::Held { has_meta, .. } => {
                let (meta, file) = self.open.held.as_ref()?;
                Keys::Loaded { meta: has_meta.then_some(MetaKey::Plain(meta)), file: FileKey::Plain(file) }
            }
            KeySource::Sealed { sealed, epoch } => {
                Keys::Sealed { keys: sealed, tag: sealed_context(&self.open.tag, *epoch)? }
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
            KeySource::Signing { public, meta } => {
                let meta = match meta {
                    Some(SigningMeta::Held(_)) => Some(&self.open.held.as_ref()?.0),
                    Some(SigningMeta::Named(name)) => Some(self.secrets.plain_meta_key(name)?),
                    None => None,
                };
                // The time to prepare the key is short beside that of the signature.
                Keys::Signing { meta: meta.map(MetaKey::Plain), public }
            }
        })
    }
}

impl TagRecord for Row {
    fn record(&self) -> Record<'_> {
        let Above { organisation, folder, tag_group, batch, layout } = &*self.above;
        let state = |level: &Option<Level>| level.as_ref().map_or(InUse::Active, |level| level.state.into());
        let outermost = match organisation.state {
            State::Active => state(folder),
            // The library knows no state of an organisation. Its outermost level is the folder.
            State::Inactive => InUse::Inactive,
        };
        let chip = self.open.layout.as_ref().or(layout.as_ref()).map(|layout| Chip {
            layout,
            keys: self.keys(layout.scheme()).unwrap_or(Keys::NotLoaded),
            tamper: self.open.tag.tamper,
            // The stored counter id is as old as the import. The id that is computed from the key always matches the key.
            counter: None,
        });
        let group_rules = tag_group.as_ref().and_then(|group| group.rules.as_ref());
        Record {
            needs_token: organisation.needs_token,
            standing: Standing {
                folder: outermost,
                tag_group: state(tag_group),
                batch: state(batch),
                tag_code: self.open.tag.state.into(),
            },
            uid: self.open.tag.uid,
            names: Names {
                xuid: self.open.tag.xuid.as_deref(),
                cuid: self.open.tag.cuid.as_deref(),
                tag: self.open.tag.name.as_deref(),
                batch: name(batch.as_ref()),
                tag_group: name(tag_group.as_ref()),
                folder: name(folder.as_ref()),
            },
            chip,
            rules: Rules {
                tag_group: group_rules.map(RuleSet::rules).unwrap_or_default(),
                tag_code: self.open.tag.rules.as_ref().map(RuleSet::rules),
            },
            metadata: self.open.tag.metadata.as_deref().map(RawValue::get),
            last_seen: self.last_seen,
            ..Record::new(OrganisationId::new(organisation.id.into()))
        }
    }

    fn extended_data(&self, index: usize) -> Option<ExtendedData<'_>> {
        let field = self.open.tag.extended_data.get(index)?;
        Some(ExtendedData { name: &field.name, value: &field.value, in_response: field.in_response })
    }
}

/// Returns the last name in the path of a level.
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
    /// Returns the key of the document of the tag.
    pub(crate) fn key(&self) -> String {
        match (&self.xuid, self.number) {
            (Some(xuid), _) => key::xuid(xuid),
            (None, number) => key::number(number.unwrap_or_default()),
        }
    }

    /// Returns the tag with other keys.
    pub(crate) fn with_keys<L>(self, keys: Option<L>) -> Tag<L> {
        let Self { organisation, batch, xuid, cuid, number, uid, name, state, layout, keys: _, tamper, .. } = self;
        let Self { rules, redirect, extended_data, metadata, counter, .. } = self;
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
            redirect,
            extended_data,
            metadata,
            counter,
        }
    }
}

/// The eCode for held keys, which are sealed under the server secret alone.
pub(super) const WITHOUT_CODE: ECode = ECode::from_bytes([0; 16]);

/// Seals keys under the current server secret alone. Returns `None` if there is no server secret.
pub(crate) fn hold<K>(
    tag: &Tag<K>,
    secrets: &Secrets,
    meta: &SdmMetaReadKey,
    file: &SdmFileReadKey,
) -> Option<SealedKeys> {
    Some(SealedKeys::seal(secrets.server.first()?, &WITHOUT_CODE, &held_context(tag), meta, file))
}

/// Seals held keys again, for the tag as it will be, with the current server secret. Returns `None` if no server secret opens
/// them.
pub(crate) fn hold_again<K, L>(
    sealed: &SealedKeys,
    before: &Tag<K>,
    tag: &Tag<L>,
    secrets: &Secrets,
) -> Option<SealedKeys> {
    let (meta, file) = open_held(sealed, before, secrets)?;
    hold(tag, secrets, &meta, &file)
}

/// Opens held keys with the server secret that they were sealed with.
pub(crate) fn open_held<K>(
    sealed: &SealedKeys,
    tag: &Tag<K>,
    secrets: &Secrets,
) -> Option<(SdmMetaReadKey, SdmFileReadKey)> {
    secrets.unseal(sealed, &WITHOUT_CODE, &held_context(tag))
}

/// Returns the context of held keys, which binds them to the name and the UID of their tag.
fn held_context<K>(tag: &Tag<K>) -> TagContext {
    context_of(&tag.key(), tag.uid)
}

/// Returns the sealed keys of a tag, and their context. Returns `None` if it has no sealed keys.
pub(crate) fn seal_of(tag: &Tag<StoredKeys>) -> Option<(SealedKeys, TagContext)> {
    match &tag.keys.as_ref()?.source {
        KeySource::Sealed { sealed, epoch } => Some((*sealed, sealed_context(tag, *epoch)?)),
        source => Some((*source.held()?, held_context(tag))),
    }
}

/// Returns the context of keys that are stored under `place`.
pub(super) fn context_of(place: &str, uid: Option<Uid>) -> TagContext {
    use sha2::Digest as _;

    let digest: [u8; 32] = sha2::Sha256::digest(place).into();
    let (tag_id, _) = digest.split_first_chunk().unwrap_or((&[0; 8], &[]));
    TagContext { tag_id: u64::from_be_bytes(*tag_id), uid: uid.unwrap_or(Uid::from_bytes([0; 7])), epoch: 0 }
}

/// Returns the context of keys that are sealed under an eCode. Returns `None` if the tag has no number or no UID.
pub(crate) fn sealed_context<K>(tag: &Tag<K>, epoch: u32) -> Option<TagContext> {
    Some(TagContext { tag_id: tag.number?, uid: tag.uid?, epoch })
}
