//! Arrow to JSON lines.

use std::{io::Write, ops::Range, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, ListArray, MapArray, PrimitiveArray,
        RecordBatch, StringArray, StructArray,
    },
    compute::{CastOptions, cast_with_options},
    datatypes::{
        Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        TimestampMicrosecondType,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime};

use super::Scanner;
use crate::{
    error::{Error, ErrorKind, Result},
    read::JsonLines,
    types::{DataType, StructField, StructType},
};

/// Writes a batch as one JSON object per line, so that reading it back by the same schema gives the same batch.
///
/// Null columns and members are left out; null elements of arrays and values of maps are `null`. A struct
/// that is there but has no member writes its members as `null`, since `{}` reads back as null. Timestamps
/// are ISO 8601 in UTC with `Z`, with as many of 0, 3 or 6 fraction digits as they need; `timestamp_ntz` has no `Z`.
/// Decimals are numbers with all digits of their scale, doubles the shortest number that reads back the same
/// (`"NaN"`, `"Infinity"` and `"-Infinity"` as text), binary is base64 text, a variant is its JSON.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) for Arrow types without a Spark type; [`Data`](ErrorKind::Data), naming
/// the column, for dates outside the years 1 to 9999 and for variants that are not JSON.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int64Array, RecordBatch};
/// use lakeflow_connect::decode::arrow_to_json;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let column: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
/// let lines = arrow_to_json(&RecordBatch::try_from_iter([("n", column)])?)?;
/// assert_eq!(&lines.bytes[..], b"{\"n\":1}\n{}\n");
/// # Ok(())
/// # }
/// ```
pub fn arrow_to_json(batch: &RecordBatch) -> Result<JsonLines> {
    let schema = StructType::from_arrow(&batch.schema())?;
    let arrow = schema.to_arrow();
    let columns: Vec<ArrayRef> =
        batch.columns().iter().zip(arrow.fields()).map(|(c, f)| plain(c, f)).collect::<Result<_>>()?;
    let members = members(&schema, &columns);
    let mut out = Vec::with_capacity(batch.get_array_memory_size());
    for row in 0..batch.num_rows() {
        write_members(&members, row, &mut out, false)?;
        out.push(b'\n');
    }
    Ok(JsonLines { bytes: Bytes::from(out), rows: batch.num_rows() })
}

/// The column in the one Arrow type that its Spark type has.
fn plain(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(Arc::clone(column));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(column, field.data_type(), &options).map_err(|e| {
        Error::new(ErrorKind::Unsupported, "a column's Arrow type cannot be written as JSON")
            .with("column", field.name())
            .with("type", column.data_type())
            .caused_by(e)
    })
}

/// One column or member, ready to be written row by row.
struct Member<'a> {
    /// `"name":`
    key: String,
    name: &'a str,
    values: Values<'a>,
}

enum Values<'a> {
    Text(&'a StringArray),
    Variant(&'a StringArray),
    Binary(&'a BinaryArray),
    Boolean(&'a BooleanArray),
    Byte(&'a PrimitiveArray<Int8Type>),
    Short(&'a PrimitiveArray<Int16Type>),
    Int(&'a PrimitiveArray<Int32Type>),
    Long(&'a PrimitiveArray<Int64Type>),
    Float(&'a PrimitiveArray<Float32Type>),
    Double(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a Decimal128Array),
    Date(&'a PrimitiveArray<Date32Type>),
    Timestamp(&'a PrimitiveArray<TimestampMicrosecondType>),
    Ntz(&'a PrimitiveArray<TimestampMicrosecondType>),
    List(&'a ListArray, Box<Values<'a>>),
    Map(&'a MapArray, Box<(Values<'a>, Values<'a>)>),
    Struct(&'a StructArray, Vec<Member<'a>>),
}

fn members<'a>(schema: &'a StructType, columns: &'a [ArrayRef]) -> Vec<Member<'a>> {
    schema.fields.iter().zip(columns).map(|(field, column)| member(field, column)).collect()
}

fn member<'a>(field: &'a StructField, column: &'a ArrayRef) -> Member<'a> {
    let mut key = Vec::new();
    write_text(&field.name, &mut key);
    let key = String::from_utf8_lossy(&key).into_owned() + ":";
    Member { key, name: &field.name, values: Values::new(&field.data_type, column) }
}

impl<'a> Values<'a> {
    fn new(data_type: &'a DataType, array: &'a ArrayRef) -> Self {
        match data_type {
            DataType::String => Self::Text(array.as_string()),
            DataType::Variant => Self::Variant(array.as_string()),
            DataType::Binary => Self::Binary(array.as_binary()),
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Byte => Self::Byte(array.as_primitive()),
            DataType::Short => Self::Short(array.as_primitive()),
            DataType::Int => Self::Int(array.as_primitive()),
            DataType::Long => Self::Long(array.as_primitive()),
            DataType::Float => Self::Float(array.as_primitive()),
            DataType::Double => Self::Double(array.as_primitive()),
            DataType::Decimal { .. } => Self::Decimal(array.as_primitive::<Decimal128Type>()),
            DataType::Date => Self::Date(array.as_primitive()),
            DataType::Timestamp => Self::Timestamp(array.as_primitive()),
            DataType::TimestampNtz => Self::Ntz(array.as_primitive()),
            DataType::Array(inner) => {
                let list = array.as_list();
                Self::List(list, Box::new(Self::new(&inner.element, list.values())))
            }
            DataType::Map(inner) => {
                let map = array.as_map();
                Self::Map(map, Box::new((Self::new(&inner.key, map.keys()), Self::new(&inner.value, map.values()))))
            }
            DataType::Struct(inner) => {
                let structs = array.as_struct();
                Self::Struct(structs, members(inner, structs.columns()))
            }
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Self::Text(a) | Self::Variant(a) => a.is_null(row),
            Self::Binary(a) => a.is_null(row),
            Self::Boolean(a) => a.is_null(row),
            Self::Byte(a) => a.is_null(row),
            Self::Short(a) => a.is_null(row),
            Self::Int(a) => a.is_null(row),
            Self::Long(a) => a.is_null(row),
            Self::Float(a) => a.is_null(row),
            Self::Double(a) => a.is_null(row),
            Self::Decimal(a) => a.is_null(row),
            Self::Date(a) => a.is_null(row),
            Self::Timestamp(a) | Self::Ntz(a) => a.is_null(row),
            Self::List(a, _) => a.is_null(row),
            Self::Map(a, _) => a.is_null(row),
            Self::Struct(a, _) => a.is_null(row),
        }
    }

    fn write(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        if self.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match self {
            Self::Text(a) => write_text(a.value(row), out),
            Self::Variant(a) => return write_json(a.value(row), out),
            Self::Binary(a) => write_text(&STANDARD.encode(a.value(row)), out),
            Self::Boolean(a) => show(out, a.value(row)),
            Self::Byte(a) => show(out, a.value(row)),
            Self::Short(a) => show(out, a.value(row)),
            Self::Int(a) => show(out, a.value(row)),
            Self::Long(a) => show(out, a.value(row)),
            Self::Float(a) => write_float(a.value(row).into(), &format!("{:?}", a.value(row)), out),
            Self::Double(a) => write_float(a.value(row), &format!("{:?}", a.value(row)), out),
            Self::Decimal(a) => show(out, a.value_as_string(row)),
            Self::Date(a) => write_text(&date(a.value(row))?.format("%Y-%m-%d").to_string(), out),
            Self::Timestamp(a) => write_text(&format!("{}Z", clock(a.value(row))?.format("%Y-%m-%dT%H:%M:%S%.f")), out),
            Self::Ntz(a) => write_text(&clock(a.value(row))?.format("%Y-%m-%dT%H:%M:%S%.f").to_string(), out),
            Self::List(a, element) => {
                out.push(b'[');
                separated(range(a.value_offsets(), row), out, |i, out| element.write(i, out))?;
                out.push(b']');
            }
            Self::Map(a, entry) => {
                out.push(b'{');
                separated(range(a.value_offsets(), row), out, |i, out| {
                    entry.0.write_key(i, out)?;
                    out.push(b':');
                    entry.1.write(i, out)
                })?;
                out.push(b'}');
            }
            Self::Struct(_, members) => {
                let empty = members.iter().all(|m| m.values.is_null(row));
                write_members(members, row, out, empty)?;
            }
        }
        Ok(())
    }

    /// A map's key: always text.
    fn write_key(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        self.write(row, out)?;
        if out.get(start) != Some(&b'"') {
            let text = String::from_utf8_lossy(&out.split_off(start)).into_owned();
            write_text(&text, out);
        }
        Ok(())
    }
}

fn range(offsets: &[i32], row: usize) -> Range<usize> {
    let at = |i: usize| offsets.get(i).map_or(0, |o| *o as usize);
    at(row)..at(row + 1)
}

fn separated(
    rows: Range<usize>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    let first = rows.start;
    for row in rows {
        if row > first {
            out.push(b',');
        }
        write(row, out)?;
    }
    Ok(())
}

fn write_members(members: &[Member], row: usize, out: &mut Vec<u8>, nulls: bool) -> Result<()> {
    out.push(b'{');
    let start = out.len();
    for member in members.iter().filter(|m| nulls || !m.values.is_null(row)) {
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(member.key.as_bytes());
        member
            .values
            .write(row, out)
            .map_err(|e| if e.get("column").is_none() { e.with("column", member.name) } else { e })?;
    }
    out.push(b'}');
    Ok(())
}

fn show(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing to a vector does not fail.
    let _ = write!(out, "{value}");
}

fn write_float(value: f64, shortest: &str, out: &mut Vec<u8>) {
    let text = match () {
        () if value.is_nan() => "\"NaN\"",
        () if value == f64::INFINITY => "\"Infinity\"",
        () if value == f64::NEG_INFINITY => "\"-Infinity\"",
        () => shortest,
    };
    out.extend_from_slice(text.as_bytes());
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| b < b' ' || b == b'"' || b == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let byte = special.as_bytes().first().copied().unwrap_or(0);
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => show(out, format_args!("\\u{byte:04x}")),
        }
        rest = special.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

/// JSON text as it is, on one line: a line break can only be white space in it.
fn write_json(text: &str, out: &mut Vec<u8>) -> Result<()> {
    let mut scanner = Scanner::new(text);
    scanner
        .skip()
        .and_then(|_| scanner.end())
        .map_err(|_| Error::new(ErrorKind::Data, "a variant is not JSON text"))?;
    out.extend(text.bytes().map(|b| if matches!(b, b'\n' | b'\r') { b' ' } else { b }));
    Ok(())
}

fn date(days: i32) -> Result<NaiveDate> {
    let epoch = NaiveDate::default();
    let away = Days::new(u64::from(days.unsigned_abs()));
    let date = if days < 0 { epoch.checked_sub_days(away) } else { epoch.checked_add_days(away) };
    in_calendar(date, |d| *d)
}

fn clock(micros: i64) -> Result<NaiveDateTime> {
    in_calendar(DateTime::from_timestamp_micros(micros).map(|t| t.naive_utc()), |t| t.date())
}

fn in_calendar<T>(value: Option<T>, date: impl Fn(&T) -> NaiveDate) -> Result<T> {
    use chrono::Datelike;
    value
        .filter(|v| (1..=9999).contains(&date(v).year()))
        .ok_or_else(|| Error::new(ErrorKind::Data, "a date is outside the years 1 to 9999"))
}
