//! Landing keyed rows without joining them: read only keys, decide row by row, rewrite only files of which a row goes away or
//! changes.

mod content;
mod history;
mod known;
mod pass;
mod prune;
mod resolve;
mod rewrite;
mod timeline;
mod work;

pub(crate) use history::History;
pub(crate) use resolve::{Merge, Rule};
pub(crate) use work::{Incoming, Outcome, Suspects};
