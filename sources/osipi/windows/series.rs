//! Tables that go on where the last run ended: windows of whole intervals, each sent once.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use futures::TryStreamExt;

use super::{
    super::{
        faults,
        ledger::{TagState, Watermark},
        objects::Named,
        origin::Origin,
        reading::{Reading, TableReader},
        tags::{Tag, TagKey, share},
        time::{Micros, Ticks},
        webid::WebId,
    },
    ask::{Outcome, ask_all},
    grid::{Grid, Length},
    marks::{Due, Marks, Stretch, next_stretch},
    offset::State,
    out::Out,
    question::{Intervals, Question},
    target::{Target, Targets},
    terms::Terms,
};
use crate::{
    connector::OffsetPart,
    error::{Error, ErrorKind, Result},
    read::{Offset, ReadEvent, ReadRequest, ReadStream, Records},
    stream::{Events, limit_records, prefetch, produce},
};

const SECOND: Micros = 1_000_000;

/// Reads a table of windows.
#[derive(Clone)]
pub(super) struct SeriesReader {
    reading: Reading,
    terms: Arc<Terms>,
    origin: Origin,
}

/// Where a run begins for tags that are new, and where it ends.
struct Bounds {
    grid: Grid<Tz>,
    length: Option<Micros>,
    first: Micros,
    end: Micros,
}

impl SeriesReader {
    pub(super) fn new(reading: Reading, terms: Arc<Terms>) -> Self {
        let base = reading.client().http.base().as_str();
        let origin = Origin::new(base, reading.table.name, &terms.meaning(&reading.options));
        Self { reading, terms, origin }
    }

    /// The bounds of a run that begins now, or of one that ends where `until` says; never before `start`.
    async fn bounds(&self, start: Option<&State>, until: Option<&State>) -> Result<Bounds> {
        let (from, to, now) = match until {
            // The same bounds give the same rows, whenever that is.
            Some(until) => (until.first, until.end, until.end),
            None => {
                let now = self.reading.clocks(&["dataservers"]).await?.0;
                let (from, to) = self.reading.options.window.bounds(now, self.terms.zone)?;
                (from.micros(), to.micros(), now.micros())
            }
        };
        // Whoever froze the end may not have known where the table stands, and the length of its intervals.
        let known = start.and_then(|start| start.length).or(until.and_then(|until| until.length));
        let (length, found) = match self.terms.length {
            Some(length) => (length, None),
            None => {
                let micros = known.unwrap_or_else(|| self.plotted(to.min(now) - from));
                (Length::Fixed(micros), Some(micros))
            }
        };
        let grid = self.terms.grid(length)?;
        let (first, end) = match until {
            Some(until) => (until.first, until.end),
            None => {
                let first = if self.terms.outside { grid.floor(from) } else { grid.ceil(from) };
                (first, grid.floor(to.min(Terms::settled(now, length))))
            }
        };
        let end = start.map_or(end, |start| end.max(start.end));
        // Where a run goes on to the same end, the tags that are new begin where they did.
        let first = start.filter(|start| start.end == end).map_or(first, |start| start.first);
        Ok(Bounds { grid, length: found, first, end })
    }

    /// How long an interval of a plot is: the longest micro-batch, or else the first window, has so many of them.
    fn plotted(&self, first: Micros) -> Micros {
        let options = &self.reading.options;
        let longest = i64::from(options.window.window_seconds) * SECOND;
        let span = if longest > 0 { longest } else { first };
        let interval = span / i64::from(options.windowed.intervals.max(1));
        ((interval + SECOND - 1) / SECOND).max(1) * SECOND
    }

    async fn targets(&self) -> Result<Targets> {
        if self.terms.constants.expression.is_none() {
            let tags = Tag::select(&self.reading, false).await?;
            return tags.into_iter().map(Target::of_tag).collect();
        }
        let target = match &self.reading.options.windowed.expression_webid {
            Some(text) => {
                let collection = if text.get(2..4) == Some("DS") { "dataservers" } else { "elements" };
                let webid = self.reading.client().canonical(collection, text).await;
                let webid = webid.map_err(|error| error.with("option", "expression_webid"))?;
                Target::of_object(&WebId::parse(&webid)?, None)
            }
            None => {
                let servers = self.reading.data_servers().await?;
                let [Named { web_id, name, .. }] = servers.as_slice() else {
                    return Err(Error::new(
                        ErrorKind::Config,
                        "there are several data servers, or none, to compute on",
                    )
                    .with("option", "expression_webid")
                    .help("name the data server or element that the expression is computed on"));
                };
                Target::of_object(&WebId::parse(web_id)?, name.as_deref().map(Into::into))
            }
        };
        Ok([target].into_iter().collect())
    }

    /// Reads on; sends nothing when there is nothing new.
    async fn read(&self, request: &ReadRequest, events: Events) -> Result<()> {
        let start = request.start.as_ref().map(|offset| State::read(&self.origin, offset)).transpose()?;
        let until = request.until.as_ref().map(|offset| State::read(&self.origin, offset)).transpose()?;
        if request.until.is_some() && request.start == request.until {
            return Ok(());
        }
        let bounds = self.bounds(start.as_ref(), until.as_ref()).await?;
        if start.as_ref().is_some_and(|start| start.end >= bounds.end && start.is_complete()) {
            return Ok(());
        }
        let targets = self.targets().await?;
        let from_bound = start.as_ref().filter(|start| start.marks.is_none()).map(|start| start.end);
        let mut marks = start.and_then(|start| start.marks).unwrap_or_default();
        let due = targets.iter().map(|target| {
            let from = marks.get(&target.key).or(from_bound).unwrap_or(bounds.first);
            marks.set(target.key.clone(), from);
            let to = match until.as_ref().and_then(|until| until.marks.as_ref()) {
                // A tag that the end does not know was not asked for then.
                Some(ends) => ends.get(&target.key).unwrap_or(from),
                None => bounds.end,
            };
            Due { from, to }
        });
        let due: Vec<Due> = due.collect();
        let options = &self.reading.options;
        let unit_rows = options.window.max_records_per_batch.min(request.max_records.unwrap_or(u64::MAX)).max(1);
        let state = State { end: bounds.end, first: bounds.first, length: bounds.length, marks: Some(marks) };
        let run = Run {
            reader: self.clone(),
            grid: bounds.grid,
            out: Out::new(&self.reading, self.terms.constants.clone()),
            events,
            targets,
            due,
            state,
            unit_rows,
            rows: 0,
            sent: request.start.clone(),
        };
        run.all().await
    }
}

/// A read under way.
struct Run {
    reader: SeriesReader,
    grid: Grid<Tz>,
    out: Out,
    events: Events,
    targets: Targets,
    /// By target: where it stands and where it ends. One that failed ends where it stands.
    due: Vec<Due>,
    state: State,
    unit_rows: u64,
    /// Since the last checkpoint.
    rows: u64,
    /// The last checkpoint.
    sent: Option<Offset>,
}

impl Run {
    async fn all(mut self) -> Result<()> {
        let options = Arc::clone(&self.reader.reading.options);
        let per_request = options.tags.tags_per_request();
        let longest = i64::from(options.window.window_seconds) * SECOND;
        while let Some(stretch) = next_stretch(&self.due) {
            match self.window(&stretch, longest, per_request) {
                Some(window) => self.read(window, &stretch.tags, per_request).await?,
                // What is left is shorter than an interval: a later run finds it whole.
                None => stretch.tags.into_iter().for_each(|at| self.leave_out(at)),
            }
            if longest > 0 && self.rows > 0 {
                self.checkpoint().await?;
            }
        }
        self.checkpoint().await
    }

    fn window(&self, stretch: &Stretch, longest: Micros, per_request: usize) -> Option<Intervals> {
        let most = self.reader.terms.most(&self.reader.reading, per_request.min(stretch.tags.len()));
        let to = if longest > 0 { stretch.to.min(stretch.from + longest) } else { stretch.to };
        let window = self.grid.intervals(stretch.from, to, most);
        window.or_else(|| self.grid.intervals(stretch.from, stretch.to, 1))
    }

    async fn read(&mut self, window: Intervals, places: &[usize], per_request: usize) -> Result<()> {
        let question = Arc::new(self.reader.terms.over(window));
        let targets = Arc::clone(&self.targets);
        let longest = places.first().and_then(|at| targets.get(*at)).map_or("", |target| &*target.webid);
        let size = question.size(per_request, longest);
        let mut answers = ask_all(self.reader.reading.client(), &question, &targets, places, size);
        while let Some(answered) = answers.try_next().await? {
            for (at, outcome) in answered {
                self.take(&question, window, at, outcome)?;
            }
            if self.rows >= self.unit_rows {
                self.checkpoint().await?;
            } else if self.out.is_full() {
                self.send().await?;
            }
        }
        Ok(())
    }

    fn take(&mut self, question: &Question, window: Intervals, at: usize, outcome: Outcome) -> Result<()> {
        let targets = Arc::clone(&self.targets);
        let Some(target) = targets.get(at) else { return Ok(()) };
        let taken = match outcome {
            // It stays where it is and comes again with fewer intervals.
            Outcome::TooMany => return Ok(()),
            Outcome::Failed(error) => Err(error),
            Outcome::Answer(answer) => self.out.take(question, target, &answer),
        };
        match taken {
            Ok(rows) => {
                self.rows += rows as u64;
                if let Some(due) = self.due.get_mut(at) {
                    due.from = window.to;
                }
                if let Some(marks) = &mut self.state.marks {
                    marks.set(target.key.clone(), window.to);
                }
                let is_complete = self.due.get(at).is_none_or(|due| due.from >= due.to);
                self.note(target, rows as u64, |watermark| watermark.stands(TagState::read(is_complete)));
            }
            Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
            Err(error) => {
                if !(target.by_chance && faults::is_unfit(&error)) {
                    self.note(target, 0, |watermark| watermark.failed(&error));
                }
                let object = target.object(Some((window.from, window.to)));
                self.reader.reading.tolerate_stream(object, target.by_chance, error)?;
                self.leave_out(at);
            }
        }
        Ok(())
    }

    /// Leaves a target where it stands until the next run.
    fn leave_out(&mut self, at: usize) {
        if let Some(due) = self.due.get_mut(at) {
            due.to = due.from;
        }
    }

    /// Notes where a tag has got to, for `pi_watermarks`.
    fn note(&self, target: &Target, rows: u64, change: impl FnOnce(&mut Watermark)) {
        let reading = &self.reader.reading;
        let now = reading.now();
        let run = Ticks::from_micros(self.state.end).to_utc();
        let at = self.state.marks.as_ref().and_then(|marks| marks.get(&target.key));
        reading.source.notes.reached(reading.table.name, &target.webid, |watermark| {
            change(watermark);
            watermark.name = target.name.as_deref().map(str::to_owned);
            watermark.timestamp = at.map(|at| Ticks::from_micros(at).to_utc());
            watermark.count(run, rows);
            watermark.updated = now;
        });
    }

    async fn send(&mut self) -> Result<()> {
        match self.out.flush()? {
            Some(batch) => self.events.send(ReadEvent::Records(Records::Arrow(batch))).await,
            None => Ok(()),
        }
    }

    async fn checkpoint(&mut self) -> Result<()> {
        self.send().await?;
        self.rows = 0;
        let offset = self.state.write(&self.reader.origin)?;
        if self.sent.as_ref() != Some(&offset) {
            self.sent = Some(offset.clone());
            self.events.send(ReadEvent::Checkpoint(offset)).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl TableReader for SeriesReader {
    fn events(&self, request: ReadRequest) -> ReadStream {
        let reader = self.clone();
        let max_records = request.max_records;
        let events = produce(move |events| async move {
            reader.read(&request, events).await.map_err(|error| match error.get("table") {
                Some(_) => error,
                None => error.with("table", reader.reading.table.name),
            })
        });
        limit_records(prefetch(events, 1), max_records)
    }

    async fn latest_offset(&self, start: Option<&Offset>) -> Result<Option<Offset>> {
        let state = start.map(|offset| State::read(&self.origin, offset)).transpose()?;
        let bounds = self.bounds(state.as_ref(), None).await?;
        match state {
            Some(state) if state.end >= bounds.end && state.is_complete() => Ok(start.cloned()),
            _ => {
                let Bounds { first, end, length, .. } = bounds;
                State { end, first, length, marks: None }.write(&self.origin).map(Some)
            }
        }
    }

    async fn plan(&self, request: ReadRequest) -> Result<Vec<ReadRequest>> {
        if self.terms.constants.expression.is_some() {
            return Ok(vec![request]);
        }
        let until = match &request.until {
            Some(until) => Some(until.clone()),
            None => self.latest_offset(request.start.as_ref()).await?,
        };
        share::split(&self.reading, request, until, false).await
    }

    fn watermark(&self, offset: &Offset) -> Option<DateTime<Utc>> {
        State::read(&self.origin, offset).ok().map(|state| Ticks::from_micros(state.end).to_utc())
    }

    async fn explain_offset(&self, offset: &Offset) -> Result<Vec<OffsetPart>> {
        let state = State::read(&self.origin, offset)?;
        let part = |(tag, at): (&TagKey, Micros)| {
            OffsetPart::new(tag.to_string(), Some(Ticks::from_micros(at).to_string()))
                .detail("state", if at >= state.end { "complete" } else { "behind" })
        };
        Ok(state.marks.iter().flat_map(Marks::iter).map(part).collect())
    }

    async fn forget_parts(&self, offset: &Offset, parts: &[String]) -> Result<Offset> {
        let mut state = State::read(&self.origin, offset)?;
        if parts.is_empty() {
            return Ok(offset.clone());
        }
        let marks = state.marks.get_or_insert_default();
        let names: Vec<(String, TagKey)> = marks.iter().map(|(tag, _)| (tag.to_string(), tag.clone())).collect();
        for part in parts {
            match names.iter().find(|(name, _)| name == part) {
                Some((_, tag)) => marks.forget(tag),
                None => return Err(Error::unknown("tag", part, names.iter().map(|(name, _)| name.as_str()))),
            };
        }
        // There is something to read again, also before another interval has ended.
        state.end -= 1;
        state.write(&self.origin)
    }
}
