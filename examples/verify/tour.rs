//! One tap step by step, for someone who has never seen inside one.

use std::io::Write;

use suntap::sun::session::{self, MacKey};
use suntap::{
    CommitError, Error, MemoryCounters, Scheme, SdmFileReadKey, SdmLayout, SdmMac, SdmMetaReadKey, Verifier, sdm_layout,
};

/// NXP AN12196 Rev 1.8, §4.4.4.2.1.
const URL: &str = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");

pub(crate) fn run(out: &mut impl Write) -> Result<bool, Box<dyn std::error::Error>> {
    let meta_key = SdmMetaReadKey::FACTORY.prepare(Scheme::Aes);
    let file_key = SdmFileReadKey::FACTORY.prepare(Scheme::Aes);
    let mut counters = MemoryCounters::<2>::new();

    writeln!(
        out,
        "The sample tap of NXP AN12196 (Rev 1.8, 4.4.4.2.1). Its keys are those of a new chip: 16 zero bytes.\n"
    )?;
    writeln!(out, "  tap       {URL}")?;
    writeln!(out, "  template  {LAYOUT}\n")?;

    let tap = LAYOUT.parse(URL)?;
    writeln!(out, "1. The text fits the template: 32 digits of PICCData, 16 digits of SDMMAC.\n")?;

    let claimed = tap.open(&meta_key)?;
    let (uid, ctr) = (claimed.uid().ok_or("no UID")?, claimed.ctr().ok_or("no counter")?);
    writeln!(out, "2. PICCData is decrypted with the SDMMetaReadKey. It claims, and nobody has proved yet:")?;
    writeln!(out, "     UID                   {uid}")?;
    writeln!(out, "     SDMReadCtr            {ctr}\n")?;

    let session_key = MacKey::derive(&file_key, Some(uid), Some(ctr)).ok_or("the chip has no session keys")?;
    writeln!(out, "3. From the SDMFileReadKey, for this UID and counter, a session key is derived:")?;
    writeln!(out, "     SV2                   {}", hex(&session::sv2(Some(uid), Some(ctr))))?;
    writeln!(out, "     SesSDMFileReadMACKey  {}\n", hex(session_key.expose_bytes()))?;

    let cmac = session_key.cmac(b"");
    writeln!(out, "4. With it the MAC is computed, over no text (the template has no [[), and compared:")?;
    writeln!(out, "     CMAC                  {}", hex(&cmac))?;
    writeln!(out, "     every second byte     {}", hex(SdmMac::truncate(&cmac).as_bytes()))?;
    let verified = claimed.verify(&file_key)?;
    writeln!(out, "     SDMMAC of the tap     94EED9EE65337086   equal: made by a holder of the key\n")?;
    let fresh = verified.commit(&mut counters, None)?;
    writeln!(out, "5. The counter of the tag moves forward in the store: none before, {} now.\n", fresh.mark().ctr)?;
    writeln!(out, "   Verdict: genuine and new. UID {uid}\n")?;

    writeln!(out, "6. The same tap again, with Verifier::admit, which does steps 1 to 5:")?;
    let door = Verifier::new(&LAYOUT, SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY)?;
    match door.admit(URL, &mut counters, None) {
        Err(why @ Error::Commit(CommitError::Replayed { .. })) => {
            writeln!(out, "     genuine, but a {why}\n")?;
            writeln!(out, "   Verdict: refused.")?;
            Ok(true)
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err("the same tap was accepted twice".into()),
    }
}

fn hex(bytes: &[u8]) -> String {
    base16ct::upper::encode_string(bytes)
}
