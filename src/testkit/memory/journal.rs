//! Every change of a table, in the order of its commits.

use serde_json::{Map, Value};

use super::table::{CURSOR, MemoryTable};
use crate::{
    connector::IngestionType,
    testkit::{probe::Flow, rows::key_of},
};

/// One row written or deleted.
#[derive(Clone, Debug)]
struct Change {
    commit: u64,
    key: Option<String>,
    deleted: bool,
    row: Value,
}

/// A table's definition and history.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    pub(crate) table: MemoryTable,
    changes: Vec<Change>,
    last_commit: u64,
}

/// The half-open range of commits (`after`, `until`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) after: u64,
    pub(crate) until: u64,
}

impl Journal {
    pub(crate) fn new(table: MemoryTable) -> Self {
        Self { table, changes: Vec::new(), last_commit: 0 }
    }

    pub(crate) fn last_commit(&self) -> u64 {
        self.last_commit
    }

    /// Appends the rows as one commit: all of them share one cursor value.
    pub(crate) fn commit(&mut self, rows: impl IntoIterator<Item = Value>, deleted: bool) {
        self.last_commit += 1;
        let commit = self.last_commit;
        for row in rows {
            let mut members = if let Value::Object(members) = row { members } else { Map::new() };
            members.insert(CURSOR.to_owned(), Value::from(commit));
            let row = Value::Object(members);
            let key = key_of(&row, &self.table.metadata.primary_keys);
            self.changes.push(Change { commit, key, deleted, row });
        }
    }

    /// Takes the last commit back.
    pub(crate) fn undo(&mut self) {
        let last = self.last_commit;
        self.changes.retain(|c| c.commit < last);
        self.last_commit = last.saturating_sub(1);
    }

    /// The next rows in the range, at least `rows` of them where there are so many, and the commit they end with: a
    /// commit is never cut.
    pub(crate) fn page(&self, flow: Flow, range: Range, rows: usize) -> (Vec<&Value>, u64) {
        let mut page: Vec<&Value> = Vec::new();
        let mut end = range.until.max(range.after);
        let mut last = range.after;
        for (i, change) in self.changes.iter().enumerate() {
            if change.commit <= range.after || change.commit > range.until || !self.shows(flow, i) {
                continue;
            }
            if page.len() >= rows.max(1) && change.commit != last {
                end = last;
                break;
            }
            last = change.commit;
            page.push(&change.row);
        }
        (page, end)
    }

    /// Whether a reader is shown this change: cdc tables show what has not been superseded since.
    fn shows(&self, flow: Flow, i: usize) -> bool {
        let change = &self.changes[i];
        if change.deleted != (flow == Flow::Deletes) {
            return false;
        }
        let superseded = || change.key.is_some() && self.changes[i + 1..].iter().any(|later| later.key == change.key);
        self.table.metadata.ingestion_type == IngestionType::Append || !superseded()
    }
}
