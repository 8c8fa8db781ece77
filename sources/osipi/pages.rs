//! Reads more events than one answer may hold, without losing or repeating one: a state machine for one stream and window.
//!
//! The server has no cursor. An answer that holds as many events as were asked for may have been cut anywhere, also
//! between events of one instant. So of such an answer the last microsecond is held back, the next question starts there,
//! and nothing before it is taken twice. All comparisons are in microseconds, as events are numbered inside those.

use super::time::{Micros, Ticks};
use crate::error::{Error, ErrorKind, Result};

/// How much earlier than wanted a question starts: archive time is a multiple of 1/65,536 s, and its way through decimal
/// text may move a border past an event.
const GUARD: Micros = 20;

/// What is still to be read of the half-open window [floor, end) of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pager {
    /// Everything before it has been taken.
    floor: Micros,
    end: Micros,
    max_count: u32,
    /// Nothing has been asked yet.
    fresh: bool,
}

/// The next question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) start: Ticks,
    /// Inclusive for the server; events at it are passed over here.
    pub(super) end: Ticks,
    pub(super) max_count: u32,
}

/// What to do with the events of an answer that [`Pager::keeps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Take them all; the window is read.
    Done,
    /// Take those before this; then ask again.
    TakeBefore(Micros),
    /// Take none; ask again, for more at a time.
    AskForMore,
}

impl Pager {
    /// A window of a stream, read by at most `max_count` events at a time.
    pub(super) fn new(start: Micros, end: Micros, max_count: u32) -> Self {
        Self { floor: start, end, max_count: max_count.max(1), fresh: true }
    }

    /// What to ask.
    pub(super) fn question(&self) -> Question {
        let start = Ticks::from_micros(self.floor.saturating_sub(GUARD));
        Question { start, end: Ticks::from_micros(self.end), max_count: self.max_count }
    }

    /// Everything in the window before this has been taken.
    pub(super) fn floor(&self) -> Micros {
        self.floor
    }

    /// Where the window ends, itself outside.
    pub(super) fn end(&self) -> Micros {
        self.end
    }

    /// How many events are asked for at a time.
    pub(super) fn max_count(&self) -> u32 {
        self.max_count
    }

    /// Sets how many events are asked for at a time.
    pub(super) fn set_max_count(&mut self, max_count: u32) {
        self.max_count = max_count.max(1);
    }

    /// Whether nothing has been asked yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Whether an event of an answer belongs to what is still to be read.
    #[inline]
    pub(super) fn keeps(&self, at: Micros) -> bool {
        (self.floor..self.end).contains(&at)
    }

    /// Judges an answer: how many events it held, all counted, and the time of its last one. `cap` is the most that the
    /// server gives at a time.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) when more events share one microsecond than the server gives at a time.
    pub(super) fn answer(&mut self, events: usize, last: Option<Micros>, cap: u32) -> Result<Verdict> {
        self.fresh = false;
        let Some(last) = last.filter(|_| events >= self.max_count as usize) else {
            self.floor = self.end;
            return Ok(Verdict::Done);
        };
        if last >= self.end {
            self.floor = self.end;
            return Ok(Verdict::Done);
        }
        if last > self.floor {
            self.floor = last;
            return Ok(Verdict::TakeBefore(last));
        }
        if self.max_count >= cap {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "more events share one instant than the server gives at a time",
            )
            .with("timestamp", Ticks::from_micros(last))
            .with("maxCount", cap)
            .help("raise MaxReturnedItemsPerCall of PI Web API, or leave this tag out"));
        }
        self.max_count = self.max_count.saturating_mul(2).min(cap);
        Ok(Verdict::AskForMore)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How a server keeps a decimal time: as a multiple of 1/65,536 s.
    #[derive(Clone, Copy, Debug)]
    enum Rounding {
        Floor,
        Nearest,
        Ceil,
    }

    fn archive_units(ticks: i64, rounding: Rounding) -> i64 {
        let scaled = i128::from(ticks) * 65_536;
        let units = match rounding {
            Rounding::Floor => scaled.div_euclid(10_000_000),
            Rounding::Nearest => (scaled + 5_000_000).div_euclid(10_000_000),
            Rounding::Ceil => -(-scaled).div_euclid(10_000_000),
        };
        i64::try_from(units).unwrap()
    }

    /// What the server writes for an event kept at so many units.
    fn wire(units: i64, rounding: Rounding) -> Ticks {
        let scaled = i128::from(units) * 10_000_000;
        let ticks = match rounding {
            Rounding::Floor => scaled.div_euclid(65_536),
            Rounding::Nearest => (scaled + 32_768).div_euclid(65_536),
            Rounding::Ceil => -(-scaled).div_euclid(65_536),
        };
        Ticks(i64::try_from(ticks).unwrap())
    }

    /// `recorded` with both ends inclusive, cut at `max_count`.
    fn recorded(server: &Server, question: Question) -> Vec<(usize, Ticks)> {
        assert!(question.max_count <= server.cap);
        let units = |t: Ticks| archive_units(t.0, server.reads);
        let (start, end) = (units(question.start), units(question.end));
        let inside = server.events.iter().enumerate().filter(|(_, units)| (start..=end).contains(*units));
        inside.take(question.max_count as usize).map(|(i, units)| (i, wire(*units, server.writes))).collect()
    }

    /// The ways of paging that lose, repeat or never end; the property must catch each.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Way {
        Ours,
        NoGuard,
        NextSecond,
        AfterTheLast,
        DropHeldBack,
        KeepHeldBack,
        FilteredCount,
        WholeSeconds,
    }

    const WRONG: [Way; 7] = [
        Way::NoGuard,
        Way::NextSecond,
        Way::AfterTheLast,
        Way::DropHeldBack,
        Way::KeepHeldBack,
        Way::FilteredCount,
        Way::WholeSeconds,
    ];

    struct Server<'a> {
        events: &'a [i64],
        reads: Rounding,
        writes: Rounding,
        cap: u32,
    }

    /// Reads a window; the events taken and the questions asked, or `None` when there is no end to it.
    fn read(server: &Server, mut pager: Pager, way: Way) -> Result<Option<(Vec<usize>, usize)>> {
        let mut taken = Vec::new();
        for calls in 1..400 {
            let mut question = pager.question();
            match way {
                Way::NoGuard => question.start = Ticks::from_micros(pager.floor()),
                Way::WholeSeconds => question.start = Ticks(question.start.0.div_euclid(10_000_000) * 10_000_000),
                _ => {}
            }
            let page = recorded(server, question);
            let kept: Vec<_> = page.iter().map(|(i, t)| (*i, t.micros())).filter(|(_, us)| pager.keeps(*us)).collect();
            let count = if way == Way::FilteredCount { kept.len() } else { page.len() };
            let verdict = pager.answer(count, page.last().map(|(_, t)| t.micros()), server.cap)?;
            match verdict {
                Verdict::Done => taken.extend(kept.iter().map(|(i, _)| *i)),
                Verdict::AskForMore => {}
                Verdict::TakeBefore(t) => {
                    let all = matches!(way, Way::NextSecond | Way::AfterTheLast | Way::KeepHeldBack);
                    taken.extend(kept.iter().filter(|(_, us)| all || *us < t).map(|(i, _)| *i));
                    match way {
                        Way::NextSecond => pager.floor += 1_000_000,
                        Way::AfterTheLast | Way::DropHeldBack => pager.floor += 1,
                        _ => {}
                    }
                }
            }
            if verdict == Verdict::Done {
                return Ok(Some((taken, calls)));
            }
        }
        Ok(None)
    }

    /// A stream with ties, the windows it is read in, and what is asked at a time.
    #[derive(Clone, Debug)]
    struct Case {
        events: Vec<i64>,
        borders: Vec<Micros>,
        max_count: u32,
        reads: Rounding,
        writes: Rounding,
    }

    fn case(random: &mut fastrand::Rng) -> Case {
        let roundings = [Rounding::Floor, Rounding::Nearest, Rounding::Ceil];
        let (reads, writes) = (roundings[random.usize(..3)], roundings[random.usize(..3)]);
        let base = 116_000_000_000_000i64 + random.i64(0..65_536);
        let mut at = base;
        let mut events = Vec::new();
        for _ in 0..random.usize(..40) {
            at += match random.u8(..10) {
                0..4 => 0,
                4..7 => random.i64(1..4),
                7..9 => random.i64(4..70_000),
                _ => random.i64(65_536..400_000),
            };
            events.extend(std::iter::repeat_n(at, random.usize(1..6)));
        }
        let (lo, hi) = (wire(base, writes).micros() - 50, wire(at, writes).micros() + 50);
        let mut borders = vec![lo, hi];
        // Near events, where rounding could move one across.
        for _ in 0..if events.is_empty() { 0 } else { random.usize(..5) } {
            let near = wire(events[random.usize(..events.len())], writes).micros();
            borders.push((near + random.i64(-40..40)).clamp(lo, hi));
        }
        borders.sort_unstable();
        borders.dedup();
        Case { events, borders, max_count: random.u32(1..12), reads, writes }
    }

    fn largest_tie(events: &[i64]) -> usize {
        // Neighbouring units lie inside the guard band and can fill a page too.
        let near = |i: usize| events[..=i].iter().rev().take_while(|e| events[i] - **e <= 3).count();
        (0..events.len()).map(near).max().unwrap_or(0)
    }

    /// What is wrong with a read of all windows, one after the other.
    fn fault(case: &Case, way: Way) -> Option<String> {
        let most = largest_tie(&case.events);
        let cap = case.max_count.max(u32::try_from(most).unwrap() * 2 + 2);
        let server = Server { events: &case.events, reads: case.reads, writes: case.writes, cap };
        let mut taken = Vec::new();
        let mut calls = 0;
        for window in case.borders.windows(2) {
            match read(&server, Pager::new(window[0], window[1], case.max_count), way) {
                Ok(Some((part, asked))) => {
                    taken.extend(part);
                    calls += asked;
                }
                Ok(None) => return Some("no end".to_owned()),
                Err(error) => return Some(error.to_string()),
            }
        }
        let all: Vec<usize> = (0..case.events.len()).collect();
        if taken != all {
            return Some(format!("{} of {} events, or not in order", taken.len(), all.len()));
        }
        // Every question takes an event, doubles what is asked, or ends a window.
        let doublings = 8 * case.borders.len();
        let bound = case.events.len() + doublings + case.borders.len();
        (calls > bound).then(|| format!("{calls} questions where {bound} are enough"))
    }

    /// The first of many random cases that a way of paging gets wrong.
    fn first_fault(way: Way, cases: u64) -> Option<String> {
        (0..cases).find_map(|seed| {
            let case = case(&mut fastrand::Rng::with_seed(seed));
            fault(&case, way).map(|fault| format!("seed {seed}: {fault}: {case:?}"))
        })
    }

    #[test]
    fn j02_streams_full_of_ties_lose_and_repeat_nothing_in_any_window_and_page_size() {
        assert_eq!(first_fault(Way::Ours, 20_000), None);
    }

    #[test]
    fn every_wrong_way_of_paging_is_caught() {
        for way in WRONG {
            assert!(first_fault(way, 3_000).is_some(), "{way:?} was not caught");
        }
    }

    /// How several streams are read by the same questions.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Together {
        /// Each by itself.
        Ours,
        /// All go on where the slowest of them is.
        LeastOfStreams,
        /// An answer is full when the events of all streams together are as many as one may have.
        SumOfStreams,
    }

    /// What is read of each stream; `None` when there is no end to it.
    fn read_together(
        servers: &[Server],
        window: (Micros, Micros),
        max_count: u32,
        way: Together,
    ) -> Option<Vec<Vec<usize>>> {
        let mut taken = vec![Vec::new(); servers.len()];
        if way == Together::Ours {
            for (server, taken) in servers.iter().zip(&mut taken) {
                *taken = read(server, Pager::new(window.0, window.1, max_count), Way::Ours).ok()??.0;
            }
            return Some(taken);
        }
        let mut start = window.0;
        for _ in 0..400 {
            let question = Pager::new(start, window.1, max_count).question();
            let pages: Vec<_> = servers.iter().map(|server| recorded(server, question)).collect();
            for (page, taken) in pages.iter().zip(&mut taken) {
                taken.extend(page.iter().filter(|(_, t)| (start..window.1).contains(&t.micros())).map(|(i, _)| *i));
            }
            let full = max_count as usize;
            let is_full = match way {
                Together::SumOfStreams => pages.iter().map(Vec::len).sum::<usize>() >= full,
                _ => pages.iter().any(|page| page.len() >= full),
            };
            let last = pages.iter().filter_map(|page| page.last()).map(|(_, t)| t.micros());
            match last.min().filter(|_| is_full) {
                Some(last) => start = last + 1,
                None => return Some(taken),
            }
        }
        None
    }

    /// Whether all events of three streams are read once.
    fn is_right_together(seed: u64, way: Together) -> bool {
        let mut random = fastrand::Rng::with_seed(seed);
        let cases = [case(&mut random), case(&mut random), case(&mut random)];
        let (reads, writes, cap) = (cases[0].reads, cases[0].writes, 200);
        let servers = cases.each_ref().map(|case| Server { events: &case.events, reads, writes, cap });
        let ends = cases.iter().flat_map(|case| &case.events).map(|units| wire(*units, writes).micros());
        let (from, to) = ends.fold((Micros::MAX, 0), |(from, to), at| (from.min(at), to.max(at + 1)));
        let taken = read_together(&servers, (from.min(to), to), cases[0].max_count, way);
        let all = cases.each_ref().map(|case| (0..case.events.len()).collect::<Vec<_>>());
        taken.is_some_and(|taken| taken == all)
    }

    #[test]
    fn streams_that_share_a_place_or_a_count_are_caught() {
        assert_eq!((0..2_000).find(|seed| !is_right_together(*seed, Together::Ours)), None);
        for way in [Together::LeastOfStreams, Together::SumOfStreams] {
            assert!((0..200).any(|seed| !is_right_together(seed, way)), "{way:?} was not caught");
        }
    }

    #[test]
    fn more_events_at_one_instant_than_the_server_gives_is_an_error_and_never_a_skip() {
        let events = vec![116_000_000_000_000; 50];
        let server = Server { events: &events, reads: Rounding::Nearest, writes: Rounding::Floor, cap: 20 };
        let lo = wire(events[0], Rounding::Floor).micros() - 5;
        let error = read(&server, Pager::new(lo, lo + 1_000_000, 5), Way::Ours).unwrap_err();
        assert_eq!((error.kind(), error.get("maxCount")), (ErrorKind::Unsupported, Some("20")));
    }

    #[test]
    fn an_empty_window_takes_one_question() {
        let mut pager = Pager::new(10, 20, 5);
        assert_eq!(pager.answer(0, None, 100).unwrap(), Verdict::Done);
        assert_eq!((pager.floor(), pager.end()), (20, 20));
    }
}
