//! One module per command.

mod check;
mod optimize;
mod parts;
mod preview;
mod run;
mod schema;
mod simulate;
mod sources;
mod state;
mod sync;
mod tables;

pub(crate) use run::run;
