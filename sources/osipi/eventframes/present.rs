//! The frames that were there, small enough for an offset.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{keyset::Ticks, tracker::Head};

/// Frames that are watched for deletion at most; the oldest are let go first.
pub(super) const MOST_WATCHED: usize = 100_000;

const ID_LENGTH: usize = 22;
/// Seconds of the end, nine digits in base 36 would do; open frames have none.
const END_LENGTH: usize = 8;
const ENTRY_LENGTH: usize = ID_LENGTH + END_LENGTH;
const SECOND: Ticks = 10_000_000;
const OPEN: &str = "--------";

/// The frames of one database that were there: when each ended, in whole seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Packed", into = "Packed")]
pub(super) struct Present {
    prefix: String,
    ends: BTreeMap<String, Option<Ticks>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    prefix: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    frames: String,
}

impl From<Present> for Packed {
    fn from(present: Present) -> Self {
        let mut frames = String::with_capacity(present.ends.len() * ENTRY_LENGTH);
        for (id, end) in &present.ends {
            frames.push_str(id);
            match end {
                None => frames.push_str(OPEN),
                // Before 1970 nothing ends, and 32 bits of seconds reach to 2106.
                Some(end) => frames.push_str(&format!("{:08x}", u32::try_from(end / SECOND).unwrap_or(u32::MAX))),
            }
        }
        Self { prefix: present.prefix, frames }
    }
}

impl TryFrom<Packed> for Present {
    type Error = &'static str;

    fn try_from(packed: Packed) -> Result<Self, Self::Error> {
        const BROKEN: &str = "the event frames that were there are broken";
        if !packed.frames.len().is_multiple_of(ENTRY_LENGTH) || !packed.frames.is_ascii() {
            return Err(BROKEN);
        }
        let mut ends = BTreeMap::new();
        let mut rest = packed.frames.as_str();
        while let Some((entry, behind)) = rest.split_at_checked(ENTRY_LENGTH) {
            let (id, end) = entry.split_at(ID_LENGTH);
            let end = match end {
                OPEN => None,
                hex => Some(Ticks::from(u32::from_str_radix(hex, 16).map_err(|_| BROKEN)?) * SECOND),
            };
            ends.insert(id.to_owned(), end);
            rest = behind;
        }
        Ok(Self { prefix: packed.prefix, ends })
    }
}

impl Present {
    /// WebIDs of the frames that a search for open ones and for those that end from `from` on must find.
    pub(super) fn in_reach(&self, from: Ticks) -> impl Iterator<Item = String> {
        let is_reached = move |end: &Option<Ticks>| end.is_none_or(|end| end >= from);
        let reached = self.ends.iter().filter(move |(_, end)| is_reached(end));
        reached.map(|(id, _)| format!("{}{id}", self.prefix))
    }

    /// After a look: with what was found, without what is gone and what ended before `reach`.
    pub(super) fn now(mut self, found: &[Head], gone: &[String], reach: Ticks) -> Self {
        let gone: HashSet<&str> = gone.iter().map(String::as_str).collect();
        for head in found {
            if self.ends.is_empty() {
                let length = head.webid.len().saturating_sub(ID_LENGTH);
                self.prefix = head.webid.get(..length).unwrap_or_default().to_owned();
            }
            let id = head.webid.strip_prefix(&self.prefix).filter(|id| id.len() == ID_LENGTH && id.is_ascii());
            if let Some(id) = id {
                self.ends.insert(id.to_owned(), head.end.map(|end| end / SECOND * SECOND));
            }
        }
        let prefix = self.prefix.clone();
        self.ends.retain(|id, end| {
            end.is_none_or(|end| end >= reach / SECOND * SECOND) && !gone.contains(format!("{prefix}{id}").as_str())
        });
        if self.ends.len() > MOST_WATCHED {
            tracing::warn!(watched = MOST_WATCHED, "there are more event frames than are watched for deletion");
            let mut ends: Vec<Ticks> = self.ends.values().map(|end| end.unwrap_or(Ticks::MAX)).collect();
            ends.sort_unstable_by(|a, b| b.cmp(a));
            let least = ends.get(MOST_WATCHED - 1).copied().unwrap_or_default();
            let mut room = MOST_WATCHED;
            self.ends.retain(|_, end| {
                let is_kept = end.unwrap_or(Ticks::MAX) >= least && room > 0;
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

    #[test]
    fn a_broken_text_is_refused() {
        for frames in ["x", &"é".repeat(ENTRY_LENGTH / 2), &"z".repeat(ENTRY_LENGTH)] {
            let text = serde_json::json!({"prefix": PREFIX, "frames": frames}).to_string();
            assert!(serde_json::from_str::<Present>(&text).is_err(), "{frames}");
        }
    }
}
