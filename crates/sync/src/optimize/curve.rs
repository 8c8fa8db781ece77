//! A space-filling curve (Z-order) over columns of any type: rows near each other in all columns are near on the curve.
//!
//! Values become ranks among a sample of all rows, so that the curve follows how values are distributed, whatever their
//! type; the bits of the ranks are interleaved.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch},
    row::{RowConverter, SortField},
};
use lakeflow_connect::{Result, arrow};

use crate::{error::sink, keys::KeyCodec};

/// Rows in a sample: enough for ranks of ten bits.
const SAMPLE: usize = 1 << 15;
/// Bits of a place on the curve.
const BITS: usize = 60;
/// Bits of one column's rank, at most.
const RANK_BITS: usize = 10;

const ORDERING: &str = "ordering rows";

/// Every n-th row of a stream of unknown length.
pub(super) struct Sample {
    columns: Vec<(RowConverter, Vec<Box<[u8]>>)>,
    step: usize,
    /// Rows until the next one is taken.
    wait: usize,
    pub(super) rows: u64,
}

impl Sample {
    pub(super) fn new(codec: &KeyCodec) -> Result<Self> {
        let column = |c: &crate::keys::ColumnPath| {
            let converter = RowConverter::new(vec![SortField::new(c.data_type.clone())]);
            converter.map(|c| (c, Vec::new())).map_err(|e| sink(ORDERING, e))
        };
        let columns = codec.key_columns().iter().map(column).collect::<Result<_>>()?;
        Ok(Self { columns, step: 1, wait: 0, rows: 0 })
    }

    pub(super) fn add(&mut self, values: &[ArrayRef], rows: usize) -> Result<()> {
        self.rows += rows as u64;
        let taken: Vec<usize> = (self.wait..rows).step_by(self.step).collect();
        self.wait = match taken.last() {
            Some(last) => last + self.step - rows,
            None => self.wait - rows,
        };
        for ((converter, sample), values) in self.columns.iter_mut().zip(values) {
            let encoded = converter.convert_columns(&[Arc::clone(values)]).map_err(|e| sink(ORDERING, e))?;
            sample.extend(taken.iter().map(|row| Box::from(encoded.row(*row).data())));
        }
        while self.columns.first().is_some_and(|(_, sample)| sample.len() > 2 * SAMPLE) {
            for (_, sample) in &mut self.columns {
                let mut keep = false;
                sample.retain(|_| {
                    keep = !keep;
                    keep
                });
            }
            self.step *= 2;
        }
        Ok(())
    }

    /// The curve, and the places on it that cut the rows into about equal parts.
    pub(super) fn curve(self, parts: usize) -> (Curve, Vec<u64>) {
        let bits = (BITS / self.columns.len().max(1)).clamp(1, RANK_BITS);
        let sampled = self.columns.first().map_or(0, |(_, sample)| sample.len());
        let ranked = self.columns.into_iter().map(|(converter, sample)| {
            let mut sorted: Vec<&[u8]> = sample.iter().map(|v| &**v).collect();
            sorted.sort_unstable();
            let cuts = 1_usize << bits;
            // Frequent values are there more than once: their ranks are spread over the same range in every column.
            let bounds: Vec<Box<[u8]>> =
                (1..cuts).filter_map(|i| sorted.get(i * sorted.len() / cuts).map(|v| Box::from(*v))).collect();
            let ranks = Ranks { converter, bounds };
            let of_sample: Vec<u64> = sample.iter().map(|v| ranks.of(v)).collect();
            (ranks, of_sample)
        });
        let (ranks, of_sample): (Vec<Ranks>, Vec<Vec<u64>>) = ranked.unzip();
        let curve = Curve { ranks, bits };
        let mut places: Vec<u64> =
            (0..sampled).map(|row| curve.place(of_sample.iter().filter_map(|c| c.get(row).copied()))).collect();
        places.sort_unstable();
        let mut cuts: Vec<u64> =
            (1..parts).filter_map(|i| places.get(i * places.len() / parts.max(1)).copied()).collect();
        cuts.dedup();
        (curve, cuts)
    }
}

/// The ranks of one column's values.
struct Ranks {
    converter: RowConverter,
    /// Encoded values that cut the sample into equal parts, in order; the same value may be there more than once.
    bounds: Vec<Box<[u8]>>,
}

impl Ranks {
    fn of(&self, value: &[u8]) -> u64 {
        self.bounds.partition_point(|bound| **bound <= *value) as u64
    }
}

/// Where rows are on the curve.
pub(super) struct Curve {
    ranks: Vec<Ranks>,
    bits: usize,
}

impl Curve {
    /// The places of a batch's rows, by its columns as the codec extracts them.
    pub(super) fn places(&self, codec: &KeyCodec, batch: &RecordBatch) -> Result<Vec<u64>> {
        let mut ranks = Vec::with_capacity(self.ranks.len());
        for (column, of) in codec.key_columns().iter().zip(&self.ranks) {
            let rows = of.converter.convert_columns(&[column.extract(batch)?]).map_err(|e| sink(ORDERING, e))?;
            ranks.push(rows.iter().map(|row| of.of(row.data())).collect::<Vec<u64>>());
        }
        let place = |row: usize| self.place(ranks.iter().filter_map(|r| r.get(row).copied()));
        Ok((0..batch.num_rows()).map(place).collect())
    }

    /// Interleaves the bits of ranks, the highest first.
    fn place(&self, ranks: impl Iterator<Item = u64> + Clone) -> u64 {
        let bits = (0..self.bits).rev().flat_map(|bit| ranks.clone().map(move |rank| (rank >> bit) & 1));
        bits.fold(0, |place, bit| place << 1 | bit)
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{Int64Array, StringArray},
        datatypes::{DataType, Field, Schema},
    };

    use super::*;

    fn codec() -> KeyCodec {
        let schema =
            Schema::new(vec![Field::new("tag", DataType::Utf8, true), Field::new("at", DataType::Int64, true)]);
        KeyCodec::new(&schema, &["tag".to_owned(), "at".to_owned()], None).unwrap()
    }

    /// `tags` tags with `events` events each, in the order of time.
    fn plant(tags: usize, events: usize) -> RecordBatch {
        let rows = (0..tags * events).map(|n| (format!("tag-{:04}", n % tags), (n / tags) as i64));
        let (tag, at): (Vec<_>, Vec<_>) = rows.unzip();
        let tag: ArrayRef = Arc::new(StringArray::from(tag));
        RecordBatch::try_from_iter([("tag", tag), ("at", Arc::new(Int64Array::from(at)) as ArrayRef)]).unwrap()
    }

    #[test]
    fn every_part_of_the_curve_is_small_in_both_columns() {
        let (codec, batch) = (codec(), plant(64, 64));
        let mut sample = Sample::new(&codec).unwrap();
        sample.add(batch.columns(), batch.num_rows()).unwrap();
        let (curve, cuts) = sample.curve(16);
        assert_eq!(cuts.len(), 15);
        let places = curve.places(&codec, &batch).unwrap();
        let mut parts = vec![(usize::MAX, 0, usize::MAX, 0, 0); 16];
        for (row, place) in places.iter().enumerate() {
            let part = &mut parts[cuts.partition_point(|cut| cut <= place)];
            let (tag, at) = (row % 64, row / 64);
            *part = (part.0.min(tag), part.1.max(tag), part.2.min(at), part.3.max(at), part.4 + 1);
        }
        for (least_tag, greatest_tag, least_at, greatest_at, rows) in parts {
            assert_eq!((greatest_tag - least_tag, greatest_at - least_at, rows), (15, 15, 256));
        }
    }

    #[test]
    fn a_long_stream_is_sampled_evenly() {
        let codec = codec();
        let mut sample = Sample::new(&codec).unwrap();
        let batch = plant(100, 70);
        for _ in 0..40 {
            sample.add(batch.columns(), batch.num_rows()).unwrap();
        }
        assert_eq!((sample.rows, sample.step), (280_000, 8));
        assert_eq!(sample.columns[0].1.len(), 35_000);
    }
}
