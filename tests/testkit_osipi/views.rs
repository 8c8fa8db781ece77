//! Tables of which a new connection shows nothing, as ones that have rows.

use std::sync::Arc;

use async_trait::async_trait;
use futures::TryStreamExt;
use lakeflow_connect::{
    Activity, LakeflowConnect, Offset, ReadEvent, ReadRequest, ReadStream, Result, StructType, TableMetadata, TableRef,
};

/// A feed whose beginning is where it stood once: what came since is there from the start.
struct Since {
    feed: Arc<dyn LakeflowConnect>,
    start: Offset,
}

#[async_trait]
impl LakeflowConnect for Since {
    async fn list_tables(&self) -> Result<Vec<String>> {
        self.feed.list_tables().await
    }

    async fn get_table_schema(&self, table: &TableRef) -> Result<StructType> {
        self.feed.get_table_schema(table).await
    }

    async fn read_table_metadata(&self, table: &TableRef) -> Result<TableMetadata> {
        self.feed.read_table_metadata(table).await
    }

    fn read_table(&self, request: ReadRequest) -> ReadStream {
        let start = request.start.clone().unwrap_or_else(|| self.start.clone());
        self.feed.read_table(request.start(start))
    }

    fn read_table_deletes(&self, request: ReadRequest) -> ReadStream {
        self.feed.read_table_deletes(request)
    }

    async fn latest_offset(&self, table: &TableRef, start: Option<&Offset>) -> Result<Option<Offset>> {
        self.feed.latest_offset(table, start).await
    }

    fn activity(&self) -> Activity {
        self.feed.activity()
    }
}

/// The last offset of a read, and how many rows it had.
pub(super) async fn read(source: &Arc<dyn LakeflowConnect>, table: &TableRef) -> (Option<Offset>, usize) {
    let events: Vec<ReadEvent> = source.read_table(ReadRequest::new(table.clone())).try_collect().await.unwrap();
    let (mut last, mut rows) = (None, 0);
    for event in events {
        match event {
            ReadEvent::Checkpoint(offset) => last = Some(offset),
            ReadEvent::Records(records) => rows += records.rows(),
            _ => {}
        }
    }
    (last, rows)
}

/// The feed of a table as seen from where it stands now.
pub(super) async fn since_now(
    connect: impl Fn() -> Arc<dyn LakeflowConnect> + Send + Sync + 'static,
    table: &TableRef,
) -> impl Fn() -> Result<Arc<dyn LakeflowConnect>> + Send + Sync + 'static {
    let (start, rows) = read(&connect(), table).await;
    let start = start.unwrap();
    assert_eq!(rows, 0, "a feed begins empty");
    move || Ok(Arc::new(Since { feed: connect(), start: start.clone() }))
}
