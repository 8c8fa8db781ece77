//! Compares tables with what the plant's server holds: points, events, event frames.

use std::collections::HashMap;

use deltalake::arrow::{
    array::{Array, AsArray, BooleanArray, PrimitiveArray, StringArray},
    datatypes::{ArrowPrimitiveType, Float64Type, Int64Type, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use lakeflow_connect::Result;
use lakeflow_simulators::osipi::{Expected, RunningServer, Spelling, Ticks};
use serde_json::Value;

use super::{
    memory::broken,
    stored::{differs, unreadable},
};

/// The columns of a table that are compared.
pub(super) fn columns(table: &str) -> &'static [&'static str] {
    match table {
        "pi_points" => &["webid", "path"],
        "pi_event_frames" => &["event_frame_webid", "name", "start_time", "end_time"],
        _ => &[
            "tag_webid",
            "timestamp_raw",
            "value",
            "value_long",
            "value_string",
            "value_timestamp",
            "digital_code",
            "digital_name",
            "good",
            "questionable",
            "substituted",
            "annotated",
        ],
    }
}

/// How many rows there are, all of them equal to what the server holds.
pub(super) fn compare(server: &RunningServer, table: &str, rows: &[RecordBatch]) -> Result<u64> {
    match table {
        "pi_points" => points(server, table, rows)?,
        "pi_event_frames" => event_frames(server, table, rows)?,
        _ => events(server, table, rows)?,
    }
    Ok(rows.iter().map(|batch| batch.num_rows() as u64).sum())
}

fn points(server: &RunningServer, table: &str, rows: &[RecordBatch]) -> Result<()> {
    let mut wanted = HashMap::new();
    for path in server.points() {
        wanted.insert(server.web_id(&path, Spelling::IdOnly).map_err(broken)?, path);
    }
    for batch in rows {
        let of = Columns { batch, table };
        let (webids, paths) = (of.texts("webid")?, of.texts("path")?);
        for (webid, path) in webids.iter().zip(paths) {
            let found = wanted.remove(webid.unwrap_or_default()).ok_or_else(|| unknown(table))?;
            if path != Some(found.as_str()) {
                return Err(different(table));
            }
        }
    }
    none_left(wanted.len(), table)
}

fn event_frames(server: &RunningServer, table: &str, rows: &[RecordBatch]) -> Result<()> {
    let frames = server.assets().expected_frames().into_iter();
    let mut wanted: HashMap<String, _> = frames.map(|frame| (frame.web_id.clone(), frame)).collect();
    for batch in rows {
        let of = Columns { batch, table };
        let (webids, names) = (of.texts("event_frame_webid")?, of.texts("name")?);
        let (starts, ends) = (of.times("start_time")?, of.times("end_time")?);
        for row in 0..batch.num_rows() {
            let frame = wanted.remove(webids.value(row)).ok_or_else(|| unknown(table))?;
            let end = ends.is_valid(row).then(|| ends.value(row));
            let wanted = (frame.name.as_str(), micros(frame.start), frame.end.map(micros));
            if (names.value(row), starts.value(row), end) != wanted {
                return Err(different(table));
            }
        }
    }
    none_left(wanted.len(), table)
}

fn events(server: &RunningServer, table: &str, rows: &[RecordBatch]) -> Result<()> {
    let end = Ticks(Ticks::from(server.clock().now()).0 + 1);
    let mut wanted: HashMap<(String, String), Expected> = HashMap::new();
    for point in server.points() {
        let webid = server.web_id(&point, Spelling::IdOnly).map_err(broken)?;
        let events = server.events(&point, Ticks(0), end).map_err(broken)?;
        wanted.extend(events.into_iter().map(|event| ((webid.clone(), event.time.to_string()), event)));
    }
    for batch in rows {
        let of = Columns { batch, table };
        let (tags, times) = (of.texts("tag_webid")?, of.texts("timestamp_raw")?);
        let values = Values::of(&of)?;
        for row in 0..batch.num_rows() {
            let key = (tags.value(row).to_owned(), times.value(row).to_owned());
            let event = wanted.remove(&key).ok_or_else(|| unknown(table))?;
            if !values.equal(row, &event) {
                return Err(different(table));
            }
        }
    }
    none_left(wanted.len(), table)
}

/// The columns of values.
struct Values<'a> {
    number: &'a PrimitiveArray<Float64Type>,
    long: &'a PrimitiveArray<Int64Type>,
    text: &'a StringArray,
    time: &'a PrimitiveArray<TimestampMicrosecondType>,
    code: &'a PrimitiveArray<Int64Type>,
    state: &'a StringArray,
    /// Good, questionable, substituted, annotated.
    flags: [&'a BooleanArray; 4],
}

impl<'a> Values<'a> {
    fn of(of: &Columns<'a>) -> Result<Self> {
        let flags = [of.flags("good")?, of.flags("questionable")?, of.flags("substituted")?, of.flags("annotated")?];
        Ok(Self {
            number: of.primitive("value")?,
            long: of.primitive("value_long")?,
            text: of.texts("value_string")?,
            time: of.times("value_timestamp")?,
            code: of.primitive("digital_code")?,
            state: of.texts("digital_name")?,
            flags,
        })
    }

    fn equal(&self, row: usize, event: &Expected) -> bool {
        let flags = [Some(event.good), Some(event.questionable), Some(event.substituted), event.annotated];
        let kept = self.flags.map(|flags| flags.is_valid(row).then(|| flags.value(row)));
        kept == flags && serde_json::from_str(&event.value).is_ok_and(|value: Value| self.is(row, &value))
    }

    /// Whether the row holds this value, in the columns of its kind.
    fn is(&self, row: usize, value: &Value) -> bool {
        match value {
            Value::Number(number) => {
                let long = self.long.is_valid(row).then(|| self.long.value(row));
                number.as_f64() == Some(self.number.value(row)) && (long.is_none() || long == number.as_i64())
            }
            Value::String(text) if self.time.is_valid(row) => {
                Ticks::parse(text).is_some_and(|at| micros(at) == self.time.value(row))
            }
            Value::String(text) => self.text.value(row) == text,
            Value::Object(state) => {
                state.get("Value").and_then(Value::as_i64) == Some(self.code.value(row))
                    && state.get("Name").and_then(Value::as_str) == Some(self.state.value(row))
            }
            _ => false,
        }
    }
}

/// The columns of a batch by name and type.
struct Columns<'a> {
    batch: &'a RecordBatch,
    table: &'a str,
}

impl<'a> Columns<'a> {
    fn texts(&self, name: &str) -> Result<&'a StringArray> {
        self.batch.column_by_name(name).and_then(|c| c.as_string_opt()).ok_or_else(|| unreadable(self.table))
    }

    fn flags(&self, name: &str) -> Result<&'a BooleanArray> {
        self.batch.column_by_name(name).and_then(|c| c.as_boolean_opt()).ok_or_else(|| unreadable(self.table))
    }

    fn primitive<T: ArrowPrimitiveType>(&self, name: &str) -> Result<&'a PrimitiveArray<T>> {
        self.batch.column_by_name(name).and_then(|c| c.as_primitive_opt()).ok_or_else(|| unreadable(self.table))
    }

    fn times(&self, name: &str) -> Result<&'a PrimitiveArray<TimestampMicrosecondType>> {
        self.primitive(name)
    }
}

fn micros(at: Ticks) -> i64 {
    at.0.div_euclid(10)
}

fn unknown(table: &str) -> lakeflow_connect::Error {
    differs("the table has a row twice, or one that the server does not have", table)
}

fn different(table: &str) -> lakeflow_connect::Error {
    differs("a row has another content in the table", table)
}

fn none_left(missing: usize, table: &str) -> Result<()> {
    if missing > 0 {
        return Err(differs("rows are missing in the table", table).with("missing", missing));
    }
    Ok(())
}
