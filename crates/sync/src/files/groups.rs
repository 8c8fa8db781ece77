//! Row groups of one file, their columns encoded by two threads.

use std::mem;

use arrow::{
    array::{Array, RecordBatch},
    datatypes::{FieldRef, SchemaRef},
};
use deltalake::parquet::{
    arrow::{
        ArrowWriter,
        arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves},
    },
    errors::Result as ParquetResult,
    file::{metadata::ParquetMetaData, properties::WriterProperties, writer::SerializedFileWriter},
};
use lakeflow_connect::{Error, ErrorKind, Result, arrow};
use tokio::task::{JoinHandle, spawn_blocking};

use super::open::{Pieces, WRITING};
use crate::error::sink;

const GROUP_BYTES: usize = 8 << 20;
const GROUP_ROWS: usize = 1 << 20;
/// Fewer bytes of Arrow than this are encoded sooner than another thread would have begun.
const SHARED_BYTES: usize = 256 << 10;

/// Writes row groups: half of the bytes of each batch are encoded by a thread that helps.
pub(super) struct RowGroups {
    file: SerializedFileWriter<Pieces>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    group: Option<Group>,
}

/// A row group that is being written.
struct Group {
    rows: usize,
    own: Columns,
    helped: Columns,
}

/// Top-level columns of a row group, with the writers of their leaves.
#[derive(Default)]
struct Columns(Vec<Column>);

struct Column {
    position: usize,
    field: FieldRef,
    leaves: Vec<ArrowColumnWriter>,
}

impl RowGroups {
    pub(super) fn new(schema: SchemaRef, properties: WriterProperties) -> Result<Self> {
        let begun = ArrowWriter::try_new(Pieces::default(), SchemaRef::clone(&schema), Some(properties))
            .and_then(ArrowWriter::into_serialized_writer);
        let (file, factory) = begun.map_err(|e| sink(WRITING, e))?;
        Ok(Self { file, factory, schema, group: None })
    }

    /// Encodes rows. Must be called inside a Tokio runtime.
    pub(super) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if self.group.is_none() {
            self.group = Some(self.begin(batch)?);
        }
        let Some(group) = &mut self.group else { return Ok(()) };
        group.write(batch).await?;
        if group.rows >= GROUP_ROWS || group.encoded() >= GROUP_BYTES {
            self.end().await?;
        }
        Ok(())
    }

    /// Bytes of finished row groups.
    pub(super) fn written(&self) -> usize {
        self.file.bytes_written()
    }

    /// What the row group that is being written would take if it ended now, about.
    pub(super) fn unfinished(&self) -> usize {
        self.group.as_ref().map_or(0, Group::encoded)
    }

    /// What the row group that is being written holds in memory, about.
    pub(super) fn held(&self) -> usize {
        self.group.as_ref().map_or(0, |group| group.leaves().map(ArrowColumnWriter::memory_size).sum())
    }

    /// Bytes of finished row groups that were not taken yet.
    pub(super) fn pieces(&mut self) -> &mut Pieces {
        self.file.inner_mut()
    }

    /// Finishes the file. Its last bytes are in [`pieces`](Self::pieces).
    pub(super) async fn finish(&mut self) -> Result<ParquetMetaData> {
        self.end().await?;
        self.file.finish().map_err(|e| sink(WRITING, e))
    }

    /// Shares the columns out by the bytes that they have in this batch, the largest first.
    fn begin(&self, batch: &RecordBatch) -> Result<Group> {
        let writers = self.factory.create_column_writers(self.file.flushed_row_groups().len());
        let mut columns: Vec<Column> = (0..).zip(self.schema.fields()).map(Column::new).collect();
        for (leaf, writer) in writers.map_err(|e| sink(WRITING, e))?.into_iter().enumerate() {
            if let Some(column) = columns.get_mut(self.file.schema_descr().get_column_root_idx(leaf)) {
                column.leaves.push(writer);
            }
        }
        let bytes = |column: &Column| batch.column(column.position).get_array_memory_size();
        columns.sort_by_cached_key(|column| std::cmp::Reverse(bytes(column)));
        let mut group = Group { rows: 0, own: Columns::default(), helped: Columns::default() };
        let [mut own, mut helped] = [0; 2];
        for column in columns {
            let (share, columns) =
                if own <= helped { (&mut own, &mut group.own) } else { (&mut helped, &mut group.helped) };
            *share += bytes(&column);
            columns.0.push(column);
        }
        Ok(group)
    }

    async fn end(&mut self) -> Result<()> {
        let Some(Group { own, helped, .. }) = self.group.take() else { return Ok(()) };
        let helper = (!helped.0.is_empty()).then(|| spawn_blocking(move || helped.close()));
        let own = own.close();
        let mut chunks = match helper {
            Some(helper) => joined(helper).await?,
            None => Vec::new(),
        };
        chunks.extend(own.map_err(|e| sink(WRITING, e))?);
        chunks.sort_by_key(|(position, _)| *position);
        self.append(chunks).map_err(|e| sink(WRITING, e))
    }

    fn append(&mut self, chunks: Vec<(usize, Vec<ArrowColumnChunk>)>) -> ParquetResult<()> {
        let mut group = self.file.next_row_group()?;
        for chunk in chunks.into_iter().flat_map(|(_, leaves)| leaves) {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }
}

impl Group {
    async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows();
        if self.helped.0.is_empty() || batch.get_array_memory_size() < SHARED_BYTES {
            return [&mut self.own, &mut self.helped]
                .into_iter()
                .try_for_each(|c| c.write(batch))
                .map_err(|e| sink(WRITING, e));
        }
        let (mut helped, rows) = (mem::take(&mut self.helped), batch.clone());
        let helper = spawn_blocking(move || helped.write(&rows).map(|()| helped));
        let own = self.own.write(batch);
        self.helped = joined(helper).await?;
        own.map_err(|e| sink(WRITING, e))
    }

    fn leaves(&self) -> impl Iterator<Item = &ArrowColumnWriter> {
        self.own.0.iter().chain(&self.helped.0).flat_map(|column| &column.leaves)
    }

    fn encoded(&self) -> usize {
        self.leaves().map(ArrowColumnWriter::get_estimated_total_bytes).sum()
    }
}

impl Columns {
    fn write(&mut self, batch: &RecordBatch) -> ParquetResult<()> {
        for column in &mut self.0 {
            let leaves = compute_leaves(&column.field, batch.column(column.position))?;
            for (writer, leaf) in column.leaves.iter_mut().zip(&leaves) {
                writer.write(leaf)?;
            }
        }
        Ok(())
    }

    fn close(self) -> ParquetResult<Vec<(usize, Vec<ArrowColumnChunk>)>> {
        let close = |column: Column| {
            let chunks: ParquetResult<_> = column.leaves.into_iter().map(ArrowColumnWriter::close).collect();
            Ok((column.position, chunks?))
        };
        self.0.into_iter().map(close).collect()
    }
}

impl Column {
    fn new((position, field): (usize, &FieldRef)) -> Self {
        Self { position, field: FieldRef::clone(field), leaves: Vec::new() }
    }
}

async fn joined<T>(helper: JoinHandle<ParquetResult<T>>) -> Result<T> {
    let ended = |_| Error::new(ErrorKind::Internal, "a thread that encodes columns ended early");
    helper.await.map_err(ended)?.map_err(|e| sink(WRITING, e))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, Int64Array, StringArray, StructArray},
        compute::concat_batches,
    };
    use bytes::Bytes;
    use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    /// Text that does not get smaller.
    fn noise(rows: usize, bytes: usize) -> ArrayRef {
        let text = |row| (row % 7 != 0).then(|| (0..bytes).map(|_| fastrand::alphanumeric()).collect::<String>());
        Arc::new((0..rows).map(text).collect::<StringArray>())
    }

    fn batch(rows: usize) -> RecordBatch {
        let numbers: ArrayRef = Arc::new((0..rows as i64).map(|n| (n % 3 != 0).then_some(n)).collect::<Int64Array>());
        let inner = StructArray::try_from(vec![("a", noise(rows, 40)), ("b", Arc::clone(&numbers))]).unwrap();
        let columns =
            [("n", numbers), ("s", Arc::new(inner) as ArrayRef), ("long", noise(rows, 1_500)), ("t", noise(rows, 5))];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    #[tokio::test]
    async fn rows_come_back_whichever_thread_encoded_their_columns() {
        let batches = [batch(3_000), batch(2), batch(3_000), batch(4_000), batch(1_000)];
        let schema = batches[0].schema();
        let mut rows = RowGroups::new(Arc::clone(&schema), WriterProperties::default()).unwrap();
        for batch in &batches {
            rows.write(batch).await.unwrap();
        }
        let written = rows.finish().await.unwrap();
        assert!(written.num_row_groups() > 1);
        let file = Bytes::from(mem::take(rows.pieces()).rest().concat());
        assert_eq!(file.len(), rows.written());
        let read = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        let read: Vec<RecordBatch> = read.map(|batch| batch.unwrap()).collect();
        assert_eq!(concat_batches(&schema, &read).unwrap(), concat_batches(&schema, &batches).unwrap());
    }

    #[tokio::test]
    async fn half_of_the_bytes_are_encoded_by_each_thread() {
        let batch = batch(1_000);
        let rows = RowGroups::new(batch.schema(), WriterProperties::default()).unwrap();
        let group = rows.begin(&batch).unwrap();
        let positions = |columns: &Columns| columns.0.iter().map(|column| column.position).collect::<Vec<_>>();
        assert_eq!((positions(&group.own), positions(&group.helped)), (vec![2], vec![1, 3, 0]));
    }
}
