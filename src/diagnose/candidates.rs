//! The keys to try: the given keys, the key of a new chip, and the keys derived from them.

use super::assumptions::{Assumptions, GivenKey, Role};
use super::key_source::{KeyDerivation, KeySource};
use crate::cipher::Cmac;
#[cfg(feature = "sdm-backend")]
use crate::kdf::sdm_backend;
use crate::kdf::{an10922, boltcard};
use crate::key::{IssuerKey, MasterKey, SdmFileReadKey, SdmMetaReadKey};
use crate::value::Uid;

/// The suffixes after the UID in common diversification inputs. They consist of the chip's application identifier, a
/// key number, or the application and system identifiers from the example in AN10922. The first suffix is empty.
const SUFFIXES: [&[u8]; 9] = [
    &[],
    &[0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01],
    &[0x30, 0x42, 0xF5],
    b"\x30\x42\xF5NXP Abu",
    &[0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x00],
    &[0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x01],
    &[0xD2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x02],
    &[0x01],
    &[0x02],
];
/// The number of Bolt Card versions that are tried, starting at 0.
const BOLTCARD_VERSIONS: u32 = 32;
const FACTORY_KEY: [u8; 16] = [0; 16];

/// The keys to try, in groups from the cheapest to the most expensive.
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

/// Returns the key of a new chip, unless it was given.
fn factory_key(assumptions: &Assumptions<'_>) -> Option<[u8; 16]> {
    assumptions.keys.iter().all(|given| *given.key != FACTORY_KEY).then_some(FACTORY_KEY)
}

/// Returns the keys given for the wanted role or for any role, then the key of a new chip, then the keys given for the
/// other role.
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

/// Returns every key from which keys may be derived, with its name. These keys are all given keys and the key of a new
/// chip.
fn base_keys<'a>(assumptions: &Assumptions<'a>) -> impl Iterator<Item = ([u8; 16], Option<&'a str>)> + use<'a> {
    let factory = factory_key(assumptions).map(|key| (key, None));
    assumptions.keys.iter().map(|given| (*given.key, Some(given.name))).chain(factory)
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
            for (base, name) in base_keys(assumptions) {
                let issuer = IssuerKey::from_bytes(base);
                let source = derived(name, KeyDerivation::Boltcard { version: 0 });
                if try_key((boltcard::meta_read_key(&issuer), source)) {
                    return;
                }
                #[cfg(feature = "sdm-backend")]
                if let Some(master) = sdm_backend_master(sdm_backend::Master::standard, &base)
                    && try_key((master.meta_read_key(), derived(name, KeyDerivation::SdmBackendStandard)))
                {
                    return;
                }
            }
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

/// Calls `try_key` with every key of this tier that could be the SDMFileReadKey, until `try_key` returns `true`.
/// Without a UID there are no derived keys.
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
    let Some(uid) = uid else { return };
    for (base, from) in base_keys(assumptions) {
        let mut try_key = |key: SdmFileReadKey, derivation| try_key((key, KeySource::Derived { from, derivation }));
        let accepted = match tier {
            KeyTier::Direct => false,
            KeyTier::Derived => try_derived_file_keys(&base, uid, &mut try_key),
            #[cfg(feature = "sdm-backend")]
            KeyTier::SlowlyDerived => sdm_backend_master(sdm_backend::Master::legacy, &base)
                .is_some_and(|master| try_key(master.file_read_key(uid), KeyDerivation::SdmBackendLegacy)),
            #[cfg(not(feature = "sdm-backend"))]
            KeyTier::SlowlyDerived => false,
        };
        if accepted {
            return;
        }
    }
}

/// Calls `try_key` with every SDMFileReadKey of [`KeyTier::Derived`], until `try_key` returns `true`. Returns `true` if
/// `try_key` did.
fn try_derived_file_keys(
    base: &[u8; 16],
    uid: Uid,
    try_key: &mut impl FnMut(SdmFileReadKey, KeyDerivation) -> bool,
) -> bool {
    let master = MasterKey::from_bytes(*base);
    let cmac = Cmac::new(base);
    for suffix in SUFFIXES {
        let diversified: Result<SdmFileReadKey, _> = an10922::derive(&master, &[uid.as_bytes(), suffix]);
        if diversified.is_ok_and(|key| try_key(key, KeyDerivation::An10922 { suffix })) {
            return true;
        }
        // If the UID and the suffix together have 16 bytes or more, both derivations give the same key.
        let input = [0x01].into_iter().chain(*uid.as_bytes()).chain(suffix.iter().copied());
        let unpadded = SdmFileReadKey::from_bytes(cmac.of(input));
        if suffix.len() <= 8 && try_key(unpadded, KeyDerivation::An10922Unpadded { suffix }) {
            return true;
        }
    }
    #[cfg(feature = "sdm-backend")]
    if sdm_backend_master(sdm_backend::Master::standard, base)
        .is_some_and(|master| try_key(master.file_read_key(uid), KeyDerivation::SdmBackendStandard))
    {
        return true;
    }
    let issuer = IssuerKey::from_bytes(*base);
    (0..BOLTCARD_VERSIONS)
        .any(|version| try_key(boltcard::file_read_key(&issuer, uid, version), KeyDerivation::Boltcard { version }))
}

/// Returns `base` as a master key of sdm-backend, unless `base` consists of zeros. From an all-zero master key,
/// sdm-backend derives all-zero keys, which were already tried.
#[cfg(feature = "sdm-backend")]
fn sdm_backend_master(
    master: fn(&[u8]) -> Option<sdm_backend::Master>,
    base: &[u8; 16],
) -> Option<sdm_backend::Master> {
    master(base).filter(|_| *base != FACTORY_KEY)
}
