//! Rows of a version, in the order of its fragments.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, UInt32Array},
    compute::{concat, take},
    datatypes::{DataType, FieldRef, SchemaRef},
};

use super::columns::{Column, Projection};
use crate::lancedb::{filter::Expression, refusal::Refusal, table::Version};

/// Rows of one fragment.
#[derive(Debug)]
pub(super) struct Picked {
    pub(super) part: usize,
    /// Live rows of fragments before it.
    before: u64,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Range(usize, usize),
    These(UInt32Array),
}

impl Picked {
    pub(super) fn these(part: usize, before: u64, rows: UInt32Array) -> Self {
        Self { part, before, rows: Rows::These(rows) }
    }

    pub(super) fn len(&self) -> usize {
        match &self.rows {
            Rows::Range(_, rows) => *rows,
            Rows::These(rows) => rows.len(),
        }
    }
}

fn failed(error: impl std::fmt::Display) -> Refusal {
    Refusal::failed(format!("Failed to execute query: Arrow error: {error}"))
}

/// Rows that a filter selects, without the first `offset` of them and no more than `limit`.
pub(super) fn pick(
    version: &Version,
    filter: Option<&Expression>,
    offset: u64,
    limit: Option<u64>,
) -> Result<Vec<Picked>, Refusal> {
    let (mut skip, mut left) = (offset, limit.unwrap_or(u64::MAX));
    let (mut picked, mut before) = (Vec::new(), 0);
    for (at, part) in version.parts.iter().enumerate() {
        if left == 0 {
            break;
        }
        let mask = filter.map(|filter| filter.mask(part, before)).transpose()?;
        let selected = part.selected(mask.as_ref());
        let found = selected.as_ref().map_or(part.len(), arrow::buffer::BooleanBuffer::count_set_bits) as u64;
        let skipped = skip.min(found);
        skip -= skipped;
        let rows = (found - skipped).min(left);
        left -= rows;
        if rows > 0 {
            let rows = match selected {
                None => Rows::Range(skipped as usize, rows as usize),
                Some(selected) => {
                    let rows = selected.set_indices().skip(skipped as usize).take(rows as usize);
                    Rows::These(rows.map(|row| row as u32).collect())
                }
            };
            picked.push(Picked { part: at, before, rows });
        }
        before += part.rows() as u64;
    }
    Ok(picked)
}

/// The columns of picked rows; what the search adds is left out.
pub(super) fn gather(
    version: &Version,
    picked: &[Picked],
    projection: &Projection,
    column_bytes: usize,
) -> Result<(Vec<FieldRef>, Vec<ArrayRef>), Refusal> {
    let own = projection.0.iter().filter_map(|column| match column {
        Column::Of(field, value) => Some((field, value)),
        Column::Found(..) => None,
    });
    let mut all = (Vec::new(), Vec::new());
    for (field, value) in own {
        let mut pieces = Vec::new();
        for picked in picked {
            let Some(part) = version.parts.get(picked.part) else { continue };
            let whole = value.array(part, picked.before)?;
            pieces.push(match &picked.rows {
                Rows::Range(from, rows) => whole.slice(*from, *rows),
                Rows::These(rows) => take(&whole, rows, None).map_err(failed)?,
            });
        }
        if pieces.iter().map(bytes_of_values).sum::<usize>() > column_bytes {
            return Err(Refusal::failed(
                "Failed to execute query: Arrow error: Offset overflow error: offset overflow",
            ));
        }
        let pieces: Vec<&dyn Array> = pieces.iter().map(AsRef::as_ref).collect();
        all.1.push(match pieces.as_slice() {
            [] => arrow::array::new_empty_array(field.data_type()),
            pieces => concat(pieces).map_err(failed)?,
        });
        all.0.push(Arc::clone(field));
    }
    Ok(all)
}

/// A batch, also of no columns.
pub(super) fn batch(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Refusal> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(failed)
}

/// Bytes of the values of a text or binary column: what 32-bit offsets must reach.
fn bytes_of_values(array: &ArrayRef) -> usize {
    let span = |offsets: &[i32]| match offsets {
        [first, .., last] => usize::try_from(last - first).unwrap_or(0),
        _ => 0,
    };
    match array.data_type() {
        DataType::Utf8 => span(array.as_string::<i32>().value_offsets()),
        DataType::Binary => span(array.as_binary::<i32>().value_offsets()),
        _ => 0,
    }
}
