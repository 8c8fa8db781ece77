//! Values over aligned windows, and values at one instant.

mod ask;
mod grid;
mod marks;
mod offset;
mod out;
mod question;
mod series;
mod snapshot;
mod summaries;
mod tag_set;
mod target;
mod terms;

pub(super) use terms::reader;
