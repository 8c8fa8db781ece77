//! Rows on their way into a commit, with whole units apart from the one that is still coming.

use arrow::array::RecordBatch;
use deltalake::kernel::Add;
use lakeflow_connect::{Error, ErrorKind, Result, arrow};

use crate::{files::FileLayout, size::size_of, stage::Segment};

/// Bytes of a unit kept in memory; a larger one gets files of its own, so that it can be dropped if it never ends.
const UNIT_BYTES: usize = 8 << 20;
/// Bytes of such a large unit that are handed to the encoder at a time.
const PART_BYTES: usize = 4 << 20;

/// Units staged for the next commit.
pub(crate) struct Staging {
    layout: FileLayout,
    /// Open files: whole units, and, when `spilled`, nothing but the unit that is still coming.
    segment: Option<Segment>,
    /// Files of whole units that get no more rows, being finished while the next ones are written.
    closing: Option<Segment>,
    finished: Vec<Add>,
    unit: Vec<RecordBatch>,
    unit_bytes: usize,
    unit_rows: u64,
    spilled: bool,
    /// A write failed: rows were taken whose files may not exist, so nothing may be committed any more.
    failed: bool,
    /// Rows of whole units.
    rows: u64,
    bytes: u64,
}

/// What is ready to commit.
pub(crate) struct Staged {
    pub(crate) files: Vec<Add>,
    pub(crate) rows: u64,
}

impl Staging {
    pub(crate) fn new(layout: FileLayout) -> Self {
        Self {
            layout,
            segment: None,
            closing: None,
            finished: Vec::new(),
            unit: Vec::new(),
            unit_bytes: 0,
            unit_rows: 0,
            spilled: false,
            failed: false,
            rows: 0,
            bytes: 0,
        }
    }

    /// Adds rows, in the table's schema, to the current unit.
    pub(crate) async fn push(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let bytes = size_of(&batch);
        self.unit_bytes += bytes;
        self.unit_rows += batch.num_rows() as u64;
        self.bytes += bytes as u64;
        self.unit.push(batch);
        if self.unit_bytes < if self.spilled { PART_BYTES } else { UNIT_BYTES } {
            return Ok(());
        }
        if !self.spilled {
            self.close().await?;
            self.spilled = true;
        }
        self.send().await
    }

    /// The current unit is whole.
    pub(crate) async fn end_unit(&mut self) -> Result<()> {
        self.send().await?;
        self.spilled = false;
        self.rows += std::mem::take(&mut self.unit_rows);
        Ok(())
    }

    /// Rows of the unit that is still coming.
    pub(crate) fn open_rows(&self) -> u64 {
        self.unit_rows
    }

    /// Rows of whole units; none after a write failed.
    pub(crate) fn rows(&self) -> u64 {
        if self.failed { 0 } else { self.rows }
    }

    /// How the files of the next commit are written. Only between [`finish`](Self::finish) and the next row.
    pub(crate) fn set_layout(&mut self, layout: FileLayout) {
        self.layout = layout;
    }

    /// Bytes of Arrow since the last commit.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Files begun since the last commit.
    pub(crate) fn files(&self) -> u64 {
        let open: u64 = self.segment.iter().chain(&self.closing).map(Segment::files).sum();
        self.finished.len() as u64 + open
    }

    /// Finishes the files of all whole units; a unit that is still coming is dropped.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) after a write failed, and when the files do not hold the rows that were pushed.
    pub(crate) async fn finish(&mut self) -> Result<Staged> {
        if self.failed {
            return Err(Error::new(ErrorKind::Internal, "rows cannot be committed after a write of theirs failed"));
        }
        if self.spilled {
            self.segment = None;
        }
        self.close().await?;
        self.closed().await?;
        self.unit.clear();
        (self.unit_bytes, self.unit_rows, self.bytes, self.spilled) = (0, 0, 0, false);
        let staged = Staged { files: std::mem::take(&mut self.finished), rows: std::mem::take(&mut self.rows) };
        let written: i64 = staged.files.iter().map(records).sum();
        if u64::try_from(written) != Ok(staged.rows) {
            return Err(Error::new(ErrorKind::Internal, "data files do not hold the rows that were to be written")
                .with("rows", staged.rows)
                .with("written", written)
                .help("nothing was committed; report this"));
        }
        Ok(staged)
    }

    async fn send(&mut self) -> Result<()> {
        let batches = std::mem::take(&mut self.unit);
        self.unit_bytes = 0;
        if batches.is_empty() {
            return Ok(());
        }
        self.failed = true;
        self.segment.get_or_insert_with(|| Segment::start(&self.layout)).write(batches).await?;
        self.failed = false;
        Ok(())
    }

    /// The open files get no more rows.
    async fn close(&mut self) -> Result<()> {
        self.closed().await?;
        if let Some(mut segment) = self.segment.take() {
            self.failed = true;
            segment.end().await;
            self.closing = Some(segment);
            self.failed = false;
        }
        Ok(())
    }

    /// Waits for files that get no more rows.
    async fn closed(&mut self) -> Result<()> {
        if let Some(segment) = self.closing.take() {
            self.failed = true;
            self.finished.extend(segment.finish().await?);
            self.failed = false;
        }
        Ok(())
    }
}

/// Rows of a file according to its statistics.
fn records(add: &Add) -> i64 {
    add.get_stats().ok().flatten().map_or(0, |s| s.num_records)
}
