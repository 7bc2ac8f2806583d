//! The verifier.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};
use suntap::{CounterStore, SdmLayout, UnixMillis};
use suntap_bindings::{Failure, MetaKey, Settings};

use crate::store::PyStore;
use crate::tap::{FreshTap, VerifiedTap, refused};
use crate::{errors, input};

/// Verifies the taps of all tags with one template. See the type stub.
#[pyclass(frozen, module = "suntap")]
pub(crate) struct Verifier(suntap_bindings::Verifier);

impl Verifier {
    pub(crate) fn layout(&self) -> &SdmLayout {
        self.0.layout()
    }

    /// Verifies a tap. The caller must commit it.
    fn verified<'a>(&'a self, py: Python<'_>, url: &'a str) -> PyResult<suntap::VerifiedTap<'a>> {
        let verify = || self.0.verify(input::presented(url));
        // A tap in LRP mode takes long enough for other threads to run. To release the lock of the interpreter for a tap in
        // AES mode would cost more than it gains.
        let is_slow = self.layout().scheme() == suntap::Scheme::Lrp;
        let verified = if is_slow { py.detach(verify) } else { verify() };
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
        let fresh = self.verified(py, url)?.commit(store, at).map_err(|error| refused(py, error))?;
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

    #[getter]
    fn template(&self) -> &str {
        self.layout().template()
    }

    #[getter]
    fn scheme(&self) -> &'static str {
        self.layout().scheme().name()
    }

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
