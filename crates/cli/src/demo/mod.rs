//! The demo: a simulated FHIR server, two syncs, and a comparison of every row.

mod run;
mod server;
mod story;
mod verify;

pub(crate) use run::run;
