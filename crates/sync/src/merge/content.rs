//! Rows with equal keys and cursors: the same, or changed without a new cursor?

use std::{collections::HashMap, sync::Arc};

use ahash::RandomState;
use arrow::{
    array::ArrayRef,
    datatypes::Field,
    row::{RowConverter, SortField},
};
use deltalake::parquet::arrow::arrow_reader::{RowSelection, RowSelector};
use lakeflow_connect::{Result, arrow, types::READ_TIME_KEY};

use super::{known::RowId, resolve::Merge, work::Work};
use crate::{error::sink, scan::Scanner};

impl Merge<'_> {
    /// Keeps the row that is in the table when the incoming one is equal in every column, so that a row that is read
    /// again costs nothing; else the incoming one replaces it.
    pub(super) async fn settle_ties(&self, work: &mut Work) -> Result<()> {
        let ties = work.take_ties();
        if ties.is_empty() {
            return Ok(());
        }
        let incoming = ties.iter().map(|(a, _)| *a).collect();
        let existing = ties.iter().map(|(_, b)| *b).collect();
        let incoming = contents(&self.scanner, work, incoming, is_read_time).await?;
        let existing = contents(&self.scanner, work, existing, is_read_time).await?;
        for same_key in ties.chunk_by(|a, b| a.0 == b.0) {
            let Some((row, _)) = same_key.first() else { continue };
            let equal = same_key.iter().find(|(a, b)| incoming.get(a).is_some_and(|h| existing.get(b) == Some(h)));
            match equal {
                Some(_) => work.losers.insert(*row),
                None => work.replacing.insert(*row),
            }
            // More than one only in a table that somebody else wrote to: one row per key stays.
            for (_, other) in same_key.iter().filter(|(_, b)| equal.is_none_or(|(_, kept)| kept != b)) {
                work.losers.insert(*other);
            }
        }
        Ok(())
    }

    /// Whether the cursor is the time of reading, so that a row that is read again seems newer and may be the same.
    pub(super) fn is_cursor_read_time(&self) -> bool {
        let cursor = self.codec.cursor().and_then(|cursor| self.scanner.schema.field_with_name(cursor.root()).ok());
        cursor.is_some_and(is_read_time)
    }
}

/// A fingerprint of the given rows, of all columns but those that are left out.
pub(super) async fn contents(
    scanner: &Scanner,
    work: &Work,
    mut rows: Vec<RowId>,
    left_out: impl Fn(&Field) -> bool,
) -> Result<HashMap<RowId, u128, RandomState>> {
    if rows.is_empty() {
        return Ok(HashMap::default());
    }
    rows.sort_unstable();
    rows.dedup();
    let fields = scanner.schema.fields();
    let compared: Vec<usize> = (0..fields.len()).filter(|i| !left_out(&fields[*i])).collect();
    let fields = compared.iter().map(|i| SortField::new(fields[*i].data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(|e| sink("comparing rows", e))?;
    let hashers = [RandomState::with_seeds(1, 2, 3, 4), RandomState::with_seeds(5, 6, 7, 8)];
    let mut contents = HashMap::with_capacity_and_hasher(rows.len(), RandomState::new());
    for of_file in rows.chunk_by(|a, b| a.file == b.file) {
        let Some(file) = of_file.first().and_then(|r| work.files.get(r.file as usize)) else { continue };
        let mut reader = scanner.rows(file, Some(selection(of_file))).await?;
        let mut next = of_file.iter();
        while let Some(batch) = reader.next().await? {
            let columns: Vec<ArrayRef> = compared.iter().map(|i| Arc::clone(batch.column(*i))).collect();
            let converted = converter.convert_columns(&columns).map_err(|e| sink("comparing rows", e))?;
            for (row, id) in converted.iter().zip(next.by_ref()) {
                let [a, b] = [0, 1].map(|i: usize| u128::from(hashers[i].hash_one(row.data())));
                contents.insert(*id, a << 64 | b);
            }
        }
    }
    Ok(contents)
}

pub(super) fn is_read_time(field: &Field) -> bool {
    field.metadata().get(READ_TIME_KEY).is_some_and(|marked| marked == "true")
}

/// Selects sorted rows of one file.
fn selection(rows: &[RowId]) -> RowSelection {
    let mut selectors = Vec::new();
    let mut at = 0;
    for run in rows.chunk_by(|a, b| a.row + 1 == b.row) {
        let Some(first) = run.first() else { continue };
        selectors.push(RowSelector::skip(first.row as usize - at));
        selectors.push(RowSelector::select(run.len()));
        at = first.row as usize + run.len();
    }
    RowSelection::from(selectors)
}
