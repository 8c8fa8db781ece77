//! Reads Delta tables back, and says what is wrong with them.

use std::{fs::File, path::Path};

use deltalake::{
    arrow::record_batch::RecordBatch,
    parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder},
};
use lakeflow_connect::{Error, ErrorKind, Result};
use url::Url;

/// Some columns of all rows of a table.
pub(super) async fn rows(table: &str, location: &Url, columns: &[&str]) -> Result<Vec<RecordBatch>> {
    let delta = deltalake::open_table(location.clone()).await.map_err(|e| unreadable(table).caused_by(e))?;
    let root = location.to_file_path().map_err(|()| unreadable(table))?;
    let state = delta.snapshot().map_err(|e| unreadable(table).caused_by(e))?;
    let mut all = Vec::new();
    for file in state.log_data() {
        let file = root.join(file.object_store_path().as_ref());
        all.extend(read(&file, columns).map_err(|e| unreadable(table).caused_by(e))?);
    }
    Ok(all)
}

fn read(file: &Path, columns: &[&str]) -> Result<Vec<RecordBatch>, Box<dyn std::error::Error + Send + Sync>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(file)?)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    Ok(builder.with_projection(mask).build()?.collect::<Result<_, _>>()?)
}

pub(super) fn unreadable(table: &str) -> Error {
    Error::new(ErrorKind::Sink, "the Delta table could not be read back").with("table", table)
}

pub(super) fn differs(what: &'static str, table: &str) -> Error {
    Error::new(ErrorKind::Internal, what)
        .with("table", table)
        .help("this is a bug: please report it with the receipts in the destination's _lakeflow directory")
}
