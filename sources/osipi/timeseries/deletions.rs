//! Rows that are gone, on their way to `read_table_deletes`.
//!
//! They are found while rows are read, wait in the offset of the rows, and are handed over within the connection: a read of
//! rows shows all that wait, also those of runs before it. The offset of the deletions counts how many have been read.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use arrow::{
    array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray},
    record_batch::RecordBatch,
};
use serde::{Deserialize, Serialize};

use super::{
    super::{origin::Origin, time::Micros},
    state::{Deletion, State},
};
use crate::{
    error::{Error, ErrorKind, Result},
    read::{Offset, ReadEvent, Records},
    types::{DataType, StructField, StructType},
};

const VERSION: u32 = 1;
/// Rows of one batch.
const BATCH_ROWS: usize = 50_000;

/// What waits to be read of the tables of a connection.
#[derive(Debug, Default)]
pub(in super::super) struct Deletions(Mutex<BTreeMap<String, Waiting>>);

/// What waits of one table.
#[derive(Clone, Debug, Default)]
struct Waiting {
    /// Which read it is of.
    born: Micros,
    /// How many there have been; the last of them are `gone`.
    count: u64,
    gone: Vec<Deletion>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    source: Box<str>,
    born: Micros,
    deletions_read: u64,
}

impl Deletions {
    /// Shows what waits in the state of a read.
    pub(super) fn show(&self, name: &str, state: &State) {
        let waiting = Waiting { born: state.born, count: state.deletions, gone: state.gone.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), waiting);
    }

    /// What was not read before `start`, as batches, then an offset; nothing when all has been read.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) for an offset of another table, and when deletions waited for so long that
    /// they had to be dropped.
    pub(super) fn read(&self, name: &str, origin: &Origin, start: Option<&Offset>) -> Result<Vec<ReadEvent>> {
        let start = start.map(|offset| read_offset(origin, offset)).transpose()?;
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        let Some(Waiting { born, count, gone }) = waiting else { return Ok(Vec::new()) };
        let read = start.filter(|(of, _)| *of == born).map_or(0, |(_, read)| read).min(count);
        if read == count {
            return Ok(Vec::new());
        }
        let new = usize::try_from(count - read).unwrap_or(usize::MAX);
        let skip = gone
            .len()
            .checked_sub(new)
            .ok_or_else(|| origin.expired("deletions waited for so long that some were dropped"))?;
        let mut events = Vec::new();
        for chunk in gone.get(skip..).unwrap_or_default().chunks(BATCH_ROWS) {
            events.push(ReadEvent::Records(Records::Arrow(batch(chunk)?)));
        }
        let wire = Wire { source: origin.hash().into(), born, deletions_read: count };
        events.push(ReadEvent::Checkpoint(Offset::encode(VERSION, &wire)?));
        Ok(events)
    }
}

/// Which read an offset of deletions is of, and how many it covers.
fn read_offset(origin: &Origin, offset: &Offset) -> Result<(Micros, u64)> {
    let wire: Wire = offset.decode(VERSION)?;
    origin.check(&wire.source)?;
    Ok((wire.born, wire.deletions_read))
}

/// Keys and cursors.
fn batch(gone: &[Deletion]) -> Result<RecordBatch> {
    let columns = [
        ("tag_webid", DataType::String),
        ("timestamp", DataType::Timestamp),
        ("ingestion_timestamp", DataType::Timestamp),
        ("event_seq", DataType::Long),
    ];
    let field = |(name, data_type)| StructField { nullable: false, ..StructField::new(name, data_type) };
    let schema = StructType { fields: columns.into_iter().map(field).collect() }.to_arrow();
    let times = |of: fn(&Deletion) -> Micros| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(gone.iter().map(of)).with_timezone("UTC"))
    };
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(gone.iter().map(|d| &*d.tag))),
        times(|d| d.at),
        times(|d| d.seen),
        Arc::new(Int64Array::from_iter_values(gone.iter().map(|d| i64::from(d.sequence)))),
    ];
    RecordBatch::try_new(Arc::new(schema), arrays)
        .map_err(|e| Error::new(ErrorKind::Internal, "deletions do not form a batch").caused_by(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(gone: usize, dropped: u64) -> State {
        let mut state = State { born: 5, deletions: dropped, ..State::default() };
        for at in 0..gone as i64 {
            state.delete(Deletion { tag: "t".into(), at, sequence: 0, seen: 9 });
        }
        state
    }

    fn rows(events: &[ReadEvent]) -> usize {
        events.iter().map(|e| if let ReadEvent::Records(r) = e { r.rows() } else { 0 }).sum()
    }

    fn offset(events: &[ReadEvent]) -> Offset {
        let Some(ReadEvent::Checkpoint(offset)) = events.last() else { panic!("no checkpoint") };
        offset.clone()
    }

    #[test]
    fn each_deletion_is_read_once_and_never_lost_without_a_word() {
        let (waiting, origin) = (Deletions::default(), Origin::new("b", "t", ""));
        assert!(waiting.read("t", &origin, None).unwrap().is_empty());
        waiting.show("t", &state(3, 0));
        let first = waiting.read("t", &origin, None).unwrap();
        assert_eq!(rows(&first), 3);
        let start = offset(&first);
        assert!(waiting.read("t", &origin, Some(&start)).unwrap().is_empty());
        waiting.show("t", &state(2, 3));
        assert_eq!(rows(&waiting.read("t", &origin, Some(&start)).unwrap()), 2);
        // A read that was begun anew counts from the start.
        waiting.show("t", &State { born: 6, ..state(1, 0) });
        assert_eq!(rows(&waiting.read("t", &origin, Some(&start)).unwrap()), 1);
        waiting.show("t", &state(2, 7));
        assert_eq!(waiting.read("t", &origin, Some(&start)).unwrap_err().kind(), ErrorKind::OffsetExpired);
        let other = Origin::new("b", "t", "filter");
        assert_eq!(waiting.read("t", &other, Some(&start)).unwrap_err().kind(), ErrorKind::OffsetExpired);
    }
}
