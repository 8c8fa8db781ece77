use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Float64Type, Int64Type, TimestampMicrosecondType},
};
use proptest::prelude::*;

use super::{
    event::PointKind,
    reader::{Page, Values},
};
use crate::{
    decode::{Scanner, arrow_to_json},
    error::ErrorKind,
};

const NO_LIMIT: fn(i64) -> bool = |_| true;

fn read(body: &str, kind: PointKind) -> crate::Result<(Page, RecordBatch)> {
    let mut values = Values::new(0);
    let page = values.stream(&mut Scanner::new(body), body, kind, NO_LIMIT)?;
    values.end_tag(&Arc::from("I1DPx"));
    Ok((page, values.flush()?))
}

fn rows(batch: &RecordBatch) -> Vec<serde_json::Value> {
    let lines = arrow_to_json(batch).unwrap();
    std::str::from_utf8(&lines.bytes).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn one(value: &str, kind: PointKind) -> serde_json::Value {
    let body = format!(r#"{{"Items":[{{"Timestamp":"2026-03-01T06:00:00Z","Value":{value}}}]}}"#);
    let row = rows(&read(&body, kind).unwrap().1).remove(0);
    let keep = [
        "value",
        "value_type",
        "value_long",
        "value_string",
        "digital_code",
        "digital_name",
        "digital_is_system",
        "value_timestamp",
        "value_json",
        "errors",
    ];
    let object = row.as_object().unwrap();
    keep.iter().filter_map(|k| object.get(*k).filter(|v| !v.is_null()).map(|v| ((*k).to_owned(), v.clone()))).collect()
}

#[test]
fn the_answer_of_the_reference_becomes_rows_with_every_flag_unit_and_error() {
    let body = r#"{"Links":{},"Items":[
        {"Timestamp":"2026-03-01T06:00:00.0000152Z","UnitsAbbreviation":"degC","Good":true,"Questionable":false,"Substituted":false,"Annotated":false,"Value":71.25},
        {"Timestamp":"2026-03-01T06:00:10Z","UnitsAbbreviation":"degC","Good":true,"Questionable":true,"Substituted":false,"Annotated":false,"Value":71.5},
        {"Timestamp":"2026-03-01T06:00:10Z","UnitsAbbreviation":"degC","Good":true,"Questionable":false,"Substituted":true,"Annotated":true,"Value":71.4},
        {"Timestamp":"2026-03-01T06:05:00Z","UnitsAbbreviation":"","Good":false,"Questionable":false,"Substituted":false,"Annotated":false,"Value":{"Name":"No Data","Value":248,"IsSystem":true}},
        {"Timestamp":"2026-03-01T06:06:00Z","UnitsAbbreviation":"","Good":false,"Questionable":false,"Substituted":false,"Annotated":false,"Value":null,"Errors":[{"FieldName":"Value","Message":["conversion failed"]}]}
      ],"UnitsAbbreviation":"degC"}"#;
    let (page, batch) = read(body, PointKind::Unknown).unwrap();
    assert_eq!((page.events, page.last), (5, Some(1_772_345_160_000_000)));
    let rows = rows(&batch);
    let column = |name: &str| rows.iter().map(|r| r[name].to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(column("timestamp_raw").split(' ').next(), Some("\"2026-03-01T06:00:00.0000152Z\""));
    assert_eq!(column("event_seq"), "0 0 1 0 0");
    assert_eq!(column("questionable"), "false true false false false");
    assert_eq!(column("substituted"), "false false true false false");
    assert_eq!(column("annotated"), "false false true false false");
    assert_eq!(column("good"), "true true true false false");
    assert_eq!(column("value"), "71.25 71.5 71.4 null null");
    assert_eq!(column("value_type"), r#""number" "number" "number" "system_digital" "error""#);
    assert_eq!(column("digital_code"), "null null null 248 null");
    assert_eq!(column("units"), r#""degC" "degC" "degC" "" """#);
    assert_eq!(rows[4]["value_string"], "conversion failed");
    assert_eq!(rows[4]["errors"], r#"[{"FieldName":"Value","Message":["conversion failed"]}]"#);
    assert_eq!(rows[0]["event_date"], "2026-03-01");
}

#[test]
fn each_kind_of_value_is_kept_in_its_columns() {
    use serde_json::json;
    let unknown = PointKind::Unknown;
    for (value, kind, want) in [
        (
            "9007199254740993",
            unknown,
            json!({"value": 9007199254740992.0, "value_type": "integer", "value_long": 9007199254740993i64}),
        ),
        ("-1.0", unknown, json!({"value": -1.0, "value_type": "number"})),
        ("1E-05", unknown, json!({"value": 1e-5, "value_type": "number"})),
        ("1e999", unknown, json!({"value_type": "number", "value_json": "1e999"})),
        ("\"Batch \\u0041\"", unknown, json!({"value_type": "string", "value_string": "Batch A"})),
        ("\"\"", unknown, json!({"value_type": "string", "value_string": ""})),
        ("true", unknown, json!({"value": 1.0, "value_type": "boolean"})),
        ("null", unknown, json!({"value_type": "null"})),
        ("[1, 2]", unknown, json!({"value_type": "array", "value_json": "[1, 2]"})),
        ("{\"a\":1}", unknown, json!({"value_type": "object", "value_json": "{\"a\":1}"})),
        (
            r#"{"Name":"OPEN","Value":1,"IsSystem":false}"#,
            unknown,
            json!({"value": 1.0, "value_type": "digital", "value_string": "OPEN", "digital_code": 1, "digital_name": "OPEN", "digital_is_system": false}),
        ),
        (r#"{"Value":3}"#, unknown, json!({"value": 3.0, "value_type": "digital", "digital_code": 3})),
        (
            r#"{"Name":"x","Value":1.5}"#,
            unknown,
            json!({"value_type": "object", "value_json": "{\"Name\":\"x\",\"Value\":1.5}"}),
        ),
        (
            r#"{"Errors":["PI Point not found"]}"#,
            unknown,
            json!({"value_type": "error", "value_string": "PI Point not found", "value_json": "{\"Errors\":[\"PI Point not found\"]}"}),
        ),
        (
            "\"2026-03-01T06:00:00.5Z\"",
            PointKind::Timestamp,
            json!({"value_type": "timestamp", "value_string": "2026-03-01T06:00:00.5Z", "value_timestamp": "2026-03-01T06:00:00.5Z"}),
        ),
        (
            "\"2026-03-01T06:00:00Z\"",
            PointKind::Text,
            json!({"value_type": "string", "value_string": "2026-03-01T06:00:00Z"}),
        ),
        ("\"NaN\"", PointKind::Text, json!({"value_type": "string", "value_string": "NaN"})),
    ] {
        let mut got = one(value, kind);
        if let Some(at) = got.get_mut("value_timestamp") {
            let text = at.as_str().unwrap().replace(".500Z", ".5Z");
            *at = text.into();
        }
        assert_eq!(got, want, "{value}");
    }
}

#[test]
fn words_of_floats_are_numbers() {
    for (word, want) in [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)] {
        let body = format!(r#"{{"Items":[{{"Timestamp":"2026-03-01T06:00:00Z","Value":"{word}"}}]}}"#);
        let (_, batch) = read(&body, PointKind::Number).unwrap();
        let value = batch.column_by_name("value").unwrap().as_primitive::<Float64Type>().value(0);
        assert!(value == want || value.is_nan() && want.is_nan(), "{word}");
    }
}

#[test]
fn a_flag_that_was_not_sent_is_null_and_never_good() {
    let (_, batch) =
        read(r#"{"Items":[{"Timestamp":"2026-03-01T06:00:00Z","Value":1,"Questionable":null}]}"#, PointKind::Unknown)
            .unwrap();
    for name in ["good", "questionable", "substituted", "annotated", "units"] {
        assert!(batch.column_by_name(name).unwrap().is_null(0), "{name}");
    }
}

#[test]
fn the_stream_says_the_units_of_events_that_do_not() {
    let body = r#"{"Items":[{"Timestamp":"2026-03-01T06:00:00Z","Value":1},{"Timestamp":"2026-03-01T06:00:01Z","Value":2,"UnitsAbbreviation":"bar"},
        {"Timestamp":"2026-03-01T06:00:02Z","Value":3}],"UnitsAbbreviation":"kPa"}"#;
    let mut values = Values::new(0);
    for tag in ["a", "b"] {
        values.stream(&mut Scanner::new(body), body, PointKind::Unknown, NO_LIMIT).unwrap();
        values.end_tag(&Arc::from(tag));
    }
    let none = r#"{"Items":[{"Timestamp":"2026-03-01T06:00:00Z","Value":1}]}"#;
    values.stream(&mut Scanner::new(none), none, PointKind::Unknown, NO_LIMIT).unwrap();
    values.end_tag(&Arc::from("c"));
    let rows = rows(&values.flush().unwrap());
    let of = |name: &str| rows.iter().map(|r| r[name].as_str().unwrap_or("-").to_owned()).collect::<Vec<_>>().join(" ");
    assert_eq!(of("units"), "kPa bar kPa kPa bar kPa -");
    assert_eq!(of("tag_webid"), "a a a b b b c");
}

#[test]
fn an_answer_that_broke_off_or_makes_no_sense_is_an_error() {
    let event = r#"{"Timestamp":"2026-03-01T06:00:00Z","Value":1}"#;
    let earlier = r#"{"Timestamp":"2026-02-01T06:00:00Z","Value":1}"#;
    for (body, kind) in [
        (
            format!(r#"{{"Items":[{event}],"WebException":{{"StatusCode":500,"Errors":["x"]}}}}"#),
            ErrorKind::Unavailable,
        ),
        (r#"{"Errors":["x"]}"#.to_owned(), ErrorKind::Unavailable),
        (r#"{"Links":{}}"#.to_owned(), ErrorKind::Protocol),
        (format!(r#"{{"Items":[{event},{earlier}]}}"#), ErrorKind::Protocol),
        (format!(r#"{{"Items":[{event}"#), ErrorKind::Protocol),
        (r#"{"Items":[{"Timestamp":"yesterday","Value":1}]}"#.to_owned(), ErrorKind::Data),
        (r#"{"Items":[{"Value":1}]}"#.to_owned(), ErrorKind::Data),
        (r#"{"Items":[{"Timestamp":"2026-03-01T06:00:00Z","Good":"yes","Value":1}]}"#.to_owned(), ErrorKind::Data),
    ] {
        assert_eq!(read(&body, PointKind::Unknown).unwrap_err().kind(), kind, "{body}");
    }
    let fine = format!(r#"{{"WebException":null,"Errors":[],"Items":[{event}]}}"#);
    assert_eq!(read(&fine, PointKind::Unknown).unwrap().0.events, 1);
}

#[test]
fn rows_that_are_taken_back_leave_no_trace() {
    let body = r#"{"Items":[{"Timestamp":"2026-03-01T06:00:00Z","Value":{"Name":"On","Value":1}},{"Timestamp":"2026-03-01T06:00:01Z","Value":"text"},
        {"Timestamp":"2026-03-01T06:00:01Z","Value":[1],"Errors":["e"]}]}"#;
    let mut values = Values::new(0);
    values.stream(&mut Scanner::new(body), body, PointKind::Unknown, NO_LIMIT).unwrap();
    let cut = values.first_from(0, values.micros(2).unwrap());
    assert_eq!(cut, 1);
    values.mark_snapshot(2);
    values.truncate(cut);
    values.end_tag(&Arc::from("a"));
    let more = r#"{"Items":[{"Timestamp":"2026-03-01T06:00:02Z","Value":5}]}"#;
    values.stream(&mut Scanner::new(more), more, PointKind::Unknown, NO_LIMIT).unwrap();
    values.end_tag(&Arc::from("b"));
    let batch = values.flush().unwrap();
    assert_eq!(batch.column_by_name("value_long").unwrap().as_primitive::<Int64Type>().values(), &[0, 5]);
    assert_eq!(batch.column_by_name("digital_code").unwrap().null_count(), 1);
    for (name, nulls) in [("value_json", 2), ("errors", 2), ("value_string", 1)] {
        assert_eq!(batch.column_by_name(name).unwrap().null_count(), nulls, "{name}");
    }
    assert_eq!(values.flush().unwrap().num_rows(), 0);
}

/// Events in layouts that change or not: the same rows whether or not the reader knows the layout.
fn event() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        (-1000i64..1000).prop_map(|n| n.to_string()),
        (-1e6f64..1e6).prop_map(|n| n.to_string()),
        Just("null".to_owned()),
        Just(r#""a \"quoted\" text""#.to_owned()),
        Just(r#"{"Name":"Off","Value":0,"IsSystem":false}"#.to_owned()),
        Just("[1,[2]]".to_owned()),
        Just("1E-05".to_owned()),
    ];
    let flags = prop_oneof![
        3 => Just(r#""Good":true,"Questionable":false"#.to_owned()),
        1 => Just(r#""Good":false"#.to_owned()),
        1 => Just(r#""Substituted":true , "Annotated": false"#.to_owned()),
    ];
    let units =
        prop_oneof![3 => Just(r#""UnitsAbbreviation":"m","#), 1 => Just(""), 1 => Just(r#""Other":{"x":[1]},"#)];
    (value, flags, units, 0u32..10_000_000, any::<bool>()).prop_map(|(value, flags, units, ticks, first)| {
        let at = format!("2026-03-01T06:00:00.{ticks:07}Z");
        if first {
            format!(r#"{{"Value":{value},{units}"Timestamp":"{at}",{flags}}}"#)
        } else {
            format!(r#"{{"Timestamp":"{at}",{units}{flags},"Value":{value}}}"#)
        }
    })
}

proptest! {
    #[test]
    fn a_known_layout_makes_no_difference(mut events in prop::collection::vec(event(), 1..30), junk in any::<prop::sample::Index>()) {
        let at = |e: &String| { let i = e.find("2026-").unwrap(); e[i..i + 28].to_owned() };
        events.sort_by_key(at);
        let body = format!(r#"{{"Items":[{}]}}"#, events.join(","));
        let together = rows(&read(&body, PointKind::Unknown).unwrap().1);
        for (row, event) in together.iter().zip(&events) {
            let alone = format!(r#"{{"Items":[{event}]}}"#);
            let mut want = rows(&read(&alone, PointKind::Unknown).unwrap().1).remove(0);
            want["event_seq"] = row["event_seq"].clone();
            prop_assert_eq!(row, &want);
        }
        // Cut anywhere, it is an error and nothing worse.
        let cut = junk.index(body.len());
        if body.is_char_boundary(cut) {
            prop_assert!(read(&body[..cut], PointKind::Unknown).is_err());
        }
    }
}

#[test]
fn only_what_is_wanted_becomes_rows_and_all_events_count() {
    let body =
        r#"{"Items":[{"Timestamp":"2026-03-01T06:00:00Z","Value":1},{"Timestamp":"2026-03-01T06:00:01Z","Value":2}]}"#;
    let mut values = Values::new(7);
    let page = values.stream(&mut Scanner::new(body), body, PointKind::Unknown, |at| at % 60_000_000 != 0).unwrap();
    values.end_tag(&Arc::from("a"));
    assert_eq!((page.events, values.rows()), (2, 1));
    let batch = values.flush().unwrap();
    assert_eq!(
        batch.column_by_name("ingestion_timestamp").unwrap().as_primitive::<TimestampMicrosecondType>().value(0),
        7
    );
}

#[test]
fn the_columns_are_those_of_the_catalogue() {
    for table in ["pi_timeseries", "pi_streamset_recorded", "pi_attribute_values"] {
        let schema = crate::sources::osipi::tables::find(table).unwrap().schema(false);
        assert_eq!(schema.fields, super::columns::wire_columns(), "{table}");
    }
}
