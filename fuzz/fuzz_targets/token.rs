//! Edits tokens of two tags. Only a token that was minted verifies, and it is used once.
#![no_main]

use core::time::Duration;
use std::sync::OnceLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use suntap::token::{self, Grant, TokenKey};
use suntap::{MemoryCounters, Scheme, SdmFileReadKey, SdmLayout, UnixMillis};
use suntap_fuzz::edits::{Edit, edited};
use suntap_testkit::{Tag, Tap};

const TEMPLATE: &str = "https://a.b/?u={uid}&n={ctr}&c={mac}";
const AUDIENCES: [&str; 2] = ["page", "other page"];
const NOW: u64 = 1_795_000_000_000;
const LIFETIME: u64 = 60_000;

#[derive(Arbitrary, Debug)]
struct Input {
    base: u8,
    audience: bool,
    later: u32,
    edits: Vec<Edit>,
}

fn keys() -> [TokenKey; 2] {
    [TokenKey::from_bytes(1, [1; 16]), TokenKey::from_bytes(2, [2; 16])]
}

/// Tokens of two tags, under two keys, for the first audience.
fn minted() -> &'static [String] {
    static MINTED: OnceLock<Vec<String>> = OnceLock::new();
    MINTED.get_or_init(|| {
        let layout = SdmLayout::new(Scheme::Aes, TEMPLATE).unwrap();
        let mut tokens = Vec::new();
        for (uid, key) in [4, 5].into_iter().zip(keys()) {
            let tag = Tag { lrp: false, meta_key: [0; 16], file_key: [uid; 16], uid: [uid; 7] };
            for ctr in [1, 0x12_3456] {
                let url = tag.write(TEMPLATE, &Tap { ctr, padding: [0; 12], file_data: Vec::new(), tt: *b"CC" }).url;
                let tap = layout.parse(&url).unwrap().read_plain().unwrap();
                let tap = tap.verify(&SdmFileReadKey::from_bytes([uid; 16])).unwrap();
                let tap = tap.commit(&mut MemoryCounters::<2>::new(), None).unwrap();
                let grant = Grant::new(AUDIENCES[0], UnixMillis::new(NOW), Duration::from_millis(LIFETIME));
                tokens.push(key.mint(&tap, &grant.with_uid()).to_string());
            }
        }
        tokens
    })
}

fuzz_target!(|input: Input| {
    let minted = minted();
    let Some(text) = edited(minted, input.base, &input.edits) else { return };
    let now = UnixMillis::new(NOW + u64::from(input.later));
    let audience = AUDIENCES[usize::from(input.audience)];
    let claims = token::verify(&text, &keys(), audience, now, Duration::ZERO);
    let expected = minted.contains(&text) && !input.audience && u64::from(input.later) < LIFETIME;
    assert_eq!(claims.is_ok(), expected, "{text}: {claims:?}");
    if let Ok(claims) = claims {
        let mut store = MemoryCounters::<2>::new();
        assert!(claims.use_once(&mut store, now).is_ok());
        assert!(claims.use_once(&mut store, now).is_err());
    }
});
