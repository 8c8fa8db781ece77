//! Spark's schema JSON.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

use super::{ArrayType, DataType, MapType, StructField, StructType};
use crate::error::{Error, ErrorKind, Result};

/// Where Spark keeps the collations of a field's strings.
const COLLATIONS_KEY: &str = "__COLLATIONS";

impl StructType {
    /// Spark's schema JSON, byte for byte what PySpark's `StructType.json()` writes: keys sorted, no spaces, ASCII only.
    ///
    /// ```
    /// use lakeflow_connect::{DataType, StructField, StructType};
    /// let schema = StructType::new([StructField::required("id", DataType::Long)]);
    /// assert_eq!(schema.to_json(), r#"{"fields":[{"metadata":{},"name":"id","nullable":false,"type":"long"}],"type":"struct"}"#);
    /// ```
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        write_struct(&mut out, self);
        out
    }

    /// Reads Spark's schema JSON: what PySpark, Spark and Delta write, keys in any order.
    ///
    /// A missing `nullable` is true and missing `metadata` is empty, as in PySpark. Type names may also be the ones that
    /// DDL takes (`int`, `bigint`).
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for text that is not a schema, [`Unsupported`](ErrorKind::Unsupported) for types that
    /// tables here cannot have (char, varchar, collated strings, intervals, user-defined types); both name the field.
    pub fn from_json(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(|e| {
            // The text of a serde_json error may quote the input only as a type name and position.
            Error::new(ErrorKind::Config, "the schema is not JSON").with("line", e.line()).with("column", e.column())
        })?;
        match read_type(&value, "")? {
            DataType::Struct(schema) => Ok(schema),
            _ => Err(broken("the outermost type must be a struct", "")),
        }
    }
}

fn write_struct(out: &mut String, schema: &StructType) {
    out.push_str("{\"fields\":[");
    for (i, field) in schema.fields.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str("{\"metadata\":");
        write_object(out, &field.metadata);
        out.push_str(",\"name\":");
        write_text(out, &field.name);
        out.push_str(",\"nullable\":");
        write_bool(out, field.nullable);
        out.push_str(",\"type\":");
        write_type(out, &field.data_type);
        out.push('}');
    }
    out.push_str("],\"type\":\"struct\"}");
}

fn write_type(out: &mut String, data_type: &DataType) {
    match data_type {
        DataType::Array(a) => {
            out.push_str("{\"containsNull\":");
            write_bool(out, a.contains_null);
            out.push_str(",\"elementType\":");
            write_type(out, &a.element);
            out.push_str(",\"type\":\"array\"}");
        }
        DataType::Map(m) => {
            out.push_str("{\"keyType\":");
            write_type(out, &m.key);
            out.push_str(",\"type\":\"map\",\"valueContainsNull\":");
            write_bool(out, m.value_contains_null);
            out.push_str(",\"valueType\":");
            write_type(out, &m.value);
            out.push('}');
        }
        DataType::Struct(s) => write_struct(out, s),
        atomic => match atomic.atomic_json_name() {
            Some(name) => write_text(out, name),
            None => write_text(out, &atomic.to_string()),
        },
    }
}

fn write_bool(out: &mut String, value: bool) {
    out.push_str(if value { "true" } else { "false" });
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(b) => write_bool(out, *b),
        Value::Number(n) => write_number(out, n),
        Value::String(s) => write_text(out, s),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => write_object(out, map),
    }
}

fn write_object(out: &mut String, map: &Map<String, Value>) {
    // Sorted here: the map itself keeps insertion order when a dependency turns that on.
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    out.push('{');
    for (i, (key, value)) in entries.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write_text(out, key);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

/// Integers as digits; floats as Python prints them: shortest digits, an exponent below 1e-4 and from 1e16 on.
fn write_number(out: &mut String, number: &Number) {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        out.push_str(&number.to_string());
        return;
    };
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if float != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        // Writing to a String cannot fail.
        let _ = write!(out, "{digits}e{sign}{:02}", exponent.abs());
    } else {
        let _ = write!(out, "{float:?}");
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

fn read_type(value: &Value, path: &str) -> Result<DataType> {
    let object = match value {
        Value::String(name) => {
            return DataType::from_ddl(name).map_err(|e| e.with("field", place(path)));
        }
        Value::Object(object) => object,
        _ => return Err(broken("a type must be a name or an object", path)),
    };
    match object.get("type").and_then(Value::as_str) {
        Some("struct") => match object.get("fields") {
            Some(Value::Array(fields)) => {
                Ok(DataType::structure(fields.iter().map(|f| read_field(f, path)).collect::<Result<Vec<_>>>()?))
            }
            _ => Err(broken("a struct must have a list of 'fields'", path)),
        },
        Some("array") => Ok(DataType::Array(Box::new(ArrayType {
            element: read_type(member(object, "elementType", path)?, &join(path, "element"))?,
            contains_null: flag(object, "containsNull", None, path)?,
        }))),
        Some("map") => Ok(DataType::Map(Box::new(MapType {
            key: read_type(member(object, "keyType", path)?, &join(path, "key"))?,
            value: read_type(member(object, "valueType", path)?, &join(path, "value"))?,
            value_contains_null: flag(object, "valueContainsNull", None, path)?,
        }))),
        Some(other) => super::names::atomic(other)
            .and_then(|_| Err(broken("a type without parts must be a name, not an object", path)))
            .map_err(|e| e.with("field", place(path))),
        None => Err(broken("a type object must have 'type'", path)),
    }
}

fn read_field(value: &Value, parent: &str) -> Result<StructField> {
    let Value::Object(object) = value else {
        return Err(broken("a field must be an object", parent));
    };
    let Some(name) = object.get("name").and_then(Value::as_str) else {
        return Err(broken("a field must have a 'name'", parent));
    };
    let path = join(parent, name);
    let metadata = match object.get("metadata") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(metadata)) => metadata.clone(),
        Some(_) => return Err(broken("'metadata' must be an object", &path)),
    };
    if metadata.contains_key(COLLATIONS_KEY) {
        return Err(Error::new(ErrorKind::Unsupported, "strings with a collation are not supported")
            .with("field", path)
            .help("use a plain string column"));
    }
    Ok(StructField {
        name: name.to_owned(),
        data_type: read_type(member(object, "type", &path)?, &path)?,
        nullable: flag(object, "nullable", Some(true), &path)?,
        metadata,
    })
}

fn member<'a>(object: &'a Map<String, Value>, key: &str, path: &str) -> Result<&'a Value> {
    object.get(key).ok_or_else(|| broken(format!("'{key}' is missing"), path))
}

fn flag(object: &Map<String, Value>, key: &str, default: Option<bool>, path: &str) -> Result<bool> {
    match (object.get(key), default) {
        (Some(Value::Bool(value)), _) => Ok(*value),
        (None, Some(value)) => Ok(value),
        _ => Err(broken(format!("'{key}' must be true or false"), path)),
    }
}

fn broken(why: impl Into<std::borrow::Cow<'static, str>>, path: &str) -> Error {
    Error::new(ErrorKind::Config, why)
        .with("field", place(path))
        .help("the text must be Spark schema JSON, as StructType.json() writes it")
}

fn place(path: &str) -> &str {
    if path.is_empty() { "(schema)" } else { path }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}
