//! Recorded values: each tag followed by itself, in one table.

mod again;
mod archive;
mod fetch;
mod mark;
mod packing;
mod reader;
mod run;
mod state;

pub(super) use reader::reader;
