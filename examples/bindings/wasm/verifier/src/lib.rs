//! The WebAssembly module that verifies taps.
//!
//! This is the interface that the TypeScript code in `../../src` uses, not the one of the npm package. It does not call
//! the host: `Verifier::begin` verifies a tap and returns an `Admission`, which asks for the counter of the tag. The
//! host calls its store and answers with `Admission::advanced`, `stale` or `failed`.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod admission;
mod failure;
mod keys;
mod link;
mod mark;
mod tap;

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use suntap::UnixMillis;
use suntap_bindings::{Settings, presented};
use wasm_bindgen::prelude::wasm_bindgen;

pub use admission::Admission;
pub use failure::Failure;
pub use mark::{Decision, Mark, decide};
pub use tap::Tap;

/// A verifier, which owns its keys. They are wiped when the host frees the verifier and all of its admissions.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Verifier(Rc<suntap_bindings::Verifier>);

#[wasm_bindgen]
impl Verifier {
    /// Creates a verifier. A key has 16 bytes, or it is text: the bytes of 32 hexadecimal digits.
    ///
    /// # Errors
    /// Fails if the template or a key is invalid, or if they do not fit together.
    #[wasm_bindgen(constructor)]
    pub fn new(
        template: &str,
        scheme: &str,
        meta_read_key: Option<Vec<u8>>,
        file_read_key: Option<Vec<u8>>,
        master_key: Option<Vec<u8>>,
        suffix: &[u8],
        epoch: u32,
    ) -> Result<Self, Failure> {
        on_wiped_stack(|| {
            // Both are read before the first error, because reading a key also wipes its bytes.
            let meta_read_key = keys::meta(meta_read_key);
            let file_read_key = keys::file(file_read_key, master_key, suffix, epoch);
            let settings = Settings { scheme, template, meta_read_key: meta_read_key?, file_read_key: file_read_key? };
            Ok(Self(Rc::new(settings.verifier()?)))
        })
    }

    /// Verifies a tap. The tap may be a replay.
    ///
    /// # Errors
    /// Fails if the tap is malformed or not authentic.
    pub fn verify(&self, tap: &str) -> Result<Tap, Failure> {
        on_wiped_stack(|| {
            let verified = self.0.verify(presented(tap)).map_err(Failure::tap)?;
            Ok(Tap::of_verified(&verified))
        })
    }

    /// Verifies a tap, and asks for its counter. `at` is the time to store with the counter, in milliseconds.
    ///
    /// # Errors
    /// Fails if the tap is malformed or not authentic.
    pub fn begin(&self, tap: String, at: Option<u64>) -> Result<Admission, Failure> {
        Admission::begin(Rc::clone(&self.0), tap, at.map(UnixMillis::new))
    }
}

/// Calls `action`, and wipes the stack that it used: 16 KiB, of which a verification in LRP mode uses less than 4.
fn on_wiped_stack<T>(action: impl FnOnce() -> T) -> T {
    suntap_wasm_shared::on_wiped_stack::<2048, _>(action)
}
