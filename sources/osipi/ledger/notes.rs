//! What a connection has noted while it read: where each tag has got to, and what failed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};

use super::{
    super::objects::Named,
    watermark::{State, Watermark, told},
};
use crate::error::Error;

/// The most failures kept; the oldest go first.
const MAX_FAILURES: usize = 100_000;

/// The notes of a connection, shared by its reads.
#[derive(Debug)]
pub(in super::super) struct Notes {
    /// Tells these notes from those of another connection.
    pub(super) id: String,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    failures: VecDeque<Failure>,
    failed: u64,
    /// By table and tag.
    watermarks: BTreeMap<&'static str, BTreeMap<Box<str>, Watermark>>,
    changes: u64,
    /// Tables that left out what has no such values.
    unfit: BTreeSet<&'static str>,
}

/// A tag, object or page that could not be read while others went on.
#[derive(Clone, Debug)]
pub(in super::super) struct Failure {
    /// Its number within this connection, from 1.
    pub(in super::super) number: u64,
    pub(in super::super) at: DateTime<Utc>,
    pub(in super::super) table: &'static str,
    pub(in super::super) webid: Option<String>,
    pub(in super::super) name: Option<String>,
    pub(in super::super) kind: &'static str,
    pub(in super::super) message: String,
    pub(in super::super) help: Option<String>,
    pub(in super::super) status: Option<i64>,
    pub(in super::super) window: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// Which object failed, for a note of it.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Object<'a> {
    pub(in super::super) webid: Option<&'a str>,
    pub(in super::super) name: Option<&'a str>,
    pub(in super::super) window: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl<'a> Object<'a> {
    /// An object that the user named.
    pub(in super::super) fn named(name: &'a str) -> Self {
        Self { name: Some(name), ..Self::default() }
    }

    /// An object of a list.
    pub(in super::super) fn of(object: &'a Named) -> Self {
        Self { webid: Some(&object.web_id), name: object.name.as_deref(), window: None }
    }
}

impl Notes {
    /// No notes yet, of a connection that was made at `now`.
    pub(in super::super) fn new(now: DateTime<Utc>) -> Self {
        let id = format!("{}-{:08x}", now.format("%Y%m%dT%H%M%SZ"), fastrand::u32(..));
        Self { id, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many failures were noted, and how many changes of watermarks.
    pub(in super::super) fn counts(&self) -> (u64, u64) {
        let notes = self.inner();
        (notes.failed, notes.changes)
    }

    /// Notes that an object could not be read.
    pub(in super::super) fn failed(&self, table: &'static str, object: Object<'_>, error: &Error, now: DateTime<Utc>) {
        let mut notes = self.inner();
        notes.failed += 1;
        let failure = Failure {
            number: notes.failed,
            at: now,
            table,
            webid: object.webid.map(str::to_owned),
            name: object.name.map(str::to_owned),
            kind: error.kind().as_str(),
            message: told(error),
            help: error.help_text().map(str::to_owned),
            status: error.get("status").and_then(|status| status.parse().ok()),
            window: object.window,
        };
        if notes.failures.len() == MAX_FAILURES {
            notes.failures.pop_front();
        }
        notes.failures.push_back(failure);
    }

    /// Notes that a table leaves out what has no such values; whether it is the first time.
    pub(in super::super) fn unfit(&self, table: &'static str) -> bool {
        self.inner().unfit.insert(table)
    }

    /// Failures after a number and up to another, oldest first.
    pub(in super::super) fn failures(&self, after: u64, until: u64) -> Vec<Failure> {
        let wanted = |failure: &&Failure| after < failure.number && failure.number <= until;
        self.inner().failures.iter().filter(wanted).cloned().collect()
    }

    /// Notes where a tag has got to.
    pub(in super::super) fn reached(&self, table: &'static str, tag_webid: &str, change: impl FnOnce(&mut Watermark)) {
        let mut notes = self.inner();
        notes.changes += 1;
        let number = notes.changes;
        let of_table = notes.watermarks.entry(table).or_default();
        let watermark = match of_table.get_mut(tag_webid) {
            Some(watermark) => watermark,
            None => of_table.entry(tag_webid.into()).or_default(),
        };
        watermark.change = number;
        change(watermark);
    }

    /// Whether that is what is noted of a tag: how it stands, and the marker of its feed.
    pub(in super::super) fn is_noted(&self, table: &str, tag_webid: &str, state: State, marker: Option<&str>) -> bool {
        let notes = self.inner();
        let watermark = notes.watermarks.get(table).and_then(|of_table| of_table.get(tag_webid));
        watermark.is_some_and(|noted| (noted.state, noted.marker.as_deref()) == (Some(state), marker))
    }

    /// Watermarks whose last change is after one change and up to another, as (table, tag, watermark), in that order.
    pub(super) fn watermarks(&self, after: u64, until: u64) -> Vec<(&'static str, Box<str>, Watermark)> {
        let notes = self.inner();
        let all =
            notes.watermarks.iter().flat_map(|(table, tags)| tags.iter().map(move |(tag, mark)| (*table, tag, mark)));
        let changed = all.filter(|(_, _, mark)| after < mark.change && mark.change <= until);
        let mut changed: Vec<_> = changed.map(|(table, tag, mark)| (table, tag.clone(), mark.clone())).collect();
        changed.sort_by_key(|(_, _, watermark)| watermark.change);
        changed
    }
}
