//! Items of lists into record batches: most columns straight from the JSON, some filled in by the reader.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayBuilder, ArrayRef, AsArray, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, ListArray,
        MapArray, RecordBatch, RecordBatchOptions, StringArray, StringBuilder, StructArray, TimestampMicrosecondArray,
        TimestampMicrosecondBuilder,
    },
    buffer::{NullBuffer, OffsetBuffer, ScalarBuffer},
    datatypes::{DataType as ArrowType, SchemaRef},
    error::ArrowError,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{
    reading::Reading,
    tables::{Column, Kind, Source},
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

/// A column that the reader fills.
struct Fill {
    name: &'static str,
    values: Values,
    len: usize,
}

enum Values {
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
struct Lists {
    texts: StringBuilder,
    ends: Vec<i32>,
    valid: Vec<bool>,
}

impl Lists {
    fn new() -> Self {
        Self { texts: StringBuilder::new(), ends: vec![0], valid: Vec::new() }
    }

    fn row(&mut self, append: impl FnOnce(&mut StringBuilder)) {
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
    fn null(&mut self) {
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
    fn new(column: &Column) -> Self {
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

    fn pad(&mut self, rows: usize) {
        while self.len < rows {
            self.values.null();
            self.len += 1;
        }
    }

    fn finish(&mut self, wanted: &ArrowType) -> Result<ArrayRef> {
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

fn broken(what: &'static str) -> Error {
    Error::new(ErrorKind::Internal, "a column's type is not the one of its values").with("expected", what)
}

fn refused(error: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "Arrow refused the columns of a batch").caused_by(error)
}
