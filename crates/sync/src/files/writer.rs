//! The open files of a table, bounded in number and memory whatever the rows' partitions are.

use std::{
    collections::HashMap,
    mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ahash::RandomState;
use arrow::{array::RecordBatch, datatypes::SchemaRef};
use deltalake::{Path, kernel::Add, parquet::file::properties::WriterProperties};
use lakeflow_connect::{Error, ErrorKind, Result, arrow};
use tokio::task::JoinSet;

use super::{
    layout::FileLayout,
    open::OpenFile,
    partitions::{Part, Partitioner},
};
use crate::size::size_of;

/// What open files may hold in memory together; beyond it the one that was not written to for longest is finished.
const HELD_BYTES: usize = 64 << 20;
/// Files open at a time.
const OPEN_FILES: usize = 256;
/// Finished files being sent at a time.
const SENDING: usize = 4;
/// Rows that go to the encoder between two looks at sizes.
const SLICE: std::ops::RangeInclusive<usize> = 256..=4096;
const SLICE_BYTES: usize = 4 << 20;

/// Writes rows of a table into files; nothing is in the table until a commit names them.
pub(crate) struct FileWriter {
    layout: FileLayout,
    schema: SchemaRef,
    partitioner: Option<Partitioner>,
    properties: Option<WriterProperties>,
    open: HashMap<Box<[u8]>, OpenFile, RandomState>,
    held: usize,
    writes: u64,
    number: u64,
    name: u128,
    sending: JoinSet<Result<Add>>,
    done: Vec<Add>,
    files: Arc<AtomicU64>,
}

impl FileWriter {
    /// `files` is told how many files were begun.
    pub(crate) fn new(layout: FileLayout, files: Arc<AtomicU64>) -> Result<Self> {
        Ok(Self {
            schema: layout.file_schema(),
            partitioner: Partitioner::new(&layout.schema, &layout.partition_by)?,
            layout,
            properties: None,
            open: HashMap::default(),
            held: 0,
            writes: 0,
            number: 0,
            name: fastrand::u128(..),
            sending: JoinSet::new(),
            done: Vec::new(),
            files,
        })
    }

    /// Writes rows in the table's schema.
    pub(crate) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let width = (size_of(batch) / batch.num_rows().max(1)).max(1);
        let bytes = SLICE_BYTES.min(usize::try_from(self.layout.file_bytes).unwrap_or(usize::MAX));
        let step = (bytes / width).clamp(*SLICE.start(), *SLICE.end());
        for start in (0..batch.num_rows()).step_by(step) {
            let slice = batch.slice(start, step.min(batch.num_rows() - start));
            let parts = match &self.partitioner {
                None => vec![Part { key: Box::default(), rows: slice.clone(), example: 0 }],
                Some(partitioner) => partitioner.split(&slice)?,
            };
            for part in parts {
                self.write_part(&slice, part).await?;
            }
        }
        Ok(())
    }

    async fn write_part(&mut self, slice: &RecordBatch, part: Part) -> Result<()> {
        if !self.open.contains_key(&part.key) {
            let file = self.begin(slice, &part)?;
            self.open.insert(part.key.clone(), file);
        }
        let Some(file) = self.open.get_mut(&part.key) else { return Ok(()) };
        self.writes += 1;
        file.used = self.writes;
        self.held -= file.held;
        let written = file.write(&part.rows).await;
        self.held += file.held;
        written?;
        if file.size() as u64 >= self.layout.file_bytes {
            self.end(&part.key).await?;
        }
        while self.open.len() > OPEN_FILES || self.held > HELD_BYTES && self.open.len() > 1 {
            let Some(key) = self.open.iter().min_by_key(|(_, f)| f.used).map(|(key, _)| key.clone()) else { break };
            self.end(&key).await?;
        }
        Ok(())
    }

    fn begin(&mut self, slice: &RecordBatch, part: &Part) -> Result<OpenFile> {
        let (folder, values) = match &self.partitioner {
            None => (Path::default(), HashMap::new()),
            Some(partitioner) => {
                let values = partitioner.values(slice, part.example)?;
                (partitioner.folder(&values, &part.key), values)
            }
        };
        let path = folder.join(format!("part-{:05}-{:032x}.{}", self.number, self.name, self.layout.suffix()));
        self.number += 1;
        self.files.fetch_add(1, Ordering::Relaxed);
        let properties = self.properties.get_or_insert_with(|| self.layout.properties(&part.rows)).clone();
        OpenFile::new(Arc::clone(&self.layout.store), path, values, Arc::clone(&self.schema), properties)
    }

    /// Finishes one file; it is sent while others are written.
    async fn end(&mut self, key: &[u8]) -> Result<()> {
        let Some(file) = self.open.remove(key) else { return Ok(()) };
        self.held -= file.held;
        while self.sending.len() >= SENDING {
            self.sent().await?;
        }
        self.sending.spawn(file.encode().await?.finish());
        Ok(())
    }

    async fn sent(&mut self) -> Result<()> {
        match self.sending.join_next().await {
            None => Ok(()),
            Some(Ok(add)) => {
                self.done.push(add?);
                Ok(())
            }
            Some(Err(_)) => Err(Error::new(ErrorKind::Internal, "sending a data file ended early")),
        }
    }

    /// Finishes all files.
    pub(crate) async fn finish(mut self) -> Result<Vec<Add>> {
        let mut open: Vec<_> = self.open.iter().map(|(key, file)| (file.used, key.clone())).collect();
        open.sort_unstable();
        for (_, key) in open {
            self.end(&key).await?;
        }
        while !self.sending.is_empty() {
            self.sent().await?;
        }
        // In the order in which they were begun, not in which they arrived: of tied rows the later one counts.
        self.done.sort_by_cached_key(|add| number_of(&add.path));
        Ok(mem::take(&mut self.done))
    }

    /// Gives up on all files; those that are finished stay until vacuum.
    pub(crate) async fn abort(mut self) {
        for (_, file) in self.open.drain() {
            file.abort().await;
        }
        while self.sending.join_next().await.is_some() {}
    }
}

/// The number in a file's name.
fn number_of(path: &str) -> Option<u64> {
    path.rsplit('/').next()?.strip_prefix("part-")?.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use deltalake::logstore::object_store::memory::InMemory;

    use super::*;

    #[test]
    fn files_are_told_in_the_order_in_which_they_were_begun() {
        let name = |number: u64| format!("unit=part-9-x/part-{number:05}-0123abcd.snappy.parquet");
        let numbers = [7, 99_999, 123_456].map(|number| number_of(&name(number)));
        assert_eq!(numbers, [Some(7), Some(99_999), Some(123_456)]);
    }
    use crate::job::Compression;

    #[tokio::test]
    async fn however_many_partitions_come_few_files_are_open() {
        let partitions: ArrayRef =
            Arc::new((0..2_000).map(|i| Some(format!("p{}", i % 1_000))).collect::<StringArray>());
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..2_000));
        let batch = RecordBatch::try_from_iter([("p", partitions), ("n", numbers)]).unwrap();
        let layout = FileLayout {
            store: Arc::new(InMemory::new()),
            schema: batch.schema(),
            partition_by: vec!["p".to_owned()],
            keys: Vec::new(),
            cursor: None,
            compression: Compression::Snappy,
            file_bytes: 1 << 20,
            indexed_columns: 32,
            statistics: Vec::new(),
            mark: None,
        };
        let begun = Arc::new(AtomicU64::new(0));
        let mut writer = FileWriter::new(layout, Arc::clone(&begun)).unwrap();
        writer.write(&batch).await.unwrap();
        assert!(writer.open.len() <= OPEN_FILES && writer.sending.len() <= SENDING);
        let files = writer.finish().await.unwrap();
        let rows: i64 = files.iter().filter_map(|f| f.get_stats().ok().flatten()).map(|s| s.num_records).sum();
        assert_eq!((files.len() as u64, rows), (begun.load(Ordering::Relaxed), 2_000));
        let known: std::collections::HashSet<_> = files.iter().map(|f| f.partition_values["p"].clone()).collect();
        assert_eq!(known.len(), 1_000);
    }
}
