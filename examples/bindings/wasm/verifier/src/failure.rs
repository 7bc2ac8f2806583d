//! The errors, as the host sees them.

use alloc::string::{String, ToString};
use core::fmt::Display;

use suntap::{CommitError, Error};
use suntap_bindings::Failure as Cause;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::Mark;

/// Why a call failed: a code of `suntap-bindings`, and a text for the log.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Failure {
    code: &'static str,
    message: String,
    stored: Option<Mark>,
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

    /// Returns the stored mark, if the tap is a replay.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn stored(&self) -> Option<Mark> {
        self.stored
    }
}

impl Failure {
    /// Returns the error for a refused tap.
    pub(crate) fn tap<S>(error: Error<S>) -> Self {
        Cause::from(error).into()
    }

    /// Returns the error for an argument that the host checked already.
    pub(crate) fn argument(message: &str) -> Self {
        Self { code: suntap_bindings::Code::InvalidArgument.name(), message: message.into(), stored: None }
    }
}

impl<S> From<Cause<S>> for Failure
where
    Cause<S>: Display,
{
    fn from(cause: Cause<S>) -> Self {
        let stored = match &cause {
            Cause::Tap(Error::Commit(CommitError::Replayed { stored, .. })) => Some(Mark::from(*stored)),
            _ => None,
        };
        Self { code: cause.code().name(), message: cause.to_string(), stored }
    }
}
