//! What people have written about events.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, Date32Builder, Int64Builder, StringBuilder, TimestampMicrosecondArray, TimestampMicrosecondBuilder,
    },
    datatypes::SchemaRef,
    record_batch::RecordBatch,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::time::{Micros, Ticks};
use crate::{
    decode::{Kind, Scanner},
    error::{Error, ErrorKind, Result},
};

/// Annotations on their way into batches.
#[derive(Debug)]
pub(super) struct Annotations {
    schema: SchemaRef,
    read_at: Micros,
    tag: StringBuilder,
    timestamp: TimestampMicrosecondBuilder,
    sequence: Int64Builder,
    /// `annotation_id`, `name`, `description`, `value_json`, `creator`, `modifier`, `errors`, `timestamp_raw`.
    texts: [StringBuilder; 8],
    created: TimestampMicrosecondBuilder,
    modified: TimestampMicrosecondBuilder,
    date: Date32Builder,
    rows: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Annotation<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    name: Option<String>,
    description: Option<String>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    creator: Option<String>,
    creation_date: Option<String>,
    modifier: Option<String>,
    modify_date: Option<String>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
}

/// An event of an answer.
#[derive(Default)]
struct Event<'a> {
    timestamp: Option<&'a str>,
    annotations: Option<&'a str>,
}

impl Annotations {
    /// Annotations that are read now, for a table with this schema.
    pub(super) fn new(schema: SchemaRef, read_at: Micros) -> Self {
        Self {
            schema,
            read_at,
            tag: StringBuilder::new(),
            timestamp: TimestampMicrosecondBuilder::new(),
            sequence: Int64Builder::new(),
            texts: Default::default(),
            created: TimestampMicrosecondBuilder::new(),
            modified: TimestampMicrosecondBuilder::new(),
            date: Date32Builder::new(),
            rows: 0,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Adds those of the events of an answer in the half-open window `from..to`.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) for an answer of another form.
    pub(super) fn add(&mut self, body: &[u8], (from, to): (Micros, Micros), tag: &str) -> Result<()> {
        let mut s = Scanner::from_utf8(body)?;
        let (mut last, mut sequence) = (None, 0);
        s.enter_object()?;
        while let Some(key) = s.next_key()? {
            if key != "Items" || s.peek()? != Kind::Array {
                s.skip_value()?;
                continue;
            }
            s.enter_array()?;
            while s.next_element()? {
                let event = event(&mut s)?;
                let raw = event.timestamp.unwrap_or_default().trim_matches('"');
                let at = Ticks::parse(raw).ok_or_else(broken)?.micros();
                sequence = if last == Some(at) { sequence + 1 } else { 0 };
                last = Some(at);
                if let Some(annotations) = event.annotations.filter(|_| (from..to).contains(&at)) {
                    self.push_all(annotations, tag, (at, raw), sequence)?;
                }
            }
        }
        Ok(())
    }

    fn push_all(&mut self, annotations: &str, tag: &str, (at, raw): (Micros, &str), sequence: i64) -> Result<()> {
        let all: Vec<Annotation> = serde_json::from_str(annotations).map_err(|_| broken())?;
        for (place, annotation) in all.into_iter().enumerate() {
            self.tag.append_value(tag);
            self.timestamp.append_value(at);
            self.sequence.append_value(sequence);
            let id = match annotation.id.map(RawValue::get) {
                Some("null") | None => place.to_string(),
                Some(text) => serde_json::from_str::<String>(text).unwrap_or_else(|_| text.to_owned()),
            };
            let json = |value: Option<&RawValue>| value.map(RawValue::get).filter(|t| *t != "null").map(str::to_owned);
            let errors = json(annotation.errors).filter(|errors| errors != "[]");
            let texts = [
                Some(id),
                annotation.name,
                annotation.description,
                json(annotation.value),
                annotation.creator,
                annotation.modifier,
                errors,
                Some(raw.to_owned()),
            ];
            for (column, text) in self.texts.iter_mut().zip(texts) {
                column.append_option(text);
            }
            let time = |text: Option<String>| text.as_deref().and_then(Ticks::parse).map(Ticks::micros);
            self.created.append_option(time(annotation.creation_date));
            self.modified.append_option(time(annotation.modify_date));
            self.date.append_value(i32::try_from(at.div_euclid(86_400_000_000)).unwrap_or(i32::MAX));
            self.rows += 1;
        }
        Ok(())
    }

    /// The rows as a batch; starts again.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) when Arrow refuses the columns, which is a bug.
    pub(super) fn flush(&mut self) -> Result<RecordBatch> {
        let rows = std::mem::take(&mut self.rows);
        let utc = |array: TimestampMicrosecondArray| -> ArrayRef { Arc::new(array.with_timezone("UTC")) };
        let [id, name, description, value, creator, modifier, errors, raw] =
            self.texts.each_mut().map(|column| -> ArrayRef { Arc::new(column.finish()) });
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.tag.finish()),
            utc(self.timestamp.finish()),
            Arc::new(self.sequence.finish()),
            id,
            name,
            description,
            value,
            creator,
            utc(self.created.finish()),
            modifier,
            utc(self.modified.finish()),
            errors,
            raw,
            Arc::new(self.date.finish()),
            utc(TimestampMicrosecondArray::from_value(self.read_at, rows)),
        ];
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|e| Error::new(ErrorKind::Internal, "annotations do not form a batch").caused_by(e))
    }
}

fn event<'a>(s: &mut Scanner<'a>) -> Result<Event<'a>> {
    let mut event = Event::default();
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        match (&*key, s.peek()?) {
            ("Timestamp", Kind::String) => event.timestamp = Some(s.skip()?),
            ("Annotations", Kind::Array) => event.annotations = Some(s.skip()?),
            _ => s.skip_value()?,
        }
    }
    Ok(event)
}

fn broken() -> Error {
    Error::new(ErrorKind::Protocol, "an answer holds an annotation or a time that cannot be read")
}
