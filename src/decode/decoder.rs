//! Records in, record batches out.

use std::sync::Arc;

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
};

use super::{
    column::broken,
    fault::{Fault, Misfit},
    nested::Struct,
    row_error::{RowError, TableNames},
    scanner::Scanner,
    shape::Shape,
};
use crate::{
    error::{Error, ErrorKind, Result},
    read::{BadRows, JsonLines, QuarantinedRow},
};

/// What a date or timestamp column makes of a date that is not given in full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartialDates {
    /// It does not fit, and the row is refused.
    #[default]
    Reject,
    /// It is the first instant of the year, month or day, in UTC.
    FirstInstant,
}

/// What a decoder needs to know beside the shape.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// The table's name, for errors.
    pub table: String,
    /// The columns that name a row in a quarantine; dotted for nested fields.
    pub primary_keys: Vec<String>,
    /// What to do with `2012` or `2012-05` in a date, and with these or `2012-05-03` in a timestamp.
    pub partial_dates: PartialDates,
}

impl DecodeOptions {
    /// Options for a table without known keys; partial dates are refused.
    pub fn new(table: impl Into<String>) -> Self {
        Self { table: table.into(), ..Self::default() }
    }

    /// Sets the columns that name a row in a quarantine.
    #[must_use]
    pub fn primary_keys(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.primary_keys = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets what becomes of partial dates.
    #[must_use]
    pub fn partial_dates(mut self, partial_dates: PartialDates) -> Self {
        self.partial_dates = partial_dates;
        self
    }
}

/// Turns JSON records into record batches of one shape, one row at a time, without a tree per row.
///
/// ```
/// use std::sync::Arc;
/// use lakeflow_connect::decode::{DecodeOptions, Decoder, Scanner, Shape};
/// use lakeflow_connect::{DataType, StructField, StructType};
///
/// # fn main() -> lakeflow_connect::Result<()> {
/// let schema = StructType::new([StructField::new("id", DataType::String), StructField::new("n", DataType::Long)]);
/// let mut decoder = Decoder::new(Arc::new(Shape::new(&schema)), DecodeOptions::new("t").primary_keys(["id"]));
/// let mut page = Scanner::new(r#"[{"id": "a", "n": "1"}, {"id": "b", "n": "one"}, {"n": 3.0}]"#);
/// let mut bad = Vec::new();
/// page.enter_array()?;
/// while page.next_element()? {
///     if let Err(row) = decoder.decode_record(&mut page)? {
///         bad.push(row);
///     }
/// }
/// page.end()?;
/// assert_eq!(bad[0].to_string(), "column 'n': expected bigint, found text that does not spell one");
/// assert_eq!(bad[0].key.as_deref(), Some(r#"{"id":"b"}"#));
/// assert_eq!(decoder.flush()?.num_rows(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Decoder {
    shape: Arc<Shape>,
    names: Arc<TableNames>,
    root: Struct,
}

impl Decoder {
    /// A decoder without rows.
    pub fn new(shape: Arc<Shape>, options: DecodeOptions) -> Self {
        let DecodeOptions { table, primary_keys, partial_dates } = options;
        let root = Struct::new(shape.schema(), shape.root(), shape.arrow_schema().fields(), partial_dates);
        Self { root, names: Arc::new(TableNames { table, primary_keys }), shape }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(self.shape.arrow_schema())
    }

    /// How many rows wait for [`Decoder::flush`].
    pub fn rows(&self) -> usize {
        self.root.len()
    }

    /// Bytes held for those rows. It visits every column: ask once a page, not once a row. Flush long before
    /// 2 GiB, the most that one column of one batch can hold.
    pub fn buffered_bytes(&self) -> usize {
        self.root.bytes()
    }

    /// Drops the rows from the given one on.
    pub fn truncate(&mut self, rows: usize) {
        if rows < self.rows() {
            self.root.cut(rows);
        }
    }

    /// Reads the record that comes next and appends it as one row.
    ///
    /// A record that does not fit leaves no trace here, and the scanner is past it: the caller may go on. Its text is
    /// what the scanner read from [`RowError::byte`] on.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when the text is not JSON; [`Data`](ErrorKind::Data) when a column is full; then the
    /// scanner is before the record again, which may be read after a [`Decoder::flush`]. Rows already there are kept.
    pub fn decode_record(&mut self, scanner: &mut Scanner) -> Result<Result<(), RowError>> {
        scanner.next_byte();
        let mark = scanner.mark();
        let row = self.rows();
        let Err(fault) = self.root.read_record(row, scanner) else { return Ok(Ok(())) };
        self.root.cut(row);
        match *fault {
            Fault::Text(error) => Err(error.with("table", &self.names.table)),
            Fault::Full => {
                scanner.reset(mark);
                Err(self.full())
            }
            Fault::Value(found) => {
                Err(Error::new(ErrorKind::Internal, "a value without a column").with("found", found.as_str()))
            }
            Fault::Row(misfit) => {
                scanner.reset(mark);
                let byte = scanner.position();
                let record = scanner.skip()?;
                Ok(Err(self.row_error(misfit, record, byte)))
            }
        }
    }

    /// Reads all records of some lines; returns those that do not fit when they are to be quarantined.
    ///
    /// # Errors
    /// As [`Decoder::decode_record`]; [`Data`](ErrorKind::Data) for the first record that does not fit under [`BadRows::Fail`];
    /// [`Internal`](ErrorKind::Internal) when the lines hold another number of records than they say. After an error no row
    /// of these lines is kept.
    pub fn decode_lines(&mut self, lines: &JsonLines, bad_rows: BadRows) -> Result<Vec<QuarantinedRow>> {
        let rows = self.rows();
        let result = self.try_decode_lines(lines, bad_rows);
        if result.is_err() {
            self.truncate(rows);
        }
        result
    }

    fn try_decode_lines(&mut self, lines: &JsonLines, bad_rows: BadRows) -> Result<Vec<QuarantinedRow>> {
        let mut scanner = Scanner::from_utf8(&lines.bytes)?;
        let mut quarantined = Vec::new();
        let mut records = 0;
        while !scanner.is_at_end() {
            let start = scanner.position();
            match self.decode_record(&mut scanner)? {
                Ok(()) => {}
                Err(row) if bad_rows == BadRows::Quarantine => {
                    quarantined.push(row.quarantine(lines.bytes.slice(start..scanner.position())));
                }
                Err(row) => return Err(Error::from(row).with("record", records)),
            }
            records += 1;
        }
        if records != lines.rows {
            return Err(Error::new(ErrorKind::Internal, "lines do not hold as many records as they say")
                .with("table", &self.names.table)
                .with("expected", lines.rows)
                .with("found", records));
        }
        Ok(quarantined)
    }

    /// The rows so far as a batch; the decoder starts again.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) when Arrow refuses the buffers, which is a bug.
    pub fn flush(&mut self) -> Result<RecordBatch> {
        let rows = self.root.take_rows();
        let columns = self.root.take_columns(rows)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema(), columns, &options).map_err(broken)
    }

    #[cold]
    fn row_error(&self, misfit: Misfit, record: &str, byte: usize) -> RowError {
        let mut path = misfit.path;
        path.reverse();
        RowError {
            column: path.join("."),
            expected: misfit.expected,
            found: misfit.found.as_str(),
            key: self.key_of(record),
            byte,
            table: Arc::clone(&self.names),
        }
    }

    /// The record's key as a JSON object, when all of its columns can be found.
    fn key_of(&self, record: &str) -> Option<String> {
        let columns = &self.names.primary_keys;
        let mut key = String::new();
        for column in columns {
            key.push(if key.is_empty() { '{' } else { ',' });
            key.push_str(&serde_json::Value::from(column.as_str()).to_string());
            key.push(':');
            key.push_str(self.shape.find(record, column)?);
        }
        (!columns.is_empty()).then(|| key + "}")
    }

    #[cold]
    fn full(&self) -> Error {
        Error::new(ErrorKind::Data, "a column of one batch would hold more than 2 GiB")
            .with("table", &self.names.table)
            .with("rows", self.rows())
            .help("flush more often")
    }
}
