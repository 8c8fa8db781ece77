//! What rows tell of their changes, on tables whose rows keep their ids.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};

use super::{
    client::{Asked, LanceClient},
    dialect::Query,
    filter::{Comparison, Predicate},
    pages::{ROW_ID, numbers},
};
use crate::error::{Error, ErrorKind, Result};

/// The version of a row's last change: the cursor of tables that are followed by versions.
pub(super) const CHANGED_AT: &str = "_row_last_updated_at_version";
/// The version that a row came with.
pub(super) const CREATED_AT: &str = "_row_created_at_version";
/// The fragment that a row is in, and its place there.
pub(super) const ROW_ADDRESS: &str = "_rowaddr";

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
    let [id, address] = [ROW_ID, ROW_ADDRESS].map(|name| batch.column_by_name(name));
    let (Some(id), Some(address)) = (id, address) else { return Ok(Some(false)) };
    Ok(Some(numbers(id)?.value(0) != numbers(address)?.value(0)))
}

/// The batch with another version as the cursor of its rows.
///
/// # Errors
/// [`Protocol`](ErrorKind::Protocol) for a version that a Long does not hold.
pub(super) fn changed_at(batch: &RecordBatch, version: u64) -> Result<RecordBatch> {
    let version = i64::try_from(version)
        .map_err(|_| Error::new(ErrorKind::Protocol, "the server counts versions beyond what a Long holds"))?;
    let cursor: ArrayRef = Arc::new(Int64Array::from(vec![version; batch.num_rows()]));
    let fields = batch.schema_ref().fields().iter();
    let columns = fields.zip(batch.columns()).map(|(field, column)| match field.name() == CHANGED_AT {
        true => Arc::clone(&cursor),
        false => Arc::clone(column),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns.collect(), &options)
        .map_err(|error| Error::new(ErrorKind::Internal, "Arrow refused the cursor of rows").caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cursor_of_rows_is_another() {
        let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
        let batch = |at| {
            let columns = [("id", column(vec![1, 2]), false), (CHANGED_AT, column(at), true)];
            RecordBatch::try_from_iter_with_nullable(columns).unwrap()
        };
        assert_eq!(changed_at(&batch(vec![3, 4]), 9).unwrap(), batch(vec![9, 9]));
        assert_eq!(changed_at(&batch(vec![3, 4]), u64::MAX).unwrap_err().kind(), ErrorKind::Protocol);
    }
}
