//! `pi_timeseries_changes`: the feed of updates as the server tells it, event by event.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray},
    record_batch::RecordBatch,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    super::{
        ledger::{Object, TagState, Watermark},
        origin::Origin,
        reading::{Reading, TableReader},
        tags::{Tag, TagKey},
        time::{Micros, Ticks},
        values::Values,
    },
    fetch::Stream,
    mark::Mark,
    state::State,
    updates::{Feed, Told},
};
use crate::{
    decode::{Kind, Scanner},
    error::{Error, ErrorKind, Result},
    read::{Offset, ReadEvent, ReadRequest, ReadStream, Records},
    stream::{Page, pages},
};

/// Tags of one unit.
const TAGS: usize = 1_000;
/// Where a row stands that the server did not send: it says that the feed was lost before this marker.
const LOST: i64 = -1;

/// Reads the feed of updates.
#[derive(Clone, Debug)]
pub(super) struct ChangesReader {
    reading: Reading,
}

/// A read under way: so many tags at each step.
struct Poll {
    reader: ChangesReader,
    request: ReadRequest,
    work: Option<Work>,
}

struct Work {
    feed: Feed,
    state: State,
    tags: Vec<Tag>,
    streams: Vec<Stream>,
    next: usize,
}

impl ChangesReader {
    pub(super) fn new(reading: Reading) -> Self {
        Self { reading }
    }

    fn origin(&self) -> Origin {
        Origin::new(self.reading.client().http.base().as_str(), self.reading.table.name, "")
    }
}

impl Poll {
    async fn step(mut self) -> Result<Page<Self>> {
        let Some(mut work) = self.work.take() else {
            self.work = Some(self.begin().await?);
            return Ok(Page { events: Vec::new(), next: Some(self) });
        };
        let mut events = Vec::new();
        let from = work.next;
        work.next = (from + TAGS).min(work.streams.len());
        let mut rows = Rows::new(work.state.read_at);
        work.take(&self.reader.reading, from, &mut rows).await?;
        if rows.count() > 0 {
            let schema = Arc::new(self.reader.reading.schema().to_arrow());
            events.push(ReadEvent::Records(Records::Arrow(rows.batch(schema)?)));
        }
        events.push(ReadEvent::Checkpoint(work.state.write(&self.reader.origin())?));
        let more = work.next < work.streams.len();
        self.work = Some(work);
        Ok(Page { events, next: more.then_some(self) })
    }

    async fn begin(&self) -> Result<Work> {
        let reading = &self.reader.reading;
        if self.request.until.is_some() {
            return Err(Error::new(ErrorKind::Unsupported, "the feed of updates is read up to now, not to an offset")
                .with("table", reading.table.name));
        }
        let start = self.request.start.as_ref().map(|offset| State::read(&self.reader.origin(), offset)).transpose()?;
        let mut state = start.unwrap_or_default();
        state.read_at = Ticks::from_utc(reading.now()).micros().max(state.read_at + 1);
        let mut tags = Tag::select(reading, false).await?;
        tags.sort_unstable_by(|a, b| a.webid.cmp(&b.webid));
        let streams = tags.iter().map(Stream::of).collect::<Result<_>>()?;
        Ok(Work { feed: Feed::of_events(reading.client()), state, tags, streams, next: 0 })
    }
}

impl Work {
    async fn take(&mut self, reading: &Reading, from: usize, rows: &mut Rows) -> Result<()> {
        let read_at = self.state.read_at;
        let mut unregistered = Vec::new();
        let (mut asked, mut markers) = (Vec::new(), Vec::new());
        for (place, stream) in self.streams.iter().enumerate().take(self.next).skip(from) {
            match self.state.tags.get(&TagKey::of(&stream.webid)).and_then(|mark| mark.marker.clone()) {
                Some(marker) => {
                    asked.push(place);
                    markers.push(marker);
                }
                None => unregistered.push(place),
            }
        }
        for ((place, before), told) in asked.into_iter().zip(&markers).zip(self.feed.since(&markers).await?) {
            let Some(stream) = self.streams.get(place) else { continue };
            match told {
                Told::Lost => unregistered.push(place),
                Told::Events { events, marker } => {
                    let added = rows.add(stream, &events, before)?;
                    self.note(reading, place, added, |watermark| {
                        watermark.stands(TagState::Complete);
                        watermark.marker = Some(marker.clone());
                    });
                    let mark = Mark { next: read_at, done: true, marker: Some(marker), ..Mark::default() };
                    self.state.tags.insert(TagKey::of(&stream.webid), mark);
                }
            }
        }
        let new: Vec<&Stream> = unregistered.iter().filter_map(|place| self.streams.get(*place)).collect();
        let webids: Vec<_> = new.iter().map(|stream| stream.webid.clone()).collect();
        for ((stream, place), marker) in new.into_iter().zip(&unregistered).zip(self.feed.register(&webids).await?) {
            let key = TagKey::of(&stream.webid);
            match marker {
                Ok(marker) => {
                    let lost = match self.state.tags.get(&key) {
                        Some(before) => rows.lost(stream, before.next, &marker)?,
                        None => 0,
                    };
                    self.note(reading, *place, lost, |watermark| {
                        watermark.stands(TagState::Complete);
                        watermark.marker = Some(marker.clone());
                    });
                    let mark = Mark { next: read_at, done: true, marker: Some(marker), ..Mark::default() };
                    self.state.tags.insert(key, mark);
                }
                Err(error) => {
                    self.note(reading, *place, 0, |watermark| watermark.failed(&error));
                    let tag = self.tags.get(*place);
                    let name = tag.map(Tag::label);
                    reading.tolerate(Object { webid: Some(&stream.text), name, window: None }, error)?;
                }
            }
        }
        self.state.now = self.state.read_at;
        Ok(())
    }

    /// Notes where a tag has got to, for `pi_watermarks`.
    fn note(&self, reading: &Reading, place: usize, events: u64, change: impl FnOnce(&mut Watermark)) {
        let Some(tag) = self.tags.get(place) else { return };
        let (now, run) = (reading.now(), Ticks::from_micros(self.state.read_at).to_utc());
        reading.source.notes.reached(reading.table.name, &tag.webid, |watermark| {
            change(watermark);
            watermark.name = tag.name.as_deref().map(str::to_owned);
            watermark.count(run, events);
            watermark.updated = now;
        });
    }
}

/// Changes on their way into a batch.
struct Rows {
    values: Values,
    read_at: Micros,
    actions: Vec<String>,
    previous: Vec<Option<String>>,
    markers: Vec<Box<str>>,
    sequence: Vec<i64>,
}

impl Rows {
    fn new(read_at: Micros) -> Self {
        Self {
            values: Values::new(read_at),
            read_at,
            actions: Vec::new(),
            previous: Vec::new(),
            markers: Vec::new(),
            sequence: Vec::new(),
        }
    }

    fn count(&self) -> usize {
        self.values.rows()
    }

    /// The events behind a marker, in the server's order; how many.
    fn add(&mut self, stream: &Stream, events: &[u8], marker: &str) -> Result<u64> {
        let mut s = Scanner::from_utf8(events)?;
        let text = s.text();
        let mut sequence: i64 = 0;
        s.enter_array()?;
        while s.next_element()? {
            let (action, previous) = action(s.clone())?;
            self.values.value(&mut s, text, stream.kind)?;
            self.actions.push(action);
            self.previous.push(previous);
            self.markers.push(marker.into());
            self.sequence.push(sequence);
            sequence += 1;
        }
        self.values.end_tag(&stream.text);
        Ok(sequence.unsigned_abs())
    }

    /// Says that what happened since then is not known: the same as the server's own `Refresh`.
    fn lost(&mut self, stream: &Stream, since: Micros, marker: &str) -> Result<u64> {
        let event = serde_json::json!([{ "Action": "Refresh", "Timestamp": Ticks::from_micros(since).to_string() }]);
        let rows = self.add(stream, event.to_string().as_bytes(), marker)?;
        if let Some(sequence) = self.sequence.last_mut() {
            *sequence = LOST;
        }
        Ok(rows)
    }

    fn batch(mut self, schema: Arc<arrow::datatypes::Schema>) -> Result<RecordBatch> {
        let rows = self.count();
        let mut columns: Vec<ArrayRef> = self.values.flush()?.columns().to_vec();
        let received = TimestampMicrosecondArray::from_value(self.read_at, rows).with_timezone("UTC");
        columns.push(Arc::new(StringArray::from_iter_values(&self.actions)));
        columns.push(Arc::new(StringArray::from_iter(&self.previous)));
        columns.push(Arc::new(StringArray::from_iter_values(&self.markers)));
        columns.push(Arc::new(Int64Array::from(self.sequence)));
        columns.push(Arc::new(received));
        RecordBatch::try_new(schema, columns)
            .map_err(|e| Error::new(ErrorKind::Internal, "changes do not form a batch").caused_by(e))
    }
}

/// `Action` and `PreviousEventAction` of an event.
fn action(mut s: Scanner) -> Result<(String, Option<String>)> {
    let (mut action, mut previous) = (None, None);
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        match (&*key, s.peek()?) {
            ("Action", Kind::String) => action = Some(s.string()?.into_owned()),
            ("PreviousEventAction", Kind::String) => previous = Some(s.string()?.into_owned()),
            _ => s.skip_value()?,
        }
    }
    let action = action
        .ok_or_else(|| Error::new(ErrorKind::Protocol, "the feed of updates holds an event without an action"))?;
    Ok((action, previous))
}

#[async_trait]
impl TableReader for ChangesReader {
    fn events(&self, request: ReadRequest) -> ReadStream {
        let max_records = request.max_records;
        let poll = Poll { reader: self.clone(), request, work: None };
        pages(poll, Poll::step).max_records(max_records).into_stream()
    }

    async fn latest_offset(&self, _start: Option<&Offset>) -> Result<Option<Offset>> {
        // The server says where it is only to those who take what came before.
        Ok(None)
    }

    fn watermark(&self, offset: &Offset) -> Option<DateTime<Utc>> {
        State::read(&self.origin(), offset).ok().map(|state| Ticks::from_micros(state.now).to_utc())
    }
}
