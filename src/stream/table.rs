//! Any stream as Arrow in its table's schema.

use std::sync::Arc;

use arrow::{
    datatypes::{Fields, SchemaRef},
    record_batch::RecordBatch,
};
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};

use super::conform::conform;
use crate::{
    connector::{LakeflowConnect, TableMetadata},
    decode::{DecodeOptions, Decoder, Shape},
    error::{Error, ErrorKind, Result},
    read::{BadRows, ReadEvent, ReadRequest, ReadStream, Records},
    types::StructType,
};

/// A table as a host takes it: all of its columns or some, every row as Arrow in exactly this schema.
#[derive(Clone, Debug)]
pub struct ArrowTable {
    name: String,
    shape: Arc<Shape>,
    known: Fields,
    primary_keys: Vec<String>,
    bad_rows: BadRows,
}

impl ArrowTable {
    /// The table that a request reads, with the columns that it asks for, in the order it asks for them.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) with near matches for a column that the table does not have,
    /// [`Config`](ErrorKind::Config) for one that is asked for twice.
    pub fn new(request: &ReadRequest, schema: &StructType, metadata: &TableMetadata) -> Result<Self> {
        let name = request.table.name.clone();
        let wanted = match &request.columns {
            Some(columns) => project(schema, columns).map_err(|e| e.with("table", &name))?,
            None => schema.clone(),
        };
        Ok(Self {
            name,
            shape: Arc::new(Shape::new(&wanted)),
            known: schema.to_arrow().fields,
            primary_keys: metadata.primary_keys.clone(),
            bad_rows: request.bad_rows,
        })
    }

    /// As [`ArrowTable::new`], asking the connector for schema and metadata.
    ///
    /// # Errors
    /// As [`ArrowTable::new`] and [`LakeflowConnect::get_table_schema`].
    pub async fn describe(connector: &dyn LakeflowConnect, request: &ReadRequest) -> Result<Self> {
        let schema = connector.get_table_schema(&request.table).await?;
        let metadata = connector.read_table_metadata(&request.table).await?;
        Self::new(request, &schema, &metadata)
    }

    /// The columns of every batch.
    pub fn schema(&self) -> &StructType {
        self.shape.schema()
    }

    /// The Arrow schema of every batch.
    pub fn arrow_schema(&self) -> SchemaRef {
        Arc::clone(self.shape.arrow_schema())
    }

    /// The same events with all rows as [`Records::Arrow`] in this schema; one batch for each event with rows.
    ///
    /// JSON is cast by [`decode`](crate::decode); rows that do not fit are treated as the request said. Batches may have
    /// their columns in any order, leave out nullable ones and use any Arrow layout of the same Spark type.
    ///
    /// # Errors
    /// Those of the stream and of the cast; [`Data`](ErrorKind::Data), naming table and column, for a batch that does not
    /// fit: another type, an unknown column, no value where there must be one, values finer than microseconds. The
    /// first error ends the stream.
    pub fn events(&self, events: ReadStream) -> ReadStream {
        let options = DecodeOptions::new(&self.name).primary_keys(&self.primary_keys);
        let decoder = Decoder::new(Arc::clone(&self.shape), options);
        let state = (events, self.clone(), decoder);
        let converted = stream::try_unfold(state, |(mut events, table, mut decoder)| async move {
            match events.try_next().await? {
                Some(event) => table.convert(event, &mut decoder).map(|got| Some((got, (events, table, decoder)))),
                None => Ok(None),
            }
        });
        converted.map_ok(|events| stream::iter(events).map(Ok)).try_flatten().boxed()
    }

    fn convert(&self, event: ReadEvent, decoder: &mut Decoder) -> Result<Vec<ReadEvent>> {
        Ok(match event {
            ReadEvent::Records(Records::Arrow(batch)) => {
                let batch = conform(&batch, self.shape.arrow_schema(), &self.known);
                vec![ReadEvent::Records(Records::Arrow(batch.map_err(|e| e.with("table", &self.name))?))]
            }
            ReadEvent::Records(Records::Json(lines)) => {
                let quarantined = decoder.decode_lines(&lines, self.bad_rows)?;
                let mut events = Vec::with_capacity(2);
                if decoder.rows() > 0 {
                    events.push(ReadEvent::Records(Records::Arrow(decoder.flush()?)));
                }
                if !quarantined.is_empty() {
                    events.push(ReadEvent::Quarantined(quarantined));
                }
                events
            }
            other @ (ReadEvent::Quarantined(_) | ReadEvent::Checkpoint(_)) => vec![other],
        })
    }
}

/// Reads a table as events whose rows are Arrow in the table's schema; see [`ArrowTable::events`].
///
/// Lazy as every read: schema and metadata are asked for at the first poll.
pub fn arrow_events(connector: &Arc<dyn LakeflowConnect>, request: ReadRequest) -> ReadStream {
    let connector = Arc::clone(connector);
    let events = async move {
        let table = ArrowTable::describe(connector.as_ref(), &request).await;
        table.map(|table| table.events(connector.read_table(request)))
    };
    stream::once(events).try_flatten().boxed()
}

/// Reads a table as record batches in the table's schema, for programs that keep no offset.
///
/// # Errors
/// As [`ArrowTable::events`]; [`Config`](ErrorKind::Config) when a row goes to quarantine, since it would be lost here.
pub fn arrow_batches(
    connector: &Arc<dyn LakeflowConnect>,
    request: ReadRequest,
) -> BoxStream<'static, Result<RecordBatch>> {
    let table = request.table.name.clone();
    let batches = arrow_events(connector, request).try_filter_map(move |event| {
        let batch = match event {
            ReadEvent::Records(Records::Arrow(batch)) => Ok(Some(batch)),
            ReadEvent::Records(Records::Json(_)) => {
                Err(Error::new(ErrorKind::Internal, "rows came out as JSON").with("table", &table))
            }
            ReadEvent::Quarantined(_) => Err(Error::new(
                ErrorKind::Config,
                "a row went to quarantine, and a stream of batches has no place for it",
            )
            .with("table", &table)
            .help("use arrow_events, or ask for BadRows::Fail")),
            ReadEvent::Checkpoint(_) => Ok(None),
        };
        std::future::ready(batch)
    });
    batches.boxed()
}

fn project(schema: &StructType, columns: &[String]) -> Result<StructType> {
    let mut fields = Vec::with_capacity(columns.len());
    for (i, column) in columns.iter().enumerate() {
        if columns.iter().take(i).any(|other| other == column) {
            return Err(Error::new(ErrorKind::Config, format!("the column '{column}' is asked for twice")));
        }
        let field = schema.field(column).ok_or_else(|| Error::unknown("column", column, schema.names()))?;
        fields.push(field.clone());
    }
    Ok(StructType { fields })
}
