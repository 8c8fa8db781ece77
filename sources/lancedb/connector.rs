//! What a host asks of a LanceDB server.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    config::{Connection, OPTIONS},
    connection::{Flow, LanceDbConnection},
    deletions,
    offset::State,
    plan, rows,
};
use crate::{
    connector::{Activity, LakeflowConnect, OffsetPart, Retrying, TableMetadata, TableRef},
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
        Ok(Arc::new(LanceDbConnection::new(&connection, context)?))
    }

    fn identity(&self, options: &Options) -> Option<String> {
        let connection = Connection::parse(options).ok()?;
        let base = connection.base_url().ok()?;
        let database = connection.database().map(|(name, prefix)| format!("{name}/{}", prefix.unwrap_or_default()));
        let namespace = connection.namespace.join("$");
        Some(format!("{}#{}#{namespace}", base.as_str().trim_end_matches('/'), database.unwrap_or_default()))
    }
}

#[async_trait]
impl LakeflowConnect for LanceDbConnection {
    async fn list_tables(&self) -> Result<Vec<String>> {
        self.tables().await
    }

    async fn get_table_schema(&self, table: &TableRef) -> Result<StructType> {
        let opened = self.open(table, None).await?;
        match opened.searched()? {
            Some(searched) => searched.schema().await,
            None => Ok(opened.snapshot.columns.schema()),
        }
    }

    async fn read_table_metadata(&self, table: &TableRef) -> Result<TableMetadata> {
        let opened = self.open(table, None).await?;
        match opened.searched()? {
            Some(searched) => searched.metadata().await,
            None => Ok(opened.followed.metadata()),
        }
    }

    fn read_table(&self, request: ReadRequest) -> ReadStream {
        let connection = self.clone();
        let max_records = request.max_records;
        let events = produce(move |events| async move { rows::read(&connection, &request, &events).await });
        limit_records(events, max_records)
    }

    fn read_table_deletes(&self, request: ReadRequest) -> ReadStream {
        let connection = self.clone();
        let max_records = request.max_records;
        let events = produce(move |events| async move { deletions::read(&connection, &request, &events).await });
        limit_records(events, max_records)
    }

    async fn latest_offset(&self, table: &TableRef, start: Option<&Offset>) -> Result<Option<Offset>> {
        let start = self.state(table, start)?;
        self.latest(table, start.as_ref(), Flow::Rows).await?.encode().map(Some)
    }

    async fn plan(&self, request: ReadRequest) -> Result<Vec<ReadRequest>> {
        plan::plan(self, request).await
    }

    async fn explain_offset(&self, table: &TableRef, offset: &Offset) -> Result<Vec<OffsetPart>> {
        Ok(self.state(table, Some(offset))?.iter().map(State::explained).collect())
    }

    fn activity(&self) -> Activity {
        self.client.http.activity()
    }

    fn retrying(&self) -> Option<Retrying> {
        self.client.http.retrying()
    }
}
