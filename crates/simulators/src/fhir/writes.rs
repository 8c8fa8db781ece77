//! Changes to the resources of a server, seen at once or late.

use std::{sync::Arc, time::Duration};

use super::{
    config::LateCommit,
    instant::{MISSING, Nanos},
    json::minified,
    store::{Change, Store, Version},
    template::{KnownIds, Template},
    volume::is_missing,
};

/// A write before it has a version.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) table: u32,
    pub(crate) id: Box<str>,
    pub(crate) content: Content,
}

/// What a write changes.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// This text.
    Text(Arc<Template>),
    /// The same content as before, with a new version and stamp.
    Same,
    /// The content of the next example of the type.
    Next,
    /// No content.
    Deleted,
}

/// Writes that are stamped but not seen yet.
#[derive(Debug)]
pub(crate) struct WriteQueue {
    late: Option<LateCommit>,
    writes: u64,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    visible: Nanos,
    stamp: Nanos,
    write: Write,
}

impl WriteQueue {
    pub(crate) fn new(late: Option<LateCommit>) -> Self {
        Self { late, writes: 0, waiting: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Store {
    /// Stamps a write now and applies it, or lets it wait when it is to be seen late. Returns the version when it is
    /// visible already.
    pub(crate) fn write(&mut self, write: Write, delay: Option<Duration>) -> Option<(u32, Version)> {
        self.settle();
        let now = self.clock.nanos();
        self.queue.writes += 1;
        let late = self.queue.late.filter(|late| self.queue.writes.is_multiple_of(u64::from(late.every.max(1))));
        let delay = delay.or(late.map(|late| late.delay)).unwrap_or_default();
        let seen = now.saturating_add(i64::try_from(delay.as_nanos()).unwrap_or(i64::MAX));
        // A write waits for earlier writes of the same resource, as on a lock.
        let same = |waiting: &&Waiting| waiting.write.table == write.table && waiting.write.id == write.id;
        let locked = self.queue.waiting.iter().filter(same).map(|waiting| waiting.visible).max();
        let visible = locked.map_or(seen, |locked| locked.max(seen));
        if visible <= now {
            return self.apply(write, now);
        }
        self.queue.waiting.push(Waiting { visible, stamp: now, write });
        None
    }

    /// Applies what has become visible by now.
    pub(crate) fn settle(&mut self) {
        if self.queue.is_empty() {
            return;
        }
        let now = self.clock.nanos();
        let (due, waiting) =
            std::mem::take(&mut self.queue.waiting).into_iter().partition(|waiting| waiting.visible <= now);
        self.queue.waiting = waiting;
        for Waiting { write, stamp, .. } in due {
            self.apply(write, stamp);
        }
    }

    /// Nothing when a write needs a resource that is not there.
    fn apply(&mut self, write: Write, stamp: Nanos) -> Option<(u32, Version)> {
        let table = self.tables.get(write.table as usize)?;
        let row = table.row(&write.id);
        let before = row.and_then(|row| table.current(row).copied());
        let gone = before.is_none_or(|before| before.is_deleted());
        let mut change = if gone { Change::Create } else { Change::Update };
        let (template, copy) = match (write.content, &before) {
            (Content::Text(text), _) => {
                self.templates.push(text);
                (u32::try_from(self.templates.len() - 1).ok()?, 0)
            }
            (Content::Next, Some(before)) => {
                let at = table.mix.iter().position(|template| *template == before.template);
                (*table.mix.get(at.map_or(0, |at| (at + 1) % table.mix.len()))?, before.copy)
            }
            (Content::Same, Some(before)) => (before.template, before.copy),
            (Content::Deleted, Some(before)) if !gone => {
                change = Change::Delete;
                (before.template, before.copy)
            }
            _ => return None,
        };
        let table = self.tables.get_mut(write.table as usize)?;
        let row = match row {
            Some(row) => row,
            None => {
                let row = u32::try_from(table.rows.len()).ok()?;
                table.later_ids.push(write.id.clone());
                table.later_rows.insert(write.id, row);
                row
            }
        };
        let number = before.map_or(1, |before| before.number + 1);
        let style = self.style.of_row(row);
        let stamp = if is_missing(self.missing_every, row) { MISSING } else { style.cut(stamp) };
        let version = Version { template, copy, stamp, number, change };
        match before {
            Some(before) => {
                table.older.entry(row).or_default().push(before);
                *table.rows.get_mut(row as usize)? = version;
            }
            None => table.rows.push(version),
        }
        table.index.insert((stamp, row, number));
        Some((row, version))
    }
}

impl Content {
    /// The content that a text is.
    pub(crate) fn text(text: &str) -> Option<Self> {
        Template::cut(minified(text).into(), &KnownIds::new()).map(|template| Self::Text(Arc::new(template)))
    }
}
