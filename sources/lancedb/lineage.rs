//! Whether a version descends from another, or from one before it that was restored.
//!
//! After a restore, rows that were deleted are there again and rows that were changed are as they were, with the versions that
//! they had: nothing in them tells of it. What proves that nothing was restored:
//!
//! A version whose rows have changes of version P descends from P, and rows of the older version N whose latest change is P have
//! not changed between P and N. So when the newer version has rows of P, and none that changed after P and up to N, it descends
//! from N, or from a version between P and N. Those hold the same rows as N when nothing was deleted between P and N: then N is
//! *settled*. When any of it does not hold, rows are compared with those of N, one by one.

use super::{
    absent::{Absent, By},
    changes::CHANGED_AT,
    filter::{Comparison, Predicate},
    offset::Lineage,
    snapshot::Snapshot,
};
use crate::error::{ErrorKind, Result};

impl Lineage {
    /// What is to be known of a version of this many rows.
    ///
    /// # Errors
    /// Those of the client.
    pub(super) async fn of(snapshot: &Snapshot, rows: u64) -> Result<Self> {
        if rows == 0 {
            return Ok(Self { peak: None, settled: false });
        }
        let peak = peak(snapshot).await?;
        if peak == snapshot.version.number {
            return Ok(Self { peak: Some(peak), settled: true });
        }
        let filter = snapshot.and(None).map(|filter| filter.to_text()).transpose()?;
        let settled = match snapshot.client.count(&snapshot.table, peak, filter.as_deref()).await {
            Ok(then) => then == rows,
            // It is no longer kept, or had other columns.
            Err(error) if matches!(error.kind(), ErrorKind::OffsetExpired | ErrorKind::Config) => false,
            Err(error) => return Err(error),
        };
        Ok(Self { peak: Some(peak), settled })
    }

    /// Whether a newer version is sure to descend from this one, whose number is `version`.
    ///
    /// # Errors
    /// Those of the client.
    pub(super) async fn goes_on(&self, version: u64, newer: &Snapshot) -> Result<bool> {
        let Some(peak) = self.peak else { return Ok(false) };
        if peak < version {
            let since = Predicate::compare(CHANGED_AT, Comparison::More, peak);
            let between = since.and(Predicate::compare(CHANGED_AT, Comparison::AtMost, version));
            if !self.settled || newer.count(Some(between)).await? > 0 {
                return Ok(false);
            }
        }
        Ok(newer.count(Some(Predicate::compare(CHANGED_AT, Comparison::Equal, peak))).await? > 0)
    }
}

/// Rows of the newer version that look as if they were in the older one, and are not: those that a restore brought back.
///
/// # Errors
/// Those of the client.
pub(super) async fn returned(older: Snapshot, newer: Snapshot) -> Result<Absent> {
    let unchanged = Predicate::compare(CHANGED_AT, Comparison::AtMost, older.version.number);
    Absent::of(newer, Some(unchanged), older, By::IdAndVersion).await
}

/// The latest change of any row. Most versions are made by changing rows, so the latest ones are tried first.
async fn peak(snapshot: &Snapshot) -> Result<u64> {
    let is_at_least = async |version| {
        let condition = Predicate::compare(CHANGED_AT, Comparison::AtLeast, version);
        snapshot.count(Some(condition)).await.map(|rows| rows > 0)
    };
    let (mut above, mut step) = (snapshot.version.number + 1, 1);
    let mut found = loop {
        let tried = above.saturating_sub(step).max(1);
        if tried == 1 || is_at_least(tried).await? {
            break tried;
        }
        above = tried;
        step *= 2;
    };
    while above - found > 1 {
        let middle = found + (above - found) / 2;
        if is_at_least(middle).await? { found = middle } else { above = middle }
    }
    Ok(found)
}
