//! The contract between a source and a host.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::stream;
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    options::Options,
    read::{Offset, ReadRequest, ReadStream},
    types::StructType,
};

/// A connection to one source system. See [`read`](crate::read) for the guarantee that its streams keep.
#[async_trait]
pub trait LakeflowConnect: Send + Sync + 'static {
    /// What the source says of itself, as (what, value): its product and version, how this connection logs in.
    ///
    /// For people who check a connection; hosts decide nothing from it. Never holds a secret.
    ///
    /// # Errors
    /// Whatever keeps the connection from working: a wrong address, refused credentials, another protocol.
    async fn describe(&self) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    /// The tables this connection can read.
    ///
    /// # Errors
    /// Whatever the source answers; never an empty list in place of a failure.
    async fn list_tables(&self) -> Result<Vec<String>>;

    /// The schema of a table, before the first row is read.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) with near matches for an unknown table.
    async fn get_table_schema(&self, table: &TableRef) -> Result<StructType>;

    /// How the table is to be stored: keys, cursor and ingestion type.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) with near matches for an unknown table.
    async fn read_table_metadata(&self, table: &TableRef) -> Result<TableMetadata>;

    /// Reads rows. Lazy: no request is made until the stream is polled. Dropping it cancels.
    fn read_table(&self, request: ReadRequest) -> ReadStream;

    /// Reads deletions under the same rules; rows carry at least primary keys and cursor. Its offsets are its own.
    ///
    /// Without a start it begins the deletions, and ends with the offset of now even when there is nothing to tell: hosts read
    /// it before the first row, so that no row can be read and deleted before the deletions are followed
    /// ([rule 10](crate::read)).
    fn read_table_deletes(&self, request: ReadRequest) -> ReadStream {
        let error = Error::new(ErrorKind::Unsupported, "this table does not report deletions")
            .with("table", &request.table.name)
            .help("read its metadata: only 'cdc_with_deletes' tables have read_table_deletes");
        Box::pin(stream::once(async move { Err(error) }))
    }

    /// The offset that a read started now would end at; fixed once, then passed as `until`.
    ///
    /// `None`: the source cannot say before reading.
    ///
    /// # Errors
    /// As [`LakeflowConnect::get_table_schema`]; [`OffsetExpired`](ErrorKind::OffsetExpired) for a `start` it cannot honour.
    async fn latest_offset(&self, table: &TableRef, start: Option<&Offset>) -> Result<Option<Offset>> {
        let _ = (table, start);
        Ok(None)
    }

    /// Disjoint requests that together cover `request`, for parallel readers; one when it cannot be split.
    ///
    /// Each answers with its own checkpoints; the whole is done when all are, and then `request.until` is the offset.
    ///
    /// # Errors
    /// As [`LakeflowConnect::latest_offset`].
    async fn plan(&self, request: ReadRequest) -> Result<Vec<ReadRequest>> {
        Ok(vec![request])
    }

    /// The time up to which an offset holds everything, for progress and lag; no request is made.
    ///
    /// `None`: the offset is not about time, or not of this source. For people; hosts decide nothing from it.
    fn watermark(&self, table: &TableRef, offset: &Offset) -> Option<DateTime<Utc>> {
        let _ = (table, offset);
        None
    }

    /// What an offset says of each part that is read apart from the others, such as a tag or a shard; for people.
    ///
    /// `offset` is of rows or of deletions of `table`; a source can tell which from its content.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported), the default, when the table is read as one;
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) for an offset of another source or release.
    async fn explain_offset(&self, table: &TableRef, offset: &Offset) -> Result<Vec<OffsetPart>> {
        let _ = offset;
        Err(whole(table))
    }

    /// `offset` with some parts forgotten: a read that starts there brings those parts in full and goes on with all
    /// others where they were. Parts are named as [`explain_offset`](Self::explain_offset) names them.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) with near matches for a part that the offset does not have; else as
    /// [`explain_offset`](Self::explain_offset).
    async fn forget_parts(&self, table: &TableRef, offset: &Offset, parts: &[String]) -> Result<Offset> {
        let _ = (offset, parts);
        Err(whole(table))
    }

    /// Whether a table tells what the other reads of this connection met, so that a host reads it after them.
    fn tells_of_reads(&self, table: &TableRef) -> bool {
        let _ = table;
        false
    }

    /// What this connection has asked of the source so far, for progress and receipts.
    fn activity(&self) -> Activity {
        Activity::default()
    }

    /// The request that waits for its next try, for people who wait too; of several the one tried most often.
    fn retrying(&self) -> Option<Retrying> {
        None
    }
}

/// The answer of sources that read the table as one.
fn whole(table: &TableRef) -> Error {
    Error::new(ErrorKind::Unsupported, "this table is read as one: its offset has no parts")
        .with("table", &table.name)
        .help("show or reset the state of the whole table")
}

/// What an offset says of one part of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OffsetPart {
    /// What the source's users call it: a tag, a shard, a partition.
    pub name: String,
    /// Up to where it has been read, as the source writes it; absent before its first row.
    pub watermark: Option<String>,
    /// What else is known of it, as (what, value), the same for all parts and in the same order.
    pub details: Vec<(String, String)>,
}

impl OffsetPart {
    /// A part without details.
    pub fn new(name: impl Into<String>, watermark: Option<String>) -> Self {
        Self { name: name.into(), watermark, details: Vec::new() }
    }

    /// Adds what else is known.
    #[must_use]
    pub fn detail(mut self, what: impl Into<String>, value: impl Into<String>) -> Self {
        self.details.push((what.into(), value.into()));
        self
    }
}

/// A request that failed and is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Retrying {
    /// The number of the try that comes next; the first is 1.
    pub next: u32,
    /// How many tries there are at most.
    pub most: u32,
}

/// What a connection has asked of its source since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Requests sent, retries included.
    pub requests: u64,
    /// Answers that came back from the source itself, whatever they said. None after some requests: it was never reached.
    #[serde(default)]
    pub answers: u64,
    /// Requests sent again after a failure.
    pub retries: u64,
    /// Bytes of bodies received, before decompression where the transport tells.
    pub bytes: u64,
}

/// A table of a source, with its options.
#[derive(Clone, Debug, Default)]
pub struct TableRef {
    /// The source's name for it.
    pub name: String,
    /// Table options as strings.
    pub options: Options,
}

impl TableRef {
    /// A table without options.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), options: Options::default() }
    }

    /// Sets one table option.
    #[must_use]
    pub fn option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(key, value);
        self
    }
}

impl<T: Into<String>> From<T> for TableRef {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

/// How a table is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableMetadata {
    /// Columns that identify a row; dotted for nested fields; empty for append tables without a key.
    pub primary_keys: Vec<String>,
    /// The column that orders versions of a row.
    pub cursor_field: Option<String>,
    /// How rows are to be taken in.
    pub ingestion_type: IngestionType,
}

/// How rows are to be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IngestionType {
    /// Every read is the whole table.
    Snapshot,
    /// Reads bring new and changed rows, keyed.
    Cdc,
    /// As `Cdc`, and deletions come from `read_table_deletes`.
    CdcWithDeletes,
    /// Reads bring only new rows.
    Append,
}

impl fmt::Display for IngestionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Snapshot => "snapshot",
            Self::Cdc => "cdc",
            Self::CdcWithDeletes => "cdc_with_deletes",
            Self::Append => "append",
        })
    }
}
