//! Finds out why a tap does not verify.

use std::collections::BTreeMap;

use pyo3::prelude::*;
use pyo3::types::{PyInt, PyMapping, PyString};
use suntap::diagnose::{Assumptions, Conclusion, GivenKey, Role};
use suntap::{SdmLayout, SdmReadCtr};
use suntap_bindings::{Code, Failure, may_be_key};

use crate::emulator::layout;
use crate::errors;
use crate::input::{self, Key};

/// A fault in a tap or in what you assumed about it, or a remark.
#[pyclass(frozen, get_all, module = "suntap")]
#[derive(Clone)]
pub(crate) struct Finding {
    /// The short name, for example ``mac-input``. It does not change between versions.
    code: &'static str,
    /// The text, which says what is wrong and what to do.
    text: String,
    /// ``True`` for a fault, ``False`` for a remark.
    is_fault: bool,
}

#[pymethods]
impl Finding {
    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Finding('{}', {})", self.code, PyString::new(py, &self.text).repr()?))
    }

    fn __str__(&self) -> &str {
        &self.text
    }
}

/// The result of ``diagnose``: what is wrong with a tap. Show it only to the owner of the tag.
#[pyclass(frozen, get_all, module = "suntap")]
pub(crate) struct Diagnosis {
    /// ``healthy``; ``explained`` if the search found how the tap was made, and something is wrong; or
    /// ``unexplained``.
    verdict: &'static str,
    /// The findings. Faults come before remarks.
    findings: Vec<Finding>,
    /// A template that verifies the tap.
    template: Option<String>,
    /// The scheme that the tag uses.
    scheme: Option<&'static str>,
    /// The source of the SDMMetaReadKey, such as the name of a given key. It does not contain the key.
    meta_key: Option<String>,
    /// The source of the SDMFileReadKey, such as the name of a given key. It does not contain the key.
    file_key: Option<String>,
    /// The UID in the tap. It may be forged if ``is_proven`` is ``False``.
    uid: Option<String>,
    /// The counter in the tap. It may be forged if ``is_proven`` is ``False``.
    ctr: Option<u32>,
    /// ``True`` if only the tag can have made the tap.
    is_proven: bool,
    /// The work of the search, in MACs.
    tried: u32,
    /// ``False`` if the search stopped before it tried everything.
    is_complete: bool,
}

#[pymethods]
impl Diagnosis {
    /// ``True`` if the tap verifies and everything that was assumed is right.
    #[getter]
    fn is_healthy(&self) -> bool {
        self.verdict == "healthy"
    }

    fn __repr__(&self) -> String {
        let codes: Vec<_> = self.findings.iter().map(|finding| finding.code).collect();
        format!("Diagnosis('{}', [{}])", self.verdict, codes.join(", "))
    }
}

impl Diagnosis {
    fn new(found: &suntap::diagnose::Diagnosis<'_>) -> Self {
        let findings = found.findings().iter().map(|finding| Finding {
            code: finding.code(),
            text: finding.to_string(),
            is_fault: finding.is_fault(),
        });
        let explanation = found.explanation.as_ref();
        let contents = found.contents.as_ref();
        Self {
            verdict: match found.conclusion {
                Conclusion::Healthy => "healthy",
                Conclusion::Explained => "explained",
                Conclusion::Unexplained => "unexplained",
            },
            findings: findings.collect(),
            template: explanation.and_then(|found| found.layout.as_ref()).map(|layout| layout.template().to_owned()),
            scheme: explanation.map(|found| found.scheme.name()),
            meta_key: explanation.and_then(|found| found.meta_key.as_ref()).map(|(_, source)| source.to_string()),
            file_key: explanation.and_then(|found| found.file_key.as_ref()).map(|(_, source)| source.to_string()),
            uid: contents.and_then(|contents| contents.uid).map(|uid| uid.to_string()),
            ctr: contents.and_then(|contents| contents.ctr).map(SdmReadCtr::get),
            is_proven: contents.is_some_and(|contents| contents.is_proven),
            tried: found.tried,
            is_complete: found.complete,
        }
    }
}

/// Finds out why a tap does not verify, and what to do.
///
/// Only ``url`` is needed. Everything else is what you think is true about the tag; ``keys`` has other keys
/// that may belong to it, by name. The key of a new chip is always tried. The search can take seconds, and
/// other threads run meanwhile.
///
/// Raises ``InvalidTemplate``, ``InvalidKey`` or ``InvalidArgument``.
#[pyfunction]
#[pyo3(signature = (
    url, template=None, *, meta_read_key=None, file_read_key=None, master_key=None, keys=None, suffixes=None,
    scheme="aes", uid=None, second_url=None, stored_ctr=None
))]
#[allow(clippy::too_many_arguments, reason = "Python names the arguments")]
#[allow(clippy::needless_pass_by_value, reason = "pyo3 creates the lists")]
pub(crate) fn diagnose(
    py: Python<'_>,
    url: &Bound<'_, PyString>,
    template: Option<&str>,
    meta_read_key: Option<&Bound<'_, PyAny>>,
    file_read_key: Option<&Bound<'_, PyAny>>,
    master_key: Option<&Bound<'_, PyAny>>,
    keys: Option<&Bound<'_, PyMapping>>,
    suffixes: Option<Vec<Vec<u8>>>,
    scheme: &str,
    uid: Option<&str>,
    second_url: Option<&Bound<'_, PyString>>,
    stored_ctr: Option<&Bound<'_, PyInt>>,
) -> PyResult<Diagnosis> {
    let failed = |failure: Failure| errors::from_failure(py, &failure);
    let read = template.map(|template| layout(scheme, template));
    let read: Option<SdmLayout> = read.transpose().map_err(failed)?;
    let mut named: Vec<(String, Key, Role)> = Vec::new();
    let roles = [
        ("meta_read_key", meta_read_key, Role::Meta),
        ("file_read_key", file_read_key, Role::File),
        ("master_key", master_key, Role::Any),
    ];
    for (name, key, role) in roles {
        if let Some(key) = key {
            named.push((name.to_owned(), Key::read(name, key)?, role));
        }
    }
    let given: Option<Vec<(String, Bound<'_, PyAny>)>> = keys.map(|keys| keys.items()?.extract()).transpose()?;
    for (name, key) in given.into_iter().flatten().collect::<BTreeMap<_, _>>() {
        if may_be_key(&name) {
            return Err(errors::new(
                py,
                Code::InvalidArgument,
                "keys: a name has 24 or more hexadecimal digits, like a key",
            ));
        }
        if named.iter().any(|(other, ..)| *other == name) {
            return Err(errors::new(py, Code::InvalidArgument, &format!("two keys have the name {name}")));
        }
        let key = Key::read(&name, &key)?;
        named.push((name, key, Role::Any));
    }
    let uid = uid.map(|uid| input::uid(py, uid)).transpose()?;
    let stored_ctr = stored_ctr.map(input::ctr).transpose()?;
    let (url, second_url) = (input::url(url), second_url.map(input::url));
    let suffixes = suffixes.unwrap_or_default();
    // The search can take seconds, so other threads run in the meantime.
    Ok(py.detach(|| {
        let given = named.iter().map(|(name, key, role)| GivenKey { name, key: key.bytes(), role: *role });
        let given: Vec<GivenKey<'_>> = given.collect();
        let suffixes: Vec<&[u8]> = suffixes.iter().map(Vec::as_slice).collect();
        let assumptions = Assumptions {
            layout: read.as_ref(),
            keys: &given,
            suffixes: &suffixes,
            uid,
            second_url: second_url.as_deref(),
            stored_ctr,
            ..Assumptions::about(&url)
        };
        Diagnosis::new(&suntap::diagnose::diagnose(&assumptions))
    }))
}
