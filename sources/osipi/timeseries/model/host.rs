//! A host that commits rows by whole units and may die in between.

use std::collections::HashMap;

use arrow::{
    array::AsArray,
    datatypes::{Float64Type, Int64Type, TimestampMicrosecondType},
    record_batch::RecordBatch,
};
use futures::TryStreamExt;

use super::{
    super::{
        super::{reading::TableReader, time::Micros},
        state::State,
    },
    schedules::Plant,
    world::{Capture, Key, Rows},
};
use crate::{
    error::Result,
    read::{Offset, ReadEvent, ReadRequest, Records},
};

/// A host: what it committed, by whole units.
#[derive(Default)]
pub(super) struct Host {
    rows: HashMap<Key, (f64, Micros)>,
    /// When the last deletion of a key was seen.
    deleted: HashMap<Key, Micros>,
    offset: Option<Offset>,
    deletes: Option<Offset>,
}

fn keys(batch: &RecordBatch) -> Vec<(Key, Micros)> {
    let times = |name: &str| batch.column_by_name(name).unwrap().as_primitive::<TimestampMicrosecondType>().clone();
    let tags = batch.column_by_name("tag_webid").unwrap().as_string::<i32>();
    let places = batch.column_by_name("event_seq").unwrap().as_primitive::<Int64Type>();
    let (at, read_at) = (times("timestamp"), times("ingestion_timestamp"));
    let key = |row: usize| ((tags.value(row).to_owned(), at.value(row), places.value(row)), read_at.value(row));
    (0..batch.num_rows()).map(key).collect()
}

impl Host {
    fn put(&mut self, batch: &RecordBatch) {
        let values = batch.column_by_name("value").unwrap().as_primitive::<Float64Type>();
        for ((key, read_at), value) in keys(batch).into_iter().zip(values.values()) {
            // A row that is not newer than a deletion of its key stays deleted.
            if self.deleted.get(&key).is_none_or(|seen| *seen < read_at) {
                self.rows.insert(key, (*value, read_at));
            }
        }
    }

    fn delete(&mut self, batch: &RecordBatch) {
        for (key, seen) in keys(batch) {
            if self.rows.get(&key).is_some_and(|(_, read_at)| *read_at <= seen) {
                self.rows.remove(&key);
            }
            self.deleted.insert(key, seen);
        }
    }

    /// A run in a process of its own, which dies after so many events.
    ///
    /// # Errors
    /// That of the read.
    pub(super) async fn run(&mut self, plant: &Plant, mut events_left: usize) -> Result<()> {
        let reader = plant.reader();
        let until = State::bound(plant.memory.0.lock().unwrap().now.micros() + 1).write(&reader.origin()).unwrap();
        let request = ReadRequest::new(plant.table.clone()).start(self.offset.clone()).until(until);
        let mut open = Vec::new();
        if let Some(mut reads) = reader.begin_on(plant.memory.clone(), &request).await? {
            while let Some(events) = reads.next().await? {
                for event in events {
                    if events_left == 0 {
                        return Ok(());
                    }
                    events_left -= 1;
                    match event {
                        ReadEvent::Records(Records::Arrow(batch)) => open.push(batch),
                        ReadEvent::Checkpoint(offset) => {
                            self.offset = Some(offset);
                            open.drain(..).for_each(|batch| self.put(&batch));
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        assert!(open.is_empty(), "rows after the last checkpoint");
        if plant.capture == Capture::None || events_left == 0 {
            return Ok(());
        }
        let request = ReadRequest::new(plant.table.clone()).start(self.deletes.clone());
        let events: Vec<ReadEvent> = reader.deletes(request).try_collect().await?;
        for event in events {
            match event {
                ReadEvent::Records(Records::Arrow(batch)) => open.push(batch),
                ReadEvent::Checkpoint(offset) => {
                    self.deletes = Some(offset);
                    open.drain(..).for_each(|batch| self.delete(&batch));
                }
                other => panic!("{other:?}"),
            }
        }
        Ok(())
    }

    pub(super) fn assert_equal(&self, wanted: &Rows, place: &str) {
        let found: Rows = self.rows.iter().map(|(key, (value, _))| (key.clone(), *value)).collect();
        let missing: Vec<_> = wanted.iter().filter(|(key, value)| found.get(*key) != Some(value)).take(3).collect();
        let extra: Vec<_> = found.iter().filter(|(key, _)| !wanted.contains_key(*key)).take(3).collect();
        assert!(missing.is_empty() && extra.is_empty(), "{place}: missing {missing:?}, extra {extra:?}");
    }
}
