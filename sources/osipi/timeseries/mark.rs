//! How far one tag has been read.

use super::{super::time::Micros, known::Instants};

/// How far a tag has been read: everything sent lies before `next` and outside `gaps`, plus the rows held at `next`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where reading goes on: the newest event that is known, which may still be replaced, or where no event was found after.
    pub(super) next: Micros,
    /// How many rows were sent of the instant `next`; `None` before any event has been found.
    pub(super) held: Option<u32>,
    /// Half-open windows before `next` that are still to be read, in order.
    pub(super) gaps: Vec<(Micros, Micros)>,
    /// Whether what is new has been read: the tail up to the end of the run, and what lies beyond now.
    pub(super) done: bool,
    /// The rows that were sent and not taken back, as far as deletions are looked for.
    pub(super) known: Instants,
    /// Up to where the updates feed of the server has been followed.
    pub(super) marker: Option<Box<str>>,
}

/// What reading a part of a window showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Where the part began.
    pub(super) from: Micros,
    /// Everything before it has been sent.
    pub(super) to: Micros,
    /// Whether that is the end of the window.
    pub(super) is_end: bool,
    /// Rows at the instant `from`.
    pub(super) at_from: u32,
    /// The newest event, and the rows at its instant.
    pub(super) last: Option<(Micros, u32)>,
}

/// A row that is in the table and no longer in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) at: Micros,
    pub(super) sequence: u32,
}

/// What becomes of the newest event of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Newest {
    /// Sent, and looked at again by the next run.
    Provisional,
    /// Sent when there is a newer one.
    HeldBack,
    /// Sent as if it were final.
    Final,
}

impl Mark {
    /// A tag of which nothing has been read from `start` up to `end`.
    pub(super) fn unread(start: Micros, end: Micros) -> Self {
        let gaps = if start < end { vec![(start, end)] } else { Vec::new() };
        Self { next: end.max(start), gaps, ..Self::default() }
    }

    /// Whether there is nothing to be read before the end of the run.
    pub(super) fn is_complete(&self) -> bool {
        self.done && self.gaps.is_empty()
    }

    /// Begins a run that ends at `end`, or reads on beyond it: `again` is to be read once more where it was read before.
    pub(super) fn begin(&mut self, end: Micros, beyond: bool, again: &[(Micros, Micros)]) {
        // Without a known event there is no tail.
        self.done = self.held.is_none() && !beyond;
        if self.held.is_none() && self.next < end {
            // No event is known, so that the whole stretch is one to look for it in.
            self.add_gap(self.next, end);
            self.next = end;
        }
        for (from, to) in again {
            self.add_gap(*from, (*to).min(self.next));
        }
    }

    /// Adds a window to what is to be read; those it meets become one with it.
    pub(super) fn add_gap(&mut self, from: Micros, to: Micros) {
        if from >= to {
            return;
        }
        let (mut from, mut to) = (from, to);
        self.gaps.retain(|gap| {
            let apart = gap.1 < from || gap.0 > to;
            if !apart {
                from = from.min(gap.0);
                to = to.max(gap.1);
            }
            apart
        });
        let at = self.gaps.partition_point(|gap| gap.0 < from);
        self.gaps.insert(at, (from, to));
    }

    /// Takes a window out of what is to be read.
    fn cover(&mut self, from: Micros, to: Micros) {
        let mut left = Vec::with_capacity(self.gaps.len() + 1);
        for (start, end) in self.gaps.drain(..) {
            left.extend([(start, end.min(from)), (start.max(to), end)].into_iter().filter(|(a, b)| a < b));
        }
        self.gaps = left;
    }

    /// Whether a window that ends here may hold the newest event of all.
    pub(super) fn seeks_newest(&self, window_end: Micros) -> bool {
        self.held.is_none() && window_end == self.next
    }

    /// Notes what a part of a gap showed.
    pub(super) fn gap_read(&mut self, seen: &Seen, window_end: Micros, newest: Newest) {
        let seeks = self.seeks_newest(window_end);
        self.cover(seen.from, seen.to);
        if !seeks {
            return;
        }
        // Events that were sent before this part of the window were not the newest: they had this part after them.
        match seen.last {
            Some((at, rows)) if seen.is_end => self.found(at, rows, newest),
            _ if seen.is_end => self.next = seen.from,
            _ => {}
        }
    }

    /// Notes what a part of the tail showed; gives the rows that were sent of the newest event before and are gone.
    pub(super) fn tail_read(&mut self, seen: &Seen, newest: Newest) -> Vec<Gone> {
        let mut gone = Vec::new();
        if seen.from == self.next && seen.to > seen.from {
            let held = self.held.unwrap_or(0);
            gone.extend((seen.at_from..held).map(|sequence| Gone { at: self.next, sequence }));
        }
        match seen.last {
            Some((at, rows)) if seen.is_end => self.found(at, rows, newest),
            _ if seen.is_end => self.held = Some(0),
            _ => {
                self.next = seen.to;
                self.held = Some(0);
            }
        }
        gone
    }

    fn found(&mut self, at: Micros, rows: u32, newest: Newest) {
        (self.next, self.held) = match newest {
            Newest::Provisional => (at, Some(rows)),
            Newest::HeldBack => (at, Some(0)),
            Newest::Final => (at + 1, Some(0)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(from: Micros, to: Micros, is_end: bool, at_from: u32, last: Option<(Micros, u32)>) -> Seen {
        Seen { from, to, is_end, at_from, last }
    }

    #[test]
    fn the_newest_event_is_looked_for_backwards_and_then_followed() {
        let mut mark = Mark::unread(0, 100);
        mark.gap_read(&seen(80, 100, true, 0, None), 100, Newest::Provisional);
        assert_eq!((mark.next, mark.held, mark.gaps.clone()), (80, None, vec![(0, 80)]));
        mark.gap_read(&seen(50, 80, true, 0, Some((60, 2))), 80, Newest::Provisional);
        assert_eq!((mark.next, mark.held, mark.gaps.clone()), (60, Some(2), vec![(0, 50)]));
        mark.begin(200, false, &[]);
        assert_eq!(
            mark.tail_read(&seen(60, 200, true, 1, Some((150, 1))), Newest::Provisional),
            [Gone { at: 60, sequence: 1 }]
        );
        assert_eq!((mark.next, mark.held), (150, Some(1)));
    }

    #[test]
    fn where_no_event_is_known_there_is_no_tail_and_the_newest_is_still_looked_for() {
        let mut mark = Mark { next: 0, held: None, ..Mark::default() };
        mark.begin(100, true, &[]);
        assert!(!mark.done);
        mark.begin(200, false, &[]);
        assert_eq!((mark.done, mark.next, mark.gaps.clone()), (true, 200, vec![(0, 200)]));
        assert!(mark.seeks_newest(200));
        mark.held = Some(0);
        mark.begin(300, false, &[]);
        assert!(!mark.done);
    }

    #[test]
    fn a_newest_event_that_vanished_is_gone_whole() {
        let mut mark = Mark { next: 60, held: Some(2), gaps: Vec::new(), done: false, ..Mark::default() };
        let gone = mark.tail_read(&seen(60, 100, true, 0, None), Newest::Provisional);
        assert_eq!(gone, [Gone { at: 60, sequence: 0 }, Gone { at: 60, sequence: 1 }]);
        assert_eq!((mark.next, mark.held), (60, Some(0)));
    }

    #[test]
    fn a_tail_read_in_parts_goes_on_where_it_was() {
        let mut mark = Mark { next: 60, held: Some(1), gaps: Vec::new(), done: false, ..Mark::default() };
        assert!(mark.tail_read(&seen(60, 70, false, 1, Some((69, 1))), Newest::Provisional).is_empty());
        assert_eq!((mark.next, mark.held), (70, Some(0)));
        mark.tail_read(&seen(70, 100, true, 1, Some((70, 1))), Newest::HeldBack);
        assert_eq!((mark.next, mark.held), (70, Some(0)));
    }

    #[test]
    fn gaps_melt_together_and_are_covered_in_any_order() {
        let mut mark = Mark { next: 100, held: Some(1), gaps: vec![(0, 20)], done: false, ..Mark::default() };
        mark.begin(200, false, &[(30, 40), (35, 500)]);
        assert_eq!(mark.gaps, [(0, 20), (30, 100)]);
        mark.gap_read(&seen(50, 60, true, 0, None), 60, Newest::Provisional);
        mark.gap_read(&seen(0, 5, false, 1, Some((4, 1))), 20, Newest::Provisional);
        assert_eq!(mark.gaps, [(5, 20), (30, 50), (60, 100)]);
        mark.add_gap(20, 30);
        assert_eq!(mark.gaps, [(5, 50), (60, 100)]);
        assert_eq!(mark.next, 100);
    }
}
