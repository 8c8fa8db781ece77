//! What to sync, and how.

use std::{collections::HashMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use lakeflow_connect::{
    BadRows, Error, ErrorKind, IngestionType, LakeflowConnect, Result, TableMetadata, TableRef,
    clock::{Clock, SystemClock},
};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::stop::Stop;

/// One table of a connection, and the Delta table it lands in.
#[derive(Clone)]
#[non_exhaustive]
pub struct TableJob {
    /// The connection.
    pub connector: Arc<dyn LakeflowConnect>,
    /// The table with its options.
    pub table: TableRef,
    /// The directory of the Delta table; see [`destination`].
    pub destination: Url,
    /// Names the flow's state inside the table; the source's name. Two sources may append to one table under two names.
    pub source: String,
    /// Names one of several jobs that read the same rows into one table, each with its own state: a backfill and the live
    /// tail. 1 to 40 letters, digits, `-` or `_`; not for tables that every run reads in full.
    pub lane: Option<String>,
    /// What tells one system from another of the same kind, such as its base URL without secrets. A table that was
    /// synced from another one is refused.
    pub connection: Option<String>,
    /// How rows land; from the table's ingestion type when absent.
    pub landing: Option<Landing>,
    /// Overrides the source's primary keys.
    pub primary_keys: Option<Vec<String>>,
    /// Overrides the source's cursor column: the newest value wins.
    pub sequence_by: Option<String>,
    /// Columns to partition by, when the table is made.
    pub partition_by: Vec<String>,
}

impl TableJob {
    /// A job with everything as the source says.
    pub fn new(
        source: impl Into<String>,
        connector: Arc<dyn LakeflowConnect>,
        table: impl Into<TableRef>,
        destination: Url,
    ) -> Self {
        Self {
            connector,
            table: table.into(),
            destination,
            source: source.into(),
            lane: None,
            connection: None,
            landing: None,
            primary_keys: None,
            sequence_by: None,
            partition_by: Vec::new(),
        }
    }
}

impl fmt::Debug for TableJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableJob")
            .field("source", &self.source)
            .field("table", &self.table.name)
            .field("destination", &self.destination.path())
            .finish_non_exhaustive()
    }
}

/// How rows land in the Delta table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Landing {
    /// Every row is added.
    Append,
    /// One row for each key: the newest by cursor.
    Cdc,
    /// As `Cdc`, and deletions remove rows that are not newer than they are.
    CdcWithDeletes,
    /// Each run replaces the table's content in one commit.
    Replace,
    /// Each run makes the table equal to what was read, key by key; unchanged rows are not written.
    Diff,
    /// Every version of a row is kept (SCD type 2), valid from the column `__START_AT` until before `__END_AT`, which is null
    /// for the current version. Of tables read in full these are the times of runs, of others values of the cursor.
    History,
}

impl Landing {
    /// The landing that a table's metadata asks for: a snapshot with keys lands by difference, without by replacing.
    pub fn for_table(metadata: &TableMetadata) -> Self {
        match metadata.ingestion_type {
            IngestionType::Append => Self::Append,
            IngestionType::Cdc => Self::Cdc,
            IngestionType::CdcWithDeletes => Self::CdcWithDeletes,
            IngestionType::Snapshot if metadata.primary_keys.is_empty() => Self::Replace,
            IngestionType::Snapshot => Self::Diff,
        }
    }

    /// The landing's name in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Cdc => "cdc",
            Self::CdcWithDeletes => "cdc_with_deletes",
            Self::Replace => "replace",
            Self::Diff => "diff",
            Self::History => "history",
        }
    }

    /// Whether rows are told apart by their keys.
    pub(crate) fn needs_keys(self) -> bool {
        matches!(self, Self::Cdc | Self::CdcWithDeletes | Self::Diff | Self::History)
    }
}

/// How data files are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Compression {
    /// Readable by every Parquet reader.
    #[default]
    Snappy,
    /// Smaller files for more time.
    Zstd,
    /// Fast; some older readers, such as Hive and Spark before 3.5, cannot read it.
    Lz4Raw,
}

/// Limits and policies of a sync.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SyncOptions {
    /// Commit at the first checkpoint after this many rows; 500,000.
    pub commit_rows: u64,
    /// Commit at the first checkpoint after this many bytes of Arrow; 2 GiB. Rows are staged in files as they come,
    /// so this does not bound memory.
    pub commit_bytes: u64,
    /// Commit at the first checkpoint after this time; 60 seconds.
    pub commit_interval: Duration,
    /// Commit at the first checkpoint after this many data files; 5,000. Many come from rows of many partitions.
    pub commit_files: u64,
    /// Target size of a data file; 128 MiB.
    pub file_bytes: u64,
    /// How data files are compressed; Snappy.
    pub compression: Compression,
    /// Bytes of the filter that tells new keys from known ones; 32 MiB, taken only for keyed tables.
    pub filter_bytes: usize,
    /// Keys held in memory while a merge decides; more are done in several passes; 1,000,000.
    pub merge_keys: usize,
    /// How often a commit is planned again because another writer was faster; 5.
    pub commit_retries: u32,
    /// What happens to rows that do not fit the schema.
    pub bad_rows: BadRows,
    /// End at the first checkpoint after this many rows.
    pub max_records: Option<u64>,
    /// Where rows wait that are being sorted by [`optimize`](crate::optimize) and do not fit into memory; the system's
    /// folder for temporary files.
    pub spill_to: PathBuf,
    /// Options for the object store, such as credentials and region.
    pub storage: HashMap<String, String>,
    /// Ends the run early, committing what is complete.
    pub stop: Stop,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self {
            commit_rows: 500_000,
            commit_bytes: 2 << 30,
            commit_interval: Duration::from_secs(60),
            commit_files: 5_000,
            file_bytes: 128 << 20,
            compression: Compression::default(),
            filter_bytes: 32 << 20,
            merge_keys: 1_000_000,
            commit_retries: 5,
            bad_rows: BadRows::Fail,
            max_records: None,
            spill_to: std::env::temp_dir(),
            storage: HashMap::new(),
            stop: Stop::default(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// The URL of a table's directory, from a path or a URL.
///
/// # Errors
/// [`Config`](ErrorKind::Config) for text that is neither.
pub fn destination(text: &str) -> Result<Url> {
    // A URL that cannot be read may hold a password: only its scheme is told.
    let shown = text.split_once("://").map_or(text.to_owned(), |(scheme, _)| format!("{scheme}://…"));
    let bad =
        || Error::new(ErrorKind::Config, "the destination is neither a path nor a URL").with("destination", &shown);
    let mut url = if text.contains("://") {
        Url::parse(text).map_err(|_| bad())?
    } else {
        let path = std::path::absolute(text).map_err(|_| bad())?;
        Url::from_directory_path(path).map_err(|()| bad())?
    };
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_a_url_become_a_directory() {
        assert_eq!(destination("/lake/Patient").unwrap().as_str(), "file:///lake/Patient/");
        assert_eq!(destination("s3://lake/Patient").unwrap().as_str(), "s3://lake/Patient/");
        assert!(destination("rel").unwrap().path().ends_with("/rel/"));
        assert_eq!(destination("").unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn a_url_that_cannot_be_read_is_told_without_its_password() {
        let error = destination("https://me:S3CRET@ho st/lake").unwrap_err();
        assert_eq!((error.kind(), error.get("destination")), (ErrorKind::Config, Some("https://…")));
        assert!(!format!("{error} {error:?}").contains("S3CRET"), "{error}");
    }
}
