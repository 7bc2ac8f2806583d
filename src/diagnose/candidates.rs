//! The keys to try: the given keys, the key of a new chip, and the keys derived from them.

use super::assumptions::{Assumptions, GivenKey, Role};
use super::key_source::{DiversificationInput, KeyDerivation, KeySource};
use super::url_parts::path_start;
#[cfg(feature = "sdm-backend")]
use crate::kdf::sdm_backend;
use crate::kdf::{an10922, boltcard, plain_cmac};
use crate::key::{IssuerKey, MasterKey, SdmFileReadKey, SdmMetaReadKey};
use crate::value::Uid;

/// The application identifier in the example of AN10922 §2.2.1.
const EXAMPLE_AID: &[u8; 3] = &[0x30, 0x42, 0xF5];
/// Known system identifiers: the one in AN10922 §2.2.1, and one from public code.
const SYSTEM_IDENTIFIERS: [&[u8]; 2] = [b"NXP Abu", b"testing"];
/// Common endings of a diversification input (the bytes from which AN10922 derives a key). An ending follows the UID
/// directly. It is empty or a key number.
const SUFFIXES: [&[u8]; 6] = [&[], &[0x00], &[0x01], &[0x02], &[0x03], &[0x04]];
/// The number of Bolt Card versions to try, starting with version 0.
const BOLTCARD_VERSIONS: u32 = 32;
/// The key of a new chip.
pub(super) const FACTORY_KEY: [u8; 16] = [0; 16];

/// The groups of keys to try, from the cheapest to the most expensive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyTier {
    /// The given keys, and the key of a new chip.
    Direct,
    /// Keys that are derived from the direct keys at almost no cost.
    Derived,
    /// Keys that each take milliseconds to derive.
    SlowlyDerived,
}

/// A key that could be the SDMMetaReadKey.
pub(super) type MetaCandidate<'a> = (SdmMetaReadKey, KeySource<'a>);
/// A key that could be the SDMFileReadKey.
pub(super) type FileCandidate<'a> = (SdmFileReadKey, KeySource<'a>);

/// Returns the given keys with this role.
fn keys_with_role<'a>(assumptions: &Assumptions<'a>, role: Role) -> impl Iterator<Item = &'a GivenKey<'a>> + use<'a> {
    assumptions.keys.iter().filter(move |given| given.role == role)
}

/// Returns the key of a new chip. Returns `None` if this key is among the given keys.
fn factory_key(assumptions: &Assumptions<'_>) -> Option<[u8; 16]> {
    assumptions.keys.iter().all(|given| *given.key != FACTORY_KEY).then_some(FACTORY_KEY)
}

/// Returns, in this order: the keys given for the role `wanted`, the keys given with `Role::Any`, the key of a new
/// chip, and the keys given for the role `other`.
fn direct_keys<'a>(
    assumptions: &Assumptions<'a>,
    wanted: Role,
    other: Role,
) -> impl Iterator<Item = ([u8; 16], KeySource<'a>)> + use<'a> {
    let with_source = |given: &'a GivenKey<'a>| (*given.key, KeySource::Given(given.name));
    let factory = factory_key(assumptions).map(|key| (key, KeySource::Factory));
    let wanted = keys_with_role(assumptions, wanted).chain(keys_with_role(assumptions, Role::Any)).map(with_source);
    wanted.chain(factory).chain(keys_with_role(assumptions, other).map(with_source))
}

/// Returns every key from which other keys may be derived: all given keys with their names, and the key of a new chip.
/// The name of the key of a new chip is `None`, even if this key was given. Everybody knows this key, so a key derived
/// from it is not secret.
fn base_keys<'a>(assumptions: &Assumptions<'a>) -> impl Iterator<Item = ([u8; 16], Option<&'a str>)> + use<'a> {
    let factory = factory_key(assumptions).map(|key| (key, None));
    let name = |given: &'a GivenKey<'a>| Some(given.name).filter(|_| *given.key != FACTORY_KEY);
    assumptions.keys.iter().map(move |given| (*given.key, name(given))).chain(factory)
}

/// Returns the derivation that gives this SDMFileReadKey from the key of a new chip. Anybody can derive such a key.
/// Returns `None` if no derivation of [`KeyTier::Derived`] gives the key.
pub(super) fn public_file_derivation<'a>(
    assumptions: &Assumptions<'a>,
    uid: Option<Uid>,
    key: &SdmFileReadKey,
) -> Option<KeyDerivation<'a>> {
    let mut found = None;
    try_derived_file_keys(assumptions, FACTORY_KEY, uid, &mut |candidate, derivation| {
        found = Some(derivation).filter(|_| candidate == *key);
        found.is_some()
    });
    found
}

/// Like [`public_file_derivation`], but for an SDMMetaReadKey.
pub(super) fn public_meta_derivation<'a>(
    assumptions: &Assumptions<'a>,
    key: &SdmMetaReadKey,
) -> Option<KeyDerivation<'a>> {
    let mut found = None;
    try_derived_meta_keys(assumptions, FACTORY_KEY, &mut |candidate, derivation| {
        found = Some(derivation).filter(|_| candidate == *key);
        found.is_some()
    });
    found
}

/// Calls `try_key` with every key of this tier that could be the SDMMetaReadKey, until `try_key` returns `true`.
pub(super) fn try_meta_keys<'a>(
    assumptions: &Assumptions<'a>,
    tier: KeyTier,
    mut try_key: impl FnMut(MetaCandidate<'a>) -> bool,
) {
    let derived = |from, derivation| KeySource::Derived { from, derivation };
    match tier {
        KeyTier::Direct => {
            let _ = direct_keys(assumptions, Role::Meta, Role::File)
                .any(|(key, source)| try_key((SdmMetaReadKey::from_bytes(key), source)));
        }
        KeyTier::Derived => {
            let _ = base_keys(assumptions).any(|(base, name)| {
                try_derived_meta_keys(assumptions, base, &mut |key, derivation| {
                    try_key((key, derived(name, derivation)))
                })
            });
        }
        #[cfg(feature = "sdm-backend")]
        KeyTier::SlowlyDerived => {
            for (base, name) in base_keys(assumptions) {
                if let Some(master) = sdm_backend_master(sdm_backend::Master::legacy, &base)
                    && try_key((master.meta_read_key(), derived(name, KeyDerivation::SdmBackendLegacy)))
                {
                    return;
                }
            }
        }
        #[cfg(not(feature = "sdm-backend"))]
        KeyTier::SlowlyDerived => {}
    }
}

/// Calls `try_key` with every SDMMetaReadKey of [`KeyTier::Derived`], until `try_key` returns `true`. Returns `true` if
/// `try_key` returned `true`.
fn try_derived_meta_keys<'a>(
    assumptions: &Assumptions<'a>,
    base: [u8; 16],
    try_key: &mut impl FnMut(SdmMetaReadKey, KeyDerivation<'a>) -> bool,
) -> bool {
    let mut try_bytes = |key, derivation| try_key(SdmMetaReadKey::from_bytes(key), derivation);
    if try_derived_keys(assumptions, base, assumptions.uid, &mut try_bytes) {
        return true;
    }
    #[cfg(feature = "sdm-backend")]
    if sdm_backend_master(sdm_backend::Master::standard, &base)
        .is_some_and(|master| try_key(master.meta_read_key(), KeyDerivation::SdmBackendStandard))
    {
        return true;
    }
    let issuer = IssuerKey::from_bytes(base);
    try_key(boltcard::meta_read_key(&issuer), KeyDerivation::Boltcard { version: 0 })
}

/// Calls `try_key` with every key of this tier that could be the SDMFileReadKey, until `try_key` returns `true`.
pub(super) fn try_file_keys<'a>(
    assumptions: &Assumptions<'a>,
    tier: KeyTier,
    uid: Option<Uid>,
    mut try_key: impl FnMut(FileCandidate<'a>) -> bool,
) {
    if tier == KeyTier::Direct {
        let _ = direct_keys(assumptions, Role::File, Role::Meta)
            .any(|(key, source)| try_key((SdmFileReadKey::from_bytes(key), source)));
        return;
    }
    for (base, from) in base_keys(assumptions) {
        let mut try_key = |key: SdmFileReadKey, derivation| try_key((key, KeySource::Derived { from, derivation }));
        let accepted = match tier {
            KeyTier::Direct => false,
            KeyTier::Derived => try_derived_file_keys(assumptions, base, uid, &mut try_key),
            #[cfg(feature = "sdm-backend")]
            KeyTier::SlowlyDerived => sdm_backend_master(sdm_backend::Master::legacy, &base)
                .zip(uid)
                .is_some_and(|(master, uid)| try_key(master.file_read_key(uid), KeyDerivation::SdmBackendLegacy)),
            #[cfg(not(feature = "sdm-backend"))]
            KeyTier::SlowlyDerived => false,
        };
        if accepted {
            return;
        }
    }
}

/// Calls `try_key` with every SDMFileReadKey of [`KeyTier::Derived`], until `try_key` returns `true`. Returns `true` if
/// `try_key` returned `true`. If `uid` is `None`, tries only keys that do not depend on a UID.
fn try_derived_file_keys<'a>(
    assumptions: &Assumptions<'a>,
    base: [u8; 16],
    uid: Option<Uid>,
    try_key: &mut impl FnMut(SdmFileReadKey, KeyDerivation<'a>) -> bool,
) -> bool {
    let mut try_bytes = |key, derivation| try_key(SdmFileReadKey::from_bytes(key), derivation);
    if try_derived_keys(assumptions, base, uid, &mut try_bytes) {
        return true;
    }
    let Some(uid) = uid else { return false };
    #[cfg(feature = "sdm-backend")]
    if sdm_backend_master(sdm_backend::Master::standard, &base)
        .is_some_and(|master| try_key(master.file_read_key(uid), KeyDerivation::SdmBackendStandard))
    {
        return true;
    }
    let issuer = IssuerKey::from_bytes(base);
    (0..BOLTCARD_VERSIONS)
        .any(|version| try_key(boltcard::file_read_key(&issuer, uid, version), KeyDerivation::Boltcard { version }))
}

/// Calls `try_key` with the bytes of `base` in reverse order and with every key that AN10922 derives from `base`, with
/// and without its padding, until `try_key` returns `true`. Returns `true` if `try_key` returned `true`.
fn try_derived_keys<'a>(
    assumptions: &Assumptions<'a>,
    base: [u8; 16],
    uid: Option<Uid>,
    try_key: &mut impl FnMut([u8; 16], KeyDerivation<'a>) -> bool,
) -> bool {
    if reversed(base).is_some_and(|key| try_key(key, KeyDerivation::Reversed)) {
        return true;
    }
    let master = MasterKey::from_bytes(base);
    diversification_inputs(assumptions, uid).any(|input| try_diversified_keys(&master, input, try_key))
}

/// Derives one key from this input by AN10922, and a second key by AN10922 without its padding. Calls `try_key` with
/// each key until `try_key` returns `true`. Returns `true` if `try_key` returned `true`. If the input is empty or too
/// long, tries no key.
fn try_diversified_keys<'a>(
    master: &MasterKey,
    input: DiversificationInput<'a>,
    try_key: &mut impl FnMut([u8; 16], KeyDerivation<'a>) -> bool,
) -> bool {
    let parts = input.parts();
    let padded: Result<[u8; 16], _> = an10922::derive(master, &parts);
    let unpadded: Result<[u8; 16], _> = plain_cmac::derive(master, &parts);
    let (Ok(padded), Ok(unpadded)) = (padded, unpadded) else { return false };
    // If the input has 16 bytes or more, both derivations give the same key.
    try_key(padded, KeyDerivation::An10922(input))
        || (unpadded != padded && try_key(unpadded, KeyDerivation::PlainCmac(input)))
}

/// Returns the diversification inputs to try. If `uid` is `None`, returns only inputs without a UID.
fn diversification_inputs<'a>(
    assumptions: &Assumptions<'a>,
    uid: Option<Uid>,
) -> impl Iterator<Item = DiversificationInput<'a>> + use<'a> {
    let given = assumptions.suffixes;
    let aids = aids(assumptions);
    let usual_aid = aids.first().copied().unwrap_or_default();
    let input = DiversificationInput { uid, ..DiversificationInput::default() };
    let hosts = hosts(assumptions.url).into_iter().filter(|host| !host.is_empty());
    let systems = given.iter().copied().chain(SYSTEM_IDENTIFIERS).chain(hosts);
    let with_uid = systems.flat_map(move |suffix| {
        let after_uid = DiversificationInput { suffix, ..input };
        [after_uid, DiversificationInput { aid: usual_aid, ..after_uid }]
    });
    // For an input with a suffix, other orders and other application identifiers are tried only if the suffix was
    // given. Each input costs time.
    let in_other_order = given.iter().copied().flat_map(move |suffix| {
        let before_uid = DiversificationInput { before_uid: suffix, ..input };
        let between = DiversificationInput { before_uid: usual_aid, suffix, ..input };
        let after_aid = move |aid| DiversificationInput { aid, suffix, ..input };
        let other_aids = aids.into_iter().filter(move |aid| *aid != usual_aid && !aid.is_empty()).map(after_aid);
        [before_uid, between].into_iter().chain(other_aids)
    });
    let other_suffixes = aids.into_iter().filter(|aid| !aid.is_empty());
    let common = SUFFIXES.into_iter().chain(other_suffixes).map(move |suffix| DiversificationInput { suffix, ..input });
    let before = [DiversificationInput { before_uid: usual_aid, ..input }];
    let reversed = [DiversificationInput { uid: uid.map(reversed_uid), is_uid_reversed: true, ..input }];
    let without_uid = given.iter().copied().flat_map(move |suffix| {
        let alone = DiversificationInput { suffix, ..DiversificationInput::default() };
        [alone, DiversificationInput { aid: usual_aid, ..alone }]
    });
    let of_this_tag = common.chain(before).chain(reversed).chain(with_uid).chain(in_other_order);
    of_this_tag.filter(move |_| uid.is_some()).chain(without_uid)
}

/// Returns the application identifiers to try, the most likely first. If an identifier was given, returns only this
/// one, and the other entries are empty.
fn aids<'a>(assumptions: &Assumptions<'a>) -> [&'a [u8]; 8] {
    match assumptions.aid {
        Some(aid) => [aid, &[], &[], &[], &[], &[], &[], &[]],
        None => [
            EXAMPLE_AID,
            &[0xF5, 0x42, 0x30],
            &[0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01],
            &[0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x00],
            &[0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x01],
            &[0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x02],
            &[0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x03],
            &[0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x04],
        ],
    }
}

/// Returns four forms of the URL's host: unchanged, without `www.`, without its port, and without its first label. A
/// form that does not apply is empty. Some programs use the host as the system identifier.
fn hosts(url: &str) -> [&[u8]; 4] {
    let host = url.get(..path_start(url)).and_then(|origin| origin.split("://").nth(1)).unwrap_or_default();
    let short = host.strip_prefix("www.").unwrap_or_default();
    let without_port = host.split_once(':').map_or("", |(host, _)| host);
    let parent = host.split_once('.').map(|(_, parent)| parent).filter(|parent| parent.contains('.'));
    [host, short, without_port, parent.filter(|parent| *parent != short).unwrap_or_default()].map(str::as_bytes)
}

/// Returns the UID with its bytes in reverse order.
pub(super) fn reversed_uid(uid: Uid) -> Uid {
    let mut bytes = *uid.as_bytes();
    bytes.reverse();
    Uid::from_bytes(bytes)
}

/// Returns the key with its bytes in reverse order. Returns `None` if this is the same key.
fn reversed(key: [u8; 16]) -> Option<[u8; 16]> {
    let mut reversed = key;
    reversed.reverse();
    Some(reversed).filter(|reversed| *reversed != key)
}

/// Returns `base` as a master key of sdm-backend. Returns `None` if all bytes of `base` are zero: sdm-backend then
/// derives all-zero keys, which were already tried.
#[cfg(feature = "sdm-backend")]
fn sdm_backend_master(
    master: fn(&[u8]) -> Option<sdm_backend::Master>,
    base: &[u8; 16],
) -> Option<sdm_backend::Master> {
    master(base).filter(|_| *base != FACTORY_KEY)
}
