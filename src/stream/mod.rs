//! Streams of rows: helpers for sources that make them and for hosts that take them.
//!
//! A source turns one page function into a [`ReadStream`](crate::ReadStream) with [`pages`], or one function that tells the
//! whole read with [`produce`]; what else it makes is
//! wrapped by [`prefetch`] and [`limit_records`].
//!
//! A host takes what suits it:
//!
//! * [`arrow_batches`]: record batches in the table's schema, for programs that keep no offset;
//! * [`arrow_events`], or [`ArrowTable`] for a schema in hand: batches and checkpoints, for hosts that store both;
//! * [`json_events`]: rows as JSON lines;
//! * [`read_step`]: rows and the next offset, one unit at a time.

mod conform;
mod json;
mod limit;
mod pages;
mod prefetch;
mod produce;
mod step;
mod table;

pub use json::json_events;
pub use limit::limit_records;
pub use pages::{Page, Pages, pages};
pub use prefetch::prefetch;
pub use produce::{Events, produce};
pub use step::{Step, read_step};
pub use table::{ArrowTable, arrow_batches, arrow_events};
