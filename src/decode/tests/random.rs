//! Random schemas, records and damage against a model, serde_json and arrow-json.

use std::{fmt::Write, sync::Arc};

use arrow::json::ReaderBuilder;
use bytes::Bytes;
use fastrand::Rng;
use proptest::prelude::*;

use super::decoder;
use crate::{
    decode::{Scanner, arrow_to_json},
    error::ErrorKind,
    read::{BadRows, JsonLines},
    types::{ArrayType, DataType, MapType, StructField, StructType},
};

/// A type; `common` leaves out what arrow-json reads differently.
fn random_type(rng: &mut Rng, depth: usize, common: bool) -> DataType {
    match rng.usize(..if depth > 0 { 10 } else { 6 }) {
        0 | 1 => DataType::String,
        2 => DataType::Long,
        3 => DataType::Double,
        4 => DataType::Boolean,
        5 if common => DataType::Int,
        5 => match rng.usize(..9) {
            0 => DataType::Decimal { precision: 20, scale: 3 },
            1 => DataType::Timestamp,
            2 => DataType::TimestampNtz,
            3 => DataType::Date,
            4 => DataType::Binary,
            5 => DataType::Variant,
            6 => DataType::Byte,
            7 => DataType::Short,
            _ => DataType::Float,
        },
        6 | 7 => {
            let element = random_type(rng, depth - 1, common);
            DataType::Array(Box::new(ArrayType { element, contains_null: common || rng.bool() }))
        }
        8 if !common => {
            let value = random_type(rng, depth - 1, common);
            DataType::Map(Box::new(MapType { key: DataType::String, value, value_contains_null: rng.bool() }))
        }
        _ => DataType::Struct(random_struct(rng, depth - 1, common)),
    }
}

fn random_struct(rng: &mut Rng, depth: usize, common: bool) -> StructType {
    let fields = (0..rng.usize(1..6)).map(|i| {
        let name = ["a", "bb", "é", "a member with a long name", "x.y", "[0]"][i];
        StructField { nullable: common || rng.u8(..8) > 0, ..StructField::new(name, random_type(rng, depth, common)) }
    });
    StructType::new(fields.collect::<Vec<_>>())
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn random_text(rng: &mut Rng) -> String {
    let chars = ['a', '"', '\\', '\n', 'é', '😀', ' ', '\u{1}', 'z', '{'];
    (0..rng.usize(..40)).map(|_| if rng.u8(..4) > 0 { 'q' } else { chars[rng.usize(..chars.len())] }).collect()
}

/// One of several spellings of a text.
fn spelled(rng: &mut Rng, text: &str) -> String {
    if rng.bool() {
        return quoted(text);
    }
    let mut out = String::from("\"");
    for unit in text.encode_utf16() {
        let _ = write!(out, "\\u{unit:04X}");
    }
    out + "\""
}

fn space(rng: &mut Rng) -> &'static str {
    ["", "", "", " ", "\n", "\r\n        \t", "                 "][rng.usize(..7)]
}

/// A value as a source spells it, and as [`arrow_to_json`] writes it; `None` for null.
fn random_value(rng: &mut Rng, data_type: &DataType) -> (String, Option<String>) {
    let same = |text: String| (text.clone(), Some(text));
    match data_type {
        DataType::String => match rng.u8(..8) {
            0 => ("-1.50e2".to_owned(), Some("\"-1.50e2\"".to_owned())),
            1 => ("true".to_owned(), Some("\"true\"".to_owned())),
            _ => {
                let text = random_text(rng);
                (spelled(rng, &text), Some(quoted(&text)))
            }
        },
        DataType::Boolean => {
            let value = rng.bool();
            let words = if value { ["true", "\"Yes\"", "1", "\"t\""] } else { ["false", "\"NO\"", "0", "\"f\""] };
            (words[rng.usize(..4)].to_owned(), Some(value.to_string()))
        }
        DataType::Byte => same(rng.i8(..).to_string()),
        DataType::Short => same(rng.i16(..).to_string()),
        DataType::Int => same(rng.i32(..).to_string()),
        DataType::Long => {
            let value = rng.i64(..);
            let spelling = match rng.u8(..4) {
                0 => format!("{value}.0"),
                1 => format!("\"{value}\""),
                2 => format!("{value}0e-1"),
                _ => value.to_string(),
            };
            (spelling, Some(value.to_string()))
        }
        DataType::Float => same(format!("{:?}", f32::from_bits(rng.u32(..0x7f80_0000)))),
        DataType::Double => {
            let value =
                if rng.bool() { rng.i32(..) as f64 / 8.0 } else { f64::from_bits(rng.u64(..0x7ff0_0000_0000_0000)) };
            same(format!("{value:?}"))
        }
        DataType::Decimal { .. } => {
            let value = rng.i64(..) / 1000;
            (format!("{value}.5"), Some(format!("{value}.500")))
        }
        DataType::Date => same(format!("\"{:04}-{:02}-{:02}\"", rng.u16(1..9999), rng.u8(1..=12), rng.u8(1..=28))),
        DataType::Timestamp | DataType::TimestampNtz => {
            let (day, hour, second) = (rng.u8(1..=28), rng.u8(..24), rng.u8(..60));
            let clock = format!("2024-02-{day:02}T{hour:02}:59:{second:02}");
            if *data_type == DataType::TimestampNtz {
                return same(format!("\"{clock}\""));
            }
            (format!("\"{clock}.0000009Z\""), Some(format!("\"{clock}Z\"")))
        }
        DataType::Binary => {
            use base64::Engine;
            let bytes: Vec<u8> = (0..rng.usize(..20)).map(|_| rng.u8(..)).collect();
            same(format!("\"{}\"", base64::engine::general_purpose::STANDARD.encode(bytes)))
        }
        DataType::Variant => same(r#"{"k": [1.0, {"q":"\n"}], "l":null}"#.to_owned()),
        DataType::Array(array) => {
            let mut spelling = vec![];
            let mut written = vec![];
            for _ in 0..rng.usize(..4) {
                let (s, w) = random_member(rng, &array.element, array.contains_null);
                spelling.push(s);
                written.push(w.unwrap_or_else(|| "null".to_owned()));
            }
            let pad = space(rng);
            (
                format!("[{pad}{}{pad}]", spelling.join(&format!("{pad},{pad}"))),
                Some(format!("[{}]", written.join(","))),
            )
        }
        DataType::Map(map) => {
            let mut spelling = vec![];
            let mut written = vec![];
            for i in 0..rng.usize(..4) {
                let (s, w) = random_member(rng, &map.value, map.value_contains_null);
                spelling.push(format!("\"k{i}\":{s}"));
                written.push(format!("\"k{i}\":{}", w.unwrap_or_else(|| "null".to_owned())));
            }
            (format!("{{{}}}", spelling.join(",")), Some(format!("{{{}}}", written.join(","))))
        }
        DataType::Struct(inner) => random_object(rng, inner, false),
    }
}

/// A value, or null where that is allowed.
fn random_member(rng: &mut Rng, data_type: &DataType, nullable: bool) -> (String, Option<String>) {
    if nullable && rng.u8(..5) == 0 {
        return ("null".to_owned(), None);
    }
    random_value(rng, data_type)
}

fn random_object(rng: &mut Rng, schema: &StructType, record: bool) -> (String, Option<String>) {
    let mut spelling = vec!["\"unknown\":[{\"a\":[\"]\"]},-0.5e-7]".to_owned()];
    let mut written = vec![];
    let mut nulls = vec![];
    for field in &schema.fields {
        let name = quoted(&field.name);
        nulls.push(format!("{name}:null"));
        if field.nullable && rng.u8(..3) == 0 {
            continue;
        }
        let (s, w) = random_member(rng, &field.data_type, field.nullable);
        if rng.u8(..8) == 0 {
            // An earlier member of the same name, which does not count.
            let (earlier, _) = random_value(rng, &field.data_type);
            spelling.push(format!("{name}:{earlier}"));
        }
        let (before, after) = (space(rng), space(rng));
        spelling.push(format!("{before}{}{before}:{after}{s}{after}", spelled(rng, &field.name)));
        written.extend(w.map(|w| format!("{name}:{w}")));
    }
    let keep_order = spelling.len() > 2 && spelling.iter().any(|s| s.contains("\\u"));
    if !keep_order {
        spelling.rotate_left(1);
    }
    let written = if written.is_empty() && !record { nulls } else { written };
    (format!("{{{}}}", spelling.join(",")), Some(format!("{{{}}}", written.join(","))))
}

fn lines(records: &[String]) -> JsonLines {
    JsonLines { bytes: Bytes::from(records.join("\n")), rows: records.len() }
}

fn written(decoder: &mut super::Decoder) -> String {
    String::from_utf8(arrow_to_json(&decoder.flush().unwrap()).unwrap().bytes.to_vec()).unwrap()
}

/// A record that no schema here takes: its first required or any typed member is an impossible value.
fn spoiled(rng: &mut Rng, schema: &StructType) -> Option<String> {
    let field = schema.fields.iter().find(|f| {
        !matches!(f.data_type, DataType::Variant | DataType::String | DataType::Array(_) | DataType::Map(_))
    })?;
    let (good, _) = random_object(rng, schema, true);
    Some(format!("{},{}:[{{\"n\":1}}]}}", good.strip_suffix('}')?, quoted(&field.name)))
}

/// A change to a text at a random place.
fn damaged(rng: &mut Rng, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..bytes.len());
        let byte = b"{}[]\",:\\0-.eEtfn u\x01\x80\n"[rng.usize(..21)];
        match rng.u8(..3) {
            0 => bytes[at] = byte,
            1 => bytes.insert(at, byte),
            _ => drop(bytes.remove(at)),
        }
        if bytes.is_empty() {
            bytes.push(b' ');
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_record_of_any_schema_reads_as_the_model_says(seed: u64) {
        let rng = &mut Rng::with_seed(seed);
        let schema = random_struct(rng, 3, false);
        let rows = rng.usize(1..20);
        let (records, want): (Vec<_>, Vec<_>) = (0..rows).map(|_| random_object(rng, &schema, true)).unzip();
        let mut decoder = decoder(&schema);
        for _ in 0..2 {
            decoder.decode_lines(&lines(&records), BadRows::Fail).unwrap();
            let want: String = want.iter().map(|w| w.clone().unwrap() + "\n").collect();
            prop_assert_eq!(written(&mut decoder), want);
        }
    }

    #[test]
    fn what_is_written_reads_back_as_it_was(seed: u64) {
        let rng = &mut Rng::with_seed(seed);
        let schema = random_struct(rng, 3, false);
        let records: Vec<_> = (0..8).map(|_| random_object(rng, &schema, true).0).collect();
        let mut decoder = decoder(&schema);
        decoder.decode_lines(&lines(&records), BadRows::Fail).unwrap();
        let batch = decoder.flush().unwrap();
        decoder.decode_lines(&arrow_to_json(&batch).unwrap(), BadRows::Fail).unwrap();
        prop_assert_eq!(decoder.flush().unwrap(), batch);
    }

    #[test]
    fn refused_rows_do_not_touch_their_neighbours(seed: u64) {
        let rng = &mut Rng::with_seed(seed);
        let schema = random_struct(rng, 3, false);
        let (mut all, mut good, mut bad) = (vec![], vec![], vec![]);
        for _ in 0..rng.usize(1..20) {
            let (record, want) = random_object(rng, &schema, true);
            match spoiled(rng, &schema) {
                Some(spoiled) if rng.bool() => {
                    bad.push(spoiled.clone());
                    all.push(spoiled);
                }
                _ => {
                    good.push(want.unwrap() + "\n");
                    all.push(record);
                }
            }
        }
        let mut decoder = decoder(&schema);
        let quarantined = decoder.decode_lines(&lines(&all), BadRows::Quarantine).unwrap();
        prop_assert_eq!(quarantined.iter().map(|q| q.record.to_vec()).collect::<Vec<_>>(), bad.iter().map(|b| b.as_bytes().to_vec()).collect::<Vec<_>>());
        prop_assert_eq!(written(&mut decoder), good.concat());
    }

    #[test]
    fn a_cut_record_is_an_error_wherever_it_is_cut(seed: u64) {
        let rng = &mut Rng::with_seed(seed);
        let schema = random_struct(rng, 3, false);
        let record = random_object(rng, &schema, true).0;
        let mut at = rng.usize(1..record.len());
        while !record.is_char_boundary(at) {
            at -= 1;
        }
        let mut decoder = decoder(&schema);
        let error = decoder.decode_record(&mut Scanner::new(&record[..at])).unwrap_err();
        prop_assert_eq!((error.kind(), decoder.rows()), (ErrorKind::Protocol, 0));
    }

    #[test]
    fn damage_is_judged_as_serde_json_does_and_never_panics(seed: u64) {
        let rng = &mut Rng::with_seed(seed);
        let schema = random_struct(rng, 3, false);
        let record = random_object(rng, &schema, true).0;
        let bytes = damaged(rng, &record);
        let want = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok() && std::str::from_utf8(&bytes).is_ok();
        let skipped = Scanner::from_utf8(&bytes).and_then(|mut s| s.skip().map(drop).and_then(|()| s.end()));
        prop_assert_eq!(skipped.is_ok(), want, "{}", String::from_utf8_lossy(&bytes));
        let mut decoder = decoder(&schema);
        let rows = JsonLines { bytes: Bytes::from(bytes), rows: 1 };
        let read = decoder.decode_lines(&rows, BadRows::Quarantine);
        prop_assert_eq!(read.is_ok(), want);
        prop_assert_eq!(decoder.flush().unwrap().num_rows(), read.map_or(0, |bad| 1 - bad.len()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let schema = random_struct(&mut Rng::with_seed(1), 3, false);
        let _ = decoder(&schema).decode_lines(&JsonLines { bytes: Bytes::from(bytes), rows: 1 }, BadRows::Quarantine);
    }

    #[test]
    fn plain_records_read_as_arrow_json_reads_them(seed: u64) {
        let rng = &mut Rng::with_seed(seed);
        let schema = random_struct(rng, 3, true);
        let mut ours = decoder(&schema);
        let records: Vec<_> = (0..6).map(|_| random_object(rng, &schema, true).1.unwrap()).collect();
        ours.decode_lines(&lines(&records), BadRows::Fail).unwrap();
        let mut theirs = ReaderBuilder::new(Arc::new(schema.to_arrow())).build_decoder().unwrap();
        theirs.decode(&lines(&records).bytes).unwrap();
        prop_assert_eq!(ours.flush().unwrap(), theirs.flush().unwrap().unwrap());
    }
}
