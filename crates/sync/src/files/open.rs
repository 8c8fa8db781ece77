//! One file that is being written: encoded here, sent to the store in pieces.

use std::{collections::HashMap, io, mem, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use bytes::Bytes;
use deltalake::{
    ObjectStore, Path,
    kernel::Add,
    logstore::object_store::buffered::BufWriter,
    parquet::file::{metadata::ParquetMetaData, properties::WriterProperties},
};
use lakeflow_connect::{Result, arrow};
use tokio::io::AsyncWriteExt;

use super::{groups::RowGroups, stats::statistics};
use crate::error::sink;

/// Encoded bytes are handed on in pieces of one size: growing one buffer for a row group would leave holes in the heap.
const PIECE: usize = 1 << 20;
/// Bytes of one part of an upload; the least that stores take.
const PART: usize = 5 << 20;
/// Parts under way at a time: one is written while the next is filled.
const PARTS_AT_A_TIME: usize = 2;

pub(super) const WRITING: &str = "writing data files";

/// Encoded bytes that were not sent yet.
#[derive(Default)]
pub(super) struct Pieces {
    full: Vec<Bytes>,
    last: Vec<u8>,
}

impl Pieces {
    /// All that was not taken yet.
    pub(super) fn rest(self) -> Vec<Bytes> {
        let Self { mut full, last } = self;
        full.push(last.into());
        full
    }
}

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.last.capacity() == 0 {
            self.last.reserve_exact(PIECE);
        }
        let taken = bytes.len().min(PIECE - self.last.len());
        self.last.extend_from_slice(&bytes[..taken]);
        if self.last.len() == PIECE {
            self.full.push(mem::take(&mut self.last).into());
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is being written.
pub(super) struct OpenFile {
    pub(super) path: Path,
    pub(super) partition: HashMap<String, Option<String>>,
    /// When it was last written to, in writes of the whole segment.
    pub(super) used: u64,
    /// What it held in memory after its last write, about.
    pub(super) held: usize,
    schema: SchemaRef,
    rows: RowGroups,
    upload: BufWriter,
}

/// A file that is encoded and partly sent.
pub(super) struct EncodedFile {
    path: Path,
    partition: HashMap<String, Option<String>>,
    schema: SchemaRef,
    metadata: ParquetMetaData,
    bytes: usize,
    rest: Vec<Bytes>,
    upload: BufWriter,
}

impl OpenFile {
    pub(super) fn new(
        store: Arc<dyn ObjectStore>,
        path: Path,
        partition: HashMap<String, Option<String>>,
        schema: SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self> {
        let rows = RowGroups::new(Arc::clone(&schema), properties)?;
        let upload = BufWriter::with_capacity(store, path.clone(), PART).with_max_concurrency(PARTS_AT_A_TIME);
        Ok(Self { path, partition, used: 0, held: 0, schema, rows, upload })
    }

    /// Encodes rows, and sends what is ready.
    pub(super) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows.write(batch).await?;
        for piece in mem::take(&mut self.rows.pieces().full) {
            self.upload.put(piece).await.map_err(|e| sink(WRITING, e))?;
        }
        // A part that is being filled, and those under way.
        let unsent = self.rows.written().min(PART * PARTS_AT_A_TIME);
        self.held = self.rows.held() + unsent;
        Ok(())
    }

    /// How large the file would be if it ended now.
    pub(super) fn size(&self) -> usize {
        self.rows.written() + self.rows.unfinished()
    }

    /// Encodes the end.
    pub(super) async fn encode(mut self) -> Result<EncodedFile> {
        let metadata = self.rows.finish().await?;
        let bytes = self.rows.written();
        let rest = mem::take(self.rows.pieces()).rest();
        let Self { path, partition, schema, upload, .. } = self;
        Ok(EncodedFile { path, partition, schema, metadata, bytes, rest, upload })
    }

    /// Gives up; what was sent is taken back where the store can.
    pub(super) async fn abort(mut self) {
        let _ = self.upload.abort().await;
    }
}

impl EncodedFile {
    /// Sends the rest: afterwards the file is there, and a commit may name it.
    pub(super) async fn finish(mut self) -> Result<Add> {
        for piece in self.rest {
            self.upload.put(piece).await.map_err(|e| sink(WRITING, e))?;
        }
        self.upload.shutdown().await.map_err(|e| sink(WRITING, e))?;
        Ok(Add {
            path: self.path.to_string(),
            partition_values: self.partition,
            size: i64::try_from(self.bytes).unwrap_or(i64::MAX),
            modification_time: chrono::Utc::now().timestamp_millis(),
            data_change: true,
            stats: Some(statistics(&self.metadata, &self.schema)),
            tags: None,
            deletion_vector: None,
            base_row_id: None,
            default_row_commit_version: None,
            clustering_provider: None,
        })
    }
}
