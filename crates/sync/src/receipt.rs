//! What a run did, for people and machines.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lakeflow_connect::{Activity, Offset};
use serde::{Deserialize, Serialize};

use crate::job::Landing;

/// What a run did to one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TableReceipt {
    /// The source's name.
    pub source: String,
    /// The source's table.
    pub table: String,
    /// The lane, of tables that several jobs write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    /// The Delta table, without credentials.
    pub destination: String,
    /// How rows landed.
    pub landing: Landing,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether everything up to the run's frozen end is in the table; false after a stop or `max_records`.
    pub caught_up: bool,
    /// Offset of the rows before the run; absent on the first.
    pub offset_before: Option<Offset>,
    /// Offset of the rows now in the table.
    pub offset_after: Option<Offset>,
    /// Up to when everything is in the table, where the source can tell it from the offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<DateTime<Utc>>,
    /// How long before the end of the run that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Duration>,
    /// Offset of the deletions before the run.
    pub deletes_offset_before: Option<Offset>,
    /// Offset of the deletions now applied.
    pub deletes_offset_after: Option<Offset>,
    /// What was moved.
    #[serde(flatten)]
    pub counts: Counts,
    /// What was asked of the source for this table; of a connector without the SDK's client, for all tables meanwhile.
    pub activity: Activity,
    /// The Delta table's version now.
    pub table_version: Option<u64>,
}

/// Rows and bytes moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Rows that came from the source, deletions not counted.
    pub rows_read: u64,
    /// Rows with a new key, or appended.
    pub rows_inserted: u64,
    /// Rows that replaced another version.
    pub rows_updated: u64,
    /// Rows removed.
    pub rows_deleted: u64,
    /// Rows that were already there, or older than what was there, or repeated.
    pub rows_unchanged: u64,
    /// Rows put aside.
    pub rows_quarantined: u64,
    /// Deletions that came from the source.
    pub deletes_read: u64,
    /// Files of the table whose keys were read to find rows of the same key; once for each commit that did.
    #[serde(default)]
    pub files_looked_into: u64,
    /// Commits made.
    pub commits: u64,
    /// Bytes of data files added.
    pub bytes_written: u64,
    /// Bytes of Arrow received.
    pub bytes_read: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.rows_read += other.rows_read;
        self.rows_inserted += other.rows_inserted;
        self.rows_updated += other.rows_updated;
        self.rows_deleted += other.rows_deleted;
        self.rows_unchanged += other.rows_unchanged;
        self.rows_quarantined += other.rows_quarantined;
        self.deletes_read += other.deletes_read;
        self.files_looked_into += other.files_looked_into;
        self.commits += other.commits;
        self.bytes_written += other.bytes_written;
        self.bytes_read += other.bytes_read;
    }
}

/// Told about progress; every method has an empty default.
pub trait Observer: Send + Sync {
    /// Rows and bytes so far, after every batch.
    fn progress(&self, table: &str, counts: &Counts) {
        let _ = (table, counts);
    }

    /// Everything up to a time is in the table; told with the commit, by sources whose offsets are about time.
    fn reached(&self, table: &str, watermark: DateTime<Utc>) {
        let _ = (table, watermark);
    }

    /// A commit was made.
    fn committed(&self, table: &str, version: u64, counts: &Counts) {
        let _ = (table, version, counts);
    }
}

/// Nobody is watching.
impl Observer for () {}
