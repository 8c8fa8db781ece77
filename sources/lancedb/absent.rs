//! Rows of one version that another version does not have.
//!
//! Ids are compared range by range, so that memory does not grow with the table.

use arrow::array::{ArrayRef, RecordBatch};
use futures::future::try_join;

use super::{
    changes::CHANGED_AT,
    client::Asked,
    dialect::Query,
    filter::{Comparison, Predicate},
    pages::{ROW_ID, numbers},
    snapshot::Snapshot,
};
use crate::error::{Error, ErrorKind, Result};

/// Ids in one look at both versions: 64 MB at most.
const IDS: u64 = 2_000_000;

/// What is looked for: rows by id, or by id and version of their last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Id,
    IdAndVersion,
}

/// Rows that a version has, and another does not.
#[derive(Debug)]
pub(super) struct Absent {
    here: Snapshot,
    /// Of the rows here, those that are looked for.
    condition: Option<Predicate>,
    there: Snapshot,
    by: By,
    next: u64,
    width: u64,
    left: u64,
}

impl Absent {
    /// # Errors
    /// Those of the client.
    pub(super) async fn of(here: Snapshot, condition: Option<Predicate>, there: Snapshot, by: By) -> Result<Self> {
        let left = here.count(condition.clone()).await?;
        Ok(Self { here, condition, there, by, next: 0, width: IDS, left })
    }

    /// The ids of the next range with any, sorted; `None` after the last.
    ///
    /// # Errors
    /// Those of the client; [`Protocol`](ErrorKind::Protocol) when the rows that were counted are not found.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u64>>> {
        while self.left > 0 {
            let to = self.next.saturating_add(self.width);
            if to == self.next {
                return Err(Error::new(ErrorKind::Protocol, "the server does not find the rows that it counted")
                    .with("table", &self.here.table)
                    .with("rows", self.left));
            }
            let range = Predicate::compare(ROW_ID, Comparison::AtLeast, self.next);
            let range = range.and(Predicate::compare(ROW_ID, Comparison::Less, to));
            let condition = match self.condition.clone() {
                Some(condition) => condition.and(range.clone()),
                None => range.clone(),
            };
            let (here, there) =
                try_join(self.here.count(Some(condition.clone())), self.there.count(Some(range.clone()))).await?;
            if here.max(there) > IDS && self.width > 1 {
                self.width /= 2;
                continue;
            }
            self.next = to;
            self.left = self.left.saturating_sub(here);
            if here.max(there) < IDS / 4 {
                self.width = self.width.saturating_mul(4);
            }
            if here == 0 {
                continue;
            }
            let (here, there) =
                try_join(entries(&self.here, condition, here, self.by), entries(&self.there, range, there, self.by))
                    .await?;
            let absent = without(here, &there);
            if !absent.is_empty() {
                return Ok(Some(absent));
            }
        }
        Ok(None)
    }
}

/// The ids of those entries that are not there; both are sorted.
fn without(here: Vec<(u64, u64)>, there: &[(u64, u64)]) -> Vec<u64> {
    let mut there = there.iter().peekable();
    let mut absent = here;
    absent.retain(|entry| {
        while there.next_if(|other| *other < entry).is_some() {}
        there.peek() != Some(&entry)
    });
    absent.into_iter().map(|(id, _)| id).collect()
}

/// Ids and versions of the rows that a condition selects, sorted; versions are 0 where only ids count.
async fn entries(snapshot: &Snapshot, condition: Predicate, rows: u64, by: By) -> Result<Vec<(u64, u64)>> {
    if rows == 0 {
        return Ok(Vec::new());
    }
    let columns = match by {
        By::Id => vec![ROW_ID.to_owned()],
        By::IdAndVersion => vec![ROW_ID.to_owned(), CHANGED_AT.to_owned()],
    };
    let filter = snapshot.and(Some(condition)).map(|condition| condition.to_text()).transpose()?;
    let version = Some(snapshot.version.number);
    let query = Query { version, limit: rows, columns: Some(columns), filter, ..Query::default() };
    let answer = match snapshot.client.query(&snapshot.table, &query).await? {
        Asked::Answer(answer) => answer,
        Asked::TooLarge(error) => return Err(error),
    };
    if answer.rows() as u64 != rows {
        return Err(Error::new(ErrorKind::Protocol, "the server answered with another number of ids than it counted")
            .with("table", &snapshot.table)
            .with("version", snapshot.version.number)
            .with("wanted", rows)
            .with("found", answer.rows()));
    }
    let mut all = Vec::with_capacity(answer.rows());
    for batch in &answer.batches {
        let ids = numbers(column(batch, ROW_ID)?)?;
        match by {
            By::Id => all.extend(ids.values().iter().map(|id| (*id, 0))),
            By::IdAndVersion => all.extend(
                ids.values().iter().copied().zip(numbers(column(batch, CHANGED_AT)?)?.values().iter().copied()),
            ),
        }
    }
    all.sort_unstable();
    Ok(all)
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    let missing = || Error::new(ErrorKind::Protocol, "the server left out a column that it was asked for");
    batch.column_by_name(name).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_not_there_are_found() {
        let here = vec![(1, 0), (2, 5), (3, 0), (9, 1)];
        assert_eq!(without(here.clone(), &[(1, 0), (2, 6), (3, 0), (4, 0)]), [2, 9]);
        assert_eq!(without(here.clone(), &[]), [1, 2, 3, 9]);
        assert!(without(here.clone(), &here).is_empty() && without(Vec::new(), &here).is_empty());
    }
}
