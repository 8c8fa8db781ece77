//! Suites over real sockets: one binary, one file per concern.

mod http;
#[cfg(feature = "fhir")]
mod real_fhir;
mod stream;
mod testkit;
mod types;
