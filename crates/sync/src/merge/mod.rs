//! Landing keyed rows without joining them: read only keys, decide row by row, rewrite only files that lose rows.

mod content;
mod known;
mod prune;
mod resolve;
mod rewrite;

pub(crate) use resolve::{Incoming, Merge, Outcome, Rule, Suspects};
