//! Writes of rows: append, update, merge, delete.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt64Array},
    buffer::{BooleanBuffer, ScalarBuffer},
    compute::{cast, concat_batches, filter, filter_record_batch},
    datatypes::SchemaRef,
    row::{OwnedRow, RowConverter, SortField},
};

use super::{
    Table,
    fragment::{Fragment, Part},
    kinds::stored,
    version::{Index, RowIds, Version},
};
use crate::{SimError, lancedb::filter::Expression};

/// When a version is made, and a text that no other version has.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    pub(crate) millis: i64,
    pub(crate) e_tag: String,
}

/// Rows to write, with ids and versions.
pub(super) struct Rows {
    pub(super) batch: RecordBatch,
    pub(super) ids: ScalarBuffer<u64>,
    pub(super) created: ScalarBuffer<u64>,
    pub(super) updated: ScalarBuffer<u64>,
}

pub(super) fn arrow_error(error: arrow::error::ArrowError) -> SimError {
    SimError::Resource(error.to_string())
}

fn repeated(value: u64, times: usize) -> ScalarBuffer<u64> {
    std::iter::repeat_n(value, times).collect()
}

impl Rows {
    /// Rows that never were.
    fn fresh(batch: RecordBatch, first: u64, version: u64) -> Self {
        let count = batch.num_rows();
        let ids = (first..first + count as u64).collect();
        Self { ids, created: repeated(version, count), updated: repeated(version, count), batch }
    }

    fn slice(&self, from: usize, rows: usize) -> Self {
        Self {
            batch: self.batch.slice(from, rows),
            ids: self.ids.slice(from, rows),
            created: self.created.slice(from, rows),
            updated: self.updated.slice(from, rows),
        }
    }
}

impl Table {
    /// The latest version, or an error for a table that was never written.
    pub(super) fn written(&self) -> Result<Arc<Version>, SimError> {
        self.latest().cloned().ok_or_else(|| SimError::Resource("the table was never written".to_owned()))
    }

    /// The number of the next version.
    pub(super) fn next_version(&self) -> u64 {
        self.latest().map_or(0, |latest| latest.number) + 1
    }

    pub(super) fn commit(&mut self, stamp: &Stamp, schema: SchemaRef, parts: Vec<Part>, indices: Arc<[Index]>) -> u64 {
        let number = self.next_version();
        let Stamp { millis, e_tag } = stamp.clone();
        self.versions.insert(number, Arc::new(Version { number, millis, e_tag, schema, parts, indices }));
        number
    }

    /// Fragments out of rows, none larger than allowed.
    pub(super) fn fragments(&mut self, rows: &Rows) -> Vec<Part> {
        let total = rows.batch.num_rows();
        let mut parts = Vec::new();
        for from in (0..total).step_by(self.fragment_rows) {
            let rows = rows.slice(from, self.fragment_rows.min(total - from));
            let (id, count) = (self.next_fragment, rows.batch.num_rows());
            self.next_fragment += 1;
            let Rows { batch, ids, created, updated } = rows;
            parts.push(Part::whole(match self.row_ids {
                RowIds::Stable => Fragment { id, rows: batch, ids, created, updated },
                RowIds::Plain => Fragment {
                    id,
                    rows: batch,
                    ids: (0..count as u64).map(|row| (id << 32) | row).collect(),
                    created: repeated(1, count),
                    updated: repeated(1, count),
                },
            }));
        }
        parts
    }

    fn fresh(&mut self, batch: RecordBatch, version: u64) -> Vec<Part> {
        let first = self.next_row;
        self.next_row += batch.num_rows() as u64;
        self.fragments(&Rows::fresh(batch, first, version))
    }

    /// The first version, or one with other rows and maybe another schema: numbers go on, fragments start again.
    pub(crate) fn overwrite(&mut self, rows: &RecordBatch, stamp: &Stamp) -> Result<u64, SimError> {
        let rows = stored(rows)?;
        let (schema, version) = (rows.schema(), self.next_version());
        self.next_fragment = 0;
        let parts = self.fresh(rows, version);
        Ok(self.commit(stamp, schema, parts, Arc::from([])))
    }

    pub(crate) fn append(&mut self, rows: &RecordBatch, stamp: &Stamp) -> Result<u64, SimError> {
        let latest = self.written()?;
        let rows = like(&stored(rows)?, &latest.schema)?;
        let mut parts = latest.parts.clone();
        parts.extend(self.fresh(rows, latest.number + 1));
        Ok(self.commit(stamp, Arc::clone(&latest.schema), parts, Arc::clone(&latest.indices)))
    }

    /// Rows that a condition selects, by part.
    fn matching(latest: &Version, condition: &str) -> Result<Vec<BooleanBuffer>, SimError> {
        let condition = Expression::condition(condition, &latest.schema)
            .map_err(|refusal| SimError::Resource(refusal.message().to_owned()))?;
        let mut before = 0;
        let mut all = Vec::new();
        for part in &latest.parts {
            let mask =
                condition.mask(part, before).map_err(|refusal| SimError::Resource(refusal.message().to_owned()))?;
            all.push(part.selected(Some(&mask)).unwrap_or_else(|| BooleanBuffer::new_set(part.len())));
            before += part.rows() as u64;
        }
        Ok(all)
    }

    pub(crate) fn delete(&mut self, condition: &str, stamp: &Stamp) -> Result<u64, SimError> {
        let latest = self.written()?;
        let gone = Self::matching(&latest, condition)?;
        let parts = latest.parts.iter().zip(&gone).filter_map(|(part, gone)| part.without(gone)).collect();
        Ok(self.commit(stamp, Arc::clone(&latest.schema), parts, Arc::clone(&latest.indices)))
    }

    /// Gives columns of the selected rows new values, each as an expression; the rows move to the end.
    pub(crate) fn update(&mut self, condition: &str, sets: &[(&str, &str)], stamp: &Stamp) -> Result<u64, SimError> {
        let latest = self.written()?;
        let chosen = Self::matching(&latest, condition)?;
        let refused = |refusal: crate::lancedb::refusal::Refusal| SimError::Resource(refusal.message().to_owned());
        let mut moved = Vec::new();
        for (part, chosen) in latest.parts.iter().zip(&chosen).filter(|(_, chosen)| chosen.count_set_bits() > 0) {
            let mask = BooleanArray::new(chosen.clone(), None);
            let mut columns = part.batch().columns().to_vec();
            for (name, expression) in sets {
                let (at, field) = latest
                    .schema
                    .column_with_name(name)
                    .ok_or_else(|| SimError::Resource(format!("no column `{name}`")))?;
                let value = Expression::value(expression, &latest.schema).map_err(refused)?;
                let value = value.array(part, 0).map_err(refused)?;
                if let Some(column) = columns.get_mut(at) {
                    *column = cast(&value, field.data_type()).map_err(arrow_error)?;
                }
            }
            let batch = RecordBatch::try_new(Arc::clone(&latest.schema), columns).map_err(arrow_error)?;
            moved.push(part.rows_of(&filter_record_batch(&batch, &mask).map_err(arrow_error)?, &mask)?);
        }
        let rows = joined(&latest.schema, &moved)?;
        let updated = repeated(latest.number + 1, rows.batch.num_rows());
        let mut parts: Vec<Part> =
            latest.parts.iter().zip(&chosen).filter_map(|(part, gone)| part.without(gone)).collect();
        parts.extend(self.fragments(&Rows { updated, ..rows }));
        Ok(self.commit(stamp, Arc::clone(&latest.schema), parts, Arc::clone(&latest.indices)))
    }

    /// Rows in place of those with the same keys; those whose keys are new are added. No key may come twice.
    pub(crate) fn merge(&mut self, keys: &[&str], rows: &RecordBatch, stamp: &Stamp) -> Result<u64, SimError> {
        let latest = self.written()?;
        let rows = like(&stored(rows)?, &latest.schema)?;
        let mut wanted: HashMap<OwnedRow, usize> = HashMap::new();
        for (row, key) in keys_of(&rows, keys)?.into_iter().enumerate() {
            if wanted.insert(key, row).is_some() {
                return Err(SimError::Resource("two rows to merge have one key".to_owned()));
            }
        }
        let version = latest.number + 1;
        let mut known: Vec<Option<(u64, u64)>> = vec![None; rows.num_rows()];
        let mut parts = Vec::new();
        for part in &latest.parts {
            let mut gone = HashSet::new();
            for (at, key) in keys_of(part.batch(), keys)?.into_iter().enumerate() {
                let alive = part.live().is_none_or(|live| live.value(at));
                if let Some(row) = wanted.get(&key).filter(|_| alive) {
                    known[*row] = Some((part.fragment.ids[at], part.fragment.created[at]));
                    gone.insert(at);
                }
            }
            let gone = BooleanBuffer::collect_bool(part.len(), |row| gone.contains(&row));
            parts.extend(part.without(&gone));
        }
        let mut fresh = self.next_row..;
        let placed: Vec<(u64, u64)> = known
            .into_iter()
            .map(|known| known.unwrap_or_else(|| (fresh.next().unwrap_or(u64::MAX), version)))
            .collect();
        self.next_row = fresh.start;
        let rows = Rows {
            ids: placed.iter().map(|(id, _)| *id).collect(),
            created: placed.iter().map(|(_, created)| *created).collect(),
            updated: repeated(version, rows.num_rows()),
            batch: rows,
        };
        parts.extend(self.fragments(&rows));
        Ok(self.commit(stamp, Arc::clone(&latest.schema), parts, Arc::clone(&latest.indices)))
    }
}

impl Part {
    /// Selected rows of this part, already taken out, with their ids and versions.
    pub(super) fn rows_of(&self, batch: &RecordBatch, mask: &BooleanArray) -> Result<Rows, SimError> {
        let of = |values: &ScalarBuffer<u64>| -> Result<ScalarBuffer<u64>, SimError> {
            let column: ArrayRef = Arc::new(UInt64Array::new(values.clone(), None));
            let kept = filter(&column, mask).map_err(arrow_error)?;
            let kept = kept.as_any().downcast_ref::<UInt64Array>().map(|kept| kept.values().clone());
            kept.ok_or_else(|| SimError::Resource("ids are not numbers".to_owned()))
        };
        let Fragment { ids, created, updated, .. } = self.fragment.as_ref();
        Ok(Rows { batch: batch.clone(), ids: of(ids)?, created: of(created)?, updated: of(updated)? })
    }

    /// Its live rows.
    pub(super) fn live_rows(&self) -> Result<Rows, SimError> {
        let live = self.live.clone().unwrap_or_else(|| BooleanBuffer::new_set(self.len()));
        let mask = BooleanArray::new(live, None);
        self.rows_of(&filter_record_batch(self.batch(), &mask).map_err(arrow_error)?, &mask)
    }
}

/// Rows of several parts, one after the other.
pub(super) fn joined(schema: &SchemaRef, all: &[Rows]) -> Result<Rows, SimError> {
    let of = |get: fn(&Rows) -> &ScalarBuffer<u64>| all.iter().flat_map(|rows| get(rows).iter().copied()).collect();
    Ok(Rows {
        batch: concat_batches(schema, all.iter().map(|rows| &rows.batch)).map_err(arrow_error)?,
        ids: of(|rows| &rows.ids),
        created: of(|rows| &rows.created),
        updated: of(|rows| &rows.updated),
    })
}

/// Rows in the order of the table's columns. The names must be the same.
fn like(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, SimError> {
    let indices: Result<Vec<usize>, _> =
        schema.fields().iter().map(|field| rows.schema().index_of(field.name())).collect();
    let rows = rows.project(&indices.map_err(arrow_error)?).map_err(arrow_error)?;
    RecordBatch::try_new(Arc::clone(schema), rows.columns().to_vec()).map_err(arrow_error)
}

fn keys_of(rows: &RecordBatch, keys: &[&str]) -> Result<Vec<OwnedRow>, SimError> {
    let column =
        |key: &&str| rows.column_by_name(key).cloned().ok_or_else(|| SimError::Resource(format!("no column `{key}`")));
    let columns: Vec<ArrayRef> = keys.iter().map(column).collect::<Result<_, _>>()?;
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(arrow_error)?;
    let rows = converter.convert_columns(&columns).map_err(arrow_error)?;
    Ok(rows.iter().map(|row| row.owned()).collect())
}
