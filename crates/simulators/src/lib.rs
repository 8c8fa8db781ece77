//! Simulated source systems: honest servers over real sockets, with state, faults by script and an oracle.
//!
//! They depend on nothing else of this project, so that a client's mistakes are not repeated in the server that
//! tests it.
//!
//! ```no_run
//! use lakeflow_simulators::fhir;
//!
//! let mut config = fhir::Config::default();
//! config.set("personality", "ties,ignores-sort")?;
//! config.set("volume", "Patient:1500")?;
//! let server = fhir::Server::start(config)?;
//! // point a client at server.base_url(), then compare with server.expected("Patient")
//! # Ok::<(), lakeflow_simulators::SimError>(())
//! ```
#![doc = include_str!("../README.md")]

pub mod clock;
mod error;
pub mod faults;
pub mod fhir;
pub mod journal;
pub mod oauth;
pub mod server;

pub use error::SimError;
