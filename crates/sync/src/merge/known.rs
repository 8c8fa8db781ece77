//! What a pass knows about each key, and which rows lose.

use std::collections::HashMap;

use ahash::RandomState;
use roaring::RoaringBitmap;

/// A row by file and position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowId {
    pub(crate) file: u32,
    pub(crate) row: u32,
}

/// The winner so far for one key.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) cursor: Box<[u8]>,
    pub(crate) winner: Winner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Winner {
    /// A row of this commit.
    Incoming(RowId),
    /// A deletion.
    Deleted,
    /// A row that was in the table already.
    Existing,
}

/// Entries of a pass by key.
pub(crate) type Known = HashMap<Box<[u8]>, Entry, RandomState>;

/// Rows that lose, by file.
#[derive(Debug)]
pub(crate) struct Rows(Vec<RoaringBitmap>);

impl Rows {
    pub(crate) fn new(files: usize) -> Self {
        Self(vec![RoaringBitmap::new(); files])
    }

    pub(crate) fn insert(&mut self, row: RowId) {
        if let Some(rows) = self.0.get_mut(row.file as usize) {
            rows.insert(row.row);
        }
    }

    pub(crate) fn of(&self, file: usize) -> Option<&RoaringBitmap> {
        self.0.get(file).filter(|rows| !rows.is_empty())
    }

    /// How many rows of the first `files` files.
    pub(crate) fn count(&self, files: usize) -> u64 {
        self.0.iter().take(files).map(RoaringBitmap::len).sum()
    }

    /// How many rows of the first `files` files are here and not in `other`.
    pub(crate) fn count_without(&self, other: &Self, files: usize) -> u64 {
        self.0.iter().zip(&other.0).take(files).map(|(a, b)| a.difference_len(b)).sum()
    }
}
