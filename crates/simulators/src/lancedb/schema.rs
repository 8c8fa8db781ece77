//! Schemas as descriptions tell them: each dialect has words of its own, and both lose something.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use serde_json::{Map, Value, json};

use super::{config::Dialect, refusal::Refusal};

/// A schema in the words of a dialect.
///
/// # Errors
/// For a type that the dialect has no word for.
pub(crate) fn shown(schema: &Schema, dialect: Dialect) -> Result<Value, Refusal> {
    let fields = schema.fields().iter().map(|field| shown_field(field, dialect)).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "fields": fields, "metadata": schema.metadata() }))
}

fn shown_field(field: &Field, dialect: Dialect) -> Result<Value, Refusal> {
    let mut shown = Map::new();
    shown.insert("name".to_owned(), field.name().as_str().into());
    shown.insert("type".to_owned(), shown_type(field.data_type(), dialect)?);
    shown.insert("nullable".to_owned(), field.is_nullable().into());
    if !field.metadata().is_empty() {
        shown.insert("metadata".to_owned(), json!(field.metadata()));
    }
    Ok(Value::Object(shown))
}

fn shown_type(data_type: &DataType, dialect: Dialect) -> Result<Value, Refusal> {
    let nested = |word: &str, fields: Vec<&Field>| -> Result<Map<String, Value>, Refusal> {
        let fields = fields.into_iter().map(|field| shown_field(field, dialect)).collect::<Result<Vec<_>, _>>()?;
        let mut shown = Map::new();
        shown.insert("type".to_owned(), word.into());
        shown.insert("fields".to_owned(), fields.into());
        Ok(shown)
    };
    let with_length = |mut shown: Map<String, Value>, length: i64| {
        shown.insert("length".to_owned(), length.into());
        shown
    };
    let shown = match data_type {
        DataType::List(item) => nested("list", vec![item])?,
        DataType::LargeList(item) => nested("large_list", vec![item])?,
        DataType::FixedSizeList(item, size) => with_length(nested("fixed_size_list", vec![item])?, i64::from(*size)),
        DataType::Struct(fields) => nested("struct", fields.iter().map(AsRef::as_ref).collect())?,
        DataType::Map(entries, _) if dialect == Dialect::Namespace => nested("map", vec![entries])?,
        DataType::Dictionary(_, value) if dialect == Dialect::Namespace => return shown_type(value, dialect),
        DataType::FixedSizeBinary(size) => {
            let shown = Map::from_iter([("type".to_owned(), Value::from("fixed_size_binary"))]);
            with_length(shown, i64::from(*size))
        }
        other => {
            let mut shown = Map::new();
            match dialect {
                Dialect::Cloud => {
                    let word = logical(other).ok_or_else(|| {
                        Refusal::failed(format!("Unsupported data type: {other} has no logical type"))
                    })?;
                    shown.insert("type".to_owned(), word.into());
                }
                Dialect::Namespace => {
                    let (word, length) = plain(other);
                    shown.insert("type".to_owned(), word.into());
                    if let Some(length) = length {
                        shown.insert("length".to_owned(), length.into());
                    }
                }
            }
            shown
        }
    };
    Ok(Value::Object(shown))
}

fn unit(unit: &TimeUnit) -> &'static str {
    match unit {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    }
}

/// The word of the format's own logical types; there is none for maps.
fn logical(data_type: &DataType) -> Option<String> {
    Some(match data_type {
        DataType::Float16 => "halffloat".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Utf8 => "string".to_owned(),
        DataType::LargeUtf8 => "large_string".to_owned(),
        DataType::Date32 => "date32:day".to_owned(),
        DataType::Date64 => "date64:ms".to_owned(),
        DataType::Time32(of) => format!("time32:{}", unit(of)),
        DataType::Time64(of) => format!("time64:{}", unit(of)),
        DataType::Timestamp(of, zone) => format!("timestamp:{}:{}", unit(of), zone.as_deref().unwrap_or("-")),
        DataType::Duration(of) => format!("duration:{}", unit(of)),
        DataType::Decimal128(precision, scale) => format!("decimal:128:{precision}:{scale}"),
        DataType::Decimal256(precision, scale) => format!("decimal:256:{precision}:{scale}"),
        DataType::Dictionary(key, value) => format!("dict:{}:{}:false", logical(value)?, logical(key)?),
        other => return simple(other).map(str::to_owned),
    })
}

/// Words that both dialects have.
fn simple(data_type: &DataType) -> Option<&'static str> {
    Some(match data_type {
        DataType::Null => "null",
        DataType::Boolean => "bool",
        DataType::Int8 => "int8",
        DataType::Int16 => "int16",
        DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::UInt8 => "uint8",
        DataType::UInt16 => "uint16",
        DataType::UInt32 => "uint32",
        DataType::UInt64 => "uint64",
        DataType::Binary => "binary",
        DataType::LargeBinary => "large_binary",
        _ => return None,
    })
}

/// The word of the Namespace, which tells neither units nor zones, and its length.
fn plain(data_type: &DataType) -> (&'static str, Option<i64>) {
    let decimal = |precision: u8, scale: i8| Some(i64::from(precision) * 1000 + i64::from(scale));
    match data_type {
        DataType::Float16 => ("float16", None),
        DataType::Float32 => ("float32", None),
        DataType::Float64 => ("float64", None),
        DataType::Utf8 => ("utf8", None),
        DataType::LargeUtf8 => ("large_utf8", None),
        DataType::Date32 => ("date32", None),
        DataType::Date64 => ("date64", None),
        DataType::Time32(_) => ("time32", None),
        DataType::Time64(_) => ("time64", None),
        DataType::Timestamp(..) => ("timestamp", None),
        DataType::Duration(_) => ("duration", None),
        DataType::Decimal128(precision, scale) => ("decimal128", decimal(*precision, *scale)),
        DataType::Decimal256(precision, scale) => ("decimal256", decimal(*precision, *scale)),
        other => (simple(other).unwrap_or("null"), None),
    }
}
