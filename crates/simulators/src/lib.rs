//! Simulated source systems: honest servers over real sockets, with state, faults by script and an oracle.
//!
//! They depend on nothing else of this project, so that a client's mistakes are not repeated in the server that
//! tests it.
//!
#![doc = include_str!("../README.md")]

pub mod clock;
mod error;
pub mod faults;
pub mod fhir;
mod handle;
mod hold;
pub mod journal;
pub mod lancedb;
pub mod oauth;
pub mod osipi;
pub mod personality;
pub mod server;
mod settings;

pub use error::SimError;
pub use handle::Handle;
pub use hold::Held;
