//! Reads answers that hold timed values.

use std::sync::Arc;

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};

use super::{
    super::time::Micros,
    columns::{self, Columns},
    event::{EventReader, PointKind},
};
use crate::{
    decode::{Kind, Scanner},
    error::{Error, ErrorKind, Result, Retry},
};

/// Timed values on their way into batches.
#[derive(Debug)]
pub(in super::super) struct Values {
    schema: SchemaRef,
    events: EventReader,
    columns: Columns,
    ingested: Micros,
}

/// What an answer for one stream held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Page {
    /// Its first row here.
    pub(in super::super) first_row: usize,
    /// All events, also those that were not kept.
    pub(in super::super) events: usize,
    /// The time of the last event.
    pub(in super::super) last: Option<Micros>,
}

impl Values {
    /// Values that are read now; `ingested` is the same for all rows of a read.
    pub(in super::super) fn new(ingested: Micros) -> Self {
        Self { schema: columns::schema(), events: EventReader::default(), columns: Columns::default(), ingested }
    }

    /// Reads a stream's answer: an object with `Items`, and perhaps `UnitsAbbreviation` for those that have none.
    /// Only events that `keep` wants become rows.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) for an answer that says that it broke off; else as for each value. Rows that
    /// were added before an error are to be [truncated](Values::truncate).
    pub(in super::super) fn stream<'a>(
        &mut self,
        s: &mut Scanner<'a>,
        text: &'a str,
        kind: PointKind,
        keep: impl Fn(Micros) -> bool,
    ) -> Result<Page> {
        let mut page = None;
        let mut units = None;
        s.enter_object()?;
        while let Some(key) = s.next_key()? {
            match &*key {
                "Items" => page = Some(self.items(s, text, kind, &keep)?),
                "UnitsAbbreviation" => units = s.optional_string()?,
                "WebException" => web_exception(s)?,
                "Errors" if s.peek()? == Kind::Array => {
                    s.enter_array()?;
                    if s.next_element()? {
                        return Err(broke_off());
                    }
                }
                _ => drop(s.skip()?),
            }
        }
        let page = page.ok_or_else(|| Error::new(ErrorKind::Protocol, "an answer for a stream has no Items"))?;
        if let Some(units) = units {
            self.columns.default_units(page.first_row, &units);
        }
        Ok(page)
    }

    /// Reads an array of timed values.
    ///
    /// # Errors
    /// As [`Values::stream`].
    pub(in super::super) fn items<'a>(
        &mut self,
        s: &mut Scanner<'a>,
        text: &'a str,
        kind: PointKind,
        keep: impl Fn(Micros) -> bool,
    ) -> Result<Page> {
        let mut page = Page { first_row: self.rows(), events: 0, last: None };
        let mut sequence = 0;
        s.enter_array()?;
        while s.next_element()? {
            let event = self.events.read(s, text)?;
            let at = event.ticks.micros();
            if page.last.is_some_and(|last| at < last) {
                return Err(Error::new(ErrorKind::Protocol, "the server's events are not in the order of time"));
            }
            sequence = if page.last == Some(at) { sequence + 1 } else { 0 };
            page.events += 1;
            page.last = Some(at);
            if keep(at) {
                self.columns.push(&event, sequence, kind)?;
            }
        }
        Ok(page)
    }

    /// Reads one timed value.
    ///
    /// # Errors
    /// As [`Values::stream`].
    pub(in super::super) fn value<'a>(
        &mut self,
        s: &mut Scanner<'a>,
        text: &'a str,
        kind: PointKind,
    ) -> Result<Micros> {
        let event = self.events.read(s, text)?;
        self.columns.push(&event, 0, kind)?;
        Ok(event.ticks.micros())
    }

    /// Says whose the rows since the last call are.
    pub(in super::super) fn end_tag(&mut self, tag: &Arc<str>) {
        self.columns.end_tag(tag);
    }

    /// How many rows wait for [`Values::flush`].
    pub(in super::super) fn rows(&self) -> usize {
        self.columns.rows()
    }

    /// About how many bytes they take.
    pub(in super::super) fn bytes(&self) -> usize {
        self.columns.bytes()
    }

    /// The time of a row.
    pub(in super::super) fn micros(&self, row: usize) -> Option<Micros> {
        self.columns.micros(row)
    }

    /// The time of a row as the server wrote it.
    pub(in super::super) fn raw_time(&self, row: usize) -> Option<&str> {
        self.columns.raw_time(row)
    }

    /// The first of the rows from `from` on that is not before `at`.
    pub(in super::super) fn first_from(&self, from: usize, at: Micros) -> usize {
        let mut row = self.rows();
        while row > from && self.micros(row - 1).is_some_and(|us| us >= at) {
            row -= 1;
        }
        row
    }

    /// Marks a row as provisional.
    pub(in super::super) fn mark_snapshot(&mut self, row: usize) {
        self.columns.mark_snapshot(row);
    }

    /// Drops the rows from the given one on; they must be of the tag that has not [ended](Values::end_tag).
    pub(in super::super) fn truncate(&mut self, rows: usize) {
        self.columns.truncate(rows);
    }

    /// The rows as a batch; starts again.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) when Arrow refuses the columns, which is a bug.
    pub(in super::super) fn flush(&mut self) -> Result<RecordBatch> {
        self.columns.flush(&self.schema, self.ingested)
    }
}

/// Passes over `null`; anything else says that the body broke off.
fn web_exception(s: &mut Scanner) -> Result<()> {
    if s.peek()? == Kind::Null {
        return s.null();
    }
    Err(broke_off())
}

fn broke_off() -> Error {
    Error::new(ErrorKind::Unavailable, "the server failed while it was answering").retryable(Retry::Later(None))
}
