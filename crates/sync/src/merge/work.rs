//! What a merge gets, what it has found out so far, and what comes of it.

use std::collections::{BTreeMap, HashMap};

use deltalake::kernel::{Add, Remove};

use super::known::{RowId, Rows};
use crate::{filter::KeyFilter, sequence::Moment, table::DataFile};

/// Which rows of a commit may have a key that is already known.
#[derive(Clone, Copy)]
pub(crate) enum Suspects<'a> {
    All,
    Some { filter: &'a KeyFilter, rows: u64 },
}

impl Suspects<'_> {
    pub(super) fn may_have(&self, hash: u64) -> bool {
        match self {
            Self::All => true,
            Self::Some { filter, .. } => filter.contains(hash),
        }
    }
}

/// What a commit brings.
pub(crate) struct Incoming<'a> {
    pub(crate) files: &'a [Add],
    pub(crate) rows: u64,
    pub(crate) suspects: Suspects<'a>,
    /// Files of deletions with their rows.
    pub(crate) deletions: Vec<(DataFile, u64)>,
    /// Whether the table was already cleared of what `deletions` remove.
    pub(crate) deletions_applied: bool,
}

impl Incoming<'_> {
    /// How many keys have to be looked for, at most.
    pub(super) fn candidates(&self) -> u64 {
        let rows = match self.suspects {
            Suspects::All => self.rows,
            Suspects::Some { rows, .. } => rows,
        };
        rows + self.deletions.iter().map(|(_, rows)| rows).sum::<u64>()
    }
}

/// What to commit.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) adds: Vec<Add>,
    pub(crate) removes: Vec<Remove>,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    pub(crate) unchanged: u64,
    /// Files of the table whose keys were read.
    pub(crate) looked_into: u64,
    /// Rubbish once the commit is made: incoming files that were written again.
    pub(crate) superseded: Vec<DataFile>,
    /// Rubbish when the commit is not made: what was written again.
    pub(crate) rewritten: Vec<DataFile>,
}

/// The state of one merge.
pub(super) struct Work {
    /// Files of the commit, then files of the table.
    pub(super) files: Vec<DataFile>,
    pub(super) incoming: usize,
    /// Rows of each file, where it was scanned.
    pub(super) rows: Vec<u64>,
    pub(super) losers: Rows,
    /// Incoming rows that took the place of a row of the table.
    pub(super) replacing: Rows,
    /// Rows of the table with the same cursor as an incoming one.
    pub(super) ties: Vec<(RowId, RowId)>,
    /// Of a history: new ends of versions, by file and row.
    pub(super) ends: HashMap<u32, BTreeMap<u32, Moment>>,
    pub(super) deleted: u64,
    /// Files of the table whose keys were read.
    pub(super) looked_into: Vec<bool>,
}

impl Work {
    pub(super) fn new(incoming: &Incoming<'_>, table: Vec<DataFile>) -> Self {
        let files: Vec<_> = incoming.files.iter().map(DataFile::staged).chain(table).collect();
        Self {
            incoming: incoming.files.len(),
            rows: vec![0; files.len()],
            losers: Rows::new(files.len()),
            replacing: Rows::new(files.len()),
            ties: Vec::new(),
            ends: HashMap::new(),
            deleted: 0,
            looked_into: vec![false; files.len()],
            files,
        }
    }

    /// Rows of the table and of the commit that tied, in order.
    pub(super) fn take_ties(&mut self) -> Vec<(RowId, RowId)> {
        let mut ties = std::mem::take(&mut self.ties);
        // A later row of the commit may have taken the place of one that tied.
        ties.retain(|(incoming, _)| {
            self.losers.of(incoming.file as usize).is_none_or(|rows| !rows.contains(incoming.row))
        });
        ties.sort_unstable();
        ties
    }

    /// Counts what was decided.
    pub(super) fn count(&self, incoming: &Incoming<'_>, outcome: &mut Outcome) {
        let lost = self.losers.count(self.incoming);
        outcome.updated = self.replacing.count_without(&self.losers, self.incoming);
        outcome.unchanged = lost;
        outcome.inserted = incoming.rows.saturating_sub(lost + outcome.updated);
        outcome.deleted = self.deleted;
        outcome.looked_into = self.looked_into.iter().filter(|looked| **looked).count() as u64;
    }
}
