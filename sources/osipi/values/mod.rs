//! Timed values as PI Web API writes them, to Arrow columns, in one pass over the answer's bytes.

mod buffers;
mod columns;
mod event;
mod literal;
mod reader;
#[cfg(test)]
mod tests;

pub(super) use columns::{schema, wire_columns};
pub(super) use event::PointKind;
pub(super) use reader::{Page, Values};
