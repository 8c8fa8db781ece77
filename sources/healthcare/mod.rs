//! Healthcare sources.

#[cfg(feature = "fhir")]
pub mod fhir;
