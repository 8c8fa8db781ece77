//! New rows by the fragment that they are in: fragments are numbered as they are written, and no number is used again.

use super::{
    changes::ROW_ADDRESS,
    filter::{Comparison, Predicate},
    offset::{Mark, expired},
    snapshot::Snapshot,
};
use crate::error::Result;

/// The highest fragment with a row.
///
/// # Errors
/// Those of the client.
pub(super) async fn highest(snapshot: &Snapshot, known: Option<u64>) -> Result<Option<u64>> {
    let has = async |fragment: u64| snapshot.count(Some(from(fragment))).await.map(|rows| rows > 0);
    let mut found = known.unwrap_or(0);
    if known.is_none() && !has(0).await? {
        return Ok(None);
    }
    let mut step = 1;
    while has(found + step).await? {
        found += step;
        step *= 2;
    }
    let mut above = found + step;
    while above - found > 1 {
        let middle = found + (above - found) / 2;
        if has(middle).await? { found = middle } else { above = middle }
    }
    Ok(Some(found))
}

/// What selects the rows that were added since.
///
/// # Errors
/// [`OffsetExpired`](crate::ErrorKind::OffsetExpired) when rows that were read are no longer where they were; those of the client.
pub(super) async fn since(base: &Mark, last: Option<u64>, snapshot: &Snapshot) -> Result<Predicate> {
    let first = last.map_or(0, |last| last + 1);
    let old = Predicate::compare(ROW_ADDRESS, Comparison::Less, first << 32);
    if first > 0 && snapshot.count(Some(old)).await? != base.rows {
        return Err(expired("rows that were read before were changed, deleted or compacted", &snapshot.table)
            .help("reset the table's state, and leave ingestion_type out when the table does more than grow"));
    }
    Ok(from(first))
}

fn from(fragment: u64) -> Predicate {
    Predicate::compare(ROW_ADDRESS, Comparison::AtLeast, fragment << 32)
}
