//! Runs taps and restarts on a flash. The power may fail at any byte of a write or any page of an erase. No
//! acknowledged counter is lost.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use suntap_testkit::flash::{Step, keeps_what_it_acknowledged};

#[derive(Arbitrary, Debug)]
enum StepInput {
    Advance { tag: u8, by: u8 },
    Repeat { tag: u8 },
    Again { tag: u8 },
    Restart,
    Cut { fuel: u16, noise: u32 },
}

fuzz_target!(|steps: Vec<StepInput>| {
    keeps_what_it_acknowledged(steps.into_iter().take(400).map(|step| match step {
        StepInput::Advance { tag, by } => Step::Advance { tag: tag % 6, by: 1 + u32::from(by % 3) },
        StepInput::Repeat { tag } => Step::Repeat { tag: tag % 6 },
        StepInput::Again { tag } => Step::Again { tag: tag % 6 },
        StepInput::Restart => Step::Restart,
        StepInput::Cut { fuel, noise } => Step::Cut { fuel: usize::from(fuel) % 3000, noise },
    }));
});
