//! FHIR R4 servers, read by search.

mod answer;
mod bundle;
mod client;
mod columns;
mod compat;
mod config;
mod connector;
mod datatypes;
mod instant;
mod learned;
mod offset;
mod options;
mod outcome;
mod planner;
mod profiles;
mod progress;
mod read;
mod resource_types;
mod row_id;
mod rows;
mod scope;
mod server;
mod tables;
mod task;
mod walk;
mod window;
mod wire;

#[cfg(test)]
mod tests;

pub use connector::FhirSource;
