//! Which versions the rows of a table were read at, for the deletions that are read after them.
//!
//! A row that came after the deletions' own start, was read, and is gone again is in neither of the two versions that deletions
//! compare. So they look at the versions in between, too: those where rows were read, when this connection knows them, else all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::offset::State;

/// Versions that are held of one table; of earlier ones nothing is known then.
const MOST: usize = 1_000;

/// A table and the choice of its rows.
type Subject = (String, Option<String>);

/// What this connection has read of each table and choice of rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Trips(Arc<Mutex<HashMap<Subject, Trip>>>);

/// The versions that rows were read at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Trip {
    /// Rows had been read up to here before; none when absent.
    before: Option<u64>,
    /// And since then at these.
    visited: Vec<u64>,
}

/// Versions between two others at which rows may have been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Between {
    /// Any of those up to here, which is included.
    pub(super) any_until: Option<u64>,
    /// And these.
    pub(super) visited: Vec<u64>,
}

impl Trips {
    /// Rows are read on from a state.
    pub(super) fn begin(&self, state: &State) {
        let from = state.at.as_ref().map(|mark| mark.version);
        let mut trips = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let trip = trips.entry(state.subject()).or_default();
        let goes_on = from.is_some() && (trip.visited.last().copied().or(trip.before) == from);
        if !goes_on {
            *trip = Trip { before: from, visited: Vec::new() };
        }
    }

    /// All rows of a version were read.
    pub(super) fn reach(&self, state: &State, version: u64) {
        let mut trips = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let trip = trips.entry(state.subject()).or_default();
        if trip.visited.len() >= MOST {
            *trip = Trip { before: trip.visited.last().copied(), visited: Vec::new() };
        }
        trip.visited.push(version);
    }

    /// The last version whose rows were read.
    pub(super) fn last(&self, state: &State) -> Option<u64> {
        let trips = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        trips.get(&state.subject())?.visited.last().copied()
    }

    /// Where rows may have been read after one version and before another.
    pub(super) fn between(&self, state: &State, after: u64, before: u64) -> Between {
        let trips = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(trip) = trips.get(&state.subject()) else {
            return Between { any_until: Some(before - 1).filter(|last| *last > after), visited: Vec::new() };
        };
        let visited = trip.visited.iter().copied().filter(|version| (after + 1..before).contains(version));
        let any_until = trip.before.map(|last| last.min(before - 1)).filter(|last| *last > after);
        Between { any_until, visited: visited.filter(|version| any_until.is_none_or(|any| *version > any)).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            config::TableOptions,
            offset::{Mark, Place},
        },
        *,
    };
    use crate::options::Options;

    fn state(at: Option<u64>) -> State {
        let nothing = State::nothing("t", &TableOptions::parse(&Options::new()).unwrap());
        match at {
            Some(version) => {
                let (fingerprint, schema) = (String::new(), String::new());
                nothing.reached(Mark { version, fingerprint, rows: 1, schema, place: Place::Whole })
            }
            None => nothing,
        }
    }

    #[test]
    fn versions_between_are_those_that_were_read_or_all_that_may_have_been() {
        let trips = Trips::default();
        let between = |after, before| {
            let found = trips.between(&state(None), after, before);
            (found.any_until, found.visited)
        };
        assert_eq!(between(3, 9), (Some(8), vec![]), "nothing is known");
        assert_eq!(between(8, 9), (None, vec![]));
        trips.begin(&state(None));
        trips.reach(&state(None), 6);
        assert_eq!(between(3, 9), (None, vec![6]), "nothing was read before");
        trips.begin(&state(Some(6)));
        trips.reach(&state(None), 8);
        assert_eq!((between(3, 9), trips.last(&state(None))), ((None, vec![6, 8]), Some(8)), "read on from there");
        trips.begin(&state(Some(5)));
        trips.reach(&state(None), 7);
        assert_eq!(between(3, 9), (Some(5), vec![7]), "started from an offset");
        assert_eq!((between(5, 7), between(7, 9)), ((None, vec![]), (None, vec![])));
    }
}
