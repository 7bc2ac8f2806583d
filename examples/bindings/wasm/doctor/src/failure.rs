//! The errors, as the host sees them.

use alloc::string::{String, ToString};

use suntap_bindings::{Code, Failure as Cause};
use wasm_bindgen::prelude::wasm_bindgen;

/// Why a call failed: a code of `suntap-bindings`, and a text for the log.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Failure {
    code: &'static str,
    message: String,
}

#[wasm_bindgen]
impl Failure {
    /// Returns the name of the code.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn code(&self) -> String {
        self.code.into()
    }

    /// Returns the text.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn message(&self) -> String {
        self.message.clone()
    }
}

impl Failure {
    pub(crate) fn argument(message: &str) -> Self {
        Self { code: Code::InvalidArgument.name(), message: message.into() }
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self { code: cause.code().name(), message: cause.to_string() }
    }
}
