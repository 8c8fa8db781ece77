//! One module per command.

mod check;
mod run;
mod schema;
mod sources;
mod sync;
mod tables;

pub(crate) use run::run;
