//! One table under test: opening connections and reading it as a host would.

use std::sync::Arc;

use futures::StreamExt;
use serde_json::Value;

use super::{
    report::{Stop, failed, not_applicable},
    rows::{Contents, rows_of},
    suite::{Size, Suite},
    witness::Witness,
};
use crate::{
    connector::{IngestionType, LakeflowConnect, TableMetadata, TableRef},
    error::Error,
    read::{Offset, QuarantinedRow, ReadEvent, ReadRequest, ReadStream},
    stream::ArrowTable,
};

/// A stream that sends more events than this is taken for endless.
const MAX_EVENTS: usize = 1_000_000;

/// Which of a table's two streams is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Rows,
    Deletes,
}

/// When to drop a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    End,
    Events(usize),
    FirstCheckpoint,
}

/// Rows and the checkpoint that covers them.
#[derive(Debug)]
pub(crate) struct Unit {
    pub(crate) rows: Vec<Value>,
    pub(crate) offset: Offset,
}

/// What came out of one stream.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) units: Vec<Unit>,
    /// Rows after the last checkpoint.
    pub(crate) rest: Vec<Value>,
    pub(crate) quarantined: Vec<QuarantinedRow>,
    pub(crate) error: Option<Error>,
    pub(crate) events: usize,
    /// What was wrong with the stream itself.
    pub(crate) complaint: Option<String>,
}

impl Reading {
    pub(crate) fn rows(&self) -> impl Iterator<Item = &Value> {
        self.units.iter().flat_map(|u| &u.rows).chain(&self.rest)
    }

    /// The rows that a host has stored: those with an offset after them.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &Value> {
        self.units.iter().flat_map(|u| &u.rows)
    }

    pub(crate) fn last_offset(&self) -> Option<&Offset> {
        self.units.last().map(|u| &u.offset)
    }

    /// The reading, when the stream ended well.
    pub(crate) fn ended_well(self, doing: &str) -> Result<Self, Stop> {
        if let Some(complaint) = &self.complaint {
            return failed(format!("{doing}: {complaint}"));
        }
        match &self.error {
            Some(error) => failed(format!("{doing} ended with an error: {error}")),
            None => Ok(self),
        }
    }
}

/// A table, one of its streams, and one way to read it.
#[derive(Clone, Debug)]
pub(crate) struct Probe<'a> {
    pub(crate) suite: &'a Suite,
    pub(crate) witness: &'a Arc<Witness>,
    pub(crate) table: TableRef,
    pub(crate) metadata: TableMetadata,
    pub(crate) flow: Flow,
    /// Frozen when the probe was made, as hosts do; `None` when the source cannot say.
    pub(crate) until: Option<Offset>,
    pub(crate) size: Size,
}

impl<'a> Probe<'a> {
    pub(crate) async fn new(
        suite: &'a Suite,
        witness: &'a Arc<Witness>,
        table: &TableRef,
        flow: Flow,
        size: &Size,
    ) -> Result<Self, Stop> {
        let table = size.options.iter().fold(table.clone(), |table, (key, value)| table.option(key, value));
        let connector = open(suite, witness)?;
        let read = connector.read_table_metadata(&table).await;
        let metadata = read.map_err(|e| told(witness, "the metadata could not be read", &e))?;
        let mut probe = Self { suite, witness, table, metadata, flow, until: None, size: size.clone() };
        probe.until = probe.latest(None).await?;
        Ok(probe)
    }

    /// The offset that a read started now would end at.
    pub(crate) async fn latest(&self, start: Option<&Offset>) -> Result<Option<Offset>, Stop> {
        if self.flow == Flow::Deletes {
            return Ok(None);
        }
        let latest = self.open()?.latest_offset(&self.table, start).await;
        let latest = latest.map_err(|e| told(self.witness, "the latest offset could not be read", &e))?;
        if let Some(offset) = &latest {
            self.witness.text("an offset", &offset.to_json());
        }
        Ok(latest)
    }

    /// A new connection: a host that was started again.
    pub(crate) fn open(&self) -> Result<Arc<dyn LakeflowConnect>, Stop> {
        open(self.suite, self.witness)
    }

    pub(crate) fn is_snapshot(&self) -> bool {
        self.metadata.ingestion_type == IngestionType::Snapshot
    }

    pub(crate) fn contents<'r>(&self, rows: impl IntoIterator<Item = &'r Value>) -> Contents {
        Contents::of(&self.metadata, rows)
    }

    /// A request for everything after `start`, up to the frozen bound.
    pub(crate) fn request(&self, start: Option<&Offset>) -> ReadRequest {
        ReadRequest::new(self.table.clone())
            .start(start.cloned())
            .until(self.until.clone())
            .max_records(self.size.max_records)
    }

    pub(crate) fn stream(&self, connector: &dyn LakeflowConnect, request: ReadRequest) -> ReadStream {
        self.witness.text("the Debug of a request", &format!("{request:?}"));
        match self.flow {
            Flow::Rows => connector.read_table(request),
            Flow::Deletes => connector.read_table_deletes(request),
        }
    }

    /// Reads on a new connection until then, and drops the stream.
    pub(crate) async fn read(&self, request: ReadRequest, until: Until) -> Result<Reading, Stop> {
        let connector = self.open()?;
        Ok(self.take(&mut self.stream(&*connector, request), until).await)
    }

    /// Reads everything after `start` and wants it to go well.
    pub(crate) async fn read_on(&self, start: Option<&Offset>, doing: &str) -> Result<Reading, Stop> {
        self.read(self.request(start), Until::End).await?.ended_well(doing)
    }

    /// Reads to the end as a host does that stores the rows: all of them cast to the table's schema.
    pub(crate) async fn cast(&self, request: ReadRequest) -> Result<Reading, Stop> {
        let connector = self.open()?;
        let table = ArrowTable::describe(&*connector, &request).await;
        let table = table.map_err(|e| told(self.witness, "the schema could not be read", &e))?;
        let stream = self.stream(&*connector, request);
        Ok(self.take(&mut table.events(stream), Until::End).await)
    }

    /// The whole table, as later reads must bring it too.
    pub(crate) async fn baseline(&self) -> Result<Reading, Stop> {
        let reading = self.read_on(None, "a full read").await?;
        if reading.rows().next().is_none() {
            return not_applicable("the table has no rows, which proves nothing");
        }
        self.as_many_as_expected(&reading)?;
        Ok(reading)
    }

    fn as_many_as_expected(&self, reading: &Reading) -> Result<(), Stop> {
        let expected = self.suite.expected.iter().find(|(table, _)| *table == self.table.name);
        let Some((_, expected)) = expected.filter(|_| self.flow == Flow::Rows) else { return Ok(()) };
        let (expected, found) = (expected(), self.contents(reading.rows()).len());
        if expected == found {
            return Ok(());
        }
        failed(format!("a full read brings {found} rows where the source holds {expected}"))
    }

    pub(crate) async fn take(&self, stream: &mut ReadStream, until: Until) -> Reading {
        let mut reading = Reading::default();
        while reading.complaint.is_none() {
            let enough = match until {
                Until::End => false,
                Until::Events(events) => reading.events >= events,
                Until::FirstCheckpoint => !reading.units.is_empty(),
            };
            if enough {
                return reading;
            }
            let Some(event) = stream.next().await else { return reading };
            reading.events += 1;
            if reading.error.is_some() && event.is_err() {
                return reading;
            }
            self.note(&mut reading, event);
        }
        reading
    }

    fn note(&self, reading: &mut Reading, event: Result<ReadEvent, Error>) {
        if let Some(error) = &reading.error {
            let what = if matches!(event, Ok(ReadEvent::Checkpoint(_))) { "a checkpoint" } else { "rows" };
            reading.complaint = Some(format!("after its error ({error}) the stream sent {what}"));
            return;
        }
        if reading.events > MAX_EVENTS {
            reading.complaint = Some(format!("the stream sent {MAX_EVENTS} events and no end"));
            return;
        }
        match event {
            Ok(ReadEvent::Records(records)) => match rows_of(&records) {
                Ok(rows) => reading.rest.extend(rows),
                Err(complaint) => reading.complaint = Some(complaint),
            },
            Ok(ReadEvent::Quarantined(rows)) => {
                for row in &rows {
                    self.witness.text("the reason of a quarantined row", &format!("{} {}", row.column, row.reason));
                    self.witness.text("the Debug of a quarantined row", &format!("{row:?}"));
                }
                reading.quarantined.extend(rows);
            }
            Ok(ReadEvent::Checkpoint(offset)) => {
                self.witness.text("an offset", &offset.to_json());
                reading.units.push(Unit { rows: std::mem::take(&mut reading.rest), offset });
            }
            Err(error) => {
                self.witness.error(&error);
                reading.error = Some(error);
            }
        }
    }

    /// At most `max_stops` of the places `0..count`, evenly spread, the last among them.
    pub(crate) fn stops(&self, count: usize) -> Vec<usize> {
        spread(count, self.suite.max_stops)
    }
}

/// At most `most` of `0..count`, evenly spread, first and last among them.
pub(crate) fn spread(count: usize, most: usize) -> Vec<usize> {
    if count <= most {
        return (0..count).collect();
    }
    match most {
        0 => Vec::new(),
        1 => vec![count - 1],
        _ => (0..most).map(|i| i * (count - 1) / (most - 1)).collect(),
    }
}

pub(crate) fn open(suite: &Suite, witness: &Witness) -> Result<Arc<dyn LakeflowConnect>, Stop> {
    (suite.connect)().map_err(|e| told(witness, "the source could not be connected to", &e))
}

/// A failure of something that should have worked.
pub(crate) fn told(witness: &Witness, what: &str, error: &Error) -> Stop {
    witness.error(error);
    Stop::Failed(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn stops_are_spread_with_both_ends() {
        assert_eq!(spread(3, 5), [0, 1, 2]);
        assert_eq!(spread(101, 3), [0, 50, 100]);
        assert_eq!(spread(7, 1), [6]);
        assert!(spread(0, 4).is_empty());
    }
}
