use std::sync::Arc;

use bytes::Bytes;

use super::{decoder, one, read_back};
use crate::{
    decode::{DecodeOptions, Decoder, FieldSource, PartialDates, Scanner, Shape, arrow_to_json},
    error::{Error, ErrorKind},
    read::{BadRows, JsonLines},
    types::{DataType, StructField, StructType},
};

fn lines(records: &[&str]) -> JsonLines {
    JsonLines { bytes: Bytes::from(records.join("\n")), rows: records.len() }
}

fn written(decoder: &mut Decoder) -> Vec<String> {
    let lines = arrow_to_json(&decoder.flush().unwrap()).unwrap();
    String::from_utf8(lines.bytes.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

fn nested() -> StructType {
    let inner = StructType::new([StructField::new("s", DataType::String), StructField::new("n", DataType::Long)]);
    StructType::new([
        StructField::new("id", DataType::String),
        StructField::new("list", DataType::array(DataType::Struct(inner))),
        StructField::new("map", DataType::map(DataType::String, DataType::Long)),
        StructField::new("bytes", DataType::Binary),
        StructField::new("n", DataType::Long),
    ])
}

const GOOD: &str = r#"{"id":"a","list":[{"s":"x","n":1},{"n":2}],"map":{"k":1},"bytes":"aGk=","n":1}"#;

#[test]
fn a_refused_row_leaves_no_trace_and_the_next_is_read() {
    let bad = [
        r#"{"id":"b","list":[{"s":"x","n":1},{"n":"x"}],"n":1}"#,
        r#"{"id":"b","map":{"k":1,"l":"x"},"list":[{"s":"yy"}]}"#,
        r#"{"bytes":"aGkh*","id":"b"}"#,
        r#"{"list":[{"s":"x"}],"map":{"k":2},"bytes":"aGk=","n":1.5,"id":"b"}"#,
        r#"["id","b"]"#,
    ];
    for bad in bad {
        let mut decoder = decoder(&nested());
        let rows = lines(&[GOOD, bad, "{}", bad, GOOD]);
        let quarantined = decoder.decode_lines(&rows, BadRows::Quarantine).unwrap();
        assert_eq!(written(&mut decoder), [GOOD, "{}", GOOD], "{bad}");
        assert_eq!(quarantined.len(), 2);
        assert_eq!(quarantined[0].record, bad);
        assert_eq!(quarantined[0].key.as_deref(), bad.starts_with('{').then_some(r#"{"id":"b"}"#));
    }
}

#[test]
fn half_an_element_of_a_refused_row_does_not_show_in_the_next() {
    let mut decoder = decoder(&nested());
    let rows = lines(&[r#"{"list":[{"s":"stale","n":"x"}]}"#, r#"{"list":[{"n":1}]}"#]);
    assert_eq!(decoder.decode_lines(&rows, BadRows::Quarantine).unwrap().len(), 1);
    assert_eq!(written(&mut decoder), [r#"{"list":[{"n":1}]}"#]);
}

#[test]
fn decoders_and_shapes_go_between_threads() {
    fn goes<T: Send>(_: &T) {}
    fn is_shared<T: Sync>(_: &T) {}
    let shape = Shape::new(&nested());
    is_shared(&shape);
    goes(&Decoder::new(Arc::new(shape), DecodeOptions::new("t")));
}

#[test]
fn a_failing_read_keeps_no_row_of_its_lines_and_tells_no_value() {
    let mut decoder = decoder(&nested());
    decoder.decode_lines(&lines(&[GOOD]), BadRows::Fail).unwrap();
    let error =
        decoder.decode_lines(&lines(&[GOOD, r#"{"id":"secret-key","n":"secret-value"}"#]), BadRows::Fail).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(
        error.to_string(),
        format!(
            "a record does not fit the table's schema (table=t, key_columns=id, column=n, expected=bigint, \
             found=text that does not spell one, record_at_byte={}, record=1); \
             look at the record at the source, or ask for bad rows to be quarantined",
            GOOD.len() + 1
        )
    );
    assert_eq!(written(&mut decoder), [GOOD]);
}

#[test]
fn no_printed_form_of_a_row_error_has_the_key() {
    let row = read_back(&nested(), r#"{"id":"secret-key","n":"secret-value"}"#).unwrap_err();
    assert_eq!(row.key.as_deref(), Some(r#"{"id":"secret-key"}"#));
    for text in [
        format!("{row}"),
        format!("{row:?}"),
        format!("{:?}", row.clone().quarantine(Bytes::new())),
        format!("{:?}", Error::from(row)),
    ] {
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn lines_must_hold_what_they_say() {
    let mut decoder = decoder(&nested());
    let error = decoder
        .decode_lines(&JsonLines { bytes: Bytes::from_static(b"{}\n{}\n"), rows: 3 }, BadRows::Fail)
        .unwrap_err();
    assert_eq!((error.kind(), decoder.rows()), (ErrorKind::Internal, 0));
    let error = decoder
        .decode_lines(&JsonLines { bytes: Bytes::from_static(b"{}\n{\"id\":\"\xff\"}"), rows: 2 }, BadRows::Quarantine);
    assert_eq!(error.unwrap_err().get("byte"), Some("10"));
    let error = decoder.decode_lines(&lines(&["{}", r#"{"id":"#]), BadRows::Quarantine).unwrap_err();
    assert_eq!((error.kind(), decoder.rows()), (ErrorKind::Protocol, 0));
}

#[test]
fn the_last_member_of_a_name_wins_at_every_level() {
    let schema = StructType::new([
        StructField::new(
            "v",
            DataType::structure([StructField::new("a", DataType::Long), StructField::new("b", DataType::Long)]),
        ),
        StructField::new("flat", DataType::Long),
        StructField::new("pick", DataType::Long),
        StructField::new("text", DataType::String),
    ]);
    let shape = Shape::with_sources(&schema, |p| match p {
        ["flat"] => Some(FieldSource::path("o.x")),
        ["pick"] => Some(FieldSource::path("p[k=1].x")),
        ["text"] => Some(FieldSource::json("j")),
        _ => None,
    });
    let mut decoder = Decoder::new(Arc::new(shape.unwrap()), DecodeOptions::new("t"));
    for record in [
        r#"{"v":{"a":1,"b":2},"v":{"b":3}}"#,
        r#"{"v":{"a":1},"v":null}"#,
        r#"{"v":{"a":1},"v":{}}"#,
        r#"{"v":{"a":1,"a":2}}"#,
        r#"{"o":{"x":1},"o":{"y":2}}"#,
        r#"{"o":{"x":1},"o":null}"#,
        r#"{"p":[{"k":1,"x":1}],"p":[{"k":2,"x":1}]}"#,
        r#"{"p":{"k":1,"x":5}}"#,
        r#"{"j":[1],"j":{"a": 2.0}}"#,
        r#"{"j":[1],"j":null}"#,
    ] {
        decoder.decode_record(&mut Scanner::new(record)).unwrap().unwrap();
    }
    assert_eq!(
        written(&mut decoder),
        [
            r#"{"v":{"b":3}}"#,
            "{}",
            "{}",
            r#"{"v":{"a":2}}"#,
            "{}",
            "{}",
            "{}",
            r#"{"pick":5}"#,
            r#"{"text":"{\"a\": 2.0}"}"#,
            "{}",
        ]
    );
}

#[test]
fn one_member_feeds_a_column_its_text_and_picks() {
    let schema = StructType::new([
        StructField::new("ids", DataType::array(DataType::structure([StructField::new("value", DataType::String)]))),
        StructField::new("text", DataType::String),
        StructField::new("second", DataType::Long),
        StructField::new("nhs", DataType::String),
        StructField::new("deep", DataType::Boolean),
    ]);
    let shape = Shape::with_sources(&schema, |p| match p {
        ["ids"] => Some(FieldSource::path("identifier")),
        ["text"] => Some(FieldSource::json("identifier")),
        ["second"] => Some(FieldSource::path("identifier[1].value")),
        ["nhs"] => Some(FieldSource::path("identifier[system=nhs].value")),
        ["deep"] => Some(FieldSource::path("identifier[system=nhs].ext[u=a].ext[u=b].v")),
        _ => None,
    });
    let identifier = r#"[{"value":1}, {"value":"2","system":"other"}, {"ext":[{"u":"x"},{"u":"a","ext":[{"v":true,"u":"b"}]}],"system":"nhs","value":"3"}, {"system":"nhs","value":"4"}]"#;
    let mut decoder = Decoder::new(Arc::new(shape.unwrap()), DecodeOptions::new("t"));
    let record = format!(r#"{{"identifier": {identifier}, "z": 1}}"#);
    decoder.decode_record(&mut Scanner::new(&record)).unwrap().unwrap();
    let text = serde_json::Value::from(identifier).to_string();
    assert_eq!(
        written(&mut decoder),
        [format!(
            r#"{{"ids":[{{"value":"1"}},{{"value":"2"}},{{"value":"3"}},{{"value":"4"}}],"text":{text},"second":2,"nhs":"3","deep":true}}"#
        )]
    );
    let refused = decoder.decode_record(&mut Scanner::new(
        r#"{"identifier":[{"system":"nhs","ext":[{"u":"a","ext":["x",{"u":"b","v":"?"}]}]}]}"#,
    ));
    assert_eq!(refused.unwrap().unwrap_err().column, "deep");
}

#[test]
fn a_path_through_another_kind_of_value_does_not_fit() {
    let shape = Shape::with_sources(&one(DataType::Long), |_| Some(FieldSource::path("a.b")));
    let mut decoder = Decoder::new(Arc::new(shape.unwrap()), DecodeOptions::new("t"));
    let row = decoder.decode_record(&mut Scanner::new(r#"{"a":"x"}"#)).unwrap().unwrap_err();
    assert_eq!(row.to_string(), "column 'v': expected an object on the way to it, found a string");
}

#[test]
fn partial_dates_may_be_first_instants() {
    let schema = StructType::new([StructField::new("t", DataType::Timestamp), StructField::new("d", DataType::Date)]);
    let options = DecodeOptions::new("t").partial_dates(PartialDates::FirstInstant);
    let mut decoder = Decoder::new(Arc::new(Shape::new(&schema)), options);
    decoder.decode_record(&mut Scanner::new(r#"{"t":"2012","d":"2012-05"}"#)).unwrap().unwrap();
    assert_eq!(written(&mut decoder), [r#"{"t":"2012-01-01T00:00:00Z","d":"2012-05-01"}"#]);
}

#[test]
fn rows_can_be_cut_and_the_decoder_starts_again_after_a_flush() {
    let mut decoder = decoder(&nested());
    decoder.decode_lines(&lines(&[GOOD, "{}", GOOD]), BadRows::Fail).unwrap();
    assert!(decoder.buffered_bytes() > 20);
    decoder.truncate(5);
    decoder.truncate(2);
    assert_eq!(decoder.rows(), 2);
    assert_eq!(written(&mut decoder), [GOOD, "{}"]);
    assert_eq!(decoder.flush().unwrap().num_rows(), 0);
    decoder.decode_lines(&lines(&["{}", GOOD]), BadRows::Fail).unwrap();
    assert_eq!(written(&mut decoder), ["{}", GOOD]);
}

#[test]
fn a_schema_without_columns_counts_rows() {
    let mut decoder = decoder(&StructType::default());
    decoder.decode_lines(&lines(&["{}", r#"{"a":[{"b":1}]}"#]), BadRows::Fail).unwrap();
    assert_eq!(decoder.flush().unwrap().num_rows(), 2);
}
