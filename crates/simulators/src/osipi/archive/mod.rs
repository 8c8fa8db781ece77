//! Stored events: a generated stream under a journal of changes.

mod changes;
mod made;
mod sample;
mod scan;
mod store;
mod write;

pub use changes::{Action, Change, Changed, Position, Previous};
pub use sample::{Sample, Value};

pub(crate) use changes::Entry;
pub(crate) use made::Made;
pub(crate) use sample::Stored;
pub(crate) use scan::{Item, Order, Overlay, What};
pub(crate) use store::Archive;
pub(crate) use write::{Columns, EventWriter};
