//! Benches only: see `README.md` beside this package's manifest.
