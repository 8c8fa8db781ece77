//! Compares a Delta table with what the server holds, resource by resource, byte by byte.

use std::{collections::HashMap, fs::File, path::Path};

use deltalake::{
    arrow::{array::AsArray, record_batch::RecordBatch},
    parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder},
};
use lakeflow_connect::{Error, ErrorKind, Result};
use lakeflow_simulators::fhir::RunningServer;
use url::Url;

/// How many rows a table has, all of them equal to the server's resources.
///
/// # Errors
/// [`Internal`](ErrorKind::Internal) naming what differs: it would be a bug.
pub(super) async fn verify(server: &RunningServer, table: &str, location: &Url) -> Result<u64> {
    let delta = deltalake::open_table(location.clone()).await.map_err(|e| unreadable(table).caused_by(e))?;
    let root = location.to_file_path().map_err(|()| unreadable(table))?;
    let state = delta.snapshot().map_err(|e| unreadable(table).caused_by(e))?;
    let files = state.log_data().into_iter().map(|file| root.join(file.object_store_path().as_ref()));
    let mut expected: HashMap<String, String> =
        server.expected(table).into_iter().filter_map(|e| Some((e.id, e.text?))).collect();
    let mut rows = 0;
    for file in files {
        for batch in read(&file).map_err(|e| unreadable(table).caused_by(e))? {
            rows += compare(&batch, table, &mut expected)?;
        }
    }
    if !expected.is_empty() {
        return Err(differs("resources are missing in the table", table).with("missing", expected.len()));
    }
    Ok(rows)
}

fn read(file: &Path) -> Result<Vec<RecordBatch>, Box<dyn std::error::Error + Send + Sync>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["id", "raw_json"]);
    Ok(builder.with_projection(mask).build()?.collect::<Result<_, _>>()?)
}

fn compare(batch: &RecordBatch, table: &str, expected: &mut HashMap<String, String>) -> Result<u64> {
    let column =
        |name| batch.column_by_name(name).and_then(|c| c.as_string_opt::<i32>()).ok_or_else(|| unreadable(table));
    let (ids, texts) = (column("id")?, column("raw_json")?);
    for (id, text) in ids.iter().zip(texts) {
        match expected.remove(id.unwrap_or_default()) {
            Some(wanted) if text == Some(wanted.as_str()) => {}
            Some(_) => return Err(differs("a resource has another content in the table", table)),
            None => return Err(differs("the table has a row twice, or one that the server does not have", table)),
        }
    }
    Ok(batch.num_rows() as u64)
}

fn unreadable(table: &str) -> Error {
    Error::new(ErrorKind::Sink, "the Delta table could not be read back").with("table", table)
}

fn differs(what: &'static str, table: &str) -> Error {
    Error::new(ErrorKind::Internal, what)
        .with("table", table)
        .help("this is a bug: please report it with the receipts in the destination's _lakeflow directory")
}
