//! Rows sorted along a curve in bounded memory: dealt out to buckets, which wait on disk, then sorted bucket by bucket.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Seek},
    mem,
    path::Path,
};

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::{concat_batches, take_record_batch},
    datatypes::SchemaRef,
    ipc::{reader::StreamReader, writer::StreamWriter},
};
use lakeflow_connect::{Result, arrow};

use super::curve::Curve;
use crate::{error::sink, keys::KeyCodec};

/// Arrow bytes of one bucket, about.
pub(super) const BUCKET_BYTES: usize = 32 << 20;
/// Bytes of a bucket that wait in memory.
const WAITING_BYTES: usize = 128 << 10;
/// Rows of the batches that come out.
const ROWS: usize = 8192;

const SPILLING: &str = "sorting rows in the folder for temporary files";
const SORTING: &str = "sorting rows";

/// Rows of one stretch of the curve.
#[derive(Default)]
struct Bucket {
    waiting: Vec<RecordBatch>,
    bytes: usize,
    /// Has no name, so it is gone with the process.
    spilled: Option<StreamWriter<BufWriter<File>>>,
}

impl Bucket {
    fn spill(&mut self, schema: &SchemaRef, folder: &Path) -> Result<()> {
        let rows = concat_batches(schema, &mem::take(&mut self.waiting)).map_err(|e| sink(SPILLING, e))?;
        self.bytes = 0;
        let writer = match &mut self.spilled {
            Some(writer) => writer,
            empty => {
                let file = tempfile::tempfile_in(folder).map_err(|e| sink(SPILLING, e))?;
                let writer = StreamWriter::try_new(BufWriter::new(file), schema).map_err(|e| sink(SPILLING, e))?;
                empty.insert(writer)
            }
        };
        writer.write(&rows).map_err(|e| sink(SPILLING, e))
    }

    /// All rows, those on disk first.
    fn load(self, schema: &SchemaRef) -> Result<RecordBatch> {
        let mut batches = Vec::new();
        if let Some(writer) = self.spilled {
            let buffered = writer.into_inner().map_err(|e| sink(SPILLING, e))?;
            let mut file = buffered.into_inner().map_err(|e| sink(SPILLING, e.into_error()))?;
            file.rewind().map_err(|e| sink(SPILLING, e))?;
            for batch in StreamReader::try_new(BufReader::new(file), None).map_err(|e| sink(SPILLING, e))? {
                batches.push(batch.map_err(|e| sink(SPILLING, e))?);
            }
        }
        batches.extend(self.waiting);
        concat_batches(schema, &batches).map_err(|e| sink(SORTING, e))
    }
}

/// Sorts rows of any number.
pub(super) struct Sorter<'a> {
    codec: &'a KeyCodec,
    curve: Curve,
    /// The first place of every bucket but the first.
    cuts: Vec<u64>,
    schema: SchemaRef,
    folder: &'a Path,
    buckets: Vec<Bucket>,
    waiting_bytes: usize,
}

impl<'a> Sorter<'a> {
    pub(super) fn new(
        codec: &'a KeyCodec,
        (curve, cuts): (Curve, Vec<u64>),
        schema: SchemaRef,
        folder: &'a Path,
    ) -> Self {
        let buckets = (0..=cuts.len()).map(|_| Bucket::default()).collect();
        // What comes into one bucket is as large as what one bucket may hold.
        let waiting_bytes = if cuts.is_empty() { 2 * BUCKET_BYTES } else { WAITING_BYTES };
        Self { codec, curve, cuts, schema, folder, buckets, waiting_bytes }
    }

    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let places = self.curve.places(self.codec, batch)?;
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); self.buckets.len()];
        for (row, place) in (0_u32..).zip(places) {
            rows[self.cuts.partition_point(|cut| *cut <= place)].push(row);
        }
        for (bucket, rows) in self.buckets.iter_mut().zip(rows).filter(|(_, rows)| !rows.is_empty()) {
            let part = take_record_batch(batch, &UInt32Array::from(rows)).map_err(|e| sink(SORTING, e))?;
            bucket.bytes += part.get_array_memory_size();
            bucket.waiting.push(part);
            if bucket.bytes > self.waiting_bytes {
                bucket.spill(&self.schema, self.folder)?;
            }
        }
        Ok(())
    }

    /// The rows in order, bucket by bucket; equal places are ordered by the columns themselves.
    pub(super) fn sorted(self) -> impl Iterator<Item = Result<Vec<RecordBatch>>> {
        let Self { codec, curve, schema, buckets, .. } = self;
        buckets.into_iter().map(move |bucket| {
            let rows = bucket.load(&schema)?;
            let (places, keys) = (curve.places(codec, &rows)?, codec.keys(&rows)?);
            let mut order: Vec<u32> = (0..u32::try_from(rows.num_rows()).unwrap_or(u32::MAX)).collect();
            order.sort_unstable_by(|a, b| {
                let of = |row: u32| (places[row as usize], keys.get(row as usize));
                of(*a).cmp(&of(*b))
            });
            let part = |rows_of: &[u32]| take_record_batch(&rows, &UInt32Array::from(rows_of.to_vec()));
            order.chunks(ROWS).map(|chunk| part(chunk).map_err(|e| sink(SORTING, e))).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, AsArray, Int64Array, StringArray},
        datatypes::Int64Type,
    };

    use super::{super::curve::Sample, *};

    #[test]
    fn rows_that_waited_on_disk_come_back_in_order_and_all_of_them() {
        let tag: ArrayRef = Arc::new((0..50_000).map(|n| Some(format!("tag-{:03}", n % 97))).collect::<StringArray>());
        let at: ArrayRef = Arc::new(Int64Array::from_iter_values((0..50_000).map(|n| n * 7919 % 50_000)));
        let batch = RecordBatch::try_from_iter([("tag", tag), ("at", at)]).unwrap();
        let codec = KeyCodec::new(batch.schema_ref(), &["at".to_owned()], None).unwrap();
        let mut sample = Sample::new(&codec).unwrap();
        sample.add(&[Arc::clone(batch.column(1))], batch.num_rows()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(&codec, sample.curve(4), batch.schema(), folder.path());
        for start in (0..50_000).step_by(5_000) {
            sorter.push(&batch.slice(start, 5_000)).unwrap();
        }
        assert_eq!(sorter.buckets.iter().filter(|b| b.spilled.is_some()).count(), 4);
        let sorted: Vec<RecordBatch> = sorter.sorted().flat_map(Result::unwrap).collect();
        let at = sorted.iter().flat_map(|b| b.column(1).as_primitive::<Int64Type>().values().to_vec());
        // One column on the curve is its own order.
        assert!(at.eq(0..50_000));
        let tags = sorted
            .iter()
            .flat_map(|b| b.column(0).as_string::<i32>().iter().map(|t| t.unwrap().to_owned()).collect::<Vec<_>>());
        let mut found: Vec<String> = tags.collect();
        found.sort();
        let mut expected: Vec<String> = (0..50_000).map(|n| format!("tag-{:03}", n % 97)).collect();
        expected.sort();
        assert_eq!(found, expected);
    }
}
