//! Rows that are gone: ids of an older version that a newer one does not have, told by their keys.

use std::collections::HashMap;

use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::filter_record_batch,
    error::ArrowError,
    row::{OwnedRow, RowConverter, SortField},
};
use futures::TryStreamExt;

use super::{
    absent::{Absent, By},
    changes::{CHANGED_AT, CREATED_AT, changed_at},
    config::{DeleteDetection, TableOptions},
    connection::{Flow, LanceDbConnection, Opened, other_way},
    filter::{Comparison, Predicate},
    offset::{Mark, Place, State, expired},
    pages::ROW_ID,
    rows::{IDS, with_ids},
    snapshot::Snapshot,
    trips::Between,
};
use crate::{
    connector::IngestionType,
    error::{Error, ErrorKind, Result},
    read::{ReadEvent, ReadRequest, Records},
    stream::Events,
};

/// Keys of deleted rows that are held at a time, to look for rows that came in their place.
const HELD: usize = 250_000;

/// Sends the deletions that a request asks for; without a start, none, and where they begin.
///
/// # Errors
/// [`Unsupported`](ErrorKind::Unsupported) for a table that does not tell them; [`OffsetExpired`](ErrorKind::OffsetExpired) for an
/// offset that the table does not bear out any more; those of the client.
pub(super) async fn read(connection: &LanceDbConnection, request: &ReadRequest, events: &Events) -> Result<()> {
    let start = connection.state(&request.table, request.start.as_ref())?;
    let until = connection.state(&request.table, request.until.as_ref())?;
    let state = State::nothing(&request.table.name, &TableOptions::parse(&request.table.options)?);
    // What the rows were read up to is what deletions are read up to, so that both are of one version.
    let read = connection.trips.last(&state).filter(|_| start.is_some());
    let until = until.and_then(|until| until.at);
    let newer = connection.open(&request.table, until.as_ref().map(|mark| mark.version).or(read)).await?;
    if newer.followed.ingestion != IngestionType::CdcWithDeletes {
        return Err(Error::new(ErrorKind::Unsupported, "this table does not report deletions")
            .with("table", &request.table.name)
            .help("read its metadata: only 'cdc_with_deletes' tables have read_table_deletes"));
    }
    let mark = match until {
        Some(mark) => mark,
        None => newer.mark(None, Flow::Deletions).await?,
    };
    if let Some(base) = start.and_then(|start| start.at) {
        if !base.place.is_like(&mark.place) {
            return Err(other_way(&request.table.name));
        }
        if base.is(&newer.snapshot.version) {
            return Ok(());
        }
        if base.version >= mark.version {
            return match read {
                // Deletions were begun after these rows were read.
                Some(_) => connection.check(&request.table.name, &base).await,
                None => Err(expired("the table has no version as late as the one that was read", &request.table.name)),
            };
        }
        let between = connection.trips.between(&state, base.version, mark.version);
        told(connection, &base, &newer, &between, events).await?;
    }
    events.send(ReadEvent::Checkpoint(state.reached(mark).encode()?)).await
}

/// Sends the keys of the rows that are gone since a version.
async fn told(
    connection: &LanceDbConnection,
    base: &Mark,
    newer: &Opened,
    between: &Between,
    events: &Events,
) -> Result<()> {
    let keys = newer.followed.keys.clone();
    let of_table: Vec<String> = keys.iter().filter(|key| *key != ROW_ID).cloned().collect();
    let older = connection.older(newer, base, of_table.clone()).await?;
    let older = older.adding(&newer.options.with_columns(of_table), &newer.followed.added()).await?;
    let told: Vec<String> = keys.iter().cloned().chain([CHANGED_AT.to_owned()]).collect();
    let older = older.narrowed(&told)?;
    let Place::Deletions(lineage) = &base.place else { return Err(other_way(&older.table)) };
    let goes_on = lineage.goes_on(base.version, &newer.snapshot).await?;
    let is_direct = between.any_until.is_none() && between.visited.is_empty();
    // Rows that may have come in place of others; all when rows may have come back.
    let came = (goes_on && is_direct).then(|| Predicate::compare(CREATED_AT, Comparison::More, base.version));
    let alive = newer.snapshot.narrowed(&keys)?;
    let came = Came { rows: alive.count(came.clone()).await?, condition: came, alive };
    let mut held = Held::default();
    let counts = goes_on && newer.options.delete_detection == DeleteDetection::Auto;
    if !counts || has_lost(base, newer).await? {
        held.look(&older, None, newer, &came, events).await?;
    }
    for version in base.version + 1..=between.any_until.unwrap_or(0) {
        let then = older.at(version);
        // Rows that were changed then; others were in the version before, unless an earlier one was restored.
        let changed = match lineage.goes_on(base.version, &then).await? {
            true => Some(Predicate::compare(CHANGED_AT, Comparison::Equal, version)),
            false => None,
        };
        held.look(&then, changed, newer, &came, events).await?;
    }
    for version in &between.visited {
        held.look(&older.at(*version), None, newer, &came, events).await?;
    }
    held.send(&came, newer.snapshot.version.number, events).await
}

/// Whether rows are gone, by counts alone: sure only of a version that goes on from the older one, and without a filter.
async fn has_lost(base: &Mark, newer: &Opened) -> Result<bool> {
    if newer.snapshot.selected.is_some() {
        return Ok(true);
    }
    let old = Predicate::compare(CREATED_AT, Comparison::AtMost, base.version);
    Ok(newer.snapshot.count(Some(old)).await? != base.rows)
}

/// Rows of the newer version whose keys deleted rows may have.
struct Came {
    alive: Snapshot,
    condition: Option<Predicate>,
    rows: u64,
}

/// Keys of deleted rows.
#[derive(Default)]
struct Held {
    batches: Vec<RecordBatch>,
    rows: usize,
}

impl Held {
    /// Holds the keys of rows of an older version that are gone, and sends them when they are many.
    async fn look(
        &mut self,
        older: &Snapshot,
        condition: Option<Predicate>,
        newer: &Opened,
        came: &Came,
        events: &Events,
    ) -> Result<()> {
        let mut lost = Absent::of(older.clone(), condition, newer.snapshot.clone(), By::Id).await?;
        while let Some(ids) = lost.next().await? {
            for part in ids.chunks(IDS) {
                self.add(older, part).await?;
                if self.rows >= HELD {
                    self.send(came, newer.snapshot.version.number, events).await?;
                }
            }
        }
        Ok(())
    }

    async fn add(&mut self, older: &Snapshot, ids: &[u64]) -> Result<()> {
        let mut pages = older.pages(Some(with_ids(ids)), 0, ids.len() as u64);
        while let Some(page) = pages.try_next().await? {
            self.rows += page.batches.iter().map(RecordBatch::num_rows).sum::<usize>();
            self.batches.extend(page.batches);
        }
        Ok(())
    }

    /// Sends what is held as deleted by a version, but for keys that another row has now.
    async fn send(&mut self, came: &Came, version: u64, events: &Events) -> Result<()> {
        let batches = std::mem::take(&mut self.batches);
        let mut gone = match (came.rows, batches.first()) {
            (_, None) => return Ok(()),
            (0, _) => None,
            (_, Some(first)) => Some(Keys::of(first, &batches)?),
        };
        self.rows = 0;
        if let Some(gone) = &mut gone {
            let mut pages = came.alive.pages(came.condition.clone(), 0, came.rows);
            while let Some(page) = pages.try_next().await? {
                page.batches.iter().try_for_each(|batch| gone.remove(batch))?;
            }
        }
        for (number, batch) in batches.iter().enumerate() {
            let batch = match &gone {
                Some(gone) => gone.left_of(number, batch)?,
                None => batch.clone(),
            };
            if batch.num_rows() > 0 {
                events.send(ReadEvent::Records(Records::Arrow(changed_at(&batch, version)?))).await?;
            }
        }
        Ok(())
    }
}

/// Keys and where they are held.
struct Keys {
    converter: RowConverter,
    names: Vec<String>,
    places: HashMap<OwnedRow, Vec<(usize, usize)>>,
}

impl Keys {
    fn of(first: &RecordBatch, batches: &[RecordBatch]) -> Result<Self> {
        let keys = first.schema_ref().fields().iter().filter(|field| field.name() != CHANGED_AT);
        let sorted = keys.clone().map(|field| SortField::new(field.data_type().clone())).collect();
        let names = keys.map(|field| field.name().clone()).collect();
        let mut keys = Self { converter: RowConverter::new(sorted).map_err(broken)?, names, places: HashMap::new() };
        for (number, batch) in batches.iter().enumerate() {
            for (row, key) in keys.rows(batch)?.into_iter().enumerate() {
                keys.places.entry(key).or_default().push((number, row));
            }
        }
        Ok(keys)
    }

    fn rows(&self, batch: &RecordBatch) -> Result<Vec<OwnedRow>> {
        let changed = || {
            Error::new(ErrorKind::OffsetExpired, "a column of the key is another one than in the version that was read")
                .help("reset the table's state to read it in full again")
        };
        let columns: Option<Vec<_>> = self.names.iter().map(|name| batch.column_by_name(name).cloned()).collect();
        let rows = self.converter.convert_columns(&columns.ok_or_else(changed)?).map_err(|_| changed())?;
        Ok(rows.iter().map(|row| row.owned()).collect())
    }

    fn remove(&mut self, alive: &RecordBatch) -> Result<()> {
        for key in self.rows(alive)? {
            self.places.remove(&key);
        }
        Ok(())
    }

    fn left_of(&self, number: usize, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut left = vec![false; batch.num_rows()];
        for (_, row) in self.places.values().flatten().filter(|(of, _)| *of == number) {
            if let Some(left) = left.get_mut(*row) {
                *left = true;
            }
        }
        filter_record_batch(batch, &BooleanArray::from(left)).map_err(broken)
    }
}

fn broken(error: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "Arrow refused the keys of deleted rows").caused_by(error)
}
