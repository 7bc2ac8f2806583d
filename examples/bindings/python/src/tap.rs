//! Verified and fresh taps. They own their content, because a Python object cannot borrow a URL.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt};
use suntap::{CounterId, Mark, SunMessage, UnixMillis};
use suntap_bindings::seal;

use crate::input;
use crate::store::{self, Answered, PyStore};
use crate::verifier::Verifier;

/// Maximum length of the decrypted file data in bytes.
const MAX_FILE_DATA: usize = 128;

/// The content of a tap.
struct Content {
    uid: Option<String>,
    ctr: u32,
    id: CounterId,
    seal: Option<&'static str>,
    captured: Vec<(String, String)>,
    file_data: Option<Vec<u8>>,
}

impl Content {
    fn new(verifier: &Verifier, message: &SunMessage<'_>, ctr: u32, id: CounterId) -> Self {
        let names = verifier.layout().names();
        let captured = names.filter_map(|name| Some((name.to_owned(), message.captured(name)?.to_owned()))).collect();
        Self {
            uid: message.uid().map(|uid| uid.to_string()),
            ctr,
            id,
            seal: seal(message.tamper()),
            captured,
            file_data: message.file_data(&mut [0; MAX_FILE_DATA]).map(<[u8]>::to_vec),
        }
    }

    fn captured<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let texts = PyDict::new(py);
        for (name, text) in &self.captured {
            texts.set_item(name, text)?;
        }
        Ok(texts)
    }

    fn repr(&self, class: &str) -> String {
        let uid = self.uid.as_ref().map_or_else(|| "None".to_owned(), |uid| format!("'{uid}'"));
        format!("{class}(uid={uid}, ctr={})", self.ctr)
    }
}

/// A genuine tap that may be a replay. Call ``commit`` before you grant anything.
#[pyclass(frozen, module = "suntap")]
pub(crate) struct VerifiedTap {
    verifier: Py<Verifier>,
    url: String,
    content: Content,
}

impl VerifiedTap {
    pub(crate) fn new(verifier: Py<Verifier>, url: String, tap: &suntap::VerifiedTap<'_>) -> Self {
        let content = Content::new(verifier.get(), tap.message(), tap.ctr().get(), tap.counter_id());
        Self { verifier, url, content }
    }
}

#[pymethods]
impl VerifiedTap {
    /// The UID as 14 upper-case hexadecimal digits, or ``None`` if the tag does not write it.
    #[getter]
    fn uid(&self) -> Option<&str> {
        self.content.uid.as_deref()
    }

    /// The counter of the tap.
    #[getter]
    fn ctr(&self) -> u32 {
        self.content.ctr
    }

    /// The id under which a store keeps the counter.
    #[getter]
    fn counter_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.content.id.as_bytes())
    }

    /// The state of the seal, or ``None`` if the template has no tamper status.
    #[getter]
    fn seal(&self) -> Option<&'static str> {
        self.content.seal
    }

    /// The texts of the ``{:name}`` elements. A text is authentic only if it is between ``[[`` and ``{mac}``.
    #[getter]
    fn captured<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.content.captured(py)
    }

    /// The decrypted ``{enc}``, or ``None`` if the template has none.
    #[getter]
    fn file_data(&self) -> Option<&[u8]> {
        self.content.file_data.as_deref()
    }

    /// Advances the counter of the tag, like ``Verifier.admit``.
    #[pyo3(signature = (store, at=None))]
    fn commit(&self, py: Python<'_>, store: &Bound<'_, PyAny>, at: Option<&Bound<'_, PyInt>>) -> PyResult<FreshTap> {
        self.verifier.get().admitted(py, &self.url, &mut PyStore(store), input::time(at)?)
    }

    /// Advances the counter of the tag, like ``Verifier.admit_async``.
    #[pyo3(signature = (store, at=None))]
    fn commit_async<'py>(
        slf: &Bound<'py, Self>,
        store: &Bound<'py, PyAny>,
        at: Option<&Bound<'py, PyInt>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, at) = (slf.py(), input::time(at)?.map(UnixMillis::get));
        py.import(intern!(py, "suntap._async"))?.call_method1(intern!(py, "commit"), (slf, store, at))
    }

    /// Returns the fresh tap if the store answered that the counter advanced. Only `_async.py` calls this method.
    ///
    /// It verifies the tap again, so that the answer of an async store is judged by the same code as any other.
    fn _conclude(&self, py: Python<'_>, answer: &Bound<'_, PyAny>) -> PyResult<FreshTap> {
        self.verifier.get().admitted(py, &self.url, &mut Answered(answer), None)
    }

    fn __repr__(&self) -> String {
        self.content.repr("VerifiedTap")
    }
}

/// A genuine tap that is not a replay. Only ``admit`` and ``commit`` return one.
#[pyclass(frozen, module = "suntap")]
pub(crate) struct FreshTap {
    content: Content,
    mark: Mark,
    previous: Option<Mark>,
}

impl FreshTap {
    pub(crate) fn new(verifier: &Verifier, tap: &suntap::FreshTap<'_>) -> Self {
        let content = Content::new(verifier, tap.message(), tap.ctr().get(), tap.counter_id());
        Self { content, mark: tap.mark(), previous: tap.previous() }
    }
}

#[pymethods]
impl FreshTap {
    /// The UID as 14 upper-case hexadecimal digits, or ``None`` if the tag does not write it.
    #[getter]
    fn uid(&self) -> Option<&str> {
        self.content.uid.as_deref()
    }

    /// The counter of the tap.
    #[getter]
    fn ctr(&self) -> u32 {
        self.content.ctr
    }

    /// The id under which the store keeps the counter.
    #[getter]
    fn counter_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.content.id.as_bytes())
    }

    /// The state of the seal, or ``None`` if the template has no tamper status.
    #[getter]
    fn seal(&self) -> Option<&'static str> {
        self.content.seal
    }

    /// The texts of the ``{:name}`` elements. A text is authentic only if it is between ``[[`` and ``{mac}``.
    #[getter]
    fn captured<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.content.captured(py)
    }

    /// The decrypted ``{enc}``, or ``None`` if the template has none.
    #[getter]
    fn file_data(&self) -> Option<&[u8]> {
        self.content.file_data.as_deref()
    }

    /// The mark that the store contains for this tag now.
    #[getter]
    fn mark<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        store::to_mark(py, self.mark)
    }

    /// The mark that the store contained before this tap, or ``None`` for the first tap of a tag.
    #[getter]
    fn previous<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.previous.map(|mark| store::to_mark(py, mark)).transpose()
    }

    fn __repr__(&self) -> String {
        self.content.repr("FreshTap")
    }
}
