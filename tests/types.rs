//! Spark types against what PySpark and Spark themselves write and read (scripts/make-spark-fixtures).

use std::{collections::HashMap, fs, path::Path, sync::Arc};

use lakeflow_connect::{
    DataType, ErrorKind, StructField, StructType,
    arrow::datatypes::{DataType as ArrowType, Field, Fields, IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode},
    types::{ArrayType, MapType, SPARK_TYPE_KEY},
};
use proptest::{collection::vec, prelude::*};
use serde::Deserialize;
use serde_json::{Map, Value, json};

fn fixture<T: for<'a> Deserialize<'a>>(name: &str) -> Vec<T> {
    #[derive(Deserialize)]
    struct File<T> {
        cases: Vec<T>,
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/spark").join(name);
    let file: File<T> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(!file.cases.is_empty());
    file.cases
}

#[derive(Deserialize)]
struct SchemaCase {
    name: String,
    json: String,
    simple_string: String,
    ddl: Option<String>,
}

#[test]
fn schema_json_is_byte_for_byte_pysparks() {
    for case in fixture::<SchemaCase>("schemas.json") {
        let schema = StructType::from_json(&case.json).unwrap();
        assert_eq!(schema.to_json(), case.json, "{}", case.name);
        assert_eq!(schema.to_string(), case.simple_string, "{}", case.name);
    }
}

#[test]
fn ddl_is_what_spark_writes() {
    for case in fixture::<SchemaCase>("schemas.json") {
        let schema = StructType::from_json(&case.json).unwrap();
        if let Some(ddl) = case.ddl {
            assert_eq!(schema.to_ddl(), ddl, "{}", case.name);
            let again = StructType::from_ddl(&ddl).unwrap();
            assert_eq!(again.to_ddl(), ddl, "{}", case.name);
        }
    }
}

#[derive(Deserialize)]
struct DdlCase {
    ddl: String,
    json: Option<String>,
}

#[test]
fn ddl_is_read_as_spark_reads_it() {
    // Spark refuses these in a column list; each can only mean one thing.
    let also_read = [
        "a: INT",
        "a:INT,b:STRING",
        "struct<a:int,b:string>",
        "STRUCT<a: INT NOT NULL>",
        "",
        "a INT COMMENT 'x' NOT NULL",
    ];
    // Spark reads it; no value but zero fits it.
    let refused = ["a DECIMAL(0,0)"];
    for case in fixture::<DdlCase>("ddl.json") {
        let ours = StructType::from_ddl(&case.ddl);
        match case.json {
            Some(json) if !refused.contains(&&*case.ddl) => assert_eq!(ours.unwrap().to_json(), json, "{}", case.ddl),
            None if also_read.contains(&&*case.ddl) => assert!(ours.is_ok(), "{}", case.ddl),
            _ => assert!(ours.is_err(), "{:?} was read as {ours:?}", case.ddl),
        }
    }
}

#[derive(Deserialize)]
struct LenientCase {
    text: String,
    json: String,
}

#[test]
fn other_spellings_of_schema_json_are_read_as_pyspark_reads_them() {
    for case in fixture::<LenientCase>("lenient.json") {
        assert_eq!(StructType::from_json(&case.text).unwrap().to_json(), case.json, "{}", case.text);
    }
}

#[test]
fn types_that_tables_cannot_have_are_refused_by_name() {
    let names = [
        "char(5)",
        "varchar(10)",
        "string collate UNICODE",
        "void",
        "interval",
        "interval day to second",
        "time(6)",
        "geometry(4326)",
        "decimal(39,0)",
        "decimal(10,-2)",
    ];
    for name in names {
        let text = json!({"type": "struct", "fields": [{"name": "s", "type": {"type": "struct", "fields": [
            {"name": "c", "type": name}]}}]});
        let error = StructType::from_json(&text.to_string()).unwrap_err();
        assert_eq!((error.kind(), error.get("field")), (ErrorKind::Unsupported, Some("s.c")), "{name}: {error}");
        assert!(error.help_text().is_some(), "{name}");
    }
    let udt = r#"{"type":"struct","fields":[{"name":"u","type":{"type":"udt","class":"x"}}]}"#;
    assert_eq!(StructType::from_json(udt).unwrap_err().kind(), ErrorKind::Unsupported);
    let collated =
        r#"{"type":"struct","fields":[{"name":"u","type":"string","metadata":{"__COLLATIONS":{"u":"icu.UNICODE"}}}]}"#;
    assert_eq!(StructType::from_json(collated).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn broken_schema_json_names_the_field() {
    for (text, field) in [
        (r#""long""#, "(schema)"),
        (r#"{"type":"struct"}"#, "(schema)"),
        (r#"{"type":"struct","fields":[{"type":"long"}]}"#, "(schema)"),
        (r#"{"type":"struct","fields":[{"name":"a"}]}"#, "a"),
        (r#"{"type":"struct","fields":[{"name":"a","type":"lnog"}]}"#, "a"),
        (r#"{"type":"struct","fields":[{"name":"a","type":7}]}"#, "a"),
        (r#"{"type":"struct","fields":[{"name":"a","type":"long","nullable":"yes"}]}"#, "a"),
        (r#"{"type":"struct","fields":[{"name":"a","type":{"type":"array","elementType":"long"}}]}"#, "a"),
        (
            r#"{"type":"struct","fields":[{"name":"a","type":{"type":"map","keyType":"lon","valueType":"long"}}]}"#,
            "a.key",
        ),
    ] {
        let error = StructType::from_json(text).unwrap_err();
        assert_eq!((error.kind(), error.get("field")), (ErrorKind::Config, Some(field)), "{text}: {error}");
    }
    let not_json = StructType::from_json("{\n  \"type\": }").unwrap_err();
    assert_eq!((not_json.get("line"), not_json.get("column")), (Some("2"), Some("11")));
}

#[test]
fn broken_ddl_says_where() {
    for (text, kind, line, column, says) in [
        ("a INT, b FOO", ErrorKind::Config, "1", "10", "no type named 'FOO'"),
        ("a INT,\n  b STRNG", ErrorKind::Config, "2", "5", "did you mean 'string'"),
        ("größe INT", ErrorKind::Config, "1", "1", "backticks"),
        ("a INT b INT", ErrorKind::Config, "1", "7", "found 'b'"),
        ("`ö` ARRAY<INT", ErrorKind::Config, "1", "14", "expected '>', the text ends"),
        ("a INT NOT", ErrorKind::Config, "1", "10", "expected NULL"),
        ("a INT COMMENT 'x", ErrorKind::Config, "1", "15", "does not end"),
        ("a INT COMMENT '\\u12'", ErrorKind::Config, "1", "15", "broken escape"),
        ("a INT /* open", ErrorKind::Config, "1", "7", "found '/'"),
        ("a VARCHAR(10)", ErrorKind::Unsupported, "1", "3", "use string"),
        ("a STRING COLLATE UNICODE", ErrorKind::Unsupported, "1", "3", "collation"),
        ("a INT DEFAULT 1", ErrorKind::Unsupported, "1", "7", "DEFAULT"),
        ("a DECIMAL(39, 2)", ErrorKind::Unsupported, "1", "3", "1 to 38"),
        ("a DECIMAL(x)", ErrorKind::Config, "1", "11", "whole number"),
    ] {
        let error = StructType::from_ddl(text).unwrap_err();
        let place = (error.kind(), error.get("line"), error.get("column"));
        assert_eq!(place, (kind, Some(line), Some(column)), "{text}: {error}");
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}

#[test]
fn ddl_nested_without_end_is_an_error_not_a_crash() {
    let deep = format!("a {}", "ARRAY<".repeat(100_000));
    assert!(StructType::from_ddl(&deep).unwrap_err().to_string().contains("nested"));
}

#[test]
fn arrow_has_the_names_and_zone_of_the_delta_kernel() {
    let ddl =
        "id BIGINT NOT NULL, at TIMESTAMP, wall TIMESTAMP_NTZ, tags ARRAY<STRING>, m MAP<STRING, INT>, d DECIMAL(10,2)";
    let arrow = StructType::from_ddl(ddl).unwrap().to_arrow();
    let entries: Fields =
        vec![Field::new("key", ArrowType::Utf8, false), Field::new("value", ArrowType::Int32, true)].into();
    let expected = Schema::new(vec![
        Field::new("id", ArrowType::Int64, false),
        Field::new("at", ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("wall", ArrowType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("tags", ArrowType::List(Arc::new(Field::new("element", ArrowType::Utf8, true))), true),
        Field::new(
            "m",
            ArrowType::Map(Arc::new(Field::new("key_value", ArrowType::Struct(entries), false)), false),
            true,
        ),
        Field::new("d", ArrowType::Decimal128(10, 2), true),
    ]);
    assert_eq!(arrow, expected);
}

#[test]
fn metadata_reaches_arrow_as_text_and_variants_are_marked() {
    let mut field = StructField::new("v", DataType::array(DataType::Variant)).comment("raw");
    field.metadata.insert("id".to_owned(), json!({"n": 7}));
    let arrow = field.to_arrow();
    assert_eq!(
        arrow.metadata(),
        &HashMap::from([("comment".into(), "raw".into()), ("id".into(), r#"{"n":7}"#.into())])
    );
    let ArrowType::List(element) = arrow.data_type() else { panic!("not a list: {arrow}") };
    assert_eq!(element.metadata().get(SPARK_TYPE_KEY).map(String::as_str), Some("variant"));
    assert_eq!(StructField::from_arrow(&arrow).unwrap().data_type, DataType::array(DataType::Variant));
}

#[test]
fn every_arrow_layout_with_a_spark_meaning_is_read() {
    use ArrowType as A;
    let item = |t: ArrowType| Arc::new(Field::new("item", t, true));
    let list = |t| DataType::array(t);
    let decimal = |precision, scale| DataType::Decimal { precision, scale };
    for (arrow, spark) in [
        (A::UInt8, DataType::Short),
        (A::UInt16, DataType::Int),
        (A::UInt32, DataType::Long),
        (A::UInt64, decimal(20, 0)),
        (A::Float16, DataType::Float),
        (A::Utf8View, DataType::String),
        (A::LargeUtf8, DataType::String),
        (A::LargeBinary, DataType::Binary),
        (A::BinaryView, DataType::Binary),
        (A::FixedSizeBinary(16), DataType::Binary),
        (A::Date64, DataType::Date),
        (A::Timestamp(TimeUnit::Second, Some("+02:00".into())), DataType::Timestamp),
        (A::Timestamp(TimeUnit::Nanosecond, None), DataType::TimestampNtz),
        (A::Decimal32(5, 2), decimal(5, 2)),
        (A::Decimal64(18, 0), decimal(18, 0)),
        (A::Decimal256(38, 10), decimal(38, 10)),
        (A::Decimal128(5, -3), decimal(8, 0)),
        (A::LargeList(item(A::Int64)), list(DataType::Long)),
        (A::ListView(item(A::Int8)), list(DataType::Byte)),
        (A::LargeListView(item(A::Int8)), list(DataType::Byte)),
        (A::FixedSizeList(item(A::Float32), 768), list(DataType::Float)),
        (A::Dictionary(Box::new(A::Int32), Box::new(A::Utf8)), DataType::String),
        (A::RunEndEncoded(Arc::new(Field::new("run_ends", A::Int32, false)), item(A::Boolean)), DataType::Boolean),
    ] {
        assert_eq!(DataType::from_arrow(&arrow).unwrap(), spark, "{arrow}");
    }
}

#[test]
fn arrow_types_without_a_spark_meaning_name_the_field() {
    use ArrowType as A;
    let bad = [
        A::Null,
        A::Duration(TimeUnit::Second),
        A::Time32(TimeUnit::Second),
        A::Time64(TimeUnit::Microsecond),
        A::Interval(IntervalUnit::MonthDayNano),
        A::Decimal256(39, 2),
        A::Decimal128(38, -2),
        A::Union(UnionFields::empty(), UnionMode::Sparse),
    ];
    for arrow in bad {
        let list = A::List(Arc::new(Field::new("item", arrow, true)));
        let outer = Field::new("outer", A::Struct(vec![Field::new("inner", list, true)].into()), true);
        let error = StructType::from_arrow(&Schema::new(vec![outer])).unwrap_err();
        assert_eq!(
            (error.kind(), error.get("field")),
            (ErrorKind::Unsupported, Some("outer.inner.element")),
            "{error}"
        );
    }
}

fn any_type(leaf: BoxedStrategy<DataType>, flags: bool) -> BoxedStrategy<DataType> {
    let flag = move || if flags { any::<bool>().boxed() } else { Just(true).boxed() };
    leaf.prop_recursive(4, 24, 4, move |inner| {
        let array = (inner.clone(), flag())
            .prop_map(|(element, contains_null)| DataType::Array(Box::new(ArrayType { element, contains_null })));
        let map = (inner.clone(), inner.clone(), flag()).prop_map(|(key, value, value_contains_null)| {
            DataType::Map(Box::new(MapType { key, value, value_contains_null }))
        });
        let structure = vec((any::<String>(), inner, any::<bool>()), 0..4).prop_map(|fields| {
            DataType::structure(
                fields
                    .into_iter()
                    .map(|(name, data_type, nullable)| StructField { nullable, ..StructField::new(name, data_type) }),
            )
        });
        prop_oneof![array, map, structure]
    })
    .boxed()
}

fn atomic_type() -> BoxedStrategy<DataType> {
    use DataType as T;
    prop_oneof![
        proptest::sample::select(vec![
            T::String,
            T::Boolean,
            T::Byte,
            T::Short,
            T::Int,
            T::Long,
            T::Float,
            T::Double,
            T::Date,
            T::Timestamp,
            T::TimestampNtz,
            T::Binary,
            T::Variant,
        ]),
        (1u8..=38)
            .prop_flat_map(|p| (Just(p), 0..=p))
            .prop_map(|(precision, scale)| T::Decimal { precision, scale: scale as i8 }),
    ]
    .boxed()
}

fn any_schema(metadata: BoxedStrategy<Map<String, Value>>, flags: bool) -> impl Strategy<Value = StructType> {
    let field = (any::<String>(), any_type(atomic_type(), flags), any::<bool>(), metadata)
        .prop_map(|(name, data_type, nullable, metadata)| StructField { name, data_type, nullable, metadata });
    vec(field, 0..6).prop_map(StructType::new)
}

fn any_metadata() -> BoxedStrategy<Map<String, Value>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
    .prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((any::<String>(), inner), 0..3).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    });
    vec((any::<String>(), value), 0..3).prop_map(|m| m.into_iter().collect()).boxed()
}

fn comment_only() -> BoxedStrategy<Map<String, Value>> {
    proptest::option::of(any::<String>())
        .prop_map(|c| c.into_iter().map(|c| ("comment".to_owned(), Value::from(c))).collect())
        .boxed()
}

fn text_metadata() -> BoxedStrategy<Map<String, Value>> {
    vec((any::<String>(), any::<String>()), 0..3)
        .prop_map(|m| m.into_iter().map(|(k, v)| (k, Value::from(v))).collect())
        .boxed()
}

proptest! {
    #[test]
    fn any_schema_survives_json(schema in any_schema(any_metadata(), true)) {
        prop_assert_eq!(StructType::from_json(&schema.to_json()).unwrap(), schema);
    }

    #[test]
    fn any_schema_survives_ddl(schema in any_schema(comment_only(), false)) {
        prop_assert_eq!(StructType::from_ddl(&schema.to_ddl()).unwrap(), schema);
    }

    #[test]
    fn any_schema_survives_arrow(schema in any_schema(text_metadata(), true)) {
        prop_assert_eq!(StructType::from_arrow(&schema.to_arrow()).unwrap(), schema);
    }

    #[test]
    fn no_text_crashes_the_readers(text in any::<String>(), ddl in "[a-c`'\", <>:()/*\\\\-]{0,40}|(a |ARRAY<|STRUCT<|MAP<|INT|,|>|:|`|COMMENT|'|\\\\u00){0,20}") {
        let _ = StructType::from_json(&text);
        let _ = StructType::from_ddl(&text);
        if let Ok(schema) = StructType::from_ddl(&ddl) {
            prop_assert_eq!(StructType::from_ddl(&schema.to_ddl()).unwrap(), schema);
        }
    }
}
