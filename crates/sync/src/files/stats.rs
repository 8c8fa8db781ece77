//! What the log says of a file's columns: bounds and counts of nulls, taken from the file's own statistics.
//!
//! Bounds may be wider than the values, never narrower. Floats have none: whether a file holds NaN, which some engines
//! order above all numbers, is not known from its statistics.

use arrow::{
    datatypes::{DataType, Schema, TimeUnit},
    temporal_conversions::date32_to_datetime,
};
use chrono::{DateTime, Datelike, Utc};
use deltalake::parquet::{
    file::{metadata::ParquetMetaData, statistics::Statistics},
    schema::types::ColumnDescriptor,
};
use lakeflow_connect::arrow;
use serde_json::{Map, Value};

/// The statistics of a file as the log holds them.
pub(super) fn statistics(metadata: &ParquetMetaData, schema: &Schema) -> String {
    let file = metadata.file_metadata();
    let [mut min, mut max, mut nulls] = [Map::new(), Map::new(), Map::new()];
    for (index, column) in file.schema_descr().columns().iter().enumerate() {
        // Counts of repeated columns are of their elements.
        if column.max_rep_level() > 0 {
            continue;
        }
        let groups: Option<Vec<_>> = metadata.row_groups().iter().map(|g| g.column(index).statistics()).collect();
        let Some(groups) = groups.filter(|g| !g.is_empty()) else { continue };
        let parts = column.path().parts();
        if let Some(count) = groups.iter().map(|s| s.null_count_opt()).sum::<Option<u64>>() {
            put(&mut nulls, parts, count.into());
        }
        let Some(data_type) = leaf(schema, column) else { continue };
        if let Some((least, greatest)) = bounds(&groups, data_type, metadata, index) {
            put(&mut min, parts, least);
            put(&mut max, parts, greatest);
        }
    }
    let all = [("numRecords", file.num_rows().into()), ("minValues", min.into()), ("maxValues", max.into())];
    let all: Map<String, Value> =
        all.into_iter().chain([("nullCount", nulls.into())]).map(|(k, v)| (k.to_owned(), v)).collect();
    Value::Object(all).to_string()
}

fn put(tree: &mut Map<String, Value>, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => {
            tree.insert(name.clone(), value);
        }
        [name, rest @ ..] => {
            if let Value::Object(inner) = tree.entry(name).or_insert_with(|| Map::new().into()) {
                put(inner, rest, value);
            }
        }
    }
}

fn leaf<'a>(schema: &'a Schema, column: &ColumnDescriptor) -> Option<&'a DataType> {
    let (first, rest) = column.path().parts().split_first()?;
    let mut data_type = schema.field_with_name(first).ok()?.data_type();
    for part in rest {
        let DataType::Struct(fields) = data_type else { return None };
        data_type = fields.find(part)?.1.data_type();
    }
    Some(data_type)
}

/// Bounds over all row groups that have values; none when one of them does not tell.
fn bounds(
    groups: &[&Statistics],
    data_type: &DataType,
    metadata: &ParquetMetaData,
    index: usize,
) -> Option<(Value, Value)> {
    let values = metadata.row_groups().iter().map(|g| g.column(index).num_values());
    let filled = groups.iter().zip(values).filter(|(s, all)| s.null_count_opt().map(i64::try_from) != Some(Ok(*all)));
    let filled: Vec<&Statistics> = filled.map(|(s, _)| *s).collect();
    match data_type {
        DataType::Boolean => {
            let each = filled.iter().map(|s| match s {
                Statistics::Boolean(v) => Some((*v.min_opt()?, *v.max_opt()?)),
                _ => None,
            });
            least_and_greatest(each).map(|(a, b)| (a.into(), b.into()))
        }
        DataType::Utf8 => {
            let text = |bytes: Option<&[u8]>| String::from_utf8(bytes?.to_vec()).ok();
            let each = filled.iter().map(|s| Some((text(s.min_bytes_opt())?, text(s.max_bytes_opt())?)));
            least_and_greatest(each).map(|(a, b)| (a.into(), b.into()))
        }
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            integers(&filled).map(|(a, b)| (a.into(), b.into()))
        }
        DataType::Date32 => {
            let day = |n: i64| {
                let date = date32_to_datetime(i32::try_from(n).ok()?)?;
                within_years(date.year()).then(|| Value::from(date.format("%Y-%m-%d").to_string()))
            };
            integers(&filled).and_then(|(a, b)| Some((day(a)?, day(b)?)))
        }
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let format = if zone.is_some() { "%Y-%m-%dT%H:%M:%S%.3fZ" } else { "%Y-%m-%dT%H:%M:%S%.3f" };
            let instant = |millis: i64| {
                let at: DateTime<Utc> = DateTime::from_timestamp_millis(millis)?;
                within_years(at.year()).then(|| Value::from(at.format(format).to_string()))
            };
            // The log holds milliseconds: outwards, so that no value is outside.
            integers(&filled).and_then(|(a, b)| {
                let up = i64::from(b.rem_euclid(1000) > 0);
                Some((instant(a.div_euclid(1000))?, instant(b.div_euclid(1000) + up)?))
            })
        }
        _ => None,
    }
}

fn within_years(year: i32) -> bool {
    (0..=9999).contains(&year)
}

fn integers(groups: &[&Statistics]) -> Option<(i64, i64)> {
    least_and_greatest(groups.iter().map(|s| match s {
        Statistics::Int32(v) => Some((i64::from(*v.min_opt()?), i64::from(*v.max_opt()?))),
        Statistics::Int64(v) => Some((*v.min_opt()?, *v.max_opt()?)),
        _ => None,
    }))
}

fn least_and_greatest<T: Ord>(each: impl Iterator<Item = Option<(T, T)>>) -> Option<(T, T)> {
    let mut found: Option<(T, T)> = None;
    for pair in each {
        let (a, b) = pair?;
        found = Some(match found {
            None => (a, b),
            Some((least, greatest)) => (least.min(a), greatest.max(b)),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{
            ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, StructArray,
            TimestampMicrosecondArray,
        },
        datatypes::Field,
    };
    use deltalake::parquet::{arrow::ArrowWriter, file::properties::WriterProperties};
    use serde_json::json;

    use super::*;

    fn of(columns: Vec<(&str, ArrayRef)>) -> Value {
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(2))
            .set_statistics_truncate_length(Some(8))
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        let metadata = writer.close().unwrap();
        serde_json::from_str(&statistics(&metadata, batch.schema_ref())).unwrap()
    }

    #[test]
    fn bounds_span_row_groups_and_leave_out_those_of_nulls_alone() {
        let n = Int64Array::from(vec![Some(5), Some(7), None, None, Some(-3), None]);
        let stats = of(vec![("n", Arc::new(n)), ("none", Arc::new(Int64Array::from(vec![None; 6])))]);
        assert_eq!(
            stats,
            json!({"numRecords": 6, "minValues": {"n": -3}, "maxValues": {"n": 7}, "nullCount": {"n": 3, "none": 6}})
        );
    }

    #[test]
    fn instants_are_rounded_outwards_and_texts_are_cut_outwards() {
        let at = TimestampMicrosecondArray::from(vec![-1_500, 1_700_000_000_000_001]).with_timezone("UTC");
        let text = StringArray::from(vec!["patient-0001", "patient-9999"]);
        let day = Date32Array::from(vec![0, 19_000]);
        let stats = of(vec![("at", Arc::new(at)), ("text", Arc::new(text)), ("day", Arc::new(day))]);
        assert_eq!(
            stats["minValues"],
            json!({"at": "1969-12-31T23:59:59.998Z", "text": "patient-", "day": "1970-01-01"})
        );
        assert_eq!(
            stats["maxValues"],
            json!({"at": "2023-11-14T22:13:20.001Z", "text": "patient.", "day": "2022-01-08"})
        );
    }

    #[test]
    fn members_of_structs_are_nested_and_floats_have_no_bounds() {
        let id: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), Some("a")]));
        let field = Arc::new(Field::new("id", DataType::Utf8, true));
        let meta = StructArray::new([field].into_iter().collect(), vec![id], Some(vec![true, false].into()));
        let value = Float64Array::from(vec![1.0, f64::NAN]);
        let stats = of(vec![("meta", Arc::new(meta)), ("value", Arc::new(value))]);
        assert_eq!(stats["minValues"], json!({"meta": {"id": "b"}}));
        assert_eq!(stats["nullCount"], json!({"meta": {"id": 1}, "value": 0}));
    }
}
