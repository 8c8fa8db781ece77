//! Items of lists into record batches: most columns straight from the JSON, some filled in by the reader.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType as ArrowType, SchemaRef},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{
    fills::{Fill, Values, refused},
    reading::Reading,
    tables::{Column, Source},
    webid::WebId,
};
use crate::{
    decode::{DecodeOptions, Decoder, FieldSource, Scanner, Shape},
    error::{Error, ErrorKind, Result},
    read::{BadRows, QuarantinedRow},
    types::StructType,
};

/// Rows of a table, until they are taken as a batch.
pub(super) struct Rows {
    schema: SchemaRef,
    columns: Vec<&'static Column>,
    /// Where each column is: in the decoded or among the filled ones.
    places: Vec<Place>,
    decoder: Decoder,
    decodes: bool,
    fills: Vec<Fill>,
    rows: usize,
    read_at: DateTime<Utc>,
    /// As the public connector: missing text is empty.
    empty_text: bool,
}

#[derive(Clone, Copy)]
enum Place {
    Decoded(usize),
    Filled(usize),
    ReadAt,
}

impl Rows {
    /// No rows yet of a table that is read at `read_at`.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) when the catalogue has a path that cannot be read.
    pub(super) fn new(reading: &Reading, read_at: DateTime<Utc>) -> Result<Self> {
        let compat = reading.is_compat();
        let columns: Vec<&'static Column> = reading.table.columns(compat).collect();
        let schema = Arc::new(reading.schema().to_arrow());
        let (mut decoded, mut fills, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for (column, field) in columns.iter().zip(reading.schema().fields) {
            places.push(match column.source {
                Source::Filled if column.name == "ingestion_timestamp" => Place::ReadAt,
                Source::Filled => {
                    fills.push(Fill::new(column));
                    Place::Filled(fills.len() - 1)
                }
                _ => {
                    decoded.push(field);
                    Place::Decoded(decoded.len() - 1)
                }
            });
        }
        let source = |path: &[&str]| {
            let column = columns.iter().find(|column| Some(&column.name) == path.first())?;
            match column.source {
                Source::Path(path) | Source::WebId(path) => Some(FieldSource::path(path)),
                Source::Json(path) => Some(FieldSource::json(path)),
                Source::Filled => None,
            }
        };
        let decodes = !decoded.is_empty();
        let shape = Shape::with_sources(&StructType::new(decoded), source)?;
        let keys = reading.metadata().primary_keys;
        let keys: Vec<String> = keys.into_iter().filter(|key| shape.schema().field(key).is_some()).collect();
        let decoder = Decoder::new(Arc::new(shape), DecodeOptions::new(reading.table.name).primary_keys(keys));
        Ok(Self { schema, columns, places, decoder, decodes, fills, rows: 0, read_at, empty_text: compat })
    }

    /// The fields to ask the server for, so that all decoded columns have their values.
    pub(super) fn fields(&self) -> Vec<&'static str> {
        let mut fields: Vec<&'static str> = Vec::new();
        for column in &self.columns {
            if let Source::Path(path) | Source::WebId(path) | Source::Json(path) = column.source {
                // A whole member: some servers do not select inside associations.
                let member = path.split(['.', '[']).next().unwrap_or(path);
                if !fields.contains(&member) {
                    fields.push(member);
                }
            }
        }
        fields
    }

    /// Appends a row: the decoded columns from an item, the others as `fill` says; what it does not fill is null.
    ///
    /// Gives the row back when it does not fit and bad rows are put aside.
    ///
    /// # Errors
    /// [`Data`](ErrorKind::Data) for an item that does not fit, [`Protocol`](ErrorKind::Protocol) for one that is not JSON.
    pub(super) fn push(
        &mut self,
        item: &[u8],
        bad_rows: BadRows,
        fill: impl FnOnce(&mut Filler<'_>) -> Result<()>,
    ) -> Result<Option<QuarantinedRow>> {
        if self.decodes {
            match self.decoder.decode_record(&mut Scanner::from_utf8(item)?)? {
                Ok(()) => {}
                Err(bad) if bad_rows == BadRows::Quarantine => {
                    return Ok(Some(bad.quarantine(Bytes::copy_from_slice(item))));
                }
                Err(bad) => return Err(bad.into()),
            }
        }
        self.rows += 1;
        let filled = fill(&mut Filler { columns: &mut self.fills, row: self.rows });
        self.fills.iter_mut().for_each(|fill| fill.pad(self.rows));
        filled.map(|()| None)
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// The rows as a batch; then there are none.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) for WebIDs in a spelling that changes; [`Internal`](ErrorKind::Internal) when Arrow
    /// refuses the columns.
    pub(super) fn flush(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        let decoded = self.decoder.flush()?;
        let mut columns = Vec::with_capacity(self.columns.len());
        for (at, place) in self.places.iter().enumerate() {
            let field_type = self.schema.field(at).data_type();
            let array = match *place {
                Place::Decoded(i) => {
                    let array = Arc::clone(decoded.column(i));
                    match self.columns[at].source {
                        Source::WebId(_) => canonical(&array, self.columns[at].name)?,
                        _ => array,
                    }
                }
                Place::Filled(i) => self.fills[i].finish(field_type)?,
                Place::ReadAt => {
                    let values = vec![self.read_at.timestamp_micros(); rows];
                    Arc::new(TimestampMicrosecondArray::from(values).with_data_type(field_type.clone()))
                }
            };
            columns.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(refused)?;
        if self.empty_text { with_empty_text(batch) } else { Ok(batch) }
    }
}

/// WebIDs in their one spelling, whatever the server answered.
fn canonical(array: &ArrayRef, column: &str) -> Result<ArrayRef> {
    let texts = array.as_string::<i32>();
    if texts.iter().flatten().all(|text| text.starts_with("I1")) {
        return Ok(Arc::clone(array));
    }
    let canonical = |text: &str| {
        if text.starts_with("I1") {
            return Ok(text.to_owned());
        }
        WebId::parse(text).map(|id| id.as_str().to_owned()).map_err(|error| {
            Error::new(
                ErrorKind::Protocol,
                "the server spells a WebID in a way that changes when the object is renamed",
            )
            .with("column", column)
            .help("use a PI Web API release that knows webIdType, 2017 R2 or later")
            .caused_by(error)
        })
    };
    let texts: Result<Vec<Option<String>>> = texts.iter().map(|text| text.map(canonical).transpose()).collect();
    Ok(Arc::new(StringArray::from(texts?)))
}

/// As the public connector has it: missing text is empty.
///
/// # Errors
/// [`Internal`](ErrorKind::Internal) for a bug.
pub(super) fn with_empty_text(batch: RecordBatch) -> Result<RecordBatch> {
    let (schema, mut columns, rows) = batch.into_parts();
    for array in &mut columns {
        if *array.data_type() == ArrowType::Utf8 && array.null_count() > 0 {
            let texts = array.as_string::<i32>().iter().map(Option::unwrap_or_default);
            *array = Arc::new(StringArray::from_iter_values(texts));
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(refused)
}

/// Takes the values of a row's filled columns, by name. A name that the schema does not have is passed over, so that a
/// reader need not know which columns were asked for.
pub(super) struct Filler<'a> {
    columns: &'a mut [Fill],
    row: usize,
}

impl Filler<'_> {
    fn put(&mut self, column: &str, put: impl FnOnce(&mut Values)) {
        if let Some(fill) = self.columns.iter_mut().find(|fill| fill.name == column && fill.len < self.row) {
            put(&mut fill.values);
            fill.len += 1;
        }
    }

    pub(super) fn text(&mut self, column: &str, value: Option<&str>) {
        self.put(column, |values| match values {
            Values::Text(builder) => builder.append_option(value),
            other => other.null(),
        });
    }

    pub(super) fn long(&mut self, column: &str, value: Option<i64>) {
        self.put(column, |values| match values {
            Values::Long(builder) => builder.append_option(value),
            other => other.null(),
        });
    }

    pub(super) fn double(&mut self, column: &str, value: Option<f64>) {
        self.put(column, |values| match values {
            Values::Double(builder) => builder.append_option(value),
            other => other.null(),
        });
    }

    pub(super) fn boolean(&mut self, column: &str, value: Option<bool>) {
        self.put(column, |values| match values {
            Values::Boolean(builder) => builder.append_option(value),
            other => other.null(),
        });
    }

    pub(super) fn time(&mut self, column: &str, value: Option<DateTime<Utc>>) {
        self.put(column, |values| match values {
            Values::Timestamp(builder) => builder.append_option(value.map(|time| time.timestamp_micros())),
            other => other.null(),
        });
    }

    pub(super) fn texts<T: AsRef<str>>(&mut self, column: &str, value: Option<impl IntoIterator<Item = T>>) {
        self.put(column, |values| match (values, value) {
            (Values::Texts(builder), Some(texts)) => builder.row(|b| texts.into_iter().for_each(|t| b.append_value(t))),
            (other, _) => other.null(),
        });
    }

    pub(super) fn map<K: AsRef<str>, V: AsRef<str>>(
        &mut self,
        column: &str,
        value: Option<impl IntoIterator<Item = (K, Option<V>)>>,
    ) {
        self.put(column, |values| match (values, value) {
            (Values::Map(keys, builder), Some(pairs)) => builder.row(|b| {
                for (key, value) in pairs {
                    keys.append_value(key);
                    b.append_option(value);
                }
            }),
            (other, _) => other.null(),
        });
    }
}
