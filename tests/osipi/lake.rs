//! What a host would hold: rows by key, deletions taken out, everything by whole units.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use futures::TryStreamExt;
use lakeflow_connect::{
    IngestionType, LakeflowConnect, Offset, ReadEvent, ReadRequest, ReadStream, Records, Result, TableRef,
    decode::arrow_to_json,
};
use lakeflow_simulators::osipi::{RunningServer, Spelling, Ticks};
use serde_json::Value;

use super::connect_to;

type Key = (String, String, u64);

/// Rows by key as a host merges them, and the offsets that it stored with them.
#[derive(Clone, Default)]
pub(super) struct Lake {
    pub(super) rows: BTreeMap<Key, Value>,
    /// When the last deletion of a key was seen.
    deleted: HashMap<Key, String>,
    pub(super) offset: Option<Offset>,
    pub(super) deletes_offset: Option<Offset>,
}

fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap().to_owned()
}

fn key(row: &Value) -> Key {
    (text(row, "tag_webid"), text(row, "timestamp"), row["event_seq"].as_u64().unwrap())
}

impl Lake {
    fn put(&mut self, row: Value) {
        let key = key(&row);
        // A row that is not newer than a deletion of its key stays deleted.
        if self.deleted.get(&key).is_none_or(|seen| *seen < text(&row, "ingestion_timestamp")) {
            self.rows.insert(key, row);
        }
    }

    fn delete(&mut self, row: &Value) {
        let (key, seen) = (key(row), text(row, "ingestion_timestamp"));
        if self.rows.get(&key).is_some_and(|row| text(row, "ingestion_timestamp") <= seen) {
            self.rows.remove(&key);
        }
        self.deleted.insert(key, seen);
    }

    /// Takes in whole units, at most so many; whether the stream came to its end.
    ///
    /// # Errors
    /// That of the stream; the units before it are taken in.
    pub(super) async fn take(&mut self, mut events: ReadStream, deletes: bool, units: usize) -> Result<bool> {
        let (mut open, mut taken) = (Vec::new(), 0);
        while taken < units {
            match events.try_next().await? {
                Some(ReadEvent::Records(Records::Arrow(batch))) => {
                    let lines = arrow_to_json(&batch).unwrap();
                    let text = std::str::from_utf8(&lines.bytes).unwrap();
                    open.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
                }
                Some(ReadEvent::Checkpoint(next)) if deletes => {
                    self.deletes_offset = Some(next);
                    open.drain(..).for_each(|row| self.delete(&row));
                    taken += 1;
                }
                Some(ReadEvent::Checkpoint(next)) => {
                    self.offset = Some(next);
                    open.drain(..).for_each(|row| self.put(row));
                    taken += 1;
                }
                Some(other) => panic!("{other:?}"),
                None => {
                    assert!(open.is_empty(), "rows after the last checkpoint");
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// One run of a host: rows, and then deletions when all rows were read.
    ///
    /// # Errors
    /// That of the read.
    pub(super) async fn run(
        &mut self,
        source: &Arc<dyn LakeflowConnect>,
        table: &TableRef,
        units: usize,
    ) -> Result<()> {
        let rows = source.read_table(ReadRequest::new(table.clone()).start(self.offset.clone()));
        let tells_deletions = source.read_table_metadata(table).await?.ingestion_type == IngestionType::CdcWithDeletes;
        if self.take(rows, false, units).await? && tells_deletions {
            let request = ReadRequest::new(table.clone()).start(self.deletes_offset.clone());
            self.take(source.read_table_deletes(request), true, usize::MAX).await?;
        }
        Ok(())
    }

    /// The rows that differ from what the archive holds in `from..to`, missing and superfluous ones, as text.
    pub(super) fn faults(&self, server: &RunningServer, from: Ticks, to: Ticks) -> Vec<String> {
        let mut wanted = BTreeMap::new();
        for point in server.points() {
            let webid = server.web_id(&point, Spelling::IdOnly).unwrap();
            let (mut last, mut sequence) = (None, 0);
            for event in server.events(&point, from, to).unwrap() {
                sequence = if last == Some(event.time.0 / 10) { sequence + 1 } else { 0 };
                last = Some(event.time.0 / 10);
                let number = event.value.parse::<f64>().ok();
                wanted.insert((webid.clone(), event.time.to_string(), sequence), number);
            }
        }
        assert!(wanted.len() > 20, "the archive is nearly empty");
        let mut found = BTreeMap::new();
        for row in self.rows.values() {
            let at = Ticks::parse(row["timestamp_raw"].as_str().unwrap()).unwrap();
            if (from.0..to.0).contains(&at.0) {
                let number =
                    row["value"].as_f64().filter(|_| row["value_type"] == "number" || row["value_type"] == "integer");
                found.insert(
                    (text(row, "tag_webid"), text(row, "timestamp_raw"), row["event_seq"].as_i64().unwrap()),
                    number,
                );
            }
        }
        let missing = wanted.iter().filter(|(key, value)| found.get(*key) != Some(value));
        let missing = missing.map(|(key, value)| format!("{key:?} should be {value:?}, is {:?}", found.get(key)));
        let extra =
            found.iter().filter(|(key, _)| !wanted.contains_key(*key)).map(|(key, _)| format!("{key:?} is extra"));
        missing.chain(extra).collect()
    }
}

/// Reads rows on with a new connection, at most so many units; where it got to.
pub(super) async fn read_on(
    server: &RunningServer,
    table: TableRef,
    start: Option<Offset>,
    units: usize,
    lake: &mut Lake,
) -> Option<Offset> {
    lake.offset.clone_from(&start);
    let events = connect_to(server).read_table(ReadRequest::new(table).start(start));
    lake.take(events, false, units).await.unwrap();
    lake.offset.clone()
}
