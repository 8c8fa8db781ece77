//! Spark types from and to Arrow.
//!
//! Child names (`element`, `key_value`, `key`, `value`), the time zone `UTC` and the text form of field metadata
//! are the ones that the Delta kernel gives the same schema, so batches reach a table without a cast.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, Fields, Schema, TimeUnit};
use serde_json::{Map, Value};

use super::{ArrayType, DataType, MapType, StructField, StructType, names};
use crate::error::{Error, ErrorKind, Result};

/// The Arrow field metadata key that names a Spark type which its Arrow type does not tell: `variant`.
pub const SPARK_TYPE_KEY: &str = "lakeflow.spark_type";
const VARIANT: &str = "variant";

impl StructType {
    /// The Arrow schema of this schema.
    ///
    /// Field metadata becomes text: a string as it is, anything else as JSON. A variant is JSON text in `Utf8` with
    /// [`SPARK_TYPE_KEY`] on its field.
    pub fn to_arrow(&self) -> Schema {
        Schema::new(self.arrow_fields())
    }

    /// The schema of an Arrow schema.
    ///
    /// Types without a Spark equal are widened where no value is lost: unsigned integers to the next larger signed
    /// one (`UInt64` to `decimal(20,0)`), `Float16` to float, every text, list, dictionary and run-end layout to its plain type.
    /// Metadata values are strings, as Arrow has them.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported), naming the field, for durations, times of day, intervals, unions, nulls and
    /// decimals beyond 38 digits.
    pub fn from_arrow(schema: &Schema) -> Result<Self> {
        fields_from_arrow(schema.fields(), "")
    }

    fn arrow_fields(&self) -> Fields {
        self.fields.iter().map(StructField::to_arrow).collect()
    }
}

impl StructField {
    /// The Arrow field of this field; see [`StructType::to_arrow`].
    pub fn to_arrow(&self) -> Field {
        let field = arrow_field(&self.name, &self.data_type, self.nullable);
        let mut metadata: HashMap<_, _> = self.metadata.iter().map(|(k, v)| (k.clone(), metadata_text(v))).collect();
        metadata.extend(field.metadata().clone());
        field.with_metadata(metadata)
    }

    /// The field of an Arrow field.
    ///
    /// # Errors
    /// As [`StructType::from_arrow`].
    pub fn from_arrow(field: &Field) -> Result<Self> {
        field_from_arrow(field, "")
    }
}

impl DataType {
    /// The Arrow type of this type. [`Variant`](DataType::Variant) is `Utf8`; only a field can tell it from a string.
    pub fn to_arrow(&self) -> ArrowType {
        match self {
            Self::String | Self::Variant => ArrowType::Utf8,
            Self::Boolean => ArrowType::Boolean,
            Self::Byte => ArrowType::Int8,
            Self::Short => ArrowType::Int16,
            Self::Int => ArrowType::Int32,
            Self::Long => ArrowType::Int64,
            Self::Float => ArrowType::Float32,
            Self::Double => ArrowType::Float64,
            Self::Decimal { precision, scale } => ArrowType::Decimal128(*precision, *scale),
            Self::Date => ArrowType::Date32,
            Self::Timestamp => ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::TimestampNtz => ArrowType::Timestamp(TimeUnit::Microsecond, None),
            Self::Binary => ArrowType::Binary,
            Self::Array(a) => ArrowType::List(Arc::new(arrow_field("element", &a.element, a.contains_null))),
            Self::Map(m) => {
                let entry = [arrow_field("key", &m.key, false), arrow_field("value", &m.value, m.value_contains_null)];
                let entries = Field::new("key_value", ArrowType::Struct(entry.into_iter().collect()), false);
                ArrowType::Map(Arc::new(entries), false)
            }
            Self::Struct(s) => ArrowType::Struct(s.arrow_fields()),
        }
    }

    /// The type of an Arrow type.
    ///
    /// # Errors
    /// As [`StructType::from_arrow`].
    pub fn from_arrow(arrow: &ArrowType) -> Result<Self> {
        type_from_arrow(arrow, "")
    }
}

fn arrow_field(name: &str, data_type: &DataType, nullable: bool) -> Field {
    let field = Field::new(name, data_type.to_arrow(), nullable);
    match data_type {
        DataType::Variant => field.with_metadata([(SPARK_TYPE_KEY.to_owned(), VARIANT.to_owned())].into()),
        _ => field,
    }
}

fn metadata_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn fields_from_arrow(fields: &Fields, parent: &str) -> Result<StructType> {
    fields.iter().map(|f| field_from_arrow(f, parent)).collect::<Result<Vec<_>>>().map(StructType::new)
}

fn field_from_arrow(field: &Field, parent: &str) -> Result<StructField> {
    let mut metadata: Vec<_> = field.metadata().iter().filter(|(k, _)| *k != SPARK_TYPE_KEY).collect();
    metadata.sort();
    Ok(StructField {
        name: field.name().clone(),
        data_type: child_type(field, &join(parent, field.name()))?,
        nullable: field.is_nullable(),
        metadata: metadata.into_iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect::<Map<_, _>>(),
    })
}

/// The type of a field, list element, map key or map value.
fn child_type(field: &Field, path: &str) -> Result<DataType> {
    let data_type = type_from_arrow(field.data_type(), path)?;
    let marked = field.metadata().get(SPARK_TYPE_KEY).is_some_and(|t| t == VARIANT);
    Ok(if marked && data_type == DataType::String { DataType::Variant } else { data_type })
}

fn type_from_arrow(arrow: &ArrowType, path: &str) -> Result<DataType> {
    let list = |element: &FieldRef| -> Result<DataType> {
        let contains_null = element.is_nullable();
        Ok(DataType::Array(Box::new(ArrayType {
            element: child_type(element, &join(path, "element"))?,
            contains_null,
        })))
    };
    Ok(match arrow {
        ArrowType::Boolean => DataType::Boolean,
        ArrowType::Int8 => DataType::Byte,
        ArrowType::Int16 | ArrowType::UInt8 => DataType::Short,
        ArrowType::Int32 | ArrowType::UInt16 => DataType::Int,
        ArrowType::Int64 | ArrowType::UInt32 => DataType::Long,
        ArrowType::UInt64 => DataType::Decimal { precision: 20, scale: 0 },
        ArrowType::Float16 | ArrowType::Float32 => DataType::Float,
        ArrowType::Float64 => DataType::Double,
        ArrowType::Decimal32(p, s)
        | ArrowType::Decimal64(p, s)
        | ArrowType::Decimal128(p, s)
        | ArrowType::Decimal256(p, s) => {
            // A negative scale counts zeros before the point: the same numbers, with those zeros written out.
            let (precision, scale) = (i64::from(*p), i64::from(*s));
            names::decimal(precision - scale.min(0), scale.max(0)).map_err(|e| e.with("field", place(path)))?
        }
        ArrowType::Date32 | ArrowType::Date64 => DataType::Date,
        ArrowType::Timestamp(_, Some(_)) => DataType::Timestamp,
        ArrowType::Timestamp(_, None) => DataType::TimestampNtz,
        ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View => DataType::String,
        ArrowType::Binary | ArrowType::LargeBinary | ArrowType::BinaryView | ArrowType::FixedSizeBinary(_) => {
            DataType::Binary
        }
        ArrowType::List(e)
        | ArrowType::LargeList(e)
        | ArrowType::ListView(e)
        | ArrowType::LargeListView(e)
        | ArrowType::FixedSizeList(e, _) => list(e)?,
        ArrowType::Dictionary(_, value) => type_from_arrow(value, path)?,
        ArrowType::RunEndEncoded(_, values) => child_type(values, path)?,
        ArrowType::Struct(fields) => DataType::Struct(fields_from_arrow(fields, path)?),
        ArrowType::Map(entries, _) => match entries.data_type() {
            ArrowType::Struct(entry) if entry.len() == 2 => DataType::Map(Box::new(MapType {
                key: child_type(&entry[0], &join(path, "key"))?,
                value: child_type(&entry[1], &join(path, "value"))?,
                value_contains_null: entry[1].is_nullable(),
            })),
            _ => return Err(unsupported(arrow, path)),
        },
        ArrowType::Null
        | ArrowType::Time32(_)
        | ArrowType::Time64(_)
        | ArrowType::Duration(_)
        | ArrowType::Interval(_)
        | ArrowType::Union(_, _) => return Err(unsupported(arrow, path)),
    })
}

fn unsupported(arrow: &ArrowType, path: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the Arrow type {arrow} has no Spark type"))
        .with("field", place(path))
        .help("convert the column before it is read, for example durations and times to long or string")
}

fn place(path: &str) -> &str {
    if path.is_empty() { "(the type itself)" } else { path }
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}
