//! Which rows of a tag have been sent: what is missing of them when their time is read again was deleted.

use super::{super::time::Micros, mark::Gone};

/// Instants in order, with the rows of each.
pub(super) type Instants = Vec<(Micros, u32)>;

/// The most instants that are known of all tags together.
pub(super) const MOST: usize = 1_000_000;

/// Compares the half-open window `from..to` with what it holds now, which is known from then on; the rows that are gone.
pub(super) fn compare(known: &mut Instants, from: Micros, to: Micros, now: &[(Micros, u32)]) -> Vec<Gone> {
    let start = known.partition_point(|(at, _)| *at < from);
    let end = known.partition_point(|(at, _)| *at < to).max(start);
    let before = known.get(start..end).unwrap_or_default();
    if before == now {
        return Vec::new();
    }
    let mut gone = Vec::new();
    let mut there = now.iter().peekable();
    for (at, rows) in before {
        while there.next_if(|(t, _)| t < at).is_some() {}
        let left = there.next_if(|(t, _)| t == at).map_or(0, |(_, rows)| *rows);
        gone.extend((left..*rows).map(|sequence| Gone { at: *at, sequence }));
    }
    known.splice(start..end, now.iter().copied());
    gone
}

/// Forgets what lies before.
pub(super) fn forget_before(known: &mut Instants, from: Micros) {
    known.drain(..known.partition_point(|(at, _)| *at < from));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_gone_and_what_is_new_is_known() {
        let mut known = vec![(1, 1), (5, 3), (9, 1), (20, 1)];
        let gone = compare(&mut known, 2, 20, &[(5, 1), (7, 2)]);
        let rows: Vec<_> = gone.iter().map(|g| (g.at, g.sequence)).collect();
        assert_eq!(rows, [(5, 1), (5, 2), (9, 0)]);
        assert_eq!(known, [(1, 1), (5, 1), (7, 2), (20, 1)]);
        assert!(compare(&mut known, 0, 30, &[(1, 1), (5, 1), (7, 2), (20, 1)]).is_empty());
        forget_before(&mut known, 7);
        assert_eq!(known, [(7, 2), (20, 1)]);
        assert!(compare(&mut known, 30, 40, &[(35, 1)]).is_empty());
        assert_eq!(compare(&mut known, 7, 8, &[]).len(), 2);
        assert_eq!(known, [(20, 1), (35, 1)]);
    }
}
