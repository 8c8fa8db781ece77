//! Finds deleted rows among what a read shows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    super::{tags::TagKey, time::Micros},
    known,
    mark::{Gone, Seen},
    state::{Deletion, State},
};

/// What a read has found out about deletions.
#[derive(Debug, Default)]
pub(super) struct Follow {
    /// Instants of which the server's feed told that rows vanished there, with the most that may have: by tag.
    told: HashMap<usize, BTreeMap<Micros, u32>>,
    /// What was found to be gone and has perhaps not been read yet, by tag.
    gone: HashMap<usize, BTreeSet<(Micros, u32)>>,
}

/// A part of a window of one tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub(super) tag: usize,
    pub(super) key: &'a TagKey,
    pub(super) webid: &'a str,
    pub(super) seen: &'a Seen,
    /// The instants of the part, with their rows.
    pub(super) instants: &'a [(Micros, u32)],
}

impl Follow {
    /// Goes on from deletions that wait to be read. `place_of` tells the place of a tag by its WebID.
    pub(super) fn go_on<'a>(&mut self, state: &'a State, place_of: impl Fn(&'a str) -> Option<usize>) {
        for deletion in state.gone.iter().filter(|deletion| deletion.seen > 0) {
            if let Some(tag) = place_of(&deletion.tag) {
                self.gone.entry(tag).or_default().insert((deletion.at, deletion.sequence));
            }
        }
    }

    /// Up to so many rows of an instant are gone beside those that will be read there.
    pub(super) fn tell(&mut self, tag: usize, at: Micros, rows: u32) {
        let told = self.told.entry(tag).or_default().entry(at).or_default();
        *told = told.saturating_add(rows);
    }

    /// Takes in what a part of a window holds now; `gone` is what is already known to have vanished from it.
    pub(super) fn take(&mut self, state: &mut State, part: Part<'_>, gone: Vec<Gone>) {
        let Part { tag, seen, instants, .. } = part;
        let rows_at = |at: Micros| {
            instants.binary_search_by_key(&at, |i| i.0).ok().and_then(|i| instants.get(i)).map_or(0, |i| i.1)
        };
        self.put_back(state, &part, rows_at);
        let mut gone: BTreeSet<(Micros, u32)> = gone.into_iter().map(|gone| (gone.at, gone.sequence)).collect();
        if let Some(from) = state.known_from.map(|known| known.max(seen.from)).filter(|from| *from < seen.to)
            && let Some(mark) = state.tags.get_mut(part.key)
        {
            let now = instants.get(instants.partition_point(|i| i.0 < from)..).unwrap_or_default();
            let missing = known::compare(&mut mark.known, from, seen.to, now);
            gone.extend(missing.into_iter().map(|gone| (gone.at, gone.sequence)));
        }
        if let Some(told) = self.told.get_mut(&tag) {
            let here: Vec<Micros> = told.range(seen.from..seen.to).map(|(at, _)| *at).collect();
            for at in here {
                let most = told.remove(&at).unwrap_or_default();
                // Where all rows were known, the comparison has told already.
                if state.known_from.is_none_or(|known| at < known) {
                    let left = rows_at(at);
                    gone.extend((left..left.saturating_add(most)).map(|sequence| (at, sequence)));
                }
            }
        }
        for (at, sequence) in gone {
            if self.gone.entry(tag).or_default().insert((at, sequence)) {
                state.delete(Deletion { tag: part.webid.into(), at, sequence, seen: state.read_at });
            }
        }
    }

    /// Rows that were found to be gone and that are there now.
    fn put_back(&mut self, state: &mut State, part: &Part<'_>, rows_at: impl Fn(Micros) -> u32) {
        let Some(gone) = self.gone.get_mut(&part.tag) else { return };
        let window = (part.seen.from, 0)..(part.seen.to, 0);
        let back: Vec<_> = gone.range(window).filter(|(at, sequence)| *sequence < rows_at(*at)).copied().collect();
        for (at, sequence) in back {
            gone.remove(&(at, sequence));
            state.undelete(part.webid, at, sequence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::mark::Mark, *};

    struct Reading {
        state: State,
        follow: Follow,
        key: TagKey,
    }

    impl Reading {
        fn new(known_from: Option<Micros>) -> Self {
            let key = TagKey::Other(1);
            let tags = BTreeMap::from([(key.clone(), Mark::default())]);
            Self { state: State { tags, known_from, read_at: 9, ..State::default() }, follow: Follow::default(), key }
        }

        fn read(&mut self, from: Micros, to: Micros, instants: &[(Micros, u32)]) -> Vec<(Micros, u32)> {
            let seen = Seen { from, to, is_end: true, at_from: 0, last: None };
            let part = Part { tag: 0, key: &self.key, webid: "t", seen: &seen, instants };
            self.follow.take(&mut self.state, part, Vec::new());
            self.state.gone.iter().filter(|d| d.seen > 0).map(|d| (d.at, d.sequence)).collect()
        }
    }

    #[test]
    fn known_rows_that_are_missing_are_deleted_and_come_back_when_they_are_seen_again() {
        let mut reading = Reading::new(Some(3));
        assert!(reading.read(0, 10, &[(1, 1), (5, 2)]).is_empty());
        // Before what is known nothing can be told.
        assert_eq!(reading.read(0, 10, &[]), [(5, 0), (5, 1)]);
        assert_eq!(reading.read(4, 10, &[(5, 1)]), [(5, 1)]);
        assert_eq!(reading.state.deletions, 2);
        // A later read knows what was found before.
        let mut later = Follow::default();
        later.go_on(&reading.state, |_| Some(0));
        reading.follow = later;
        assert!(reading.read(4, 10, &[(5, 2)]).is_empty());
        assert_eq!(reading.read(4, 10, &[(5, 1)]), [(5, 1)]);
    }

    #[test]
    fn what_the_feed_tells_is_deleted_where_nothing_is_known() {
        let mut reading = Reading::new(Some(100));
        reading.follow.tell(0, 5, 1);
        reading.follow.tell(0, 5, 1);
        reading.follow.tell(0, 50, 1);
        assert_eq!(reading.read(5, 6, &[(5, 1)]), [(5, 1), (5, 2)]);
        assert_eq!(reading.read(5, 6, &[(5, 1)]).len(), 2);
    }
}
