//! The reader of the tables of event frames: what to read, from where to where.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::stream;

use super::{
    super::{
        config::TableOptions,
        reading::{Reading, TableReader},
        tables::EventFrames,
        time::{Span, Ticks, Zone},
    },
    databases::Databases,
    deletes,
    details::Details,
    follow::Follow,
    offset::{Flow, Origin},
    once::Once,
    progress::{Plan, State},
    search::Searcher,
};
use crate::{
    error::{Error, ErrorKind, Result},
    read::{Offset, ReadRequest, ReadStream},
    stream::pages,
};

/// Days between two looks at everything that a lookback covers.
const SWEEP_DAYS: i64 = 7;
const DAY: i64 = 86_400 * 10_000_000;

/// Reads one of the tables of event frames.
#[derive(Clone)]
pub(in super::super) struct FramesReader {
    pub(super) reading: Reading,
    pub(super) table: EventFrames,
    pub(super) searcher: Searcher,
    pub(super) details: Details,
    pub(super) origin: Origin,
    overlap: i64,
    zone: Zone,
}

impl FramesReader {
    /// A reader with the options of its table.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for times, spans and WebIDs that cannot be read.
    pub(in super::super) fn new(reading: Reading, table: EventFrames) -> Result<Self> {
        let options = &reading.options;
        let zone = Zone::parse(&options.time_zone)?;
        let searcher = Searcher::new(reading.client().clone(), options, table);
        let details = Details::new(reading.client().clone(), searcher.clone(), options, table);
        let overlap = overlap(options, zone)?;
        let mut selection = searcher.selection();
        selection.push(reading.client().http.base().to_string());
        selection.push(format!("{:?}", options.event_frames.search_mode));
        selection.push(options.event_frames.event_frame_webids.join(","));
        selection.push(format!("{:?}", options.event_frames.default_event_frames));
        let origin = Origin::new(reading.table.name, &selection);
        Ok(Self { reading, table, searcher, details, origin, overlap, zone })
    }

    /// How the frames are followed in a run that is frozen at `hi`, and now is `now`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for a start or an end that is no time.
    pub(super) fn plan(&self, hi: Ticks, now: Ticks) -> Result<Plan> {
        // When the run was frozen it was as much later than `hi` as it is now later than the end.
        let frozen = Ticks(hi.0.saturating_add(now.0 - self.end(now)?.0));
        let (start, _) = self.reading.options.window.bounds(frozen, self.zone)?;
        let lookback = hi.0.saturating_sub(start.0).max(0);
        let page = u64::from(self.page());
        let cap = u64::from(self.reading.client().page_size(MOST_FRAMES));
        Ok(Plan { hi: hi.0, overlap: self.overlap, lookback, sweep_every: SWEEP_DAYS * DAY, page: page.min(cap), cap })
    }

    /// The end of a run that begins now.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for an end that is no time.
    pub(super) fn end(&self, now: Ticks) -> Result<Ticks> {
        Ok(self.reading.options.window.bounds(now, self.zone)?.1.min(now))
    }

    pub(super) fn page(&self) -> u32 {
        self.reading.options.max_count.unwrap_or(1000)
    }

    /// Whether the options ask for frames that are not followed: a search mode, certain frames, a number of them.
    fn is_read_at_once(&self) -> bool {
        let frames = &self.reading.options.event_frames;
        frames.search_mode.is_some() || !frames.event_frame_webids.is_empty() || frames.default_event_frames.is_some()
    }
}

/// The usual cap of a PI Web API on what it sends at a time.
const MOST_FRAMES: u32 = 150_000;

fn overlap(options: &TableOptions, zone: Zone) -> Result<i64> {
    let text = options.window.late_window.trim();
    if text == "0" {
        return Ok(0);
    }
    let start = Ticks(0);
    let length = Span::parse(text)?.after(start, zone).map_or(i64::MAX, |end| end.0);
    if length > 365 * DAY {
        return Err(Error::new(ErrorKind::Config, "'late_window' is longer than 365d").with("late_window", text));
    }
    Ok(length)
}

#[async_trait]
impl TableReader for FramesReader {
    fn events(&self, request: ReadRequest) -> ReadStream {
        let max_records = request.max_records;
        if self.is_read_at_once() {
            let once = Once::new(self.clone(), request);
            return pages(once, Once::step).max_records(max_records).into_stream();
        }
        let follow = Follow::new(self.clone(), request);
        pages(follow, Follow::step).max_records(max_records).into_stream()
    }

    fn deletes(&self, request: ReadRequest) -> ReadStream {
        if self.table != EventFrames::Frames || self.reading.is_compat() {
            let error = Error::new(ErrorKind::Unsupported, "this table does not report deleted rows")
                .with("table", self.reading.table.name);
            return Box::pin(stream::once(async move { Err(error) }));
        }
        let max_records = request.max_records;
        let deletes = deletes::Deletes::new(self.clone(), request);
        pages(deletes, deletes::Deletes::step).max_records(max_records).into_stream()
    }

    async fn latest_offset(&self, start: Option<&Offset>) -> Result<Option<Offset>> {
        let databases = Databases::find(&self.reading).await?;
        let hi = self.end(databases.now)?;
        if self.is_read_at_once() {
            return self.origin.write(Flow::Rows, hi, BTreeMap::<String, State>::new()).map(Some);
        }
        let (at, mut states) = match start {
            Some(offset) => self.origin.read::<BTreeMap<String, State>>(Flow::Rows, offset)?,
            None => (Ticks(i64::MIN), BTreeMap::new()),
        };
        if at >= hi && states.values().all(|state| state.sweep.is_none()) {
            return Ok(start.cloned());
        }
        let plan = self.plan(hi, databases.now)?;
        for webid in databases.webids {
            let state = states.entry(webid).or_default();
            *state = state.end(&plan);
        }
        self.origin.write(Flow::Rows, hi, states).map(Some)
    }

    fn watermark(&self, offset: &Offset) -> Option<DateTime<Utc>> {
        let (_, states) = self.origin.read::<BTreeMap<String, State>>(Flow::Rows, offset).ok()?;
        let seen = states.values().map(|state| state.started.min(state.ended));
        seen.min().flatten().map(|at| Ticks(at).to_utc())
    }
}
