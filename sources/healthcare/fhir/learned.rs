//! What a table's reader has learned of a server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::instant::Step;

/// What has been learned of a server; shared by all reads of a table in one connection.
#[derive(Clone, Default)]
pub(super) struct Learned(Arc<Mutex<Facts>>);

#[derive(Clone, Copy, Default)]
pub(super) struct Facts {
    pub(super) dialect: Option<Dialect>,
    pub(super) filter: LastUpdated,
    pub(super) step: Option<Step>,
    pub(super) totals: Totals,
    pub(super) no_total_parameter: bool,
    pub(super) largest_page: u64,
    pub(super) rows_without_stamp: Option<bool>,
}

/// Which way of asking a server accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) strict: bool,
    pub(super) sort: bool,
    pub(super) step: Step,
}

/// What a server makes of `_lastUpdated`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LastUpdated {
    /// It filters.
    #[default]
    Honoured,
    /// It answers as if the parameter was not there; rows are filtered here.
    Ignored,
    /// It says that it does not support it.
    Refused,
}

/// How far a server's totals can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Totals {
    /// Nothing speaks against them yet.
    #[default]
    Unproven,
    /// They have agreed with what was read.
    Proven,
    /// There are none, or they are wrong.
    Distrusted,
}

impl Learned {
    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn last_updated(&self) -> LastUpdated {
        self.facts().filter
    }

    pub(super) fn totals(&self) -> Totals {
        self.facts().totals
    }

    pub(super) fn prove_totals(&self) {
        let mut facts = self.facts();
        if facts.totals == Totals::Unproven {
            facts.totals = Totals::Proven;
        }
    }

    pub(super) fn distrust_totals(&self) {
        self.facts().totals = Totals::Distrusted;
    }

    pub(super) fn largest_page(&self) -> u64 {
        self.facts().largest_page
    }

    pub(super) fn saw_page(&self, rows: u64) {
        let mut facts = self.facts();
        facts.largest_page = facts.largest_page.max(rows);
    }

    pub(super) fn filter_ignored(&self) {
        self.facts().filter = LastUpdated::Ignored;
    }

    /// Whether there are rows without `lastUpdated`, once somebody has found out.
    pub(super) fn rows_without_stamp(&self) -> Option<bool> {
        self.facts().rows_without_stamp
    }

    pub(super) fn set_rows_without_stamp(&self, there_are: bool) {
        self.facts().rows_without_stamp = Some(there_are);
    }

    /// How finely bounds are cut: whole seconds until finer ones have proved themselves.
    pub(super) fn step(&self) -> Step {
        self.facts().step.unwrap_or(Step::Second)
    }
}

impl Dialect {
    /// Ways of asking, the best first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        [true, false].into_iter().flat_map(|strict| {
            [true, false].into_iter().flat_map(move |sort| {
                [Step::Millisecond, Step::Second].into_iter().map(move |step| Self { strict, sort, step })
            })
        })
    }
}
