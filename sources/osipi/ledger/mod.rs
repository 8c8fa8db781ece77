//! What a connection notes while it reads, and the tables that tell it.

mod notes;
mod reader;
mod watermark;

pub(super) use notes::{Notes, Object};
pub(super) use reader::LedgerReader;
pub(super) use watermark::{State as TagState, Watermark};
