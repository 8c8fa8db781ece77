//! The rows that a search finds, in its order.

use std::ops::Bound;

use super::{
    config::DateValues,
    query::{Query, Sort},
    store::{Key, Store, Table},
};

/// All rows of a search.
pub(crate) fn rows(store: &Store, table: &Table, query: &Query, values: DateValues) -> Vec<u32> {
    let mut found: Vec<u32> = candidates(table, query, None).filter(test(store, table, query, values)).collect();
    match query.sort {
        Sort::Updated => {}
        Sort::UpdatedDescending => found.reverse(),
        Sort::None => found.sort_unstable(),
        Sort::Id | Sort::IdDescending => {
            found.sort_by_cached_key(|row| store.id(table, *row));
            if query.sort == Sort::IdDescending {
                found.reverse();
            }
        }
    }
    found
}

/// How many rows a search finds.
pub(crate) fn count(store: &Store, table: &Table, query: &Query, values: DateValues) -> usize {
    candidates(table, query, None).filter(test(store, table, query, values)).count()
}

/// Up to `limit` rows after a key, and whether there are more.
pub(crate) fn rows_after(
    store: &Store,
    table: &Table,
    query: &Query,
    values: DateValues,
    after: Option<Key>,
    limit: usize,
) -> (Vec<u32>, bool) {
    let mut found: Vec<u32> = if query.sort == Sort::Updated {
        candidates(table, query, after).filter(test(store, table, query, values)).take(limit + 1).collect()
    } else {
        let all = rows(store, table, query, values);
        let past = after.and_then(|(_, row, _)| all.iter().position(|found| *found == row)).map_or(0, |at| at + 1);
        all.into_iter().skip(past).take(limit + 1).collect()
    };
    let more = found.len() > limit;
    found.truncate(limit);
    (found, more)
}

/// Current rows within the bounds of the search, by stamp.
fn candidates<'a>(table: &'a Table, query: &'a Query, after: Option<Key>) -> Box<dyn Iterator<Item = u32> + 'a> {
    if let Some(ids) = query.ids.first() {
        let mut keys: Vec<Key> =
            ids.iter().filter_map(|id| table.row(id)).map(|row| (table.rows[row as usize].stamp, row, 0)).collect();
        keys.sort_unstable();
        keys.dedup();
        return Box::new(keys.into_iter().filter(move |key| after.is_none_or(|after| *key > after)).map(|key| key.1));
    }
    let (from, to) = query.bounds();
    let start = match after {
        Some(after) => Bound::Excluded(after),
        None => Bound::Included((from, 0, 0)),
    };
    let keys = table.index.range((start, Bound::Unbounded)).copied();
    Box::new(keys.take_while(move |key| key.0 <= to).filter(|key| table.is_current(*key)).map(|key| key.1))
}

/// What a current row must pass.
fn test<'a>(store: &'a Store, table: &'a Table, query: &'a Query, values: DateValues) -> impl FnMut(&u32) -> bool + 'a {
    let mut scratch = Vec::new();
    move |row| {
        let Some(version) = table.current(*row) else { return false };
        !version.is_deleted()
            && (query.updated.is_empty() || query.passes(version.stamp, values))
            && query.ids.iter().skip(1).all(|ids| ids.contains(&store.id(table, *row)))
            && query.criteria.iter().all(|criterion| criterion.meets(store, *row, version, &mut scratch))
    }
}
