//! The tables of recorded values.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};

use super::{
    super::{
        faults,
        ledger::{TagState, Watermark},
        origin::Origin,
        reading::{Reading, TableReader},
        rows::with_empty_text,
        tables::{Reader, TimeSeries},
        tags::{Tag, TagKey, share},
        time::{Micros, Ticks},
    },
    changes::ChangesReader,
    fetch::Brought,
    mark::Mark,
    run::{Run, Stepped},
    state::State,
};
use crate::{
    connector::OffsetPart,
    error::{Error, ErrorKind, Result},
    read::{Offset, ReadEvent, ReadRequest, ReadStream, Records},
    stream::limit_records,
};

/// Reads one of the tables of recorded values.
#[derive(Clone, Debug)]
pub(in super::super) struct RecordedReader {
    pub(super) reading: Reading,
    pub(super) kind: TimeSeries,
}

impl RecordedReader {
    pub(in super::super) fn new(reading: Reading, kind: TimeSeries) -> Self {
        Self { reading, kind }
    }
}

/// A read under way.
pub(super) struct Reads {
    pub(super) reader: RecordedReader,
    pub(super) origin: Origin,
    pub(super) run: Run,
    /// From where it began, and up to where it reads.
    pub(super) start: Option<Offset>,
    pub(super) bound: Micros,
    pub(super) tags: Vec<Tag>,
    pub(super) keys: Arc<[TagKey]>,
    pub(super) columns: Option<Vec<usize>>,
    /// Markers of the feed that hold once everything that it told has been read, with the places of their tags.
    pub(super) markers: Vec<(usize, Box<str>)>,
    /// Whether anything was given out.
    pub(super) sent: bool,
    pub(super) ended: bool,
}

impl Reads {
    /// What comes next; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<ReadEvent>>> {
        if self.ended {
            return Ok(None);
        }
        let Some(stepped) = self.run.step().await? else {
            self.ended = true;
            self.follow_on();
            self.note_end();
            if self.reader.is_over(&self.run, self.bound)? {
                self.run.state_mut().settled = Some(self.bound);
            }
            if self.is_idle()? {
                return Ok(None);
            }
            let checkpoint = self.checkpoint()?;
            self.reader.reading.source.deletions.show(&self.reader.selection(), self.run.state());
            return Ok(Some(vec![checkpoint]));
        };
        let Stepped { batches, checkpoint, failures, read } = stepped;
        for (tag, error) in failures {
            let found = self.tags.get(tag);
            let object = found.map(Tag::object).unwrap_or_default();
            let by_chance = found.is_some_and(|tag| tag.by_chance);
            if !(by_chance && faults::is_unfit(&error)) {
                self.note_failure(tag, &error);
            }
            self.reader.reading.tolerate_stream(object, by_chance, error)?;
            self.run.leave_out(tag);
        }
        self.note(&read);
        let mut events = Vec::with_capacity(batches.len() + 1);
        for batch in batches {
            let batch = match &self.columns {
                None => batch,
                Some(places) => with_empty_text(batch.project(places).map_err(|error| {
                    Error::new(ErrorKind::Internal, "columns could not be chosen").caused_by(error)
                })?)?,
            };
            events.push(ReadEvent::Records(Records::Arrow(batch)));
        }
        if checkpoint {
            events.push(self.checkpoint()?);
        }
        self.sent |= !events.is_empty();
        Ok(Some(events))
    }

    /// Whether the run changed nothing but the time at which it began: it ends where it began.
    fn is_idle(&mut self) -> Result<bool> {
        let Some(start) = self.start.as_ref().filter(|_| !self.sent) else { return Ok(false) };
        let before = State::read(&self.origin, start)?;
        let began = std::mem::replace(&mut self.run.state_mut().read_at, before.read_at);
        let is_idle = before == *self.run.state();
        self.run.state_mut().read_at = began;
        Ok(is_idle)
    }

    fn checkpoint(&mut self) -> Result<ReadEvent> {
        self.run.state_mut().write(&self.origin).map(ReadEvent::Checkpoint)
    }

    /// The next run asks the feed for what comes after this one.
    fn follow_on(&mut self) {
        for (tag, marker) in std::mem::take(&mut self.markers) {
            if !self.run.is_left_out(tag)
                && let Some(mark) = self.keys.get(tag).and_then(|key| self.run.state_mut().tags.get_mut(key))
            {
                mark.marker = Some(marker);
            }
        }
    }

    /// Notes where tags have got to, for `pi_watermarks`.
    fn note(&self, read: &[Brought]) {
        for Brought { tag, events, latest, none_from } in read {
            self.note_tag(*tag, *events, |watermark, mark| {
                if let Some(latest) = latest {
                    watermark.found(utc(latest.at), &latest.raw, i64::from(latest.sequence));
                }
                if let Some(from) = none_from {
                    watermark.nothing_from(utc(*from));
                }
                watermark.stands(TagState::read(mark.is_complete()));
            });
        }
    }

    /// Notes which tags have been read to the end, those too of which nothing came.
    fn note_end(&self) {
        let reading = &self.reader.reading;
        for (place, tag) in self.tags.iter().enumerate().filter(|(place, _)| !self.run.is_left_out(*place)) {
            let Some(mark) = self.run.mark(place) else { continue };
            let (state, marker) = (TagState::read(mark.is_complete()), mark.marker.as_deref());
            if !reading.source.notes.is_noted(reading.table.name, &tag.webid, state, marker) {
                self.note_tag(place, 0, |watermark, _| watermark.stands(state));
            }
        }
    }

    fn note_failure(&self, tag: usize, error: &Error) {
        self.note_tag(tag, 0, |watermark, _| watermark.failed(error));
    }

    fn note_tag(&self, place: usize, events: u32, change: impl FnOnce(&mut Watermark, &Mark)) {
        let (Some(tag), Some(mark)) = (self.tags.get(place), self.run.mark(place)) else { return };
        let reading = &self.reader.reading;
        let (now, run) = (reading.now(), utc(self.run.state().now));
        reading.source.notes.reached(reading.table.name, &tag.webid, |watermark| {
            change(watermark, mark);
            watermark.name = tag.name.as_deref().map(str::to_owned);
            watermark.marker.clone_from(&mark.marker);
            if let Some(held) = mark.held.filter(|held| *held > 0 && watermark.timestamp.is_none()) {
                // Read by an earlier connection.
                (watermark.timestamp, watermark.event_seq) = (Some(utc(mark.next)), Some(i64::from(held) - 1));
            }
            watermark.count(run, u64::from(events));
            watermark.updated = now;
        });
    }
}

fn utc(at: Micros) -> DateTime<Utc> {
    Ticks::from_micros(at).to_utc()
}

#[async_trait]
impl TableReader for RecordedReader {
    fn deletes(&self, request: ReadRequest) -> ReadStream {
        let reader = self.clone();
        let events = async move {
            if !reader.follows() {
                return Err(Error::new(ErrorKind::Unsupported, "this table does not report deleted rows")
                    .with("table", reader.reading.table.name)
                    .help("set change_capture to overlap, reconcile or updates"));
            }
            let waiting = &reader.reading.source.deletions;
            waiting.read(&reader.selection(), &reader.origin(), request.start.as_ref())
        };
        Box::pin(stream::once(events).map_ok(|events| stream::iter(events).map(Ok)).try_flatten())
    }

    fn events(&self, request: ReadRequest) -> ReadStream {
        let reader = self.clone();
        let max_records = request.max_records;
        let events = async move {
            let reads = reader.begin(&request).await?;
            Ok::<_, Error>(stream::try_unfold(reads, |reads| async move {
                let Some(mut reads) = reads else { return Ok::<_, Error>(None) };
                Ok(reads.next().await?.map(|events| (events, Some(reads))))
            }))
        };
        let events = stream::once(events).try_flatten();
        let events = events.map_ok(|events| stream::iter(events).map(Ok)).try_flatten().boxed();
        limit_records(events, max_records)
    }

    async fn latest_offset(&self, start: Option<&Offset>) -> Result<Option<Offset>> {
        self.check()?;
        let origin = self.origin();
        let read = start.map(|offset| State::read(&origin, offset)).transpose()?;
        let end = self.end().await?;
        match read {
            Some(state) if state.now >= end && state.is_complete() => Ok(start.cloned()),
            Some(state) if self.is_settled(&state, end).await? => Ok(start.cloned()),
            Some(state) => State::bound(end.max(state.now)).write(&origin).map(Some),
            None => State::bound(end).write(&origin).map(Some),
        }
    }

    async fn plan(&self, request: ReadRequest) -> Result<Vec<ReadRequest>> {
        self.check()?;
        if self.follows() {
            // Deletions are found by the one reader that knows what it sent.
            return Ok(vec![request]);
        }
        let until = match &request.until {
            Some(until) => Some(until.clone()),
            None => self.latest_offset(request.start.as_ref()).await?,
        };
        share::split(&self.reading, request, until, self.kind == TimeSeries::AttributeValues).await
    }

    fn watermark(&self, offset: &Offset) -> Option<DateTime<Utc>> {
        let state = State::read(&self.origin(), offset).ok()?;
        Some(Ticks::from_micros(self.bound(state.now).ok()?).to_utc())
    }

    async fn explain_offset(&self, offset: &Offset) -> Result<Vec<OffsetPart>> {
        let state = State::read(&self.origin(), offset)?;
        let parts = state.tags.iter().map(|(key, mark)| {
            let watermark = mark.held.map(|_| Ticks::from_micros(mark.next).to_string());
            let unread: Micros = mark.gaps.iter().map(|(from, to)| to - from).sum();
            OffsetPart::new(key.to_string(), watermark)
                .detail("state", if mark.is_complete() { "complete" } else { "reading" })
                .detail("unread_seconds", (unread / 1_000_000).to_string())
        });
        Ok(parts.collect())
    }

    async fn forget_parts(&self, offset: &Offset, parts: &[String]) -> Result<Offset> {
        let origin = self.origin();
        let mut state = State::read(&origin, offset)?;
        let names: Vec<(String, TagKey)> = state.tags.keys().map(|key| (key.to_string(), key.clone())).collect();
        for part in parts {
            let Some((_, key)) = names.iter().find(|(name, _)| name == part) else {
                return Err(Error::unknown("tag", part, names.iter().map(|(name, _)| name.as_str())));
            };
            state.tags.remove(key);
        }
        // A run to the same end has something to read again.
        state.now = state.now.saturating_sub(1);
        state.settled = None;
        state.write(&origin)
    }
}

/// The reader of a table of the catalogue.
///
/// # Errors
/// [`Internal`](ErrorKind::Internal) for tables that are read otherwise, which is a bug.
pub(in super::super) fn reader(reading: Reading) -> Result<Box<dyn TableReader>> {
    match reading.table.reader {
        Reader::TimeSeries(TimeSeries::Changes) => Ok(Box::new(ChangesReader::new(reading))),
        Reader::TimeSeries(kind) => Ok(Box::new(RecordedReader::new(reading, kind))),
        _ => Err(Error::new(ErrorKind::Internal, "this table is not one of recorded values")
            .with("table", reading.table.name)),
    }
}
