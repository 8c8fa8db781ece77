//! Where a tag has got to in a table.

use chrono::{DateTime, Utc};

use crate::error::Error;

/// Where a tag has got to in a table, as the reads of this connection know it.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Watermark {
    /// When this was noted, counted in changes.
    pub(super) change: u64,
    pub(in super::super) name: Option<String>,
    /// The newest event that was found, or the end of the last interval.
    pub(in super::super) timestamp: Option<DateTime<Utc>>,
    /// The server's own text of it, where this connection has read it.
    pub(super) timestamp_raw: Option<Box<str>>,
    /// Its place among the events of its microsecond, from 0.
    pub(in super::super) event_seq: Option<i64>,
    /// Up to when the last run reads.
    pub(super) run: Option<DateTime<Utc>>,
    /// Events of the last run, and of all runs of this connection.
    pub(super) records: u64,
    pub(super) total_records: u64,
    /// Why the tag could not be read by the last run that asked for it.
    pub(super) last_error: Option<String>,
    pub(in super::super) marker: Option<Box<str>>,
    pub(super) state: Option<State>,
    pub(in super::super) updated: DateTime<Utc>,
}

/// How a tag stands after what was last asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum State {
    /// Parts of what the run reads are still to come: of a run that was stopped, for the next one.
    Reading,
    /// Everything up to the end of the run has been read.
    Complete,
    /// It could not be read.
    Failed,
}

impl State {
    /// Of a tag that can be read.
    pub(in super::super) fn read(is_complete: bool) -> Self {
        if is_complete { Self::Complete } else { Self::Reading }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }
}

impl Watermark {
    /// Counts events that were read by the run up to `run`.
    pub(in super::super) fn count(&mut self, run: DateTime<Utc>, events: u64) {
        if self.run.replace(run) != Some(run) {
            self.records = 0;
        }
        self.records += events;
        self.total_records += events;
    }

    /// Takes in an event that was read, unless a newer one is known.
    pub(in super::super) fn found(&mut self, at: DateTime<Utc>, raw: &str, sequence: i64) {
        if self.timestamp.is_none_or(|known| known <= at) {
            (self.timestamp, self.timestamp_raw, self.event_seq) = (Some(at), Some(raw.into()), Some(sequence));
        }
    }

    /// There is no event from there on: one that was known is gone, and which is the newest now was not read.
    pub(in super::super) fn nothing_from(&mut self, from: DateTime<Utc>) {
        if self.timestamp.is_some_and(|known| known >= from) {
            (self.timestamp, self.timestamp_raw, self.event_seq) = (None, None, None);
        }
    }

    /// The tag was read.
    pub(in super::super) fn stands(&mut self, state: State) {
        (self.state, self.last_error) = (Some(state), None);
    }

    /// The tag could not be read.
    pub(in super::super) fn failed(&mut self, error: &Error) {
        (self.state, self.last_error) = (Some(State::Failed), Some(told(error)));
    }
}

/// What an error says, with the server's own words.
pub(super) fn told(error: &Error) -> String {
    match error.get("detail") {
        Some(detail) => format!("{}: {detail}", error.message()),
        None => error.message().to_owned(),
    }
}
