//! A file of rows as it was written, and what of it is alive in a version.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt64Array},
    buffer::{BooleanBuffer, ScalarBuffer},
};

/// What can be asked for though no table has it.
pub(crate) const VIRTUAL_COLUMNS: [&str; 5] =
    ["_rowid", "_rowaddr", "_row_created_at_version", "_row_last_updated_at_version", "_rowoffset"];

/// Rows as they were written, with their ids and versions; all columns are of one length.
#[derive(Clone, Debug)]
pub(super) struct Fragment {
    pub(super) id: u64,
    pub(super) rows: RecordBatch,
    pub(super) ids: ScalarBuffer<u64>,
    pub(super) created: ScalarBuffer<u64>,
    pub(super) updated: ScalarBuffer<u64>,
}

/// What of a fragment is alive.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(super) fragment: Arc<Fragment>,
    /// All rows when absent.
    pub(super) live: Option<BooleanBuffer>,
    pub(super) rows: usize,
}

impl Part {
    pub(super) fn whole(fragment: Fragment) -> Self {
        Self { rows: fragment.rows.num_rows(), fragment: Arc::new(fragment), live: None }
    }

    /// Without some of its rows; nothing when none is left.
    pub(super) fn without(&self, gone: &BooleanBuffer) -> Option<Self> {
        let kept = !gone;
        let live = match &self.live {
            Some(live) => live & &kept,
            None => kept,
        };
        let rows = live.count_set_bits();
        (rows > 0).then(|| Self { fragment: Arc::clone(&self.fragment), live: Some(live), rows })
    }

    /// Rows that are alive.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Rows that the fragment holds.
    pub(crate) fn len(&self) -> usize {
        self.fragment.rows.num_rows()
    }

    /// All rows of the fragment.
    pub(crate) fn batch(&self) -> &RecordBatch {
        &self.fragment.rows
    }

    /// Which rows are alive; all when absent.
    pub(crate) fn live(&self) -> Option<&BooleanBuffer> {
        self.live.as_ref()
    }

    /// Rows that are alive and selected.
    pub(crate) fn selected(&self, mask: Option<&BooleanArray>) -> Option<BooleanBuffer> {
        let chosen = mask.map(|mask| match mask.nulls() {
            Some(valid) => mask.values() & valid.inner(),
            None => mask.values().clone(),
        });
        match (chosen, &self.live) {
            (Some(chosen), Some(live)) => Some(&chosen & live),
            (Some(chosen), None) => Some(chosen),
            (None, live) => live.clone(),
        }
    }

    /// A column that no table has, of the whole fragment; `before` is the number of live rows of fragments before it.
    pub(crate) fn virtual_column(&self, name: &str, before: u64) -> Option<ArrayRef> {
        let fragment = &self.fragment;
        let values = match name {
            "_rowid" => fragment.ids.clone(),
            "_rowaddr" => (0..self.len() as u64).map(|row| (fragment.id << 32) | row).collect(),
            "_row_created_at_version" => fragment.created.clone(),
            "_row_last_updated_at_version" => fragment.updated.clone(),
            "_rowoffset" => {
                let mut next = before;
                let offset = |row: usize| {
                    let live = self.live.as_ref().is_none_or(|live| live.value(row));
                    let offset = next;
                    next += u64::from(live);
                    offset
                };
                (0..self.len()).map(offset).collect()
            }
            _ => return None,
        };
        Some(Arc::new(UInt64Array::new(values, None)))
    }
}
