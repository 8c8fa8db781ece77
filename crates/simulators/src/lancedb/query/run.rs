//! The answer to a question.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, Float32Array, Int32Array, RecordBatch, UInt32Array},
    compute::{concat_batches, take},
    datatypes::{DataType, Field, FieldRef, Schema},
};

use super::{
    body::{Query, Search},
    columns::{Column, Projection},
    nearest::nearest,
    scan::{self, Picked},
    words::with_words,
};
use crate::lancedb::{filter::Expression, refusal::Refusal, table::Version};

/// One row that a search has found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) part: usize,
    pub(super) row: u32,
    /// Distance or score.
    pub(super) measure: f32,
}

/// Neighbours and hits when a search does not say how many.
const DEFAULT_LIMIT: u64 = 10;

impl Query {
    /// The rows that are asked for.
    ///
    /// # Errors
    /// For what the table does not have, and what the query engine says about the filter and values.
    pub(crate) fn run(&self, version: &Version, column_bytes: usize) -> Result<RecordBatch, Refusal> {
        let filter = self.filter.as_deref().map(|text| Expression::condition(text, &version.schema)).transpose()?;
        match &self.search {
            Search::None => {
                let projection = Projection::of(&self.columns, &version.schema, self.with_row_id, &[])?;
                let picked = scan::pick(version, filter.as_ref(), self.offset, self.limit)?;
                let (fields, columns) = scan::gather(version, &picked, &projection, column_bytes)?;
                let schema = Arc::new(Schema::new_with_metadata(fields, version.schema.metadata().clone()));
                scan::batch(schema, columns, picked.iter().map(Picked::len).sum())
            }
            Search::Vectors(vectors, how) => {
                let mut answers = Vec::new();
                for (at, vector) in vectors.iter().enumerate() {
                    let found = nearest(version, vector, how, self.dialect, |part, before| {
                        self.before(filter.as_ref(), version, part, before)
                    })?;
                    let answer = self.answer(version, filter.as_ref(), found, "_distance", column_bytes)?;
                    answers.push(if vectors.len() > 1 { numbered(&answer, at)? } else { answer });
                }
                let schema = answers.first().map(RecordBatch::schema).ok_or_else(|| Refusal::body("vector: none"))?;
                concat_batches(&schema, &answers).map_err(|error| Refusal::failed(error.to_string()))
            }
            Search::Words(words) => {
                let found =
                    with_words(version, words, |part, before| self.before(filter.as_ref(), version, part, before))?;
                self.answer(version, filter.as_ref(), found, "_score", column_bytes)
            }
        }
    }

    /// Which rows of a part may be found at all.
    fn before(
        &self,
        filter: Option<&Expression>,
        version: &Version,
        part: usize,
        before: u64,
    ) -> Result<Option<arrow::buffer::BooleanBuffer>, Refusal> {
        let Some(part) = version.parts.get(part) else { return Ok(None) };
        let mask = filter.filter(|_| self.prefilter).map(|filter| filter.mask(part, before)).transpose()?;
        Ok(part.selected(mask.as_ref()))
    }

    /// The best of what was found, in order, with their measure.
    fn answer(
        &self,
        version: &Version,
        filter: Option<&Expression>,
        mut found: Vec<Found>,
        measure: &str,
        column_bytes: usize,
    ) -> Result<RecordBatch, Refusal> {
        found.truncate(usize::try_from(self.limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX));
        if let Some(filter) = filter.filter(|_| !self.prefilter) {
            let masks = version.parts.iter().map(|part| filter.mask(part, 0)).collect::<Result<Vec<_>, _>>()?;
            found.retain(|hit| {
                masks.get(hit.part).is_some_and(|mask| mask.is_valid(hit.row as usize) && mask.value(hit.row as usize))
            });
        }
        let found =
            found.get(usize::try_from(self.offset).unwrap_or(usize::MAX).min(found.len())..).unwrap_or_default();
        let field: FieldRef = Arc::new(Field::new(measure, DataType::Float32, true));
        let projection = Projection::of(&self.columns, &version.schema, self.with_row_id, &[field])?;
        // Rows of each part together, then put in order.
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by_key(|at| found[*at].part);
        let mut places = vec![0_u32; found.len()];
        for (place, at) in order.iter().enumerate() {
            places[*at] = place as u32;
        }
        let mut picked: Vec<Picked> = Vec::new();
        for group in order.chunk_by(|a, b| found[*a].part == found[*b].part) {
            let Some(first) = group.first() else { continue };
            let rows: UInt32Array = group.iter().map(|at| found[*at].row).collect();
            picked.push(Picked::these(found[*first].part, 0, rows));
        }
        let (_, columns) = scan::gather(version, &picked, &projection, column_bytes)?;
        let places = UInt32Array::from(places);
        let ordered = columns.iter().map(|column| take(column, &places, None));
        let mut ordered =
            ordered.collect::<Result<Vec<_>, _>>().map_err(|error| Refusal::failed(error.to_string()))?.into_iter();
        let measures: ArrayRef = Arc::new(found.iter().map(|hit| Some(hit.measure)).collect::<Float32Array>());
        let (mut fields, mut arrays) = (Vec::new(), Vec::new());
        for column in &projection.0 {
            match column {
                Column::Of(field, _) => {
                    fields.push(Arc::clone(field));
                    arrays.extend(ordered.next());
                }
                Column::Found(field, _) => {
                    fields.push(Arc::clone(field));
                    arrays.push(Arc::clone(&measures));
                }
            }
        }
        let schema = Schema::new_with_metadata(fields, version.schema.metadata().clone());
        scan::batch(Arc::new(schema), arrays, found.len())
    }

    /// The steps in which the question is answered, as text.
    ///
    /// # Errors
    /// As for [`run`](Self::run).
    pub(crate) fn plan(&self, version: &Version) -> Result<String, Refusal> {
        let projection = Projection::of(&self.columns, &version.schema, self.with_row_id, &[])?;
        let names: Vec<String> = projection
            .0
            .iter()
            .map(|column| match column {
                Column::Of(field, _) | Column::Found(field, _) => format!("{0} as {0}", field.name()),
            })
            .collect();
        let limit = self.limit.map_or_else(|| "None".to_owned(), |limit| limit.to_string());
        let filter = self.filter.as_deref().unwrap_or("--");
        if let Some(text) = &self.filter {
            Expression::condition(text, &version.schema)?;
        }
        let search = match &self.search {
            Search::None => String::new(),
            Search::Vectors(vectors, _) => format!("    KNNVectorDistance: metric=flat, queries={}\n", vectors.len()),
            Search::Words(words) => format!("    MatchQuery: query={}\n", words.terms),
        };
        Ok(format!(
            "ProjectionExec: expr=[{}]\n  GlobalLimitExec: skip={}, fetch={limit}\n{search}    LanceRead: num_fragments={}, full_filter={filter}\n",
            names.join(", "),
            self.offset,
            version.parts.len(),
        ))
    }
}

/// An answer whose rows tell which of several vectors they belong to.
fn numbered(answer: &RecordBatch, at: usize) -> Result<RecordBatch, Refusal> {
    let number = i32::try_from(at).unwrap_or(i32::MAX);
    let mut fields: Vec<FieldRef> = answer.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("query_index", DataType::Int32, true)));
    let mut columns = answer.columns().to_vec();
    columns.push(Arc::new(Int32Array::from_value(number, answer.num_rows())));
    let schema = Schema::new_with_metadata(fields, answer.schema().metadata().clone());
    scan::batch(Arc::new(schema), columns, answer.num_rows())
}
