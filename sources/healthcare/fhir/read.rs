//! A read of one table: from a start to a frozen end, window by window, with a checkpoint after each.

use std::{collections::VecDeque, sync::Arc};

use futures::stream;

use super::{
    config::TableOptions,
    instant::{Instant, Step},
    learned::{LastUpdated, Totals},
    offset::{Origin, State},
    planner::{Part, Planner},
    progress::Progress,
    rows::Rows,
    scope::{Overlap, Scope},
    server::Server,
    task::{Output, Task},
    walk::{Piece, Walker},
    window::{Span, Window},
    wire::Wire,
};
use crate::{
    connector::{IngestionType, TableMetadata},
    decode::{DecodeOptions, Decoder, PartialDates, Shape},
    error::{Error, ErrorKind, Result},
    read::{BadRows, Offset, ReadEvent, ReadRequest, ReadStream, Records},
    stream::limit_records,
};

/// Windows being read at a time; their rows are still sent in order.
const WINDOWS_AT_A_TIME: usize = 2;

/// Requests that a plan makes of one, about.
const PLANNED_PARTS: u64 = 16;

/// How far an offset may lie ahead of the server's clock before it is taken for a mistake.
const CLOCK_TOLERANCE_SECONDS: f64 = 300.0;

/// The reader of one table.
pub(super) struct TableReader<W> {
    pub(super) server: Arc<Server<W>>,
    pub(super) origin: Origin,
    pub(super) options: TableOptions,
    pub(super) shape: Arc<Shape>,
}

/// What is to be read: where it begins, where it ends, and what was read before.
struct Range {
    start: Option<State>,
    lo: Option<Instant>,
    hi: Instant,
    /// Up to here the end is final; what lies behind is read again by the next run.
    settled: Instant,
    /// The end leaves resources without a stamp for later.
    leaves_without_stamp: bool,
}

impl<W: Wire> TableReader<W> {
    /// Reads the table. Nothing is asked before the first poll.
    pub(super) fn events(self, request: ReadRequest) -> ReadStream {
        let max_records = request.max_records;
        let reader = Arc::new(self);
        let start = move || Task::spawn(1, move |out| async move { reader.run(request, &out).await });
        let events = stream::try_unfold(Running::Idle(start), |running| async move {
            let mut task = match running {
                Running::Idle(start) => start(),
                Running::Started(task) => task,
            };
            Ok(task.next().await?.map(|event| (event, Running::Started(task))))
        });
        limit_records(Box::pin(events), max_records)
    }

    async fn run(self: Arc<Self>, request: ReadRequest, out: &Output<ReadEvent>) -> Result<()> {
        let now = self.server.begin().await?;
        let start = request.start.as_ref().map(|offset| self.origin.read(offset)).transpose()?;
        if self.is_snapshot(is_asked(start.as_ref())).await? {
            let since = self.since();
            self.read_everything(Scope::Everything { since }, request.bad_rows, out).await?;
            let end = State { snapshot: true, ..self.end_at(now) };
            return out.send(ReadEvent::Checkpoint(end.offset()?)).await;
        }
        match self.range(start, request.until.as_ref(), now)? {
            Some(range) => self.read_range(range, &request, out).await,
            None => Ok(()),
        }
    }

    /// The range of a request; `None` when there is nothing in it.
    fn range(&self, start: Option<State>, until: Option<&Offset>, now: Instant) -> Result<Option<Range>> {
        let until = until.map(|offset| self.origin.read(offset)).transpose()?;
        if [&start, &until].into_iter().flatten().any(|state| state.mark > now.plus_seconds(CLOCK_TOLERANCE_SECONDS)) {
            return Err(Error::new(ErrorKind::OffsetExpired, "the offset lies in the future of the server's clock")
                .with("table", &self.server.table)
                .help("check the server's clock, or reset the table's state to read it in full again"));
        }
        let end = until.unwrap_or_else(|| self.end_at(now));
        let lo = match &start {
            Some(state) => Some(state.settled),
            None => self.since(),
        };
        let is_done = start.as_ref().is_some_and(|state| end.mark <= state.mark) || lo.is_some_and(|lo| lo >= end.mark);
        Ok((!is_done).then_some(Range {
            start,
            lo,
            hi: end.mark,
            settled: end.settled,
            leaves_without_stamp: end.without_stamp_due,
        }))
    }

    /// What last changed before this is left out.
    fn since(&self) -> Option<Instant> {
        self.options.start_timestamp.map(|t| t.floor(Step::Millisecond))
    }

    /// Where a run that begins now ends.
    fn end_at(&self, now: Instant) -> State {
        let hi = now.plus_seconds(-self.options.safety_lag_seconds).floor(Step::Millisecond);
        // Two seconds more: what is asked for a window reaches over its end, and must not reach what may still appear.
        self.origin.state(hi, hi.plus_seconds(-self.options.lookback_seconds - 2.0).floor(Step::Second))
    }

    async fn read_range(self: &Arc<Self>, range: Range, request: &ReadRequest, out: &Output<ReadEvent>) -> Result<()> {
        let overlap = Arc::new(Overlap {
            seal: self.origin.seal(),
            sent: range.start.iter().flat_map(|state| state.sent.iter().copied()).collect(),
            until: range.start.as_ref().map(|state| state.mark),
            note_from: Some(range.settled),
        });
        let is_first = range.start.is_none() && range.lo.is_none();
        // A table that was read as a whole before owes a look at what no window finds.
        let due = is_first || range.start.as_ref().is_some_and(|state| state.without_stamp_due || state.snapshot);
        let mut progress = Progress::new(self.origin.clone(), range.start, range.settled, due);
        let mut plan = self.plan_windows(Window::new(range.lo, range.hi), self.options.max_records_per_batch);
        let mut planned_all = false;
        let mut running: VecDeque<Task<Piece>> = VecDeque::new();
        let mut decoders: Vec<Decoder> = Vec::new();
        loop {
            while !planned_all && running.len() < WINDOWS_AT_A_TIME && (running.is_empty() || plan.is_ready()) {
                match plan.next().await? {
                    Some(part) => {
                        let decoder = decoders.pop().unwrap_or_else(|| self.decoder());
                        running.push_back(self.walk(part, decoder, request.bad_rows, Arc::clone(&overlap)));
                    }
                    None => planned_all = true,
                }
            }
            let Some(first) = running.front_mut() else { return Ok(()) };
            match first.next().await? {
                Some(Piece::Rows(batch)) => out.send(ReadEvent::Records(Records::Arrow(batch))).await?,
                Some(Piece::Quarantined(rows)) => out.send(ReadEvent::Quarantined(rows)).await?,
                Some(Piece::Complete { hi, noted }) => {
                    if due && hi == range.hi && !range.leaves_without_stamp {
                        self.read_without_stamp(request.bad_rows, out).await?;
                        progress.without_stamp_read();
                    }
                    out.send(ReadEvent::Checkpoint(progress.advance(hi, noted)?)).await?;
                }
                Some(Piece::Decoder(decoder)) => decoders.push(*decoder),
                None => drop(running.pop_front()),
            }
        }
    }

    fn plan_windows(&self, range: Window, most: u64) -> Task<Part> {
        let mut planner = Planner::new(Arc::clone(&self.server), range, most);
        Task::spawn(WINDOWS_AT_A_TIME, |out| async move {
            while let Some(part) = planner.next().await? {
                out.send(part).await?;
            }
            Ok(())
        })
    }

    fn walk(&self, part: Part, decoder: Decoder, bad_rows: BadRows, overlap: Arc<Overlap>) -> Task<Piece> {
        let mut rows = Rows::new(self.server.table.clone(), decoder, bad_rows, overlap);
        rows.make_room(part.count.map_or(0, |count| count.rows));
        let server = Arc::clone(&self.server);
        Task::spawn(1, move |out| async move {
            let mut walker = Walker::new(server, rows, out);
            walker.read_window(part.window, part.count).await?;
            walker.hand_over().await
        })
    }

    fn decoder(&self) -> Decoder {
        let options =
            DecodeOptions::new(&self.server.table).primary_keys(["id"]).partial_dates(PartialDates::FirstInstant);
        Decoder::new(Arc::clone(&self.shape), options)
    }

    /// Reads the rows that no window can find, unless counts have proved that there are none, or windows have brought them.
    async fn read_without_stamp(&self, bad_rows: BadRows, out: &Output<ReadEvent>) -> Result<()> {
        let learned = &self.server.learned;
        let there_are_none = learned.rows_without_stamp() == Some(false) && learned.totals() == Totals::Proven;
        if there_are_none || learned.last_updated() != LastUpdated::Honoured {
            return Ok(());
        }
        let rows = self.read_everything(Scope::WithoutStamp, bad_rows, out).await?;
        if rows > 0 {
            tracing::warn!(
                table = self.server.table,
                rows,
                "resources without meta.lastUpdated were read once; later runs cannot see their changes"
            );
        }
        Ok(())
    }

    /// Walks over the whole table and sends what the scope wants; returns how many rows without a stamp there were.
    async fn read_everything(&self, scope: Scope, bad_rows: BadRows, out: &Output<ReadEvent>) -> Result<u64> {
        let overlap = Arc::new(Overlap::none(self.origin.seal()));
        let rows = Rows::new(self.server.table.clone(), self.decoder(), bad_rows, overlap);
        let server = Arc::clone(&self.server);
        let (sender, without_stamp) = tokio::sync::oneshot::channel();
        let mut task = Task::spawn(1, move |out| async move {
            let rows = Walker::new(server, rows, out).read_unfiltered(scope).await?;
            // Nobody waits for it any more: the read was dropped.
            let _ = sender.send(rows);
            Ok(())
        });
        while let Some(piece) = task.next().await? {
            match piece {
                Piece::Rows(batch) => out.send(ReadEvent::Records(Records::Arrow(batch))).await?,
                Piece::Quarantined(rows) => out.send(ReadEvent::Quarantined(rows)).await?,
                Piece::Complete { .. } | Piece::Decoder(_) => {}
            }
        }
        Ok(without_stamp.await.unwrap_or_default())
    }

    /// Whether the table can only be read whole. It is only asked about when `ask`; else what is known is the answer.
    async fn is_snapshot(&self, ask: bool) -> Result<bool> {
        let learned = &self.server.learned;
        if learned.last_updated() == LastUpdated::Refused {
            return Ok(true);
        }
        if learned.rows_without_stamp().is_none() && ask && learned.last_updated() == LastUpdated::Honoured {
            self.look_for_rows_without_stamp().await?;
        }
        Ok(learned.rows_without_stamp() == Some(true))
    }

    /// Counts with and without the filter in turn. Writes between two counts can hide a row without a stamp, or look like one,
    /// so each answer is wanted twice in a row; on a table that does not hold still so long it stays open.
    async fn look_for_rows_without_stamp(&self) -> Result<()> {
        const ROUNDS: u32 = 5;
        let stamped = || self.server.count(Span::Between { lo: None, hi: Instant::FAR_FUTURE });
        let Some(mut before) = stamped().await? else { return Ok(()) };
        let (mut none, mut some) = (0, 0);
        for _ in 0..ROUNDS {
            let (Some(all), Some(after)) = (self.server.count(Span::All).await?, stamped().await?) else {
                return Ok(());
            };
            none = if all == before && all == after { none + 1 } else { 0 };
            some = if all > before && all > after { some + 1 } else { 0 };
            before = after;
            if none == 2 || some == 2 {
                // An estimate is no proof; the first load ends with a walk over everything where it is not known.
                if some == 2 && self.server.may_estimate() && !self.server.shows_row_without_stamp().await? {
                    return Ok(());
                }
                self.server.learned.set_rows_without_stamp(some == 2);
                return Ok(());
            }
        }
        Ok(())
    }

    /// How the table is to be stored.
    pub(super) async fn metadata(&self) -> Result<TableMetadata> {
        self.server.begin().await?;
        let snapshot = self.is_snapshot(true).await?;
        Ok(TableMetadata {
            primary_keys: vec!["id".to_owned()],
            cursor_field: (!snapshot).then(|| "lastUpdated".to_owned()),
            ingestion_type: if snapshot { IngestionType::Snapshot } else { IngestionType::Cdc },
        })
    }

    /// Where a run that begins now ends.
    pub(super) async fn latest_offset(&self, start: Option<&Offset>) -> Result<Offset> {
        let now = self.server.begin().await?;
        let start = start.map(|offset| self.origin.read(offset)).transpose()?;
        let snapshot = self.is_snapshot(is_asked(start.as_ref())).await?;
        let end = State { snapshot, ..self.end_at(now) };
        match start {
            Some(start) => match self.range(Some(start.clone()), None, now)? {
                Some(_) => end.offset(),
                None => start.offset(),
            },
            None => end.offset(),
        }
    }

    /// Requests over neighbouring windows of about the same number of resources, which together cover a request.
    pub(super) async fn plan(&self, request: ReadRequest) -> Result<Vec<ReadRequest>> {
        let now = self.server.begin().await?;
        let start = request.start.as_ref().map(|offset| self.origin.read(offset)).transpose()?;
        let whole = request.max_records.is_some()
            || self.is_snapshot(is_asked(start.as_ref())).await?
            || self.server.learned.last_updated() != LastUpdated::Honoured;
        if whole {
            return Ok(vec![request]);
        }
        let Some(range) = self.range(start, request.until.as_ref(), now)? else { return Ok(vec![request]) };
        let window = Window::new(range.lo, range.hi);
        let total = self.server.count(self.server.span(&window)).await?.unwrap_or_default();
        let mut windows = self.plan_windows(window, self.options.max_records_per_batch.max(total / PLANNED_PARTS));
        let read_before = range.start.as_ref().map(|state| state.mark);
        let mut cuts = Vec::new();
        while let Some(part) = windows.next().await? {
            // The part that is read twice stays with the first request, which knows what was sent of it.
            if part.window.hi < range.hi && read_before.is_none_or(|mark| part.window.hi > mark) {
                cuts.push(part.window.hi);
            }
        }
        let end = match &request.until {
            Some(until) => until.clone(),
            None => {
                let mut end = self.origin.state(range.hi, range.settled);
                end.without_stamp_due = range.leaves_without_stamp;
                end.offset()?
            }
        };
        let mut requests = Vec::with_capacity(cuts.len() + 1);
        let mut from = request.start.clone();
        for cut in cuts {
            let mut at = self.origin.state(cut, range.settled);
            at.without_stamp_due = range.leaves_without_stamp && requests.is_empty();
            requests.push(request.clone().start(from).until(at.offset()?));
            from = Some(self.origin.state(cut, cut).offset()?);
        }
        requests.push(request.start(from).until(end));
        Ok(requests)
    }
}

/// Whether it is to be asked if a table can only be read whole: not while it is read by time.
fn is_asked(start: Option<&State>) -> bool {
    start.is_none_or(|state| state.snapshot)
}

/// A stream before and after its first poll.
enum Running<F> {
    Idle(F),
    Started(Task<ReadEvent>),
}
