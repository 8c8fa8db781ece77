//! Which partition each row belongs to.

use std::{collections::HashMap, fmt::Write, sync::Arc};

use ahash::RandomState;
use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array},
    compute::take_record_batch,
    datatypes::{DataType, Schema, TimeUnit},
    row::{RowConverter, SortField},
    util::display::{ArrayFormatter, FormatOptions},
};
use deltalake::Path;
use lakeflow_connect::{Error, ErrorKind, Result, arrow};

use crate::error::sink;

const INSTANT: &str = "%Y-%m-%d %H:%M:%S%.6f";
/// Longer folder names than this are replaced by a hash.
const FOLDER_NAME: usize = 128;

/// Splits batches by partition.
#[derive(Debug)]
pub(super) struct Partitioner {
    /// Partition columns by name and position, in the table's order of them.
    columns: Vec<(String, usize)>,
    /// Positions of the columns that go into the files.
    inside: Vec<usize>,
    converter: RowConverter,
}

/// Rows of one partition.
pub(super) struct Part {
    /// Equal for equal partitions.
    pub(super) key: Box<[u8]>,
    /// The rows without the partition columns.
    pub(super) rows: RecordBatch,
    /// A row of this partition in the batch that was split.
    pub(super) example: usize,
}

/// Refuses columns whose values the log cannot hold as text and give back as they were.
pub(crate) fn check_partition_columns(schema: &Schema, names: &[String]) -> Result<()> {
    for name in names {
        let Ok(field) = schema.field_with_name(name) else {
            return Err(Error::unknown(
                "column to partition by",
                name,
                schema.fields().iter().map(|f| f.name().as_str()),
            ));
        };
        if !can_partition(field.data_type()) {
            return Err(Error::new(ErrorKind::Config, "a column of this type cannot partition a table")
                .with("column", name)
                .with("type", field.data_type())
                .help("partition by a date, timestamp, text, whole number, decimal or boolean column"));
        }
    }
    if !names.is_empty() && names.len() == schema.fields().len() {
        return Err(Error::new(ErrorKind::Config, "a table needs a column that it is not partitioned by"));
    }
    Ok(())
}

fn can_partition(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Boolean | DataType::Date32 | DataType::Decimal128(..))
        || matches!(data_type, DataType::Timestamp(TimeUnit::Microsecond, _))
        || data_type.is_signed_integer()
}

impl Partitioner {
    /// `None` for a table without partitions.
    pub(super) fn new(schema: &Schema, names: &[String]) -> Result<Option<Self>> {
        if names.is_empty() {
            return Ok(None);
        }
        check_partition_columns(schema, names)?;
        let failed = |e| sink("splitting rows by partition", e);
        let columns: Vec<_> =
            names.iter().map(|n| Ok((n.clone(), schema.index_of(n).map_err(failed)?))).collect::<Result<_>>()?;
        let fields = columns.iter().map(|(_, i)| SortField::new(schema.field(*i).data_type().clone())).collect();
        let inside = (0..schema.fields().len()).filter(|i| columns.iter().all(|(_, c)| c != i)).collect();
        Ok(Some(Self { columns, inside, converter: RowConverter::new(fields).map_err(failed)? }))
    }

    /// The rows by partition, in the order in which partitions come; rows keep their order.
    pub(super) fn split(&self, batch: &RecordBatch) -> Result<Vec<Part>> {
        let failed = |e| sink("splitting rows by partition", e);
        let values: Vec<ArrayRef> = self.columns.iter().map(|(_, i)| Arc::clone(batch.column(*i))).collect();
        self.refuse_empty_text(&values)?;
        let keys = self.converter.convert_columns(&values).map_err(failed)?;
        let mut numbers: HashMap<&[u8], usize, RandomState> = HashMap::default();
        let mut rows: Vec<(&[u8], Vec<u32>)> = Vec::new();
        for (row, key) in (0_u32..).zip(keys.iter()) {
            let key = key.data();
            let number = *numbers.entry(key).or_insert_with(|| {
                rows.push((key, Vec::new()));
                rows.len() - 1
            });
            rows[number].1.push(row);
        }
        let inside = batch.project(&self.inside).map_err(failed)?;
        let whole = rows.len() == 1;
        rows.into_iter()
            .map(|(key, rows)| {
                let example = rows.first().map_or(0, |r| *r as usize);
                let rows = match whole {
                    true => inside.clone(),
                    false => take_record_batch(&inside, &UInt32Array::from(rows)).map_err(failed)?,
                };
                Ok(Part { key: key.into(), rows, example })
            })
            .collect()
    }

    /// Delta reads an empty partition value as null, which would change the row.
    fn refuse_empty_text(&self, values: &[ArrayRef]) -> Result<()> {
        for ((name, _), column) in self.columns.iter().zip(values) {
            let Some(text) = column.as_string_opt::<i32>() else { continue };
            if text.iter().flatten().any(str::is_empty) {
                return Err(Error::new(
                    ErrorKind::Data,
                    "a row has an empty text in a partition column, which Delta reads as null",
                )
                .with("column", name)
                .help("partition by another column"));
            }
        }
        Ok(())
    }

    /// The partition of a row as the log holds it.
    pub(super) fn values(&self, batch: &RecordBatch, row: usize) -> Result<HashMap<String, Option<String>>> {
        let failed = |e| sink("writing a partition value", e);
        let options = FormatOptions::new().with_timestamp_format(Some(INSTANT)).with_timestamp_tz_format(Some(INSTANT));
        let value = |(name, index): &(String, usize)| {
            let column = batch.column(*index);
            if column.is_null(row) {
                return Ok((name.clone(), None));
            }
            let formatter = ArrayFormatter::try_new(column, &options).map_err(failed)?;
            Ok((name.clone(), Some(formatter.value(row).try_to_string().map_err(failed)?)))
        };
        self.columns.iter().map(value).collect()
    }

    /// Where files of a partition are: `column=value` where that is a plain name everywhere, else a hash of it.
    pub(super) fn folder(&self, values: &HashMap<String, Option<String>>, key: &[u8]) -> Path {
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        let mut path = String::new();
        for (name, _) in &self.columns {
            let value = match values.get(name) {
                Some(Some(value)) => value.as_str(),
                _ => "__HIVE_DEFAULT_PARTITION__",
            };
            // Names that begin with an underscore are hidden from readers and from vacuum.
            if !plain(name) || name.starts_with(['_', '.']) || !plain(value) || name.len() + value.len() > FOLDER_NAME {
                return Path::from(format!("partition-{:016x}", RandomState::with_seeds(1, 2, 3, 4).hash_one(key)));
            }
            let _ = write!(path, "{name}={value}/");
        }
        Path::from(path)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, Decimal128Array, Int64Array, StringArray, TimestampMicrosecondArray};

    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
    }

    fn partitioner(batch: &RecordBatch, names: &[&str]) -> Partitioner {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        Partitioner::new(batch.schema_ref(), &names).unwrap().unwrap()
    }

    #[test]
    fn rows_keep_their_order_within_a_partition() {
        let batch = batch(vec![
            ("unit", Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("b")]))),
            ("n", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ]);
        let partitioner = partitioner(&batch, &["unit"]);
        let parts = partitioner.split(&batch).unwrap();
        let rows: Vec<Vec<i64>> = parts
            .iter()
            .map(|p| p.rows.column(0).as_primitive::<arrow::datatypes::Int64Type>().values().to_vec())
            .collect();
        assert_eq!(rows, [vec![1, 4], vec![2], vec![3]]);
        let folders: Vec<String> = parts
            .iter()
            .map(|p| partitioner.folder(&partitioner.values(&batch, p.example).unwrap(), &p.key).to_string())
            .collect();
        assert_eq!(folders, ["unit=b", "unit=__HIVE_DEFAULT_PARTITION__", "unit=a"]);
    }

    #[test]
    fn values_are_written_as_the_protocol_spells_them() {
        let batch = batch(vec![
            ("day", Arc::new(Date32Array::from(vec![19_000]))),
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![1_500_000]).with_timezone("UTC"))),
            ("price", Arc::new(Decimal128Array::from(vec![-5]).with_precision_and_scale(10, 2).unwrap())),
            ("place", Arc::new(StringArray::from(vec!["Halle 3/ü"]))),
            ("n", Arc::new(Int64Array::from(vec![1]))),
        ]);
        let partitioner = partitioner(&batch, &["day", "at", "price", "place"]);
        let values = partitioner.values(&batch, 0).unwrap();
        let text = |name: &str| values[name].clone().unwrap();
        assert_eq!(
            [text("day"), text("at"), text("price"), text("place")],
            ["2022-01-08", "1970-01-01 00:00:01.500000", "-0.05", "Halle 3/ü"]
        );
        assert!(partitioner.folder(&values, b"k").as_ref().starts_with("partition-"));
    }

    #[test]
    fn an_empty_text_and_a_float_are_refused() {
        let empty = batch(vec![
            ("unit", Arc::new(StringArray::from(vec!["a", ""]))),
            ("n", Arc::new(Int64Array::from(vec![1, 2]))),
        ]);
        let error = partitioner(&empty, &["unit"]).split(&empty).err().unwrap();
        assert_eq!((error.kind(), error.get("column")), (ErrorKind::Data, Some("unit")));
        let float = Schema::new(vec![arrow::datatypes::Field::new("x", DataType::Float64, true)]);
        assert_eq!(check_partition_columns(&float, &["x".to_owned()]).unwrap_err().kind(), ErrorKind::Config);
    }
}
