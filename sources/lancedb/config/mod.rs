//! The options: what a user may set, checked before anything is sent.

mod connection;
mod docs;
mod table;

pub(super) use connection::{Connection, WantedDialect, is_name};
pub(super) use docs::OPTIONS;
pub(super) use table::{DeleteDetection, IngestionChoice, QueryOptions, ScanMode, TableOptions, Verify};
