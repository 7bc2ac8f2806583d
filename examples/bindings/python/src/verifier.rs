//! The verifier.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};
use suntap::{CounterStore, SdmLayout, UnixMillis};
use suntap_bindings::{Failure, MetaKey, Settings, presented};

use crate::store::PyStore;
use crate::tap::{FreshTap, VerifiedTap};
use crate::{errors, input};

/// Verifies the taps of all tags that share one template and one source of keys.
///
/// It is immutable, and several threads can share it. Create it once per program.
///
/// ``template`` is the URL as the tag writes it, with a placeholder for each part that changes: ``{picc}``
/// for the encrypted UID and counter, ``{uid}`` and ``{ctr}`` for the plain ones, ``{mac}``, ``{enc}``,
/// ``{tt}``, and ``{:name}`` for other text. ``[[`` marks the place where the MAC input begins. ``scheme``
/// is ``aes``, ``lrp`` or ``suncmac``.
///
/// Each key is 32 hexadecimal digits or 16 bytes. ``meta_read_key`` decrypts ``{picc}``. Either all tags
/// have the same ``file_read_key``, or the key of each tag is derived from ``master_key`` as in NXP
/// AN10922, from the UID and ``suffix`` (at most 24 bytes); ``epoch`` is the number of times that the keys
/// of the tags were changed.
///
/// Raises ``InvalidTemplate``, ``InvalidKey``, ``InvalidSettings`` or ``InvalidArgument``.
#[pyclass(frozen, module = "suntap")]
pub(crate) struct Verifier(suntap_bindings::Verifier);

impl Verifier {
    pub(crate) fn layout(&self) -> &SdmLayout {
        self.0.layout()
    }

    /// Verifies a tap. The caller must commit it.
    fn verified<'a>(&'a self, py: Python<'_>, url: &'a str) -> PyResult<suntap::VerifiedTap<'a>> {
        // A tap takes about 1 microsecond, or 10 in LRP mode. To release the lock of the interpreter would take longer.
        let verified = self.0.verify(presented(url));
        verified.map_err(|error| errors::from_failure(py, &Failure::Tap(error)))
    }

    /// Verifies a tap and advances its counter.
    pub(crate) fn admitted(
        &self,
        py: Python<'_>,
        url: &str,
        store: &mut impl CounterStore<Error = PyErr>,
        at: Option<UnixMillis>,
    ) -> PyResult<FreshTap> {
        let fresh = self.verified(py, url)?.commit(store, at).map_err(|error| errors::from_commit(py, error))?;
        Ok(FreshTap::new(self, &fresh))
    }
}

#[pymethods]
impl Verifier {
    #[new]
    #[pyo3(signature = (
        template, *, meta_read_key=None, file_read_key=None, master_key=None, suffix=None, epoch=None, scheme="aes"
    ))]
    #[allow(clippy::too_many_arguments, reason = "Python names the arguments")]
    fn new(
        py: Python<'_>,
        template: &str,
        meta_read_key: Option<&Bound<'_, PyAny>>,
        file_read_key: Option<&Bound<'_, PyAny>>,
        master_key: Option<&Bound<'_, PyAny>>,
        suffix: Option<&[u8]>,
        epoch: Option<&Bound<'_, PyInt>>,
        scheme: &str,
    ) -> PyResult<Self> {
        let file_read_key = input::file_key(py, file_read_key, master_key, suffix, epoch)?;
        let meta_read_key = MetaKey(input::meta_key(meta_read_key)?);
        let verifier = Settings { scheme, template, meta_read_key, file_read_key }.verifier();
        verifier.map(Self).map_err(|failure| errors::from_failure(py, &failure))
    }

    /// The template.
    #[getter]
    fn template(&self) -> &str {
        self.layout().template()
    }

    /// The scheme.
    #[getter]
    fn scheme(&self) -> &'static str {
        self.layout().scheme().name()
    }

    /// Verifies a tap and advances the counter of its tag. If this returns, the tap is genuine and new.
    ///
    /// ``url`` is the whole URL, or the path and the query that an HTTP server received, beginning with ``/``.
    /// The store keeps ``at`` with the counter: milliseconds since 1970.
    ///
    /// Raises a subclass of ``Refused``. Give untrusted clients the same answer for all of them.
    #[pyo3(signature = (url, store, at=None))]
    fn admit(
        &self,
        py: Python<'_>,
        url: &Bound<'_, PyString>,
        store: &Bound<'_, PyAny>,
        at: Option<&Bound<'_, PyInt>>,
    ) -> PyResult<FreshTap> {
        self.admitted(py, &input::url(url), &mut PyStore(store), input::time(at)?)
    }

    /// Like ``admit``, but awaits the store.
    ///
    /// A store that is not an ``AsyncStore`` blocks the event loop: see ``ThreadedStore``. If the task is
    /// cancelled, the counter may have advanced.
    #[pyo3(signature = (url, store, at=None))]
    fn admit_async<'py>(
        slf: &Bound<'py, Self>,
        url: &Bound<'py, PyString>,
        store: &Bound<'py, PyAny>,
        at: Option<&Bound<'py, PyInt>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, at) = (slf.py(), input::time(at)?.map(UnixMillis::get));
        py.import(intern!(py, "suntap._async"))?.call_method1(intern!(py, "admit"), (slf, url, store, at))
    }

    /// Verifies a tap. **This does not detect replays: a copy of a tap verifies any number of times.**
    ///
    /// Use it if you need the UID before you advance the counter, then call ``commit``. Otherwise, use
    /// ``admit``.
    fn verify(slf: &Bound<'_, Self>, url: &Bound<'_, PyString>) -> PyResult<VerifiedTap> {
        let url = input::url(url);
        let verified = slf.get().verified(slf.py(), &url)?;
        Ok(VerifiedTap::new(slf.clone().unbind(), url.clone(), &verified))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (template, scheme) = (PyString::new(py, self.template()).repr()?, self.scheme());
        Ok(format!("Verifier({template}, scheme='{scheme}')"))
    }
}
