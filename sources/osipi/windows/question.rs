//! What is asked of a stream, and which part of the answer is wanted.

use super::super::{client::Query, time::Micros};

/// Intervals of one length, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Intervals {
    pub(super) from: Micros,
    pub(super) to: Micros,
    pub(super) length: Micros,
    pub(super) count: u32,
}

/// How many streams share a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Each its own inside a batch.
    Batch,
    /// All one address.
    Streamset,
    /// An expression on an object; no stream at all.
    Expression,
}

/// Which part of an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Values in `[from, to)`.
    Values { from: Micros, to: Micros },
    /// The newest value there is.
    Newest,
    /// The value at an instant.
    At(Micros),
    /// Summaries of these intervals; of what follows them nothing.
    Summaries(Intervals),
}

/// What is asked of each of some streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) route: Route,
    /// The last part of the address: `interpolated`, `plot`, `summary`.
    pub(super) what: &'static str,
    pub(super) query: Query,
    /// Fields of timed values to ask for.
    pub(super) fields: Vec<&'static str>,
    /// Intervals in each answer, which the server may find too many.
    pub(super) intervals: u32,
    pub(super) wanted: Wanted,
}

impl Intervals {
    /// All from `from` to `to` as one.
    pub(super) fn one(from: Micros, to: Micros) -> Self {
        Self { from, to, length: to - from, count: 1 }
    }

    /// Where one begins and ends.
    pub(super) fn span(&self, index: u32) -> (Micros, Micros) {
        let from = self.from + self.length * i64::from(index);
        (from, if index + 1 >= self.count { self.to } else { from + self.length })
    }

    /// The first and the second half; `None` of a single interval.
    pub(super) fn halves(&self) -> Option<[Self; 2]> {
        let first = self.count / 2;
        let middle = self.from + self.length * i64::from(first);
        (first > 0).then_some([
            Self { to: middle, count: first, ..*self },
            Self { from: middle, count: self.count - first, ..*self },
        ])
    }
}

/// A length as the server reads it, exact to the microsecond.
pub(super) fn seconds(length: Micros) -> String {
    let (whole, fraction) = (length / 1_000_000, length % 1_000_000);
    if fraction == 0 {
        return format!("{whole}s");
    }
    let digits = format!("{fraction:06}");
    format!("{whole}.{}s", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_exactly() {
        assert_eq!([seconds(60_000_000), seconds(1_500_000), seconds(10)], ["60s", "1.5s", "0.00001s"]);
    }

    #[test]
    fn halves_are_the_whole() {
        let five = Intervals { from: 0, to: 50, length: 10, count: 5 };
        let [a, b] = five.halves().unwrap();
        assert_eq!((a.to, a.count, b.from, b.count), (20, 2, 20, 3));
        assert_eq!((b.span(0), b.span(2), five.span(4)), ((20, 30), (40, 50), (40, 50)));
        assert_eq!(Intervals::one(3, 7).halves(), None);
    }
}
