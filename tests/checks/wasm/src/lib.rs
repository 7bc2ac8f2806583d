//! Verifies a tap as an edge worker would: the caller writes text to a buffer and gets a counter.
#![no_std]

use core::sync::atomic::{AtomicU8, Ordering};

use suntap::{CommitError, Field, MemoryCounters, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey};

/// The result for a tap that does not verify.
const REFUSED: i32 = -1;
/// The result for a tap that verifies and has no counter.
const REPLAYABLE: i32 = -2;

static BUFFER: [AtomicU8; 2048] = [const { AtomicU8::new(0) }; 2048];

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Returns the address of the buffer for the text: mode, template, URL, SDMMetaReadKey, SDMFileReadKey, one per line.
#[unsafe(no_mangle)]
pub extern "C" fn buffer() -> *const AtomicU8 {
    BUFFER.as_ptr()
}

/// Returns the counter of a tap that is fresh, and whose replay is rejected. Otherwise, returns [`REPLAYABLE`] or
/// [`REFUSED`].
#[unsafe(no_mangle)]
pub extern "C" fn verdict(len: usize) -> i32 {
    let mut text = [0; 2048];
    text.iter_mut().zip(&BUFFER).for_each(|(byte, from)| *byte = from.load(Ordering::Relaxed));
    text.get(..len).and_then(|text| str::from_utf8(text).ok()).and_then(decide).unwrap_or(REFUSED)
}

fn decide(text: &str) -> Option<i32> {
    let mut lines = text.lines();
    let mode = if lines.next()? == "lrp" { Scheme::Lrp } else { Scheme::Aes };
    let layout = SdmLayout::new(mode, lines.next()?).ok()?;
    let url = lines.next()?;
    let meta = SdmMetaReadKey::from_hex(lines.next()?).ok()?;
    let file = SdmFileReadKey::from_hex(lines.next()?).ok()?;
    let claim = || {
        let tap = layout.parse(url).ok()?;
        if layout.has(Field::PiccData) { tap.open(&meta.prepare(mode)) } else { tap.read_plain() }.ok()
    };
    let claimed = claim()?;
    if claimed.ctr().is_none() {
        return claimed.verify_replayable(&file).ok().map(|_| REPLAYABLE);
    }
    let mut counters = MemoryCounters::<2>::new();
    let fresh = claimed.verify(&file).ok()?.commit(&mut counters, None).ok()?;
    let again = claim()?.verify(&file).ok()?.commit(&mut counters, None);
    matches!(again, Err(CommitError::Replayed { .. })).then(|| i32::try_from(fresh.ctr().get()).ok())?
}
