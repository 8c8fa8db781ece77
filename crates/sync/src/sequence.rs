//! The columns of a history: from which sequencing value on a version of a row is valid, and up to which.

use std::{cmp::Ordering, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array},
    compute::interleave,
    datatypes::{DataType, Schema},
    row::{RowConverter, Rows, SortField},
};
use lakeflow_connect::{Error, ErrorKind, Result, arrow};

use crate::{
    cursor::{order_of_texts, text_cursor},
    error::sink,
    keys::ColumnPath,
};

/// The sequencing value at which a version begins.
pub(crate) const START_AT: &str = "__START_AT";
/// The sequencing value at which it ends: that of the next version or of the deletion; null while it is the current one.
pub(crate) const END_AT: &str = "__END_AT";

/// A sequencing value: text itself, or a value of another type as bytes.
pub(crate) type Moment = Box<[u8]>;

/// Reads, orders and writes sequencing values of one type.
#[derive(Debug)]
pub(crate) struct Sequence {
    pub(crate) start: ColumnPath,
    pub(crate) end: ColumnPath,
    /// Absent for text.
    rows: Option<RowConverter>,
}

impl Sequence {
    /// For a table with the columns of a history.
    pub(crate) fn new(table: &Schema) -> Result<Self> {
        let find = |name| {
            ColumnPath::find(table, name)
                .ok_or_else(|| Error::new(ErrorKind::Sink, "the table has no column of a history").with("column", name))
        };
        let (start, end) = (find(START_AT)?, find(END_AT)?);
        let rows = match &start.data_type {
            DataType::Utf8 => None,
            other => Some(RowConverter::new(vec![SortField::new(other.clone())]).map_err(failed)?),
        };
        Ok(Self { start, end, rows })
    }

    /// The values of a column of this type.
    pub(crate) fn values(&self, array: ArrayRef) -> Result<Moments> {
        match &self.rows {
            None => Ok(Moments::Texts(array.as_string::<i32>().clone())),
            Some(converter) => {
                let rows = converter.convert_columns(&[Arc::clone(&array)]).map_err(failed)?;
                Ok(Moments::Rows(array, rows))
            }
        }
    }

    /// The order of two values: greater is later.
    pub(crate) fn order(&self, a: &[u8], b: &[u8]) -> Ordering {
        let text = |bytes| text_cursor(std::str::from_utf8(bytes).unwrap_or_default());
        if self.rows.is_none() { order_of_texts(&text(a), &text(b)) } else { a.cmp(b) }
    }

    /// Values as a column.
    pub(crate) fn array<'m>(&self, moments: impl Iterator<Item = &'m [u8]>) -> Result<ArrayRef> {
        match &self.rows {
            None => Ok(Arc::new(moments.map(|m| std::str::from_utf8(m).ok()).collect::<StringArray>())),
            Some(converter) => {
                let parser = converter.parser();
                let arrays = converter.convert_rows(moments.map(|m| parser.parse(m))).map_err(failed)?;
                arrays.into_iter().next().ok_or_else(|| Error::new(ErrorKind::Internal, "a moment has no column"))
            }
        }
    }

    /// A batch with other values in some rows of `__END_AT`; the rows in order.
    pub(crate) fn with_ends(&self, batch: &RecordBatch, ends: &[(u32, &[u8])]) -> Result<RecordBatch> {
        let column = batch.schema_ref().index_of(END_AT).map_err(failed)?;
        let old = batch.column(column);
        let new = self.array(ends.iter().map(|(_, moment)| *moment))?;
        let mut places: Vec<(usize, usize)> = (0..batch.num_rows()).map(|row| (0, row)).collect();
        for (i, (row, _)) in ends.iter().enumerate() {
            if let Some(place) = places.get_mut(*row as usize) {
                *place = (1, i);
            }
        }
        let mut columns = batch.columns().to_vec();
        columns[column] = interleave(&[old.as_ref(), new.as_ref()], &places).map_err(failed)?;
        RecordBatch::try_new(batch.schema(), columns).map_err(failed)
    }

    /// A batch split into versions that are over and those that are current, in the order of rows.
    pub(crate) fn split(&self, batch: &RecordBatch) -> Result<[RecordBatch; 2]> {
        let ends = self.end.extract(batch)?;
        let rows = |over: bool| {
            let some = (0..batch.num_rows()).filter(|row| ends.is_null(*row) != over).map(|row| row as u64);
            arrow::compute::take_record_batch(batch, &some.collect::<UInt64Array>()).map_err(failed)
        };
        Ok([rows(true)?, rows(false)?])
    }
}

fn failed(error: arrow::error::ArrowError) -> Error {
    sink("writing a history", error)
}

/// Sequencing values of a batch.
pub(crate) enum Moments {
    Rows(ArrayRef, Rows),
    Texts(StringArray),
}

impl Moments {
    /// The value of a row, if it has one.
    pub(crate) fn get(&self, row: usize) -> Option<&[u8]> {
        match self {
            Self::Rows(array, rows) => array.is_valid(row).then(|| rows.row(row).data()),
            Self::Texts(texts) => texts.is_valid(row).then(|| texts.value(row).as_bytes()),
        }
    }
}
