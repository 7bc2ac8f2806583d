//! The WebAssembly module that says why a tap does not verify.
//!
//! This is the interface that the TypeScript code in `../../src` uses, not the one of the npm package.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod diagnosis;
mod failure;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use suntap::diagnose::{Assumptions, GivenKey, Role, diagnose};
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmReadCtr, Uid};
use suntap_bindings::{Failure as Cause, may_be_key};
use suntap_wasm_shared::read_key;
use wasm_bindgen::prelude::wasm_bindgen;

pub use diagnosis::{Diagnosis, Explanation, Finding};
pub use failure::Failure;

/// A key with its name and its role. The key has a place of its own on the heap, so that a growing list leaves no copies.
struct Key {
    name: String,
    value: Box<SdmFileReadKey>,
    role: Role,
}

/// What is known about a tap. The host adds what it knows, and calls [`Doctor::diagnose`]. The keys are wiped when the
/// host frees the doctor.
#[wasm_bindgen]
pub struct Doctor {
    url: String,
    layout: Option<SdmLayout>,
    keys: Vec<Key>,
    suffixes: Vec<Vec<u8>>,
    aid: Option<[u8; 3]>,
    uid: Option<Uid>,
    second_url: Option<String>,
    stored_ctr: Option<SdmReadCtr>,
}

#[wasm_bindgen]
impl Doctor {
    /// Creates a doctor for a URL.
    #[must_use]
    #[wasm_bindgen(constructor)]
    pub fn new(url: String) -> Self {
        Self {
            url,
            layout: None,
            keys: Vec::new(),
            suffixes: Vec::new(),
            aid: None,
            uid: None,
            second_url: None,
            stored_ctr: None,
        }
    }

    /// Sets the assumed layout.
    ///
    /// # Errors
    /// Fails if the template or the scheme is invalid.
    pub fn layout(&mut self, scheme: &str, template: &str) -> Result<(), Failure> {
        let scheme: Scheme = scheme.parse().map_err(|_| Cause::Scheme)?;
        self.layout = Some(SdmLayout::new(scheme, template).map_err(Cause::from)?);
        Ok(())
    }

    /// Adds a key. The key has 16 bytes, or it is text: the bytes of 32 hexadecimal digits. `role` is `meta`, `file` or
    /// `any`.
    ///
    /// # Errors
    /// Fails if the key or the role is invalid, or if the name may be a key.
    pub fn key(&mut self, name: String, key: Vec<u8>, role: &str) -> Result<(), Failure> {
        let key = on_wiped_stack(|| read_key(key, SdmFileReadKey::from_bytes, SdmFileReadKey::from_hex).map(Box::new));
        let role = match role {
            "meta" => Role::Meta,
            "file" => Role::File,
            "any" => Role::Any,
            _ => return Err(Failure::argument("the role of a key must be meta, file or any")),
        };
        if may_be_key(&name) {
            return Err(Failure::argument("the name of a key has 24 or more hexadecimal digits, like a key"));
        }
        self.keys.push(Key { name, value: key.ok_or(Cause::Key)?, role });
        Ok(())
    }

    /// Adds a suffix of the AN10922 input.
    pub fn suffix(&mut self, suffix: Vec<u8>) {
        self.suffixes.push(suffix);
    }

    /// Sets the application identifier.
    ///
    /// # Errors
    /// Fails if it does not have 3 bytes.
    pub fn aid(&mut self, aid: &[u8]) -> Result<(), Failure> {
        self.aid = Some(aid.try_into().map_err(|_| Failure::argument("the aid must have 3 bytes"))?);
        Ok(())
    }

    /// Sets the assumed UID.
    ///
    /// # Errors
    /// Fails if it does not have 14 hexadecimal digits.
    pub fn uid(&mut self, uid: &str) -> Result<(), Failure> {
        let wrong = |_| Failure::argument("the uid must have 14 hexadecimal digits");
        self.uid = Some(Uid::from_hex(uid).map_err(wrong)?);
        Ok(())
    }

    /// Sets the URL of a later tap.
    pub fn second(&mut self, url: String) {
        self.second_url = Some(url);
    }

    /// Sets the stored counter.
    ///
    /// # Errors
    /// Fails if it has more than 24 bits.
    pub fn stored(&mut self, ctr: u32) -> Result<(), Failure> {
        let wrong = || Failure::argument("the stored counter must be an integer from 0 to 16777215");
        self.stored_ctr = Some(SdmReadCtr::new(ctr).ok_or_else(wrong)?);
        Ok(())
    }

    /// Finds out what is wrong.
    #[must_use]
    pub fn diagnose(&self) -> Diagnosis {
        let keys: Vec<GivenKey<'_>> = self
            .keys
            .iter()
            .map(|Key { name, value, role }| GivenKey { name, key: value.expose_bytes(), role: *role })
            .collect();
        let suffixes: Vec<&[u8]> = self.suffixes.iter().map(Vec::as_slice).collect();
        let assumptions = Assumptions {
            layout: self.layout.as_ref(),
            keys: &keys,
            suffixes: &suffixes,
            aid: self.aid.as_ref(),
            uid: self.uid,
            second_url: self.second_url.as_deref(),
            stored_ctr: self.stored_ctr,
            ..Assumptions::about(&self.url)
        };
        on_wiped_stack(|| Diagnosis::new(&diagnose(&assumptions)))
    }
}

impl fmt::Debug for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.keys.iter().map(|key| key.name.as_str()).collect();
        f.debug_struct("Doctor").field("keys", &names).finish_non_exhaustive()
    }
}

/// Calls `action`, and wipes 64 KiB of the stack that it used.
fn on_wiped_stack<T>(action: impl FnOnce() -> T) -> T {
    suntap_wasm_shared::on_wiped_stack::<8192, _>(action)
}
