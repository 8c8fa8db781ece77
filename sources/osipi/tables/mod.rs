//! The catalogue: every table as data.

mod additional;
mod af;
mod applies;
mod column;
mod discovery;
mod event_frames;
mod reader;
mod streams;
mod table;

pub(super) use column::{Column, Kind, Source};
pub(super) use reader::{EventFrames, Ledger, List, Reader, TimeSeries, Windows};
pub(super) use table::{Table, all, find};
