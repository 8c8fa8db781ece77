//! The run of maintenance over one table.

use deltalake::{
    kernel::{Action, Add},
    protocol::DeltaOperation,
};
use lakeflow_connect::{Error, ErrorKind, Result, arrow::array::RecordBatch};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    curve::Sample,
    plan::{Work, columns_with_bounds, mark_of, plan},
    sort::{BUCKET_BYTES, Sorter},
};
use crate::{
    commit::{Committed, commit},
    files::FileLayout,
    job::SyncOptions,
    keys::KeyCodec,
    rows::remove,
    scan::Scanner,
    stage::Segment,
    table::{DataFile, Table, at, plain},
};

/// Bytes of files that one commit replaces, about.
const COMMIT_BYTES: u64 = 2 << 30;
/// Buckets that rows are dealt out to, at most.
const BUCKETS: usize = 1024;

/// What maintenance did to one table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OptimizeReceipt {
    /// The Delta table, without credentials.
    pub destination: String,
    /// Files that were written again.
    pub files_before: u64,
    /// Files that took their place.
    pub files_after: u64,
    /// Files that were left as they are.
    pub files_left: u64,
    /// Rows in the files that were written again.
    pub rows: u64,
    /// Bytes of the files that were written again.
    pub bytes_before: u64,
    /// Bytes of the files that took their place.
    pub bytes_after: u64,
    /// Commits made.
    pub commits: u64,
    /// The Delta table's version now.
    pub table_version: Option<u64>,
}

/// Puts small files of a table together, or, with columns to cluster by, writes partitions along a Z-order curve over these
/// columns, so that a reader of few values or a short time opens few files.
///
/// No row is changed, added or removed, and offsets stay: a sync may run at the same time. Partitions in which less than a
/// tenth of the bytes came since the last time are left alone. Memory is bounded; what is sorted waits in
/// [`SyncOptions::spill_to`]. Replaced files stay on disk until vacuum.
///
/// Must run inside a Tokio runtime.
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound) without a table or for an unknown column; [`Config`](ErrorKind::Config) for a column that the
/// table is partitioned by; [`Sink`](ErrorKind::Sink) for everything about the Delta table.
pub async fn optimize(destination: &Url, cluster_by: &[String], options: &SyncOptions) -> Result<OptimizeReceipt> {
    let table = Table::open(destination, &options.storage).await?;
    let table = table.ok_or_else(|| at(Error::new(ErrorKind::NotFound, "there is no table here"), destination))?;
    if let Some(column) = table.partition_columns()?.iter().find(|c| cluster_by.contains(c)) {
        return Err(Error::new(ErrorKind::Config, "a table cannot be clustered by a column that it is partitioned by")
            .with("column", column)
            .help("leave it out: all rows of a partition have the same value"));
    }
    let codec = match cluster_by {
        [] => None,
        columns => Some(KeyCodec::new(table.arrow(), columns, None)?),
    };
    let receipt = OptimizeReceipt { destination: plain(destination), ..OptimizeReceipt::default() };
    let mut run = Run { table, codec, cluster_by, options, receipt };
    run.run().await.map_err(|e| if e.get("destination").is_some() { e } else { at(e, destination) })?;
    run.receipt.table_version = run.table.version();
    Ok(run.receipt)
}

struct Run<'a> {
    table: Table,
    codec: Option<KeyCodec>,
    cluster_by: &'a [String],
    options: &'a SyncOptions,
    receipt: OptimizeReceipt,
}

impl Run<'_> {
    async fn run(&mut self) -> Result<()> {
        let mark = mark_of(self.cluster_by);
        let mut overtaken = 0;
        loop {
            let files = self.table.files().await?;
            let all = files.len();
            let work = plan(files, mark.as_deref(), self.options.file_bytes);
            self.receipt.files_left = (all - work.iter().map(|w| w.files.len()).sum::<usize>()) as u64;
            let is_done = self.commits(work).await?;
            if is_done {
                return Ok(());
            }
            overtaken += 1;
            if overtaken > self.options.commit_retries {
                return Err(Error::new(
                    ErrorKind::Sink,
                    "other writers changed the table faster than its files could be written again",
                )
                .help("run again when the table is quieter; what was committed stays"));
            }
        }
    }

    /// Whether all work is committed; else another writer came first.
    async fn commits(&mut self, work: Vec<Work>) -> Result<bool> {
        let (mut replaced, mut adds, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut work = work.into_iter().peekable();
        while let Some(next) = work.next() {
            if self.options.stop.is_stopped() {
                break;
            }
            let written = self.rewrite(&next).await;
            if written.is_err() {
                self.forget(&adds).await;
            }
            adds.extend(written?);
            bytes += next.bytes;
            replaced.extend(next.files);
            if bytes >= COMMIT_BYTES || work.peek().is_none() {
                if !self.commit(std::mem::take(&mut replaced), std::mem::take(&mut adds)).await? {
                    return Ok(false);
                }
                bytes = 0;
            }
        }
        self.forget(&adds).await;
        Ok(true)
    }

    async fn commit(&mut self, replaced: Vec<DataFile>, adds: Vec<Add>) -> Result<bool> {
        let target_size = i64::try_from(self.options.file_bytes).unwrap_or(i64::MAX);
        let removes = replaced.iter().filter_map(|f| f.remove.clone()).map(|mut remove| {
            remove.data_change = false;
            Action::Remove(remove)
        });
        let actions = removes.chain(adds.iter().cloned().map(Action::Add)).collect();
        let operation = DeltaOperation::Optimize { predicate: None, target_size };
        match commit(&mut self.table, &[], actions, operation).await? {
            Committed::Done(_) => {
                let size = |add: &Add| u64::try_from(add.size).unwrap_or(0);
                self.receipt.files_before += replaced.len() as u64;
                self.receipt.files_after += adds.len() as u64;
                self.receipt.rows += adds.iter().map(rows_of).sum::<u64>();
                self.receipt.bytes_before += replaced.iter().map(|f| f.size).sum::<u64>();
                self.receipt.bytes_after += adds.iter().map(size).sum::<u64>();
                self.receipt.commits += 1;
                Ok(true)
            }
            Committed::Overtaken => {
                self.forget(&adds).await;
                Ok(false)
            }
        }
    }

    /// Takes away files that no commit names.
    async fn forget(&self, adds: &[Add]) {
        let files: Vec<DataFile> = adds.iter().map(DataFile::staged).collect();
        remove(&self.table, files.iter().map(|f| &f.path)).await;
    }

    /// Writes the rows of some files of one partition into new ones.
    async fn rewrite(&self, work: &Work) -> Result<Vec<Add>> {
        let layout = self.layout(work)?;
        let mut segment = Segment::start(&layout);
        let read = match &self.codec {
            None => self.copy(work, &mut segment).await?,
            Some(codec) => self.cluster(work, codec, &mut segment).await?,
        };
        let mut adds = segment.finish().await?;
        let written: u64 = adds.iter().map(rows_of).sum();
        if written != read {
            self.forget(&adds).await;
            return Err(Error::new(ErrorKind::Internal, "files that were written again do not hold the same rows")
                .with("rows", read)
                .with("written", written)
                .help("nothing was committed; report this"));
        }
        adds.iter_mut().for_each(|add| add.data_change = false);
        Ok(adds)
    }

    fn layout(&self, work: &Work) -> Result<FileLayout> {
        let mut statistics = columns_with_bounds(&work.files);
        statistics.extend(self.cluster_by.iter().cloned());
        let layout = self.table.layout(self.options, Vec::new(), None)?;
        Ok(FileLayout { statistics, mark: mark_of(self.cluster_by), ..layout })
    }

    fn scanner(&self) -> Scanner {
        Scanner { store: self.table.store(), schema: self.table.arrow().clone() }
    }

    async fn copy(&self, work: &Work, segment: &mut Segment) -> Result<u64> {
        let mut read = 0;
        for file in &work.files {
            let mut rows = self.scanner().rows(file, None).await?;
            while let Some(batch) = rows.next().await? {
                read += batch.num_rows() as u64;
                segment.write(vec![batch]).await?;
            }
        }
        Ok(read)
    }

    async fn cluster(&self, work: &Work, codec: &KeyCodec, segment: &mut Segment) -> Result<u64> {
        let scanner = self.scanner();
        let mut sample = Sample::new(codec)?;
        for file in &work.files {
            let mut rows = scanner.columns(file, &codec.columns().collect::<Vec<_>>()).await?;
            while let Some(batch) = rows.next().await? {
                let columns = codec.key_columns().iter().map(|c| c.extract(&batch)).collect::<Result<Vec<_>>>()?;
                sample.add(&columns, batch.num_rows())?;
            }
        }
        let rows = sample.rows;
        let width = self.width(work).await?;
        let buckets = usize::try_from(rows.saturating_mul(width) / BUCKET_BYTES as u64).unwrap_or(BUCKETS) + 1;
        let curve = sample.curve(buckets.min(BUCKETS));
        let mut sorter = Sorter::new(codec, curve, self.table.arrow().clone(), &self.options.spill_to);
        let mut read = 0;
        for file in &work.files {
            let mut rows = scanner.rows(file, None).await?;
            while let Some(batch) = rows.next().await? {
                read += batch.num_rows() as u64;
                sorter.push(&batch)?;
            }
        }
        for bucket in sorter.sorted() {
            for batch in bucket? {
                segment.write(vec![batch]).await?;
            }
        }
        Ok(read)
    }

    /// Bytes of Arrow that a row has, by the first rows of each file.
    async fn width(&self, work: &Work) -> Result<u64> {
        let mut widest = 1;
        for file in work.files.iter().take(16) {
            if let Some(batch) = self.scanner().rows(file, None).await?.next().await? {
                widest = widest.max(width_of(&batch));
            }
        }
        Ok(widest)
    }
}

fn width_of(batch: &RecordBatch) -> u64 {
    (batch.get_array_memory_size() / batch.num_rows().max(1)) as u64
}

fn rows_of(add: &Add) -> u64 {
    add.get_stats().ok().flatten().map_or(0, |s| u64::try_from(s.num_records).unwrap_or(0))
}
