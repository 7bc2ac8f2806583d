//! The native module of the Python package `suntap`. The package `python/suntap` exports what users need.
//!
//! `python/suntap/_native.pyi` describes the module for type checkers, and contains its documentation.

mod conformance;
mod doctor;
mod emulator;
mod errors;
mod input;
mod store;
mod tap;
mod verifier;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use suntap_bindings::{Code, VERSION};

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let codes = PyDict::new(module.py());
    for code in Code::ALL {
        codes.set_item(code.name(), (code.number(), code.text()))?;
    }
    module.add("CODES", codes)?;
    module.add("VERSION", VERSION)?;
    module.add_class::<verifier::Verifier>()?;
    module.add_class::<tap::VerifiedTap>()?;
    module.add_class::<tap::FreshTap>()?;
    module.add_class::<emulator::EmulatedTag>()?;
    module.add_class::<doctor::Diagnosis>()?;
    module.add_class::<doctor::Finding>()?;
    module.add_function(wrap_pyfunction!(doctor::diagnose, module)?)?;
    module.add_function(wrap_pyfunction!(store::decide, module)?)?;
    module.add_function(wrap_pyfunction!(conformance::check_sequential, module)?)?;
    module.add_function(wrap_pyfunction!(conformance::check_contest, module)?)?;
    Ok(())
}
