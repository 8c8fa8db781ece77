//! Tables that keep every version of a row: their columns, and the moments of rows on their way into them.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, TimestampMicrosecondArray},
    datatypes::DataType as ArrowType,
};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use lakeflow_connect::{
    DataType, Error, ErrorKind, IngestionType, Result, StructField, StructType, TableMetadata, arrow,
};

use crate::{
    doc::FlowDoc,
    error::sink,
    flow_id::FlowId,
    job::TableJob,
    keys::ColumnPath,
    schema,
    sequence::{END_AT, Moment, START_AT, Sequence},
};

/// The columns of a history: those of the source, and from when until when a version is valid.
///
/// # Errors
/// [`Config`](ErrorKind::Config) for tables that have no versions, or no order of them.
pub(crate) fn stored(
    job: &TableJob,
    source: &StructType,
    metadata: &TableMetadata,
    cursor: Option<&str>,
) -> Result<StructType> {
    let refuse = |what: &'static str| Error::new(ErrorKind::Config, what).with("table", &job.table.name);
    if metadata.ingestion_type == IngestionType::Append {
        return Err(refuse(
            "a table that only grows has no versions of rows, so there is no history to keep (SCD type 2)",
        )
        .help("leave scd_type out: every row is kept"));
    }
    let sequence = match (metadata.ingestion_type, cursor) {
        (IngestionType::Snapshot, _) if job.sequence_by.is_some() => {
            return Err(refuse("a table that is read in full is ordered by the times of its runs, not by a column")
                .help("leave sequence_by out"));
        }
        (IngestionType::Snapshot, _) => DataType::Timestamp,
        (_, None) => {
            return Err(refuse("without a cursor nothing orders the versions of a row (SCD type 2)")
                .help("set sequence_by to a column that grows with every change, or use SCD_TYPE_1"));
        }
        (_, Some(cursor)) => match schema::type_at(source, cursor) {
            None => return Err(Error::unknown("cursor column", cursor, source.names())),
            Some(DataType::Array(_) | DataType::Map(_) | DataType::Struct(_) | DataType::Variant) => {
                return Err(refuse("a column that is no single value cannot order versions").with("column", cursor));
            }
            Some(data_type) => data_type.clone(),
        },
    };
    if let Some(column) = source.names().find(|n| [START_AT, END_AT].iter().any(|own| own.eq_ignore_ascii_case(n))) {
        return Err(refuse("the source has a column of the name that a history uses").with("column", column));
    }
    let mut all = source.clone();
    let start = "The sequencing value from which on this version is valid";
    let end = "The sequencing value of the next version or of the deletion; null for the current version";
    all.fields.push(StructField::new(START_AT, sequence.clone()).comment(start));
    all.fields.push(StructField::new(END_AT, sequence).comment(end));
    Ok(all)
}

/// Where versions begin.
#[derive(Debug)]
pub(crate) enum Starts {
    /// With the value of the sequencing column.
    Column(ColumnPath),
    /// With the run, of tables that are read in full.
    Run(DateTime<Utc>),
}

impl Starts {
    /// The start of a run: later than any before it, whatever clocks do.
    pub(crate) fn of_run(now: DateTime<Utc>, last: Option<&FlowDoc>) -> Self {
        let now = now.trunc_subsecs(6);
        let after = last.map(|last| last.written_at.trunc_subsecs(6) + TimeDelta::microseconds(1));
        Self::Run(after.map_or(now, |after| after.max(now)))
    }

    /// When the run took the whole table, if it did.
    pub(crate) fn run(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Column(_) => None,
            Self::Run(at) => Some(*at),
        }
    }

    /// The same as a moment.
    pub(crate) fn moment(&self, sequence: &Sequence) -> Result<Option<Moment>> {
        let Self::Run(at) = self else { return Ok(None) };
        let moments = sequence.values(column_of(*at, 1, &sequence.start.data_type))?;
        Ok(moments.get(0).map(Into::into))
    }

    /// A batch in the table's schema with its starts.
    ///
    /// # Errors
    /// [`Data`](ErrorKind::Data) for a row without a sequencing value.
    pub(crate) fn put(&self, batch: RecordBatch, flow: &FlowId) -> Result<RecordBatch> {
        let place = batch.schema_ref().index_of(START_AT).map_err(|e| sink("writing a history", e))?;
        let starts = match self {
            Self::Column(column) => column.extract(&batch)?,
            Self::Run(at) => column_of(*at, batch.num_rows(), batch.schema_ref().field(place).data_type()),
        };
        if let (true, Self::Column(column)) = (starts.null_count() > 0, self) {
            return Err(Error::new(ErrorKind::Data, "a row has no value in the column that orders its versions")
                .with("table", &flow.table)
                .with("column", &column.name)
                .help("set sequence_by to a column that every row has, or use SCD_TYPE_1"));
        }
        let mut columns = batch.columns().to_vec();
        columns[place] = starts;
        RecordBatch::try_new(batch.schema(), columns).map_err(|e| sink("writing a history", e))
    }
}

/// A column of one instant, in the type of the table's column.
fn column_of(at: DateTime<Utc>, rows: usize, data_type: &ArrowType) -> ArrayRef {
    let column = TimestampMicrosecondArray::from_value(at.timestamp_micros(), rows);
    match data_type {
        ArrowType::Timestamp(_, Some(zone)) => Arc::new(column.with_timezone(Arc::clone(zone))),
        _ => Arc::new(column),
    }
}
