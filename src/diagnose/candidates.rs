//! The keys to try: the given keys, the key of a new chip, and the keys derived from them.

use super::case::{Case, GivenKey, Role};
use super::source::{Derivation, KeySource};
use crate::cipher::Cmac;
#[cfg(feature = "sdm-backend")]
use crate::kdf::sdm_backend;
use crate::kdf::{an10922, boltcard};
use crate::key::{IssuerKey, MasterKey, SdmFileReadKey, SdmMetaReadKey};
use crate::value::Uid;

/// The suffixes that follow the UID in the diversification inputs that are in use: nothing, the application identifiers
/// of the chip and of AN10922's example, a key number, the example's system identifier.
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
/// The number of Bolt Card versions that are tried, from 0.
const VERSIONS: u32 = 32;
const ZERO: [u8; 16] = [0; 16];

/// The kinds of keys to try, from the cheapest to the most expensive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The given keys, and the key of a new chip.
    Direct,
    /// Keys that are derived from these at almost no cost.
    Derived,
    /// Keys whose derivation takes milliseconds each.
    Slow,
}

pub(super) type Meta<'a> = (SdmMetaReadKey, KeySource<'a>);
type File<'a> = (SdmFileReadKey, KeySource<'a>);

/// Returns the given keys with this role.
fn of_role<'a>(case: &Case<'a>, role: Role) -> impl Iterator<Item = &'a GivenKey<'a>> + use<'a> {
    case.keys.iter().filter(move |given| given.role == role)
}

/// Returns the key of a new chip, unless it was given.
fn factory(case: &Case<'_>) -> Option<[u8; 16]> {
    case.keys.iter().all(|given| *given.key != ZERO).then_some(ZERO)
}

/// Returns the keys of the wanted role and of any role, then the key of a new chip, then the keys of the other role.
fn direct<'a>(case: &Case<'a>, wanted: Role, other: Role) -> impl Iterator<Item = ([u8; 16], KeySource<'a>)> + use<'a> {
    let given = |given: &'a GivenKey<'a>| (*given.key, KeySource::Given(given.name));
    let factory = factory(case).map(|key| (key, KeySource::Factory));
    let wanted = of_role(case, wanted).chain(of_role(case, Role::Any)).map(given);
    wanted.chain(factory).chain(of_role(case, other).map(given))
}

/// Returns the keys from which others may be derived: all given keys, and the key of a new chip.
fn bases<'a>(case: &Case<'a>) -> impl Iterator<Item = ([u8; 16], Option<&'a str>)> + use<'a> {
    let factory = factory(case).map(|key| (key, None));
    case.keys.iter().map(|given| (*given.key, Some(given.name))).chain(factory)
}

/// Calls `each` with every key that could be the SDMMetaReadKey, until it returns `true`.
pub(super) fn metas<'a>(case: &Case<'a>, kind: Kind, mut each: impl FnMut(Meta<'a>) -> bool) {
    let derived = |from, by| KeySource::Derived { from, by };
    match kind {
        Kind::Direct => {
            let _ = direct(case, Role::Meta, Role::File)
                .any(|(key, source)| each((SdmMetaReadKey::from_bytes(key), source)));
        }
        Kind::Derived => {
            for (base, name) in bases(case) {
                let issuer = IssuerKey::from_bytes(base);
                if each((boltcard::meta_read_key(&issuer), derived(name, Derivation::Boltcard { version: 0 }))) {
                    return;
                }
                #[cfg(feature = "sdm-backend")]
                if let Some(key) = sdm_backend(sdm_backend::Master::standard, &base)
                    && each((key.meta_read_key(), derived(name, Derivation::SdmBackendStandard)))
                {
                    return;
                }
            }
        }
        #[cfg(feature = "sdm-backend")]
        Kind::Slow => {
            for (base, name) in bases(case) {
                if let Some(key) = sdm_backend(sdm_backend::Master::legacy, &base)
                    && each((key.meta_read_key(), derived(name, Derivation::SdmBackendLegacy)))
                {
                    return;
                }
            }
        }
        #[cfg(not(feature = "sdm-backend"))]
        Kind::Slow => {}
    }
}

/// Calls `each` with every key that could be the SDMFileReadKey, until it returns `true`.
pub(super) fn files<'a>(case: &Case<'a>, kind: Kind, uid: Option<Uid>, mut each: impl FnMut(File<'a>) -> bool) {
    if kind == Kind::Direct {
        let _ =
            direct(case, Role::File, Role::Meta).any(|(key, source)| each((SdmFileReadKey::from_bytes(key), source)));
        return;
    }
    let Some(uid) = uid else { return };
    for (base, from) in bases(case) {
        let mut each = |key: SdmFileReadKey, by| each((key, KeySource::Derived { from, by }));
        let found = match kind {
            Kind::Direct => false,
            Kind::Derived => derived(&base, uid, &mut each),
            #[cfg(feature = "sdm-backend")]
            Kind::Slow => sdm_backend(sdm_backend::Master::legacy, &base)
                .is_some_and(|key| each(key.file_read_key(uid), Derivation::SdmBackendLegacy)),
            #[cfg(not(feature = "sdm-backend"))]
            Kind::Slow => false,
        };
        if found {
            return;
        }
    }
}

fn derived(base: &[u8; 16], uid: Uid, each: &mut impl FnMut(SdmFileReadKey, Derivation) -> bool) -> bool {
    let master = MasterKey::from_bytes(*base);
    let cmac = Cmac::new(base);
    for suffix in SUFFIXES {
        let diversified: Result<SdmFileReadKey, _> = an10922::derive(&master, &[uid.as_bytes(), suffix]);
        if diversified.is_ok_and(|key| each(key, Derivation::An10922 { suffix })) {
            return true;
        }
        // If UID and suffix have 16 bytes or more, both derivations give the same key.
        let input = [0x01].into_iter().chain(*uid.as_bytes()).chain(suffix.iter().copied());
        let unpadded = SdmFileReadKey::from_bytes(cmac.of(input));
        if suffix.len() <= 8 && each(unpadded, Derivation::An10922Unpadded { suffix }) {
            return true;
        }
    }
    #[cfg(feature = "sdm-backend")]
    if sdm_backend(sdm_backend::Master::standard, base)
        .is_some_and(|key| each(key.file_read_key(uid), Derivation::SdmBackendStandard))
    {
        return true;
    }
    let issuer = IssuerKey::from_bytes(*base);
    (0..VERSIONS).any(|version| each(boltcard::file_read_key(&issuer, uid, version), Derivation::Boltcard { version }))
}

/// Returns `base` as a master key of sdm-backend, unless it is zero: that one derives zero keys, which were already
/// tried.
#[cfg(feature = "sdm-backend")]
fn sdm_backend(master: fn(&[u8]) -> Option<sdm_backend::Master>, base: &[u8; 16]) -> Option<sdm_backend::Master> {
    master(base).filter(|_| *base != ZERO)
}
