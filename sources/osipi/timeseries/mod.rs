//! Recorded values: each tag followed by itself, in one table.

mod mark;
mod packing;
mod state;
