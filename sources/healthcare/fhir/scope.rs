//! What of a search is wanted, what was sent before, and what a walk over its pages has seen.

use std::collections::HashSet;

use super::{
    instant::Instant,
    row_id::{Hash, Seal},
    window::Window,
};

/// Which of the resources that a server sends are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope {
    /// Those stamped inside a window.
    Window(Window),
    /// Those without a stamp.
    WithoutStamp,
    /// All but what last changed before an instant.
    Everything { since: Option<Instant> },
}

impl Scope {
    /// A server may filter by stamps that it does not show, so what comes without one belongs to every window.
    pub(super) fn holds(&self, stamp: Option<Instant>) -> bool {
        match self {
            Self::Window(window) => stamp.is_none_or(|t| window.contains(t)),
            Self::WithoutStamp => stamp.is_none(),
            Self::Everything { since } => stamp.zip(*since).is_none_or(|(t, since)| t >= since),
        }
    }
}

/// Versions that were read before, in the part of the time line that is read twice.
#[derive(Debug)]
pub(super) struct Overlap {
    /// What the versions in `sent` went through.
    pub(super) seal: Seal,
    /// What the last run has sent of it.
    pub(super) sent: HashSet<Hash>,
    /// Where the last run ended.
    pub(super) until: Option<Instant>,
    /// From here on the next run will read again: its versions are noted.
    pub(super) note_from: Option<Instant>,
}

impl Overlap {
    /// Of a table that is read as a whole: nothing is read twice.
    pub(super) fn none(seal: Seal) -> Self {
        Self { seal, sent: HashSet::new(), until: None, note_from: None }
    }

    pub(super) fn was_sent(&self, stamp: Option<Instant>, version: Hash) -> bool {
        let before = |t: Instant| self.until.is_some_and(|until| t < until);
        stamp.is_some_and(before) && self.sent.contains(&self.seal.seal(version))
    }

    pub(super) fn is_noted(&self, stamp: Option<Instant>) -> bool {
        stamp.zip(self.note_from).is_some_and(|(t, from)| t >= from)
    }

    pub(super) fn touches(&self, stamp: Option<Instant>) -> bool {
        self.is_noted(stamp) || stamp.zip(self.until).is_some_and(|(t, until)| t < until)
    }
}

/// What one walk over the pages of a search has seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pub(super) pages: u64,
    /// Different resources of the table.
    pub(super) distinct: u64,
    /// There were so many that `distinct` may hold some of them twice.
    pub(super) is_overfull: bool,
    /// Rows that no walk before has brought.
    pub(super) new: u64,
    /// Stands for the set of versions that are wanted.
    pub(super) digest: Hash,
    /// Resources stamped before what was asked for.
    pub(super) below: u64,
    /// Resources stamped well after what was asked for.
    pub(super) beyond: u64,
}

impl Walk {
    pub(super) const NONE: Self =
        Self { pages: 0, distinct: 0, is_overfull: false, new: 0, digest: Hash::NONE, below: 0, beyond: 0 };

    /// Whether both walks have seen the same wanted resources in the same versions.
    pub(super) fn saw_the_same_as(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// Whether the server cannot have filtered: rows from before the range, or most of them outside it.
    pub(super) fn shows_no_filter(&self) -> bool {
        self.below > 0 || (self.beyond > 10 && self.beyond * 2 > self.distinct)
    }
}
