//! The checks and the rules they are named after.

use std::fmt;

/// One check of the suite. The first ten carry the names of the rules in [`read`](crate::read), in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Check {
    /// Rule 1: a host killed after any event and restarted from its last stored offset loses and doubles nothing.
    Units,
    /// Rule 2: every checkpoint covers every row before it, none follows an error, and the end means caught up.
    OffsetsFollowRows,
    /// Rule 3: offsets are versioned, bounded JSON; what a source cannot honour is `OffsetExpired`.
    OffsetsAreOpaque,
    /// Rule 4: the same (`start`, `until`] gives the same rows, also while the source changes.
    BoundedReadsRepeat,
    /// Rule 5: no request before the first poll, a bounded number ahead of the reader, none after the drop.
    MemoryIsBounded,
    /// Rule 6: batches of any size lose and repeat nothing and never end inside a tie.
    TiesAreWhole,
    /// Rule 7: unknown tables and options are refused by every method, with near matches.
    UnknownNamesAreErrors,
    /// Rule 8: rows have exactly the declared structure.
    StructureIsKept,
    /// Rule 9: a value that does not fit is an error or a quarantined row, and is never printed.
    NoSilentNull,
    /// Rule 10: a row that is deleted after it was first read is told, when the deletions were begun before.
    DeletionsBeginFirst,
    /// Schema and metadata are the same each time and agree with each other and with `read_table_deletes`.
    MetadataIsCoherent,
    /// The requests of `plan` are disjoint and cover the whole.
    PlansCover,
    /// A misbehaving server leads to an error or the right rows, never to silent loss.
    FaultsLoseNothing,
    /// No secret and no private value is in an error, an offset, a `Debug` text or the log.
    SecretsStaySecret,
}

impl Check {
    /// Every check, in the order in which [`Suite::run`](super::Suite::run) makes them.
    pub const ALL: [Self; 14] = [
        Self::MetadataIsCoherent,
        Self::UnknownNamesAreErrors,
        Self::StructureIsKept,
        Self::Units,
        Self::OffsetsFollowRows,
        Self::OffsetsAreOpaque,
        Self::BoundedReadsRepeat,
        Self::MemoryIsBounded,
        Self::TiesAreWhole,
        Self::DeletionsBeginFirst,
        Self::PlansCover,
        Self::FaultsLoseNothing,
        Self::NoSilentNull,
        Self::SecretsStaySecret,
    ];

    /// The name in snake case, as reports print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Units => "units",
            Self::OffsetsFollowRows => "offsets_follow_rows",
            Self::OffsetsAreOpaque => "offsets_are_opaque",
            Self::BoundedReadsRepeat => "bounded_reads_repeat",
            Self::MemoryIsBounded => "memory_is_bounded",
            Self::TiesAreWhole => "ties_are_whole",
            Self::UnknownNamesAreErrors => "unknown_names_are_errors",
            Self::StructureIsKept => "structure_is_kept",
            Self::NoSilentNull => "no_silent_null",
            Self::DeletionsBeginFirst => "deletions_begin_first",
            Self::MetadataIsCoherent => "metadata_is_coherent",
            Self::PlansCover => "plans_cover",
            Self::FaultsLoseNothing => "faults_lose_nothing",
            Self::SecretsStaySecret => "secrets_stay_secret",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
