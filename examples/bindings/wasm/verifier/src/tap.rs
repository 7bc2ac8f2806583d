//! The content of a tap, as the host sees it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use suntap::{CounterId, FreshTap, SdmReadCtr, SunMessage, VerifiedTap};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::Mark;

/// The content of a genuine tap.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Tap {
    uid: Option<String>,
    ctr: u32,
    counter_id: String,
    seal: Option<&'static str>,
    file_data: Option<Vec<u8>>,
    previous: Option<Mark>,
    taps: u32,
}

impl Tap {
    fn new(message: &SunMessage<'_>, ctr: SdmReadCtr, id: CounterId) -> Self {
        Self {
            uid: message.uid().map(|uid| uid.to_string()),
            ctr: ctr.get(),
            counter_id: id.to_string(),
            seal: suntap_bindings::seal(message.tamper()),
            file_data: message.file_data(&mut [0; 128]).map(<[u8]>::to_vec),
            previous: None,
            taps: 0,
        }
    }

    pub(crate) fn of_verified(tap: &VerifiedTap<'_>) -> Self {
        Self::new(tap.message(), tap.ctr(), tap.counter_id())
    }

    pub(crate) fn of_fresh(tap: &FreshTap<'_>) -> Self {
        let content = Self::new(tap.message(), tap.ctr(), tap.counter_id());
        Self { previous: tap.previous().map(Mark::from), taps: tap.mark().taps, ..content }
    }
}

#[wasm_bindgen]
impl Tap {
    /// Returns the UID as 14 hexadecimal digits.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn uid(&self) -> Option<String> {
        self.uid.clone()
    }

    /// Returns the counter.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn ctr(&self) -> u32 {
        self.ctr
    }

    /// Returns the counter id as 32 hexadecimal digits.
    #[must_use]
    #[wasm_bindgen(getter, js_name = counterId)]
    pub fn counter_id(&self) -> String {
        self.counter_id.clone()
    }

    /// Returns the state of the seal.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn seal(&self) -> Option<String> {
        self.seal.map(Into::into)
    }

    /// Returns the decrypted file data.
    #[must_use]
    #[wasm_bindgen(getter, js_name = fileData)]
    pub fn file_data(&self) -> Option<Vec<u8>> {
        self.file_data.clone()
    }

    /// Returns the mark that was stored before a fresh tap.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn previous(&self) -> Option<Mark> {
        self.previous
    }

    /// Returns the number of accepted taps, including a fresh tap.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn taps(&self) -> u32 {
        self.taps
    }
}
