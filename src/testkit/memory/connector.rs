//! The connector over the journals.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    journal::{Journal, Range},
    table::MemoryTable,
};
use crate::{
    connector::{Activity, IngestionType, LakeflowConnect, TableMetadata, TableRef},
    error::{Error, ErrorKind, Result, Retry},
    options::{Level, OptionDoc, OptionKind, Options},
    read::{JsonLines, Offset, ReadEvent, ReadRequest, ReadStream, Records},
    registry::{Context, SourceDescriptor, SourceFactory},
    testkit::probe::Flow,
    types::StructType,
};

const OPTIONS: &[OptionDoc] = &[
    OptionDoc::table("page_rows", OptionKind::Integer { min: 1, max: 1_000_000 }, "Rows a page; commits stay whole.")
        .default("100"),
    OptionDoc::table("partitions", OptionKind::Integer { min: 1, max: 1000 }, "Requests that a plan may have.")
        .default("1"),
];

const DESCRIPTOR: SourceDescriptor =
    SourceDescriptor { name: "memory", aliases: &[], about: "Tables that a test holds in memory.", options: OPTIONS };

const OFFSET_VERSION: u32 = 1;

#[derive(Debug, Deserialize)]
struct TableOptions {
    page_rows: usize,
    partitions: u64,
}

/// What an offset of this source holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    commit: u64,
}

/// Tables with every change they have seen; a clone shares them.
///
/// As a [`LakeflowConnect`] it keeps every rule of [`read`](crate::read): pages are whole commits, offsets are commit
/// numbers. It sends JSON lines.
#[derive(Clone, Debug, Default)]
pub struct MemorySource {
    tables: Arc<Mutex<BTreeMap<String, Journal>>>,
    failures: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
}

impl MemorySource {
    /// A source without tables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a table.
    #[must_use]
    pub fn table(self, table: MemoryTable) -> Self {
        self.lock().insert(table.name.clone(), Journal::new(table));
        self
    }

    /// Writes rows as one commit: all of them get the same cursor value in `commit`.
    ///
    /// # Panics
    /// When there is no such table.
    pub fn commit(&self, table: &str, rows: impl IntoIterator<Item = Value>) {
        self.write(table, |journal| journal.commit(rows, false));
    }

    /// Deletes rows as one commit; only the keys count.
    ///
    /// # Panics
    /// When there is no such table.
    pub fn delete(&self, table: &str, keys: impl IntoIterator<Item = Value>) {
        self.write(table, |journal| journal.commit(keys, true));
    }

    /// Takes the last commit of a table back.
    ///
    /// # Panics
    /// When there is no such table.
    pub fn undo(&self, table: &str) {
        self.write(table, Journal::undo);
    }

    /// Lets the next `requests` page requests fail as unavailable.
    pub fn fail_next(&self, requests: u64) {
        self.failures.store(requests, Ordering::SeqCst);
    }

    /// A connection of its own, with its own count of requests.
    pub fn connect(&self) -> Arc<dyn LakeflowConnect> {
        Arc::new(Self { requests: Arc::default(), ..self.clone() })
    }

    #[allow(clippy::panic)]
    fn write(&self, table: &str, change: impl FnOnce(&mut Journal)) {
        match self.lock().get_mut(table) {
            Some(journal) => change(journal),
            None => panic!("the memory source has no table '{table}'"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Journal>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look<T>(&self, table: &TableRef, look: impl FnOnce(&Journal, &TableOptions) -> T) -> Result<T> {
        let tables = self.lock();
        let journal = tables.get(&table.name);
        let journal = journal.ok_or_else(|| Error::unknown("table", &table.name, tables.keys().map(String::as_str)))?;
        let options = table.options.parse(Level::Table, OPTIONS)?;
        Ok(look(journal, &options))
    }

    /// One answer of the imagined server: rows, and the commit that they end with.
    fn page(&self, table: &TableRef, flow: Flow, range: Range) -> Result<(Records, u64)> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
            return Err(Error::new(ErrorKind::Unavailable, "the memory source was told to fail")
                .with("table", &table.name)
                .retryable(Retry::Exhausted));
        }
        self.look(table, |journal, options| {
            let (rows, end) = journal.page(flow, range, options.page_rows);
            let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
            (Records::Json(JsonLines { bytes: Bytes::from(text), rows: rows.len() }), end)
        })
    }

    fn range(&self, request: &ReadRequest) -> Result<Range> {
        let now = self.look(&request.table, |journal, _| journal.last_commit())?;
        let commit = |offset: &Offset| offset.decode::<Position>(OFFSET_VERSION).map(|p| p.commit);
        let after = request.start.as_ref().map(commit).transpose()?.unwrap_or(0);
        let until = request.until.as_ref().map(commit).transpose()?.unwrap_or(now);
        Ok(Range { after, until })
    }

    fn stream(&self, request: ReadRequest, flow: Flow) -> ReadStream {
        let reader = Reader { source: self.clone(), request, flow, range: None, sent: 0, checkpoint: None };
        Box::pin(stream::try_unfold(reader, |mut reader| async move {
            let event = reader.next()?;
            Ok(event.map(|event| (event, reader)))
        }))
    }
}

/// One read: what is left of it.
struct Reader {
    source: MemorySource,
    request: ReadRequest,
    flow: Flow,
    /// Fixed at the first poll.
    range: Option<Range>,
    sent: u64,
    checkpoint: Option<u64>,
}

impl Reader {
    fn next(&mut self) -> Result<Option<ReadEvent>> {
        if let Some(commit) = self.checkpoint.take() {
            return Offset::encode(OFFSET_VERSION, &Position { commit }).map(|o| Some(ReadEvent::Checkpoint(o)));
        }
        let mut range = match self.range {
            Some(range) => range,
            None => self.source.range(&self.request)?,
        };
        let enough = self.request.max_records.is_some_and(|most| self.sent > 0 && self.sent >= most);
        if range.after >= range.until || enough {
            return Ok(None);
        }
        let (records, end) = self.source.page(&self.request.table, self.flow, range)?;
        range.after = end;
        self.range = Some(range);
        self.sent += records.rows() as u64;
        self.checkpoint = Some(end);
        Ok(Some(ReadEvent::Records(records)))
    }
}

#[async_trait]
impl LakeflowConnect for MemorySource {
    async fn list_tables(&self) -> Result<Vec<String>> {
        Ok(self.lock().keys().cloned().collect())
    }

    async fn get_table_schema(&self, table: &TableRef) -> Result<StructType> {
        self.look(table, |journal, _| journal.table.schema.clone())
    }

    async fn read_table_metadata(&self, table: &TableRef) -> Result<TableMetadata> {
        self.look(table, |journal, _| journal.table.metadata.clone())
    }

    fn read_table(&self, request: ReadRequest) -> ReadStream {
        self.stream(request, Flow::Rows)
    }

    fn read_table_deletes(&self, request: ReadRequest) -> ReadStream {
        let metadata = self.look(&request.table, |journal, _| journal.table.metadata.ingestion_type);
        let error = match metadata {
            Ok(IngestionType::CdcWithDeletes) => return self.stream(request, Flow::Deletes),
            Ok(_) => Error::new(ErrorKind::Unsupported, "this table does not report deletions")
                .with("table", &request.table.name),
            Err(error) => error,
        };
        Box::pin(stream::once(async move { Err(error) }))
    }

    async fn latest_offset(&self, table: &TableRef, start: Option<&Offset>) -> Result<Option<Offset>> {
        let range = self.range(&ReadRequest::new(table.clone()).start(start.cloned()))?;
        Offset::encode(OFFSET_VERSION, &Position { commit: range.until }).map(Some)
    }

    async fn plan(&self, request: ReadRequest) -> Result<Vec<ReadRequest>> {
        let Range { after, until } = self.range(&request)?;
        let partitions = self.look(&request.table, |_, options| options.partitions)?;
        let span = until.saturating_sub(after);
        let parts = partitions.min(span).max(1);
        let bound = |i: u64| Offset::encode(OFFSET_VERSION, &Position { commit: after + span * i / parts });
        let part = |i: u64| {
            let start = if i == 0 { request.start.clone() } else { Some(bound(i)?) };
            Ok(request.clone().start(start).until(bound(i + 1)?))
        };
        (0..parts).map(part).collect()
    }

    fn activity(&self) -> Activity {
        Activity { requests: self.requests.load(Ordering::SeqCst), ..Activity::default() }
    }
}

impl SourceFactory for MemorySource {
    fn descriptor(&self) -> &SourceDescriptor {
        &DESCRIPTOR
    }

    fn connect(&self, options: &Options, _: &Context) -> Result<Arc<dyn LakeflowConnect>> {
        #[derive(Deserialize)]
        struct Nothing {}
        let _: Nothing = options.parse(Level::Connection, OPTIONS)?;
        Ok(Self::connect(self))
    }
}
