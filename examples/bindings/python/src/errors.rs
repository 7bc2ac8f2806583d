//! Raises the exceptions of `python/suntap/_errors.py`.

use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use suntap::{CommitError, Error};
use suntap_bindings::{Code, Failure};

use crate::store;

/// Returns the name of the class in `_errors.py`.
const fn class(code: Code) -> &'static str {
    match code {
        Code::Malformed => "Malformed",
        Code::NotAuthentic => "NotAuthentic",
        Code::NoCounter => "NoCounter",
        Code::Replayed => "Replayed",
        Code::StoreFailed => "StoreFailed",
        Code::InvalidTemplate => "InvalidTemplate",
        Code::InvalidKey => "InvalidKey",
        Code::InvalidSettings => "InvalidSettings",
        Code::InvalidArgument => "InvalidArgument",
        // No error has this code.
        Code::Fresh => "SuntapError",
    }
}

/// Creates the exception with the code `code`.
pub(crate) fn new(py: Python<'_>, code: Code, message: &str) -> PyErr {
    create(py, code, (message,)).unwrap_or_else(|error| error)
}

fn create<'py>(py: Python<'py>, code: Code, arguments: impl pyo3::call::PyCallArgs<'py>) -> PyResult<PyErr> {
    let errors = py.import(intern!(py, "suntap._errors"))?;
    Ok(PyErr::from_value(errors.getattr(class(code))?.call1(arguments)?))
}

/// Converts the failure of a call that uses no store.
pub(crate) fn from_failure(py: Python<'_>, failure: &Failure) -> PyErr {
    new(py, failure.code(), &failure.to_string())
}

/// Converts the failure of a call that uses a store.
///
/// An `Exception` of the store becomes the `__cause__` of `StoreFailed`. Any other exception, for example
/// `KeyboardInterrupt`, is raised unchanged. In both cases, the tap is refused.
pub(crate) fn from_commit(py: Python<'_>, error: CommitError<PyErr>) -> PyErr {
    let failure = Failure::Tap(Error::Commit(error));
    let (code, message) = (failure.code(), failure.to_string());
    match failure {
        Failure::Tap(Error::Commit(CommitError::Store(cause))) if cause.is_instance_of::<PyException>(py) => {
            let error = new(py, code, &message);
            error.set_cause(py, Some(cause));
            error
        }
        Failure::Tap(Error::Commit(CommitError::Store(cause))) => cause,
        Failure::Tap(Error::Commit(CommitError::Replayed { ctr, stored })) => store::to_mark(py, stored)
            .and_then(|stored| create(py, code, (message, ctr.get(), stored)))
            .unwrap_or_else(|error| error),
        _ => new(py, code, &message),
    }
}
