//! One Delta table: opening, making, widening, and what is in it.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::SchemaRef;
use deltalake::{
    DeltaTable, DeltaTableBuilder, DeltaTableError, ObjectStore, Path,
    kernel::{
        Add, Remove,
        transaction::{CommitProperties, PROTOCOL},
    },
    protocol::SaveMode,
};
use futures::TryStreamExt;
use lakeflow_connect::{DataType, Error, ErrorKind, Result, StructField, StructType, arrow};
use url::Url;

use crate::{error::sink, files::FileLayout, job::SyncOptions, schema};

const TRANSACTION_RETENTION: &str = "delta.setTransactionRetentionDuration";
const INDEXED_COLUMNS: &str = "delta.dataSkippingNumIndexedCols";

/// Column metadata of rules that a writer must keep.
const RULES: [&str; 3] = ["delta.invariants", "delta.generationExpression", "delta.identity.start"];

/// A loaded table.
pub(crate) struct Table {
    delta: DeltaTable,
    schema: StructType,
    arrow: SchemaRef,
}

/// A data file of a table or of a segment.
#[derive(Clone, Debug)]
pub(crate) struct DataFile {
    pub(crate) path: Path,
    pub(crate) size: u64,
    pub(crate) partition: HashMap<String, Option<String>>,
    /// What the log says of its columns, as JSON.
    pub(crate) stats: Option<String>,
    /// How to take it out of the table; absent while no commit names it.
    pub(crate) remove: Option<Remove>,
}

impl DataFile {
    /// A file that a segment wrote.
    pub(crate) fn staged(add: &Add) -> Self {
        let path = Path::parse(&add.path).unwrap_or_else(|_| Path::from(add.path.as_str()));
        Self {
            path,
            size: u64::try_from(add.size).unwrap_or(0),
            partition: add.partition_values.clone(),
            stats: None,
            remove: None,
        }
    }
}

impl Table {
    /// Opens a table; `None` when there is none.
    pub(crate) async fn open(url: &Url, storage: &HashMap<String, String>) -> Result<Option<Self>> {
        if !may_exist(url)? {
            return Ok(None);
        }
        let failed = |e| at(sink("opening the table", e), url);
        let mut delta = DeltaTableBuilder::from_url(url.clone())
            .map_err(failed)?
            .with_storage_options(storage.clone())
            .build()
            .map_err(failed)?;
        match delta.load().await {
            Ok(()) => Self::from_delta(delta).map(Some),
            Err(DeltaTableError::NotATable(_)) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Makes an empty table with every column nullable.
    pub(crate) async fn create(
        url: &Url,
        storage: &HashMap<String, String>,
        schema: &StructType,
        partition_by: &[String],
    ) -> Result<Self> {
        let failed = |e| at(sink("making the table", e), url);
        make_directory(url)?;
        let columns = schema::to_kernel(schema)?;
        let delta = DeltaTableBuilder::from_url(url.clone())
            .map_err(failed)?
            .with_storage_options(storage.clone())
            .build()
            .map_err(failed)?
            .create()
            .with_columns(columns)
            .with_partition_columns(partition_by)
            .with_save_mode(SaveMode::Ignore)
            .await
            .map_err(failed)?;
        Self::from_delta(delta)
    }

    fn from_delta(delta: DeltaTable) -> Result<Self> {
        let state = delta.snapshot().map_err(|e| sink("opening the table", e))?;
        PROTOCOL.can_write_to(state).map_err(|e| sink("opening the table", e))?;
        let schema = schema::from_kernel(state.schema().as_ref())?;
        if let Some(column) = schema.fields.iter().find(|f| has_rule(f)) {
            return Err(Error::new(ErrorKind::Sink, "a column of the table has a rule that this program cannot check")
                .with("column", &column.name)
                .help("remove the rule, or choose another destination"));
        }
        let properties: HashMap<String, &String> =
            state.metadata().configuration().iter().map(|(k, v)| (k.to_lowercase(), v)).collect();
        if properties.contains_key(&TRANSACTION_RETENTION.to_lowercase()) {
            return Err(Error::new(ErrorKind::Sink, "the table forgets how far it was synced")
                .with("property", TRANSACTION_RETENTION)
                .help("unset that property: it expires the offsets that are kept in the table"));
        }
        for refused in ["delta.enableChangeDataFeed", "delta.enableDeletionVectors", "delta.enableRowTracking"] {
            if properties.get(&refused.to_lowercase()).is_some_and(|v| v.eq_ignore_ascii_case("true")) {
                return Err(Error::new(ErrorKind::Sink, "the table has a property that this program cannot serve")
                    .with("property", refused)
                    .help("unset it, or choose another destination"));
            }
        }
        if properties.keys().any(|k| k.starts_with("delta.constraints.")) {
            return Err(Error::new(
                ErrorKind::Sink,
                "the table has check constraints, which this program cannot check",
            )
            .help("drop them, or choose another destination"));
        }
        let arrow = Arc::new(schema.to_arrow());
        Ok(Self { delta, schema, arrow })
    }

    /// Loads what others committed since.
    pub(crate) async fn reload(&mut self) -> Result<()> {
        let mut delta = self.delta.clone();
        delta.update_state().await.map_err(|e| sink("reading the table's log", e))?;
        *self = Self::from_delta(delta)?;
        Ok(())
    }

    /// Adds nullable columns and struct members.
    pub(crate) async fn widen(&mut self, fields: &StructType) -> Result<()> {
        let fields = schema::to_kernel(fields)?;
        let delta = self
            .delta
            .clone()
            .add_columns()
            .with_fields(fields)
            .with_commit_properties(CommitProperties::default())
            .await
            .map_err(|e| sink("adding columns", e))?;
        *self = Self::from_delta(delta)?;
        Ok(())
    }

    pub(crate) fn delta(&self) -> &DeltaTable {
        &self.delta
    }

    pub(crate) fn schema(&self) -> &StructType {
        &self.schema
    }

    pub(crate) fn arrow(&self) -> &SchemaRef {
        &self.arrow
    }

    pub(crate) fn version(&self) -> Option<u64> {
        self.delta.version()
    }

    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        self.delta.object_store()
    }

    pub(crate) fn partition_columns(&self) -> Result<Vec<String>> {
        Ok(self.delta.snapshot().map_err(|e| sink("opening the table", e))?.metadata().partition_columns().to_vec())
    }

    /// The recorded version of an application transaction.
    pub(crate) async fn transaction(&self, app_id: &str) -> Result<Option<i64>> {
        let failed = |e| sink("reading the table's log", e);
        let log_store = self.delta.log_store();
        self.delta.snapshot().map_err(failed)?.transaction_version(log_store.as_ref(), app_id).await.map_err(failed)
    }

    /// The data files.
    ///
    /// # Errors
    /// [`Sink`](ErrorKind::Sink) for files with deletion vectors, which this program does not apply.
    pub(crate) async fn files(&self) -> Result<Vec<DataFile>> {
        let failed = |e| sink("reading the table's log", e);
        let log_store = self.delta.log_store();
        let state = self.delta.snapshot().map_err(failed)?;
        let views = state.snapshot().file_views(log_store.as_ref(), None);
        let views: Vec<_> = views.try_collect().await.map_err(failed)?;
        if views.iter().any(|v| v.deletion_vector_descriptor().is_some()) {
            return Err(Error::new(
                ErrorKind::Sink,
                "the table has deletion vectors, which this program does not apply",
            )
            .help("run REORG TABLE … APPLY (PURGE) with Spark, or choose another destination"));
        }
        Ok(views
            .iter()
            .map(|v| DataFile {
                path: v.object_store_path(),
                size: u64::try_from(v.size()).unwrap_or(0),
                partition: v.partition_values_map(),
                stats: v.stats(),
                remove: Some(v.remove_action(true)),
            })
            .collect())
    }

    /// How new files of this table are written.
    pub(crate) fn layout(
        &self,
        options: &SyncOptions,
        keys: Vec<String>,
        cursor: Option<String>,
    ) -> Result<FileLayout> {
        let layout = self.layout_for(&self.arrow, self.partition_columns()?, options)?;
        Ok(FileLayout { keys, cursor, ..layout })
    }

    /// How files with another schema are written into this table's folder.
    pub(crate) fn layout_of(&self, schema: &SchemaRef, options: &SyncOptions) -> Result<FileLayout> {
        self.layout_for(schema, Vec::new(), options)
    }

    fn layout_for(&self, schema: &SchemaRef, partition_by: Vec<String>, options: &SyncOptions) -> Result<FileLayout> {
        Ok(FileLayout {
            store: self.store(),
            schema: Arc::clone(schema),
            partition_by,
            keys: Vec::new(),
            cursor: None,
            compression: options.compression,
            file_bytes: options.file_bytes,
            indexed_columns: self.indexed_columns()?,
            statistics: Vec::new(),
            mark: None,
        })
    }

    /// How many leading columns have statistics: -1 stands for all.
    fn indexed_columns(&self) -> Result<usize> {
        let state = self.delta.snapshot().map_err(|e| sink("opening the table", e))?;
        let set = state.metadata().configuration().get(INDEXED_COLUMNS).and_then(|v| v.parse::<i64>().ok());
        Ok(set.map_or(32, |n| usize::try_from(n).unwrap_or(usize::MAX)))
    }
}

/// Whether a column, or a member of it, has an invariant, or is made from others.
fn has_rule(field: &StructField) -> bool {
    let own = |f: &StructField| RULES.iter().any(|rule| f.metadata.contains_key(*rule));
    own(field) || members(&field.data_type).iter().any(|f| has_rule(f))
}

fn members(data_type: &DataType) -> Vec<&StructField> {
    match data_type {
        DataType::Struct(s) => s.fields.iter().collect(),
        DataType::Array(a) => members(&a.element),
        DataType::Map(m) => members(&m.key).into_iter().chain(members(&m.value)).collect(),
        _ => Vec::new(),
    }
}

/// Whether there can be a table: a local directory that is missing has none, and a file in its place never will.
fn may_exist(url: &Url) -> Result<bool> {
    let Ok(path) = url.to_file_path() else { return Ok(true) };
    match std::fs::read_dir(&path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(at(sink("opening the destination", e), url)),
    }
}

/// A missing local directory is made; anything in its way is an error that names it.
fn make_directory(url: &Url) -> Result<()> {
    let Ok(path) = url.to_file_path() else { return Ok(()) };
    std::fs::create_dir_all(&path).map_err(|e| at(unmade(e), url))
}

/// Nothing is missing where a directory is to be made: what holds it takes none, as `/proc` does.
fn unmade(error: std::io::Error) -> Error {
    const DOING: &str = "making the destination directory";
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::new(ErrorKind::Sink, format!("{DOING}: no directory can be made here"))
            .help("choose another destination")
            .caused_by(error),
        _ => sink(DOING, error),
    }
}

/// Names the destination in an error, without credentials or query.
pub(crate) fn at(error: Error, url: &Url) -> Error {
    error.with("destination", plain(url))
}

/// A URL without credentials, query and fragment.
pub(crate) fn plain(url: &Url) -> String {
    match url.to_file_path() {
        Ok(path) => path.components().as_path().display().to_string(),
        Err(()) => format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path()),
    }
}
