//! How far the frames of one database have been followed, which offsets hold, and how far a run is to go.

use serde::{Deserialize, Serialize};

use super::{keyset::Ticks, known::Known, sent::Sent};

/// How the frames are followed; all lengths in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Everything that begins or ends before this belongs to this run.
    pub(crate) hi: Ticks,
    /// What began or ended so long before the last run is read again.
    pub(crate) overlap: Ticks,
    /// How far a sweep looks back.
    pub(crate) lookback: Ticks,
    /// How long after a sweep the next is due.
    pub(crate) sweep_every: Ticks,
    pub(crate) page: u64,
    pub(crate) cap: u64,
}

/// How far the frames of one database have been followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Frames that begin before this have been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) started: Option<Ticks>,
    /// Frames that end before this have been seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<Ticks>,
    /// When the last sweep began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) swept: Option<Ticks>,
    /// A sweep under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sweep: Option<Sweep>,
    /// Not all open frames are watched: each run searches for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) open_unknown: bool,
    pub(crate) known: Known,
    /// Frames that were sent and are not watched.
    #[serde(default, skip_serializing_if = "Sent::is_empty")]
    pub(crate) sent: Sent,
}

/// A sweep under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sweep {
    pub(crate) lo: Ticks,
    pub(crate) hi: Ticks,
    /// Open frames that begin before this have been seen.
    pub(crate) open: Ticks,
    /// Closed frames that end before this have been seen.
    pub(crate) ended: Ticks,
}

impl State {
    /// Where a run of this plan ends, when nothing is known yet of the frames in between.
    pub(crate) fn end(&self, plan: &Plan) -> Self {
        let hi = Some(plan.hi);
        let swept = if self.sweep.is_some() || self.is_sweep_due(plan) { hi } else { self.swept };
        let (started, ended) = (self.started.max(hi), self.ended.max(hi));
        Self {
            started,
            ended,
            swept,
            sweep: None,
            open_unknown: true,
            known: self.known.clone(),
            sent: self.sent.clone(),
        }
    }

    pub(super) fn is_sweep_due(&self, plan: &Plan) -> bool {
        self.swept.is_none_or(|at| plan.hi >= at.saturating_add(plan.sweep_every))
    }
}
