//! One batch: asked, decoded, and judged window by window.

use std::{collections::HashSet, sync::Arc};

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    super::{
        controller::{Batch, Job, Lane},
        pages::Verdict,
        tags::Tag,
        time::Micros,
        values::{PointKind, Values},
        webid::WebId,
    },
    annotations::Annotations,
    archive::{Answer, Ask, SharedArchive},
    known::Instants,
    mark::{Newest, Seen},
};
use crate::{
    decode::Scanner,
    error::{Error, ErrorKind, Result},
};

/// Rows of one record batch, about.
const BATCH_ROWS: usize = 65_536;
const BATCH_BYTES: usize = 16 << 20;

/// A stream as a batch needs to know it.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) webid: WebId,
    pub(super) text: Arc<str>,
    pub(super) kind: PointKind,
}

impl Stream {
    pub(super) fn of(tag: &Tag) -> Result<Self> {
        Ok(Self { webid: WebId::parse(&tag.webid)?, text: tag.webid.as_ref().into(), kind: tag.point_kind() })
    }
}

/// What all batches of a run share.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) archive: SharedArchive,
    pub(super) streams: Arc<[Stream]>,
    /// When the read began.
    pub(super) read_at: Micros,
    /// The end of the run.
    pub(super) now: Micros,
    pub(super) newest: Newest,
    /// Tags whose newest event of the read has another after it, so that it is final.
    pub(super) settled: Arc<HashSet<usize>>,
    /// Whether deletions are looked for.
    pub(super) follows: bool,
    /// What the rows are.
    pub(super) rows: RowKind,
    pub(super) schema: SchemaRef,
    /// Of the answers that have come only so many are decoded at a time, or wait as rows: those are larger than JSON.
    pub(super) decoding: Arc<Semaphore>,
}

impl Terms {
    /// What becomes of the newest event of a tag.
    pub(super) fn newest_of(&self, tag: usize) -> Newest {
        if self.settled.contains(&tag) { Newest::Final } else { self.newest }
    }

    /// One answer is decoded while another is taken.
    pub(super) fn decoding() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(2))
    }
}

/// What the rows of a read are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowKind {
    /// The events.
    Events,
    /// Their annotations.
    Annotations,
}

/// The newest event of an answer, as `pi_watermarks` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Latest {
    pub(super) at: Micros,
    /// Its time as the server wrote it.
    pub(super) raw: Box<str>,
    /// Its place among the events of its microsecond, from 0.
    pub(super) sequence: u32,
}

/// What an answer brought of a tag, for `pi_watermarks`.
#[derive(Debug)]
pub(super) struct Brought {
    pub(super) tag: usize,
    pub(super) events: u32,
    /// The newest of them, unless it lies beyond now.
    pub(super) latest: Option<Latest>,
    /// From where on there is no event, where that was shown.
    pub(super) none_from: Option<Micros>,
}

impl Brought {
    pub(super) fn new(job: &Job, seen: &Seen, events: usize, latest: Option<Latest>) -> Self {
        let ends_empty = job.lane == Lane::Tail && seen.is_end && seen.last.is_none();
        Self {
            tag: job.tag,
            events: u32::try_from(events).unwrap_or(u32::MAX),
            latest: latest.filter(|_| job.lane != Lane::Ahead),
            none_from: ends_empty.then_some(seen.from),
        }
    }
}

/// What became of a job.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A part of its window was read, of so many events in the answer.
    Read { seen: Seen, events: usize, instants: Instants, latest: Option<Latest> },
    /// Nothing was read; ask again.
    Again,
    /// The stream cannot be read.
    Failed(Error),
}

/// A batch that was read.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) batches: Vec<RecordBatch>,
    pub(super) jobs: Vec<(Job, Outcome)>,
    /// What was expected of the answer.
    pub(super) expected: f64,
    /// Events in the answer, and bytes of JSON.
    pub(super) size: (usize, usize),
    /// Held until the rows are taken.
    _decoding: Option<OwnedSemaphorePermit>,
}

/// Asks for the windows of some jobs and decodes what comes.
///
/// # Errors
/// What makes the whole batch fail; a stream that fails is an [`Outcome`].
pub(super) async fn fetch(terms: Terms, Batch { mut jobs, bytes: expected }: Batch) -> Result<Fetched> {
    let cap = terms.archive.cap();
    let mut asks = Vec::with_capacity(jobs.len());
    for job in &mut jobs {
        if job.pager.max_count() > cap {
            job.pager.set_max_count(cap);
        }
        let stream =
            terms.streams.get(job.tag).ok_or_else(|| Error::new(ErrorKind::Internal, "a job without a tag"))?;
        asks.push(Ask { webid: stream.webid.clone(), question: job.pager.question() });
    }
    let answers = terms.archive.recorded(&asks).await?;
    if answers.len() != jobs.len() {
        return Err(Error::new(ErrorKind::Internal, "a batch has fewer answers than questions"));
    }
    let cap = terms.archive.cap();
    // It is never closed.
    let _decoding = Arc::clone(&terms.decoding).acquire_owned().await.ok();
    let mut values = Values::new(terms.read_at);
    let mut annotations = Annotations::new(Arc::clone(&terms.schema), terms.read_at);
    let jobs_with_outcome = Vec::with_capacity(jobs.len());
    let mut fetched = Fetched { batches: Vec::new(), jobs: jobs_with_outcome, expected, size: (0, 0), _decoding };
    for ((mut job, answer), stream) in jobs.into_iter().zip(answers).zip(asks.iter().map(|ask| &ask.webid)) {
        debug_assert!(terms.streams.get(job.tag).is_some_and(|s| s.webid == *stream));
        let outcome = match answer {
            Answer::TooMany => Outcome::Again,
            Answer::Failed(error) => Outcome::Failed(error),
            Answer::Events { body, asked } => {
                // The server may have lowered its cap while the question was under way.
                job.pager.set_max_count(asked);
                let first = values.rows();
                let mut read = decode(&terms, &mut values, &mut job, &body, cap);
                if let Ok(Outcome::Read { events, .. }) = &read {
                    fetched.size = (fetched.size.0 + events, fetched.size.1 + body.len());
                }
                if terms.rows == RowKind::Annotations
                    && let Ok(Outcome::Read { seen, .. }) = &read
                {
                    // Only the annotations of the events that were taken.
                    let taken = values.rows().checked_sub(1).filter(|last| *last >= first);
                    let to = taken.and_then(|last| values.micros(last)).map_or(seen.from, |last| last + 1);
                    let tag = terms.streams.get(job.tag).map_or("", |stream| &*stream.text);
                    read = annotations.add(&body, (seen.from, to), tag).and(read);
                    values.truncate(first);
                }
                if read.is_err() {
                    values.truncate(first);
                }
                match read {
                    Ok(outcome) => outcome,
                    Err(error) if error.kind() == ErrorKind::Internal => return Err(error),
                    Err(error) => Outcome::Failed(error),
                }
            }
        };
        if let Some(stream) = terms.streams.get(job.tag) {
            values.end_tag(&stream.text);
        }
        if values.rows() >= BATCH_ROWS || values.bytes() >= BATCH_BYTES {
            fetched.batches.push(values.flush()?);
        }
        if annotations.rows() >= BATCH_ROWS {
            fetched.batches.push(annotations.flush()?);
        }
        fetched.jobs.push((job, outcome));
        // Other reads of this thread come to their turn.
        tokio::task::consume_budget().await;
    }
    if values.rows() > 0 {
        fetched.batches.push(values.flush()?);
    }
    if annotations.rows() > 0 {
        fetched.batches.push(annotations.flush()?);
    }
    Ok(fetched)
}

fn decode(terms: &Terms, values: &mut Values, job: &mut Job, body: &[u8], cap: u32) -> Result<Outcome> {
    let kind = terms.streams.get(job.tag).map(|s| s.kind).unwrap_or_default();
    let mut scanner = Scanner::from_utf8(body)?;
    let text = scanner.text();
    let from = job.pager.floor();
    let first = values.rows();
    let page = values.stream(&mut scanner, text, kind, |at| job.pager.keeps(at))?;
    scanner.end()?;
    let to = match job.pager.answer(page.events, page.last, cap)? {
        Verdict::Done => job.pager.end(),
        Verdict::TakeBefore(t) => {
            values.truncate(values.first_from(first, t));
            t
        }
        Verdict::AskForMore => {
            values.truncate(first);
            return Ok(Outcome::Again);
        }
    };
    let is_end = to == job.pager.end();
    let rows = values.rows();
    let at_from = (first..rows).take_while(|row| values.micros(*row) == Some(from)).count();
    let last = rows.checked_sub(1).filter(|row| *row >= first).and_then(|row| values.micros(row));
    let last = last.map(|at| {
        let start = (first..rows).rev().take_while(|row| values.micros(*row) == Some(at)).count();
        (at, start)
    });
    let count = |rows: usize| u32::try_from(rows).unwrap_or(u32::MAX);
    let latest = last.and_then(|(at, of_instant)| {
        let raw = values.raw_time(rows.checked_sub(1)?)?.into();
        Some(Latest { at, raw, sequence: count(of_instant).saturating_sub(1) })
    });
    if is_end
        && job.open
        && let Some((_, count)) = last
    {
        match terms.newest_of(job.tag) {
            Newest::Provisional => values.mark_snapshot(rows - 1),
            Newest::HeldBack => values.truncate(rows - count),
            Newest::Final => {}
        }
    }
    let seen = Seen { from, to, is_end, at_from: count(at_from), last: last.map(|(at, rows)| (at, count(rows))) };
    let instants = if terms.follows { instants(values, first) } else { Instants::new() };
    Ok(Outcome::Read { seen, events: page.events, instants, latest })
}

/// The instants of the rows from `first` on, with the rows of each.
fn instants(values: &Values, first: usize) -> Instants {
    let mut instants = Instants::new();
    for at in (first..values.rows()).filter_map(|row| values.micros(row)) {
        match instants.last_mut() {
            Some((last, rows)) if *last == at => *rows += 1,
            _ => instants.push((at, 1)),
        }
    }
    instants
}
