//! The sources of this crate, one folder and one feature each.

use crate::registry::Registry;

#[cfg(feature = "fhir")]
pub mod healthcare;
#[cfg(feature = "lancedb")]
pub mod lancedb;
#[cfg(feature = "osipi")]
pub mod osipi;

/// Adds every source whose feature is on.
pub(crate) fn register(registry: Registry) -> Registry {
    #[cfg(feature = "fhir")]
    let registry = registry.with(healthcare::fhir::FhirSource);
    #[cfg(feature = "lancedb")]
    let registry = registry.with(lancedb::LanceDbSource);
    #[cfg(feature = "osipi")]
    let registry = registry.with(osipi::OsiPiSource);
    registry
}
