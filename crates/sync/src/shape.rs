//! What a job comes down to: schema, keys, cursor and landing, checked against each other.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use lakeflow_connect::{
    Error, ErrorKind, IngestionType, ReadRequest, Result, StructType, TableMetadata, arrow, stream::ArrowTable,
};

use crate::{
    files::check_partition_columns,
    history,
    job::{Landing, TableJob},
    keys::KeyCodec,
    schema,
};

/// A job with all questions answered.
pub(crate) struct Shape {
    pub(crate) landing: Landing,
    /// What the source sends.
    schema: StructType,
    /// What the table holds.
    pub(crate) stored: StructType,
    pub(crate) keys: Vec<String>,
    pub(crate) cursor: Option<String>,
    metadata: TableMetadata,
}

impl Shape {
    /// Asks the source and checks the answers.
    pub(crate) async fn of(job: &TableJob) -> Result<Self> {
        let metadata = job.connector.read_table_metadata(&job.table).await?;
        let schema = job.connector.get_table_schema(&job.table).await?;
        schema::check_names(&schema)?;
        let landing = job.landing.unwrap_or_else(|| Landing::for_table(&metadata));
        let keys = job.primary_keys.clone().unwrap_or(metadata.primary_keys.clone());
        if keys.is_empty() && landing.needs_keys() {
            return Err(Error::new(ErrorKind::Config, "this landing needs primary keys")
                .with("table", &job.table.name)
                .with("landing", landing.as_str())
                .help("set primary_keys, or land with append or replace"));
        }
        // A snapshot's newest state is what was read, whatever its cursor says.
        let cursor = job.sequence_by.clone().or_else(|| metadata.cursor_field.clone());
        let cursor = cursor.filter(|_| !is_snapshot(landing, &metadata));
        if follows_deletes(landing, &metadata) && cursor.is_none() {
            return Err(Error::new(
                ErrorKind::Config,
                "without a cursor nothing tells a row from a deletion before it",
            )
            .with("table", &job.table.name)
            .with("landing", landing.as_str())
            .help("set sequence_by to a column that grows with every change, or land with cdc"));
        }
        let stored = match landing {
            Landing::History => history::stored(job, &schema, &metadata, cursor.as_deref())?,
            _ => schema.clone(),
        };
        if let Some(lane) = &job.lane {
            check_lane(job, lane, is_snapshot(landing, &metadata))?;
        }
        check_partition_columns(&schema::stored(&schema).to_arrow(), &job.partition_by)?;
        Ok(Self { landing, schema, stored, keys, cursor, metadata })
    }

    /// How rows of a read become Arrow.
    pub(crate) fn rows(&self, request: &ReadRequest) -> Result<ArrowTable> {
        ArrowTable::new(request, &self.schema, &self.metadata)
    }

    /// How deletions of a read become Arrow: only keys and cursor, which is all they must have.
    pub(crate) fn deleted_rows(&self, request: &ReadRequest) -> Result<ArrowTable> {
        let mut columns: Vec<String> = Vec::new();
        for name in self.keys.iter().chain(&self.cursor) {
            let root = match self.schema.field(name) {
                Some(_) => name.as_str(),
                None => name.split('.').next().unwrap_or(name),
            };
            if !columns.iter().any(|c| c == root) {
                columns.push(root.to_owned());
            }
        }
        ArrowTable::new(&request.clone().columns(columns), &self.schema, &self.metadata)
    }

    /// Whether every run reads the whole table.
    pub(crate) fn is_snapshot(&self) -> bool {
        is_snapshot(self.landing, &self.metadata)
    }

    /// Whether deletions are read, too.
    pub(crate) fn follows_deletes(&self) -> bool {
        follows_deletes(self.landing, &self.metadata)
    }

    /// The columns of deletion files: the key columns as `k0`, `k1`, …, then the cursor as `c`.
    pub(crate) fn deletions(codec: &KeyCodec) -> Result<(SchemaRef, KeyCodec)> {
        let keys = codec.key_columns().len();
        let name = |i: usize| if i < keys { format!("k{i}") } else { "c".to_owned() };
        let fields: Vec<_> =
            codec.columns().enumerate().map(|(i, c)| Field::new(name(i), c.data_type.clone(), true)).collect();
        let cursor = (fields.len() > keys).then_some("c");
        let schema = Schema::new(fields);
        let codec = KeyCodec::new(&schema, &(0..keys).map(name).collect::<Vec<_>>(), cursor)?;
        Ok((Arc::new(schema), codec))
    }
}

/// Refuses names that a flow could not be found by again, and lanes that would remove each other's rows.
fn check_lane(job: &TableJob, lane: &str, is_snapshot: bool) -> Result<()> {
    let refuse = |what: &'static str, help: &'static str| {
        Err(Error::new(ErrorKind::Config, what).with("table", &job.table.name).with("lane", lane).help(help))
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !(1..=40).contains(&lane.len()) || !lane.chars().all(plain) || matches!(lane, "rows" | "deletes") {
        return refuse("this is no name for a lane", "use up to 40 letters, digits, '-' or '_'");
    }
    if is_snapshot {
        return refuse(
            "a table that every run reads in full has no lanes: each would remove the other's rows",
            "leave 'lane' out, or choose another destination",
        );
    }
    Ok(())
}

fn is_snapshot(landing: Landing, metadata: &TableMetadata) -> bool {
    let of_snapshots = landing == Landing::History && metadata.ingestion_type == IngestionType::Snapshot;
    of_snapshots || matches!(landing, Landing::Replace | Landing::Diff)
}

fn follows_deletes(landing: Landing, metadata: &TableMetadata) -> bool {
    let of_deletions = landing == Landing::History && metadata.ingestion_type == IngestionType::CdcWithDeletes;
    of_deletions || landing == Landing::CdcWithDeletes
}
