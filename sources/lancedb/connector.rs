//! The connection: tables, schemas, metadata and reads of a LanceDB server.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    client::LanceClient,
    config::{Connection, OPTIONS, TableOptions},
    discovery::check_table,
    keys::primary_keys,
    offset::State,
    reader,
    search::Searched,
    snapshot::Snapshot,
};
use crate::{
    connector::{Activity, IngestionType, LakeflowConnect, TableMetadata, TableRef},
    error::Result,
    options::Options,
    read::{Offset, ReadRequest, ReadStream},
    registry::{Context, SourceDescriptor, SourceFactory},
    stream::{limit_records, produce},
    types::StructType,
};

static DESCRIPTOR: SourceDescriptor = SourceDescriptor {
    name: "lancedb",
    aliases: &["lance"],
    about: "LanceDB: tables with vectors, of LanceDB Cloud and Enterprise and of Lance REST servers.",
    options: OPTIONS,
};

/// Makes connections to LanceDB servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct LanceDbSource;

impl SourceFactory for LanceDbSource {
    fn descriptor(&self) -> &SourceDescriptor {
        &DESCRIPTOR
    }

    fn connect(&self, options: &Options, context: &Context) -> Result<Arc<dyn LakeflowConnect>> {
        let connection = Connection::parse(options)?;
        let client = LanceClient::new(&connection, context)?;
        let (parallelism, max_tables) = (connection.parallelism, connection.max_tables);
        Ok(Arc::new(LanceDbConnection { client, parallelism, max_tables }))
    }

    fn identity(&self, options: &Options) -> Option<String> {
        let connection = Connection::parse(options).ok()?;
        let base = connection.base_url().ok()?;
        let database = connection.database().map(|(name, prefix)| format!("{name}/{}", prefix.unwrap_or_default()));
        let namespace = connection.namespace.join("$");
        Some(format!("{}#{}#{namespace}", base.as_str().trim_end_matches('/'), database.unwrap_or_default()))
    }
}

#[derive(Clone)]
struct LanceDbConnection {
    client: LanceClient,
    parallelism: usize,
    max_tables: usize,
}

impl LanceDbConnection {
    async fn open(&self, table: &TableRef, version: Option<u64>) -> Result<(Snapshot, TableOptions)> {
        check_table(&table.name)?;
        let options = TableOptions::parse(&table.options)?;
        let snapshot = Snapshot::open(&self.client, &table.name, &options, version, self.parallelism, &[]).await?;
        Ok((snapshot, options))
    }
}

#[async_trait]
impl LakeflowConnect for LanceDbConnection {
    async fn list_tables(&self) -> Result<Vec<String>> {
        self.client.tables(self.max_tables).await
    }

    async fn get_table_schema(&self, table: &TableRef) -> Result<StructType> {
        let (snapshot, options) = self.open(table, None).await?;
        match options.query.is_search() {
            true => Searched::new(snapshot, &options)?.schema().await,
            false => Ok(snapshot.columns.schema()),
        }
    }

    async fn read_table_metadata(&self, table: &TableRef) -> Result<TableMetadata> {
        let (snapshot, options) = self.open(table, None).await?;
        if options.query.is_search() {
            return Searched::new(snapshot, &options)?.metadata().await;
        }
        let primary_keys = primary_keys(&table.name, &snapshot.whole, &options)?;
        Ok(TableMetadata { primary_keys, cursor_field: None, ingestion_type: IngestionType::Snapshot })
    }

    fn read_table(&self, request: ReadRequest) -> ReadStream {
        let connection = self.clone();
        let max_records = request.max_records;
        let events = produce(move |events| async move {
            let options = TableOptions::parse(&request.table.options)?;
            let state = |offset: &Offset| State::decode(offset, &request.table.name, &options);
            if let Some(start) = &request.start {
                state(start)?;
            }
            let until = request.until.as_ref().map(state).transpose()?;
            let (snapshot, options) = connection.open(&request.table, until.map(|until| until.version)).await?;
            if options.query.is_search() {
                return Searched::new(snapshot, &options)?.read(&options, connection.parallelism, &events).await;
            }
            reader::whole(snapshot, &options, &events).await
        });
        limit_records(events, max_records)
    }

    async fn latest_offset(&self, table: &TableRef, _start: Option<&Offset>) -> Result<Option<Offset>> {
        let (snapshot, options) = self.open(table, None).await?;
        let rows = snapshot.count(None).await?;
        State::new(&table.name, &options, &snapshot.version, rows).encode().map(Some)
    }

    fn activity(&self) -> Activity {
        self.client.http.activity()
    }
}
