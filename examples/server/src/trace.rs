//! Traces of requests: what the server and its store do, as spans of OpenTelemetry. Without the feature `opentelemetry`, the functions do
//! nothing.

#[cfg(feature = "opentelemetry")]
mod exporter;
#[cfg(feature = "opentelemetry")]
mod spans;

#[cfg(feature = "opentelemetry")]
pub use self::exporter::Traces;
#[cfg(feature = "opentelemetry")]
pub(crate) use self::spans::{call, continued, decided, request};

/// Traces that are not sent anywhere.
#[cfg(not(feature = "opentelemetry"))]
#[derive(Debug)]
pub struct Traces;

#[cfg(not(feature = "opentelemetry"))]
mod none {
    use super::Traces;

    impl Traces {
        /// Does nothing.
        ///
        /// # Errors
        /// Never returns an error.
        pub fn start() -> anyhow::Result<Self> {
            Ok(Self)
        }

        /// Does nothing.
        pub fn close(self) {}
    }

    /// A span that is not recorded.
    pub(crate) struct Call;

    /// Does nothing.
    pub(crate) fn call(_: &'static str) -> Call {
        Call
    }

    /// Does nothing.
    pub(crate) fn decided(_: &'static str) {}

    /// Does nothing.
    pub(crate) fn continued<F: Future>(work: F) -> F {
        work
    }
}

#[cfg(not(feature = "opentelemetry"))]
pub(crate) use self::none::{call, continued, decided};
