//! Half-open ranges of time: what is read as one, and what is asked of the server for it.

use super::instant::{Instant, Step};

/// All instants `t` with `lo <= t < hi`; unbounded below when `lo` is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) lo: Option<Instant>,
    pub(super) hi: Instant,
}

impl Window {
    pub(super) fn new(lo: Option<Instant>, hi: Instant) -> Self {
        Self { lo, hi }
    }

    /// Whether no instant lies inside.
    pub(super) fn is_empty(&self) -> bool {
        self.lo.is_some_and(|lo| lo >= self.hi)
    }

    pub(super) fn contains(&self, t: Instant) -> bool {
        self.lo.is_none_or(|lo| lo <= t) && t < self.hi
    }

    /// The two halves, cut at a multiple of `step`; `None` when the window is no wider than one step.
    ///
    /// A window without lower bound is halved as if it began at the epoch, and not at all before it.
    pub(super) fn halves(&self, step: Step) -> Option<(Self, Self)> {
        let lo = self.lo.unwrap_or_else(|| Instant::EPOCH.min(self.hi));
        self.cut(lo.middle(self.hi), step)
    }

    /// The parts before and after `at`, which is moved to a multiple of `step` strictly inside; `None` when there is none.
    pub(super) fn cut(&self, at: Instant, step: Step) -> Option<(Self, Self)> {
        [at.floor(step), at.ceil(step)]
            .into_iter()
            .find(|at| self.lo.is_none_or(|lo| lo < *at) && *at < self.hi)
            .filter(|at| self.lo.is_some() || *at > Instant::EPOCH)
            .map(|at| (Self::new(self.lo, at), Self::new(Some(at), self.hi)))
    }

    /// What to ask of the server: one step wider on both sides, because servers cut and round search values.
    /// Rows are held against the window itself.
    pub(super) fn span(&self, step: Step) -> Span {
        Span::Between { lo: self.lo.map(|lo| lo.floor(step).minus(step)), hi: self.hi.ceil(step).plus(step) }
    }
}

/// The range of `_lastUpdated` that a search names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// `_lastUpdated` is not named: everything, rows without a stamp too.
    All,
    /// `ge lo` (when there is one) and `lt hi`.
    Between {
        /// Where it begins.
        lo: Option<Instant>,
        /// Where it ends, itself outside.
        hi: Instant,
    },
    /// `ge lo`.
    From(Instant),
}

impl Span {
    /// Whether the lower bound says that a row of this instant should not have come.
    pub(super) fn is_below(&self, t: Instant) -> bool {
        match self {
            Self::All | Self::Between { lo: None, .. } => false,
            // One second of grace for servers that index a rounded instant.
            Self::Between { lo: Some(lo), .. } | Self::From(lo) => t.plus(Step::Second) < *lo,
        }
    }

    /// Whether the upper bound says that a row of this instant should not have come.
    pub(super) fn is_beyond(&self, t: Instant) -> bool {
        matches!(self, Self::Between { hi, .. } if t >= hi.plus(Step::Second))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    #[test]
    fn a_window_of_one_step_cannot_be_halved() {
        let lo = at("2024-01-01T00:00:00Z");
        assert_eq!(Window::new(Some(lo), lo.plus(Step::Second)).halves(Step::Second), None);
        assert_eq!(Window::new(Some(lo), lo.plus(Step::Millisecond)).halves(Step::Millisecond), None);
        assert!(Window::new(Some(lo), lo.plus(Step::Second)).halves(Step::Millisecond).is_some());
    }

    #[test]
    fn halving_down_without_lower_bound_ends_at_the_epoch() {
        let mut window = Window::new(None, at("2024-01-01T00:00:00Z"));
        let mut times = 0;
        while let Some((left, right)) = window.halves(Step::Millisecond) {
            assert_eq!(Some(left.hi), right.lo);
            window = left;
            times += 1;
        }
        assert_eq!(window.lo, None);
        assert!(times < 50, "{times}");
    }

    #[test]
    fn the_span_asked_for_is_wider_than_the_window() {
        let window = Window::new(Some(at("2024-01-01T00:00:01.500Z")), at("2024-01-01T00:00:02.250Z"));
        assert_eq!(
            window.span(Step::Second),
            Span::Between { lo: Some(at("2024-01-01T00:00:00Z")), hi: at("2024-01-01T00:00:04Z") }
        );
        assert_eq!(
            window.span(Step::Millisecond),
            Span::Between { lo: Some(at("2024-01-01T00:00:01.499Z")), hi: at("2024-01-01T00:00:02.251Z") }
        );
    }

    proptest! {
        #[test]
        fn the_halves_of_any_window_cover_it_and_do_not_overlap(
            lo in 0_i64..4_000_000_000_000, width in 1_i64..1_000_000_000, t in 0_i64..4_000_000_000_000, fine: bool,
        ) {
            let instant = |ms: i64| Instant::from(chrono::DateTime::from_timestamp_millis(ms).unwrap());
            let step = if fine { Step::Millisecond } else { Step::Second };
            let window = Window::new(Some(instant(lo)), instant(lo + width));
            if let Some((left, right)) = window.halves(step) {
                prop_assert!(!left.is_empty() && !right.is_empty());
                for t in [instant(t), instant(lo), instant(lo + width), left.hi] {
                    prop_assert_eq!(window.contains(t), left.contains(t) != right.contains(t));
                }
            }
        }
    }
}
