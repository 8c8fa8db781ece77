//! Rows that do not fit, kept in a Delta table beside the one they were meant for.

use std::{collections::HashMap, sync::Arc};

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::Utc;
use deltalake::{
    kernel::{
        Action,
        transaction::{CommitBuilder, CommitProperties, TableReference},
    },
    protocol::{DeltaOperation, SaveMode},
};
use lakeflow_connect::{DataType, Error, ErrorKind, QuarantinedRow, Result, StructField, StructType, arrow};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    align::{Casts, align},
    error::{is_conflict, sink},
    job::{SyncOptions, TableJob},
    keys::KeyCodec,
    merge::{Incoming, Merge, Rule, Suspects},
    rows::remove,
    scan::Scanner,
    schema,
    stage::Segment,
    table::Table,
};

/// Rows kept in memory before they are written.
const FLUSH_ROWS: usize = 5_000;
/// Bytes of records kept in memory before they are written.
const FLUSH_BYTES: usize = 16 << 20;
/// A longer record does not fit a text column as base64.
const RECORD_BYTES: usize = 1 << 30;

/// Rows waiting to be put aside.
///
/// They are written before the offset that covers them is committed, and a row that is there already stays, so a replay
/// changes nothing.
pub(crate) struct Quarantine<'a> {
    job: &'a TableJob,
    options: &'a SyncOptions,
    rows: Vec<QuarantinedRow>,
    bytes: usize,
}

impl<'a> Quarantine<'a> {
    pub(crate) fn new(job: &'a TableJob, options: &'a SyncOptions) -> Self {
        Self { job, options, rows: Vec::new(), bytes: 0 }
    }

    pub(crate) async fn push(&mut self, rows: Vec<QuarantinedRow>) -> Result<()> {
        for row in rows {
            if row.record.len() > RECORD_BYTES {
                return Err(Error::new(ErrorKind::Data, "a record that does not fit is too long to be put aside")
                    .with("column", &row.column)
                    .with("bytes", row.record.len()));
            }
            self.bytes += row.record.len();
            self.rows.push(row);
            if self.rows.len() >= FLUSH_ROWS || self.bytes >= FLUSH_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Writes what is waiting; after a failure it waits on, so that no offset can be stored past it.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        if !self.rows.is_empty() {
            self.write().await?;
            self.rows.clear();
            self.bytes = 0;
        }
        Ok(())
    }

    async fn write(&self) -> Result<()> {
        let url = quarantine_url(&self.job.destination);
        let wanted = table_schema();
        let mut table = match Table::open(&url, &self.options.storage).await? {
            Some(table) => table,
            None => Table::create(&url, &self.options.storage, &wanted, &[]).await?,
        };
        if !schema::additions(&wanted, table.schema())?.fields.is_empty() {
            return Err(Error::new(ErrorKind::Sink, "the quarantine table has another schema"));
        }
        let batch = align(&self.batch()?, table.arrow(), Casts::Layout, &HashMap::new())?;
        let codec = KeyCodec::new(table.arrow(), &["row_id".to_owned()], None)?;
        let mut overtaken = 0;
        loop {
            let layout = table.layout(self.options, vec!["row_id".to_owned()], None)?;
            let mut segment = Segment::start(&layout);
            segment.write(vec![batch.clone()]).await?;
            let files = segment.finish().await?;
            let merge = Merge {
                scanner: Scanner { store: table.store(), schema: table.arrow().clone() },
                layout,
                codec: &codec,
                deletion_codec: &codec,
                rule: Rule::KeepExisting,
                keys_per_pass: self.options.merge_keys,
            };
            let rows = batch.num_rows() as u64;
            let incoming = Incoming {
                files: &files,
                rows,
                suspects: Suspects::All,
                deletions: Vec::new(),
                deletions_applied: true,
            };
            let outcome = merge.settle(&incoming, table.files().await?, &mut None).await?;
            remove(&table, outcome.superseded.iter().map(|f| &f.path)).await;
            if outcome.adds.is_empty() {
                return Ok(());
            }
            let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
            let actions = outcome.adds.iter().cloned().map(Action::Add).collect();
            let result = {
                let state = table.delta().snapshot().map_err(|e| sink("writing the quarantine table", e))?;
                CommitBuilder::from(CommitProperties::default().with_max_retries(0))
                    .with_actions(actions)
                    .build(Some(state as &dyn TableReference), table.delta().log_store(), operation)
                    .await
            };
            match result {
                Ok(_) => return Ok(()),
                Err(error) if is_conflict(&error) && overtaken < self.options.commit_retries => {
                    overtaken += 1;
                    let added: Vec<_> = outcome.adds.iter().map(crate::table::DataFile::staged).collect();
                    remove(&table, added.iter().map(|f| &f.path)).await;
                    table.reload().await?;
                }
                Err(error) => return Err(sink("writing the quarantine table", error)),
            }
        }
    }

    fn batch(&self) -> Result<RecordBatch> {
        let rows = &self.rows;
        let at = self.options.clock.now().with_timezone(&Utc).timestamp_micros();
        let table = self.job.table.name.as_str();
        let text = |f: &dyn Fn(&QuarantinedRow) -> Option<String>| -> ArrayRef {
            Arc::new(rows.iter().map(f).collect::<StringArray>())
        };
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("row_id", text(&|r| Some(row_id(table, r)))),
            ("table", text(&|_| Some(table.to_owned()))),
            ("key", text(&|r| r.key.clone())),
            ("column", text(&|r| Some(r.column.clone()))),
            ("reason", text(&|r| Some(r.reason.clone()))),
            ("record", text(&|r| Some(record(r).0))),
            ("record_encoding", text(&|r| Some(record(r).1.to_owned()))),
            (
                "quarantined_at",
                Arc::new(TimestampMicrosecondArray::from(vec![at; rows.len()]).with_timezone("UTC")) as ArrayRef,
            ),
        ];
        RecordBatch::try_from_iter(columns).map_err(|e| sink("writing the quarantine table", e))
    }
}

/// The same for the same record, on every replay and release.
fn row_id(table: &str, row: &QuarantinedRow) -> String {
    let mut hash = Sha256::new();
    for part in [table.as_bytes(), row.column.as_bytes(), &row.record] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

fn record(row: &QuarantinedRow) -> (String, &'static str) {
    match std::str::from_utf8(&row.record) {
        Ok(text) => (text.to_owned(), "text"),
        Err(_) => (STANDARD.encode(&row.record), "base64"),
    }
}

fn table_schema() -> StructType {
    let text = |name, comment: &str| StructField::new(name, DataType::String).comment(comment);
    StructType::new([
        text("row_id", "Identifies the record: the same on every replay"),
        text("table", "The table it was meant for"),
        text("key", "Its primary key as JSON, where it could be read"),
        text("column", "The column that did not fit"),
        text("reason", "What was expected and what came"),
        text("record", "The record as it came"),
        text("record_encoding", "How to read the record: text or base64"),
        StructField::new("quarantined_at", DataType::Timestamp),
    ])
}

/// The table beside a destination that holds its quarantined rows.
pub fn quarantine_url(destination: &Url) -> Url {
    let mut url = destination.clone();
    let path = format!("{}_quarantine/", destination.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}
