//! Versions that nodes of LanceDB Cloud have told: none that is asked later may answer from before.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::http::Response;

/// The version that answered.
const ANSWERED: &str = "x-lancedb-version";
/// The oldest version that may answer.
pub(super) const AT_LEAST: &str = "x-lancedb-min-read-version";
/// The most tables that are remembered.
const MOST: usize = 100_000;

/// The newest version of each table that is known to exist. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<HashMap<String, u64>>>);

impl Seen {
    fn all(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a version, of an answer or of an offset.
    pub(super) fn note(&self, table: &str, version: u64) {
        let mut all = self.all();
        if let Some(newest) = all.get_mut(table) {
            *newest = version.max(*newest);
        } else if all.len() < MOST {
            all.insert(table.to_owned(), version);
        }
    }

    /// Remembers the version that an answer tells.
    pub(super) fn note_of(&self, table: &str, response: &Response) {
        if let Some(version) = response.header(ANSWERED).and_then(|version| version.parse().ok()) {
            self.note(table, version);
        }
    }

    pub(super) fn newest(&self, table: &str) -> Option<u64> {
        self.all().get(table).copied()
    }

    /// Forgets a table: one that was dropped and created again begins at 1.
    pub(super) fn forget(&self, table: &str) {
        self.all().remove(table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_of_a_table_is_kept() {
        let seen = Seen::default();
        [3, 7, 5].iter().for_each(|version| seen.note("a", *version));
        assert_eq!((seen.newest("a"), seen.newest("b")), (Some(7), None));
        seen.forget("a");
        assert_eq!(seen.newest("a"), None);
    }
}
