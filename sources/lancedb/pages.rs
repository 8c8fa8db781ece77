//! The rows of a snapshot, page by page.

use std::{collections::VecDeque, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch, UInt64Array},
    compute::cast,
    datatypes::{DataType, UInt64Type},
};
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use roaring::RoaringTreemap;

use super::{
    client::Asked,
    config::ScanMode,
    dialect::{Dialect, Query},
    filter::Predicate,
    ipc::Answer,
    neighbours::NeighbourPages,
    ranges::range_pages,
    snapshot::Snapshot,
};
use crate::error::{Error, ErrorKind, Result};

pub(super) const ROW_ID: &str = "_rowid";
/// The most rows that the Namespace's requests can skip.
const MOST_SKIPPED: u64 = i32::MAX as u64;
/// Rows that are not worth a look at their sizes.
const FEW: u64 = 64;

/// Rows of one page.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    pub(super) batches: Vec<RecordBatch>,
    /// Their row ids, where they are asked for to prove that no row comes twice.
    ids: Vec<UInt64Array>,
}

impl Page {
    pub(super) fn rows(&self) -> u64 {
        self.batches.iter().map(|batch| batch.num_rows() as u64).sum()
    }
}

impl Snapshot {
    /// The rows that a condition selects, from the `from`-th to the `total`-th: in the server's order, or in that of row
    /// addresses, as the scan mode says.
    ///
    /// Pages of the size that was asked for, some under way at a time, in order. A page that the server cannot build is
    /// asked for in halves.
    ///
    /// # Errors
    /// Those of the client; [`Protocol`](ErrorKind::Protocol) when a page has not as many rows as were counted.
    pub(super) fn pages(
        &self,
        condition: Option<Predicate>,
        from: u64,
        total: u64,
    ) -> BoxStream<'static, Result<Page>> {
        stream::once(self.clone().scan(condition, from, total)).try_flatten().boxed()
    }

    async fn scan(
        self,
        condition: Option<Predicate>,
        from: u64,
        total: u64,
    ) -> Result<BoxStream<'static, Result<Page>>> {
        let scan = self.scan_of(total).await?;
        // A server that answers searches only cannot be asked for rows to look at.
        if scan != ScanMode::DummyVector && total.saturating_sub(from) > FEW {
            self.look_at_sizes().await?;
        }
        Ok(match scan {
            ScanMode::DummyVector => NeighbourPages::new(&self)?.pages(self, condition, from, total),
            ScanMode::RowRange => range_pages(self, condition, from, total),
            ScanMode::Offset | ScanMode::Auto => self.offset_pages(condition, from, total),
        })
    }

    /// How so many rows are read: what `auto` means for them.
    ///
    /// # Errors
    /// Those of the client.
    pub(super) async fn scan_of(&self, total: u64) -> Result<ScanMode> {
        Ok(match self.scan {
            ScanMode::Auto if self.is_beyond_offsets(total).await? => ScanMode::RowRange,
            ScanMode::Auto => ScanMode::Offset,
            chosen => chosen,
        })
    }

    async fn is_beyond_offsets(&self, total: u64) -> Result<bool> {
        Ok(total > MOST_SKIPPED && self.client.dialect().await? == Dialect::Namespace)
    }

    fn offset_pages(&self, condition: Option<Predicate>, from: u64, total: u64) -> BoxStream<'static, Result<Page>> {
        let filter = match self.and(condition).map(|predicate| predicate.to_text()).transpose() {
            Ok(filter) => filter,
            Err(error) => return stream::once(async { Err(error) }).boxed(),
        };
        let sizer = Arc::clone(&self.sizer);
        let span = move |offset: u64| sizer.rows().min(total.saturating_sub(offset));
        // The first page tells how large rows are: the others are under way once it is there.
        let alone = if self.sizer.begins() { span(from) } else { 0 };
        let spans = stream::unfold(from + alone, move |offset| {
            let rows = span(offset);
            async move { (rows > 0).then_some(((offset, rows), offset + rows)) }
        });
        let snapshot = self.clone();
        let fetch = move |(offset, rows)| {
            let (snapshot, filter) = (snapshot.clone(), filter.clone());
            async move { snapshot.offset_page(filter, offset, rows).await }
        };
        let first = stream::iter((alone > 0).then_some((from, alone))).then(fetch.clone());
        let pages = first.chain(spans.map(fetch).buffered(self.parallelism)).boxed();
        if self.is_strict { each_row_once(pages, self.table.clone()) } else { pages }
    }

    async fn offset_page(&self, filter: Option<String>, offset: u64, rows: u64) -> Result<Page> {
        let mut page = Page::default();
        let mut waiting = VecDeque::from([(offset, rows)]);
        while let Some((offset, rows)) = waiting.pop_front() {
            let query = Query {
                version: Some(self.version.number),
                limit: rows,
                offset,
                columns: self.names_with_ids(),
                filter: filter.clone(),
                ..Query::default()
            };
            match self.client.query(&self.table, &query).await? {
                Asked::Answer(mut answer) => {
                    if self.is_strict {
                        for batch in &mut answer.batches {
                            page.ids.push(self.ids_of(batch)?);
                        }
                    }
                    self.take(answer, rows, offset, &mut page)?;
                }
                Asked::TooLarge(error) => {
                    let half = self.half(error, rows, offset)?;
                    waiting.push_front((offset + half, rows - half));
                    waiting.push_front((offset, half));
                }
            }
        }
        Ok(page)
    }

    /// Half of the rows that were too many at once.
    ///
    /// # Errors
    /// The given one, when there was only one row.
    pub(super) fn half(&self, error: Error, rows: u64, offset: u64) -> Result<u64> {
        if rows == 1 {
            return Err(error
                .with("row", offset)
                .help("one row is larger than the server can answer: leave columns out"));
        }
        self.sizer.refuse(rows);
        tracing::debug!(table = %self.table, rows, "a page was too large for the server: asked for in halves");
        Ok(rows / 2)
    }

    /// Adds an answer to a page.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when it has not as many rows as were counted; those of conversion.
    pub(super) fn take(&self, answer: Answer, rows: u64, offset: u64, page: &mut Page) -> Result<()> {
        if answer.rows() as u64 != rows {
            return Err(self.incomplete(offset, rows, answer.rows()));
        }
        self.sizer.learn(answer.bytes(), answer.rows());
        for batch in &answer.batches {
            page.batches.push(self.columns.convert(batch).map_err(|error| error.with("table", &self.table))?);
        }
        Ok(())
    }

    /// The columns to ask for, with row ids where they are to be compared.
    fn names_with_ids(&self) -> Option<Vec<String>> {
        if !self.is_strict || self.has_ids() {
            return self.names.clone();
        }
        let all = || self.whole.fields().iter().map(|field| field.name().clone()).collect();
        let mut names = self.names.clone().unwrap_or_else(all);
        names.push(ROW_ID.to_owned());
        Some(names)
    }

    fn has_ids(&self) -> bool {
        self.names.iter().flatten().any(|name| name == ROW_ID)
    }

    /// The row ids of a batch, which loses them unless the user asked for them.
    fn ids_of(&self, batch: &mut RecordBatch) -> Result<UInt64Array> {
        let place = batch.schema_ref().index_of(ROW_ID).map_err(|_| no_ids())?;
        let ids = numbers(batch.column(place).as_ref())?;
        if !self.has_ids() {
            batch.remove_column(place);
        }
        Ok(ids)
    }

    pub(super) fn incomplete(&self, offset: u64, wanted: u64, found: usize) -> Error {
        Error::new(ErrorKind::Protocol, "the server answered with another number of rows than it counted")
            .with("table", &self.table)
            .with("version", self.version.number)
            .with("offset", offset)
            .with("wanted", wanted)
            .with("found", found)
            .help("run again; if it stays, set scan_mode to row_range and report it to the server's maintainers")
    }
}

/// Row ids or addresses as numbers.
///
/// # Errors
/// [`Protocol`](ErrorKind::Protocol) when they are not.
pub(super) fn numbers(column: &dyn Array) -> Result<UInt64Array> {
    let ids = cast(column, &DataType::UInt64).map_err(|_| no_ids())?;
    Ok(ids.as_primitive_opt::<UInt64Type>().filter(|ids| ids.null_count() == 0).ok_or_else(no_ids)?.clone())
}

fn no_ids() -> Error {
    Error::new(ErrorKind::Protocol, "the server's row ids are not numbers")
}

fn each_row_once(pages: BoxStream<'static, Result<Page>>, table: String) -> BoxStream<'static, Result<Page>> {
    let mut seen = RoaringTreemap::new();
    let checked = pages.map(move |page| {
        let page = page?;
        for id in page.ids.iter().flat_map(|ids| ids.values().iter()) {
            if !seen.insert(*id) {
                return Err(Error::new(
                    ErrorKind::Protocol,
                    "the server sent a row twice, and so another one not at all",
                )
                .with("table", &table)
                .help("set scan_mode to row_range, which does not rely on the server's order"));
            }
        }
        Ok(page)
    });
    checked.boxed()
}
