//! Calls counter stores that are written in Python.

use pyo3::exceptions::{PyException, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyInt, PyType};
use suntap::{Advance, CounterId, CounterStore, Mark, SdmReadCtr, UnixMillis};

use crate::input;

/// A store whose `advance` returns its answer.
pub(crate) struct PyStore<'a, 'py>(pub(crate) &'a Bound<'py, PyAny>);

impl CounterStore for PyStore<'_, '_> {
    type Error = PyErr;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> PyResult<Advance> {
        let py = self.0.py();
        let arguments = (PyBytes::new(py, id.as_bytes()), ctr.get(), at.map(UnixMillis::get));
        read_advance(&self.0.call_method1(intern!(py, "advance"), arguments)?, ctr)
    }
}

/// A store that already answered: with an `Advance`, or with an exception.
pub(crate) struct Answered<'a, 'py>(pub(crate) &'a Bound<'py, PyAny>);

impl CounterStore for Answered<'_, '_> {
    type Error = PyErr;

    fn advance(&mut self, _: &CounterId, ctr: SdmReadCtr, _: Option<UnixMillis>) -> PyResult<Advance> {
        if self.0.is_instance_of::<PyException>() {
            return Err(PyErr::from_value(self.0.clone()));
        }
        read_advance(self.0, ctr)
    }
}

/// A class of `_marks.py`.
struct Class(&'static str, PyOnceLock<Py<PyType>>);

static MARK: Class = Class("Mark", PyOnceLock::new());
static ADVANCED: Class = Class("Advanced", PyOnceLock::new());
static STALE: Class = Class("Stale", PyOnceLock::new());

impl Class {
    fn get<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyType>> {
        self.1.import(py, "suntap._marks", self.0)
    }
}

/// Reads the answer of a store to `ctr`. An answer to another counter is an error.
fn read_advance(answer: &Bound<'_, PyAny>, ctr: SdmReadCtr) -> PyResult<Advance> {
    let py = answer.py();
    if answer.is_instance(ADVANCED.get(py)?)? {
        let previous = answer.getattr(intern!(py, "previous"))?;
        let previous = if previous.is_none() { None } else { Some(read_mark(&previous)?) };
        let now = read_mark(&answer.getattr(intern!(py, "now"))?)?;
        if now.ctr != ctr {
            return Err(PyValueError::new_err("advance returned Advanced for another counter"));
        }
        return Ok(Advance::Advanced { previous, now });
    }
    if answer.is_instance(STALE.get(py)?)? {
        let stored = read_mark(&answer.getattr(intern!(py, "stored"))?)?;
        if stored.ctr < ctr {
            return Err(PyValueError::new_err("advance returned Stale, but the stored counter is less"));
        }
        return Ok(Advance::Stale { stored });
    }
    let kind = answer.get_type().name()?;
    if answer.hasattr(intern!(py, "__await__"))? {
        if answer.hasattr(intern!(py, "close"))? {
            // Otherwise, Python warns that the coroutine was never awaited.
            answer.call_method0(intern!(py, "close"))?;
        }
        let message = format!("advance returned a {kind}: use admit_async or commit_async with this store");
        return Err(PyTypeError::new_err(message));
    }
    Err(PyTypeError::new_err(format!("advance must return Advanced or Stale, not {kind}")))
}

fn read_mark(mark: &Bound<'_, PyAny>) -> PyResult<Mark> {
    let py = mark.py();
    let ctr: u32 = mark.getattr(intern!(py, "ctr"))?.extract()?;
    let ctr = SdmReadCtr::new(ctr).ok_or_else(|| PyValueError::new_err("the counter of a mark is at most 0xFFFFFF"))?;
    let at: Option<u64> = mark.getattr(intern!(py, "at"))?.extract()?;
    let taps = mark.getattr(intern!(py, "taps"))?.extract()?;
    Ok(Mark { ctr, at: at.map(UnixMillis::new), taps })
}

/// Creates a `Mark` of `_marks.py`.
pub(crate) fn to_mark(py: Python<'_>, mark: Mark) -> PyResult<Bound<'_, PyAny>> {
    MARK.get(py)?.call1((mark.ctr.get(), mark.at.map(UnixMillis::get), mark.taps))
}

/// Decides whether a counter advances. It stores nothing: use it inside the lock or the transaction of a
/// store.
#[pyfunction]
pub(crate) fn decide<'py>(
    py: Python<'py>,
    stored: Option<&Bound<'py, PyAny>>,
    ctr: &Bound<'py, PyInt>,
    at: Option<&Bound<'py, PyInt>>,
) -> PyResult<Bound<'py, PyAny>> {
    let stored = stored.map(read_mark).transpose()?;
    match Advance::decide(stored, input::ctr(ctr)?, input::time(at)?) {
        Advance::Advanced { previous, now } => {
            let previous = previous.map(|mark| to_mark(py, mark)).transpose()?;
            ADVANCED.get(py)?.call1((previous, to_mark(py, now)?))
        }
        Advance::Stale { stored } => STALE.get(py)?.call1((to_mark(py, stored)?,)),
    }
}
