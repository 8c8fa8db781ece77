//! Suites over the public interface and real sockets: one binary, one file per concern.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

#[cfg(any(feature = "fhir", feature = "lancedb", feature = "osipi"))]
mod dev_config;
#[cfg(feature = "fhir")]
mod fhir;
mod http;
#[cfg(feature = "lancedb")]
mod lancedb;
mod offset;
#[cfg(feature = "osipi")]
mod osipi;
#[cfg(feature = "fhir")]
mod real_fhir;
mod stream;
mod testkit;
#[cfg(feature = "fhir")]
mod testkit_fhir;
#[cfg(feature = "lancedb")]
mod testkit_lancedb;
#[cfg(feature = "osipi")]
mod testkit_osipi;
mod types;
