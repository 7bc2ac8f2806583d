//! Turns the keys of a line into keys as they are stored.

use suntap::kdf::ecode::{ECode, SealedKeys};
use suntap::{Scheme, SdmFileReadKey, SdmMetaReadKey};

use super::Allowed;
use super::draft::Draft;
use super::error::{Checked, problem};
use super::line::{Keys, PlainKeys, ReadyKeys};
use crate::registry::document::{KeySource, SigningMeta, StoredKeys, Tag};
use crate::registry::row;
use crate::secrets::Secrets;

const NO_CONTEXT: &str = "keys that are sealed under an eCode need a tag with a number and a UID";
pub(super) const NO_SECRET: &str = "there is no server secret to seal keys with";
pub(super) const NOT_OPENED: &str =
    "no server secret opens the `held` keys for this tag: they belong to another tag or another secret";
const FACTORY: &str = "a key is 16 zero bytes, the factory key, with which everybody can make taps that pass (--allow-factory-keys accepts it)";

/// Seals the keys of lines. It needs nothing of the draft, so another thread can do it.
pub(super) struct Sealer<'s> {
    pub(super) secrets: &'s Secrets,
    pub(super) allowed: &'s Allowed,
}

impl Sealer<'_> {
    /// Seals the keys of a tag if its line contains them, and reads its certificate. If this fails, they stay as they are, so
    /// that the reason is reported in its turn.
    pub(super) fn seal(&self, tag: &mut Tag<Keys>) {
        if let Some(Keys::Signing(signing)) = &mut tag.keys {
            self.read_certificate(tag.uid, signing);
        }
        let Some(Keys::Plain { meta, file, e_code, epoch }) = &tag.keys else { return };
        let sealed = self.sealed(tag, meta.as_deref(), file, e_code.as_deref(), *epoch);
        let Ok((source, plain)) = sealed else { return };
        // The counter id is the same for each scheme.
        let prepared = plain.file.prepare(Scheme::Aes);
        let (with_uid, without_uid) = (prepared.counter_id(tag.uid), prepared.counter_id(None));
        tag.keys = Some(Keys::Ready(Box::new(ReadyKeys { source, plain, with_uid, without_uid })));
    }

    /// Seals the keys of a line, under the eCode if there is one.
    fn sealed(
        &self,
        tag: &Tag<Keys>,
        meta: Option<&str>,
        file: &str,
        e_code: Option<&str>,
        epoch: u32,
    ) -> Checked<(KeySource, PlainKeys)> {
        let digits = |_| "a key must have 32 hex digits";
        let has_meta = meta.is_some();
        // Without a `meta` key, none is used.
        let meta = meta.map(SdmMetaReadKey::from_hex).transpose().map_err(digits)?.unwrap_or(SdmMetaReadKey::FACTORY);
        let file = SdmFileReadKey::from_hex(file).map_err(digits)?;
        self.refuse_factory(has_meta.then_some(&meta), &file)?;
        let Some(code) = e_code else {
            let sealed = row::hold(tag, self.secrets, &meta, &file).ok_or(NO_SECRET)?;
            return Ok((KeySource::Held { sealed, has_meta }, PlainKeys { meta, file }));
        };
        let code = ECode::parse(code).map_err(|error| error.to_string())?;
        let context = row::sealed_context(tag, epoch).ok_or(NO_CONTEXT)?;
        if !has_meta {
            return problem("`meta` is missing: an eCode seals both keys");
        }
        let secret = self.secrets.server.first().ok_or(NO_SECRET)?;
        let sealed = SealedKeys::seal(secret, &code, &context, &meta, &file);
        Ok((KeySource::Sealed { sealed, epoch }, PlainKeys { meta, file }))
    }

    fn refuse_factory(&self, meta: Option<&SdmMetaReadKey>, file: &SdmFileReadKey) -> Checked {
        let is_factory = meta == Some(&SdmMetaReadKey::FACTORY) || *file == SdmFileReadKey::FACTORY;
        if is_factory && !self.allowed.factory_keys { problem(FACTORY) } else { Ok(()) }
    }
}

impl Draft<'_> {
    /// Returns a tag with its keys as they are stored, and the keys themselves if the line contains them. `before` is the
    /// stored tag.
    pub(super) fn stored(
        &self,
        mut tag: Tag<Keys>,
        before: Option<&Tag<StoredKeys>>,
    ) -> Checked<(Tag<StoredKeys>, Option<PlainKeys>)> {
        let mut counter = None;
        let (source, plain) = match tag.keys.take() {
            None => (None, None),
            Some(Keys::Plain { meta, file, e_code, epoch }) => {
                let (source, plain) = self.sealer().sealed(&tag, meta.as_deref(), &file, e_code.as_deref(), epoch)?;
                (Some(source), Some(plain))
            }
            Some(Keys::Ready(ready)) => (Some(ready.source), Some(ready.plain)),
            Some(Keys::Held { sealed, has_meta }) => (Some(self.held(&tag, &sealed, has_meta)?), None),
            Some(Keys::Sealed { sealed, epoch, counter_id }) => {
                let sealed = crate::hex::decode(&sealed).map(SealedKeys::from_bytes);
                let sealed = sealed.ok_or("sealed keys must have 128 hex digits")?;
                if row::sealed_context(&tag, epoch).is_none() {
                    return problem(NO_CONTEXT);
                }
                counter = counter_id;
                (Some(KeySource::Sealed { sealed, epoch }), None)
            }
            Some(Keys::Derived(derivation)) => {
                if !self.allowed.factory_keys && self.secrets.has_zero_key(&derivation) {
                    return problem(format!("a secret for these keys is zero: {FACTORY}"));
                }
                (Some(KeySource::Derived(derivation)), None)
            }
            Some(Keys::Signing(signing)) => {
                let public = self.sealer().public_key(tag.uid, &signing)?;
                let meta = signing.meta.map(|meta| self.signing_meta(&tag, meta)).transpose()?;
                (Some(KeySource::Signing { public, meta }), None)
            }
            Some(Keys::Kept(keys)) => (Some(self.kept(keys.source, &tag, before)?), None),
        };
        Ok((tag.with_keys(source.map(|source| StoredKeys { source, counter })), plain))
    }

    fn sealer(&self) -> Sealer<'_> {
        Sealer { secrets: self.secrets, allowed: &self.allowed }
    }

    /// Seals keys again that a server sealed for the same tag.
    fn held(&self, tag: &Tag<Keys>, sealed: &SealedKeys, has_meta: bool) -> Checked<KeySource> {
        let (meta, file) = row::open_held(sealed, tag, self.secrets).ok_or(NOT_OPENED)?;
        self.sealer().refuse_factory(has_meta.then_some(&meta), &file)?;
        let sealed = row::hold(tag, self.secrets, &meta, &file).ok_or(NO_SECRET)?;
        Ok(KeySource::Held { sealed, has_meta })
    }

    /// Returns the stored keys of a tag for a line that does not name `keys`. Sealed keys open only with the UID that they
    /// were sealed with, so another UID needs new seals.
    fn kept(&self, source: KeySource, tag: &Tag<Keys>, before: Option<&Tag<StoredKeys>>) -> Checked<KeySource> {
        let is_same_uid = before.is_none_or(|before| before.uid == tag.uid);
        let hold_again = |sealed| match before.and_then(|before| row::hold_again(&sealed, before, tag, self.secrets)) {
            Some(sealed) => Ok(sealed),
            // `check` reports keys that no secret opens.
            None if is_same_uid => Ok(sealed),
            None => problem("no server secret opens the stored keys, so they cannot be sealed for another UID"),
        };
        match source {
            KeySource::Held { sealed, has_meta } => Ok(KeySource::Held { sealed: hold_again(sealed)?, has_meta }),
            KeySource::Signing { public, meta: Some(SigningMeta::Held(sealed)) } => {
                Ok(KeySource::Signing { public, meta: Some(SigningMeta::Held(hold_again(sealed)?)) })
            }
            KeySource::Sealed { .. } if !is_same_uid => {
                problem("the stored keys are sealed for the stored UID: a line with another `uid` needs `keys` too")
            }
            source => Ok(source),
        }
    }
}
