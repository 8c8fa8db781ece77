//! The frames that were there, small enough for an offset.

use serde::{Deserialize, Serialize};

use super::{
    keyset::Ticks,
    packed::{Entry, Frames},
    tracker::Head,
};

/// Frames that are watched for deletion at most; the oldest are let go first.
pub(super) const MOST_WATCHED: usize = 100_000;

const SECOND: Ticks = 10_000_000;
const OPEN: &str = "--------";

/// When a frame ended, in whole seconds; open ones have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End(Option<Ticks>);

impl Entry for End {
    /// 32 bits of seconds in hexadecimal.
    const LENGTH: usize = OPEN.len();

    fn pack(&self, text: &mut String) {
        match self.0 {
            None => text.push_str(OPEN),
            // Before 1970 nothing ends, and 32 bits of seconds reach to 2106.
            Some(end) => text.push_str(&format!("{:08x}", u32::try_from(end / SECOND).unwrap_or(u32::MAX))),
        }
    }

    fn unpack(text: &str) -> Option<Self> {
        match text {
            OPEN => Some(Self(None)),
            hex => Some(Self(Some(Ticks::from(u32::from_str_radix(hex, 16).ok()?) * SECOND))),
        }
    }
}

/// The frames of one database that were there, and when each ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Present(Frames<End>);

impl Present {
    /// Whether a frame was there.
    pub(super) fn has(&self, webid: &str) -> bool {
        self.0.get(webid).is_some()
    }

    /// WebIDs of the frames that a search for open ones and for those that end from `from` on must find.
    pub(super) fn in_reach(&self, from: Ticks) -> impl Iterator<Item = String> {
        self.0.iter().filter(move |(_, end)| end.0.is_none_or(|end| end >= from)).map(|(webid, _)| webid)
    }

    /// After a look: with what was found, without what is gone and what ended before `reach`.
    pub(super) fn now(mut self, found: &[Head], gone: &[String], reach: Ticks) -> Self {
        for head in found {
            self.0.insert(&head.webid, End(head.end.map(|end| end / SECOND * SECOND)));
        }
        gone.iter().for_each(|webid| self.0.remove(webid));
        self.0.retain(|end| end.0.is_none_or(|end| end >= reach / SECOND * SECOND));
        if self.0.len() > MOST_WATCHED {
            tracing::warn!(watched = MOST_WATCHED, "there are more event frames than are watched for deletion");
            let mut ends: Vec<Ticks> = self.0.values().map(|end| end.0.unwrap_or(Ticks::MAX)).collect();
            ends.sort_unstable_by(|a, b| b.cmp(a));
            let least = ends.get(MOST_WATCHED - 1).copied().unwrap_or_default();
            let mut room = MOST_WATCHED;
            self.0.retain(|end| {
                let is_kept = end.0.unwrap_or(Ticks::MAX) >= least && room > 0;
                room -= usize::from(is_kept);
                is_kept
            });
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIX: &str = "I1Fm1MOyoREAMyJEVWZ3iJmquw";

    fn head(n: usize, end: Option<Ticks>) -> Head {
        Head { webid: format!("{PREFIX}{n:022}"), start: 0, end }
    }

    #[test]
    fn what_was_there_comes_back_from_an_offset() {
        let found = [head(1, None), head(2, Some(1_700_000_000 * SECOND + 5))];
        let present = Present::default().now(&found, &[], 0);
        let again: Present = serde_json::from_str(&serde_json::to_string(&present).unwrap()).unwrap();
        assert_eq!(again, present);
        assert_eq!(again.in_reach(1_700_000_001 * SECOND).collect::<Vec<_>>(), [head(1, None).webid]);
        assert_eq!(again.in_reach(0).count(), 2);
    }

    #[test]
    fn what_is_gone_or_out_of_reach_is_let_go() {
        let found = [head(1, None), head(2, Some(10 * SECOND)), head(3, Some(30 * SECOND))];
        let present = Present::default().now(&found, &[], 0);
        let present = present.now(&[], &[head(1, None).webid], 20 * SECOND);
        assert_eq!(present.in_reach(0).collect::<Vec<_>>(), [head(3, None).webid]);
    }

    #[test]
    fn an_offset_stays_bounded_and_keeps_open_and_new_frames() {
        let found: Vec<Head> =
            (0..MOST_WATCHED + 50).map(|n| head(n, (n > 10).then_some(n as Ticks * SECOND))).collect();
        let present = Present::default().now(&found, &[], 0);
        assert_eq!(present.in_reach(0).count(), MOST_WATCHED);
        assert!(present.in_reach(0).any(|webid| webid == head(3, None).webid), "open");
        assert!(!present.in_reach(0).any(|webid| webid == head(11, None).webid), "the oldest");
        assert!(serde_json::to_string(&present).unwrap().len() < 3_100_000);
    }
}
