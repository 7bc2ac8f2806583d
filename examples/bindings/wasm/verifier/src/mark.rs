//! The record that a counter store keeps for a tag, as the host sees it.

use suntap::{Advance, SdmReadCtr, UnixMillis};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::Failure;

/// The counter, the time and the number of the taps that a store accepted.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The counter of the last accepted tap.
    #[wasm_bindgen(readonly)]
    pub ctr: u32,
    /// The time of the last accepted tap, in milliseconds.
    #[wasm_bindgen(readonly)]
    pub at: Option<u64>,
    /// The number of accepted taps.
    #[wasm_bindgen(readonly)]
    pub taps: u32,
}

#[wasm_bindgen]
impl Mark {
    /// Creates a mark.
    #[must_use]
    #[wasm_bindgen(constructor)]
    pub fn new(ctr: u32, at: Option<u64>, taps: u32) -> Self {
        Self { ctr, at, taps }
    }
}

impl Mark {
    /// Returns the mark for suntap, or `None` if the counter has more than 24 bits.
    pub(crate) fn read(self) -> Option<suntap::Mark> {
        Some(suntap::Mark { ctr: SdmReadCtr::new(self.ctr)?, at: self.at.map(UnixMillis::new), taps: self.taps })
    }
}

impl From<suntap::Mark> for Mark {
    fn from(mark: suntap::Mark) -> Self {
        Self { ctr: mark.ctr.get(), at: mark.at.map(UnixMillis::get), taps: mark.taps }
    }
}

/// What a store must do with a counter.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    /// `true` if the counter advances.
    #[wasm_bindgen(readonly)]
    pub advanced: bool,
    /// The mark to store if the counter advances, otherwise the stored mark.
    #[wasm_bindgen(readonly)]
    pub mark: Mark,
}

/// Compares a counter with the stored mark.
///
/// # Errors
/// Fails if a counter has more than 24 bits.
#[wasm_bindgen]
pub fn decide(stored: Option<Mark>, ctr: u32, at: Option<u64>) -> Result<Decision, Failure> {
    let wrong = || Failure::argument("the counter must be an integer from 0 to 16777215");
    let stored = stored.map(|mark| mark.read().ok_or_else(wrong)).transpose()?;
    Ok(match Advance::decide(stored, SdmReadCtr::new(ctr).ok_or_else(wrong)?, at.map(UnixMillis::new)) {
        Advance::Advanced { now, .. } => Decision { advanced: true, mark: now.into() },
        Advance::Stale { stored } => Decision { advanced: false, mark: stored.into() },
    })
}
