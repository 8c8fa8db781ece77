//! Tables: rows in fragments, a list of fragments for each version, and the writes that make versions.

mod changes;
mod fragment;
mod kinds;
mod maintenance;
mod version;

pub(crate) use fragment::{Part, VIRTUAL_COLUMNS};
pub(crate) use version::Version;
pub use version::{Index, IndexKind, RowIds};

use std::{collections::BTreeMap, sync::Arc};

pub(crate) use changes::Stamp;

/// A table with all versions that are kept.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) row_ids: RowIds,
    pub(crate) fragment_rows: usize,
    /// Empty while the table is only declared.
    pub(crate) versions: BTreeMap<u64, Arc<Version>>,
    pub(crate) tags: BTreeMap<String, u64>,
    next_row: u64,
    next_fragment: u64,
}

impl Table {
    /// A table that is registered and was never written.
    pub(crate) fn declared(row_ids: RowIds, fragment_rows: usize) -> Self {
        Self {
            row_ids,
            fragment_rows: fragment_rows.max(1),
            versions: BTreeMap::new(),
            tags: BTreeMap::new(),
            next_row: 0,
            next_fragment: 0,
        }
    }

    /// The newest version; nothing of a table that is only declared.
    pub(crate) fn latest(&self) -> Option<&Arc<Version>> {
        self.versions.last_key_value().map(|(_, version)| version)
    }

    /// A version that is kept.
    pub(crate) fn version(&self, number: u64) -> Option<&Arc<Version>> {
        self.versions.get(&number)
    }
}
