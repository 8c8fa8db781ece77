//! A copy of a table, kept as a host keeps it: upserts by key and cursor, deletions remembered, offsets stored with what they
//! cover.

use std::{collections::BTreeMap, sync::Arc};

use futures::StreamExt;
use lakeflow_connect::{
    ErrorKind, IngestionType, LakeflowConnect, Offset, ReadEvent, ReadRequest, Records, Result, TableMetadata,
    TableRef, decode::arrow_to_json,
};
use serde_json::Value;

/// What makes connections.
pub(super) type Connect = Arc<dyn Fn() -> Arc<dyn LakeflowConnect>>;

/// How long a host keeps a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeps {
    Always,
    OneRun,
    OneStream,
}

/// What a host holds of one table.
pub(super) struct Replica {
    connect: Connect,
    keeps: Keeps,
    pub(super) source: Arc<dyn LakeflowConnect>,
    pub(super) table: TableRef,
    pub(super) rows: BTreeMap<String, Value>,
    deleted: BTreeMap<String, i64>,
    pub(super) offset: Option<Offset>,
    pub(super) deletes_offset: Option<Offset>,
    /// Rows and deletions that came.
    pub(super) came: usize,
    /// How often all had to be read anew, and why.
    pub(super) resets: Vec<String>,
}

/// After how many events a run is killed, if it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kill(pub(super) Option<usize>);

impl Replica {
    pub(super) fn new(connect: Connect, table: TableRef) -> Self {
        Self {
            source: connect(),
            connect,
            keeps: Keeps::Always,
            table,
            rows: BTreeMap::new(),
            deleted: BTreeMap::new(),
            offset: None,
            deletes_offset: None,
            came: 0,
            resets: Vec::new(),
        }
    }

    pub(super) fn keeps(self, keeps: Keeps) -> Self {
        Self { keeps, ..self }
    }

    /// A connection for a run or a stream.
    fn renew(&mut self, of: Keeps) {
        if self.keeps == of || self.keeps == Keeps::OneStream {
            self.source = (self.connect)();
        }
    }

    /// One run; one more from nothing when an offset has expired.
    pub(super) async fn run(&mut self, kill: Kill) -> Result<()> {
        match self.once(kill).await {
            Err(error) if error.kind() == ErrorKind::OffsetExpired => {
                assert!(error.help_text().is_some(), "{error}");
                self.resets.push(error.to_string());
                let nothing = Self::new(Arc::clone(&self.connect), self.table.clone());
                let resets = std::mem::take(&mut self.resets);
                *self = Self { keeps: self.keeps, came: self.came, resets, ..nothing };
                self.once(Kill::default()).await
            }
            done => done,
        }
    }

    /// One run, as the host does it.
    pub(super) async fn once(&mut self, kill: Kill) -> Result<()> {
        self.renew(Keeps::OneRun);
        let metadata = self.source.read_table_metadata(&self.table).await?;
        let is_snapshot = metadata.ingestion_type == IngestionType::Snapshot;
        let has_deletes = metadata.ingestion_type == IngestionType::CdcWithDeletes;
        if has_deletes && self.deletes_offset.is_none() {
            self.deletions(&metadata).await?;
        }
        let start = self.offset.clone().filter(|_| !is_snapshot);
        let until = self.source.latest_offset(&self.table, start.as_ref()).await?;
        if is_snapshot && until == self.offset {
            return Ok(());
        }
        if is_snapshot {
            return self.snapshot(&metadata, until).await;
        }
        let request = ReadRequest::new(self.table.clone()).start(start).until(until);
        let mut events = self.source.read_table(request);
        let mut unit = Vec::new();
        let mut count = 0;
        while let Some(event) = events.next().await {
            match event? {
                ReadEvent::Records(records) => unit.extend(values(&records)),
                ReadEvent::Checkpoint(offset) => {
                    self.offset = Some(offset);
                    for row in unit.drain(..) {
                        self.upsert(&metadata, row);
                    }
                }
                other => panic!("unexpected {other:?}"),
            }
            count += 1;
            if kill.0 == Some(count) {
                return Ok(());
            }
        }
        assert!(unit.is_empty(), "rows came that no offset covers");
        if has_deletes { self.deletions(&metadata).await } else { Ok(()) }
    }

    async fn snapshot(&mut self, metadata: &TableMetadata, until: Option<Offset>) -> Result<()> {
        let mut events = self.source.read_table(ReadRequest::new(self.table.clone()).until(until));
        let mut rows = BTreeMap::new();
        let mut number = 0;
        while let Some(event) = events.next().await {
            match event? {
                ReadEvent::Records(records) => {
                    for row in values(&records) {
                        self.came += 1;
                        number += 1;
                        let key =
                            if metadata.primary_keys.is_empty() { number.to_string() } else { key(metadata, &row) };
                        assert!(rows.insert(key, row).is_none(), "a key came twice");
                    }
                }
                ReadEvent::Checkpoint(offset) => self.offset = Some(offset),
                other => panic!("unexpected {other:?}"),
            }
        }
        self.rows = rows;
        Ok(())
    }

    async fn deletions(&mut self, metadata: &TableMetadata) -> Result<()> {
        self.renew(Keeps::OneStream);
        let request = ReadRequest::new(self.table.clone()).start(self.deletes_offset.clone());
        let mut events = self.source.read_table_deletes(request);
        let mut unit = Vec::new();
        while let Some(event) = events.next().await {
            match event? {
                ReadEvent::Records(records) => unit.extend(values(&records)),
                ReadEvent::Checkpoint(offset) => {
                    self.deletes_offset = Some(offset);
                    for row in unit.drain(..) {
                        self.came += 1;
                        let (key, at) = (key(metadata, &row), cursor(metadata, &row).expect("a deletion has a cursor"));
                        if self.rows.get(&key).is_some_and(|held| cursor(metadata, held).is_none_or(|held| held <= at))
                        {
                            self.rows.remove(&key);
                        }
                        self.deleted.insert(key, at);
                    }
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        assert!(unit.is_empty(), "deletions came that no offset covers");
        Ok(())
    }

    fn upsert(&mut self, metadata: &TableMetadata, row: Value) {
        self.came += 1;
        if metadata.primary_keys.is_empty() {
            let number = self.rows.len().to_string();
            self.rows.insert(number, row);
            return;
        }
        let (key, at) = (key(metadata, &row), cursor(metadata, &row));
        let is_deleted = self.deleted.get(&key).is_some_and(|deleted| at.is_none_or(|at| at <= *deleted));
        let is_older = self.rows.get(&key).is_some_and(|held| cursor(metadata, held) > at);
        if !is_deleted && !is_older {
            self.rows.insert(key, row);
        }
    }
}

pub(super) fn values(records: &Records) -> Vec<Value> {
    let Records::Arrow(batch) = records else { panic!("rows are not Arrow") };
    let lines = arrow_to_json(batch).unwrap();
    let lines = std::str::from_utf8(&lines.bytes).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn key(metadata: &TableMetadata, row: &Value) -> String {
    metadata.primary_keys.iter().map(|key| row[key].to_string()).collect::<Vec<_>>().join("|")
}

fn cursor(metadata: &TableMetadata, row: &Value) -> Option<i64> {
    row[metadata.cursor_field.as_ref()?].as_i64()
}
