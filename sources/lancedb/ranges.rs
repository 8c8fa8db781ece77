//! Scans by ranges of row addresses: what is in a page does not depend on the order that a server keeps.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};

use super::{
    client::Asked,
    dialect::Query,
    filter::{Comparison, Predicate},
    pages::{Page, numbers},
    snapshot::Snapshot,
};
use crate::error::Result;

const ADDRESS: &str = "_rowaddr";
/// The most addresses in one answer: 8 MB.
const MOST: u64 = 1 << 20;
/// Rows of a fragment have one number above, and their places below.
const FRAGMENT: u64 = 1 << 32;

/// Rows by their numbers, which are all that a page is to have.
#[derive(Clone, Debug)]
pub(super) struct Numbered {
    all: Arc<[u64]>,
    from: usize,
    to: usize,
    /// Rows before the first.
    pub(super) offset: u64,
}

impl Numbered {
    pub(super) fn rows(&self) -> u64 {
        (self.to - self.from) as u64
    }

    /// The rows as a condition: a closed range that has no others.
    pub(super) fn condition(&self, column: &'static str) -> Predicate {
        Predicate::compare(column, Comparison::AtLeast, self.all[self.from]).and(Predicate::compare(
            column,
            Comparison::AtMost,
            self.all[self.to - 1],
        ))
    }

    /// The first rows, and the rest.
    pub(super) fn split(&self, rows: u64) -> [Self; 2] {
        let middle = self.from + rows as usize;
        [Self { to: middle, ..self.clone() }, Self { from: middle, offset: self.offset + rows, ..self.clone() }]
    }
}

/// The rows that a condition selects, in the order of their addresses.
pub(super) fn range_pages(
    snapshot: Snapshot,
    condition: Option<Predicate>,
    from: u64,
    total: u64,
) -> BoxStream<'static, Result<Page>> {
    let parts = numbered(snapshot.clone(), condition.clone(), ADDRESS, from, total);
    let parallelism = snapshot.parallelism;
    let fetched = parts.map_ok(move |part| {
        let (snapshot, condition) = (snapshot.clone(), condition.clone());
        async move { page(&snapshot, condition, part).await }
    });
    fetched.try_buffered(parallelism).boxed()
}

async fn page(snapshot: &Snapshot, condition: Option<Predicate>, part: Numbered) -> Result<Page> {
    let mut page = Page::default();
    let mut waiting = vec![part];
    while let Some(part) = waiting.pop() {
        let filter = both(condition.clone(), part.condition(ADDRESS));
        let query = Query {
            version: Some(snapshot.version.number),
            // One more than there are, so that more would be seen.
            limit: part.rows() + 1,
            columns: snapshot.names.clone(),
            filter: snapshot.and(Some(filter)).map(|filter| filter.to_text()).transpose()?,
            ..Query::default()
        };
        match snapshot.client.query(&snapshot.table, &query).await? {
            Asked::Answer(answer) => snapshot.take(answer, part.rows(), part.offset, &mut page)?,
            Asked::TooLarge(error) => {
                let half = snapshot.half(error, part.rows(), part.offset)?;
                let [first, second] = part.split(half);
                waiting.extend([second, first]);
            }
        }
    }
    Ok(page)
}

pub(super) fn both(condition: Option<Predicate>, range: Predicate) -> Predicate {
    match condition {
        Some(condition) => condition.and(range),
        None => range,
    }
}

/// The numbers of the rows that a condition selects, from the `from`-th on, in parts of a page's size.
pub(super) fn numbered(
    snapshot: Snapshot,
    condition: Option<Predicate>,
    column: &'static str,
    from: u64,
    total: u64,
) -> BoxStream<'static, Result<Numbered>> {
    let windows =
        Windows { snapshot: snapshot.clone(), condition, column, next: 0, width: FRAGMENT, passed: 0, from, total };
    let windows = stream::try_unfold(windows, Windows::step);
    let parts = windows.map_ok(move |window| {
        let mut rest = Some(window);
        let sizer = Arc::clone(&snapshot.sizer);
        stream::iter(std::iter::from_fn(move || {
            let window = rest.take()?;
            let rows = sizer.rows().min(window.rows());
            let [part, after] = window.split(rows);
            rest = (after.rows() > 0).then_some(after);
            Some(Result::Ok(part))
        }))
    });
    parts.try_flatten().boxed()
}

/// Ranges of numbers with not too many rows in each.
struct Windows {
    snapshot: Snapshot,
    condition: Option<Predicate>,
    column: &'static str,
    next: u64,
    width: u64,
    /// Rows in the windows so far.
    passed: u64,
    from: u64,
    total: u64,
}

impl Windows {
    async fn step(mut self) -> Result<Option<(Numbered, Self)>> {
        Ok(self.next().await?.map(|window| (window, self)))
    }

    /// The numbers of the next window that has rows which are wanted; `None` after the last.
    async fn next(&mut self) -> Result<Option<Numbered>> {
        while self.passed < self.total {
            let last = self.next.saturating_add(self.width - 1);
            let range = Predicate::compare(self.column, Comparison::AtLeast, self.next).and(Predicate::compare(
                self.column,
                Comparison::AtMost,
                last,
            ));
            let rows = self.snapshot.count(Some(both(self.condition.clone(), range.clone()))).await?;
            if rows > MOST && self.width > 1 {
                self.width /= 2;
                continue;
            }
            let offset = self.passed;
            self.passed += rows;
            let skipped = self.from.saturating_sub(offset).min(rows);
            let is_over = last == u64::MAX && self.passed < self.total;
            if is_over {
                return Err(self.snapshot.incomplete(offset, self.total, self.passed as usize));
            }
            self.next = last.saturating_add(1);
            if rows < MOST / 4 {
                self.width = self.width.saturating_mul(4);
            }
            if skipped == rows {
                continue;
            }
            let all = self.numbers(range, rows, offset).await?;
            let wanted = rows - self.passed.saturating_sub(self.total);
            return Ok(Some(Numbered { from: skipped as usize, to: wanted as usize, all, offset: offset + skipped }));
        }
        Ok(None)
    }

    /// As many numbers as were counted, sorted, each once.
    async fn numbers(&self, range: Predicate, rows: u64, offset: u64) -> Result<Arc<[u64]>> {
        let filter = self.snapshot.and(Some(both(self.condition.clone(), range)));
        let query = Query {
            version: Some(self.snapshot.version.number),
            limit: rows + 1,
            columns: Some(vec![self.column.to_owned()]),
            filter: filter.map(|filter| filter.to_text()).transpose()?,
            ..Query::default()
        };
        let answer = match self.snapshot.client.query(&self.snapshot.table, &query).await? {
            Asked::Answer(answer) => answer,
            Asked::TooLarge(error) => return Err(error),
        };
        let mut all = Vec::with_capacity(answer.rows());
        for batch in &answer.batches {
            let column = batch.columns().first().ok_or_else(|| self.snapshot.incomplete(offset, rows, 0))?;
            all.extend_from_slice(numbers(column.as_ref())?.values());
        }
        all.sort_unstable();
        all.dedup();
        if all.len() as u64 != rows {
            return Err(self.snapshot.incomplete(offset, rows, all.len()));
        }
        Ok(all.into())
    }
}
