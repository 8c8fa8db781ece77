//! What changed between two versions of a table whose rows keep their ids.
//!
//! Each row tells the version of its last change, so changes are rows of the newer version; deletions are ids of the older
//! version that the newer one does not have, and their keys are read from the older one.

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt64Array},
    compute::cast,
    datatypes::{DataType, UInt64Type},
};

use super::{
    client::{Asked, LanceClient},
    dialect::Query,
    filter::{Comparison, Literal, Predicate},
    snapshot::Snapshot,
};
use crate::error::{Error, ErrorKind, Result};

/// The version of a row's last change: the cursor of tables that are followed by versions.
pub(super) const CHANGED_AT: &str = "_row_last_updated_at_version";
const CREATED_AT: &str = "_row_created_at_version";
const ROW_ID: &str = "_rowid";
const ROW_ADDRESS: &str = "_rowaddr";
/// Ids in one look at both versions: 64 MB at most.
const IDS: u64 = 4_000_000;
/// Ids in one question for keys.
const KEYS: usize = 10_000;

/// Rows that were changed or added after one version and up to another.
pub(super) fn changed_between(after: u64, until: u64) -> Predicate {
    Predicate::compare(CHANGED_AT, Comparison::More, after).and(Predicate::compare(
        CHANGED_AT,
        Comparison::AtMost,
        until,
    ))
}

/// Whether rows keep their ids and versions when they move.
///
/// On other tables the versions are there too, and always 1. `None`: nothing tells yet, there is only a first fragment that was
/// never changed.
///
/// # Errors
/// Those of the client.
pub(super) async fn has_stable_ids(client: &LanceClient, table: &str, version: u64) -> Result<Option<bool>> {
    let changed = Predicate::compare(CHANGED_AT, Comparison::More, 1).to_text()?;
    match client.count(table, version, Some(&changed)).await {
        Ok(0) => {}
        Ok(_) => return Ok(Some(true)),
        // A server that does not know these columns cannot tell of changes.
        Err(error) if error.kind() == ErrorKind::Config => return Ok(Some(false)),
        Err(error) => return Err(error),
    }
    let query = Query {
        version: Some(version),
        limit: 1,
        columns: Some(vec![ROW_ID.to_owned(), ROW_ADDRESS.to_owned()]),
        filter: Some(Predicate::compare(ROW_ADDRESS, Comparison::AtLeast, 1 << 32).to_text()?),
        ..Query::default()
    };
    let Asked::Answer(answer) = client.query(table, &query).await? else { return Ok(Some(false)) };
    let Some(batch) = answer.batches.iter().find(|batch| batch.num_rows() > 0) else { return Ok(None) };
    Ok(Some(numbers(batch, 0)?.value(0) != numbers(batch, 1)?.value(0)))
}

/// The first id that no row of a version has.
async fn end_of_ids(snapshot: &Snapshot) -> Result<u64> {
    let (mut low, mut high) = (0, 1);
    while above(snapshot, high).await? > 0 {
        (low, high) = (high, high.saturating_mul(2));
        if high == u64::MAX {
            return Ok(high);
        }
    }
    while high - low > IDS / 4 {
        let middle = low + (high - low) / 2;
        if above(snapshot, middle).await? > 0 { low = middle } else { high = middle }
    }
    Ok(high)
}

async fn above(snapshot: &Snapshot, id: u64) -> Result<u64> {
    snapshot.count(Some(Predicate::compare(ROW_ID, Comparison::AtLeast, id))).await
}

/// Whether rows can have gone between two versions, by counts alone: cheap, and sure only without a filter.
///
/// # Errors
/// Those of the client.
pub(super) async fn may_have_lost(older: &Snapshot, newer: &Snapshot, rows_before: u64) -> Result<bool> {
    if older.selected.is_some() {
        return Ok(true);
    }
    let alive = newer.count(Some(Predicate::compare(CREATED_AT, Comparison::AtMost, older.version.number))).await?;
    Ok(alive != rows_before)
}

/// The ids that an older version has and a newer one does not, in parts.
pub(super) struct Lost {
    older: Snapshot,
    newer: Snapshot,
    next: u64,
    end: u64,
}

impl Lost {
    /// # Errors
    /// Those of the client.
    pub(super) async fn between(older: Snapshot, newer: Snapshot) -> Result<Self> {
        let end = end_of_ids(&older).await?;
        Ok(Self { older, newer, next: 0, end })
    }

    /// The lost ids of the next range of ids, sorted; `None` after the last.
    ///
    /// # Errors
    /// Those of the client.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u64>>> {
        if self.next >= self.end {
            return Ok(None);
        }
        let (from, to) = (self.next, self.next.saturating_add(IDS).min(self.end));
        self.next = to;
        let (before, after) = futures::future::try_join(ids(&self.older, from, to), ids(&self.newer, from, to)).await?;
        let mut after = after.into_iter().peekable();
        let mut lost = before;
        lost.retain(|id| {
            while after.next_if(|other| other < id).is_some() {}
            after.peek() != Some(id)
        });
        Ok(Some(lost))
    }
}

/// The ids of a version within a range, sorted.
async fn ids(snapshot: &Snapshot, from: u64, to: u64) -> Result<Vec<u64>> {
    let range =
        Predicate::compare(ROW_ID, Comparison::AtLeast, from).and(Predicate::compare(ROW_ID, Comparison::Less, to));
    let filter = snapshot.and(Some(range)).map(|range| range.to_text()).transpose()?;
    let query = Query {
        version: Some(snapshot.version.number),
        limit: to - from,
        columns: Some(vec![ROW_ID.to_owned()]),
        filter,
        ..Query::default()
    };
    let answer = match snapshot.client.query(&snapshot.table, &query).await? {
        Asked::Answer(answer) => answer,
        Asked::TooLarge(error) => return Err(error),
    };
    let mut all = Vec::with_capacity(answer.rows());
    for batch in &answer.batches {
        all.extend_from_slice(numbers(batch, 0)?.values());
    }
    all.sort_unstable();
    Ok(all)
}

/// The keys of rows of a version, with the version at which they were gone as their cursor.
///
/// # Errors
/// Those of the client; [`Protocol`](ErrorKind::Protocol) when a row is not there.
pub(super) async fn keys(older: &Snapshot, ids: &[u64], gone_at: u64) -> Result<Vec<RecordBatch>> {
    let mut all = Vec::new();
    for part in ids.chunks(KEYS) {
        let wanted = part.iter().map(|id| Literal::UnsignedLong(*id)).collect();
        let wanted = Predicate::In(format!("`{ROW_ID}`"), wanted);
        let rows = part.len() as u64;
        let mut pages = older.pages(Some(wanted), 0, rows);
        while let Some(page) = futures::TryStreamExt::try_next(&mut pages).await? {
            for batch in page.batches {
                all.push(with_cursor(&batch, gone_at)?);
            }
        }
    }
    Ok(all)
}

/// The batch with another cursor: that of the deletion.
fn with_cursor(batch: &RecordBatch, version: u64) -> Result<RecordBatch> {
    let version = i64::try_from(version)
        .map_err(|_| Error::new(ErrorKind::Protocol, "the server counts versions beyond what a Long holds"))?;
    let cursor: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![version; batch.num_rows()]));
    let columns = batch.schema_ref().fields().iter().zip(batch.columns()).map(|(field, column)| {
        let column =
            if field.name() == CHANGED_AT { std::sync::Arc::clone(&cursor) } else { std::sync::Arc::clone(column) };
        (field.name().clone(), column, field.is_nullable())
    });
    RecordBatch::try_from_iter_with_nullable(columns)
        .map_err(|error| Error::new(ErrorKind::Internal, "Arrow refused the keys of deleted rows").caused_by(error))
}

/// A column of numbers that the server adds.
fn numbers(batch: &RecordBatch, place: usize) -> Result<UInt64Array> {
    let wrong = || Error::new(ErrorKind::Protocol, "the server's row ids are not numbers");
    let column = batch.columns().get(place).ok_or_else(wrong)?;
    let column = cast(column, &DataType::UInt64).map_err(|_| wrong())?;
    Ok(column.as_primitive_opt::<UInt64Type>().filter(|ids| ids.null_count() == 0).ok_or_else(wrong)?.clone())
}
