//! Which frames were sent as rows, for the deletions that are read after them.
//!
//! A frame that came after one look for deletions, was sent, and is gone before the next is in neither look. So the reads of rows
//! say which frames they sent: those that they watch, and, kept for a week, those that they do not.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{
    keyset::Ticks,
    packed::{Entry, Frames},
    progress::State,
};

/// How long they are kept: between a read of rows and the look for deletions after it there is a crash or two at most.
const KEPT: Ticks = 7 * 86_400 * SECOND;
/// Frames that are kept at most; beyond, the oldest go.
const MOST: usize = 20_000;
const SECOND: Ticks = 10_000_000;

/// When a frame was sent, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At(Ticks);

impl Entry for At {
    /// 32 bits of seconds in hexadecimal.
    const LENGTH: usize = 8;

    fn pack(&self, text: &mut String) {
        text.push_str(&format!("{:08x}", u32::try_from(self.0 / SECOND).unwrap_or(u32::MAX)));
    }

    fn unpack(text: &str) -> Option<Self> {
        Some(Self(Ticks::from(u32::from_str_radix(text, 16).ok()?) * SECOND))
    }
}

/// Frames of one database that were sent and are not watched, or of which something else was told, each with when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Sent(Frames<At>);

impl Sent {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    pub(crate) fn has(&self, webid: &str) -> bool {
        self.0.get(webid).is_some()
    }

    /// Notes a frame that was sent by a run that is frozen at `hi`.
    pub(crate) fn put(&mut self, webid: &str, hi: Ticks) {
        self.0.insert(webid, At(hi / SECOND * SECOND));
    }

    /// Lets go of what was sent long before `hi`, and of the oldest where there are many.
    pub(crate) fn forget(&mut self, hi: Ticks) {
        let mut least = hi.saturating_sub(KEPT);
        if self.0.len() > MOST {
            let mut times: Vec<Ticks> = self.0.values().map(|at| at.0).collect();
            let (_, at, _) = times.select_nth_unstable_by(MOST, |a, b| b.cmp(a));
            least = least.max(*at + 1);
        }
        self.0.retain(|at| at.0 >= least);
    }
}

/// WebIDs by selection and database.
type Subjects = BTreeMap<(String, String), BTreeSet<String>>;

/// What the reads of rows of a connection have sent.
#[derive(Debug, Default)]
pub(in super::super) struct SentFrames(Mutex<Subjects>);

impl SentFrames {
    /// A run begins: what is known of runs before it.
    pub(super) fn begin(&self, selection: &str, states: &BTreeMap<String, State>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(of, _), _| of != selection);
        for (database, state) in states {
            all.insert((selection.to_owned(), database.clone()), webids(state).collect());
        }
    }

    /// A database has been followed so far.
    pub(super) fn reach(&self, selection: &str, database: &str, state: &State) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry((selection.to_owned(), database.to_owned())).or_default().extend(webids(state));
    }

    /// The frames of a database that rows may be there of.
    pub(super) fn of(&self, selection: &str, database: &str) -> BTreeSet<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&(selection.to_owned(), database.to_owned())).cloned().unwrap_or_default()
    }
}

fn webids(state: &State) -> impl Iterator<Item = String> {
    state.known.webids().chain(state.sent.0.iter().map(|(webid, _)| webid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webid(n: usize) -> String {
        format!("I1Fm1MOyoREAMyJEVWZ3iJmquw{n:022}")
    }

    #[test]
    fn what_was_sent_is_kept_for_a_week_and_comes_back_from_an_offset() {
        let mut sent = Sent::default();
        sent.put(&webid(1), 5 * SECOND);
        sent.put(&webid(2), KEPT + 6 * SECOND);
        sent.forget(KEPT + 6 * SECOND);
        let again: Sent = serde_json::from_str(&serde_json::to_string(&sent).unwrap()).unwrap();
        assert_eq!(again, sent);
        assert_eq!(again.0.iter().map(|(webid, _)| webid).collect::<Vec<_>>(), [webid(2)]);
        let mut many = Sent::default();
        (0..MOST + 10).for_each(|n| many.put(&webid(n), n as Ticks * SECOND));
        many.forget(MOST as Ticks * SECOND);
        assert!((MOST - 10..=MOST).contains(&many.0.len()), "{}", many.0.len());
        assert!(many.0.get(&webid(MOST + 9)).is_some() && many.0.get(&webid(0)).is_none());
    }

    #[test]
    fn a_connection_knows_what_its_runs_have_sent() {
        let sent = SentFrames::default();
        let mut state = State::default();
        state.sent.put(&webid(1), SECOND);
        sent.begin("s", &BTreeMap::from([("db".to_owned(), state.clone())]));
        state.sent = Sent::default();
        state.sent.put(&webid(2), SECOND);
        sent.reach("s", "db", &state);
        assert_eq!(sent.of("s", "db"), BTreeSet::from([webid(1), webid(2)]));
        assert!(sent.of("other", "db").is_empty());
        sent.begin("s", &BTreeMap::new());
        assert!(sent.of("s", "db").is_empty());
    }
}
