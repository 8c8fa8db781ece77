//! The columns of a batch that a reader fills in, by type.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayBuilder, ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, ListArray, MapArray,
        StringBuilder, StructArray, TimestampMicrosecondBuilder,
    },
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::DataType as ArrowType,
    error::ArrowError,
};

use super::tables::{Column, Kind};
use crate::error::{Error, ErrorKind, Result};

/// A column that the reader fills.
pub(super) struct Fill {
    pub(super) name: &'static str,
    pub(super) values: Values,
    /// Rows that it has.
    pub(super) len: usize,
}

/// Values by type.
pub(super) enum Values {
    Text(StringBuilder),
    Long(Int64Builder),
    Double(Float64Builder),
    Boolean(BooleanBuilder),
    Timestamp(TimestampMicrosecondBuilder),
    Date(Date32Builder),
    Texts(Lists),
    /// Keys; values by row.
    Map(StringBuilder, Lists),
}

/// Texts by row.
pub(super) struct Lists {
    texts: StringBuilder,
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl Lists {
    fn new() -> Self {
        Self { texts: StringBuilder::new(), ends: vec![0], valid: Vec::new() }
    }

    /// Appends a row of texts.
    pub(super) fn row(&mut self, append: impl FnOnce(&mut StringBuilder)) {
        append(&mut self.texts);
        self.end(true);
    }

    fn end(&mut self, valid: bool) {
        self.ends.push(i32::try_from(self.texts.len()).unwrap_or(i32::MAX));
        self.valid.push(valid);
    }

    fn nulls(&mut self) -> Option<NullBuffer> {
        let valid = std::mem::take(&mut self.valid);
        valid.contains(&false).then(|| NullBuffer::from(valid))
    }

    fn offsets(&mut self) -> OffsetBuffer<i32> {
        OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.ends, vec![0])))
    }
}

impl Values {
    /// Appends a row without a value.
    pub(super) fn null(&mut self) {
        match self {
            Self::Text(builder) => builder.append_null(),
            Self::Long(builder) => builder.append_null(),
            Self::Double(builder) => builder.append_null(),
            Self::Boolean(builder) => builder.append_null(),
            Self::Timestamp(builder) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Texts(lists) | Self::Map(_, lists) => lists.end(false),
        }
    }
}

impl Fill {
    pub(super) fn new(column: &Column) -> Self {
        let values = match column.kind {
            Kind::Text => Values::Text(StringBuilder::new()),
            Kind::Long => Values::Long(Int64Builder::new()),
            Kind::Double => Values::Double(Float64Builder::new()),
            Kind::Boolean => Values::Boolean(BooleanBuilder::new()),
            Kind::Timestamp => Values::Timestamp(TimestampMicrosecondBuilder::new()),
            Kind::Date => Values::Date(Date32Builder::new()),
            Kind::Texts => Values::Texts(Lists::new()),
            Kind::TextMap => Values::Map(StringBuilder::new(), Lists::new()),
        };
        Self { name: column.name, values, len: 0 }
    }

    /// Rows that were not filled are null.
    pub(super) fn pad(&mut self, rows: usize) {
        while self.len < rows {
            self.values.null();
            self.len += 1;
        }
    }

    /// The column.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) when the schema has another type for it, which is a bug.
    pub(super) fn finish(&mut self, wanted: &ArrowType) -> Result<ArrayRef> {
        self.len = 0;
        Ok(match &mut self.values {
            Values::Text(builder) => Arc::new(builder.finish()),
            Values::Long(builder) => Arc::new(builder.finish()),
            Values::Double(builder) => Arc::new(builder.finish()),
            Values::Boolean(builder) => Arc::new(builder.finish()),
            Values::Timestamp(builder) => Arc::new(builder.finish().with_data_type(wanted.clone())),
            Values::Date(builder) => Arc::new(builder.finish()),
            Values::Texts(lists) => {
                let ArrowType::List(element) = wanted else { return Err(broken("a list column")) };
                let (texts, offsets, nulls) = (lists.texts.finish(), lists.offsets(), lists.nulls());
                Arc::new(ListArray::try_new(Arc::clone(element), offsets, Arc::new(texts), nulls).map_err(refused)?)
            }
            Values::Map(keys, lists) => {
                let ArrowType::Map(entries, _) = wanted else { return Err(broken("a map column")) };
                let ArrowType::Struct(fields) = entries.data_type() else { return Err(broken("a map column")) };
                let (offsets, nulls) = (lists.offsets(), lists.nulls());
                let pairs: Vec<ArrayRef> = vec![Arc::new(keys.finish()), Arc::new(lists.texts.finish())];
                let pairs = StructArray::try_new(fields.clone(), pairs, None).map_err(refused)?;
                Arc::new(MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, false).map_err(refused)?)
            }
        })
    }
}

/// A column has another type in the schema.
pub(super) fn broken(what: &'static str) -> Error {
    Error::new(ErrorKind::Internal, "a column's type is not the one of its values").with("expected", what)
}

/// Arrow takes the columns for no batch.
pub(super) fn refused(error: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "Arrow refused the columns of a batch").caused_by(error)
}
