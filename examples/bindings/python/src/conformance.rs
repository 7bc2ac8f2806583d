//! Tests counter stores that are written in Python.

use std::sync::Barrier;
use std::thread;

use pyo3::exceptions::PyAssertionError;
use pyo3::prelude::*;
use suntap::conformance::{Contest, Violation, sequential};

use crate::store::PyStore;

fn violated(violation: &Violation<PyErr>) -> PyErr {
    PyAssertionError::new_err(violation.to_string())
}

/// Checks the laws that need no concurrent calls. See `testing.py`.
#[pyfunction]
pub(crate) fn check_sequential(store: &Bound<'_, PyAny>, run: u64) -> PyResult<()> {
    sequential(&mut PyStore(store), run).map_err(|violation| violated(&violation))
}

/// Checks one law with concurrent calls: `equal`, `increasing` or `apart`. See `testing.py`.
#[pyfunction]
pub(crate) fn check_contest(
    py: Python<'_>,
    store: &Bound<'_, PyAny>,
    law: &str,
    run: u64,
    threads: u16,
) -> PyResult<()> {
    let contest = match law {
        "equal" => Contest::Equal { run },
        "increasing" => Contest::Increasing { run },
        _ => Contest::Apart { run },
    };
    let shared = store.clone().unbind();
    let results = py.detach(|| {
        let start = Barrier::new(threads.into());
        let enter = |number| {
            start.wait();
            Python::attach(|py| contest.enter(&mut PyStore(shared.bind(py)), number))
        };
        let enter = &enter;
        thread::scope(|scope| {
            let entered: Vec<_> = (0..threads).map(|number| scope.spawn(move || enter(number))).collect();
            let failed = |_| Err(PyAssertionError::new_err("a thread failed"));
            entered.into_iter().map(|thread| thread.join().unwrap_or_else(failed)).collect::<Vec<_>>()
        })
    });
    contest.judge(&mut PyStore(store), results).map_err(|violation| violated(&violation))
}
