//! Begins a read of recorded values: what is to be read, by the options, the offset and the server.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    super::{
        config::{ChangeCapture, SnapshotPolicy},
        controller::{Controller, Limits},
        origin::Origin,
        tables::TimeSeries,
        tags::{Tag, TagKey},
        time::{Micros, Span, Ticks, Zone},
        webid::WebId,
    },
    again,
    archive::{PiArchive, SharedArchive},
    beyond::{gone_beyond, newest_before},
    feed::follow_feed,
    fetch::{RowKind, Stream, Terms},
    mark::{Mark, Newest},
    reader::{Reads, RecordedReader},
    run::{Plan, Run},
    state::State,
    updates::Feed,
};
use crate::{
    connector::IngestionType,
    error::{Error, ErrorKind, Result},
    read::ReadRequest,
};

/// Where tags begin that are new.
struct Beginnings {
    /// The beginning of the table.
    first: Micros,
    /// From an end of which no marks are left: what is read again, and where the newest event of each tag was, unless it was sent
    /// as final.
    again: Option<(Micros, Option<HashMap<usize, Micros>>)>,
}

impl Beginnings {
    /// Where the tag at a place begins.
    fn of(&self, place: usize) -> Micros {
        match &self.again {
            None => self.first,
            Some((again, None)) => (*again).max(self.first),
            Some((again, Some(newest))) => newest.get(&place).map_or(self.first, |at| *again.min(at)).max(self.first),
        }
    }
}

impl RecordedReader {
    pub(super) fn origin(&self) -> Origin {
        let options = &self.reading.options.recorded;
        let meaning = format!(
            "{}\n{}\n{}",
            options.filter_expression.as_deref().unwrap_or_default(),
            options.include_filtered_values,
            options.desired_units.as_deref().unwrap_or_default()
        );
        Origin::new(self.reading.client().http.base().as_str(), self.reading.table.name, &meaning)
    }

    fn zone(&self) -> Result<Zone> {
        Zone::parse(&self.reading.options.time_zone)
    }

    /// Where a run that begins now ends.
    pub(super) async fn end(&self) -> Result<Micros> {
        let (_, now) = self.reading.clocks(&["dataservers"]).await?;
        // The instant itself belongs to the run.
        Ok(now.micros() + 1)
    }

    /// Where the table begins and ends, at the end of a run.
    fn bounds(&self, end: Micros) -> Result<(Ticks, Ticks)> {
        self.reading.options.window.bounds(Ticks::from_micros(end - 1), self.zone()?)
    }

    /// Up to where a run reads that ends at `end`: there, or at the end of the table.
    pub(super) fn bound(&self, end: Micros) -> Result<Micros> {
        Ok((self.bounds(end)?.1.micros() + 1).min(end))
    }

    /// Whether a table that ends before now holds all that it ever will, as far as that is looked for.
    pub(super) fn is_over(&self, run: &Run, bound: Micros) -> Result<bool> {
        let state = run.state();
        let looks_back = self.late_window()?.max(state.known_from.map_or(0, |known| state.now - known));
        Ok(bound < state.now - looks_back && run.is_settled())
    }

    /// Whether nothing is left to be read of a table that ended before now: no tag is new either.
    pub(super) async fn is_settled(&self, state: &State, end: Micros) -> Result<bool> {
        if state.settled.is_none() || state.settled != Some(self.bound(end)?) {
            return Ok(false);
        }
        let tags = Tag::select(&self.reading, self.kind == TimeSeries::AttributeValues).await?;
        let mut keys = tags.iter().map(|tag| WebId::parse(&tag.webid).map(|webid| TagKey::of(&webid)));
        keys.try_fold(true, |all, key| Ok(all && state.tags.contains_key(&key?)))
    }

    /// How far a run that ends at `end` reads on beyond it: not at all where the table ends before.
    fn horizon(&self, bound: Micros, end: Micros) -> Result<Micros> {
        let beyond = self.span("future_horizon", &self.reading.options.window.future_horizon)?;
        Ok(if bound < end { end } else { end + beyond })
    }

    /// Where a tag that is new begins in a run that ends at `end`.
    fn first(&self, end: Micros) -> Result<Micros> {
        Ok(self.bounds(end)?.0.micros())
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
        match self.capture() {
            ChangeCapture::None => Ok(0),
            _ => self.span("late_window", &self.reading.options.window.late_window),
        }
    }

    /// How changes are followed; the public connector's way is not at all.
    fn capture(&self) -> ChangeCapture {
        match self.reading.metadata().ingestion_type {
            IngestionType::Append => ChangeCapture::None,
            _ => self.reading.options.recorded.change_capture,
        }
    }

    /// Whether deletions are looked for.
    pub(super) fn follows(&self) -> bool {
        self.reading.metadata().ingestion_type == IngestionType::CdcWithDeletes
    }

    /// From where on it is to be known which rows have been sent.
    fn known_from(&self, end: Micros) -> Option<Micros> {
        let compares = matches!(self.capture(), ChangeCapture::Reconcile | ChangeCapture::Updates);
        let days = i64::from(self.reading.options.recorded.reconcile_days);
        (self.follows() && compares).then(|| end - days * 86_400_000_000)
    }

    /// Names the table with its tags and window among those of the connection.
    pub(super) fn selection(&self) -> String {
        let options = &self.reading.options;
        format!("{} {:?} {:?}", self.origin().hash(), options.tags, options.window)
    }

    fn newest(&self) -> Newest {
        match self.reading.options.recorded.snapshot_policy {
            SnapshotPolicy::Include => Newest::Final,
            // A newest event that is discarded later can only be taken back where deletions are told.
            SnapshotPolicy::Provisional if self.follows() => Newest::Provisional,
            SnapshotPolicy::Provisional | SnapshotPolicy::Exclude => Newest::HeldBack,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let wanted = self.reading.options.recorded.change_capture;
        if self.follows() || matches!(wanted, ChangeCapture::None | ChangeCapture::Overlap) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Config, "this table has no deletions: change_capture can be none or overlap here")
            .with("table", self.reading.table.name)
            .help("set change_capture to overlap, and leave out compat=upstream"))
    }

    /// Begins a read: `None` when there is nothing to read.
    ///
    /// # Errors
    /// Those of the options, of the offset and of the server.
    pub(super) async fn begin(&self, request: &ReadRequest) -> Result<Option<Reads>> {
        let streamset = self.reading.options.recorded.prefer_streamset || self.kind == TimeSeries::StreamsetRecorded;
        self.begin_on(Arc::new(PiArchive::new(&self.reading, streamset, self.rows())), request).await
    }

    fn rows(&self) -> RowKind {
        if self.kind == TimeSeries::Annotations { RowKind::Annotations } else { RowKind::Events }
    }

    /// Begins a read of an archive: `None` when there is nothing to read.
    ///
    /// # Errors
    /// As [`RecordedReader::begin`].
    pub(super) async fn begin_on(&self, archive: SharedArchive, request: &ReadRequest) -> Result<Option<Reads>> {
        self.check()?;
        let origin = self.origin();
        let start = request.start.as_ref().map(|offset| State::read(&origin, offset)).transpose()?;
        if let Some(start) = start.as_ref().filter(|start| !start.is_bound) {
            self.reading.source.deletions.show(&self.selection(), start);
        }
        let Some(end) = self.frozen_end(&origin, request, start.as_ref()).await? else { return Ok(None) };
        let attributes = self.kind == TimeSeries::AttributeValues;
        let mut tags = Tag::select(&self.reading, attributes).await?;
        tags.sort_unstable_by(|a, b| a.webid.cmp(&b.webid));
        let streams: Arc<[Stream]> = tags.iter().map(Stream::of).collect::<Result<_>>()?;
        let keys: Arc<[TagKey]> = streams.iter().map(|stream| TagKey::of(&stream.webid)).collect();
        let bound = self.bound(end)?;
        let first = self.first(end)?;
        let mut state = start.unwrap_or_default();
        if state.settled == Some(bound) && keys.iter().all(|key| state.tags.contains_key(key)) {
            return Ok(None);
        }
        let is_first = state.now == 0;
        let resumes = state.now == end && !state.is_bound;
        self.begin_state(&mut state, end, first)?;
        let horizon = self.horizon(bound, end)?;
        let from = self.beginnings(&state, &streams, first).await?;
        let new = self.begin_marks(&mut state, &keys, (bound, end, horizon), resumes, from)?;
        let settled = match bound < end {
            true => gone_beyond(&self.reading, &streams, bound).await?,
            false => HashSet::new(),
        };
        let (mut follow, markers) = match self.capture() {
            ChangeCapture::Updates => {
                let feed = Feed::of_places(self.reading.client());
                follow_feed(&feed, &mut state, &keys, &streams, &new).await?
            }
            _ => Default::default(),
        };
        let places: HashMap<&str, usize> = streams.iter().enumerate().map(|(at, s)| (&*s.text, at)).collect();
        follow.go_on(&state, |webid| places.get(webid).copied());
        state.now = end;
        let options = &self.reading.options;
        let terms = Terms {
            archive,
            streams,
            read_at: state.read_at,
            now: end,
            newest: self.newest(),
            settled: Arc::new(settled),
            follows: self.follows(),
            rows: self.rows(),
            schema: Arc::new(self.reading.schema().to_arrow()),
            decoding: Terms::decoding(),
        };
        let is_later = !is_first && !resumes;
        let plan = Plan {
            horizon,
            bound,
            unit_rows: options.window.max_records_per_batch.min(request.max_records.unwrap_or(u64::MAX)).max(1),
            batches: self.reading.client().http.max_concurrency(),
            late_window: if is_later { self.late_window()? } else { 0 },
            compare: state.known_from.filter(|_| is_later).map(|_| options.recorded.reconcile_sample),
            earliest: first,
            by_feed: self.capture() == ChangeCapture::Updates,
        };
        let run = Run::new(terms, Arc::clone(&keys), plan, (state, follow), Controller::new(self.limits()));
        let columns = self.columns()?;
        let reader = self.clone();
        let start = request.start.clone();
        Ok(Some(Reads { reader, origin, run, start, bound, tags, keys, columns, markers, sent: false, ended: false }))
    }

    fn limits(&self) -> Limits {
        let options = &self.reading.options;
        let window = Some(options.window.window_seconds).filter(|s| *s > 0).map(|s| i64::from(s) * 1_000_000);
        Limits {
            requests: options.tags.tags_per_request(),
            max_count: self.reading.client().page_size(options.max_count.unwrap_or(10_000)),
            bytes: options.window.target_response_bytes as f64,
            under_way: options.window.bytes_under_way() as f64,
            window,
        }
    }

    /// Where the read ends; `None` when it begins there.
    async fn frozen_end(
        &self,
        origin: &Origin,
        request: &ReadRequest,
        start: Option<&State>,
    ) -> Result<Option<Micros>> {
        let until = request.until.as_ref().map(|offset| State::read(origin, offset)).transpose()?;
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
        let end = start.map_or(end, |start| end.max(start.now));
        Ok(Some(end).filter(|end| start.is_none_or(|start| start.now != *end || !start.is_complete())))
    }

    fn begin_state(&self, state: &mut State, end: Micros, first: Micros) -> Result<()> {
        state.forget_deletions();
        state.read_at = Ticks::from_utc(self.reading.now()).micros().max(state.read_at + 1);
        if state.born == 0 {
            (state.born, state.since) = (state.read_at, first);
        }
        state.since = state.since.min(first);
        state.settled = None;
        state.know_from(self.known_from(end));
        Ok(())
    }

    /// Where tags begin of which the state says nothing.
    async fn beginnings(&self, state: &State, streams: &[Stream], first: Micros) -> Result<Beginnings> {
        if state.now == 0 || !state.is_bound {
            return Ok(Beginnings { first, again: None });
        }
        // A bound says nothing of single tags: what may have come late is read again, and the newest event of each.
        let again = match self.reading.metadata().ingestion_type {
            IngestionType::Append => state.now,
            _ => state.now - self.late_window()?.max(600_000_000),
        };
        let newest = match self.newest() {
            Newest::Final => None,
            _ => Some(newest_before(&self.reading, streams, state.now).await?),
        };
        Ok(Beginnings { first, again: Some((again, newest)) })
    }

    /// Begins the marks of all tags; the places of those that are new.
    fn begin_marks(
        &self,
        state: &mut State,
        keys: &[TagKey],
        (bound, end, horizon): (Micros, Micros, Micros),
        resumes: bool,
        from: Beginnings,
    ) -> Result<HashSet<usize>> {
        let (late_window, first) = (self.late_window()?, from.first);
        let is_first = state.now == 0;
        state.is_bound = false;
        let late = if is_first || resumes { Vec::new() } else { again::due(&mut state.again, end, late_window) };
        if is_first {
            state.again = again::begin(end, late_window);
        }
        let mut new = HashSet::new();
        for (place, key) in keys.iter().enumerate() {
            match state.tags.get_mut(key) {
                Some(_) if resumes => {}
                Some(mark) => {
                    let late: Vec<_> = late.iter().map(|(from, to)| ((*from).max(first), *to)).collect();
                    mark.begin(bound, horizon > end, &late);
                }
                None => {
                    let mut mark = Mark::unread(from.of(place).min(bound), bound);
                    mark.done = horizon <= end;
                    state.tags.insert(key.clone(), mark);
                    new.insert(place);
                }
            }
        }
        Ok(new)
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
