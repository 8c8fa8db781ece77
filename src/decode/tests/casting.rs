use super::{one, read_back, refusal};
use crate::types::{ArrayType, DataType, MapType, StructField, StructType};

/// Each value of a column `v` and what it is after decoding, in JSON.
fn takes(data_type: DataType, values: &[(&str, &str)]) {
    let schema = one(data_type);
    for (value, want) in values {
        let got = read_back(&schema, &format!(r#"{{"v": {value}}}"#));
        let want = if *want == "null" { "{}".to_owned() } else { format!(r#"{{"v":{want}}}"#) };
        assert_eq!(got.as_ref().ok(), Some(&want), "{value}: {got:?}");
    }
}

/// Each value of a column `v` and what the refusal says was found.
fn refuses(data_type: DataType, expected: &str, values: &[(&str, &str)]) {
    let schema = one(data_type);
    for (value, found) in values {
        let got = refusal(&schema, &format!(r#"{{"v": {value}}}"#));
        assert_eq!(got, format!("column 'v': expected {expected}, found {found}"), "{value}");
    }
}

const NO_SPELLING: &str = "text that does not spell one";
const OUT_OF_RANGE: &str = "a number out of its range";
const FRACTION: &str = "a number with more digits after the point";

#[test]
fn strings_keep_the_spelling() {
    takes(
        DataType::String,
        &[
            (r#""a\n\u00e9😀""#, r#""a\né😀""#),
            (r#""""#, r#""""#),
            ("1.50", r#""1.50""#),
            ("1E-22", r#""1E-22""#),
            ("true", r#""true""#),
            ("null", "null"),
        ],
    );
    refuses(
        DataType::String,
        "string",
        &[(r#"{"a":1}"#, "an object"), ("[1]", "an array"), (r#""x\ud83dy""#, "a string with half a surrogate pair")],
    );
}

#[test]
fn integers_are_exact_and_in_range() {
    takes(
        DataType::Long,
        &[
            ("1", "1"),
            ("-0", "0"),
            ("1.0", "1"),
            ("1e3", "1000"),
            (r#"" 12 ""#, "12"),
            (r#""+7""#, "7"),
            (r#""007""#, "7"),
            ("9223372036854775807", "9223372036854775807"),
            ("-9223372036854775808", "-9223372036854775808"),
            (r#""\u0031""#, "1"),
        ],
    );
    refuses(
        DataType::Long,
        "bigint",
        &[
            ("9223372036854775808", OUT_OF_RANGE),
            ("1.5", FRACTION),
            (r#""1.5""#, FRACTION),
            (r#""one""#, NO_SPELLING),
            (r#""""#, NO_SPELLING),
            ("true", "a boolean"),
            ("[1]", "an array"),
            ("{}", "an object"),
            ("1e99", OUT_OF_RANGE),
        ],
    );
    takes(DataType::Byte, &[("127", "127"), ("-128", "-128")]);
    refuses(DataType::Byte, "tinyint", &[("128", OUT_OF_RANGE), ("-129", OUT_OF_RANGE)]);
    takes(DataType::Short, &[("32767", "32767")]);
    refuses(DataType::Short, "smallint", &[("32768", OUT_OF_RANGE)]);
    takes(DataType::Int, &[("-2147483648", "-2147483648")]);
    refuses(DataType::Int, "int", &[("2147483648", OUT_OF_RANGE)]);
}

#[test]
fn doubles_and_floats_are_rounded_once() {
    takes(
        DataType::Double,
        &[
            ("0.1", "0.1"),
            ("1", "1.0"),
            ("1e300", "1e300"),
            (r#""1.5""#, "1.5"),
            (r#""NaN""#, r#""NaN""#),
            (r#""-Infinity""#, r#""-Infinity""#),
            ("123456789012345678901234567890", "1.2345678901234568e29"),
        ],
    );
    refuses(DataType::Double, "double", &[("1e400", OUT_OF_RANGE), (r#""x""#, NO_SPELLING), ("true", "a boolean")]);
    takes(DataType::Float, &[("0.1", "0.1"), ("16777217", "16777216.0"), ("7.038531e-26", "7.038531e-26")]);
    refuses(DataType::Float, "float", &[("1e39", OUT_OF_RANGE)]);
}

#[test]
fn decimals_keep_every_digit_or_refuse() {
    let decimal = DataType::Decimal { precision: 10, scale: 2 };
    takes(
        decimal.clone(),
        &[("1.5", "1.50"), (r#""1.50""#, "1.50"), ("1.500", "1.50"), ("-12345678.91", "-12345678.91")],
    );
    refuses(decimal, "decimal(10,2)", &[("1.005", FRACTION), ("123456789", OUT_OF_RANGE), ("true", "a boolean")]);
    let widest = DataType::Decimal { precision: 38, scale: 18 };
    takes(widest, &[("12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678")]);
}

#[test]
fn booleans_have_words() {
    takes(
        DataType::Boolean,
        &[
            ("true", "true"),
            (r#""T""#, "true"),
            (r#""Yes""#, "true"),
            (r#""y""#, "true"),
            ("1", "true"),
            (r#""1""#, "true"),
            ("false", "false"),
            (r#""F""#, "false"),
            (r#""NO""#, "false"),
            (r#""n""#, "false"),
            ("0", "false"),
        ],
    );
    refuses(DataType::Boolean, "boolean", &[("2", NO_SPELLING), (r#""on""#, NO_SPELLING), (r#""""#, NO_SPELLING)]);
}

#[test]
fn times_are_instants_and_partial_dates_are_not() {
    takes(
        DataType::Timestamp,
        &[
            (r#""2024-02-29T10:20:30.1234567+05:30""#, r#""2024-02-29T04:50:30.123456Z""#),
            (r#""2024-02-29 10:20:30""#, r#""2024-02-29T10:20:30Z""#),
            ("1700000000.5", r#""2023-11-14T22:13:20.500Z""#),
        ],
    );
    refuses(
        DataType::Timestamp,
        "timestamp",
        &[
            (r#""2012-05""#, "a partial date"),
            (r#""soon""#, NO_SPELLING),
            ("1700000000000", OUT_OF_RANGE),
            ("true", "a boolean"),
        ],
    );
    takes(DataType::TimestampNtz, &[(r#""2024-02-29T10:20:30""#, r#""2024-02-29T10:20:30""#)]);
    refuses(
        DataType::TimestampNtz,
        "timestamp_ntz",
        &[(r#""2024-02-29T10:20:30Z""#, "a time with a zone"), ("1", "a number")],
    );
    takes(DataType::Date, &[(r#""2024-02-29""#, r#""2024-02-29""#), (r#""0001-01-01""#, r#""0001-01-01""#)]);
    refuses(
        DataType::Date,
        "date",
        &[(r#""2024-02""#, "a partial date"), (r#""2024-02-29T00:00:00Z""#, NO_SPELLING), ("19782", "a number")],
    );
}

#[test]
fn binary_is_base64() {
    takes(DataType::Binary, &[(r#""aGk=""#, r#""aGk=""#), (r#""aG\nk""#, r#""aGk=""#), (r#""""#, r#""""#)]);
    refuses(DataType::Binary, "binary (base64)", &[(r#""a*""#, NO_SPELLING), ("1", "a number")]);
}

#[test]
fn arrays_take_one_value_and_hold_nulls_where_they_may() {
    takes(
        DataType::array(DataType::Long),
        &[("[1,null,3]", "[1,null,3]"), ("7", "[7]"), ("[]", "[]"), ("null", "null")],
    );
    let strict = DataType::Array(Box::new(ArrayType { element: DataType::Long, contains_null: false }));
    takes(strict.clone(), &[("[1]", "[1]"), ("null", "null")]);
    assert_eq!(refusal(&one(strict), r#"{"v":[1,null]}"#), "column 'v.element': expected bigint, found nothing");
    takes(DataType::array(DataType::array(DataType::Long)), &[("[[1],[],null,2]", "[[1],[],null,[2]]")]);
}

#[test]
fn maps_cast_keys_and_keep_the_last_of_each() {
    takes(
        DataType::map(DataType::String, DataType::Long),
        &[
            (r#"{"a":1,"b":null}"#, r#"{"a":1,"b":null}"#),
            (r#"{"a":1,"b":2,"a":3,"\u0061":4}"#, r#"{"b":2,"a":4}"#),
            ("{}", "{}"),
        ],
    );
    takes(DataType::map(DataType::Long, DataType::String), &[(r#"{"1":"x","01":"y"}"#, r#"{"1":"y"}"#)]);
    let map = one(DataType::map(DataType::Long, DataType::String));
    assert_eq!(
        refusal(&map, r#"{"v":{"x":"y"}}"#),
        "column 'v.key': expected bigint, found a key that does not spell one"
    );
    assert_eq!(refusal(&map, r#"{"v":[1]}"#), "column 'v': expected map, found an array");
}

#[test]
fn a_map_holds_null_values_only_where_it_may() {
    let map = MapType { key: DataType::String, value: DataType::Long, value_contains_null: false };
    let schema = one(DataType::Map(Box::new(map)));
    assert_eq!(read_back(&schema, r#"{"v":{"a":1}}"#).unwrap(), r#"{"v":{"a":1}}"#);
    assert_eq!(refusal(&schema, r#"{"v":{"a":1,"b":null}}"#), "column 'v.value': expected bigint, found nothing");
}

#[test]
fn variants_keep_their_text() {
    takes(
        DataType::Variant,
        &[(r#"{"b": 1.50, "a": [ ]}"#, r#"{"b": 1.50, "a": [ ]}"#), ("true", "true"), ("null", "null")],
    );
}

#[test]
fn structs_are_null_when_empty_and_stay_when_their_members_are_null() {
    let inner = DataType::structure([StructField::new("a", DataType::Long), StructField::new("b", DataType::String)]);
    takes(
        inner.clone(),
        &[
            (r#"{"a":1,"x":[{"y":"z"}],"b":"c"}"#, r#"{"a":1,"b":"c"}"#),
            ("{}", "null"),
            (r#"{"a":null}"#, r#"{"a":null,"b":null}"#),
        ],
    );
    takes(DataType::array(inner.clone()), &[(r#"[{"a":1},{},{"b":"x"}]"#, r#"[{"a":1},null,{"b":"x"}]"#)]);
    assert_eq!(refusal(&one(inner.clone()), r#"{"v":"text"}"#), "column 'v': expected struct, found a string");
    assert_eq!(
        refusal(&one(inner), r#"{"v":{"a":"x"}}"#),
        "column 'v.a': expected bigint, found text that does not spell one"
    );
}

#[test]
fn what_is_never_null_must_be_there() {
    let inner = StructType::new([StructField::required("a", DataType::Long)]);
    let schema = StructType::new([StructField::required("v", DataType::Struct(inner))]);
    assert_eq!(read_back(&schema, r#"{"v":{"a":1}}"#).unwrap(), r#"{"v":{"a":1}}"#);
    for (record, column) in [
        ("{}", "v"),
        (r#"{"v":null}"#, "v"),
        (r#"{"v":{}}"#, "v"),
        (r#"{"v":{"a":null}}"#, "v.a"),
        (r#"{"v":{"b":1}}"#, "v.a"),
    ] {
        assert!(refusal(&schema, record).starts_with(&format!("column '{column}': expected ")), "{record}");
    }
}
