//! One column of any type: reading a value into it, rolling back, handing over to Arrow.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{ArrayRef, BinaryArray, BooleanArray, Decimal128Array, PrimitiveArray, StringArray},
    buffer::{BooleanBuffer, ScalarBuffer},
    datatypes::{
        ArrowPrimitiveType, DataType as ArrowType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type,
        Int32Type, Int64Type, TimestampMicrosecondType,
    },
};

use super::{
    buffers::{Fixed, Varying, Verbatim},
    cast,
    decoder::PartialDates,
    fault::{Fault, Found, Step},
    nested::{List, Pairs, Struct},
    scanner::Scanner,
    shape::TypeShape,
    time::Zone,
};
use crate::{
    error::{Error, ErrorKind, Result},
    types::DataType,
};

/// A column's buffers. A row is null until a value is put there; the length is the last value's row plus one.
#[derive(Debug)]
pub(super) enum Column {
    Text(Varying),
    Variant(Varying),
    Binary(Varying),
    Boolean(Fixed<bool>),
    Byte(Fixed<i8>),
    Short(Fixed<i16>),
    Int(Fixed<i32>),
    Long(Fixed<i64>),
    Float(Fixed<f32>),
    Double(Fixed<f64>),
    Decimal(Fixed<i128>, u8, i8),
    Date(Fixed<i32>, PartialDates),
    Timestamp(Fixed<i64>, PartialDates, Zone),
    List(Box<List>),
    Map(Box<Pairs>),
    Struct(Box<Struct>),
    /// The text of whole records.
    Record(Verbatim),
}

/// Calls the same method on whatever buffers a column has.
macro_rules! each {
    ($column:expr, $buffer:ident => $call:expr) => {
        match $column {
            Column::Text($buffer) | Column::Variant($buffer) | Column::Binary($buffer) => $call,
            Column::Boolean($buffer) => $call,
            Column::Byte($buffer) => $call,
            Column::Short($buffer) => $call,
            Column::Int($buffer) | Column::Date($buffer, _) => $call,
            Column::Long($buffer) | Column::Timestamp($buffer, ..) => $call,
            Column::Float($buffer) => $call,
            Column::Double($buffer) => $call,
            Column::Decimal($buffer, ..) => $call,
            Column::List($buffer) => $call,
            Column::Map($buffer) => $call,
            Column::Struct($buffer) => $call,
            Column::Record($buffer) => $call,
        }
    };
}

impl Column {
    pub(super) fn new(data_type: &DataType, shape: &TypeShape, arrow: &ArrowType, partial: PartialDates) -> Self {
        match (data_type, shape, arrow) {
            (DataType::String, ..) => Self::Text(Varying::default()),
            (DataType::Variant, ..) => Self::Variant(Varying::default()),
            (DataType::Binary, ..) => Self::Binary(Varying::default()),
            (DataType::Boolean, ..) => Self::Boolean(Fixed::default()),
            (DataType::Byte, ..) => Self::Byte(Fixed::default()),
            (DataType::Short, ..) => Self::Short(Fixed::default()),
            (DataType::Int, ..) => Self::Int(Fixed::default()),
            (DataType::Long, ..) => Self::Long(Fixed::default()),
            (DataType::Float, ..) => Self::Float(Fixed::default()),
            (DataType::Double, ..) => Self::Double(Fixed::default()),
            (DataType::Decimal { precision, scale }, ..) => Self::Decimal(Fixed::default(), *precision, *scale),
            (DataType::Date, ..) => Self::Date(Fixed::default(), partial),
            (DataType::Timestamp, ..) => Self::Timestamp(Fixed::default(), partial, Zone::Utc),
            (DataType::TimestampNtz, ..) => Self::Timestamp(Fixed::default(), partial, Zone::None),
            (DataType::Array(array), TypeShape::Element(element), ArrowType::List(field)) => {
                Self::List(Box::new(List::new(array, element, field, partial)))
            }
            (DataType::Map(map), TypeShape::Pair(pair), ArrowType::Map(field, _)) => {
                Self::Map(Box::new(Pairs::new(map, pair, field, partial)))
            }
            (DataType::Struct(inner), TypeShape::Struct(shape), ArrowType::Struct(fields)) => {
                Self::Struct(Box::new(Struct::new(inner, shape, fields, partial)))
            }
            _ => unreachable!("a type, its shape and its Arrow type are made from each other"),
        }
    }

    /// Reads the next value into row `at`; `null` leaves the row null.
    #[inline]
    pub(super) fn read(&mut self, at: usize, s: &mut Scanner) -> Step {
        let byte = s.next_byte();
        // Most are text: a branch is foreseen more often than a jump.
        if byte == b'"'
            && let Self::Text(c) = self
        {
            return cast::string(s, c, at).map_err(|f| f.expecting(|| self.type_name()));
        }
        if byte == b'n' {
            s.literal("null")?;
            self.clear(at);
            return Ok(());
        }
        self.read_value(at, s)
    }

    /// As [`Column::read`], for what is neither a string for a text nor `null`.
    #[inline(never)]
    fn read_value(&mut self, at: usize, s: &mut Scanner) -> Step {
        match self {
            Self::Text(c) => cast::text(s, c, at),
            Self::Struct(c) => return c.read(at, s),
            Self::List(c) => return c.read(at, s),
            Self::Map(c) => return c.read(at, s),
            Self::Variant(c) => Ok(s.skip()?).and_then(|text| c.put(at, text.as_bytes())),
            Self::Record(c) => Ok(s.skip()?).and_then(|text| c.put(at, text)),
            Self::Binary(c) => c.put_with(at, |out| cast::binary(s, out)),
            Self::Boolean(c) => cast::boolean(s).map(|v| c.put(at, v)),
            Self::Byte(c) => cast::integer(s).map(|v| c.put(at, v)),
            Self::Short(c) => cast::integer(s).map(|v| c.put(at, v)),
            Self::Int(c) => cast::integer(s).map(|v| c.put(at, v)),
            Self::Long(c) => cast::integer(s).map(|v| c.put(at, v)),
            Self::Float(c) => cast::float(s).map(|v| c.put(at, v)),
            Self::Double(c) => cast::double(s).map(|v| c.put(at, v)),
            Self::Decimal(c, precision, scale) => cast::decimal(s, *precision, *scale).map(|v| c.put(at, v)),
            Self::Date(c, partial) => cast::date(s, *partial).map(|v| c.put(at, v)),
            Self::Timestamp(c, partial, zone) => cast::timestamp(s, *zone, *partial).map(|v| c.put(at, v)),
        }
        .map_err(|f| f.expecting(|| self.type_name()))
    }

    /// Puts text as it is into row `at`.
    pub(super) fn put_text(&mut self, at: usize, text: &str) -> Step {
        match self {
            Self::Text(c) | Self::Variant(c) => c.put(at, text.as_bytes()),
            Self::Record(c) => c.put(at, text),
            _ => Err(Fault::full()),
        }
    }

    /// Casts a map key as if it were a string value.
    pub(super) fn read_key(&mut self, at: usize, key: &str) -> Step {
        if let Self::Text(c) = self {
            return c.put(at, key.as_bytes());
        }
        let literal = serde_json::Value::from(key).to_string();
        self.read(at, &mut Scanner::new(&literal)).map_err(|fault| match *fault {
            Fault::Full => fault,
            _ => Fault::misfit(self.type_name(), Found::MapKey),
        })
    }

    /// The bytes of a key that was read, for telling keys apart.
    pub(super) fn key_bytes(&self, row: usize) -> Cow<'_, [u8]> {
        fn of<T, const N: usize>(values: &Fixed<T>, row: usize, bytes: impl Fn(T) -> [u8; N]) -> Cow<'static, [u8]>
        where
            T: Copy + Default,
        {
            values.get(row).map_or(Cow::Borrowed(&[]), |v| Cow::Owned(bytes(v).to_vec()))
        }
        match self {
            Self::Text(c) | Self::Variant(c) | Self::Binary(c) => Cow::Borrowed(c.get(row)),
            Self::Boolean(c) => of(c, row, |v| [u8::from(v)]),
            Self::Byte(c) => of(c, row, i8::to_be_bytes),
            Self::Short(c) => of(c, row, i16::to_be_bytes),
            Self::Int(c) | Self::Date(c, _) => of(c, row, i32::to_be_bytes),
            Self::Long(c) | Self::Timestamp(c, ..) => of(c, row, i64::to_be_bytes),
            Self::Float(c) => of(c, row, f32::to_be_bytes),
            Self::Double(c) => of(c, row, f64::to_be_bytes),
            Self::Decimal(c, ..) => of(c, row, i128::to_be_bytes),
            Self::List(_) | Self::Map(_) | Self::Struct(_) | Self::Record(_) => Cow::Borrowed(&[]),
        }
    }

    /// The last value's row plus one.
    pub(super) fn len(&self) -> usize {
        each!(self, c => c.len())
    }

    /// Makes row `at` and what follows null again.
    pub(super) fn clear(&mut self, at: usize) {
        if self.len() > at {
            self.truncate(at);
        }
    }

    /// Drops every trace of the rows from `rows` on, half-written ones too.
    pub(super) fn truncate(&mut self, rows: usize) {
        each!(self, c => c.cut(rows));
    }

    /// Bytes in the buffers.
    pub(super) fn bytes(&self) -> usize {
        each!(self, c => c.bytes())
    }

    /// The first `rows` rows as an Arrow array; the column starts again.
    pub(super) fn take(&mut self, rows: usize) -> Result<ArrayRef> {
        Ok(match self {
            Self::Text(c) | Self::Variant(c) => {
                let (offsets, data, nulls) = c.take(rows);
                Arc::new(StringArray::try_new(offsets, data, nulls).map_err(broken)?)
            }
            Self::Binary(c) => {
                let (offsets, data, nulls) = c.take(rows);
                Arc::new(BinaryArray::try_new(offsets, data, nulls).map_err(broken)?)
            }
            Self::Boolean(c) => {
                let (values, nulls) = c.take(rows);
                Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls))
            }
            Self::Byte(c) => Arc::new(primitive::<Int8Type>(c, rows)?),
            Self::Short(c) => Arc::new(primitive::<Int16Type>(c, rows)?),
            Self::Int(c) => Arc::new(primitive::<Int32Type>(c, rows)?),
            Self::Long(c) => Arc::new(primitive::<Int64Type>(c, rows)?),
            Self::Float(c) => Arc::new(primitive::<Float32Type>(c, rows)?),
            Self::Double(c) => Arc::new(primitive::<Float64Type>(c, rows)?),
            Self::Date(c, _) => Arc::new(primitive::<Date32Type>(c, rows)?),
            Self::Timestamp(c, _, zone) => {
                let array = primitive::<TimestampMicrosecondType>(c, rows)?;
                Arc::new(if *zone == Zone::Utc { array.with_timezone("UTC") } else { array })
            }
            Self::Decimal(c, precision, scale) => {
                let (values, nulls) = c.take(rows);
                let array = Decimal128Array::try_new(ScalarBuffer::from(values), nulls).map_err(broken)?;
                Arc::new(array.with_precision_and_scale(*precision, *scale).map_err(broken)?)
            }
            Self::List(c) => c.take(rows)?,
            Self::Map(c) => c.take(rows)?,
            Self::Struct(c) => c.take(rows)?,
            Self::Record(c) => Arc::new(c.take(rows)),
        })
    }

    /// The type as Spark's DDL writes it, without what is inside.
    pub(super) fn type_name(&self) -> String {
        match self {
            Self::Text(_) | Self::Record(_) => "string",
            Self::Variant(_) => "variant",
            Self::Binary(_) => "binary (base64)",
            Self::Boolean(_) => "boolean",
            Self::Byte(_) => "tinyint",
            Self::Short(_) => "smallint",
            Self::Int(_) => "int",
            Self::Long(_) => "bigint",
            Self::Float(_) => "float",
            Self::Double(_) => "double",
            Self::Decimal(_, precision, scale) => return format!("decimal({precision},{scale})"),
            Self::Date(..) => "date",
            Self::Timestamp(_, _, Zone::Utc) => "timestamp",
            Self::Timestamp(_, _, Zone::None) => "timestamp_ntz",
            Self::List(_) => "array",
            Self::Map(_) => "map",
            Self::Struct(_) => "struct",
        }
        .to_owned()
    }
}

fn primitive<T: ArrowPrimitiveType>(column: &mut Fixed<T::Native>, rows: usize) -> Result<PrimitiveArray<T>> {
    let (values, nulls) = column.take(rows);
    PrimitiveArray::try_new(ScalarBuffer::from(values), nulls).map_err(broken)
}

/// Arrow refuses buffers only when this module filled them wrongly.
#[cold]
pub(super) fn broken(cause: arrow::error::ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "decoded columns do not form a valid batch").caused_by(cause)
}
