//! The crate `ntag424` 0.1.1: an independent implementation of the same tag.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

#[path = "../../common/mod.rs"]
mod common;

use common::{Tag, Tap, Written};
use ntag424::key_diversification::diversify_aes128;
use ntag424::sdm::{SdmUrlOptions, SdmVerification, Verifier, sdm_url_config};
use ntag424::types::file_settings::CryptoMode;
use proptest::prelude::*;
use suntap::kdf::an10922;
use suntap::{MasterKey, Mode, SdmFileReadKey, SdmLayout, SdmMetaReadKey};

const TEMPLATES: &[&str] = &[
    "https://example.com/t?picc_data={picc}&cmac={mac}",
    "https://example.com/t?p=[[{picc}&enc={enc}&cmac={mac}",
    "https://[[example.com/t?p={picc}&enc={enc}&cmac={mac}",
    "https://www.example.com/t/{uid}/{ctr}/{mac}",
    "http://example.com/t?u=[[{uid}x{ctr}x{mac}",
    "https://[[example.com/t?id=7&n={ctr}&c={mac}",
    "https://example.com/?u={uid}&c={mac}",
    "https://example.com/?d={picc}&tt=[[{enc}{mac}",
    "https://example.com/?u={uid}&n={ctr}&tt=[[{tt}&e={enc}&c={mac}",
    "https://example.com/?u={uid}&n={ctr}&tt={tt}&c={mac}",
];

/// The same layout in the peer's own grammar, and its verdict.
fn peer(template: &str, tag: &Tag, tap: &Tap, url: &str) -> Option<SdmVerification> {
    let window = if template.contains("[[") { template.to_owned() } else { template.replace("{mac}", "[[{mac}") };
    let enc = format!("[{}]", "0".repeat(tap.file_data.len() * 2));
    let theirs = window.replace("{enc}", &enc).replace("{picc}", "{picc:uid+ctr}");
    let mode = if tag.lrp { CryptoMode::Lrp } else { CryptoMode::Aes };
    let config =
        sdm_url_config(&theirs, mode, SdmUrlOptions::default()).unwrap_or_else(|error| panic!("{theirs}: {error}"));
    let shift = i32::try_from(config.prefix_len).unwrap() - i32::try_from(config.offset).unwrap();
    let verifier = Verifier::try_new(&config.sdm_settings, mode).unwrap().with_offset(shift).unwrap();
    verifier.verify_with_meta_key(url.as_bytes(), &tag.file_key, &tag.meta_key).ok()
}

/// UID, counter, file data, tamper status.
type Said = (Option<[u8; 7]>, Option<u32>, Option<Vec<u8>>, Option<bool>);

fn ours(template: &str, tag: &Tag, url: &str) -> Option<Said> {
    let mode = if tag.lrp { Mode::Lrp } else { Mode::Aes };
    let layout = SdmLayout::new(mode, template).unwrap();
    let tap = layout.parse(url).ok()?;
    let claimed = if template.contains("{picc}") {
        tap.open(&SdmMetaReadKey::from_bytes(tag.meta_key).prepare(mode)).ok()?
    } else {
        tap.read_plain().ok()?
    };
    let key = SdmFileReadKey::from_bytes(tag.file_key).prepare(mode);
    let (fresh, replayable);
    let message = if claimed.ctr().is_some() {
        fresh = claimed.verify(&key).ok()?;
        fresh.message()
    } else {
        replayable = claimed.verify_replayable(&key).ok()?;
        replayable.message()
    };
    let mut buffer = [0; 128];
    Some((
        message.uid().map(|uid| *uid.as_bytes()),
        message.ctr().map(suntap::SdmReadCtr::get),
        message.file_data(&mut buffer).ok().map(<[u8]>::to_vec),
        message.tamper().map(|tt| tt.perm() == b'O' || tt.curr() == b'O'),
    ))
}

proptest! {
    #[test]
    fn both_say_the_same_of_a_tap(
        lrp: bool, meta_key: [u8; 16], file_key: [u8; 16], uid: [u8; 7], ctr in 1u32..0x0100_0000, padding: [u8; 12],
        blocks in 1usize..3, data: [u8; 32], tt in prop::sample::select(vec![*b"CC", *b"OC", *b"OO"]),
        template in prop::sample::select(TEMPLATES), place: prop::sample::Index, bit in 0u32..4,
    ) {
        let tag = Tag { lrp, meta_key, file_key, uid };
        let tap = Tap { ctr, padding, file_data: data[..16 * blocks].to_vec(), tt };
        let Written { url, digits, .. } = tag.write(template, &tap);
        let theirs = peer(template, &tag, &tap, &url);
        let theirs = theirs.map(|tap| (tap.uid, tap.read_ctr, tap.enc_file_data, tap.tamper_status.map(|tt| tt.is_tampered())));
        prop_assert!(theirs.is_some());
        prop_assert_eq!(ours(template, &tag, &url), theirs);

        // And neither takes one with another digit.
        let at = digits[place.index(digits.len())];
        let mut forged = url.into_bytes();
        forged[at] ^= 1 << bit;
        let forged = String::from_utf8(forged).unwrap();
        prop_assert_eq!(ours(template, &tag, &forged), None);
        prop_assert_eq!(peer(template, &tag, &tap, &forged), None);
    }

    #[test]
    fn both_derive_the_same_key(master: [u8; 16], input in prop::collection::vec(any::<u8>(), 1..=31)) {
        let key: SdmFileReadKey = an10922::derive(&MasterKey::from_bytes(master).prepare(), &[&input]).unwrap();
        prop_assert_eq!(key.expose_bytes(), &diversify_aes128(&master, &input));
    }
}
