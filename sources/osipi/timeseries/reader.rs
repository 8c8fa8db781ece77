//! The tables of recorded values.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::{
    super::{
        client::Query,
        config::{ChangeCapture, SnapshotPolicy},
        controller::{Controller, Densities, Limits},
        ledger::Object,
        reading::{Reading, TableReader},
        tables::{Reader, TimeSeries},
        tags::Tag,
        time::{self, Micros, Span, Ticks, Zone},
    },
    again,
    archive::PiArchive,
    fetch::{Stream, Terms},
    mark::{Mark, Newest},
    run::{Plan, Run, Stepped},
    state::{Origin, State, TagKey},
};
use crate::{
    connector::{IngestionType, OffsetPart},
    error::{Error, ErrorKind, Result},
    read::{Offset, ReadEvent, ReadRequest, ReadStream, Records},
    stream::limit_records,
};

/// Reads one of the tables of recorded values.
#[derive(Clone, Debug)]
pub(in super::super) struct RecordedReader {
    reading: Reading,
    kind: TimeSeries,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Servers {
    items: Vec<Server>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Server {
    server_time: Option<String>,
}

impl RecordedReader {
    pub(in super::super) fn new(reading: Reading, kind: TimeSeries) -> Self {
        Self { reading, kind }
    }

    fn origin(&self) -> Origin {
        let options = &self.reading.options.recorded;
        let meaning = format!(
            "{}\n{}\n{}",
            options.filter_expression.as_deref().unwrap_or_default(),
            options.include_filtered_values,
            options.desired_units.as_deref().unwrap_or_default()
        );
        Origin::new(self.reading.client().http.base().as_str(), self.reading.table.name, &meaning)
    }

    /// The time of the latest of the data servers; this machine's where they do not tell.
    async fn server_time(&self) -> Result<Ticks> {
        let query: Query = vec![("selectedFields", "Items.WebId;Items.ServerTime".to_owned())];
        let body = self.reading.client().get("dataservers", &query).await?;
        let servers: Servers = serde_json::from_slice(&body)
            .map_err(|_| Error::new(ErrorKind::Protocol, "the list of data servers is not a list"))?;
        let times = servers.items.iter().filter_map(|s| s.server_time.as_deref().and_then(Ticks::parse));
        Ok(times.max().unwrap_or_else(|| Ticks::from_utc(self.reading.now())))
    }

    fn zone(&self) -> Result<Zone> {
        Zone::parse(&self.reading.options.time_zone)
    }

    /// Where a run that begins now ends.
    async fn end(&self) -> Result<Micros> {
        let now = self.server_time().await?;
        let end = time::instant(&self.reading.options.window.end_time, now, self.zone()?)?;
        // The instant itself belongs to the run.
        Ok(end.micros().min(now.micros()) + 1)
    }

    /// Where a tag that is new begins.
    fn first(&self, end: Micros) -> Result<Micros> {
        let window = &self.reading.options.window;
        let text = match (&window.start_time, window.lookback_minutes, window.lookback_days) {
            (Some(text), ..) => text.clone(),
            (None, Some(minutes), _) => format!("*-{minutes}m"),
            (None, None, Some(days)) => format!("*-{}h", u64::from(days) * 24),
            (None, None, None) => "*-720h".to_owned(),
        };
        let zone = self.zone()?;
        let end = Ticks::from_micros(end - 1);
        let (first, _) = time::range(&text, "*", end, zone)?;
        Ok(first.micros())
    }

    fn span(&self, name: &'static str, text: &str) -> Result<Micros> {
        let text = text.trim();
        if text == "0" || text.is_empty() {
            return Ok(0);
        }
        let now = Ticks::from_utc(self.reading.now());
        let length = Span::parse(text).map_err(|e| e.with("option", name))?;
        let after = length.after(now, Zone::default());
        after.map(|after| after.micros() - now.micros()).ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("'{name}' is too long")).with("table", self.reading.table.name)
        })
    }

    fn late_window(&self) -> Result<Micros> {
        match self.reading.options.recorded.change_capture {
            ChangeCapture::None => Ok(0),
            _ if self.appends() => Ok(0),
            _ => self.span("late_window", &self.reading.options.window.late_window),
        }
    }

    fn appends(&self) -> bool {
        self.reading.metadata().ingestion_type == IngestionType::Append
    }

    fn newest(&self) -> Newest {
        let options = &self.reading.options.recorded;
        let is_final = options.snapshot_policy == SnapshotPolicy::Include;
        // A newest event that is discarded later could not be taken back without deletions.
        let keyed = self.reading.metadata().ingestion_type == IngestionType::CdcWithDeletes;
        match options.snapshot_policy {
            SnapshotPolicy::Provisional if keyed => Newest::Provisional,
            _ if is_final => Newest::Final,
            _ => Newest::HeldBack,
        }
    }

    fn check(&self) -> Result<()> {
        match self.reading.options.recorded.change_capture {
            ChangeCapture::None | ChangeCapture::Overlap => Ok(()),
            ChangeCapture::Reconcile | ChangeCapture::Updates => {
                Err(Error::new(ErrorKind::Unsupported, "this build follows changes by change_capture=overlap only")
                    .with("table", self.reading.table.name)
                    .help("set change_capture to overlap or none"))
            }
        }
    }

    async fn begin(&self, request: &ReadRequest) -> Result<Option<Reads>> {
        self.check()?;
        let origin = self.origin();
        let start = request.start.as_ref().map(|offset| origin.read(offset)).transpose()?;
        let until = request.until.as_ref().map(|offset| origin.read(offset)).transpose()?;
        if request.until.is_some() && request.start == request.until {
            return Ok(None);
        }
        if until.as_ref().is_some_and(|until| !until.is_bound && !until.is_complete()) {
            return Err(Error::new(ErrorKind::Unsupported, "a read cannot end at a checkpoint in the middle of a run")
                .with("table", self.reading.table.name));
        }
        let end = match &until {
            Some(until) => until.now,
            None => self.end().await?,
        };
        let end = start.as_ref().map_or(end, |start| end.max(start.now));
        if start.as_ref().is_some_and(|start| start.now == end && start.is_complete()) {
            return Ok(None);
        }
        let attributes = self.kind == TimeSeries::AttributeValues;
        let mut tags = Tag::select(&self.reading, attributes).await?;
        tags.sort_unstable_by(|a, b| a.webid.cmp(&b.webid));
        let streams: Arc<[Stream]> = tags.iter().map(Stream::of).collect::<Result<_>>()?;
        let late_window = self.late_window()?;
        let first = self.first(end)?;
        let read_at = Ticks::from_utc(self.reading.now()).micros();
        let mut state = start.unwrap_or_default();
        let is_first = state.now == 0;
        let from_bound = state.is_bound && !is_first;
        let before = state.now;
        let resumes = state.now == end && !state.is_bound;
        state.is_bound = false;
        state.read_at = read_at.max(state.read_at);
        let late = if is_first || resumes { Vec::new() } else { again::due(&mut state.again, end, late_window) };
        if is_first {
            state.again = again::begin(end, late_window);
        }
        let keys: Arc<[TagKey]> = streams.iter().map(|stream| TagKey::of(&stream.webid)).collect();
        for key in keys.iter() {
            match state.tags.get_mut(key) {
                Some(_) if resumes => {}
                Some(mark) => {
                    let late: Vec<_> = late.iter().map(|(from, to)| ((*from).max(first), *to)).collect();
                    mark.begin(end, &late);
                }
                None => {
                    // A bound says nothing of single tags: what may have come late is read again.
                    let from = if from_bound { (before - late_window.max(600_000_000)).max(first) } else { first };
                    let mut mark = Mark::unread(from.min(end), end);
                    mark.done = true;
                    state.tags.insert(key.clone(), mark);
                }
            }
        }
        state.now = end;
        let horizon = end + self.span("future_horizon", &self.reading.options.window.future_horizon)?;
        let options = &self.reading.options;
        let concurrency = self.reading.client().http.max_concurrency();
        let window = Some(options.window.window_seconds).filter(|s| *s > 0).map(|s| i64::from(s) * 1_000_000);
        let limits = Limits {
            requests: options.tags.tags_per_request(),
            max_count: self.reading.client().page_size(options.max_count.unwrap_or(10_000)),
            bytes: options.window.target_response_bytes as f64,
            window,
        };
        let streamset = options.recorded.prefer_streamset || self.kind == TimeSeries::StreamsetRecorded;
        let terms = Terms {
            archive: Arc::new(PiArchive::new(&self.reading, streamset)),
            streams,
            read_at: state.read_at,
            now: end,
            newest: self.newest(),
        };
        let plan = Plan {
            horizon,
            unit_rows: options.window.max_records_per_batch.min(request.max_records.unwrap_or(u64::MAX)).max(1),
            batches: concurrency,
            late_window: if is_first || resumes { 0 } else { late_window },
            earliest: first,
        };
        let densities = Densities::unknown(keys.len());
        let run = Run::new(terms, keys, plan, state, Controller::new(limits), densities);
        Ok(Some(Reads { reader: self.clone(), origin, run, tags, columns: self.columns()?, ended: false }))
    }

    /// The places of the table's columns among those of a batch.
    fn columns(&self) -> Result<Option<Vec<usize>>> {
        if !self.reading.is_compat() {
            return Ok(None);
        }
        let schema = super::super::values::schema();
        let places = self.reading.schema().names().map(|name| schema.index_of(name)).collect::<Result<_, _>>();
        places.map(Some).map_err(|e| Error::new(ErrorKind::Internal, "a column has no values").caused_by(e))
    }
}

/// A read under way.
struct Reads {
    reader: RecordedReader,
    origin: Origin,
    run: Run,
    tags: Vec<Tag>,
    columns: Option<Vec<usize>>,
    ended: bool,
}

impl Reads {
    async fn next(&mut self) -> Result<Option<Vec<ReadEvent>>> {
        if self.ended {
            return Ok(None);
        }
        let Some(stepped) = self.run.step().await? else {
            self.ended = true;
            return Ok(Some(vec![self.checkpoint()?]));
        };
        let Stepped { batches, checkpoint, failures, read } = stepped;
        for (tag, error) in failures {
            let object = self.tags.get(tag).map(|tag| Object {
                webid: Some(&tag.webid),
                name: tag.path.as_deref().or(tag.name.as_deref()),
                window: None,
            });
            let object = object.unwrap_or_default();
            self.reader.reading.tolerate(object, error)?;
            self.run.leave_out(tag);
        }
        self.note(&read);
        let mut events = Vec::with_capacity(batches.len() + 1);
        for batch in batches {
            let batch = match &self.columns {
                None => batch,
                Some(places) => batch
                    .project(places)
                    .map_err(|e| Error::new(ErrorKind::Internal, "columns could not be chosen").caused_by(e))?,
            };
            events.push(ReadEvent::Records(Records::Arrow(batch)));
        }
        if checkpoint {
            events.push(self.checkpoint()?);
        }
        Ok(Some(events))
    }

    fn checkpoint(&self) -> Result<ReadEvent> {
        self.origin.write(self.run.state()).map(ReadEvent::Checkpoint)
    }

    /// Notes where tags have got to, for `pi_watermarks`.
    fn note(&self, read: &[(usize, u32)]) {
        let reading = &self.reader.reading;
        let now = reading.now();
        for (place, rows) in read.iter().filter(|(_, rows)| *rows > 0) {
            let (Some(tag), Some(mark)) = (self.tags.get(*place), self.run.mark(*place)) else { continue };
            let at = Ticks::from_micros(mark.next);
            reading.source.notes.reached(reading.table.name, &tag.webid, |watermark| {
                watermark.name = tag.name.as_deref().map(str::to_owned);
                watermark.timestamp = mark.held.map(|_| at.to_utc());
                watermark.run = Some(now);
                watermark.records = u64::from(*rows);
                watermark.total_records += u64::from(*rows);
                watermark.updated = now;
            });
        }
    }
}

#[async_trait]
impl TableReader for RecordedReader {
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
        let read = start.map(|offset| origin.read(offset)).transpose()?;
        let end = self.end().await?;
        match read {
            Some(state) if state.now >= end && state.is_complete() => Ok(start.cloned()),
            Some(state) => origin.write(&State::bound(end.max(state.now))).map(Some),
            None => origin.write(&State::bound(end)).map(Some),
        }
    }

    fn watermark(&self, offset: &Offset) -> Option<DateTime<Utc>> {
        self.origin().read(offset).ok().map(|state| Ticks::from_micros(state.now).to_utc())
    }

    async fn explain_offset(&self, offset: &Offset) -> Result<Vec<OffsetPart>> {
        let state = self.origin().read(offset)?;
        let parts = state.tags.iter().map(|(key, mark)| {
            let watermark = mark.held.map(|_| Ticks::from_micros(mark.next).to_string());
            let unread: Micros = mark.gaps.iter().map(|(from, to)| to - from).sum();
            OffsetPart::new(name_of(key), watermark)
                .detail("state", if mark.is_complete() { "complete" } else { "reading" })
                .detail("unread_seconds", (unread / 1_000_000).to_string())
        });
        Ok(parts.collect())
    }

    async fn forget_parts(&self, offset: &Offset, parts: &[String]) -> Result<Offset> {
        let origin = self.origin();
        let mut state = origin.read(offset)?;
        let names: Vec<(String, TagKey)> = state.tags.keys().map(|key| (name_of(key), key.clone())).collect();
        for part in parts {
            let Some((_, key)) = names.iter().find(|(name, _)| name == part) else {
                return Err(Error::unknown("tag", part, names.iter().map(|(name, _)| name.as_str())));
            };
            state.tags.remove(key);
        }
        origin.write(&state)
    }
}

/// A tag's WebID; of an attribute a hash of it, which is all that the offset holds.
fn name_of(key: &TagKey) -> String {
    match (key.webid(), key) {
        (Some(webid), _) => webid.to_string(),
        (None, TagKey::Other(hash)) => format!("#{hash:016x}"),
        (None, TagKey::Point { number, .. }) => number.to_string(),
    }
}

/// The reader of a table of the catalogue.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) for tables that are read otherwise.
pub(in super::super) fn reader(reading: Reading) -> Result<Box<dyn TableReader>> {
    match reading.table.reader {
        Reader::TimeSeries(
            kind @ (TimeSeries::Recorded | TimeSeries::StreamsetRecorded | TimeSeries::AttributeValues),
        ) => Ok(Box::new(RecordedReader::new(reading, kind))),
        _ => {
            Err(Error::new(ErrorKind::Unsupported, "this build does not read this table")
                .with("table", reading.table.name))
        }
    }
}
