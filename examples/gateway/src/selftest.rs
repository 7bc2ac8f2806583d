//! Runs the known-answer vectors on this chip.

use semihosting::println;
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey};

struct Vector {
    lrp: bool,
    url: &'static str,
    template: &'static str,
    meta: &'static str,
    file: &'static str,
    genuine: bool,
    /// 0 if the tag does not mirror its counter.
    ctr: u64,
}

static VECTORS: &[Vector] = include!(concat!(env!("OUT_DIR"), "/vectors.rs"));

pub(crate) fn run() {
    let (mut right, mut lrp) = (0usize, 0usize);
    for vector in VECTORS {
        let found = verify(vector);
        if found == vector.genuine.then_some(vector.ctr) {
            right += 1;
            lrp += usize::from(vector.lrp);
        } else {
            println!("wrong: {}", vector.url);
        }
    }
    println!("vectors {right} of {}", VECTORS.len());
    println!("of these {lrp} in LRP mode");
}

/// Returns the counter of the tap if it verifies, or 0 if it has no counter.
fn verify(vector: &Vector) -> Option<u64> {
    let mode = if vector.lrp { Scheme::Lrp } else { Scheme::Aes };
    let layout = SdmLayout::new(mode, vector.template).ok()?;
    let tap = layout.parse(vector.url).ok()?;
    let claimed = if vector.template.contains("{picc") {
        tap.open(&SdmMetaReadKey::from_hex(vector.meta).ok()?.prepare(mode)).ok()?
    } else {
        tap.read_plain().ok()?
    };
    let key = SdmFileReadKey::from_hex(vector.file).ok()?.prepare(mode);
    match claimed.ctr() {
        Some(_) => claimed.verify(&key).ok().map(|tap| tap.ctr().get().into()),
        None => claimed.verify_replayable(&key).ok().map(|_| 0),
    }
}
