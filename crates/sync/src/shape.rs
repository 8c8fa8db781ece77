//! What a job comes down to: schema, keys, cursor and landing, checked against each other.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use lakeflow_connect::{Error, ErrorKind, ReadRequest, Result, StructType, TableMetadata, arrow, stream::ArrowTable};

use crate::{
    files::check_partition_columns,
    job::{Landing, TableJob},
    keys::KeyCodec,
    schema,
};

/// A job with all questions answered.
pub(crate) struct Shape {
    pub(crate) landing: Landing,
    pub(crate) schema: StructType,
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
        if landing == Landing::History {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "keeping every version of a row (SCD type 2) is not available",
            )
            .with("table", &job.table.name)
            .help("use SCD type 1"));
        }
        let keys = job.primary_keys.clone().unwrap_or(metadata.primary_keys.clone());
        if keys.is_empty() && landing.needs_keys() {
            return Err(Error::new(ErrorKind::Config, "this landing needs primary keys")
                .with("table", &job.table.name)
                .with("landing", landing.as_str())
                .help("set primary_keys, or land with append or replace"));
        }
        // A snapshot's newest state is what was read, whatever its cursor says.
        let cursor =
            job.sequence_by.clone().or_else(|| metadata.cursor_field.clone()).filter(|_| !landing.is_snapshot());
        if landing == Landing::CdcWithDeletes && cursor.is_none() {
            return Err(Error::new(
                ErrorKind::Config,
                "without a cursor nothing tells a row from a deletion before it",
            )
            .with("table", &job.table.name)
            .with("landing", landing.as_str())
            .help("set sequence_by to a column that grows with every change, or land with cdc"));
        }
        check_partition_columns(&schema::stored(&schema).to_arrow(), &job.partition_by)?;
        Ok(Self { landing, schema, keys, cursor, metadata })
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

    /// Reads keys and cursors of rows; absent when the landing does not look at keys.
    pub(crate) fn codec(&self, table: &Schema) -> Result<Option<KeyCodec>> {
        if !self.landing.needs_keys() {
            return Ok(None);
        }
        KeyCodec::new(table, &self.keys, self.cursor.as_deref()).map(Some)
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
