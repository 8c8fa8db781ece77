//! Types that Lance does not store, or that no table of the tests has: from the bytes of an answer to what a host gets.

use std::sync::Arc;

use futures::TryStreamExt;
use lakeflow_connect::{
    ReadRequest, Result, TableRef,
    arrow::{
        array::{
            Array, ArrayRef, BinaryArray, Decimal32Array, Decimal64Array, Decimal128Array, DurationNanosecondArray,
            FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Int8Array, Int32Array, Int64Array,
            IntervalDayTimeArray, IntervalMonthDayNanoArray, IntervalYearMonthArray, LargeListViewArray,
            LargeStringArray, ListArray, ListViewArray, MapArray, NullArray, PrimitiveArray, RecordBatch, RunArray,
            StringArray, StringViewArray, StructArray, TimestampMicrosecondArray, TimestampNanosecondArray,
            UInt64Array,
        },
        buffer::{NullBuffer, OffsetBuffer},
        compute::{cast, concat_batches},
        datatypes::{
            ArrowPrimitiveType, DataType, Field, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTime,
            IntervalMonthDayNano, Schema, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
        },
    },
    stream::arrow_batches,
    types::StructType,
};
use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use super::wire::{arrow, body, connect, serve};

/// Rows of every column.
const ROWS: usize = 4;

/// A column as the server sends it, and as a host gets it.
struct Line {
    field: Field,
    sent: ArrayRef,
    spark: &'static str,
    wanted: ArrayRef,
}

fn line(name: &str, sent: impl Array + 'static, spark: &'static str, wanted: impl Array + 'static) -> Line {
    assert_eq!((sent.len(), wanted.len()), (ROWS, ROWS), "{name}");
    let field = Field::new(name, sent.data_type().clone(), true);
    Line { field, sent: Arc::new(sent), spark, wanted: Arc::new(wanted) }
}

impl Line {
    fn extension(self, name: &str) -> Self {
        Self { field: marked(self.field, name), ..self }
    }
}

pub(super) fn marked(field: Field, extension: &str) -> Field {
    field.with_metadata([("ARROW:extension:name".to_owned(), extension.to_owned())].into())
}

/// A server of one version of one table.
fn answer(table: &RecordBatch, request: &Request) -> ResponseTemplate {
    let (path, asked) = (request.url.path(), body(request));
    if path.contains("/describe") {
        return ResponseTemplate::new(200).set_body_json(json!({"version": 1}));
    }
    if path.contains("/version/list") {
        let version = json!({"version": 1, "timestamp": "2026-01-01T00:00:00Z"});
        return ResponseTemplate::new(200).set_body_json(json!({"versions": [version]}));
    }
    if path.contains("/count_rows") {
        let rows = if asked["predicate"].is_string() { 0 } else { table.num_rows() };
        return ResponseTemplate::new(200).set_body_json(rows);
    }
    if asked["filter"].is_string() {
        return ResponseTemplate::new(400).set_body_string("No field named");
    }
    let names = asked["columns"].as_array().map(|names| names.iter().filter_map(Value::as_str).collect::<Vec<_>>());
    let table = match names {
        Some(names) => {
            let places: Vec<_> = names.iter().map(|name| table.schema().index_of(name).unwrap()).collect();
            table.project(&places).unwrap()
        }
        None => table.clone(),
    };
    let number = |name: &str| asked[name].as_u64().unwrap_or(0) as usize;
    let offset = number("offset").min(table.num_rows());
    arrow(&table.slice(offset, number("k").min(table.num_rows() - offset)))
}

/// What a host gets of a table.
pub(super) async fn read(table: &RecordBatch, options: &[(&str, &str)]) -> Result<(StructType, RecordBatch)> {
    let table = table.clone();
    let server = serve(move |request| answer(&table, request)).await;
    let source = connect(&server, &[("dialect", "cloud"), ("database", "d")]);
    let table = TableRef::new("t").option("ingestion_type", "snapshot");
    let table = options.iter().fold(table, |table, (name, value)| table.option(*name, *value));
    let schema = source.get_table_schema(&table).await?;
    let batches: Vec<_> = arrow_batches(&source, ReadRequest::new(table)).try_collect().await?;
    let rows = concat_batches(&Arc::new(schema.to_arrow()), &batches).unwrap();
    Ok((schema, rows))
}

async fn check(lines: &[Line], options: &[(&str, &str)]) -> StructType {
    let fields: Vec<_> = lines.iter().map(|line| line.field.clone()).collect();
    let columns = lines.iter().map(|line| Arc::clone(&line.sent)).collect();
    let sent = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let (schema, rows) = read(&sent, options).await.unwrap_or_else(|error| panic!("{options:?}: {error:?}"));
    for Line { field, spark, wanted, .. } in lines {
        let name = field.name();
        assert_eq!(schema.field(name).unwrap().data_type.to_string(), *spark, "{name} {options:?}");
        let found = rows.column_by_name(name).unwrap();
        // Elements of lists have other names.
        let wanted = cast(wanted, found.data_type()).unwrap();
        assert_eq!(found, &wanted, "{name} {options:?}");
    }
    schema
}

fn runs<const N: usize>(ends: [i32; N], values: &dyn Array) -> RunArray<Int32Type> {
    RunArray::try_new(&Int32Array::from(ends.to_vec()), values).unwrap()
}

fn texts(values: [Option<&str>; ROWS]) -> StringArray {
    values.into_iter().collect()
}

/// A column with the ends of its range, which Longs hold.
fn integers<T: ArrowPrimitiveType>(name: &str, ends: [T::Native; 2], spark: &'static str) -> Line
where
    T::Native: Into<i64>,
{
    let [low, high] = ends;
    let sent = PrimitiveArray::<T>::from_iter([None, Some(low), Some(high), Some(T::Native::default())]);
    line(name, sent, spark, Int64Array::from(vec![None, Some(low.into()), Some(high.into()), Some(0)]))
}

fn long_lists(values: [Option<Vec<Option<i64>>>; ROWS]) -> ListArray {
    ListArray::from_iter_primitive::<Int64Type, _, _>(values)
}

#[tokio::test]
async fn lists_by_views_and_runs_are_lists_and_values() {
    let item = |data_type| Arc::new(Field::new("item", data_type, true));
    let small = [Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(i16::MIN)])];
    let wide = [Some(vec![Some(1), None]), None, Some(vec![]), Some(vec![Some(i64::from(i16::MIN))])];
    // In any order, some values twice and some not at all.
    let anywhere = ListViewArray::new(
        item(DataType::Int64),
        vec![2, 0, 0, 1].into(),
        vec![2, 2, 0, 3].into(),
        Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5])),
        None,
    );
    let found = |values: &[i64]| Some(values.iter().copied().map(Some).collect());
    let in_order = long_lists([found(&[3, 4]), found(&[1, 2]), found(&[]), found(&[2, 3, 4])]);
    let words = LargeListViewArray::new(
        item(DataType::LargeUtf8),
        vec![1, 0, 0, 0].into(),
        vec![1, 2, 0, 0].into(),
        Arc::new(LargeStringArray::from(vec![None, Some("é")])),
        Some(NullBuffer::from(vec![true, true, true, false])),
    );
    let word_lists = ListArray::new(
        item(DataType::Utf8),
        OffsetBuffer::from_lengths([1, 2, 0, 0]),
        Arc::new(StringArray::from(vec![Some("é"), None, Some("é")])),
        Some(NullBuffer::from(vec![true, true, true, false])),
    );
    let times = TimestampNanosecondArray::from(vec![Some(-1), Some(1_999)]);
    let micros = TimestampMicrosecondArray::from(vec![-1, -1, -1, 1]).with_timezone("UTC");
    let schema = check(
        &[
            line(
                "views",
                ListViewArray::from_iter_primitive::<Int16Type, _, _>(small.clone()),
                "array<bigint>",
                long_lists(wide.clone()),
            ),
            line(
                "large_views",
                LargeListViewArray::from_iter_primitive::<Int16Type, _, _>(small),
                "array<bigint>",
                long_lists(wide),
            ),
            line("anywhere", anywhere, "array<bigint>", in_order),
            line("words", words, "array<string>", word_lists),
            line(
                "runs",
                runs([1, 3, 4], &StringArray::from(vec![Some("a"), None, Some("")])),
                "string",
                texts([Some("a"), None, None, Some("")]),
            ),
            line(
                "small_runs",
                runs([3, 4], &Int8Array::from(vec![-128, 127])),
                "bigint",
                Int64Array::from(vec![-128, -128, -128, 127]),
            ),
            line("time_runs", runs([3, 4], &times), "timestamp", micros),
        ],
        &[],
    )
    .await;
    assert!(schema.field("time_runs_ns").is_some(), "what is cut stands beside");
}

#[tokio::test]
async fn types_that_spark_lacks_are_told_in_full() {
    let day_time = |days, milliseconds| Some(IntervalDayTime { days, milliseconds });
    let nano = |months, days, nanoseconds| Some(IntervalMonthDayNano { months, days, nanoseconds });
    let decimals = |values: [Option<i128>; ROWS], precision, scale| {
        Decimal128Array::from(values.to_vec()).with_precision_and_scale(precision, scale).unwrap()
    };
    let small = |precision, scale| {
        let values = vec![Some(99_999), None, Some(-99_999), Some(1)];
        Decimal32Array::from(values).with_precision_and_scale(precision, scale).unwrap()
    };
    let longest = vec![Some(999_999_999_999_999_999), None, Some(-999_999_999_999_999_999), Some(0)];
    let longest = Decimal64Array::from(longest).with_precision_and_scale(18, 3).unwrap();
    let pair = [Field::new("keys", DataType::Utf8, false), Field::new("values", DataType::UInt64, true)];
    let entries = StructArray::new(
        pair.to_vec().into(),
        vec![Arc::new(StringArray::from(vec!["a", "b"])), Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))],
        None,
    );
    let field = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    let nulls = Some(NullBuffer::from(vec![true, true, false, true]));
    let map = |is_sorted| {
        let offsets = OffsetBuffer::from_lengths([2, 0, 0, 0]);
        MapArray::new(Arc::clone(&field), offsets, entries.clone(), nulls.clone(), is_sorted)
    };
    check(
        &[
            line(
                "months",
                IntervalYearMonthArray::from(vec![Some(14), None, Some(-1), Some(0)]),
                "string",
                texts([Some("P1Y2M"), None, Some("P-1M"), Some("PT0S")]),
            ),
            line(
                "days",
                IntervalDayTimeArray::from(vec![day_time(3, 14_706_007), None, day_time(-1, -1), day_time(0, 60_000)]),
                "string",
                texts([Some("P3DT4H5M6.007S"), None, Some("P-1DT-0.001S"), Some("PT1M")]),
            ),
            line(
                "nanos",
                IntervalMonthDayNanoArray::from(vec![
                    nano(14, 3, 3_723_000_000_001),
                    None,
                    nano(0, 0, -3_661_500_000_000),
                    nano(i32::MAX, i32::MIN, i64::MIN),
                ]),
                "string",
                texts([
                    Some("P1Y2M3DT1H2M3.000000001S"),
                    None,
                    Some("PT-1H-1M-1.5S"),
                    Some("P178956970Y7M-2147483648DT-2562047H-47M-16.854775808S"),
                ]),
            ),
            line(
                "decimal32",
                small(5, 2),
                "decimal(5,2)",
                decimals([Some(99_999), None, Some(-99_999), Some(1)], 5, 2),
            ),
            line(
                "hundreds",
                small(5, -2),
                "decimal(7,0)",
                decimals([Some(9_999_900), None, Some(-9_999_900), Some(100)], 7, 0),
            ),
            line(
                "decimal64",
                longest,
                "decimal(18,3)",
                decimals([Some(999_999_999_999_999_999), None, Some(-999_999_999_999_999_999), Some(0)], 18, 3),
            ),
            line("sorted", map(true), "map<string,decimal(20,0)>", map(false)),
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn integers_keep_their_values_in_both_modes_to_the_ends_of_their_ranges() {
    let unsigned = vec![None, Some(u64::MAX), Some(i64::MAX as u64 + 1), Some(i64::MAX as u64)];
    let exact = unsigned.iter().map(|value| value.map(i128::from)).collect::<Vec<_>>();
    let exact = Decimal128Array::from(exact).with_precision_and_scale(20, 0).unwrap();
    let pairs = [Some([Some(u64::MAX), None]), None, Some([Some(0), Some(1 << 63)]), Some([None, None])];
    let bytes = [Some([Some(255), None]), None, Some([Some(0), Some(128)]), Some([None, None])];
    let lists = |wanted: [Option<[Option<i64>; 2]>; ROWS]| ListArray::from_iter_primitive::<Int64Type, _, _>(wanted);
    for (mode, [tiny, small, int]) in [("long", ["bigint"; 3]), ("exact", ["tinyint", "smallint", "int"])] {
        let vector = if mode == "long" { "array<bigint>" } else { "array<smallint>" };
        let schema = check(
            &[
                integers::<Int8Type>("i8", [i8::MIN, i8::MAX], tiny),
                integers::<Int16Type>("i16", [i16::MIN, i16::MAX], small),
                integers::<Int32Type>("i32", [i32::MIN, i32::MAX], int),
                integers::<Int64Type>("i64", [i64::MIN, i64::MAX], "bigint"),
                integers::<UInt8Type>("u8", [1 << 7, u8::MAX], small),
                integers::<UInt16Type>("u16", [1 << 15, u16::MAX], int),
                integers::<UInt32Type>("u32", [1 << 31, u32::MAX], "bigint"),
                line("u64", UInt64Array::from(unsigned.clone()), "decimal(20,0)", exact.clone()),
                line(
                    "u64s",
                    FixedSizeListArray::from_iter_primitive::<UInt64Type, _, _>(pairs, 2),
                    "array<decimal(20,0)>",
                    ListArray::from_iter_primitive::<UInt64Type, _, _>(pairs),
                ),
                line(
                    "u8s",
                    FixedSizeListArray::from_iter_primitive::<UInt8Type, _, _>(bytes, 2),
                    vector,
                    lists([Some([Some(255), None]), None, Some([Some(0), Some(128)]), Some([None, None])]),
                ),
                // Spark's own types for these are not those of tables in a lake.
                line("nothing", NullArray::new(ROWS), "string", texts([None; ROWS])),
                line(
                    "long_time",
                    DurationNanosecondArray::from(vec![Some(i64::MIN), None, Some(i64::MAX), Some(-1)]),
                    "bigint",
                    Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX), Some(-1)]),
                ),
            ],
            &[("int_mode", mode)],
        )
        .await;
        assert_eq!(schema.field("u8s").unwrap().metadata["elem"], "uint8");
        assert_eq!(schema.field("long_time").unwrap().metadata["unit"], "ns");
    }
}

#[tokio::test]
async fn extensions_are_what_they_mean_and_others_what_they_are_made_of() {
    const JSON: [Option<&str>; ROWS] = [None, Some(r#"{"a":[1,null]}"#), Some("\"ü\""), Some("1.50")];
    let halves: [Option<&[u8]>; 8] = [
        Some(&[0x80, 0x3f]),
        Some(&[0xc0, 0x7f]),
        Some(&[0, 0]),
        None,
        None,
        None,
        Some(&[0x80, 0xff]),
        Some(&[0, 0xc0]),
    ];
    let flat = FixedSizeBinaryArray::try_from_sparse_iter_with_size(halves.into_iter(), 2).unwrap();
    let floats = [
        Some(1.0),
        Some(f32::from_bits(0x7fc0_0000)),
        Some(0.0),
        None,
        None,
        None,
        Some(f32::NEG_INFINITY),
        Some(-2.0),
    ];
    let nulls = Some(NullBuffer::from(vec![true, true, false, true]));
    let item = Arc::new(marked(Field::new("item", DataType::FixedSizeBinary(2), true), "lance.bfloat16"));
    let vectors = FixedSizeListArray::new(item, 2, Arc::new(flat.clone()), nulls.clone());
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let wide = FixedSizeListArray::new(item, 2, Arc::new(Float32Array::from(floats.to_vec())), nulls);
    for (choice, spark) in [("string", "string"), ("variant", "variant")] {
        let schema = check(
            &[
                line("json", texts(JSON), spark, texts(JSON)).extension("arrow.json"),
                line("large", LargeStringArray::from(JSON.to_vec()), spark, texts(JSON)).extension("lance.json"),
                line("view", StringViewArray::from(JSON.to_vec()), spark, texts(JSON)).extension("arrow.json"),
                line("text", texts(JSON), "string", texts(JSON)),
                line("color", Int32Array::from(vec![1, 2, 3, 4]), "bigint", Int64Array::from(vec![1, 2, 3, 4]))
                    .extension("acme.color"),
                line("bf16s", vectors.clone(), "array<float>", wide.clone()),
            ],
            &[("json_as", choice)],
        )
        .await;
        assert_eq!(schema.field("color").unwrap().metadata["extension"], "acme.color");
        assert_eq!(schema.field("bf16s").unwrap().metadata["elem"], "bf16");
    }
    // As bytes they are what they were, where no element is missing.
    let flat = FixedSizeBinaryArray::try_from_iter([[1_u8, 2], [3, 4], [5, 6], [7, 8]].iter()).unwrap();
    let item = Arc::new(marked(Field::new("item", DataType::FixedSizeBinary(2), true), "lance.bfloat16"));
    let ones = FixedSizeListArray::new(item, 1, Arc::new(flat), None);
    let bytes: [&[u8]; ROWS] = [&[1, 2], &[3, 4], &[5, 6], &[7, 8]];
    check(&[line("bf16s", ones, "binary", BinaryArray::from_vec(bytes.to_vec()))], &[("vector_format", "binary")])
        .await;
}
