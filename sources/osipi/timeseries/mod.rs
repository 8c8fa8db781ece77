//! Recorded values: each tag followed by itself, in one table.

mod again;
mod annotations;
mod archive;
mod begin;
mod beyond;
mod changes;
mod deletions;
mod feed;
mod fetch;
mod follow;
mod known;
mod mark;
#[cfg(test)]
mod model;
mod packing;
mod reader;
mod run;
mod state;
mod updates;

pub(super) use deletions::Deletions;
pub(super) use reader::reader;
