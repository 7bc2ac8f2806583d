//! Verifies one tap step by step, and then refuses the same tap as a replay.
//!
//! ```text
//! cargo run --example verify
//! ```
//!
//! To verify taps of your own, use the tool in `examples/cli`.

use std::error::Error;

use suntap::sun::session::{self, MacKey};
use suntap::{
    CommitError, MemoryCounters, Scheme, SdmFileReadKey, SdmLayout, SdmMac, SdmMetaReadKey, Verifier, sdm_layout,
};

/// NXP AN12196 Rev 1.8, §4.4.4.2.1.
const URL: &str = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");

fn main() -> Result<(), Box<dyn Error>> {
    let meta_key = SdmMetaReadKey::FACTORY.prepare(Scheme::Aes);
    let file_key = SdmFileReadKey::FACTORY.prepare(Scheme::Aes);
    let mut counters = MemoryCounters::<2>::new();

    println!("The sample tap of NXP AN12196 (Rev 1.8, 4.4.4.2.1). Its keys are those of a new chip: 16 zero bytes.\n");
    println!("  tap       {URL}");
    println!("  template  {LAYOUT}\n");

    let tap = LAYOUT.parse(URL)?;
    println!("1. The text fits the template: 32 digits of PICCData, 16 digits of SDMMAC.\n");

    let claimed = tap.open(&meta_key)?;
    let (uid, ctr) = (claimed.uid().ok_or("no UID")?, claimed.ctr().ok_or("no counter")?);
    println!("2. PICCData is decrypted with the SDMMetaReadKey. It claims, and nobody has proved yet:");
    println!("     UID                   {uid}");
    println!("     SDMReadCtr            {ctr}\n");

    let session_key = MacKey::derive(&file_key, Some(uid), Some(ctr)).ok_or("the chip has no session keys")?;
    println!("3. From the SDMFileReadKey, for this UID and counter, a session key is derived:");
    println!("     SV2                   {}", hex(&session::sv2(Some(uid), Some(ctr))));
    println!("     SesSDMFileReadMACKey  {}\n", hex(session_key.expose_bytes()));

    let cmac = session_key.cmac(b"");
    println!("4. With it the MAC is computed, over no text (the template has no [[), and compared:");
    println!("     CMAC                  {}", hex(&cmac));
    println!("     every second byte     {}", hex(SdmMac::truncate(&cmac).as_bytes()));
    let verified = claimed.verify(&file_key)?;
    println!("     SDMMAC of the tap     94EED9EE65337086   equal: made by a holder of the key\n");
    let fresh = verified.commit(&mut counters, None)?;
    println!("5. The counter of the tag moves forward in the store: none before, {} now.\n", fresh.mark().ctr);
    println!("   Verdict: genuine and new. UID {uid}\n");

    println!("6. The same tap again, with Verifier::admit, which does steps 1 to 5:");
    let door = Verifier::new(&LAYOUT, SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY)?;
    match door.admit(URL, &mut counters, None) {
        Err(why @ suntap::Error::Commit(CommitError::Replayed { .. })) => {
            println!("     genuine, but a {why}\n");
            println!("   Verdict: refused.");
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Err("the same tap was accepted twice".into()),
    }
}

fn hex(bytes: &[u8]) -> String {
    base16ct::upper::encode_string(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_sample_is_accepted_once() {
        assert!(super::main().is_ok());
    }
}
