//! No key is left in memory after it is dropped, and no output contains a key.

use std::fmt::Write as _;

use suntap::diagnose::{Assumptions, GivenKey, Role, diagnose};
use suntap::kdf::ecode::{ECode, SealedKeys, ServerSecret, TagContext};
use suntap::platform::Service;
use suntap::platform::etrnl::Etrnl;
use suntap::platform::ixkio::Ixkio;
use suntap::platform::rules::Rule;
use suntap::sun::session::MacKey;
use suntap::{MemoryCounters, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, Uid};
use suntap_testkit::planted::Planted;
use suntap_testkit::registry::{API_KEYS, OwnRules, Row, RowKeys, Tags};
use suntap_testkit::{Tag, Tap};

/// Reads the bytes of a value while it lives, and the same bytes after it was dropped. This goes through the operating
/// system, because safe code cannot read a dropped value.
#[cfg(target_os = "linux")]
mod memory {
    use core::hint::black_box;
    use std::collections::BTreeSet;
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;

    use suntap::kdf::ecode::{ECode, ServerSecret};
    use suntap::kdf::sdm_backend::Master;
    use suntap::lrp::Lrp;
    use suntap::platform::ApiKeySecret;
    use suntap::sun::session::{EncKey, MacKey};
    use suntap::{
        ApplicationKey, IssuerKey, MasterKey, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, verify_batch,
    };

    use super::{Tag, Tap};

    pub(super) fn memory_at(address: usize, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        File::open("/proc/self/mem").unwrap().read_exact_at(&mut bytes, u64::try_from(address).unwrap()).unwrap();
        bytes
    }

    /// The length in bytes of the part of the stack that the tests clean and search.
    pub(super) const STACK: usize = 1 << 14;

    /// Overwrites the stack, and returns the address of the bytes. A move also copies the unused bytes of a value, which
    /// hold old stack contents.
    #[inline(never)]
    pub(super) fn clean_stack() -> usize {
        let zeros = [0u8; STACK];
        black_box(&zeros).as_ptr().addr()
    }

    /// Returns the bytes of a value while it lives, and after it was dropped.
    fn seen<T>(make: impl FnOnce() -> T) -> (Vec<u8>, Vec<u8>) {
        clean_stack();
        let mut place = vec![make()];
        let address = black_box(&mut place).as_ptr().addr();
        let before = memory_at(address, size_of::<T>());
        // This drops the value in place. Nothing is written there afterwards.
        black_box(&mut place).clear();
        (before, memory_at(address, size_of::<T>()))
    }

    /// Returns `true` if the eight bytes are nearly all different. This holds for bytes of keys, but not for bytes of
    /// addresses and times.
    pub(super) fn telling(run: &&[u8]) -> bool {
        run.iter().collect::<BTreeSet<_>>().len() >= 7
    }

    /// Returns the bytes of a value, and the parts of them that are still in memory after it was dropped.
    fn kept<T>(make: impl FnOnce() -> T) -> (Vec<u8>, Vec<Vec<u8>>) {
        let (before, after) = seen(make);
        let kept = before.windows(8).filter(telling).filter(|run| after.windows(8).any(|other| other == *run));
        (before.clone(), kept.map(<[u8]>::to_vec).collect())
    }

    /// A key whose bytes are all different.
    pub(super) const KEY: [u8; 16] = *b"0aB1cD2eF3gH4iJ5";

    /// The harness detects a value that is not wiped. Otherwise the other tests would prove nothing.
    #[test]
    fn a_value_that_is_not_wiped_is_detected() {
        struct Careless(#[allow(dead_code, reason = "the test reads it from memory")] [u8; 16]);
        let (before, kept) = kept(|| Careless(KEY));
        assert_eq!(before, KEY);
        assert_eq!(kept.len(), 9);
    }

    #[test]
    fn keys_and_schedules_are_wiped_when_they_are_dropped() {
        fn check_wiped<T>(name: &str, make: impl FnOnce() -> T) -> Vec<u8> {
            let (before, kept) = kept(make);
            assert!(kept.is_empty(), "{name} of {} bytes keeps {kept:02x?}", before.len());
            assert!(before.windows(16).any(|run| run.iter().all(|byte| *byte != 0)), "{name}: the value held no data");
            before
        }
        /// Like `check_wiped`, but also checks that the value held the key itself.
        fn wiped<T>(name: &str, make: impl FnOnce() -> T) {
            assert!(check_wiped(name, make).windows(16).any(|run| run == KEY), "{name}: the key was not in memory");
        }
        wiped("SdmMetaReadKey", || SdmMetaReadKey::from_bytes(KEY));
        wiped("SdmFileReadKey", || SdmFileReadKey::from_bytes(KEY));
        wiped("ApplicationKey", || ApplicationKey::from_bytes(KEY));
        wiped("MacKey", || MacKey::from_secret(Scheme::Aes, KEY).unwrap());
        wiped("EncKey", || EncKey::from_secret(Scheme::Lrp, KEY).unwrap());
        wiped("ServerSecret", || ServerSecret::from_bytes(KEY));
        wiped("ApiKeySecret", || ApiKeySecret::from_bytes(KEY));
        wiped("ECode", || ECode::from_bytes(KEY));
        check_wiped("Master", || Master::legacy(&KEY).unwrap());
        check_wiped("MasterKey", || MasterKey::from_bytes(KEY));
        check_wiped("IssuerKey", || IssuerKey::from_bytes(KEY));
        check_wiped("Lrp", || Lrp::new(&KEY, 0));
    }

    /// A batch holds eight keys. Its unused space can hold further copies from old stack contents.
    #[test]
    fn keys_of_a_batch_are_wiped_with_it() {
        let layout = SdmLayout::new(Scheme::Aes, "https://a.b/{uid}/{ctr}/{mac}").unwrap();
        let tap = || layout.parse("https://a.b/04112233445566/000007/0123456789ABCDEF").unwrap().read_plain().unwrap();
        let (before, after) = seen(|| {
            let mut batch = verify_batch((0..8).map(|_| ((), tap(), SdmFileReadKey::from_bytes(KEY))));
            // The key of this tap is no longer needed.
            assert!(batch.next().is_some_and(|((), verified)| verified.is_err()));
            batch
        });
        let count = |bytes: &[u8]| bytes.windows(16).filter(|run| *run == KEY).count();
        assert!(count(&before) >= 8 && count(&after) <= count(&before) - 8, "{before:02x?} {after:02x?}");
    }

    /// A prepared key of a tag holds either a schedule or plaintexts, and unused space for the other. A move leaves old
    /// stack contents in that space, which nothing can wipe (see the threat model). The test therefore finds the
    /// schedule or the plaintexts by comparison with a value that holds nothing else.
    #[test]
    fn prepared_keys_of_a_tag_are_wiped_when_they_are_dropped() {
        fn wiped<K, T>(name: &str, known: impl FnOnce() -> K, make: impl FnOnce() -> T) {
            let known = seen(known).0;
            let (before, after) = seen(make);
            let places =
                before.windows(known.len()).zip(after.windows(known.len())).filter(|(before, _)| *before == known);
            let places: Vec<_> = places.map(|(_, after)| after).collect();
            assert!(known.len() > 160 && !places.is_empty(), "{name}: the known bytes are found");
            let runs = || known.windows(8).filter(telling);
            assert!(runs().count() > 100, "{name}: the known bytes look like a secret");
            let is_kept = |after: &&[u8]| runs().any(|run| after.windows(8).any(|other| other == run));
            assert!(!places.iter().all(is_kept), "{name} keeps {places:02x?}");
        }
        let (meta, file) = (SdmMetaReadKey::from_bytes(KEY), SdmFileReadKey::from_bytes(KEY));
        wiped("file, AES", || MasterKey::from_bytes(KEY), || file.prepare(Scheme::Aes));
        wiped("file, LRP", || Lrp::new(&KEY, 0), || file.prepare(Scheme::Lrp));
        wiped("meta, LRP", || Lrp::new(&KEY, 0), || meta.prepare(Scheme::Lrp));
        // With `accel`, the schedule is our own type, and the test of the file key covers it.
        #[cfg(not(feature = "accel"))]
        wiped("meta, AES", || <aes::Aes128Dec as aes::cipher::KeyInit>::new(&KEY.into()), || meta.prepare(Scheme::Aes));
    }

    /// A verified tap holds the session key of its file data until it is dropped.
    #[test]
    fn the_session_key_of_a_tap_is_wiped_with_it() {
        for lrp in [false, true] {
            let template = "https://a.b/?p={picc}&e=[[{enc}&c={mac}";
            let tag = Tag { lrp, meta_key: KEY, file_key: KEY, uid: [4; 7] };
            let tap = Tap { ctr: 7, padding: [1; 12], file_data: vec![b'x'; 32], tt: *b"CC" };
            let url = tag.write(template, &tap).url;
            let mode = if lrp { Scheme::Lrp } else { Scheme::Aes };
            let layout = SdmLayout::new(mode, template).unwrap();
            let claimed = layout.parse(&url).unwrap().open(&SdmMetaReadKey::from_bytes(KEY).prepare(mode)).unwrap();
            let key = SdmFileReadKey::from_bytes(KEY).prepare(mode);
            let session = EncKey::derive(&key, claimed.uid().unwrap(), claimed.ctr().unwrap()).unwrap();
            let secret = *session.expose_bytes();
            let (before, kept) = kept(|| claimed.verify(&key).unwrap());
            assert!(before.windows(16).any(|run| run == secret), "the session key was not in memory");
            assert!(!kept.iter().any(|run| secret.windows(8).any(|part| part == run)), "{kept:02x?}");
        }
    }
}

/// Searches the stack for key schedules. With `accel`, round keys are in registers, and a compiler may save some of them
/// on the stack.
#[cfg(all(target_os = "linux", not(feature = "accel")))]
mod stack {
    use core::hint::black_box;
    use std::collections::BTreeSet;
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;

    use suntap::kdf::boltcard;
    use suntap::kdf::ecode::{ECode, SealedKeys, ServerSecret, TagContext, derive_file_read_key};
    use suntap::lrp::Lrp;
    use suntap::platform::ApiKeySecret;
    use suntap::sun::session::{EncKey, MacKey};
    use suntap::{
        IssuerKey, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, Uid, identify, verify_batch,
    };

    use super::memory::{KEY, STACK, clean_stack, memory_at, telling};
    use super::{Tag, Tap};

    /// Returns the key schedule of a key, as the crate `aes` holds it in memory, without the key itself.
    fn schedule(key: [u8; 16]) -> Vec<u8> {
        let held = Box::new(<aes::Aes128Enc as aes::cipher::KeyInit>::new(&key.into()));
        memory_at(core::ptr::from_ref(&*black_box(held)).addr(), size_of::<aes::Aes128Enc>())[16..].to_vec()
    }

    /// Returns the CMAC of a message under `KEY`.
    fn cmac(parts: &[&[u8]]) -> [u8; 16] {
        let mut mac = <cmac::Cmac<aes::Aes128> as cmac::KeyInit>::new(&KEY.into());
        cmac::Mac::update(&mut mac, &parts.concat());
        cmac::Mac::finalize(mac).into_bytes().into()
    }

    /// Runs a computation on a clean stack, and returns what it leaves there.
    #[inline(never)]
    fn left_on_stack<T>(compute: impl FnOnce() -> T) -> Vec<u8> {
        let memory = File::open("/proc/self/mem").unwrap();
        let mut bytes = vec![0; STACK];
        let address = u64::try_from(clean_stack()).unwrap();
        black_box(compute());
        memory.read_exact_at(&mut bytes, address).unwrap();
        bytes
    }

    /// Returns the number of places at which `bytes` holds a part of the schedule of one of the keys.
    fn schedules_in(bytes: &[u8], keys: &[[u8; 16]]) -> usize {
        let parts: BTreeSet<Vec<u8>> = keys
            .iter()
            .flat_map(|key| schedule(*key).windows(8).filter(telling).map(<[u8]>::to_vec).collect::<Vec<_>>())
            .collect();
        assert!(parts.len() > 100, "the schedules look like secrets");
        bytes.windows(8).filter(|run| parts.contains(*run)).count()
    }

    /// The search detects a schedule that a computation leaves on the stack.
    #[test]
    fn a_schedule_on_the_stack_is_detected() {
        #[inline(never)]
        fn careless() -> [u8; 16] {
            let key = <aes::Aes128Enc as aes::cipher::KeyInit>::new(&KEY.into());
            let mut block = [7; 16];
            aes::cipher::BlockCipherEncrypt::encrypt_block(&key, (&mut block).into());
            block
        }
        assert!(schedules_in(&left_on_stack(careless), &[KEY]) > 0);
    }

    /// A key that is used once has a schedule only during the computation. Nothing of the schedule stays on the stack.
    #[test]
    fn computations_leave_no_schedule_on_the_stack() {
        fn search<T>(left: &mut Vec<String>, name: &str, keys: &[[u8; 16]], compute: impl FnOnce() -> T) {
            let found = schedules_in(&left_on_stack(compute), keys);
            if found > 0 {
                left.push(format!("{name}: {found}"));
            }
        }
        let mut left = Vec::new();
        let (meta, file) = (SdmMetaReadKey::from_bytes(KEY), SdmFileReadKey::from_bytes(KEY));
        let uid = Uid::from_bytes([4; 7]);
        let ctr = SdmReadCtr::new(7).unwrap();
        for scheme in [Scheme::Aes, Scheme::Lrp] {
            let template = "https://a.b/?p={picc}&e=[[{enc}&c={mac}";
            let tag = Tag { lrp: scheme == Scheme::Lrp, meta_key: KEY, file_key: KEY, uid: [4; 7] };
            let tap = Tap { ctr: 7, padding: [1; 12], file_data: vec![b'x'; 32], tt: *b"CC" };
            let url = tag.write(template, &tap).url;
            let layout = SdmLayout::new(scheme, template).unwrap();
            let prepared = file.prepare(scheme);
            let mac_key = MacKey::derive(&prepared, Some(uid), Some(ctr)).unwrap();
            let enc_key = EncKey::derive(&prepared, uid, ctr).unwrap();
            let mut keys = vec![KEY, *mac_key.expose_bytes(), *enc_key.expose_bytes()];
            if scheme == Scheme::Lrp {
                // Every step of LRP has a key of its own. These are those of the first block that is encrypted.
                for key in keys.clone() {
                    for index in [0, 1] {
                        let lrp = Lrp::new(&key, index);
                        keys.extend((0..32).map(|len| lrp.eval(vec![0; len], false)));
                    }
                }
            }
            let parsed = layout.parse(&url).unwrap();
            let ready = meta.prepare(scheme);
            search(&mut left, "open", &keys, || layout.parse(&url).unwrap().open(&meta).is_ok());
            search(&mut left, "open with a prepared key", &keys, || layout.parse(&url).unwrap().open(&ready).is_ok());
            let claimed = || layout.parse(&url).unwrap().open(&ready).unwrap();
            search(&mut left, "verify", &keys, || claimed().verify(&file).is_ok());
            search(&mut left, "verify with a prepared key", &keys, || claimed().verify(&prepared).is_ok());
            search(&mut left, "verify a batch", &keys, || {
                verify_batch((0..9).map(|number| (number, claimed(), file.clone())))
                    .filter(|(_, tap)| tap.is_ok())
                    .count()
            });
            search(&mut left, "search for a key", &keys, || identify::candidates(&parsed, [&meta, &meta]).count());
            search(&mut left, "read file data", &keys, || {
                let verified = claimed().verify(&file).unwrap();
                assert!(verified.message().file_data(&mut [0; 128]).is_some());
            });
        }
        let issuer = IssuerKey::from_bytes(KEY);
        let card_key = cmac(&[&[0x2D, 0x00, 0x3F, 0x75], uid.as_bytes(), &1_u32.to_le_bytes()]);
        search(&mut left, "Bolt Card", &[card_key], || boltcard::card_keys(&issuer, uid, 1));
        search(&mut left, "Bolt Card, one key", &[card_key], || boltcard::file_read_key(&issuer, uid, 1));
        search(&mut left, "name of an API key", &[KEY], || {
            ApiKeySecret::from_bytes(KEY).key_name(b"sk_live_0123456789")
        });
        let (secret, code) = (ServerSecret::from_bytes(KEY), ECode::from_bytes(KEY));
        let context = TagContext { tag_id: 7, uid, epoch: 0 };
        let sealed = SealedKeys::seal(&secret, &code, &context, &meta, &file);
        // The keys of a seal are derived from `KEY` with a MAC (SP 800-108), for the MAC and for the encryption of SIV.
        let layer = [1_u32, 2].map(|number| {
            let parts: [&[u8]; 6] = [
                &number.to_be_bytes(),
                b"suntap ecode v1",
                &[0],
                &7_u64.to_be_bytes(),
                &[0; 4],
                &256_u32.to_be_bytes(),
            ];
            cmac(&parts)
        });
        let keys = [KEY, layer[0], layer[1]];
        search(&mut left, "seal", &keys, || SealedKeys::seal(&secret, &code, &context, &meta, &file));
        search(&mut left, "unseal", &keys, || sealed.unseal(&secret, &code, &context).is_ok());
        search(&mut left, "rewrap", &keys, || sealed.rewrap(&secret, &secret, &context).is_ok());
        search(&mut left, "derive from an eCode", &keys, || derive_file_read_key(&secret, &code, uid, 0));
        assert!(left.is_empty(), "parts of a schedule stay on the stack after: {left:#?}");
    }
}

/// The two APIs, their verdicts and the doctor (which gets the keys) never print six consecutive bytes of a key, a
/// session key, a server secret, an API key or the correct MAC.
#[test]
fn no_output_contains_a_secret() {
    for mode in [Scheme::Aes, Scheme::Lrp] {
        check_outputs(mode);
    }
}

fn check_outputs(mode: Scheme) {
    const META: [u8; 16] = *b"\x91metaqk, planted";
    const FILE: [u8; 16] = *b"\x92fileqk, planted";
    const SERVER: [u8; 16] = *b"\x93 seals, planted";
    const CODE: [u8; 16] = *b"\x94 qzcode, plants";
    const API_KEY: &str = "sk_plant_0123456";
    let uid = [4, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56];
    let (meta, file) = (SdmMetaReadKey::from_bytes(META), SdmFileReadKey::from_bytes(FILE));
    let (server, ecode) = (ServerSecret::from_bytes(SERVER), ECode::from_bytes(CODE));
    let ixkio = "https://t.example/{:xuid}?u={uid}&n={ctr}&e={mac}";
    let etrnl = "https://t.example/{:tagId}?e={picc:uid,ctr}&c={mac}&k={:eCode}";
    let row = |template: &str, keys| Row {
        uid: Some(Uid::from_bytes(uid)),
        layout: Some(SdmLayout::new(mode, template).unwrap()),
        keys,
        ..Row::new(1)
    };
    let groups = vec![(vec![Rule::TagAuthentication], "Pass".into())];
    let rules = OwnRules { groups, default: "Fail".into() };
    let of_tag = TagContext { tag_id: 7, uid: Uid::from_bytes(uid), epoch: 0 };
    let sealed_keys = RowKeys::Sealed { keys: SealedKeys::seal(&server, &ecode, &of_tag, &meta, &file), tag: of_tag };
    let held = RowKeys::Held { meta: Some(meta.clone()), file: file.clone() };
    let rows = vec![
        Row { xuid: Some("pl4nt3d0".into()), group_rules: rules, ..row(ixkio, held) },
        Row { number: Some(7), ..row(etrnl, sealed_keys) },
    ];
    let tags = Tags { rows, ..Tags::default() }.with_api_key(API_KEY, 1);

    let tag = Tag { lrp: mode == Scheme::Lrp, meta_key: META, file_key: FILE, uid };
    let tap = |ctr| Tap { ctr, padding: [9; 12], file_data: Vec::new(), tt: *b"CC" };
    let plain = tag.write("https://t.example/a?u={uid}&n={ctr}&e={mac}", &tap(1)).url;
    let sealed = tag.write("https://t.example/a?e={picc}&c={mac}", &tap(2)).url;
    let session = MacKey::derive(&file.prepare(mode), Some(Uid::from_bytes(uid)), SdmReadCtr::new(1)).unwrap();
    let value =
        |url: &str, name: &str| url.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)).unwrap().to_owned();
    let (mac, picc, cmac) = (value(&plain, "e="), value(&sealed, "e="), value(&sealed, "c="));
    let forged = |mac: &str| mac.chars().rev().collect::<String>();

    let mut output = String::new();
    let secrets = [server];
    let service = Service::new(&secrets);
    let mut counters = MemoryCounters::<4>::new();
    for mac in [&forged(&mac), "", "0", &mac, &mac] {
        let query = format!("x=pl4nt3d0&n=000001&e={mac}");
        let answer = Ixkio::new(service, &API_KEYS).answer(&query, &tags, &mut counters, None);
        write!(output, "{answer:?} {:#?}", answer.verdict).unwrap();
    }
    let text = ecode.to_text();
    let code = core::str::from_utf8(&text).unwrap();
    let sent = [(&*picc, &*forged(&cmac)), (&forged(&picc), &cmac), (&picc, "00"), (&picc, &cmac), (&picc, &cmac)];
    for (picc, mac) in sent {
        for code in [&forged(code), code] {
            for key in [API_KEY, "sk_another"] {
                let body = format!(r#"{{"tagId":7,"enc":"{picc}","cmac":"{mac}","eCode":"{code}"}}"#);
                let dialect = Etrnl::new(service, &API_KEYS);
                let answer = dialect.answer(Some(key.as_bytes()), body.as_bytes(), &tags, &mut counters, None);
                write!(output, "{answer:?} {:#?}", answer.verdict).unwrap();
            }
        }
    }
    write!(output, "{service:?}").unwrap();
    assert!(output.contains(r#"response\":\"Pass"#) && output.contains(r#"authentic\":true"#), "{output}");
    for url in [&sealed, &sealed.replace(&cmac, &forged(&cmac)), &plain, &plain[..plain.len() - 3]] {
        let keys = [("meta", &META, Role::Meta), ("file", &FILE, Role::File), ("any", &FILE, Role::Any)]
            .map(|(name, key, role)| GivenKey { name, key, role });
        let case = Assumptions { keys: &keys, ..Assumptions::about(url) };
        let diagnosis = diagnose(&case);
        write!(output, "{case:?} {diagnosis:?}").unwrap();
        for finding in diagnosis.findings() {
            write!(output, "{finding} {finding:?} {finding:#?}").unwrap();
        }
    }

    let planted = Planted::default()
        .with("meta", META)
        .with("file", FILE)
        .with("server", SERVER)
        .with("eCode", CODE)
        .with("eCode as text", code)
        .with("API key", API_KEY)
        .with("session", session.expose_bytes())
        .with("mac", mac);
    planted.assert_absent("output", output);
}
