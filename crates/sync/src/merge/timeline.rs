//! The versions of one key in the order of their sequence: which of them stay, and when each of them ends.

use std::cmp::Ordering;

use super::known::RowId;
use crate::sequence::Moment;

/// A version of a row.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) start: Moment,
    /// As the table has it; none for a row of the commit.
    pub(super) end: Option<Moment>,
    pub(super) row: RowId,
    pub(super) incoming: bool,
}

/// What is known of one key.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// The earliest moment that the commit says something about: versions that ended before it stay as they are.
    pub(super) since: Option<Moment>,
    pub(super) versions: Vec<Version>,
    pub(super) deletions: Vec<Moment>,
}

/// What becomes of the versions of one key.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) losers: Vec<RowId>,
    /// Rows of the commit that take the place of a row of the table.
    pub(super) replacing: Vec<RowId>,
    pub(super) ends: Vec<(RowId, Moment)>,
    /// Current versions that ended with a deletion.
    pub(super) deleted: u64,
}

/// The order of two moments.
pub(super) type Order<'a> = &'a (dyn Fn(&[u8], &[u8]) -> Ordering + Sync);

impl Timeline {
    /// The commit says something about this moment.
    pub(super) fn touch(&mut self, moment: &[u8], order: Order<'_>) {
        if self.since.as_ref().is_none_or(|since| order(moment, since).is_lt()) {
            self.since = Some(moment.into());
        }
    }

    /// Whether a version of the table that ends then has to do with what the commit says.
    pub(super) fn concerns(&self, end: Option<&[u8]>, order: Order<'_>) -> bool {
        match (end, &self.since) {
            (None, since) => since.is_some(),
            (Some(end), Some(since)) => order(end, since).is_ge(),
            (Some(_), None) => false,
        }
    }

    /// Puts versions in order: by start, then those of the table, then as rows came.
    pub(super) fn sort(&mut self, order: Order<'_>) {
        self.versions
            .sort_by(|a, b| order(&a.start, &b.start).then(a.incoming.cmp(&b.incoming)).then(a.row.cmp(&b.row)));
    }

    /// The rows whose content decides, once sorted: of versions with one start, or, when a version that says what the one before
    /// says is none, of all.
    pub(super) fn compared(&self, unchanged_is_none: bool, order: Order<'_>) -> Vec<RowId> {
        let mut rows = Vec::new();
        if self.versions.iter().all(|v| !v.incoming) || self.versions.len() < 2 {
            return rows;
        }
        for tied in self.versions.chunk_by(|a, b| order(&a.start, &b.start).is_eq()) {
            let is_mixed = tied.iter().any(|v| v.incoming) && tied.iter().any(|v| !v.incoming);
            if unchanged_is_none || is_mixed {
                rows.extend(tied.iter().map(|v| v.row));
            }
        }
        rows
    }

    /// Decides, once sorted. Of rows with one start the last of the commit stays, unless the table has the same.
    pub(super) fn settle(
        &self,
        unchanged_is_none: bool,
        order: Order<'_>,
        same: &dyn Fn(RowId, RowId) -> bool,
    ) -> Settled {
        let mut settled = Settled::default();
        let deletions = self.all_deletions(order);
        let mut kept: Vec<&Version> = Vec::new();
        for tied in self.versions.chunk_by(|a, b| order(&a.start, &b.start).is_eq()) {
            let (existing, incoming) = tied.split_at(tied.partition_point(|v| !v.incoming));
            let Some((last, earlier)) = incoming.split_last() else {
                kept.extend(existing);
                continue;
            };
            settled.losers.extend(earlier.iter().map(|v| v.row));
            if let Some(equal) = existing.iter().find(|v| same(v.row, last.row)) {
                settled.losers.push(last.row);
                settled.losers.extend(existing.iter().filter(|v| v.row != equal.row).map(|v| v.row));
                kept.push(equal);
                continue;
            }
            let goes_on = |before: &&&Version| {
                let ended = first_from(&deletions, &before.start, order);
                ended.is_none_or(|deleted| order(deleted, &last.start).is_gt())
            };
            let unchanged = unchanged_is_none
                && existing.is_empty()
                && kept.last().filter(goes_on).is_some_and(|before| same(before.row, last.row));
            if unchanged {
                settled.losers.push(last.row);
                continue;
            }
            if !existing.is_empty() {
                settled.replacing.push(last.row);
                settled.losers.extend(existing.iter().map(|v| v.row));
            }
            kept.push(last);
        }
        for (i, version) in kept.iter().enumerate() {
            let next = kept.get(i + 1).map(|next| &next.start).filter(|next| order(next, &version.start).is_gt());
            let deleted = first_from(&deletions, &version.start, order);
            let by_deletion = match (deleted, next) {
                (Some(deleted), Some(next)) => order(deleted, next).is_lt(),
                (deleted, None) => deleted.is_some(),
                (None, _) => false,
            };
            let end = if by_deletion { deleted } else { next };
            let Some(end) = end else { continue };
            if version.end.as_ref().is_some_and(|was| order(was, end).is_le()) {
                continue;
            }
            settled.deleted += u64::from(by_deletion && version.end.is_none());
            settled.ends.push((version.row, end.clone()));
        }
        settled
    }

    /// Deletions that the commit brings or remembers, and those that ended versions of the table, in order.
    fn all_deletions(&self, order: Order<'_>) -> Vec<&Moment> {
        let begins_another = |v: &Version, end: &[u8]| {
            let others = self.versions.iter().filter(|other| !other.incoming && other.row != v.row);
            others.into_iter().any(|other| order(&other.start, end).is_eq())
        };
        let ended = self.versions.iter().filter_map(|v| Some((v, v.end.as_ref()?)));
        let ended = ended.filter(|(v, end)| !begins_another(v, end)).map(|(_, end)| end);
        let mut all: Vec<&Moment> = self.deletions.iter().chain(ended).collect();
        all.sort_by(|a, b| order(a, b));
        all
    }
}

/// The first of sorted deletions that a version of this start ends with.
fn first_from<'d>(deletions: &[&'d Moment], start: &[u8], order: Order<'_>) -> Option<&'d Moment> {
    deletions.get(deletions.partition_point(|d| order(d, start).is_lt())).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn order(a: &[u8], b: &[u8]) -> Ordering {
        a.cmp(b)
    }

    fn moment(n: u8) -> Moment {
        Box::new([n])
    }

    /// A key's versions as a table holds them: what they say, from when until when.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Stored {
        start: u8,
        end: Option<u8>,
        body: u8,
    }

    /// Settles a commit of rows against what is stored, as the merge does.
    fn commit(stored: &mut Vec<Stored>, rows: &[(u8, u8)], deletions: &[u8], applied: bool) -> Settled {
        let mut timeline =
            Timeline { deletions: deletions.iter().map(|d| moment(*d)).collect(), ..Timeline::default() };
        if !applied {
            deletions.iter().for_each(|d| timeline.touch(&[*d], &order));
        }
        for (row, (start, _)) in rows.iter().enumerate() {
            timeline.touch(&[*start], &order);
            let row = RowId { file: 0, row: row as u32 };
            timeline.versions.push(Version { start: moment(*start), end: None, row, incoming: true });
        }
        for (row, version) in stored.iter().enumerate() {
            let end = version.end.map(moment);
            if timeline.concerns(end.as_deref(), &order) {
                let row = RowId { file: 1, row: row as u32 };
                timeline.versions.push(Version { start: moment(version.start), end, row, incoming: false });
            }
        }
        timeline.sort(&order);
        let body = |id: RowId| if id.file == 0 { rows[id.row as usize].1 } else { stored[id.row as usize].body };
        let settled = timeline.settle(false, &order, &|a, b| body(a) == body(b));
        let end_of =
            |id: RowId, was| settled.ends.iter().find(|(row, _)| *row == id).map_or(was, |(_, end)| Some(end[0]));
        let of_table = stored.iter().enumerate().map(|(i, v)| (RowId { file: 1, row: i as u32 }, v.clone()));
        let of_commit = rows.iter().enumerate().map(|(i, (start, body))| {
            (RowId { file: 0, row: i as u32 }, Stored { start: *start, end: None, body: *body })
        });
        let all = of_table.chain(of_commit).filter(|(id, _)| !settled.losers.contains(id));
        let mut now: Vec<Stored> = all.map(|(id, v)| Stored { end: end_of(id, v.end), ..v }).collect();
        now.sort();
        *stored = now;
        settled
    }

    fn model(rows: &BTreeMap<u8, u8>, deletions: &BTreeSet<u8>) -> Vec<Stored> {
        let of = |(start, body): (&u8, &u8)| {
            let next = rows.range(start + 1..).next().map(|(next, _)| *next);
            let end = next.into_iter().chain(deletions.range(start..).next().copied()).min();
            Stored { start: *start, end, body: *body }
        };
        rows.iter().map(of).collect()
    }

    #[test]
    fn whatever_the_order_in_which_versions_and_deletions_come_the_history_is_the_same() {
        let mut random = fastrand::Rng::with_seed(20_261_121);
        for round in 0..3_000 {
            let (mut rows, mut deletions, mut stored) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
            for _ in 0..random.usize(1..6) {
                if random.bool() {
                    let new: Vec<(u8, u8)> =
                        (0..random.usize(1..5)).map(|_| (random.u8(0..12), random.u8(0..3))).collect();
                    rows.extend(new.iter().copied());
                    let remembered: Vec<u8> = deletions.iter().copied().collect();
                    commit(&mut stored, &new, &remembered, true);
                } else {
                    let new: Vec<u8> = (0..random.usize(1..3)).map(|_| random.u8(0..12)).collect();
                    deletions.extend(new.iter().copied());
                    commit(&mut stored, &[], &new, false);
                }
                assert_eq!(stored, model(&rows, &deletions), "round {round}");
            }
            let before = stored.clone();
            let again: Vec<(u8, u8)> = rows.iter().map(|(start, body)| (*start, *body)).collect();
            let settled = commit(&mut stored, &again, &[], true);
            assert_eq!((stored, settled.ends.len(), settled.losers.len()), (before, 0, again.len()), "round {round}");
        }
    }

    #[test]
    fn only_what_ended_before_the_commit_is_left_alone() {
        let mut timeline = Timeline::default();
        assert!(!timeline.concerns(None, &order), "nothing is said of this key");
        timeline.touch(&[7], &order);
        timeline.touch(&[5], &order);
        timeline.touch(&[9], &order);
        let concerns = |end: Option<u8>| timeline.concerns(end.map(moment).as_deref(), &order);
        assert!(concerns(None) && concerns(Some(5)) && concerns(Some(8)) && !concerns(Some(4)));
    }

    #[test]
    fn what_a_current_version_says_again_is_no_version_where_that_is_asked_for() {
        let version = |start: u8, row: u32, incoming: bool| {
            let file = u32::from(!incoming);
            Version { start: moment(start), end: None, row: RowId { file, row }, incoming }
        };
        let mut timeline =
            Timeline { versions: vec![version(1, 0, false), version(5, 0, true)], ..Timeline::default() };
        timeline.sort(&order);
        assert_eq!(timeline.compared(true, &order).len(), 2);
        assert!(timeline.compared(false, &order).is_empty());
        let said_again = timeline.settle(true, &order, &|_, _| true);
        assert_eq!((said_again.losers.len(), said_again.ends.len()), (1, 0));
        timeline.deletions.push(moment(3));
        let after_a_deletion = timeline.settle(true, &order, &|_, _| true);
        assert!(after_a_deletion.losers.is_empty());
        assert_eq!(after_a_deletion.ends, [(RowId { file: 1, row: 0 }, moment(3))]);
    }
}
