//! Conditions: how many of forty rows each selects on the reference server (pylance 14.0.2), and which it refuses.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, DurationMillisecondArray,
        FixedSizeListArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, ListArray, RecordBatch,
        StringArray, StructArray, TimestampMicrosecondArray, TimestampMillisecondArray, UInt8Array,
    },
    datatypes::{DataType, Field, Fields, Float32Type, Int32Type, Int64Type},
};
use lakeflow_simulators::lancedb::{Config, RowIds, RunningServer, Server};
use serde_json::json;

use crate::lancedb_support::{refused, rows, told};

const ROWS: i64 = 40;
/// 2024-01-01 in hours.
const START: i64 = 473_352;

fn forty() -> RecordBatch {
    let rows = || 0..ROWS;
    let strings = |text: fn(i64) -> Option<String>| -> ArrayRef { Arc::new(rows().map(text).collect::<StringArray>()) };
    let z = strings(|i| Some(format!("z{i}")));
    let inner = Fields::from(vec![Field::new("z", DataType::Utf8, true)]);
    let y: ArrayRef = Arc::new(StructArray::new(inner.clone(), vec![z], None));
    let outer =
        Fields::from(vec![Field::new("x", DataType::Int16, true), Field::new("y", DataType::Struct(inner), true)]);
    let x: ArrayRef = Arc::new(rows().map(|i| i as i16).collect::<Int16Array>());
    let lists = rows().map(|i| (i % 3 != 0).then(|| vec![Some(i), Some(i + 1)]));
    let vectors = rows().map(|i| (i != 3).then(|| vec![Some(i as f32), Some(1.0), Some(0.5), Some(-i as f32)]));
    let mut tags = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
    for i in rows() {
        let own: &[&str] = if i % 3 != 0 { &["a", "b"] } else { &["c"] };
        tags.append_value(own.iter().map(Some));
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(rows().collect::<Int64Array>())),
        ("i32", Arc::new(rows().map(|i| (i % 7 != 0).then_some(i as i32)).collect::<Int32Array>())),
        ("u8", Arc::new(rows().map(|i| i as u8).collect::<UInt8Array>())),
        ("name", strings(|i| (i % 5 != 0).then(|| format!("Name {i}")))),
        ("f32", Arc::new(rows().map(|i| i as f32 / 4.0).collect::<Float32Array>())),
        ("f64", Arc::new(rows().map(|i| i as f64 / 3.0).collect::<Float64Array>())),
        ("ok", Arc::new(rows().map(|i| (i % 4 != 0).then_some(i % 2 == 0)).collect::<BooleanArray>())),
        ("d", Arc::new(Date32Array::from_iter_values(rows().map(|i| (START / 24 + i) as i32)))),
        (
            "ts",
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(rows().map(|i| (START + i) * 3_600_000_000))
                    .with_timezone("UTC"),
            ),
        ),
        ("tn", Arc::new(TimestampMillisecondArray::from_iter_values(rows().map(|i| (START + i) * 3_600_000)))),
        (
            "dec",
            Arc::new(
                Decimal128Array::from_iter_values(rows().map(|i| i128::from(i) * 25))
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
        ),
        ("bin", Arc::new(BinaryArray::from_iter_values(rows().map(|i| [i as u8])))),
        ("s", Arc::new(StructArray::new(outer, vec![x, y], None))),
        ("l", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
        ("tags", Arc::new(tags.finish())),
        ("has space", strings(|i| Some(format!("v{i}")))),
        ("du", Arc::new(DurationMillisecondArray::from_iter_values(rows()))),
        ("dict", Arc::new(rows().map(|i| if i % 2 != 0 { "x" } else { "y" }).collect::<DictionaryArray<Int32Type>>())),
        ("vector", Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(vectors, 4))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn server() -> RunningServer {
    let server = Server::start(Config { tables: Vec::new(), ..Config::default() }).unwrap();
    server.database().create_in_fragments("t", &forty(), RowIds::Stable, 16).unwrap();
    server
}

/// Conditions and how many rows they select.
const SELECTED: &[(&str, usize)] = &[
    ("", 40),
    ("id = 1", 1),
    ("ID = 1", 1),
    ("f32 = 1", 1),
    ("f32 > 0.25 and f64 < 2", 4),
    ("name = \"Name 1\"", 1),
    ("\"has space\" = 'v1'", 0),
    ("`has space` = 'v1'", 1),
    ("ok", 10),
    ("not ok", 20),
    ("ok = true", 10),
    ("ok is true", 10),
    ("ok is not false", 20),
    ("d > date '2024-01-30'", 10),
    ("ts > timestamp '2024-01-02 10:00:00'", 5),
    ("tn > timestamp '2024-01-02 10:00:00.5'", 5),
    ("ts > date '2024-01-02'", 15),
    ("dec > 1", 35),
    ("dec > decimal(10,2) '9.25'", 2),
    ("dec = decimal(4,1) '9.2'", 0),
    ("bin = X'0A'", 1),
    ("s.x = 3", 1),
    ("s.y.z = 'z4'", 1),
    ("`s`.`x` = 3", 1),
    ("array_contains(tags,'c')", 14),
    ("array_has(tags,'c')", 14),
    ("array_has_any(tags,['c'])", 14),
    ("list_contains(l, 4)", 1),
    ("l is null", 14),
    ("name like 'Name 1%'", 9),
    ("name ilike 'NAME 1_'", 8),
    ("name not like 'Name%'", 0),
    ("name is null", 8),
    ("id in (1,2,3)", 3),
    ("id not in (1,null)", 0),
    ("name in ('Name 1')", 1),
    ("id between 3 and 5", 3),
    ("id + 1 = 3", 1),
    ("id % 10 = 0", 4),
    ("i32 = id", 34),
    ("f32 = id", 1),
    ("id = i32 and i32 < u8 + 1", 34),
    ("lower(name) = 'name 1'", 1),
    ("upper(name)='NAME 1'", 1),
    ("length(name) = 6", 8),
    ("regexp_match(name, '1$')", 4),
    ("starts_with(name,'Name 2')", 9),
    ("cast(id as string) = '1'", 1),
    ("id = 1; drop table t", 1),
    ("id = 1 -- x", 1),
    ("id = 1 /* x */", 1),
    ("true", 40),
    ("1=1", 40),
    ("id = null", 0),
    ("_rowid = 3", 1),
    ("_rowid >= 30 and _rowaddr < 100", 0),
    ("_rowaddr >= 4294967296", 24),
    ("_row_created_at_version > 0", 40),
    ("_row_last_updated_at_version <= 1", 40),
    ("_rowoffset = 1", 1),
    ("dict = 'x'", 20),
    ("id = -1", 0),
    ("((((id=1))))", 1),
    ("coalesce(i32, -1) = -1", 6),
    ("name > 'Name 3'", 13),
    ("vector is null", 1),
    ("s is null", 0),
    ("name || 'x' = 'Name 1x'", 1),
    ("abs(id)=1", 1),
    ("isnan(f64)", 0),
    ("id is distinct from 3", 39),
    ("-id = -3", 1),
    ("id=1 group by id", 1),
    ("name = 'it''s'", 0),
    ("d < ts", 0),
    ("f32 = 0.1", 0),
    ("f64=1", 1),
    ("id=5 limit 3", 1),
];

/// Conditions that are refused with 500, and a part of what is said.
const REFUSED: &[(&str, &str)] = &[
    (" ", "Error parsing statement"),
    ("id = 1.0", "could not convert"),
    ("id = '1'", "could not convert"),
    ("id < 1e1", "could not convert"),
    ("i32 = 3000000000", "could not convert"),
    ("u8 = 300", "could not convert"),
    ("u8 = -1", "could not convert"),
    ("name = 1", "could not convert"),
    ("nope = 1", "FieldNotFound"),
    ("id = = 1", "Error parsing statement"),
    ("id", "does not return a boolean"),
    ("d = '2024-01-03'", "could not convert"),
    ("ts > '2024-01-02'", "could not convert"),
    ("dec > 1.0", "could not convert"),
    ("bin = '0A'", "could not convert"),
    ("`s.x` = 3", "FieldNotFound"),
    ("id in (1,'2')", "could not convert"),
    ("name = id", "InvalidInput"),
    ("foo(name) = 1", "Invalid function"),
    ("cast(name as int) = 1", "Cast error"),
    ("id in (select 1)", "not supported SQL"),
    ("1", "does not return a boolean"),
    ("null", "does not return a boolean"),
    ("du = 3", "could not convert"),
    ("id > -9223372036854775808", "could not convert"),
    ("id < 18446744073709551615", "could not convert"),
    ("f64 = 'NaN'", "could not convert"),
    ("name ~ 'x'", "is not supported"),
    ("case when id = 1 then true else false end", "not supported SQL"),
    ("id = 1 or name", "Cannot infer common argument type"),
    ("ok = 1", "could not convert"),
    ("id = true", "could not convert"),
    ("s = 1", "could not convert"),
    ("tags = 'a'", "could not convert"),
    ("substr(name,1,2)='Na'", "not supported SQL"),
    ("is_nan(f64)", "Invalid function"),
    ("t.id = 1", "FieldNotFound"),
    ("exists (select 1)", "not supported SQL"),
    ("name = 'a\\'b'", "Error tokenizing"),
    ("name < 5", "could not convert"),
    ("id = 0x10", "could not convert"),
];

#[tokio::test]
async fn conditions_select_what_they_select_on_the_reference_server() {
    let server = server();
    for (filter, wanted) in SELECTED {
        let found = rows(&server, json!({"filter": filter, "columns": ["id"]})).await;
        assert_eq!(found.num_rows(), *wanted, "{filter}");
        assert_eq!(told(&server, "table/t/count_rows", &json!({"predicate": filter})).await, json!(wanted), "{filter}");
    }
}

#[tokio::test]
async fn what_the_reference_server_refuses_is_refused() {
    let server = server();
    for (filter, wanted) in REFUSED {
        let (status, text) = refused(&server, "table/t/query", &json!({"k": 1, "vector": [], "filter": filter})).await;
        assert!(status == 500 && text.contains(wanted), "{filter}: {status} {text}");
    }
    let deep = format!("{}id=1{}", "(".repeat(500), ")".repeat(500));
    assert_eq!(refused(&server, "table/t/query", &json!({"k": 1, "vector": [], "filter": deep})).await.0, 500);
    let long = vec!["id = 1"; 50_000].join(" or ");
    assert_eq!(refused(&server, "table/t/query", &json!({"k": 1, "vector": [], "filter": long})).await.0, 500);
}

#[tokio::test]
async fn vectors_that_cannot_be_searched_are_refused() {
    let server = server();
    for (body, wanted) in [
        (json!({"vector": [1, 1, 1]}), "query dim(3)"),
        (json!({"vector": [1], "vector_column": "nope"}), "does not exist"),
        (json!({"vector": [1], "vector_column": "name"}), "not a vector"),
        (json!({"vector": [1, 1, 1, 1], "distance_type": "foo"}), "Unknown distance type"),
        (json!({"vector": {}}), "deserialize"),
    ] {
        let mut whole = json!({"k": 1});
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let (status, text) = refused(&server, "table/t/query", &whole).await;
        assert!(status == 400 && text.contains(wanted), "{body}: {text}");
    }
    let near = rows(&server, json!({"vector": [1, 1, 1, 1], "k": 3, "columns": ["id"]})).await;
    assert_eq!(crate::lancedb_support::ids(&near), [0, 1, 2]);
}
