//! A lake in a temporary directory, and what is in its tables according to another reader.

use std::{fs::File, path::PathBuf, sync::Arc, time::Duration};

use chrono::DateTime;
use deltalake::{DeltaTable, parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder};
use futures::TryStreamExt;
use lakeflow_connect::{
    Result,
    arrow::array::{Array, AsArray, RecordBatch},
    arrow::datatypes::Int64Type,
    clock::ManualClock,
};
use lakeflow_sync::{SyncOptions, TableJob, TableReceipt, sync_table};
use url::Url;

use crate::source::Source;

pub struct Lake {
    pub dir: tempfile::TempDir,
    pub clock: Arc<ManualClock>,
    pub options: SyncOptions,
}

impl Lake {
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::new(DateTime::from_timestamp(1_700_000_000, 0).unwrap()));
        let mut options = SyncOptions::default();
        options.clock = clock.clone();
        Self { dir: tempfile::tempdir().unwrap(), clock, options }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("things")
    }

    pub fn url(&self) -> Url {
        Url::from_directory_path(self.path()).unwrap()
    }

    pub fn job(&self, source: &Source) -> TableJob {
        TableJob::new("memory", Arc::new(source.clone()), "things", self.url())
    }

    pub async fn sync(&self, source: &Source) -> Result<TableReceipt> {
        sync_table(self.job(source), &self.options, &()).await
    }

    pub async fn open(&self) -> DeltaTable {
        deltalake::open_table(self.url()).await.unwrap()
    }

    pub async fn version(&self) -> u64 {
        self.open().await.version().unwrap()
    }

    pub async fn batches(&self) -> Vec<RecordBatch> {
        read(&self.open().await).await
    }

    /// `id:n:body` of every row, sorted.
    pub async fn rows(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for batch in self.batches().await {
            let id = batch.column_by_name("id").unwrap().as_string::<i32>().clone();
            let n = batch.column_by_name("n").unwrap().as_primitive::<Int64Type>().clone();
            let body = batch.column_by_name("body").unwrap().as_string::<i32>().clone();
            rows.extend((0..batch.num_rows()).map(|i| {
                let body = if body.is_null(i) { "null" } else { body.value(i) };
                format!("{}:{}:{}", id.value(i), n.value(i), body)
            }));
        }
        rows.sort();
        rows
    }

    pub fn wait(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Names of the files that the table's newest version holds.
    pub async fn files(&self) -> Vec<String> {
        let mut files: Vec<_> = self.open().await.get_file_uris().unwrap().collect();
        files.sort();
        files
    }

    /// Data files in the folder, named by a commit or not.
    pub fn data_files(&self) -> usize {
        std::fs::read_dir(self.path())
            .unwrap()
            .filter(|f| f.as_ref().unwrap().file_name().to_string_lossy().contains(".parquet"))
            .count()
    }
}

pub async fn read(table: &DeltaTable) -> Vec<RecordBatch> {
    let files: Vec<_> = table.get_active_add_actions_by_partitions(&[]).try_collect().await.unwrap();
    let root = table.table_url().to_file_path().unwrap();
    let mut batches = Vec::new();
    for file in files {
        let file = File::open(root.join(file.path().as_ref())).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        batches.extend(reader.map(|b| b.unwrap()));
    }
    batches
}
