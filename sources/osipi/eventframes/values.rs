//! The values of event frames' attributes, typed, a row each.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, StringArray, TimestampMicrosecondArray},
    datatypes::Field,
    record_batch::RecordBatch,
};

use super::{
    super::{
        tables,
        time::Ticks,
        values::{PointKind, Values},
    },
    frame::canonical,
};
use crate::{
    decode::{Kind, Scanner},
    error::{Error, ErrorKind, Result},
};

/// Gathers values.
pub(super) struct FrameValues {
    values: Values,
    read_at: Ticks,
    frames: Vec<String>,
    names: Vec<Option<String>>,
    paths: Vec<Option<String>>,
}

impl FrameValues {
    pub(super) fn new(read_at: Ticks) -> Self {
        let values = Values::new(read_at.micros());
        Self { values, read_at, frames: Vec::new(), names: Vec::new(), paths: Vec::new() }
    }

    /// Adds the row of an item of `streamsets/{frame}/value`.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) for an item without a value or a WebID.
    pub(super) fn push(&mut self, frame: &str, item: &[u8]) -> Result<()> {
        let (mut webid, mut name, mut path) = (None, None, None);
        let rows = self.values.rows();
        let text = std::str::from_utf8(item).unwrap_or_default();
        let mut s = Scanner::from_utf8(item)?;
        s.enter_object()?;
        while let Some(key) = s.next_key()? {
            match (&*key, s.peek()?) {
                ("WebId", Kind::String) => webid = Some(canonical(&s.string()?)),
                ("Name", Kind::String) => name = Some(s.string()?.into_owned()),
                ("Path", Kind::String) => path = Some(s.string()?.into_owned()),
                ("Value", Kind::Object) if self.values.rows() == rows => {
                    self.values.value(&mut s, text, PointKind::Unknown)?;
                }
                _ => s.skip_value()?,
            }
        }
        match webid {
            Some(webid) if self.values.rows() > rows => {
                self.values.end_tag(&Arc::from(webid));
                self.frames.push(frame.to_owned());
                self.names.push(name);
                self.paths.push(path);
                Ok(())
            }
            _ => {
                self.values.truncate(rows);
                Err(Error::new(ErrorKind::Protocol, "the server sent an attribute without its value or WebID")
                    .with("event_frame", frame))
            }
        }
    }

    /// The rows so far; starts again.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) for a bug.
    pub(super) fn flush(&mut self) -> Result<Option<RecordBatch>> {
        if self.frames.is_empty() {
            return Ok(None);
        }
        let batch = self.values.flush()?;
        let read_at = TimestampMicrosecondArray::from_value(self.read_at.micros(), batch.num_rows());
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("event_frame_webid", Arc::new(StringArray::from_iter_values(self.frames.drain(..)))),
            ("name", Arc::new(StringArray::from_iter(self.names.drain(..)))),
            ("path", Arc::new(StringArray::from_iter(self.paths.drain(..)))),
            ("cursor_ts", Arc::new(read_at.with_timezone("UTC"))),
        ];
        let schema = batch.schema();
        for (field, column) in schema.fields().iter().zip(batch.columns()) {
            let name = if field.name() == "tag_webid" { "attribute_webid" } else { field.name().as_str() };
            columns.push((name, Arc::clone(column)));
        }
        // The table has fewer columns: an attribute of a frame has one value, not a history.
        let schema = Arc::new(tables::find("pi_eventframe_values")?.schema(false).to_arrow());
        let broken = || Error::new(ErrorKind::Internal, "columns of event frames' values do not form a batch");
        let column = |field: &Arc<Field>| {
            columns
                .iter()
                .find(|(name, _)| name == field.name())
                .map(|(_, column)| Arc::clone(column))
                .ok_or_else(broken)
        };
        let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(schema, columns).map(Some).map_err(|cause| broken().caused_by(cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_knows_its_frame_and_attribute() {
        let mut values = FrameValues::new(Ticks(10));
        let item = |value: &str| {
            format!(
                r#"{{"WebId":"A","Name":"n","Path":"p|n","Value":{{"Timestamp":"2026-03-01T06:00:00Z","Value":{value},"Good":true}}}}"#
            )
        };
        values.push("F1", item("1.5").as_bytes()).unwrap();
        values.push("F1", item("\"x\"").as_bytes()).unwrap();
        assert_eq!(values.push("F1", br#"{"WebId":"A"}"#).unwrap_err().kind(), ErrorKind::Protocol);
        let batch = values.flush().unwrap().unwrap();
        assert_eq!(batch.num_rows(), 2);
        for column in ["event_frame_webid", "attribute_webid", "value", "value_string", "cursor_ts", "timestamp_raw"] {
            assert!(batch.column_by_name(column).is_some(), "{column}");
        }
        assert!(batch.column_by_name("event_seq").is_none());
        assert!(values.flush().unwrap().is_none());
    }
}
