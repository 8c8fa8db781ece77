//! Compares a table with what the hospital's server holds, resource by resource, byte by byte.

use std::collections::HashMap;

use deltalake::arrow::{array::AsArray, record_batch::RecordBatch};
use lakeflow_connect::Result;
use lakeflow_simulators::fhir::RunningServer;

use super::stored::{differs, unreadable};

/// The columns that are compared.
pub(super) const COLUMNS: &[&str] = &["id", "raw_json"];

/// How many rows there are, all of them equal to the server's resources.
///
/// # Errors
/// [`Internal`](lakeflow_connect::ErrorKind::Internal) naming what differs: it would be a bug.
pub(super) fn compare(server: &RunningServer, table: &str, rows: &[RecordBatch]) -> Result<u64> {
    let mut expected: HashMap<String, String> =
        server.expected(table).into_iter().filter_map(|e| Some((e.id, e.text?))).collect();
    for batch in rows {
        let column =
            |name| batch.column_by_name(name).and_then(|c| c.as_string_opt::<i32>()).ok_or_else(|| unreadable(table));
        for (id, text) in column("id")?.iter().zip(column("raw_json")?) {
            match expected.remove(id.unwrap_or_default()) {
                Some(wanted) if text == Some(wanted.as_str()) => {}
                Some(_) => return Err(differs("a resource has another content in the table", table)),
                None => return Err(differs("the table has a row twice, or one that the server does not have", table)),
            }
        }
    }
    if !expected.is_empty() {
        return Err(differs("resources are missing in the table", table).with("missing", expected.len()));
    }
    Ok(rows.iter().map(|batch| batch.num_rows() as u64).sum())
}
