//! Names of types: the ones Spark writes and the synonyms it reads.

use std::fmt;

use super::{DataType, StructField, StructType};
use crate::{
    error::{Error, ErrorKind, Result},
    near::{near_matches, quoted_list},
};

/// The digits of a decimal whose digits are not given, as in Spark.
pub(super) const DEFAULT_DECIMAL: DataType = DataType::Decimal { precision: 10, scale: 0 };

const ATOMIC: &[(&str, DataType)] = &[
    ("string", DataType::String),
    ("boolean", DataType::Boolean),
    ("tinyint", DataType::Byte),
    ("byte", DataType::Byte),
    ("smallint", DataType::Short),
    ("short", DataType::Short),
    ("int", DataType::Int),
    ("integer", DataType::Int),
    ("bigint", DataType::Long),
    ("long", DataType::Long),
    ("float", DataType::Float),
    ("real", DataType::Float),
    ("double", DataType::Double),
    ("decimal", DEFAULT_DECIMAL),
    ("dec", DEFAULT_DECIMAL),
    ("numeric", DEFAULT_DECIMAL),
    ("date", DataType::Date),
    ("timestamp", DataType::Timestamp),
    ("timestamp_ltz", DataType::Timestamp),
    ("timestamp_ntz", DataType::TimestampNtz),
    ("binary", DataType::Binary),
    ("variant", DataType::Variant),
];

/// Spark types that tables here cannot have, and what to use in their place.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("char", "use string: a fixed length would pad or refuse values"),
    ("character", "use string: a fixed length would pad or refuse values"),
    ("varchar", "use string: a limited length would refuse values"),
    ("interval", "use long with the unit in the name, or string"),
    ("time", "use string or long"),
    ("void", "give the column a type"),
    ("null", "give the column a type"),
    ("udt", "use the type that the user-defined type is stored as"),
    ("object", "use struct or variant"),
    ("geometry", "use binary (WKB) or string (WKT)"),
    ("geography", "use binary (WKB) or string (WKT)"),
];

/// The type of an atomic type name, case ignored, without digits in parentheses.
pub(super) fn atomic(name: &str) -> Result<DataType> {
    let lower = name.to_ascii_lowercase();
    if let Some((_, data_type)) = ATOMIC.iter().find(|(n, _)| *n == lower) {
        return Ok(data_type.clone());
    }
    if let Some((_, help)) = UNSUPPORTED.iter().find(|(n, _)| *n == lower) {
        return Err(Error::new(ErrorKind::Unsupported, format!("the type '{lower}' is not supported")).help(*help));
    }
    let error = Error::new(ErrorKind::Config, format!("there is no type named '{name}'"));
    let known = ATOMIC.iter().map(|(n, _)| *n).chain(["array", "map", "struct"]);
    Err(match near_matches(&lower, known).as_slice() {
        [] => error,
        near => error.help(format!("did you mean {}?", quoted_list(near))),
    })
}

/// A decimal of these digits, when Spark could store it.
pub(super) fn decimal(precision: i64, scale: i64) -> Result<DataType> {
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p @ 1..=38), Ok(s @ 0..)) if i64::from(s) <= precision => Ok(DataType::Decimal { precision: p, scale: s }),
        _ => Err(Error::new(ErrorKind::Unsupported, format!("decimal({precision},{scale}) cannot be stored"))
            .help("a decimal has 1 to 38 digits, of which 0 to all are after the point")),
    }
}

impl DataType {
    /// The name Spark's schema JSON has for this type, for types that are not nested.
    pub(super) fn atomic_json_name(&self) -> Option<&'static str> {
        Some(match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Byte => "byte",
            Self::Short => "short",
            Self::Int => "integer",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::TimestampNtz => "timestamp_ntz",
            Self::Binary => "binary",
            Self::Variant => "variant",
            Self::Decimal { .. } | Self::Array(_) | Self::Map(_) | Self::Struct(_) => return None,
        })
    }
}

/// Spark's `simpleString`: `array<struct<code:string,rank:bigint>>`.
impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Byte => f.write_str("tinyint"),
            Self::Short => f.write_str("smallint"),
            Self::Int => f.write_str("int"),
            Self::Long => f.write_str("bigint"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Array(a) => write!(f, "array<{}>", a.element),
            Self::Map(m) => write!(f, "map<{},{}>", m.key, m.value),
            Self::Struct(s) => s.fmt(f),
            other => f.write_str(other.atomic_json_name().unwrap_or_default()),
        }
    }
}

/// Spark's `simpleString`: `struct<id:string,rank:bigint>`.
impl fmt::Display for StructType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("struct<")?;
        for (i, StructField { name, data_type, .. }) in self.fields.iter().enumerate() {
            write!(f, "{}{name}:{data_type}", if i == 0 { "" } else { "," })?;
        }
        f.write_str(">")
    }
}
