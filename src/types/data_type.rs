//! The types themselves.

use serde_json::{Map, Value};

/// A Spark SQL data type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataType {
    /// UTF-8 text.
    String,
    /// True or false.
    Boolean,
    /// 8-bit signed integer.
    Byte,
    /// 16-bit signed integer.
    Short,
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer.
    Long,
    /// 32-bit float.
    Float,
    /// 64-bit float.
    Double,
    /// Exact decimal.
    Decimal {
        /// Total digits, 1 to 38.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: i8,
    },
    /// Calendar date without zone.
    Date,
    /// Microseconds since the epoch, UTC.
    Timestamp,
    /// Microseconds of a wall clock without zone.
    TimestampNtz,
    /// Bytes.
    Binary,
    /// List of one type.
    Array(Box<ArrayType>),
    /// Keys to values.
    Map(Box<MapType>),
    /// Named fields.
    Struct(StructType),
    /// Semi-structured value (Spark 4); carried as JSON text in Arrow.
    Variant,
}

impl DataType {
    /// A nullable-element array.
    pub fn array(element: DataType) -> Self {
        Self::Array(Box::new(ArrayType { element, contains_null: true }))
    }

    /// A map with nullable values.
    pub fn map(key: DataType, value: DataType) -> Self {
        Self::Map(Box::new(MapType { key, value, value_contains_null: true }))
    }

    /// A struct of the given fields.
    pub fn structure(fields: impl IntoIterator<Item = StructField>) -> Self {
        Self::Struct(StructType::new(fields))
    }
}

/// Element type of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayType {
    /// Type of each element.
    pub element: DataType,
    /// Whether elements may be null.
    pub contains_null: bool,
}

/// Key and value types of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapType {
    /// Key type; keys are never null.
    pub key: DataType,
    /// Value type.
    pub value: DataType,
    /// Whether values may be null.
    pub value_contains_null: bool,
}

/// The field metadata key of a column that tells when the row was read; see [`StructField::read_time`].
pub const READ_TIME_KEY: &str = "lakeflow.read_time";

/// One column or struct member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StructField {
    /// Its name, case kept.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// Whether it may be null.
    pub nullable: bool,
    /// Spark's field metadata (a JSON object), for example `{"comment": "…"}`.
    pub metadata: Map<String, Value>,
}

impl StructField {
    /// A nullable field without metadata.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { name: name.into(), data_type, nullable: true, metadata: Map::new() }
    }

    /// A field that is never null.
    pub fn required(name: impl Into<String>, data_type: DataType) -> Self {
        Self { nullable: false, ..Self::new(name, data_type) }
    }

    /// Adds a comment, where Spark keeps it.
    #[must_use]
    pub fn comment(mut self, text: impl Into<String>) -> Self {
        self.metadata.insert("comment".to_owned(), Value::String(text.into()));
        self
    }

    /// Marks a column that tells when the row was read: rows that differ in nothing else are the same row, and hosts keep the
    /// one they have.
    #[must_use]
    pub fn read_time(mut self) -> Self {
        self.metadata.insert(READ_TIME_KEY.to_owned(), Value::Bool(true));
        self
    }
}

/// The schema of a table or struct: its fields in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StructType {
    /// The fields in order.
    pub fields: Vec<StructField>,
}

impl StructType {
    /// A schema of these fields.
    pub fn new(fields: impl IntoIterator<Item = StructField>) -> Self {
        Self { fields: fields.into_iter().collect() }
    }

    /// The field of that name, case-sensitive.
    pub fn field(&self, name: &str) -> Option<&StructField> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// The field names in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|f| f.name.as_str())
    }
}
