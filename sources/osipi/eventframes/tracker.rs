//! Which searches follow the event frames of one database, and how far each has come. Makes no request.
//!
//! Four things happen to a frame, and each has its search:
//!
//! * it begins: a search by start time, from the last run less an overlap;
//! * it ends: frames known to be open are looked up by id, and a search by end time finds those that were never seen open;
//! * it changes later (acknowledged, annotated, edited): seen again inside the overlap, and by a sweep now and then;
//! * it vanishes: see `deletes`.
//!
//! A sweep finds everything that was there at any time since some instant: what ended since then, and what is open. It
//! is also how the first run begins.

use std::collections::VecDeque;

use super::{
    keyset::{Ask, Keep, Keyset, Ticks},
    known::{Digest, Mark},
    progress::{Plan, State, Sweep},
};
use crate::error::Result;

/// 31 December 9999: later than every end of a closed frame. An open frame ends in the last tick of that day.
pub(crate) const FAR: Ticks = 2_534_022_144_000_000_000;

/// Frames that are looked up in one request.
pub(crate) const LOOKUP: usize = 100;

/// What a search compares with its bounds; it is sorted by the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Frames that begin inside.
    StartInclusive,
    /// Frames that end inside.
    EndInclusive,
    /// Frames that begin inside and have not ended.
    InProgress,
}

/// What is to be asked next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Search(Mode, Ask),
    /// These frames by their WebIDs.
    Lookup(Vec<String>),
    Nothing,
}

/// What a search shows of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) webid: String,
    pub(crate) start: Ticks,
    /// `None` while it is open.
    pub(crate) end: Option<Ticks>,
}

#[derive(Debug)]
enum Stage {
    SweepOpen(Keyset),
    SweepEnded(Keyset),
    Open(Keyset),
    Lookup(VecDeque<String>),
    Started(Keyset),
    Ended(Keyset),
    Done,
}

/// Follows the frames of one database through one run.
#[derive(Debug)]
pub(crate) struct Tracker {
    plan: Plan,
    state: State,
    until: Option<State>,
    stage: Stage,
    /// An open frame was met that there is no room to watch.
    is_unwatched: bool,
}

impl Tracker {
    /// A run from `state` to the plan's end, or to a checkpoint of another run.
    pub(crate) fn new(plan: Plan, mut state: State, until: Option<State>) -> Self {
        let is_behind = until.as_ref().is_none_or(|until| until.sweep.is_some() || until.swept > state.swept);
        if state.sweep.is_none() && state.is_sweep_due(&plan) && is_behind {
            let lo = plan.hi.saturating_sub(plan.lookback).max(0);
            // A table that was read before has no gap between the last run and the sweep.
            let lo = state.ended.map_or(lo, |ended| lo.min(ended));
            state.sweep = Some(Sweep { lo, hi: plan.hi, open: 0, ended: lo });
        }
        let mut tracker = Self { plan, state, until, stage: Stage::Done, is_unwatched: false };
        if tracker.state.sweep.is_some() || tracker.is_behind() {
            tracker.stage = tracker.first();
        }
        tracker
    }

    fn is_behind(&self) -> bool {
        let (started, ended) = self.ends();
        self.state.started < Some(started) || self.state.ended < Some(ended)
    }

    /// Where the searches by start and by end time stop.
    fn ends(&self) -> (Ticks, Ticks) {
        let hi = self.plan.hi;
        let until = self.until.as_ref();
        let end = |mark: Option<Ticks>| mark.map_or(hi, |at| at.min(hi));
        (end(until.and_then(|until| until.started)), end(until.and_then(|until| until.ended)))
    }

    /// What to ask next. What was met before counts as sent from here on.
    pub(crate) fn want(&mut self) -> Want {
        while self.is_stage_over() {
            self.next_stage();
        }
        self.question()
    }

    fn question(&self) -> Want {
        let search = |mode, keyset: &Keyset| keyset.ask().map_or(Want::Nothing, |ask| Want::Search(mode, ask));
        match &self.stage {
            Stage::SweepOpen(keyset) | Stage::Open(keyset) => search(Mode::InProgress, keyset),
            Stage::SweepEnded(keyset) | Stage::Ended(keyset) => search(Mode::EndInclusive, keyset),
            Stage::Started(keyset) => search(Mode::StartInclusive, keyset),
            Stage::Lookup(webids) => Want::Lookup(webids.iter().take(LOOKUP).cloned().collect()),
            Stage::Done => Want::Nothing,
        }
    }

    /// Takes in a page as it came; returns the places of the frames that belong to this run.
    ///
    /// # Errors
    /// [`Protocol`](crate::ErrorKind::Protocol) when the page is not in the order asked for.
    pub(crate) fn take_page(&mut self, frames: &[Head]) -> Result<Vec<usize>> {
        let by_end = matches!(self.stage, Stage::SweepEnded(_) | Stage::Ended(_));
        let time = |head: &Head| if by_end { head.end.unwrap_or(FAR) } else { head.start };
        let times: Vec<(Ticks, &str)> = frames.iter().map(|head| (time(head), head.webid.as_str())).collect();
        let Some(keyset) = self.keyset() else { return Ok(Vec::new()) };
        let Keep { from, to, skip } = keyset.take(&times)?;
        let hi = self.plan.hi;
        let wanted = frames.iter().enumerate().skip(skip).filter(|(_, head)| {
            let time = time(head);
            from <= time && time < to && head.start < hi
        });
        let wanted = wanted.map(|(i, _)| i).collect();
        self.note_progress();
        Ok(wanted)
    }

    /// Says that the frames of a lookup were answered; those in `gone` do not exist any more.
    pub(crate) fn take_lookup(&mut self, gone: &[String]) {
        if let Stage::Lookup(webids) = &mut self.stage {
            webids.drain(..webids.len().min(LOOKUP));
        }
        for webid in gone {
            self.state.known.remove(webid);
        }
    }

    /// Whether a frame may have changed since it was sent, as far as its own text tells.
    pub(crate) fn may_have_changed(&self, head: &Head, frame: Digest) -> bool {
        self.state.known.get(&head.webid).is_none_or(|mark| mark.frame != frame || mark.is_open)
    }

    /// Notes that a frame was met; returns whether it must be sent.
    pub(crate) fn meet(&mut self, head: &Head, frame: Digest, detail: Option<Digest>) -> bool {
        let before = self.state.known.get(&head.webid);
        // What was not asked for again is as it was.
        let detail = detail.or(before.map(|mark| mark.detail)).unwrap_or_default();
        let is_new = before.is_none_or(|mark| mark.frame != frame || mark.detail != detail);
        let is_open = head.end.is_none();
        let recent = self.plan.hi.saturating_sub(self.plan.overlap);
        let is_last = !is_open && head.start < recent && head.end.is_none_or(|end| end < recent);
        if !is_last || before.is_some() {
            let mark = Mark { frame, detail, is_open, is_met: !is_last };
            let is_watched = self.state.known.put(&head.webid, mark);
            self.is_unwatched |= is_open && !is_watched;
            self.state.open_unknown |= self.is_unwatched;
        } else if self.state.swept.is_some() {
            // Those of the first run were there before, when deletions were first looked for.
            self.state.sent.put(&head.webid, self.plan.hi);
        }
        is_new
    }

    /// Notes that what belongs to a frame could not be read: the next run looks it up.
    pub(crate) fn postpone(&mut self, webid: &str) {
        let unread = Mark { frame: Digest::NONE, detail: Digest::NONE, is_open: true, is_met: true };
        let is_watched = self.state.known.put(webid, unread);
        self.is_unwatched |= !is_watched;
        self.state.open_unknown |= self.is_unwatched;
    }

    /// Says that a page of `wanted` frames was asked for as one of `asked`: the server allows no more.
    pub(crate) fn lower_cap_to(&mut self, wanted: u64, asked: u64) {
        if asked < wanted {
            self.plan.cap = asked;
            self.plan.page = self.plan.page.min(asked);
            if let Some(keyset) = self.keyset() {
                keyset.lower_cap(asked);
            }
        }
    }

    /// Whether everything that was met is covered by [`Tracker::state`].
    pub(crate) fn may_stop(&self) -> bool {
        match &self.stage {
            Stage::SweepOpen(keyset)
            | Stage::SweepEnded(keyset)
            | Stage::Open(keyset)
            | Stage::Started(keyset)
            | Stage::Ended(keyset) => keyset.may_stop(),
            Stage::Lookup(_) | Stage::Done => true,
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    fn keyset(&mut self) -> Option<&mut Keyset> {
        match &mut self.stage {
            Stage::SweepOpen(keyset)
            | Stage::SweepEnded(keyset)
            | Stage::Open(keyset)
            | Stage::Started(keyset)
            | Stage::Ended(keyset) => Some(keyset),
            Stage::Lookup(_) | Stage::Done => None,
        }
    }

    fn note_progress(&mut self) {
        let later = |mark: &mut Option<Ticks>, at: Ticks| *mark = (*mark).max(Some(at));
        match (&self.stage, &mut self.state.sweep) {
            (Stage::SweepOpen(keyset), Some(sweep)) => sweep.open = keyset.at(),
            (Stage::SweepEnded(keyset), Some(sweep)) => sweep.ended = keyset.at(),
            (Stage::Started(keyset), _) => later(&mut self.state.started, keyset.at()),
            (Stage::Ended(keyset), _) => later(&mut self.state.ended, keyset.at()),
            _ => {}
        }
    }

    fn next_stage(&mut self) {
        self.stage = match self.stage {
            Stage::SweepOpen(_) => self.after_sweep_open(),
            Stage::SweepEnded(_) => self.after_sweep(),
            Stage::Open(_) => {
                self.state.open_unknown = self.is_unwatched;
                self.lookup()
            }
            Stage::Lookup(_) => self.started(),
            Stage::Started(_) => self.ended(),
            Stage::Ended(_) | Stage::Done => {
                self.state.known.forget_unmet();
                self.state.sent.forget(self.plan.hi);
                Stage::Done
            }
        };
    }

    fn is_stage_over(&self) -> bool {
        match &self.stage {
            Stage::Lookup(webids) => webids.is_empty(),
            Stage::Done => false,
            _ => self.question() == Want::Nothing,
        }
    }

    fn search(&self, from: Ticks, to: Ticks) -> Keyset {
        Keyset::new(from, to, self.plan.page, self.plan.cap)
    }

    /// The sweep at which a read up to a checkpoint stops.
    fn last_sweep(&self) -> Option<&Sweep> {
        self.until.as_ref()?.sweep.as_ref()
    }

    fn first(&self) -> Stage {
        match &self.state.sweep {
            Some(sweep) => {
                let to = self.last_sweep().map_or(sweep.hi, |last| last.open.min(sweep.hi));
                Stage::SweepOpen(self.search(sweep.open, to))
            }
            None if self.last_sweep().is_some() => Stage::Done,
            None if self.state.open_unknown => Stage::Open(self.search(0, self.plan.hi)),
            None => self.lookup(),
        }
    }

    fn after_sweep_open(&self) -> Stage {
        let Some(sweep) = &self.state.sweep else { return Stage::Done };
        let to = match self.last_sweep() {
            None => FAR,
            Some(last) if last.open < sweep.hi => sweep.ended,
            Some(last) => last.ended,
        };
        Stage::SweepEnded(self.search(sweep.ended, to))
    }

    fn after_sweep(&mut self) -> Stage {
        if self.last_sweep().is_some() {
            return Stage::Done;
        }
        if let Some(sweep) = self.state.sweep.take() {
            self.state.started = self.state.started.max(Some(sweep.hi));
            self.state.ended = self.state.ended.max(Some(sweep.hi));
            self.state.swept = Some(sweep.hi);
            self.state.open_unknown = self.is_unwatched;
        }
        self.lookup()
    }

    /// Open frames that this run has not met yet.
    fn lookup(&self) -> Stage {
        let unmet = |webid: &String| self.state.known.get(webid).is_some_and(|mark| !mark.is_met);
        Stage::Lookup(self.state.known.open().filter(unmet).collect())
    }

    fn started(&self) -> Stage {
        Stage::Started(self.rest(self.state.started, self.ends().0))
    }

    fn ended(&self) -> Stage {
        Stage::Ended(self.rest(self.state.ended, self.ends().1))
    }

    /// From a mark less the overlap; nothing when the mark is there already.
    fn rest(&self, mark: Option<Ticks>, to: Ticks) -> Keyset {
        let mark = mark.unwrap_or(0);
        if mark >= to { self.search(to, to) } else { self.search(mark.saturating_sub(self.plan.overlap).max(0), to) }
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;
