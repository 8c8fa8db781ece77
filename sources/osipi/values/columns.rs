//! The columns of timed values: filled a row at a time, cut back where a page ends inside an instant, handed over as Arrow.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray},
    buffer::{BooleanBuffer, NullBuffer},
    datatypes::SchemaRef,
};

use super::{
    super::time::{Micros, Ticks},
    buffers::{Dense, Runs, broken, doubles, longs, put, repeated, take, timestamps, varying},
    event::{ANNOTATED, Event, GOOD, KNOWN, PointKind, QUESTIONABLE, SUBSTITUTED, State, Value},
};
use crate::{
    decode::{Fixed, Varying},
    error::Result,
    types::{DataType, StructField, StructType},
};

/// Name, type and whether it may be null, in the order of the table: the public connector's columns first.
const COLUMNS: [(&str, DataType, bool); 22] = [
    ("tag_webid", DataType::String, false),
    ("timestamp", DataType::Timestamp, false),
    ("value", DataType::Double, true),
    ("good", DataType::Boolean, true),
    ("questionable", DataType::Boolean, true),
    ("substituted", DataType::Boolean, true),
    ("annotated", DataType::Boolean, true),
    ("units", DataType::String, true),
    ("ingestion_timestamp", DataType::Timestamp, false),
    ("value_string", DataType::String, true),
    ("value_type", DataType::String, false),
    ("value_long", DataType::Long, true),
    ("digital_code", DataType::Long, true),
    ("digital_name", DataType::String, true),
    ("digital_is_system", DataType::Boolean, true),
    ("value_timestamp", DataType::Timestamp, true),
    ("value_json", DataType::String, true),
    ("timestamp_raw", DataType::String, false),
    ("event_seq", DataType::Long, false),
    ("is_snapshot", DataType::Boolean, false),
    ("errors", DataType::String, true),
    ("event_date", DataType::Date, false),
];

/// The columns of a timed value.
pub(in super::super) fn wire_columns() -> Vec<StructField> {
    let field = |(name, data_type, nullable): (&str, DataType, bool)| {
        let field = StructField { nullable, ..StructField::new(name, data_type) };
        if name == "ingestion_timestamp" { field.read_time() } else { field }
    };
    COLUMNS.into_iter().map(field).collect()
}

/// The schema of the batches.
pub(in super::super) fn schema() -> SchemaRef {
    Arc::new(StructType { fields: wire_columns() }.to_arrow())
}

/// What kind of value a row holds; the text is `value_type`.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Type {
    Number,
    Integer,
    String,
    Boolean,
    Digital,
    SystemDigital,
    Timestamp,
    Array,
    Object,
    Error,
    Null,
}

const TYPE_NAMES: [&str; 11] = [
    "number",
    "integer",
    "string",
    "boolean",
    "digital",
    "system_digital",
    "timestamp",
    "array",
    "object",
    "error",
    "null",
];

/// The columns, a row for each event.
#[derive(Debug, Default)]
pub(super) struct Columns {
    micros: Vec<Micros>,
    raw: Dense,
    flags: Vec<u8>,
    types: Vec<u8>,
    sequence: Vec<i64>,
    value: Fixed<f64>,
    long: Fixed<i64>,
    code: Fixed<i64>,
    is_system: Fixed<bool>,
    instant: Fixed<Micros>,
    string: Varying,
    name: Varying,
    json: Varying,
    errors: Varying,
    /// `None` where neither the event nor its stream says.
    units: Runs<Option<Box<str>>>,
    tags: Runs<Arc<str>>,
    snapshots: Vec<usize>,
}

impl Columns {
    pub(super) fn rows(&self) -> usize {
        self.micros.len()
    }

    pub(super) fn micros(&self, row: usize) -> Option<Micros> {
        self.micros.get(row).copied()
    }

    pub(super) fn raw_time(&self, row: usize) -> Option<&str> {
        self.raw.get(row)
    }

    /// Appends a row.
    #[inline]
    pub(super) fn push(&mut self, event: &Event, sequence: i64, kind: PointKind) -> Result<()> {
        let row = self.rows();
        self.raw.push(event.timestamp)?;
        self.sequence.push(sequence);
        self.flags.push(event.flags);
        match &mut self.units.runs.last_mut() {
            Some((units, end)) if units.as_deref() == event.units.as_deref() && *end == row => *end += 1,
            _ => self.units.runs.push((event.units.as_deref().map(Into::into), row + 1)),
        }
        let of_type = match &event.value {
            Value::Number(number) => {
                self.value.put(row, number.double);
                match number.long {
                    Some(long) => {
                        self.long.put(row, long);
                        Type::Integer
                    }
                    None => Type::Number,
                }
            }
            other => self.push_other(row, other, event.errors, kind)?,
        };
        if let Some(errors) = event.errors {
            put(&mut self.errors, row, errors)?;
        }
        self.types.push(of_type as u8);
        self.micros.push(event.ticks.micros());
        Ok(())
    }

    #[inline(never)]
    fn push_other(&mut self, row: usize, value: &Value, errors: Option<&str>, kind: PointKind) -> Result<Type> {
        Ok(match value {
            Value::Number(_) => Type::Number,
            Value::Null => match errors {
                Some(errors) => {
                    self.put_error(row, errors)?;
                    Type::Error
                }
                None => Type::Null,
            },
            Value::Unreadable(text) => {
                put(&mut self.json, row, text)?;
                Type::Number
            }
            Value::Boolean(value) => {
                self.value.put(row, f64::from(u8::from(*value)));
                Type::Boolean
            }
            Value::Text(text) => {
                put(&mut self.string, row, text)?;
                self.text_type(row, text, kind)
            }
            Value::State(State { code, name, is_system }) => {
                self.code.put(row, *code);
                if let Some(name) = name {
                    put(&mut self.name, row, name)?;
                    put(&mut self.string, row, name)?;
                }
                if let Some(is_system) = is_system {
                    self.is_system.put(row, *is_system);
                }
                if *is_system == Some(true) {
                    // A state of the system in place of a value: its code is no measurement.
                    Type::SystemDigital
                } else {
                    self.value.put(row, *code as f64);
                    Type::Digital
                }
            }
            Value::Array(text) => {
                put(&mut self.json, row, text)?;
                Type::Array
            }
            Value::Object(text) => {
                put(&mut self.json, row, text)?;
                match errors_inside(text) {
                    Some(errors) => {
                        self.put_error(row, &errors)?;
                        Type::Error
                    }
                    None => Type::Object,
                }
            }
        })
    }

    /// What text stands for, where it is not just text.
    fn text_type(&mut self, row: usize, text: &str, kind: PointKind) -> Type {
        let special = match text {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        };
        if matches!(kind, PointKind::Unknown | PointKind::Number)
            && let Some(value) = special
        {
            self.value.put(row, value);
            return Type::Number;
        }
        if matches!(kind, PointKind::Unknown | PointKind::Timestamp)
            && let Some(instant) = Ticks::parse(text)
        {
            self.instant.put(row, instant.micros());
            return Type::Timestamp;
        }
        Type::String
    }

    fn put_error(&mut self, row: usize, errors: &str) -> Result<()> {
        match first_message(errors) {
            Some(message) => put(&mut self.string, row, &message),
            None => Ok(()),
        }
    }

    /// Says what units the rows from `from` on have that do not say it themselves.
    pub(super) fn default_units(&mut self, from: usize, units: &str) {
        let mut start = 0;
        let mut added = None;
        for (i, (own, end)) in self.units.runs.iter_mut().enumerate() {
            if own.is_none() && *end > from {
                if start < from {
                    added = Some((i, *end));
                    *end = from;
                } else {
                    *own = Some(units.into());
                }
            }
            start = *end;
        }
        if let Some((i, end)) = added {
            self.units.runs.insert(i + 1, (Some(units.into()), end));
        }
    }

    /// The rows since the last call are of this tag.
    pub(super) fn end_tag(&mut self, tag: &Arc<str>) {
        if self.rows() > self.tags.rows() {
            self.tags.runs.push((Arc::clone(tag), self.rows()));
        }
    }

    pub(super) fn mark_snapshot(&mut self, row: usize) {
        self.snapshots.push(row);
    }

    /// Drops the rows from the given one on.
    pub(super) fn truncate(&mut self, rows: usize) {
        if rows >= self.rows() {
            return;
        }
        self.micros.truncate(rows);
        self.raw.truncate(rows);
        self.flags.truncate(rows);
        self.types.truncate(rows);
        self.sequence.truncate(rows);
        self.value.cut(rows);
        self.long.cut(rows);
        self.code.cut(rows);
        self.is_system.cut(rows);
        self.instant.cut(rows);
        for column in [&mut self.string, &mut self.name, &mut self.json, &mut self.errors] {
            column.cut(rows);
        }
        self.units.truncate(rows);
        self.snapshots.retain(|row| *row < rows);
    }

    /// About how many bytes the rows take.
    pub(super) fn bytes(&self) -> usize {
        self.rows() * 110 + self.raw.data.len() + self.string.bytes() + self.json.bytes()
    }

    /// The rows as a batch of [`schema`]; the columns start again.
    pub(super) fn flush(&mut self, schema: &SchemaRef, ingested: Micros) -> Result<RecordBatch> {
        let rows = self.rows();
        let micros = take(&mut self.micros);
        let dates = micros
            .iter()
            .map(|us| i32::try_from(us.div_euclid(86_400_000_000)).unwrap_or(i32::MAX))
            .collect::<Vec<_>>();
        let flags = take(&mut self.flags);
        let flag = |flag: u8| -> ArrayRef {
            let bits = |mask: u8| BooleanBuffer::collect_bool(rows, |row| flags[row] & mask != 0);
            let known = Some(NullBuffer::new(bits(flag << KNOWN))).filter(|nulls| nulls.null_count() > 0);
            Arc::new(BooleanArray::new(bits(flag), known))
        };
        let snapshots = std::mem::take(&mut self.snapshots);
        let mut is_snapshot = vec![false; rows];
        snapshots.into_iter().filter_map(|row| is_snapshot.get_mut(row).map(|is| *is = true)).for_each(drop);
        let tags = std::mem::take(&mut self.tags.runs);
        let units = std::mem::take(&mut self.units.runs);
        let types = take(&mut self.types);
        let types = types.iter().map(|t| TYPE_NAMES.get(usize::from(*t)).copied().unwrap_or_default());
        let columns: Vec<ArrayRef> = vec![
            repeated(tags.iter().map(|(tag, end)| (Some(&**tag), *end)), rows)?,
            timestamps(micros.into(), None)?,
            doubles(&mut self.value, rows)?,
            flag(GOOD),
            flag(QUESTIONABLE),
            flag(SUBSTITUTED),
            flag(ANNOTATED),
            repeated(units.iter().map(|(units, end)| (units.as_deref(), *end)), rows)?,
            timestamps(vec![ingested; rows].into(), None)?,
            varying(&mut self.string, rows)?,
            Arc::new(StringArray::from_iter_values(types)),
            longs(&mut self.long, rows)?,
            longs(&mut self.code, rows)?,
            varying(&mut self.name, rows)?,
            {
                let (values, nulls) = self.is_system.take(rows);
                Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls))
            },
            {
                let (values, nulls) = self.instant.take(rows);
                timestamps(values.into(), nulls)?
            },
            varying(&mut self.json, rows)?,
            self.raw.take()?,
            Arc::new(Int64Array::new(take(&mut self.sequence).into(), None)),
            Arc::new(BooleanArray::from(is_snapshot)),
            varying(&mut self.errors, rows)?,
            Arc::new(Date32Array::new(dates.into(), None)),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns).map_err(broken)
    }
}

/// The `Errors` of a value that is an object with them.
fn errors_inside(object: &str) -> Option<String> {
    let object: serde_json::Value = serde_json::from_str(object).ok()?;
    object.get("Errors").filter(|errors| errors.is_array()).map(ToString::to_string)
}

/// The first text in a list of errors, whatever its form.
fn first_message(errors: &str) -> Option<Cow<'static, str>> {
    fn find(value: &serde_json::Value) -> Option<&str> {
        match value {
            serde_json::Value::String(text) => Some(text),
            serde_json::Value::Array(items) => items.iter().find_map(find),
            serde_json::Value::Object(members) => members.get("Message").and_then(find),
            _ => None,
        }
    }
    let errors: serde_json::Value = serde_json::from_str(errors).ok()?;
    find(&errors).map(|text| Cow::Owned(text.to_owned()))
}
