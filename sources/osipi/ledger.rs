//! What a connection has noted while it read: where each tag has got to, and what failed.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, Utc};

use super::objects::Named;
use crate::error::Error;

/// The most failures kept; the oldest go first.
const MAX_FAILURES: usize = 100_000;

/// The notes of a connection, shared by its reads.
#[derive(Debug, Default)]
pub(super) struct Notes(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    failures: VecDeque<Failure>,
    failed: u64,
    watermarks: BTreeMap<(&'static str, String), Watermark>,
    changes: u64,
}

/// A tag, object or page that could not be read while others went on.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// Its number within this connection, from 1.
    pub(super) number: u64,
    pub(super) at: DateTime<Utc>,
    pub(super) table: &'static str,
    pub(super) webid: Option<String>,
    pub(super) name: Option<String>,
    pub(super) kind: &'static str,
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) status: Option<i64>,
    pub(super) window: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// Where a tag has got to in a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Watermark {
    /// When this was noted, counted in changes.
    pub(super) change: u64,
    pub(super) name: Option<String>,
    pub(super) timestamp: Option<DateTime<Utc>>,
    /// The server's own text of it.
    pub(super) timestamp_raw: Option<String>,
    pub(super) event_seq: Option<i64>,
    pub(super) run: Option<DateTime<Utc>>,
    /// Rows of the last run, and of all runs of this connection.
    pub(super) records: u64,
    pub(super) total_records: u64,
    pub(super) last_error: Option<String>,
    pub(super) marker: Option<String>,
    pub(super) state: Option<&'static str>,
    pub(super) updated: DateTime<Utc>,
}

/// Which object failed, for a note of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Object<'a> {
    pub(super) webid: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) window: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl<'a> Object<'a> {
    /// An object that the user named.
    pub(super) fn named(name: &'a str) -> Self {
        Self { name: Some(name), ..Self::default() }
    }

    /// An object of a list.
    pub(super) fn of(object: &'a Named) -> Self {
        Self { webid: Some(&object.web_id), name: object.name.as_deref(), window: None }
    }
}

impl Notes {
    /// Notes that an object could not be read.
    pub(super) fn failed(&self, table: &'static str, object: Object<'_>, error: &Error, now: DateTime<Utc>) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.failed += 1;
        let message = match error.get("detail") {
            Some(detail) => format!("{}: {detail}", error.message()),
            None => error.message().to_owned(),
        };
        tracing::warn!(table, webid = object.webid, name = object.name, %error, "left out, noted in pi_errors");
        let failure = Failure {
            number: notes.failed,
            at: now,
            table,
            webid: object.webid.map(str::to_owned),
            name: object.name.map(str::to_owned),
            kind: error.kind().as_str(),
            message,
            help: error.help_text().map(str::to_owned),
            status: error.get("status").and_then(|status| status.parse().ok()),
            window: object.window,
        };
        if notes.failures.len() == MAX_FAILURES {
            notes.failures.pop_front();
        }
        notes.failures.push_back(failure);
    }

    /// Failures after the given number, oldest first.
    pub(super) fn failures_after(&self, number: u64) -> Vec<Failure> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.failures.iter().filter(|failure| failure.number > number).cloned().collect()
    }

    /// Notes where a tag has got to.
    pub(super) fn reached(&self, table: &'static str, tag_webid: &str, change: impl FnOnce(&mut Watermark)) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.changes += 1;
        let number = notes.changes;
        let watermark = notes.watermarks.entry((table, tag_webid.to_owned())).or_default();
        watermark.change = number;
        change(watermark);
    }

    /// Watermarks that changed after the given change, as (table, tag, watermark), in the order of their changes.
    pub(super) fn watermarks_after(&self, change: u64) -> Vec<(&'static str, String, Watermark)> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = notes.watermarks.iter().filter(|(_, watermark)| watermark.change > change);
        let mut changed: Vec<_> =
            changed.map(|((table, tag), watermark)| (*table, tag.clone(), watermark.clone())).collect();
        changed.sort_by_key(|(_, _, watermark)| watermark.change);
        changed
    }
}
