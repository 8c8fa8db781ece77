//! Answers to rows.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, StringArray, TimestampMicrosecondArray},
    compute::nullif,
    datatypes::SchemaRef,
    error::ArrowError,
};

use super::{
    super::{
        reading::Reading,
        rows::with_empty_text,
        time::Micros,
        values::{PointKind, Values},
    },
    ask::Answer,
    question::{Question, Wanted},
    summaries::{self, Beside},
    target::Target,
};
use crate::{
    decode::Scanner,
    error::{Error, ErrorKind, Result},
};

/// Rows of one record batch, about.
const BATCH_ROWS: usize = 65_536;
const BATCH_BYTES: usize = 16 << 20;

/// Columns that are the same in every row of a read.
#[derive(Clone, Debug, Default)]
pub(super) struct Constants {
    pub(super) basis: Option<Arc<str>>,
    pub(super) calculation: Option<Arc<str>>,
    pub(super) expression: Option<Arc<str>>,
}

/// Rows on their way into batches.
pub(super) struct Out {
    schema: SchemaRef,
    empty_text: bool,
    values: Values,
    constants: Constants,
    /// Of each row, in tables that need it.
    beside: Vec<Beside>,
    times: Vec<Micros>,
    /// Rows of streams without any event.
    empty: Vec<usize>,
}

impl Out {
    pub(super) fn new(reading: &Reading, constants: Constants) -> Self {
        Self {
            schema: Arc::new(reading.schema().to_arrow()),
            empty_text: reading.is_compat(),
            values: Values::new(reading.now().timestamp_micros()),
            constants,
            beside: Vec::new(),
            times: Vec::new(),
            empty: Vec::new(),
        }
    }

    /// Whether there are enough rows for a batch.
    pub(super) fn is_full(&self) -> bool {
        self.values.rows() >= BATCH_ROWS || self.values.bytes() >= BATCH_BYTES
    }

    /// Takes in what a target answered; how many rows that made. An answer that cannot be read makes none.
    ///
    /// # Errors
    /// As for [`Values`].
    pub(super) fn take(&mut self, question: &Question, target: &Target, answer: &Answer) -> Result<usize> {
        let first = self.values.rows();
        let taken = self.read(question, target, answer, first);
        if taken.is_err() {
            self.values.truncate(first);
        }
        self.values.end_tag(&target.webid);
        taken.map(|()| self.values.rows() - first)
    }

    fn read(&mut self, question: &Question, target: &Target, answer: &Answer, first: usize) -> Result<()> {
        if let Wanted::Summaries(intervals) = &question.wanted {
            let beside = summaries::read(&answer.body, intervals, &mut self.values)?;
            self.beside.extend(beside);
            return Ok(());
        }
        let mut s = Scanner::from_utf8(&answer.body)?;
        let text = s.text();
        if answer.single {
            self.values.value(&mut s, text, target.kind)?;
        } else {
            let (from, to) = match question.wanted {
                Wanted::Values { from, to } => (from, to),
                _ => (Micros::MIN, Micros::MAX),
            };
            self.values.stream(&mut s, text, target.kind, |at| (from..to).contains(&at))?;
        }
        s.end()?;
        match question.wanted {
            Wanted::Newest if self.values.rows() == first => self.no_event(first)?,
            Wanted::Newest => self.values.mark_snapshot(self.values.rows() - 1),
            Wanted::At(time) => self.times.push(time),
            Wanted::Values { .. } | Wanted::Summaries(_) => {}
        }
        Ok(())
    }

    /// A row that says that there is none.
    fn no_event(&mut self, row: usize) -> Result<()> {
        let nothing = r#"{"Timestamp":"1970-01-01T00:00:00Z","Value":null}"#;
        self.values.value(&mut Scanner::new(nothing), nothing, PointKind::Unknown)?;
        self.empty.push(row);
        Ok(())
    }

    /// The rows as a batch in the table's schema, when there are any; then there are none.
    ///
    /// # Errors
    /// [`Internal`](ErrorKind::Internal) when Arrow refuses the columns, which is a bug.
    pub(super) fn flush(&mut self) -> Result<Option<RecordBatch>> {
        let rows = self.values.rows();
        if rows == 0 {
            return Ok(None);
        }
        let batch = self.values.flush()?;
        let empty = std::mem::take(&mut self.empty);
        let mask = (!empty.is_empty()).then(|| {
            let mut mask = vec![false; rows];
            for row in empty {
                if let Some(is_empty) = mask.get_mut(row) {
                    *is_empty = true;
                }
            }
            BooleanArray::from(mask)
        });
        let beside = std::mem::take(&mut self.beside);
        let times = std::mem::take(&mut self.times);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for field in self.schema.fields() {
            let column: ArrayRef = match field.name().as_str() {
                "summary_type" => Arc::new(StringArray::from_iter_values(beside.iter().map(|b| &*b.summary))),
                "interval_start" => timestamps(beside.iter().map(|b| b.span.0)),
                "interval_end" => timestamps(beside.iter().map(|b| b.span.1)),
                "query_time" => timestamps(times.iter().copied()),
                "calculation_basis" => constant(self.constants.basis.as_deref(), rows),
                "calculation_type" => constant(self.constants.calculation.as_deref(), rows),
                "expression" => constant(self.constants.expression.as_deref(), rows),
                name => {
                    let column = batch.column_by_name(name).ok_or_else(|| no_values(name))?;
                    match (&mask, name) {
                        (Some(mask), "timestamp" | "timestamp_raw" | "event_date") => {
                            nullif(column, mask).map_err(refused)?
                        }
                        _ => Arc::clone(column),
                    }
                }
            };
            columns.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options).map_err(refused)?;
        if self.empty_text { with_empty_text(batch).map(Some) } else { Ok(Some(batch)) }
    }
}

fn timestamps(values: impl Iterator<Item = Micros>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(values).with_timezone("UTC"))
}

fn constant(text: Option<&str>, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter(std::iter::repeat_n(text, rows)))
}

fn no_values(column: &str) -> Error {
    Error::new(ErrorKind::Internal, "a column has no values").with("column", column)
}

fn refused(cause: ArrowError) -> Error {
    Error::new(ErrorKind::Internal, "columns of values do not form a batch").caused_by(cause)
}
