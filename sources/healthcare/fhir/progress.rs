//! What the checkpoints of a run say.

use super::{
    instant::Instant,
    offset::{Origin, State, keep_newest},
    row_id::Hash,
};
use crate::{error::Result, read::Offset};

/// How far a run has come.
pub(super) struct Progress {
    origin: Origin,
    start: Option<State>,
    /// No checkpoint of this run is final beyond this.
    settled: Instant,
    without_stamp_due: bool,
    /// Versions sent that the next run will meet again.
    noted: Vec<(Instant, Hash)>,
}

impl Progress {
    pub(super) fn new(origin: Origin, start: Option<State>, settled: Instant, without_stamp_due: bool) -> Self {
        Self { origin, start, settled, without_stamp_due, noted: Vec::new() }
    }

    /// The first load owes nothing any more.
    pub(super) fn without_stamp_read(&mut self) {
        self.without_stamp_due = false;
    }

    /// The offset at which everything before `hi` has been sent.
    pub(super) fn advance(&mut self, hi: Instant, noted: Vec<(Instant, Hash)>) -> Result<Offset> {
        self.noted.extend(noted);
        // Inside the part that is read twice, what the last run sent there still counts.
        let before = self.start.as_ref().filter(|start| hi < start.mark);
        let mark = before.map_or(hi, |start| start.mark);
        let mut state = self.origin.state(mark, self.settled.min(hi));
        state.without_stamp_due = self.without_stamp_due;
        let settled = state.settled;
        self.noted.retain(|(stamp, _)| *stamp >= settled);
        keep_newest(&mut self.noted, |(stamp, _)| *stamp);
        let known = before.iter().flat_map(|start| start.sent.iter().copied());
        state.with_sent(self.noted.iter().map(|(_, version)| *version).chain(known)).offset()
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn origin() -> Origin {
        Origin::new(&Url::parse("http://localhost/fhir").unwrap(), "Patient", "")
    }

    #[test]
    fn a_checkpoint_in_the_overlap_keeps_what_the_last_run_sent_there() {
        let (settled, mark) = (at("2024-01-01T00:00:00Z"), at("2024-01-01T00:02:00Z"));
        let start = origin().state(mark, settled).with_sent([Hash::of("old")].into_iter());
        let mut progress = Progress::new(origin(), Some(start), at("2024-01-01T00:03:00Z"), false);
        let inside = progress.advance(at("2024-01-01T00:01:00Z"), Vec::new()).unwrap();
        let state = origin().read(&inside).unwrap();
        assert_eq!((state.mark, state.settled), (mark, at("2024-01-01T00:01:00Z")));
        assert_eq!(state.sent, [Hash::of("old")]);
        let new = (at("2024-01-01T00:04:00Z"), Hash::of("new"));
        let past = origin().read(&progress.advance(at("2024-01-01T00:05:00Z"), vec![new]).unwrap()).unwrap();
        assert_eq!((past.settled, past.sent), (at("2024-01-01T00:03:00Z"), vec![Hash::of("new")]));
    }

    #[test]
    fn of_too_many_versions_the_newest_are_kept() {
        let settled = at("2024-01-01T00:00:00Z");
        let mut progress = Progress::new(origin(), None, settled, false);
        let stamped = |n: usize| (settled.plus_seconds(n as f64), Hash::of(&n.to_string()));
        let most = super::super::offset::MOST_SENT;
        let end = settled.plus_seconds(1e6);
        let state = origin().read(&progress.advance(end, (0..most + 10).map(stamped).collect()).unwrap()).unwrap();
        assert_eq!((progress.noted.len(), state.sent.len()), (most, most));
        assert!(state.sent.contains(&stamped(most + 9).1) && !state.sent.contains(&stamped(9).1));
    }

    #[test]
    fn a_checkpoint_far_back_needs_no_versions() {
        let mut progress = Progress::new(origin(), None, at("2024-01-01T00:03:00Z"), true);
        let state = origin().read(&progress.advance(at("2020-01-01T00:00:00Z"), Vec::new()).unwrap()).unwrap();
        assert_eq!((state.mark, state.settled), (at("2020-01-01T00:00:00Z"), at("2020-01-01T00:00:00Z")));
        assert!(state.sent.is_empty() && state.without_stamp_due);
    }
}
