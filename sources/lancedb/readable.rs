//! The columns of a table that are read when none are chosen.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::{
    client::{Asked, LanceClient},
    config::TableOptions,
    dialect::Query,
};
use crate::error::{Error, ErrorKind, Result};

/// Marks of columns whose bytes lie apart from the table.
const BLOB_KEY: &str = "lance-encoding:blob";
const EXTENSION_KEY: &str = "ARROW:extension:name";
const BLOB_EXTENSION: &str = "lance.blob.v2";

/// What an answer of one row tells.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub(super) schema: SchemaRef,
    /// Bytes of the row; 0 when there is none.
    pub(super) row_bytes: u64,
}

/// The columns of a table as a query answers them, without those that are left out.
#[derive(Clone, Debug)]
pub(super) struct Readable {
    pub(super) probe: Probe,
    /// Whether these are all, so that a request need not name them.
    pub(super) is_all: bool,
}

impl Readable {
    /// Asks for the columns of a version. One that has a backtick in its name cannot be read by servers: without `columns` it is
    /// left out with a warning.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when such a column was asked for; those of the client.
    pub(super) async fn of(client: &LanceClient, table: &str, version: u64, options: &TableOptions) -> Result<Self> {
        let asked = probe(client, table, version, None).await;
        let (Probe { schema, row_bytes }, mut is_all) = match asked {
            Err(error) if error.kind() == ErrorKind::Config => {
                (without_backticks(client, table, version, options, error).await?, false)
            }
            asked => (asked?, true),
        };
        let kept: Vec<_> =
            schema.fields().iter().filter(|field| !(options.skips_blobs() && is_blob(field))).cloned().collect();
        is_all &= kept.len() == schema.fields().len();
        let schema = Arc::new(Schema::new_with_metadata(kept, schema.metadata().clone()));
        Ok(Self { probe: Probe { schema, row_bytes }, is_all })
    }

    /// Their names, to be asked for one by one.
    pub(super) fn names(&self) -> Vec<String> {
        self.probe.schema.fields().iter().map(|field| field.name().clone()).collect()
    }
}

/// The schema of a table as a query answers it: the only place where units, zones and extensions are told.
///
/// # Errors
/// Those of the client.
pub(super) async fn probe(
    client: &LanceClient,
    table: &str,
    version: u64,
    columns: Option<Vec<String>>,
) -> Result<Probe> {
    // One row, and not none: a limit of 0 means no limit.
    let query = Query { version: Some(version), limit: 1, columns, ..Query::default() };
    match client.query(table, &query).await? {
        Asked::Answer(answer) => Ok(Probe { row_bytes: answer.bytes() as u64, schema: answer.schema }),
        Asked::TooLarge(error) => {
            Err(error.with("table", table).help("one row is larger than the server can answer: leave columns out"))
        }
    }
}

/// The columns beside those with a backtick in their names, which servers can neither read nor filter by.
async fn without_backticks(
    client: &LanceClient,
    table: &str,
    version: u64,
    options: &TableOptions,
    refused: Error,
) -> Result<Probe> {
    let Ok(names) = client.column_names(table, version).await else { return Err(refused) };
    let (unreadable, readable): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.contains('`'));
    let is_asked_for = |name: &&String| {
        options.columns.contains(name)
            || options.primary_keys.contains(name)
            || options.cursor_field.as_ref() == Some(*name)
    };
    match unreadable.iter().find(is_asked_for) {
        Some(name) => Err(Error::new(ErrorKind::Config, "the server cannot read a column with a backtick in its name")
            .with("table", table)
            .with("column", name)
            .help("choose the other columns with 'columns', or rename this one")),
        None if unreadable.is_empty() || readable.is_empty() => Err(refused),
        None => {
            if options.columns.is_empty() {
                tracing::warn!(table, columns = ?unreadable, "left out: the server cannot read columns with a backtick in their names");
            }
            probe(client, table, version, Some(readable)).await
        }
    }
}

fn is_blob(field: &Field) -> bool {
    let has = |metadata: &HashMap<String, String>, key, value| metadata.get(key).is_some_and(|found| found == value);
    has(field.metadata(), BLOB_KEY, "true") || has(field.metadata(), EXTENSION_KEY, BLOB_EXTENSION)
}
