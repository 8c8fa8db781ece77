//! Which files of a table can hold a key at all, told from the bounds that the log has of their key columns.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, StringArray},
    compute::cast_with_options,
    datatypes::{DataType, TimeUnit},
    row::{RowConverter, Rows, SortField},
};
use lakeflow_connect::{Result, arrow};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    align::EXACT,
    error::sink,
    keys::{ColumnPath, KeyCodec},
    sequence::Sequence,
    table::DataFile,
};

/// Texts of more candidates than this are not kept: only their least and greatest count.
const TEXTS: usize = 100_000;
/// Candidates that are looked at one by one for a file.
const LOOKED_AT: usize = 4_096;

/// The bounds of one column in a file, encoded so that bytes order as values do.
type Bounds = Option<(Box<[u8]>, Box<[u8]>)>;

/// Keys that a commit looks for, column by column.
pub(super) struct Candidates {
    columns: Vec<Column>,
    keys: usize,
}

struct Column {
    path: ColumnPath,
    converter: RowConverter,
    values: Values,
}

enum Values {
    /// Values of all candidates, in the order of candidates, and that order sorted by value.
    All {
        rows: Rows,
        sorted: Vec<u32>,
    },
    Between {
        least: Box<[u8]>,
        greatest: Box<[u8]>,
    },
    /// Nothing is known of values of this type, and no file is ruled out by them.
    Any,
}

impl Candidates {
    /// Candidates by their encoded keys.
    pub(super) fn new<'a>(codec: &KeyCodec, keys: impl ExactSizeIterator<Item = &'a [u8]>) -> Result<Self> {
        let count = keys.len();
        let arrays = codec.decode(keys)?;
        let columns = codec.key_columns().iter().zip(arrays).map(|(path, array)| Column::new(path, &array));
        Ok(Self { columns: columns.collect::<Result<_>>()?, keys: count })
    }

    /// Whether a file may hold one of the candidates.
    pub(super) fn may_be_in(&self, file: &DataFile) -> Result<bool> {
        if self.keys == 0 {
            return Ok(false);
        }
        let stats = Stats::of(file);
        let bounds = self.columns.iter().map(|c| c.bounds(file, &stats)).collect::<Result<Vec<Bounds>>>()?;
        let mut fewest: Option<&[u32]> = None;
        for (column, bounds) in self.columns.iter().zip(&bounds) {
            let Some((least, greatest)) = bounds else { continue };
            match &column.values {
                Values::Any => {}
                Values::Between { least: a, greatest: b } if **b < **least || **a > **greatest => return Ok(false),
                Values::Between { .. } => {}
                Values::All { rows, sorted } => {
                    let from = sorted.partition_point(|i| rows.row(*i as usize).data() < &**least);
                    let to = sorted.partition_point(|i| rows.row(*i as usize).data() <= &**greatest);
                    if from >= to {
                        return Ok(false);
                    }
                    if fewest.is_none_or(|f| f.len() > to - from) {
                        fewest = Some(&sorted[from..to]);
                    }
                }
            }
        }
        // Each column may have values in bounds, but no candidate all of them.
        match fewest {
            Some(some) if some.len() <= LOOKED_AT => Ok(some.iter().any(|i| self.is_within(*i as usize, &bounds))),
            _ => Ok(true),
        }
    }

    fn is_within(&self, candidate: usize, bounds: &[Bounds]) -> bool {
        self.columns.iter().zip(bounds).all(|(column, bounds)| match (&column.values, bounds) {
            (Values::All { rows, .. }, Some((least, greatest))) => {
                let row = rows.row(candidate);
                row.data() >= &**least && row.data() <= &**greatest
            }
            _ => true,
        })
    }
}

/// Tells files of a history in which all versions ended before a moment.
pub(super) struct Over {
    end: Column,
    moment: Box<[u8]>,
}

impl Over {
    /// Nothing for text: bytes of text are not in the order of moments.
    pub(super) fn new(sequence: &Sequence, moment: &[u8]) -> Result<Option<Self>> {
        if sequence.end.data_type == DataType::Utf8 || !is_ordered(&sequence.end.data_type) {
            return Ok(None);
        }
        let end = Column::new(&sequence.end, &sequence.array([moment].into_iter())?)?;
        Ok(Some(Self { end, moment: moment.into() }))
    }

    pub(super) fn is_before(&self, file: &DataFile) -> Result<bool> {
        let stats = Stats::of(file);
        let current = stats.null_count.get(self.end.path.name.as_str()).map(|count| count.get());
        if current != Some("0") {
            return Ok(false);
        }
        Ok(self.end.bounds(file, &stats)?.is_some_and(|(_, greatest)| *greatest < *self.moment))
    }
}

impl Column {
    fn new(path: &ColumnPath, array: &ArrayRef) -> Result<Self> {
        let failed = |e| sink("comparing keys", e);
        let converter = RowConverter::new(vec![SortField::new(path.data_type.clone())]).map_err(failed)?;
        let values = if array.is_empty() || !is_ordered(&path.data_type) {
            Values::Any
        } else {
            let rows = converter.convert_columns(&[Arc::clone(array)]).map_err(failed)?;
            if path.data_type == DataType::Utf8 && array.len() > TEXTS {
                let bounds = rows.iter().fold(None::<(_, _)>, |bounds, row| match bounds {
                    None => Some((row, row)),
                    Some((a, b)) => Some((a.min(row), b.max(row))),
                });
                bounds
                    .map_or(Values::Any, |(a, b)| Values::Between { least: a.data().into(), greatest: b.data().into() })
            } else {
                let mut sorted: Vec<u32> = (0..u32::try_from(array.len()).unwrap_or(u32::MAX)).collect();
                sorted.sort_unstable_by(|a, b| rows.row(*a as usize).cmp(&rows.row(*b as usize)));
                Values::All { rows, sorted }
            }
        };
        Ok(Self { path: path.clone(), converter, values })
    }

    fn bounds(&self, file: &DataFile, stats: &Stats<'_>) -> Result<Bounds> {
        if matches!(self.values, Values::Any) {
            return Ok(None);
        }
        if let Some(value) = file.partition.get(&self.path.name) {
            return Ok(value.as_deref().and_then(|v| Some((self.encode(v, 0)?, self.encode(v, 0)?))));
        }
        let text = |values: &HashMap<Cow<'_, str>, &RawValue>| self.find(values);
        let (Some(least), Some(greatest)) = (text(&stats.min_values), text(&stats.max_values)) else { return Ok(None) };
        // Instants are cut to milliseconds in the log.
        let slack = i64::from(matches!(self.path.data_type, DataType::Timestamp(..))) * 1_000;
        Ok(self.encode(&least, 0).zip(self.encode(&greatest, slack)))
    }

    /// The text of a value, wherever it is nested.
    fn find(&self, values: &HashMap<Cow<'_, str>, &RawValue>) -> Option<String> {
        let mut parts = self.path.parts().iter();
        let mut json: &RawValue = values.get(parts.next()?.as_str())?;
        for part in parts {
            let inner: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(json.get()).ok()?;
            json = inner.get(part.as_str())?;
        }
        match json.get() {
            "null" => None,
            text if text.starts_with('"') => serde_json::from_str(text).ok(),
            number => Some(number.to_owned()),
        }
    }

    /// Nothing for text that is no value of the column: such bounds tell nothing.
    fn encode(&self, text: &str, more: i64) -> Option<Box<[u8]>> {
        let text: ArrayRef = Arc::new(StringArray::from(vec![text]));
        let mut value = cast_with_options(&text, &self.path.data_type, &EXACT).ok()?;
        if more != 0 {
            let number = cast_with_options(&value, &DataType::Int64, &EXACT).ok()?;
            let number = number.as_any().downcast_ref::<arrow::array::Int64Array>()?;
            let number: ArrayRef = Arc::new(arrow::array::Int64Array::from(vec![number.value(0).checked_add(more)?]));
            value = cast_with_options(&number, &self.path.data_type, &EXACT).ok()?;
        }
        let rows = self.converter.convert_columns(&[value]).ok()?;
        Some(rows.row(0).data().into())
    }
}

/// Types whose bounds in the log are bounds of the values.
fn is_ordered(data_type: &DataType) -> bool {
    data_type.is_signed_integer()
        || matches!(data_type, DataType::Utf8 | DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _))
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Stats<'a> {
    #[serde(borrow)]
    min_values: HashMap<Cow<'a, str>, &'a RawValue>,
    #[serde(borrow)]
    max_values: HashMap<Cow<'a, str>, &'a RawValue>,
    #[serde(borrow)]
    null_count: HashMap<Cow<'a, str>, &'a RawValue>,
}

impl<'a> Stats<'a> {
    fn of(file: &'a DataFile) -> Self {
        file.stats.as_deref().and_then(|s| serde_json::from_str(s).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{RecordBatch, TimestampMicrosecondArray},
        datatypes::{Field, Schema},
    };

    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn file(stats: &str) -> DataFile {
        DataFile { path: "f".into(), size: 1, partition: HashMap::new(), stats: Some(stats.to_owned()), remove: None }
    }

    fn codec() -> KeyCodec {
        let at = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let schema = Schema::new(vec![Field::new("tag", DataType::Utf8, true), Field::new("at", at, true)]);
        KeyCodec::new(&schema, &["tag".to_owned(), "at".to_owned()], None).unwrap()
    }

    fn candidates(codec: &KeyCodec, keys: &[(&str, i64)]) -> Candidates {
        let tag: ArrayRef = Arc::new(keys.iter().map(|(t, _)| Some(*t)).collect::<StringArray>());
        let at = TimestampMicrosecondArray::from_iter_values(keys.iter().map(|(_, at)| *at)).with_timezone("UTC");
        let batch = RecordBatch::try_from_iter([("tag", tag), ("at", Arc::new(at) as ArrayRef)]).unwrap();
        let keys = codec.keys(&batch).unwrap();
        let encoded: Vec<&[u8]> = (0..keys.len()).map(|row| keys.get(row)).collect();
        Candidates::new(codec, encoded.into_iter()).unwrap()
    }

    fn between(tags: [&str; 2], hours: [i64; 2]) -> DataFile {
        let at = hours.map(|h| format!("1970-01-01T{h:02}:00:00.000Z"));
        file(&format!(
            r#"{{"numRecords":9,"minValues":{{"tag":"{}","at":"{}"}},"maxValues":{{"tag":"{}","at":"{}"}},"nullCount":{{}}}}"#,
            tags[0], at[0], tags[1], at[1]
        ))
    }

    #[test]
    fn a_file_counts_when_one_candidate_is_within_all_its_bounds() {
        let codec = codec();
        let keys = candidates(&codec, &[("a", HOUR), ("m", 5 * HOUR), ("z", 9 * HOUR)]);
        let may = |file: &DataFile| keys.may_be_in(file).unwrap();
        assert!(may(&between(["a", "z"], [0, 23])));
        assert!(may(&between(["m", "m"], [5, 5])), "bounds belong to it");
        assert!(!may(&between(["a", "z"], [2, 4])), "no instant in between");
        assert!(!may(&between(["n", "y"], [0, 23])), "no tag in between");
        assert!(!may(&between(["a", "b"], [8, 10])), "a tag and an instant, but not of one key");
        assert!(may(&file("{}")), "unknown bounds rule nothing out");
        assert!(may(&DataFile { stats: None, ..file("") }));
        assert!(!candidates(&codec, &[]).may_be_in(&file("{}")).unwrap());
    }

    #[test]
    fn an_instant_within_the_millisecond_that_the_log_cut_off_is_found() {
        let codec = codec();
        let keys = candidates(&codec, &[("a", 2 * HOUR + 999)]);
        assert!(keys.may_be_in(&between(["a", "a"], [1, 2])).unwrap());
        let keys = candidates(&codec, &[("a", 2 * HOUR + 1_001)]);
        assert!(!keys.may_be_in(&between(["a", "a"], [1, 2])).unwrap());
    }

    #[test]
    fn a_key_column_that_partitions_the_table_rules_out_other_partitions() {
        let codec = codec();
        let keys = candidates(&codec, &[("a", HOUR)]);
        let of = |tag: &str| DataFile {
            partition: HashMap::from([("tag".to_owned(), Some(tag.to_owned()))]),
            ..between(["?", "?"], [0, 2])
        };
        assert!(keys.may_be_in(&of("a")).unwrap());
        assert!(!keys.may_be_in(&of("b")).unwrap());
    }
}
