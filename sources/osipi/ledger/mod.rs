//! What a connection notes while it reads, and the tables that tell it.

mod notes;
mod reader;

pub(super) use notes::{Notes, Object};
pub(super) use reader::LedgerReader;
