//! Verifies a tap with suntap and with the crate `ntag424` (the peer), and returns both results in the same form.

use ntag424::sdm::{SdmUrlConfig, SdmUrlOptions, SdmVerification, Verifier, sdm_url_config};
use ntag424::types::file_settings::CryptoMode;
use suntap::SdmLayout;

use crate::line::{said, scheme};
use crate::{Tag, Tap};

/// Layouts that both implementations support.
pub const TEMPLATES: &[&str] = &[
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

pub fn their_mode(tag: &Tag) -> CryptoMode {
    if tag.lrp { CryptoMode::Lrp } else { CryptoMode::Aes }
}

/// Returns the layout of `template` in the template syntax of the peer.
pub fn theirs(template: &str, tag: &Tag, tap: &Tap, options: SdmUrlOptions) -> SdmUrlConfig {
    let window = if template.contains("[[") { template.to_owned() } else { template.replace("{mac}", "[[{mac}") };
    let enc = format!("[{}]", "0".repeat(tap.file_data.len() * 2));
    let theirs = window.replace("{enc}", &enc).replace("{picc}", "{picc:uid+ctr}");
    sdm_url_config(&theirs, their_mode(tag), options).unwrap_or_else(|error| panic!("{theirs}: {error}"))
}

/// Returns the verdict of the peer.
pub fn peer(template: &str, tag: &Tag, tap: &Tap, url: &str) -> Option<SdmVerification> {
    let config = theirs(template, tag, tap, SdmUrlOptions::default());
    let shift = i32::try_from(config.prefix_len).unwrap() - i32::try_from(config.offset).unwrap();
    let verifier = Verifier::try_new(&config.sdm_settings, their_mode(tag)).unwrap().with_offset(shift).unwrap();
    verifier.verify_with_meta_key(url.as_bytes(), &tag.file_key, &tag.meta_key).ok()
}

/// The UID, the counter, the file data, and `true` if the seal was opened.
pub type Told = (Option<[u8; 7]>, Option<u32>, Option<Vec<u8>>, Option<bool>);

pub fn theirs_told(template: &str, tag: &Tag, tap: &Tap, url: &str) -> Option<Told> {
    let seen = peer(template, tag, tap, url)?;
    Some((seen.uid, seen.read_ctr, seen.enc_file_data, seen.tamper_status.map(|tt| tt.is_tampered())))
}

pub fn ours_told(template: &str, tag: &Tag, url: &str) -> Option<Told> {
    let layout = SdmLayout::new(scheme(tag.lrp), template).unwrap();
    let content = said(tag, &layout, layout.parse(url).ok()?).ok()?;
    Some((content.uid, content.ctr, content.file_data, content.tt.map(|tt| tt.contains(&b'O'))))
}
