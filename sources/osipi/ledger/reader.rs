//! The tables `pi_errors` and `pi_watermarks`: what the other reads of this connection noted.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    super::{
        reading::{Reading, TableReader},
        rows::{Filler, Rows},
        tables::Ledger,
    },
    notes::Failure,
    watermark::{State, Watermark},
};
use crate::{
    error::{Error, ErrorKind, Result},
    read::{Offset, ReadEvent, ReadRequest, ReadStream, Records},
    stream::{Events, limit_records, produce},
};

const OFFSET_VERSION: u32 = 1;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// Up to where the notes of a connection were read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    /// The connection: notes end with it, those of the next one count from 1 again.
    connection: String,
    number: u64,
}

/// Reads what this connection has noted. Nothing is sent to the server.
#[derive(Clone)]
pub(in super::super) struct LedgerReader {
    pub(in super::super) reading: Reading,
    pub(in super::super) ledger: Ledger,
}

#[async_trait]
impl TableReader for LedgerReader {
    fn events(&self, request: ReadRequest) -> ReadStream {
        let reader = self.clone();
        let max_records = request.max_records;
        let events = produce(move |events| async move {
            let read = reader.read(request, &events).await;
            read.map_err(|error| error.with("table", reader.reading.table.name))
        });
        limit_records(events, max_records)
    }

    async fn latest_offset(&self, start: Option<&Offset>) -> Result<Option<Offset>> {
        if let Some(start) = start {
            start.decode::<Noted>(OFFSET_VERSION)?;
        }
        self.offset(self.latest()).map(Some)
    }
}

impl LedgerReader {
    fn latest(&self) -> u64 {
        let (failures, changes) = self.reading.source.notes.counts();
        match self.ledger {
            Ledger::Errors => failures,
            Ledger::Watermarks => changes,
        }
    }

    fn offset(&self, number: u64) -> Result<Offset> {
        Offset::encode(OFFSET_VERSION, &Noted { connection: self.reading.source.notes.id.clone(), number })
    }

    async fn read(&self, request: ReadRequest, events: &Events) -> Result<()> {
        let notes = &self.reading.source.notes;
        let decode = |offset: &Option<Offset>| offset.as_ref().map(|o| o.decode::<Noted>(OFFSET_VERSION)).transpose();
        let (start, until) = (decode(&request.start)?, decode(&request.until)?);
        let until = match until {
            None => self.latest(),
            Some(until) if until.connection == notes.id => until.number,
            // Of another connection: its notes are gone, which matters only where there were any.
            Some(until) => {
                let after = start.filter(|start| start.connection == until.connection).map_or(0, |start| start.number);
                if after >= until.number {
                    return self.end(request.until, 0, events).await;
                }
                return Err(Error::new(ErrorKind::OffsetExpired, "the notes of an earlier connection are gone")
                    .help("read without an upper bound: what this connection has noted"));
            }
        };
        let after = start.filter(|start| start.connection == notes.id).map_or(0, |start| start.number);
        let mut rows = Rows::new(&self.reading, self.reading.now())?;
        match self.ledger {
            Ledger::Errors => {
                for failure in notes.failures(after, until) {
                    rows.push(b"{}", request.bad_rows, |row| {
                        fill_failure(row, &notes.id, &failure);
                        Ok(())
                    })?;
                    send(&mut rows, BATCH_ROWS, events).await?;
                }
            }
            Ledger::Watermarks => {
                for (table, tag, watermark) in notes.watermarks(after, until) {
                    rows.push(b"{}", request.bad_rows, |row| {
                        fill_watermark(row, table, &tag, &watermark);
                        Ok(())
                    })?;
                    send(&mut rows, BATCH_ROWS, events).await?;
                }
            }
        }
        send(&mut rows, 1, events).await?;
        self.end(request.until, until, events).await
    }

    async fn end(&self, until: Option<Offset>, number: u64, events: &Events) -> Result<()> {
        let end = until.map_or_else(|| self.offset(number), Ok)?;
        events.send(ReadEvent::Checkpoint(end)).await
    }
}

/// Sends the rows when there are at least so many.
async fn send(rows: &mut Rows, enough: usize, events: &Events) -> Result<()> {
    if rows.len() < enough {
        return Ok(());
    }
    events.send(ReadEvent::Records(Records::Arrow(rows.flush()?))).await
}

fn fill_failure(row: &mut Filler<'_>, connection: &str, failure: &Failure) {
    row.text("error_id", Some(&format!("{connection}-{}", failure.number)));
    row.time("occurred_at", Some(failure.at));
    row.text("table_name", Some(failure.table));
    row.text("object_webid", failure.webid.as_deref());
    row.text("object_name", failure.name.as_deref());
    row.text("kind", Some(failure.kind));
    row.text("message", Some(&failure.message));
    row.text("help", failure.help.as_deref());
    row.long("status", failure.status);
    let (start, end) = failure.window.unzip();
    row.time("window_start", start);
    row.time("window_end", end);
}

fn fill_watermark(row: &mut Filler<'_>, table: &str, tag: &str, watermark: &Watermark) {
    let count = |number: u64| i64::try_from(number).ok();
    row.text("table_name", Some(table));
    row.text("tag_webid", Some(tag));
    row.text("tag_name", watermark.name.as_deref());
    row.time("last_timestamp", watermark.timestamp);
    row.text("last_timestamp_raw", watermark.timestamp_raw.as_deref());
    row.long("last_event_seq", watermark.event_seq);
    row.time("last_ingestion_run", watermark.run);
    row.long("record_count", count(watermark.records));
    row.long("total_records", count(watermark.total_records));
    row.text("last_error", watermark.last_error.as_deref());
    row.text("marker", watermark.marker.as_deref());
    row.text("state", watermark.state.map(State::as_str));
    row.time("updated_at", Some(watermark.updated));
}
