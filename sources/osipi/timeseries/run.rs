//! One read: from where each tag stands to the end of the run, newest first, with a checkpoint after every so many rows.

use std::{collections::HashSet, sync::Arc};

use tokio::task::JoinSet;
use tracing::{Instrument, instrument::WithSubscriber};

use super::{
    super::{
        controller::{Controller, Densities, Job, Lane},
        pages::Pager,
        tags::TagKey,
        time::Micros,
    },
    fetch::{Brought, Fetched, Outcome, Terms, fetch},
    follow::{Follow, Part},
    mark::Mark,
    state::State,
};
use crate::{
    error::{Error, ErrorKind, Result},
    meter::Metered,
};

/// Events that may be read again at once when the whole late window holds no more.
const CHEAP: usize = 200_000;

/// How a read is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Where tails end: at the end of the run, or of the table.
    pub(super) bound: Micros,
    /// How far to read beyond the end of the run; that itself for not at all.
    pub(super) horizon: Micros,
    /// Rows between two checkpoints, about.
    pub(super) unit_rows: u64,
    /// Batches under way at a time.
    pub(super) batches: usize,
    /// How far back the whole of time may be read again when that is cheap; 0 for never.
    pub(super) late_window: Micros,
    /// The least share of the known rows that is compared with the archive; `None` for none.
    pub(super) compare: Option<f64>,
    /// Nothing before this is read again.
    pub(super) earliest: Micros,
    /// Whether only tags are compared that the server's feed does not tell of.
    pub(super) by_feed: bool,
}

/// A read under way.
pub(super) struct Run {
    terms: Terms,
    keys: Arc<[TagKey]>,
    plan: Plan,
    state: State,
    follow: Follow,
    controller: Controller,
    densities: Densities,
    under_way: JoinSet<Result<Fetched>>,
    /// What is expected of the answers under way.
    bytes_under_way: f64,
    /// Tags that could not be read by this run.
    failed: HashSet<usize>,
    /// Windows of gaps that wait or are under way, by tag.
    taken: Vec<Vec<(Micros, Micros)>>,
    /// Tags of which what is new has not been read to its end.
    tails: usize,
    /// Events that the tails held, per second, all tags together.
    tail_density: f64,
    rows: u64,
    started: bool,
    again_checked: bool,
}

/// What a step of a run brings.
pub(super) struct Stepped {
    pub(super) batches: Vec<arrow::record_batch::RecordBatch>,
    /// A checkpoint is due: everything sent is covered by the state.
    pub(super) checkpoint: bool,
    /// Streams that cannot be read.
    pub(super) failures: Vec<(usize, Error)>,
    /// What each tag brought.
    pub(super) read: Vec<Brought>,
}

impl Run {
    /// A read that goes on from `state`, which has begun its run already.
    pub(super) fn new(
        terms: Terms,
        keys: Arc<[TagKey]>,
        plan: Plan,
        (state, follow): (State, Follow),
        controller: Controller,
    ) -> Self {
        let densities = Densities::unknown(keys.len());
        let taken = vec![Vec::new(); keys.len()];
        Self {
            terms,
            keys,
            plan,
            state,
            follow,
            controller,
            densities,
            under_way: JoinSet::new(),
            bytes_under_way: 0.0,
            failed: HashSet::new(),
            taken,
            tails: 0,
            tail_density: 0.0,
            rows: 0,
            started: false,
            again_checked: false,
        }
    }

    /// How far the tags have been read.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// Whether all tags have been read and the newest event of each is final.
    pub(super) fn is_settled(&self) -> bool {
        let all = self.terms.settled.len() == self.keys.len();
        all && (0..self.keys.len()).all(|tag| self.mark(tag).is_some_and(Mark::is_complete))
    }

    /// Whether a tag could not be read by this run.
    pub(super) fn is_left_out(&self, tag: usize) -> bool {
        self.failed.contains(&tag)
    }

    /// Leaves a tag out for the rest of the run; its mark stays where it was.
    pub(super) fn leave_out(&mut self, tag: usize) {
        self.failed.insert(tag);
        self.controller.drop_tag(tag);
    }

    /// What the next answer brought; `None` at the end.
    ///
    /// # Errors
    /// What makes a whole batch fail.
    pub(super) async fn step(&mut self) -> Result<Option<Stepped>> {
        if !self.started {
            self.started = true;
            self.queue_tails();
        }
        loop {
            if self.tails == 0 {
                self.read_again();
                self.queue_gaps();
            }
            self.send();
            let Some(done) = self.under_way.join_next().await else { return Ok(None) };
            let fetched = match done {
                Ok(fetched) => fetched?,
                // Not kept as the cause: a panic's text may quote data.
                Err(_) => return Err(Error::new(ErrorKind::Internal, "a background task broke off")),
            };
            let stepped = self.take(fetched);
            // While the consumer works on these rows, the next are on their way.
            self.send();
            if stepped.checkpoint || !(stepped.read.is_empty() && stepped.failures.is_empty()) {
                return Ok(Some(stepped));
            }
        }
    }

    fn send(&mut self) {
        while self.under_way.len() < self.plan.batches {
            let only_full = self.under_way.len() * 2 >= self.plan.batches;
            // However large it is, one goes out.
            let room = match self.under_way.is_empty() {
                true => f64::INFINITY,
                false => self.controller.limits().under_way - self.bytes_under_way,
            };
            let Some(batch) = self.controller.batch(&self.densities, only_full, room) else { return };
            self.bytes_under_way += batch.bytes;
            let work = fetch(self.terms.clone(), batch);
            self.under_way.spawn(work.in_current_meter().in_current_span().with_current_subscriber());
        }
    }

    fn mark_mut(&mut self, tag: usize) -> Option<&mut Mark> {
        self.state.tags.get_mut(self.keys.get(tag)?)
    }

    /// Where a tag has got to.
    pub(super) fn mark(&self, tag: usize) -> Option<&Mark> {
        self.state.tags.get(self.keys.get(tag)?)
    }

    fn queue_tails(&mut self) {
        let keys = Arc::clone(&self.keys);
        for (tag, key) in keys.iter().enumerate() {
            let Some(mark) = self.state.tags.get(key).filter(|mark| !mark.done) else { continue };
            let next = mark.held.map(|_| mark.next);
            self.tails += 1;
            match next {
                Some(next) => {
                    let pager = Pager::new(next, self.plan.bound.max(next), self.controller.limits().max_count);
                    self.controller.push(Job { tag, lane: Lane::Tail, pager, open: true });
                }
                None => self.read_ahead(tag),
            }
        }
    }

    /// Has read what lies beyond now; where there is no such thing, the tag is done.
    fn read_ahead(&mut self, tag: usize) {
        let (now, horizon) = (self.terms.now, self.plan.horizon);
        if horizon > now && !self.failed.contains(&tag) {
            // Such events may still be changed: no mark is set, and each run reads them again.
            let pager = Pager::new(now, horizon, self.controller.limits().max_count);
            self.controller.push(Job { tag, lane: Lane::Ahead, pager, open: false });
        } else {
            self.is_done(tag);
        }
    }

    fn is_done(&mut self, tag: usize) {
        self.tails -= 1;
        if let Some(mark) = self.mark_mut(tag) {
            mark.done = true;
        }
    }

    /// What is read again, beside what the marks say, once it is known how much there is.
    fn read_again(&mut self) {
        if std::mem::replace(&mut self.again_checked, true) {
            return;
        }
        let window = match self.plan.compare {
            Some(share) => self.next_comparison(share),
            None if self.plan.late_window == 0 => return,
            // In small plants everything in the late window is read again by every run.
            None if self.tail_density * self.plan.late_window as f64 / 1e6 > CHEAP as f64 => return,
            None => (self.terms.now - self.plan.late_window, Micros::MAX),
        };
        for (tag, key) in self.keys.iter().enumerate() {
            let told = |mark: &Mark| self.plan.compare.is_some() && self.plan.by_feed && mark.marker.is_some();
            let is_read = |mark: &&mut Mark| !self.failed.contains(&tag) && !told(mark);
            if let Some(mark) = self.state.tags.get_mut(key).filter(is_read) {
                let from = window.0.max(self.plan.earliest);
                mark.add_gap(from.min(mark.next), window.1.min(mark.next));
            }
        }
    }

    /// The window whose known rows are compared by this run: all when they are few, else a share of them, and the next
    /// share by the next run.
    fn next_comparison(&mut self, share: f64) -> (Micros, Micros) {
        let from = self.state.known_from.unwrap_or(self.terms.now);
        let mut times: Vec<Micros> = self.state.tags.values().flat_map(|m| m.known.iter().map(|k| k.0)).collect();
        let least = CHEAP.max((times.len() as f64 * share) as usize);
        if times.len() <= least {
            self.state.compared = 0;
            return (from, Micros::MAX);
        }
        times.sort_unstable();
        let begin = self.state.compared.max(from);
        let first = times.partition_point(|at| *at < begin);
        match times.get(first + least) {
            Some(end) => {
                self.state.compared = *end;
                (begin, *end)
            }
            None => {
                self.state.compared = 0;
                (begin, Micros::MAX)
            }
        }
    }

    /// The newest windows of gaps, as many as keep all requests busy.
    fn queue_gaps(&mut self) {
        let wanted = self.controller.limits().requests * self.plan.batches;
        let mut room = wanted.saturating_sub(self.controller.len());
        if room < self.controller.limits().requests {
            return;
        }
        let mut progress = true;
        while room > 0 && progress {
            progress = false;
            for tag in 0..self.keys.len() {
                if room == 0 {
                    break;
                }
                if let Some(job) = self.next_gap(tag) {
                    self.controller.push(job);
                    room -= 1;
                    progress = true;
                }
            }
        }
    }

    fn next_gap(&mut self, tag: usize) -> Option<Job> {
        if self.failed.contains(&tag) {
            return None;
        }
        let mark = self.state.tags.get(self.keys.get(tag)?)?;
        let taken = self.taken.get(tag)?;
        let seeks = mark.held.is_none();
        if seeks && !taken.is_empty() {
            // The newest event is looked for one window after the other.
            return None;
        }
        // What is not yet taken of the newest gap. Of a window that is read in part the gap holds the rest.
        let (from, to) = mark.gaps.iter().rev().find_map(|gap| {
            let to = taken.iter().filter(|t| t.0 < gap.1 && t.1 > gap.0).map(|t| t.0).min().unwrap_or(gap.1);
            (to > gap.0).then_some((gap.0, to))
        })?;
        let limits = *self.controller.limits();
        let span = self.densities.window(tag, &limits);
        let mut from_window = to.saturating_sub(span).max(from);
        // A rest that is hardly worth a request of its own comes along.
        if from_window - from < span / 4 {
            from_window = from;
        }
        let open = mark.seeks_newest(to);
        self.taken.get_mut(tag)?.push((from_window, to));
        let pager = Pager::new(from_window, to, limits.max_count);
        Some(Job { tag, lane: Lane::Gap, pager, open })
    }

    /// Takes in what a batch brought.
    fn take(&mut self, fetched: Fetched) -> Stepped {
        let mut failures = Vec::new();
        let mut read = Vec::new();
        self.bytes_under_way -= fetched.expected;
        self.densities.learn_size(fetched.size.0, fetched.size.1);
        for (mut job, outcome) in fetched.jobs {
            match outcome {
                Outcome::Again => {
                    if !self.failed.contains(&job.tag) {
                        self.controller.push_first(job);
                    }
                }
                Outcome::Failed(error) => {
                    if job.lane != Lane::Gap {
                        self.tails -= 1;
                    }
                    if !self.failed.contains(&job.tag) {
                        failures.push((job.tag, error));
                    }
                }
                Outcome::Read { seen, events, instants, latest } => {
                    let span = seen.to - seen.from;
                    // Of a moment that was picked out nothing can be learned about others.
                    if span >= 1_000_000 && job.lane != Lane::Ahead {
                        self.densities.learn(job.tag, events, span);
                    }
                    read.push(Brought::new(&job, &seen, events, latest));
                    let tag = job.tag;
                    let newest = self.terms.newest_of(tag);
                    let window_end = job.pager.end();
                    let lane = job.lane;
                    let Some(mark) = self.mark_mut(tag) else { continue };
                    let gone = match lane {
                        Lane::Tail => mark.tail_read(&seen, newest),
                        Lane::Ahead => Vec::new(),
                        Lane::Gap => {
                            mark.gap_read(&seen, window_end, newest);
                            Vec::new()
                        }
                    };
                    if self.terms.follows
                        && let (Some(key), Some(stream)) = (self.keys.get(tag), self.terms.streams.get(tag))
                    {
                        let part = Part { tag, key, webid: &stream.text, seen: &seen, instants: &instants };
                        self.follow.take(&mut self.state, part, gone);
                    }
                    if lane == Lane::Tail && span > 0 {
                        self.tail_density += events.saturating_sub(1) as f64 / (span as f64 / 1e6);
                    }
                    if seen.is_end {
                        match lane {
                            Lane::Tail => self.read_ahead(tag),
                            Lane::Ahead => self.is_done(tag),
                            Lane::Gap => self.release(tag, window_end),
                        }
                    } else if !self.failed.contains(&tag) {
                        let full = self.controller.limits().max_count.max(job.pager.max_count());
                        job.pager.set_max_count(full);
                        self.controller.push_first(job);
                    }
                }
            }
        }
        let rows: usize = fetched.batches.iter().map(|batch| batch.num_rows()).sum();
        self.rows += rows as u64;
        let checkpoint = self.rows >= self.plan.unit_rows;
        if checkpoint {
            self.rows = 0;
        }
        Stepped { batches: fetched.batches, checkpoint, failures, read }
    }

    fn release(&mut self, tag: usize, window_end: Micros) {
        if let Some(taken) = self.taken.get_mut(tag) {
            taken.retain(|window| window.1 != window_end);
        }
    }
}
