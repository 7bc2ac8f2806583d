//! The tour: three broken taps, and what is wrong with each.

use std::io::{self, Write};

use suntap::diagnose::{Assumptions, GivenKey, Role, diagnose};
use suntap::emulator::EmulatedTag;
use suntap::kdf::an10922;
use suntap::{MasterKey, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid, sdm_layout};

use super::report;
use crate::style::HEADING;

static PLAIN: SdmLayout = sdm_layout!("https://example.com/?uid={uid}&ctr={ctr}&mac={mac}");
static SHOP: SdmLayout = sdm_layout!("https://shop.example/t?p={picc:uid,ctr}&c={mac}");

/// Diagnoses the three taps. Returns `true` if each has the expected finding first.
pub(super) fn run(out: &mut impl Write) -> io::Result<bool> {
    heading(out, "1. A plain tap whose MAC never matches. The key is right: 16 zero bytes.")?;
    writeln!(out, "   Assumed: {PLAIN}\n")?;
    let keys = [GivenKey { name: "zero", key: &[0; 16], role: Role::Any }];
    let url = "https://example.com/?uid=04494ACAFD1990&ctr=00001E&mac=E8E4FD1BDC5005D3";
    let first = show(&Assumptions { layout: Some(&PLAIN), keys: &keys, ..Assumptions::about(url) }, "mac-input", out)?;

    writeln!(out)?;
    heading(out, "2. An encrypted tap that does not even open.")?;
    writeln!(out)?;
    let url = "https://sdm.example/tag?picc_data=EF963FF7828658A599F3041510671E&cmac=94EED9EE65337086";
    let second = show(&Assumptions::about(url), "picc-data-length", out)?;

    writeln!(out)?;
    heading(out, "3. A tap that works with zero keys, but not with your own.")?;
    writeln!(out, "   Assumed: {SHOP}, and that the key \"mine\" is the SDMFileReadKey\n")?;
    let (meta, mine) = ([0x51; 16], [0x52; 16]);
    let keys = [
        GivenKey { name: "meta", key: &meta, role: Role::Meta },
        GivenKey { name: "mine", key: &mine, role: Role::Any },
    ];
    let url = diversified_tap(meta, mine).ok_or_else(|| io::Error::other("the emulated tag does not tap"))?;
    let third =
        show(&Assumptions { layout: Some(&SHOP), keys: &keys, ..Assumptions::about(&url) }, "derived-key", out)?;
    writeln!(out, "\nFor your own tap: suntap doctor 'URL' (see --help)")?;
    Ok(first && second && third)
}

/// Returns a tap of a tag whose file key is derived from `master`.
fn diversified_tap(meta: [u8; 16], master: [u8; 16]) -> Option<String> {
    let uid = Uid::from_hex("04A39493CC8680").ok()?;
    let master = MasterKey::from_bytes(master);
    let file: SdmFileReadKey = an10922::derive(&master, &[uid.as_bytes()]).ok()?;
    let mut tag = EmulatedTag::new(&SHOP, &TagTexts::default(), SdmMetaReadKey::from_bytes(meta), file, uid).ok()?;
    Some(tag.tap().ok()?.to_string())
}

fn heading(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "{HEADING}{text}{HEADING:#}")
}

/// Writes the diagnosis. Returns `true` if its first finding has the expected code.
fn show(assumptions: &Assumptions<'_>, expected: &str, out: &mut impl Write) -> io::Result<bool> {
    let diagnosis = diagnose(assumptions);
    report::text(assumptions, &diagnosis, out)?;
    Ok(diagnosis.findings().first().is_some_and(|finding| finding.code() == expected))
}
