//! The journal: what changed in the archive, when, and what an update feed would tell.

use super::{
    super::ticks::Ticks,
    sample::{Sample, Stored},
};

/// One change of a point's events, as a test makes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// One more event at this instant, behind those that are there: a new snapshot when it is the newest, otherwise late
    /// data, which bypasses compression.
    Add(Ticks, Sample),
    /// As `Add` of a newest event, but compression throws the former snapshot away.
    Supersede(Ticks, Sample),
    /// All events of this instant become this one.
    Replace(Ticks, Sample),
    /// The n-th event of this instant gets another value.
    Edit(Ticks, usize, Sample),
    /// All events of this instant go.
    Delete(Ticks),
    /// The n-th event of this instant goes.
    DeleteOne(Ticks, usize),
}

/// What an update feed calls a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A new event at the end of the stream.
    Add,
    /// An event was put in or replaced somewhere.
    Update,
    /// An event was removed.
    Delete,
}

/// What became of the snapshot that an added event superseded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Previous {
    /// No snapshot was superseded.
    None,
    /// It went into the archive.
    Archived,
    /// Compression threw it away.
    Discarded,
}

/// A moment of a server's history: how many changes the journal had, and the server's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Number of changes.
    pub changes: usize,
    /// The server's time.
    pub now: Ticks,
}

/// A change that was made, as an update feed would tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The point's path.
    pub point: String,
    /// The server's time of the change.
    pub at: Ticks,
    /// The instant of the event.
    pub time: Ticks,
    /// What happened to it.
    pub action: Action,
    /// What became of the snapshot before it.
    pub previous: Previous,
}

/// One entry of the journal.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The point's number.
    pub(crate) point: usize,
    /// The server's time of the change.
    pub(crate) at: Ticks,
    pub(crate) time: Ticks,
    pub(crate) action: Action,
    pub(crate) previous: Previous,
    /// All events of the instants that changed, as they are from now on.
    pub(crate) groups: Vec<(Ticks, Vec<Stored>)>,
}
