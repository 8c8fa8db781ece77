//! Two rankings made one: rows that both searches find stand before those that one finds.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float32Array, RecordBatch, RecordBatchOptions, UInt64Array},
    compute::{cast, concat_batches, interleave, take},
    datatypes::{DataType, Field, Schema, UInt64Type},
    error::ArrowError,
};

use super::super::ipc::Answer;
use crate::error::{Error, ErrorKind, Result};

/// How much the first ranks count more than later ones: the constant of reciprocal rank fusion that its authors found good.
const CONSTANT: f64 = 60.0;
const ROW_ID: &str = "_rowid";
/// What each search adds to the rows that it finds.
pub(super) const DISTANCE: &str = "_distance";
pub(super) const SCORE: &str = "_score";
const RELEVANCE: &str = "_relevance_score";

/// The best rows of both answers, with `_distance`, `_score` and `_relevance_score`; both have row ids.
///
/// A row's relevance is the sum of 1 / (60 + its place) over the answers that have it, the best first.
///
/// # Errors
/// [`Protocol`](ErrorKind::Protocol) for answers without row ids or of different columns.
pub(super) fn fused(neighbours: &Answer, words: &Answer, skip: usize, most: usize) -> Result<RecordBatch> {
    fuse(neighbours, words, skip, most).map_err(|error| {
        Error::new(ErrorKind::Protocol, "the answers to the two searches do not fit together").caused_by(error)
    })
}

fn fuse(neighbours: &Answer, words: &Answer, skip: usize, most: usize) -> Result<RecordBatch, ArrowError> {
    let neighbours = concat_batches(&neighbours.schema, &neighbours.batches)?;
    let words = concat_batches(&words.schema, &words.batches)?;
    let ranked = ranking([ids(&neighbours)?.values(), ids(&words)?.values()], skip, most);

    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    let places: Vec<_> = ranked.iter().map(Ranked::place).collect();
    for (field, column) in neighbours.schema_ref().fields().iter().zip(neighbours.columns()) {
        if field.name() == DISTANCE {
            continue;
        }
        let other = found(&words, field.name())?;
        fields.push(Arc::clone(field));
        columns.push(interleave(&[column.as_ref(), other.as_ref()], &places)?);
    }
    for (name, batch, rows) in [
        (DISTANCE, &neighbours, ranked.iter().map(|row| row.rows[0]).collect::<UInt64Array>()),
        (SCORE, &words, ranked.iter().map(|row| row.rows[1]).collect()),
    ] {
        let column = take(found(batch, name)?, &rows, None)?;
        fields.push(Arc::new(Field::new(name, column.data_type().clone(), true)));
        columns.push(column);
    }
    fields.push(Arc::new(Field::new(RELEVANCE, DataType::Float32, false)));
    columns.push(Arc::new(ranked.iter().map(|row| row.relevance as f32).collect::<Float32Array>()));
    let options = RecordBatchOptions::new().with_row_count(Some(ranked.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

/// A row by its place in either answer.
#[derive(Debug, Default)]
struct Ranked {
    rows: [Option<u64>; 2],
    relevance: f64,
}

impl Ranked {
    fn place(&self) -> (usize, usize) {
        match self.rows {
            [Some(row), _] => (0, row as usize),
            [None, row] => (1, row.unwrap_or_default() as usize),
        }
    }
}

fn ranking(answers: [&[u64]; 2], skip: usize, most: usize) -> Vec<Ranked> {
    let mut ranked: Vec<Ranked> = Vec::new();
    let mut known = HashMap::new();
    for (which, ids) in answers.into_iter().enumerate() {
        for (row, id) in ids.iter().enumerate() {
            let at = *known.entry(*id).or_insert(ranked.len());
            if at == ranked.len() {
                ranked.push(Ranked::default());
            }
            ranked[at].rows[which] = Some(row as u64);
            ranked[at].relevance += 1.0 / (CONSTANT + row as f64 + 1.0);
        }
    }
    // Rows of equal relevance stay as they came: neighbours first.
    ranked.sort_by(|a, b| b.relevance.total_cmp(&a.relevance));
    ranked.into_iter().skip(skip).take(most).collect()
}

fn ids(batch: &RecordBatch) -> Result<UInt64Array, ArrowError> {
    let ids = cast(found(batch, ROW_ID)?, &DataType::UInt64)?;
    match ids.null_count() {
        0 => Ok(ids.as_primitive::<UInt64Type>().clone()),
        _ => Err(ArrowError::InvalidArgumentError("a row has no id".to_owned())),
    }
}

fn found<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ArrowError> {
    batch.column_by_name(name).ok_or_else(|| ArrowError::InvalidArgumentError(format!("there is no column {name}")))
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::StringArray,
        datatypes::{Float32Type, SchemaRef},
    };

    use super::*;

    fn answer(measure: &str, rows: &[(u64, &str, f32)]) -> Answer {
        let columns: [(&str, ArrayRef); 3] = [
            ("name", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)))),
            (ROW_ID, Arc::new(UInt64Array::from_iter_values(rows.iter().map(|row| row.0)))),
            (measure, Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.2)))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        Answer { schema: SchemaRef::clone(batch.schema_ref()), batches: vec![batch] }
    }

    #[test]
    fn rows_of_both_answers_come_first_and_every_row_once() {
        let neighbours = answer(DISTANCE, &[(7, "a", 0.0), (8, "b", 1.0), (9, "c", 2.0)]);
        let words = answer(SCORE, &[(9, "c", 5.0), (4, "d", 4.0)]);
        let all = fused(&neighbours, &words, 0, 10).unwrap();
        let names: Vec<_> = all.column(0).as_string::<i32>().iter().flatten().collect();
        assert_eq!(names, ["c", "a", "b", "d"]);
        let numbers = |name| {
            let column = all.column_by_name(name).unwrap().as_primitive::<Float32Type>();
            column.iter().collect::<Vec<_>>()
        };
        assert_eq!(numbers(DISTANCE), [Some(2.0), Some(0.0), Some(1.0), None]);
        assert_eq!(numbers(SCORE), [Some(5.0), None, None, Some(4.0)]);
        let relevance = numbers(RELEVANCE);
        assert_eq!(relevance[0], Some((1.0 / 63.0 + 1.0 / 61.0) as f32));
        assert_eq!(relevance[3], Some((1.0 / 62.0) as f32));
        let part = fused(&neighbours, &words, 1, 2).unwrap();
        assert_eq!(part.column(0).as_string::<i32>().iter().flatten().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn searches_without_rows_or_ids_are_told_apart() {
        let nothing = fused(&answer(DISTANCE, &[]), &answer(SCORE, &[]), 0, 10).unwrap();
        assert_eq!((nothing.num_rows(), nothing.num_columns()), (0, 5));
        assert_eq!(fused(&answer(DISTANCE, &[]), &answer("other", &[]), 0, 1).unwrap_err().kind(), ErrorKind::Protocol);
    }
}
