//! A tag in software.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyMapping, PyString};
use suntap::{ConfigError, Field, SdmLayout, SdmMetaReadKey, SdmReadCtr, SettingsError, TagTexts};
use suntap_bindings::{Code, Failure, FileKey};

use crate::{errors, input};

/// A tag in software, for tests and demonstrations. **Give it only keys that no real tag uses.**
///
/// It was just set up with this template, UID (14 hexadecimal digits) and these keys, as for ``Verifier``.
/// ``ctr`` is the number of earlier reads. ``file_data`` is the text that ``{enc}`` encrypts, and
/// ``captured`` has the text of each ``{:name}``.
///
/// Raises the exceptions of ``Verifier``; ``InvalidSettings`` also if no chip can write this template.
#[pyclass(frozen, module = "suntap")]
pub(crate) struct EmulatedTag {
    tag: Mutex<suntap::emulator::EmulatedTag>,
    template: String,
}

impl EmulatedTag {
    fn tag(&self) -> MutexGuard<'_, suntap::emulator::EmulatedTag> {
        self.tag.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl EmulatedTag {
    #[new]
    #[pyo3(signature = (
        template, *, uid, meta_read_key=None, file_read_key=None, master_key=None, suffix=None, epoch=None,
        scheme="aes", ctr=None, file_data="", captured=None
    ))]
    #[allow(clippy::too_many_arguments, reason = "Python names the arguments")]
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 creates the map")]
    fn new(
        py: Python<'_>,
        template: &str,
        uid: &str,
        meta_read_key: Option<&Bound<'_, PyAny>>,
        file_read_key: Option<&Bound<'_, PyAny>>,
        master_key: Option<&Bound<'_, PyAny>>,
        suffix: Option<&[u8]>,
        epoch: Option<&Bound<'_, PyInt>>,
        scheme: &str,
        ctr: Option<&Bound<'_, PyInt>>,
        file_data: &str,
        captured: Option<&Bound<'_, PyMapping>>,
    ) -> PyResult<Self> {
        let failed = |failure: Failure| errors::from_failure(py, &failure);
        let layout = layout(scheme, template).map_err(failed)?;
        let uid = input::uid(py, uid)?;
        let meta_key = match input::meta_key(meta_read_key)? {
            None if layout.has(Field::PiccData) => return Err(failed(Failure::Settings(ConfigError::NeedsMetaKey))),
            Some(_) if !layout.has(Field::PiccData) => return Err(failed(Failure::Settings(ConfigError::NoPiccData))),
            // The tag does not use this key.
            None => SdmMetaReadKey::FACTORY,
            Some(key) => key,
        };
        let file_key = match input::file_key(py, file_read_key, master_key, suffix, epoch)? {
            FileKey::Same(key) => key,
            FileKey::Derived(keys) => keys.file_read_key(uid),
        };
        let ctr = ctr.map_or(Ok(SdmReadCtr::ZERO), input::ctr)?;
        let captured: Option<Vec<(String, String)>> =
            captured.map(|captured| captured.items()?.extract()).transpose()?;
        let captured = captured.unwrap_or_default();
        let captured: Vec<(&str, &str)> = captured.iter().map(|(name, text)| (&**name, &**text)).collect();
        let texts = TagTexts { captured: &captured, file_data };
        let unfit = |error: SettingsError| errors::new(py, Code::InvalidSettings, &error.to_string());
        let tag = suntap::emulator::EmulatedTag::new(&layout, &texts, meta_key, file_key, uid).map_err(unfit)?;
        Ok(Self { tag: Mutex::new(tag.with_ctr(ctr)), template: template.to_owned() })
    }

    /// The template.
    #[getter]
    fn template(&self) -> &str {
        &self.template
    }

    /// The UID as 14 upper-case hexadecimal digits.
    #[getter]
    fn uid(&self) -> String {
        self.tag().uid().to_string()
    }

    /// The counter of the last tap.
    #[getter]
    fn ctr(&self) -> u32 {
        self.tag().ctr().get()
    }

    /// Reads the tag: advances its counter by one, and returns the URL. Raises ``RuntimeError`` after 0xFFFFFF
    /// reads.
    fn tap(&self) -> PyResult<String> {
        self.tag().tap().map(|url| url.to_string()).map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }

    /// Opens the tamper seal. The tag remembers this forever.
    fn open_seal(&self) {
        self.tag().open_seal();
    }

    /// Closes the tamper seal again.
    fn close_seal(&self) {
        self.tag().close_seal();
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let template = PyString::new(py, &self.template).repr()?;
        Ok(format!("EmulatedTag({template}, uid='{}', ctr={})", self.uid(), self.ctr()))
    }
}

/// Reads a template.
pub(crate) fn layout(scheme: &str, template: &str) -> Result<SdmLayout, Failure> {
    let scheme = scheme.parse().map_err(|_| Failure::Scheme)?;
    Ok(SdmLayout::new(scheme, template)?)
}
