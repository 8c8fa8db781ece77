//! Compares a table with what the library's server holds, document by document, vector by vector.

use std::collections::HashMap;

use deltalake::arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::{Float32Type, Int64Type},
    record_batch::RecordBatch,
};
use lakeflow_connect::Result;

use super::stored::{differs, unreadable};

/// The columns that are compared.
pub(super) const COLUMNS: &[&str] = &["id", "title", "embedding"];

/// A title, and the bits of a vector's numbers.
type Document = (Option<String>, Option<Vec<u32>>);

/// How many rows there are, all of them equal to the server's documents.
///
/// # Errors
/// [`Internal`](lakeflow_connect::ErrorKind::Internal) naming what differs: it would be a bug.
pub(super) fn compare(table: &str, wanted: &RecordBatch, rows: &[RecordBatch]) -> Result<u64> {
    let mut expected: HashMap<i64, Document> =
        documents(wanted).ok_or_else(|| unreadable(table))?.into_iter().collect();
    for batch in rows {
        for (id, document) in documents(batch).ok_or_else(|| unreadable(table))? {
            match expected.remove(&id) {
                Some(wanted) if wanted == document => {}
                Some(_) => return Err(differs("a document has another title or vector in the table", table)),
                None => return Err(differs("the table has a document twice, or one that was deleted", table)),
            }
        }
    }
    if !expected.is_empty() {
        return Err(differs("documents are missing in the table", table).with("missing", expected.len()));
    }
    Ok(rows.iter().map(|batch| batch.num_rows() as u64).sum())
}

/// Documents by id; nothing when a column is missing or of another type.
fn documents(batch: &RecordBatch) -> Option<Vec<(i64, Document)>> {
    let ids = batch.column_by_name("id")?.as_primitive_opt::<Int64Type>()?;
    let titles = batch.column_by_name("title")?.as_string_opt::<i32>()?;
    let vectors = batch.column_by_name("embedding")?;
    let of = |row: usize| {
        let title = titles.is_valid(row).then(|| titles.value(row).to_owned());
        Some((ids.value(row), (title, vector(vectors, row)?)))
    };
    (0..batch.num_rows()).map(of).collect()
}

/// The vector of a row, of a list of fixed size as the server has it or of any size as Delta has it.
fn vector(vectors: &ArrayRef, row: usize) -> Option<Option<Vec<u32>>> {
    if vectors.is_null(row) {
        return Some(None);
    }
    let numbers = match (vectors.as_fixed_size_list_opt(), vectors.as_list_opt::<i32>()) {
        (Some(fixed), _) => fixed.value(row),
        (None, lists) => lists?.value(row),
    };
    Some(Some(numbers.as_primitive_opt::<Float32Type>()?.values().iter().map(|number| number.to_bits()).collect()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use deltalake::arrow::array::{FixedSizeListArray, Int64Array, ListArray, StringArray};
    use lakeflow_connect::ErrorKind;

    use super::*;

    fn rows(fixed: bool, ids: &[i64], vectors: &[Option<[f32; 2]>]) -> RecordBatch {
        let numbers = vectors.iter().map(|vector| vector.map(|vector| vector.map(Some)));
        let vectors: ArrayRef = match fixed {
            true => Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(numbers, 2)),
            false => Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(numbers)),
        };
        let titles: ArrayRef = Arc::new(StringArray::from(vec![Some("t"); ids.len()]));
        let ids: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
        RecordBatch::try_from_iter_with_nullable([
            ("id", ids, false),
            ("title", titles, true),
            ("embedding", vectors, true),
        ])
        .unwrap()
    }

    #[test]
    fn every_bit_of_a_vector_is_compared_and_no_document_may_lack_or_be_too_many() {
        let wanted = rows(true, &[1, 2], &[Some([0.0, 1.0]), None]);
        let compared = |ids: &[i64], vectors: &[Option<[f32; 2]>]| compare("t", &wanted, &[rows(false, ids, vectors)]);
        assert_eq!(compared(&[2, 1], &[None, Some([0.0, 1.0])]).unwrap(), 2);
        for (ids, vectors) in [
            (&[1, 2][..], &[Some([-0.0, 1.0]), None][..]),
            (&[1, 2], &[Some([0.0, 1.0]), Some([0.0, 0.0])]),
            (&[1], &[Some([0.0, 1.0])]),
            (&[1, 2, 2], &[Some([0.0, 1.0]), None, None]),
            (&[1, 3], &[Some([0.0, 1.0]), None]),
        ] {
            assert_eq!(compared(ids, vectors).unwrap_err().kind(), ErrorKind::Internal, "{ids:?} {vectors:?}");
        }
    }
}
