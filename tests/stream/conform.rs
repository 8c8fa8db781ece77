//! Arrow batches from a source in the exact schema of their table, or an error; never a changed value.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use lakeflow_connect::{
    BadRows, Error, ErrorKind, IngestionType, JsonLines, ReadEvent, ReadRequest, Records, Result, StructType,
    TableMetadata,
    arrow::{
        array::{
            Array, ArrayRef, AsArray, BooleanArray, Date64Array, Decimal256Array, DictionaryArray,
            FixedSizeBinaryArray, FixedSizeListArray, Float32Array, Int32Array, Int64Array, LargeListArray,
            LargeStringArray, ListArray, MapArray, NullArray, RecordBatch, RunArray, StringArray, StringViewArray,
            StructArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt32Array, UInt64Array,
        },
        buffer::{NullBuffer, OffsetBuffer},
        compute::cast,
        datatypes::{DataType as ArrowType, Field, Fields, Float32Type, Int32Type, TimeUnit, i256},
    },
    decode::{DecodeOptions, Decoder, Shape, arrow_to_json},
    stream::ArrowTable,
};
use proptest::prelude::*;
use serde_json::json;

fn table(ddl: &str) -> ArrowTable {
    let metadata = TableMetadata { primary_keys: vec![], cursor_field: None, ingestion_type: IngestionType::Append };
    ArrowTable::new(&ReadRequest::new("plant".into()), &StructType::from_ddl(ddl).unwrap(), &metadata).unwrap()
}

async fn conform(table: &ArrowTable, batch: RecordBatch) -> Result<RecordBatch> {
    let source = stream::iter([Ok(ReadEvent::Records(Records::Arrow(batch)))]).boxed();
    match table.events(source).try_next().await? {
        Some(ReadEvent::Records(Records::Arrow(batch))) => Ok(batch),
        other => panic!("not a batch: {other:?}"),
    }
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

async fn conform_one(ddl_type: &str, array: ArrayRef) -> Result<String> {
    let table = table(&format!("c {ddl_type}"));
    let batch = conform(&table, batch(vec![("c", array)])).await?;
    assert_eq!(batch.schema(), table.arrow_schema());
    Ok(String::from_utf8(arrow_to_json(&batch)?.bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn columns_are_put_in_order_by_name_and_missing_ones_are_null() {
    let table = table("id BIGINT NOT NULL COMMENT 'key', name STRING, tags ARRAY<STRING>, at STRUCT<x: INT>");
    let sent = batch(vec![
        ("name", Arc::new(StringArray::from(vec![Some("a"), None]))),
        ("id", Arc::new(Int64Array::from(vec![1, 2]))),
    ]);
    let got = conform(&table, sent).await.unwrap();
    assert_eq!(got.schema(), table.arrow_schema());
    assert_eq!(&arrow_to_json(&got).unwrap().bytes[..], b"{\"id\":1,\"name\":\"a\"}\n{\"id\":2}\n");
}

#[tokio::test]
async fn a_batch_already_in_the_schema_is_passed_on_without_a_copy() {
    let table = table("id BIGINT NOT NULL");
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let sent = RecordBatch::try_new(table.arrow_schema(), vec![column.clone()]).unwrap();
    let got = conform(&table, sent).await.unwrap();
    assert!(Arc::ptr_eq(got.column(0), &column));
}

#[tokio::test]
async fn rows_without_columns_are_still_rows() {
    let table = table("a INT");
    let empty = RecordBatch::try_new_with_options(
        Arc::new(lakeflow_connect::arrow::datatypes::Schema::empty()),
        vec![],
        &lakeflow_connect::arrow::array::RecordBatchOptions::new().with_row_count(Some(3)),
    );
    let got = conform(&table, empty.unwrap()).await.unwrap();
    assert_eq!((got.num_rows(), got.column(0).null_count()), (3, 3));
}

#[tokio::test]
async fn every_layout_of_a_type_keeps_its_values() {
    let dictionary: DictionaryArray<Int32Type> = vec![Some("on"), None, Some("on")].into_iter().collect();
    let runs =
        RunArray::<Int32Type>::try_new(&Int32Array::from(vec![2, 3]), &StringArray::from(vec!["x", "y"])).unwrap();
    let uuid = FixedSizeBinaryArray::try_from_iter([[0u8, 1], [2, 3]].into_iter()).unwrap();
    let vectors = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
        vec![Some(vec![Some(1.5), Some(-2.0)]), None, Some(vec![None, Some(0.0)])],
        2,
    );
    let large =
        LargeListArray::from_iter_primitive::<Int32Type, _, _>(vec![Some(vec![Some(1), None]), Some(vec![]), None]);
    let wide = Decimal256Array::from(vec![i256::from_i128(12345)]).with_precision_and_scale(38, 2).unwrap();
    let zone = TimestampMillisecondArray::from(vec![Some(1_500), None]).with_timezone("+02:00");
    let cases: Vec<(&str, ArrayRef, &str)> = vec![
        ("STRING", Arc::new(StringViewArray::from(vec![Some("ä"), None])), "{\"c\":\"ä\"}\n{}\n"),
        ("STRING", Arc::new(LargeStringArray::from(vec!["b"])), "{\"c\":\"b\"}\n"),
        ("STRING", Arc::new(dictionary), "{\"c\":\"on\"}\n{}\n{\"c\":\"on\"}\n"),
        ("STRING", Arc::new(runs), "{\"c\":\"x\"}\n{\"c\":\"x\"}\n{\"c\":\"y\"}\n"),
        ("STRING", Arc::new(NullArray::new(2)), "{}\n{}\n"),
        ("VARIANT", Arc::new(StringArray::from(vec!["{\"a\":1}"])), "{\"c\":{\"a\":1}}\n"),
        ("BINARY", Arc::new(uuid), "{\"c\":\"AAE=\"}\n{\"c\":\"AgM=\"}\n"),
        ("BIGINT", Arc::new(UInt32Array::from(vec![u32::MAX])), "{\"c\":4294967295}\n"),
        ("DECIMAL(20,0)", Arc::new(UInt64Array::from(vec![u64::MAX])), "{\"c\":18446744073709551615}\n"),
        ("DECIMAL(38,2)", Arc::new(wide), "{\"c\":123.45}\n"),
        ("ARRAY<FLOAT>", Arc::new(vectors), "{\"c\":[1.5,-2.0]}\n{}\n{\"c\":[null,0.0]}\n"),
        ("ARRAY<INT>", Arc::new(large), "{\"c\":[1,null]}\n{\"c\":[]}\n{}\n"),
        ("TIMESTAMP", Arc::new(zone), "{\"c\":\"1970-01-01T00:00:01.500Z\"}\n{}\n"),
        (
            "TIMESTAMP_NTZ",
            Arc::new(TimestampNanosecondArray::from(vec![Some(-1_000), None])),
            "{\"c\":\"1969-12-31T23:59:59.999999\"}\n{}\n",
        ),
        ("DATE", Arc::new(Date64Array::from(vec![Some(-86_400_000), None])), "{\"c\":\"1969-12-31\"}\n{}\n"),
    ];
    for (ddl_type, array, json) in cases {
        let found = array.data_type().clone();
        assert_eq!(conform_one(ddl_type, array).await.unwrap(), json, "{found} to {ddl_type}");
    }
}

#[tokio::test]
async fn slices_bring_only_their_own_values() {
    let table = table("c ARRAY<STRUCT<a: INT>>, s STRING");
    let parts = StructArray::from(vec![(
        Arc::new(Field::new("a", ArrowType::Int32, true)),
        Arc::new(Int32Array::from(vec![1, 2, 3, 4])) as ArrayRef,
    )]);
    let item = Arc::new(Field::new("item", parts.data_type().clone(), true));
    let lists = ListArray::new(item, OffsetBuffer::from_lengths([1, 2, 1]), Arc::new(parts), None);
    let sent = batch(vec![("c", Arc::new(lists)), ("s", Arc::new(StringViewArray::from(vec!["x", "y", "z"])))]);
    let got = conform(&table, sent.slice(1, 1)).await.unwrap();
    assert_eq!(&arrow_to_json(&got).unwrap().bytes[..], b"{\"c\":[{\"a\":2},{\"a\":3}],\"s\":\"y\"}\n");
}

#[tokio::test]
async fn nested_members_are_matched_by_name_and_maps_by_place() {
    let members: Fields =
        vec![Field::new("b", ArrowType::Utf8View, true), Field::new("a", ArrowType::Int32, false)].into();
    let inner = StructArray::new(
        members,
        vec![Arc::new(StringViewArray::from(vec!["x", "y"])), Arc::new(Int32Array::from(vec![1, 2]))],
        Some(NullBuffer::from(vec![true, false])),
    );
    // The null struct hides a required member: that is no missing value.
    let got = conform_one("STRUCT<a: INT NOT NULL, b: STRING, d: DATE>", Arc::new(inner)).await.unwrap();
    assert_eq!(got, "{\"c\":{\"a\":1,\"b\":\"x\"}}\n{}\n");

    let pair: Fields =
        vec![Field::new("keys", ArrowType::LargeUtf8, false), Field::new("values", ArrowType::UInt32, true)].into();
    let pairs = StructArray::new(
        pair.clone(),
        vec![Arc::new(LargeStringArray::from(vec!["k", "l"])), Arc::new(UInt32Array::from(vec![Some(7), None]))],
        None,
    );
    let entries = Arc::new(Field::new("entries", ArrowType::Struct(pair), false));
    let map = MapArray::new(entries, OffsetBuffer::from_lengths([2, 0]), pairs, None, false);
    let got = conform_one("MAP<STRING, BIGINT>", Arc::new(map)).await.unwrap();
    assert_eq!(got, "{\"c\":{\"k\":7,\"l\":null}}\n{\"c\":{}}\n");
}

#[tokio::test]
async fn nulls_under_a_null_list_are_not_missing_elements() {
    let mut schema = StructType::from_ddl("c ARRAY<FLOAT>").unwrap();
    let lakeflow_connect::DataType::Array(array) = &mut schema.fields[0].data_type else { panic!("not an array") };
    array.contains_null = false;
    let metadata = TableMetadata { primary_keys: vec![], cursor_field: None, ingestion_type: IngestionType::Append };
    let table = ArrowTable::new(&ReadRequest::new("plant".into()), &schema, &metadata).unwrap();
    let item = Arc::new(Field::new("item", ArrowType::Float32, true));
    let vectors = |values: Vec<Option<f32>>, valid: Vec<bool>| -> ArrayRef {
        let nulls = Some(NullBuffer::from(valid));
        Arc::new(FixedSizeListArray::new(item.clone(), 2, Arc::new(Float32Array::from(values)), nulls))
    };
    let hidden = vectors(vec![Some(1.0), Some(2.0), None, None], vec![true, false]);
    let got = conform(&table, batch(vec![("c", hidden)])).await.unwrap();
    assert_eq!(got.column(0).as_list::<i32>().value(0).len(), 2);
    assert!(got.column(0).is_null(1));

    let missing = vectors(vec![Some(1.0), None], vec![true]);
    let error = conform(&table, batch(vec![("c", missing)])).await.unwrap_err();
    assert_eq!((error.kind(), error.get("column")), (ErrorKind::Data, Some("c.element")));
}

fn says(error: &Error, column: &str, text: &str) {
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    assert_eq!((error.get("table"), error.get("column")), (Some("plant"), Some(column)), "{error}");
    assert!(error.to_string().contains(text), "{error}");
    assert!(!error.to_string().contains("4711"), "the value is printed: {error}");
}

#[tokio::test]
async fn what_does_not_fit_is_an_error_naming_table_and_column() {
    let ints = |values: Vec<Option<i64>>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let one = || ints(vec![Some(4711)]);
    let nested =
        |field: Field, array: ArrayRef| Arc::new(StructArray::new(vec![field].into(), vec![array], None)) as ArrayRef;
    let long = |name: &str| Field::new(name, ArrowType::Int64, true);
    let fine = TimestampNanosecondArray::from(vec![4711]);
    let seconds = lakeflow_connect::arrow::array::TimestampSecondArray::from(vec![i64::MAX]);
    type Case = (&'static str, Vec<(&'static str, ArrayRef)>, &'static str, &'static str);
    let cases: Vec<Case> = vec![
        ("a STRING", vec![("a", one())], "a", "another type"),
        ("a INT", vec![("a", one())], "a", "expected=Int32"),
        ("a BIGINT", vec![("a", Arc::new(BooleanArray::from(vec![true])))], "a", "found=Boolean"),
        ("a BIGINT", vec![("a", one()), ("b", one())], "b", "does not have"),
        ("a BIGINT", vec![("a", one()), ("a", one())], "a", "twice"),
        ("a BIGINT, b BIGINT NOT NULL", vec![("a", one())], "b", "did not send"),
        ("a BIGINT NOT NULL", vec![("a", ints(vec![Some(4711), None, None]))], "a", "missing=2"),
        ("a BIGINT NOT NULL", vec![("a", Arc::new(NullArray::new(1)))], "a", "missing=1"),
        ("a STRUCT<x: BIGINT>", vec![("a", nested(long("y"), one()))], "a.y", "does not have"),
        ("a STRUCT<x: BIGINT, y: INT NOT NULL>", vec![("a", nested(long("x"), one()))], "a.y", "did not send"),
        ("a STRUCT<x: BIGINT NOT NULL>", vec![("a", nested(long("x"), ints(vec![None])))], "a.x", "missing=1"),
        ("a STRUCT<x: STRING>", vec![("a", nested(long("x"), one()))], "a.x", "another type"),
        ("a TIMESTAMP_NTZ", vec![("a", Arc::new(fine.clone()))], "a", "finer"),
        ("a TIMESTAMP", vec![("a", Arc::new(fine.with_timezone("UTC")))], "a", "finer"),
        ("a TIMESTAMP_NTZ", vec![("a", Arc::new(seconds))], "a", "do not fit"),
        ("a TIMESTAMP", vec![("a", Arc::new(TimestampMillisecondArray::from(vec![4711])))], "a", "another type"),
        ("a DATE", vec![("a", Arc::new(Date64Array::from(vec![4711])))], "a", "finer"),
    ];
    for (ddl, columns, column, text) in cases {
        let fields: Vec<_> = columns.iter().map(|(n, a)| Field::new(*n, a.data_type().clone(), true)).collect();
        let schema = Arc::new(lakeflow_connect::arrow::datatypes::Schema::new(fields));
        let sent = RecordBatch::try_new(schema, columns.into_iter().map(|(_, a)| a).collect()).unwrap();
        says(&conform(&table(ddl), sent).await.unwrap_err(), column, text);
    }
}

/// Layouts that other systems use for the types of the property test below.
fn layouts(name: &str) -> Vec<ArrowType> {
    use ArrowType as T;
    let item = |t| Arc::new(Field::new("item", t, true));
    let dictionary = |t| T::Dictionary(Box::new(T::Int32), Box::new(t));
    match name {
        "s" => vec![T::LargeUtf8, T::Utf8View, dictionary(T::Utf8), dictionary(T::LargeUtf8)],
        "b" => vec![T::LargeBinary, T::BinaryView],
        "n" => vec![dictionary(T::Int64)],
        "l" => vec![
            T::LargeList(item(T::Utf8View)),
            T::List(item(dictionary(T::Utf8))),
            T::ListView(item(T::Utf8)),
            T::LargeListView(item(T::LargeUtf8)),
        ],
        "t" => vec![T::Timestamp(TimeUnit::Nanosecond, None)],
        "u" => vec![T::Timestamp(TimeUnit::Nanosecond, Some("+05:30".into()))],
        "d" => vec![T::Decimal256(12, 3), T::Decimal64(12, 3)],
        "r" => {
            let y = Field::new("y", T::LargeList(item(T::Int32)), true);
            vec![T::Struct(vec![Field::new("x", T::Utf8View, true), y].into())]
        }
        _ => vec![],
    }
}

/// One row as JSON, by chance.
fn any_row() -> impl Strategy<Value = String> {
    let text = || "[a-zäß\"\\\\]{0,6}";
    let list = prop::option::of(prop::collection::vec(prop::option::of(text()), 0..4));
    let ints = prop::option::of(prop::collection::vec(prop::option::of(any::<i32>()), 0..4));
    let time = || prop::option::of((-4_000_000_000i64..4_000_000_000, 0u32..1_000_000));
    let row = (
        prop::option::of(text()),
        any::<Option<i64>>(),
        list,
        time(),
        time(),
        any::<Option<i32>>(),
        prop::option::of(text()),
        ints,
    );
    row.prop_map(|(s, n, l, t, u, d, x, y)| {
        let stamp = |(s, us): (i64, u32)| chrono::DateTime::from_timestamp(s, us * 1000).unwrap();
        let wall = t.map(|t| stamp(t).naive_utc().format("%Y-%m-%dT%H:%M:%S%.6f").to_string());
        let instant = u.map(|u| stamp(u).to_rfc3339_opts(chrono::SecondsFormat::Micros, true));
        let bytes = s.as_ref().map(|s| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, s));
        let record = x.is_some().then(|| json!({"x": x, "y": y}));
        json!({"s": s, "b": bytes, "n": n, "l": l, "t": wall, "u": instant, "d": d.map(|d| f64::from(d) / 1000.0), "r": record})
            .to_string()
    })
}

proptest! {
    #[test]
    fn any_rows_in_any_layout_order_and_slice_come_back_the_same(
        rows in prop::collection::vec(any_row(), 1..20),
        choice in any::<prop::sample::Index>(),
        order in Just(vec!["s", "b", "n", "l", "t", "u", "d", "r"]).prop_shuffle(),
        cut in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let ddl = "s STRING, b BINARY, n BIGINT, l ARRAY<STRING>, t TIMESTAMP_NTZ, u TIMESTAMP, d DECIMAL(12,3), r STRUCT<x: STRING, y: ARRAY<INT>>";
        let table = table(ddl);
        let mut decoder = Decoder::new(Arc::new(Shape::new(table.schema())), DecodeOptions::new("plant"));
        let lines = JsonLines { bytes: rows.join("\n").into(), rows: rows.len() };
        decoder.decode_lines(&lines, BadRows::Fail).unwrap();
        let all = decoder.flush().unwrap();
        let start = cut.0.index(all.num_rows());
        let expected = all.slice(start, cut.1.index(all.num_rows() - start) + 1);
        let columns = order.into_iter().map(|name| {
            let column = all.column_by_name(name).unwrap();
            let layouts = layouts(name);
            let column = cast(column, &layouts[choice.index(layouts.len())]).unwrap();
            (name, column.slice(start, expected.num_rows()))
        });
        let sent = batch(columns.collect());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let got = runtime.block_on(conform(&table, sent)).unwrap();
        prop_assert_eq!(got, expected);
    }
}
