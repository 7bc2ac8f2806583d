//! Firmware for a door without a network. It has a master key, reads one tap per line, and prints a verdict for each.
//!
//! Other lines are commands: `power cut` simulates a power cut, `stack` prints the stack use so far, `selftest` runs
//! the known-answer vectors on this chip, and `figures` measures the instructions and the stack of a verification.

#![no_std]
#![no_main]

use cortex_m_rt::entry;
use panic_halt as _;
use semihosting::{io, println, process};
use suntap::{
    An10922, CommitError, Error, FlashCounters, FlashError, Malformed, MasterKey, SdmLayout, SdmMetaReadKey, Verifier,
    sdm_layout,
};
use suntap_gateway::flash::{OutOfBounds, RamFlash};

mod figures;
mod selftest;
mod stack;

static LAYOUT: SdmLayout = sdm_layout!("https://door.example/t?e={picc:uid,ctr}&c={mac}");
/// The bytes after the UID in the diversification input.
const SUFFIX: &[u8] = b"door";
/// The maximum number of tags.
const TAGS: usize = 32;

type Counters<'f> = FlashCounters<suntap::Blocking<&'f mut RamFlash>, TAGS>;
type Refused = Error<FlashError<OutOfBounds>>;
/// The verifier with the keys of the door. A real door gets its keys when it is installed.
type Door = Verifier<An10922>;

fn door() -> Option<Door> {
    let keys = An10922::new(MasterKey::from_bytes(*b"a master key    "), SUFFIX).ok()?;
    Verifier::new(&LAYOUT, SdmMetaReadKey::from_bytes(*b"a meta read key "), keys).ok()
}

#[entry]
fn main() -> ! {
    stack::paint();
    let Some(door) = door() else { process::exit(1) };
    // `singleton!` returns `None` only from the second call.
    let Some(chip) = cortex_m::singleton!(: RamFlash = RamFlash::new()) else { process::exit(1) };
    let is_ok = serve(&door, chip);
    println!("stack: {} bytes at most", stack::used());
    process::exit(if is_ok { 0 } else { 1 })
}

/// Answers lines until the input ends. Returns `false` if the counters on flash cannot be opened.
fn serve(door: &Door, chip: &mut RamFlash) -> bool {
    let mut lines = Lines::new();
    // Verdicts after a power cut are marked, for a person who reads the output.
    let mut suffix = "";
    loop {
        let Ok(mut counters) = Counters::open_blocking(&mut *chip, RamFlash::REGION) else { return false };
        loop {
            match lines.next() {
                None => return true,
                Some("power cut") => break,
                Some("selftest") => selftest::run(),
                Some("stack") => println!("figure: stack verdicts {}", stack::used()),
                Some("figures") => figures::run(door, &mut counters),
                Some(url) => match door.admit(url, &mut counters, None) {
                    Ok(_) => println!("accepted{suffix}"),
                    Err(why) => println!("refused{suffix}\n  {}", reason(&why)),
                },
            }
        }
        suffix = " after power cut";
    }
}

/// Returns the reason for the log of the door. The person at the door sees only a red light.
fn reason(why: &Refused) -> &'static str {
    match why {
        Error::Malformed(Malformed::TooLong) => "too long",
        Error::Malformed(_) => "not of this door",
        Error::Verify(_) | Error::UnknownTag { .. } => "not authentic",
        Error::Commit(CommitError::Replayed { .. }) => "seen before",
        Error::Commit(_) => "counter store failed",
        _ => "refused",
    }
}

/// Lines of standard input. A line that is longer than any tap is truncated, so it is refused.
struct Lines {
    line: [u8; 300],
}

impl Lines {
    fn new() -> Self {
        Self { line: [0; 300] }
    }

    fn next(&mut self) -> Option<&str> {
        let mut input = io::stdin().ok()?;
        let mut len = 0;
        loop {
            let mut byte = [0];
            let read = io::Read::read(&mut input, &mut byte).ok()?;
            match byte {
                _ if read == 0 && len == 0 => return None,
                [b'\n'] => break,
                _ if read == 0 => break,
                [byte] => {
                    if let Some(place) = self.line.get_mut(len) {
                        *place = byte;
                    }
                    len += 1;
                }
            }
        }
        let line = self.line.get(..len).unwrap_or(&self.line);
        Some(core::str::from_utf8(line).unwrap_or("?"))
    }
}
