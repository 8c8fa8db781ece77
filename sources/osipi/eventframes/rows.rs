//! Event frames and their details to rows.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use serde_json::Value;

use super::{
    super::{
        reading::Reading,
        rows::with_empty_text,
        tables::{EventFrames, Source},
        time::Ticks,
    },
    frame::{Frame, canonical, value_text},
    values::FrameValues,
};
use crate::{
    decode::{DecodeOptions, Decoder, FieldSource, Kind, Scanner, Shape},
    error::{Error, ErrorKind, Result},
    read::{BadRows, QuarantinedRow, ReadEvent, Records},
    types::StructType,
};

/// Makes the rows of one table out of frames.
///
/// A row is decoded from an object of two members: `f`, the item as the server sent it, and `x`, what is worked out here.
pub(super) struct Rows {
    table: EventFrames,
    decoder: Decoder,
    values: FrameValues,
    record: Vec<u8>,
    bad_rows: BadRows,
    quarantined: Vec<QuarantinedRow>,
    read_at: String,
    is_compat: bool,
}

/// A member of `x`.
type Filled<'a> = (&'static str, Value);

impl Rows {
    /// `read_at` is when the run was frozen: the order of versions, and the time of ingestion.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) for a catalogue that does not fit.
    pub(super) fn new(reading: &Reading, table: EventFrames, bad_rows: BadRows, read_at: Ticks) -> Result<Self> {
        let schema = reading.schema();
        let columns: Vec<_> = reading.table.columns(reading.is_compat()).collect();
        let shape = Shape::with_sources(&schema, |path| {
            let [name] = path else { return None };
            let column = columns.iter().find(|column| column.name == *name)?;
            Some(match column.source {
                Source::Path(path) => FieldSource::path(format!("f.{path}")),
                Source::Json(path) => FieldSource::json(format!("f.{path}")),
                Source::WebId(_) | Source::Filled => FieldSource::path(format!("x.{name}")),
            })
        })?;
        let keys = reading.metadata().primary_keys;
        let decoder = Decoder::new(Arc::new(shape), DecodeOptions::new(reading.table.name).primary_keys(keys));
        Ok(Self {
            table,
            decoder,
            values: FrameValues::new(read_at),
            record: Vec::new(),
            bad_rows,
            quarantined: Vec::new(),
            read_at: read_at.to_string(),
            is_compat: reading.is_compat(),
        })
    }

    /// Adds the rows of a frame.
    ///
    /// # Errors
    /// [`Data`](ErrorKind::Data) for a row that does not fit, unless such rows are quarantined.
    pub(super) fn push(&mut self, frame: &Frame, database: Option<&str>, details: &[Bytes]) -> Result<()> {
        match self.table {
            EventFrames::Frames => self.frame(frame, database, details),
            EventFrames::Attributes => details.iter().try_for_each(|item| self.attribute(frame, item)),
            EventFrames::ReferencedElements => self.elements(frame, details),
            EventFrames::Acknowledgements => self.acknowledgement(frame),
            EventFrames::Annotations => details.iter().try_for_each(|item| self.annotation(frame, item)),
            EventFrames::Values => details.iter().try_for_each(|item| self.values.push(&frame.head.webid, item)),
        }
    }

    /// The rows so far as events; starts again.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) for a bug.
    pub(super) fn take(&mut self) -> Result<Vec<ReadEvent>> {
        let mut events = Vec::new();
        if self.decoder.rows() > 0 {
            let batch = self.decoder.flush()?;
            let batch = if self.is_compat { with_empty_text(batch)? } else { batch };
            events.push(ReadEvent::Records(Records::Arrow(batch)));
        }
        if let Some(batch) = self.values.flush()? {
            events.push(ReadEvent::Records(Records::Arrow(batch)));
        }
        let quarantined = std::mem::take(&mut self.quarantined);
        if !quarantined.is_empty() {
            events.push(ReadEvent::Quarantined(quarantined));
        }
        Ok(events)
    }

    fn row(&mut self, item: &[u8], filled: Vec<Filled<'_>>) -> Result<()> {
        let mut members = serde_json::Map::new();
        for (name, value) in filled {
            members.insert(name.to_owned(), value);
        }
        members.insert("cursor_ts".to_owned(), self.read_at.as_str().into());
        members.insert("ingestion_timestamp".to_owned(), self.read_at.as_str().into());
        self.record.clear();
        self.record.extend_from_slice(b"{\"f\":");
        self.record.extend_from_slice(item);
        self.record.extend_from_slice(b",\"x\":");
        self.record.extend_from_slice(Value::Object(members).to_string().as_bytes());
        self.record.push(b'}');
        let mut scanner = Scanner::from_utf8(&self.record)?;
        match self.decoder.decode_record(&mut scanner)? {
            Ok(()) => Ok(()),
            Err(row) if self.bad_rows == BadRows::Quarantine => {
                self.quarantined.push(row.quarantine(Bytes::copy_from_slice(item)));
                Ok(())
            }
            Err(row) => Err(row.into()),
        }
    }

    fn frame(&mut self, frame: &Frame, database: Option<&str>, values: &[Bytes]) -> Result<()> {
        let (start, end) = (frame.start(), frame.end());
        let seconds = end.map(|end| (end.0 - start.0) as f64 / 1e7);
        let mut attributes = serde_json::Map::new();
        for item in values {
            let (name, value) = attribute_value(item)?;
            attributes.insert(name, value.into());
        }
        let extended: serde_json::Map<_, _> =
            frame.extended.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let filled = vec![
            ("event_frame_webid", frame.head.webid.as_str().into()),
            ("end_time", end.map(|end| end.to_string()).into()),
            ("primary_referenced_element_webid", frame.primary.clone().into()),
            ("attributes", if values.is_empty() { Value::Null } else { attributes.into() }),
            ("is_open", end.is_none().into()),
            ("duration_seconds", seconds.into()),
            ("parent_webid", frame.parent.clone().into()),
            ("ref_element_webids", frame.elements.clone().into()),
            ("extended_properties", if extended.is_empty() { Value::Null } else { extended.into() }),
            ("assetdatabase_webid", database.or(frame.database.as_deref()).into()),
            ("event_date", start.to_utc().date_naive().to_string().into()),
        ];
        self.row(&frame.text, filled)
    }

    fn attribute(&mut self, frame: &Frame, item: &[u8]) -> Result<()> {
        let found = AttributeHead::parse(item)?;
        let filled = vec![
            ("event_frame_webid", frame.head.webid.as_str().into()),
            ("attribute_webid", found.webid.into()),
            ("parent_attribute_webid", found.parent.into()),
            ("point_webid", found.point.into()),
        ];
        self.row(item, filled)
    }

    fn elements(&mut self, frame: &Frame, items: &[Bytes]) -> Result<()> {
        let mut known: Vec<(String, &[u8])> = Vec::with_capacity(items.len());
        for item in items {
            if let Some(webid) = AttributeHead::parse(item)?.webid {
                known.push((webid, item));
            }
        }
        // Elements that this login may not read are only named.
        let unseen = frame.elements.iter().filter(|webid| !known.iter().any(|(seen, _)| seen == *webid));
        let unseen: Vec<(String, &[u8])> = unseen.map(|webid| (webid.clone(), &b"{}"[..])).collect();
        for (webid, item) in known.into_iter().chain(unseen) {
            let is_primary = frame.primary.as_ref() == Some(&webid);
            let filled = vec![
                ("event_frame_webid", frame.head.webid.as_str().into()),
                ("element_webid", webid.into()),
                ("relationship_type", if is_primary { "primary" } else { "referenced" }.into()),
                ("start_time", frame.start().to_string().into()),
                ("end_time", frame.end().map(|end| end.to_string()).into()),
            ];
            self.row(item, filled)?;
        }
        Ok(())
    }

    fn acknowledgement(&mut self, frame: &Frame) -> Result<()> {
        let Some(acknowledged) = &frame.acknowledged else { return Ok(()) };
        let id = frame.id.as_deref().unwrap_or(&frame.head.webid);
        let at = acknowledged.at.as_deref().unwrap_or_default();
        let filled = vec![
            ("event_frame_webid", frame.head.webid.as_str().into()),
            ("ack_id", format!("{id}@{at}").into()),
            ("ack_timestamp", acknowledged.at.clone().into()),
            ("ack_user", acknowledged.by.clone().into()),
        ];
        self.row(b"{}", filled)
    }

    fn annotation(&mut self, frame: &Frame, item: &[u8]) -> Result<()> {
        let filled =
            vec![("event_frame_webid", frame.head.webid.as_str().into()), ("text", annotation_text(item)?.into())];
        self.row(item, filled)
    }
}

/// The rows of deleted frames: their keys, and when it was seen.
///
/// # Errors
/// [`Internal`](ErrorKind::Internal) for a bug.
pub(super) fn deleted(reading: &Reading, webids: &[String], seen_at: Ticks) -> Result<RecordBatch> {
    let schema = reading.schema();
    let fields = ["event_frame_webid", "cursor_ts"].into_iter().filter_map(|name| schema.field(name).cloned());
    let shape = Shape::new(&StructType { fields: fields.collect() });
    let mut decoder = Decoder::new(Arc::new(shape), DecodeOptions::new(reading.table.name));
    for webid in webids {
        let record = serde_json::json!({ "event_frame_webid": webid, "cursor_ts": seen_at.to_string() }).to_string();
        decoder.decode_record(&mut Scanner::new(&record))??;
    }
    decoder.flush()
}

/// What is read out of an attribute or element.
#[derive(Default)]
struct AttributeHead {
    webid: Option<String>,
    parent: Option<String>,
    point: Option<String>,
}

impl AttributeHead {
    fn parse(item: &[u8]) -> Result<Self> {
        let mut found = Self::default();
        let mut s = Scanner::from_utf8(item)?;
        s.enter_object()?;
        while let Some(key) = s.next_key()? {
            match (&*key, s.peek()?) {
                ("WebId", Kind::String) => found.webid = Some(canonical(&s.string()?)),
                ("Links", Kind::Object) => found.parent = inside(&mut s, "Parent")?.as_deref().and_then(last_webid),
                ("DataReference", Kind::Object) => found.point = point_of(&mut s)?,
                _ => s.skip_value()?,
            }
        }
        Ok(found)
    }
}

/// The WebID of the point that an attribute's data reference reads.
fn point_of(s: &mut Scanner) -> Result<Option<String>> {
    let mut point = None;
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        match (&*key, s.peek()?) {
            ("PIPoint", Kind::Object) => point = inside(s, "WebId")?.map(|webid| canonical(&webid)),
            _ => s.skip_value()?,
        }
    }
    Ok(point)
}

/// A text member of the object that comes next.
fn inside(s: &mut Scanner, member: &str) -> Result<Option<String>> {
    let mut found = None;
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        match s.peek()? {
            Kind::String if key == member => found = Some(s.string()?.into_owned()),
            _ => s.skip_value()?,
        }
    }
    Ok(found)
}

fn last_webid(link: &str) -> Option<String> {
    let webid = link.rsplit('/').next()?;
    super::super::webid::WebId::parse(webid).ok().map(|webid| webid.to_string())
}

/// What an annotation says: its value when that is text, else its description, its value as JSON, its name.
fn annotation_text(item: &[u8]) -> Result<Option<String>> {
    let (mut text, mut json, mut description, mut name) = (None, None, None, None);
    let mut s = Scanner::from_utf8(item)?;
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        match (&*key, s.peek()?) {
            ("Value", Kind::String) => text = Some(s.string()?.into_owned()),
            ("Value", Kind::Null) => s.null()?,
            ("Value", _) => json = Some(s.skip()?.to_owned()),
            ("Description", Kind::String) => description = Some(s.string()?.into_owned()),
            ("Name", Kind::String) => name = Some(s.string()?.into_owned()),
            _ => s.skip_value()?,
        }
    }
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(filled(text).or(filled(description)).or(json).or(name))
}

/// Name and value of an attribute, from an item of `streamsets/{frame}/value`. A nested one is named `Parent|Child`.
fn attribute_value(item: &[u8]) -> Result<(String, Option<String>)> {
    let (mut name, mut path, mut value) = (None, None, None);
    let mut s = Scanner::from_utf8(item)?;
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        match (&*key, s.peek()?) {
            ("Name", Kind::String) => name = Some(s.string()?.into_owned()),
            ("Path", Kind::String) => path = Some(s.string()?.into_owned()),
            ("Value", Kind::Object) => value = timed_value_text(&mut s)?,
            _ => s.skip_value()?,
        }
    }
    let nested = path.as_deref().and_then(|path| path.split_once('|')).map(|(_, names)| names.to_owned());
    let name = nested.or(name).ok_or_else(|| {
        Error::new(ErrorKind::Protocol, "the server sent a value of an attribute without the attribute's name")
    })?;
    Ok((name, value))
}

/// The value of a timed value as text; a digital state by its name.
fn timed_value_text(s: &mut Scanner) -> Result<Option<String>> {
    let mut text = None;
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        match (&*key, s.peek()?) {
            ("Value", Kind::Object) => text = super::frame::member_text(s, "Name")?,
            ("Value", _) => text = value_text(s)?,
            _ => s.skip_value()?,
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_text_under_the_names_below_the_frame() {
        for (item, name, value) in [
            (r#"{"Name":"T","Path":"\\\\S\\D\\EventFrames[F]|T","Value":{"Value":71.50}}"#, "T", Some("71.50")),
            (r#"{"Name":"Lot","Path":"\\\\S\\D\\EventFrames[F]|P|Lot","Value":{"Value":"a"}}"#, "P|Lot", Some("a")),
            (r#"{"Name":"S","Value":{"Value":{"Name":"OPEN","Value":1,"IsSystem":false}}}"#, "S", Some("OPEN")),
            (r#"{"Name":"A","Value":{"Value":[1,2]}}"#, "A", Some("[1,2]")),
            (r#"{"Name":"N","Value":{"Value":null}}"#, "N", None),
        ] {
            let got = attribute_value(item.as_bytes()).unwrap();
            assert_eq!((got.0.as_str(), got.1.as_deref()), (name, value), "{item}");
        }
        assert_eq!(attribute_value(b"{}").unwrap_err().kind(), ErrorKind::Protocol);
    }

    #[test]
    fn an_annotation_says_what_its_writer_wrote() {
        for (item, text) in [
            (r#"{"Name":"n","Description":"d","Value":"v"}"#, Some("v")),
            (r#"{"Name":"n","Description":"d","Value":""}"#, Some("d")),
            (r#"{"Name":"n","Description":"d","Value":null}"#, Some("d")),
            (r#"{"Name":"n","Description":"","Value":{"a":1}}"#, Some(r#"{"a":1}"#)),
            (r#"{"Name":"n"}"#, Some("n")),
            ("{}", None),
        ] {
            assert_eq!(annotation_text(item.as_bytes()).unwrap().as_deref(), text, "{item}");
        }
    }
}
