//! A connector over a list of units in memory, which fails where a test says.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::{StreamExt, future::BoxFuture, stream};
use lakeflow_connect::{
    Error, ErrorKind, IngestionType, JsonLines, LakeflowConnect, Offset, QuarantinedRow, ReadEvent, ReadRequest,
    ReadStream, Records, Result, Retry, StructType, TableMetadata, TableRef,
    arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray},
};
use serde::{Deserialize, Serialize};

/// `(id, n, body)`; `n` is the cursor.
pub type Row = (&'static str, i64, &'static str);

#[derive(Clone, Debug, Default)]
pub struct Unit {
    pub records: Vec<Records>,
    pub quarantined: Vec<QuarantinedRow>,
}

/// Something that happens while a host reads.
pub type Hook = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

struct State {
    schema: StructType,
    metadata: TableMetadata,
    units: Vec<Unit>,
    deletes: Vec<Unit>,
    fail_after: Option<usize>,
    reads: usize,
    hook: Option<(usize, Hook)>,
    latest: Option<Offset>,
    expired: bool,
    forgetful: bool,
    deletes_from_now: bool,
    deletes_fail: bool,
}

enum Step {
    Event(Result<ReadEvent>),
    Hook(Hook),
}

/// Shared handle: a test changes it while a host reads.
#[derive(Clone)]
pub struct Source(Arc<Mutex<State>>);

#[derive(Serialize, Deserialize)]
struct At {
    at: usize,
}

pub fn offset(at: usize) -> Offset {
    Offset::encode(1, &At { at }).unwrap()
}

pub fn rows(rows: &[Row]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(rows.iter().map(|r| (!r.0.is_empty()).then_some(r.0)).collect::<StringArray>())),
        ("n", Arc::new(rows.iter().map(|r| Some(r.1)).collect::<Int64Array>())),
        ("body", Arc::new(rows.iter().map(|r| Some(r.2)).collect::<StringArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

impl Source {
    pub fn new(ingestion_type: IngestionType) -> Self {
        Self::with_schema("id STRING, n BIGINT, body STRING", ingestion_type)
    }

    pub fn with_schema(ddl: &str, ingestion_type: IngestionType) -> Self {
        let append = ingestion_type == IngestionType::Append;
        let metadata = TableMetadata {
            primary_keys: if append { Vec::new() } else { vec!["id".to_owned()] },
            cursor_field: Some("n".to_owned()),
            ingestion_type,
        };
        Self(Arc::new(Mutex::new(State {
            schema: StructType::from_ddl(ddl).unwrap(),
            metadata,
            units: Vec::new(),
            deletes: Vec::new(),
            fail_after: None,
            reads: 0,
            hook: None,
            latest: None,
            expired: false,
            forgetful: false,
            deletes_from_now: false,
            deletes_fail: false,
        })))
    }

    /// Says of a column that it tells when the row was read.
    pub fn read_time(&self, column: &str) -> &Self {
        self.change(|s| {
            let found = s.schema.fields.iter_mut().find(|field| field.name == column).unwrap();
            *found = found.clone().read_time();
        });
        self
    }

    fn change<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    /// Adds a unit of rows.
    pub fn unit(&self, of: &[Row]) -> &Self {
        self.batches(vec![rows(of)])
    }

    pub fn batches(&self, batches: Vec<RecordBatch>) -> &Self {
        let records = batches.into_iter().map(Records::Arrow).collect();
        self.change(|s| s.units.push(Unit { records, quarantined: Vec::new() }));
        self
    }

    /// Adds a unit of JSON lines.
    pub fn json(&self, text: &'static str, rows: usize) -> &Self {
        let lines = JsonLines { bytes: text.into(), rows };
        self.change(|s| s.units.push(Unit { records: vec![Records::Json(lines)], quarantined: Vec::new() }));
        self
    }

    pub fn bad_rows(&self, quarantined: Vec<QuarantinedRow>) -> &Self {
        self.change(|s| s.units.push(Unit { records: Vec::new(), quarantined }));
        self
    }

    /// Adds a unit of deletions.
    pub fn deletes(&self, of: &[(&'static str, i64)]) -> &Self {
        let of: Vec<Row> = of.iter().map(|(id, n)| (*id, *n, "")).collect();
        self.change(|s| s.deletes.push(Unit { records: vec![Records::Arrow(rows(&of))], quarantined: Vec::new() }));
        self
    }

    /// Replaces the content, for snapshots.
    pub fn content(&self, of: &[Row]) -> &Self {
        self.change(|s| s.units = vec![Unit { records: vec![Records::Arrow(rows(of))], quarantined: Vec::new() }]);
        self
    }

    pub fn schema(&self, ddl: &str) -> &Self {
        self.change(|s| s.schema = StructType::from_ddl(ddl).unwrap());
        self
    }

    pub fn metadata(&self, f: impl FnOnce(&mut TableMetadata)) -> &Self {
        self.change(|s| f(&mut s.metadata));
        self
    }

    /// The next reads fail after this many events; never again with `None`.
    pub fn fail_after(&self, events: Option<usize>) -> &Self {
        self.change(|s| s.fail_after = events);
        self
    }

    /// A wrong connector: it ends without the last checkpoint.
    pub fn forget_last_checkpoint(&self) -> &Self {
        self.change(|s| s.forgetful = true);
        self
    }

    /// Deletions without a start begin where they are when they are asked for.
    pub fn deletes_from_now(&self) -> &Self {
        self.change(|s| s.deletes_from_now = true);
        self
    }

    /// Whether reads of deletions fail.
    pub fn deletes_fail(&self, fail: bool) -> &Self {
        self.change(|s| s.deletes_fail = fail);
        self
    }

    /// What a snapshot tells as its newest offset.
    pub fn latest(&self, latest: Offset) -> &Self {
        self.change(|s| s.latest = Some(latest));
        self
    }

    /// Offsets are not honoured any more.
    pub fn expire(&self) -> &Self {
        self.change(|s| s.expired = true);
        self
    }

    /// Runs something, once, before the checkpoint of the unit with this number (from 0) is sent.
    pub fn during(&self, unit: usize, hook: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) -> &Self {
        self.change(|s| s.hook = Some((unit, Arc::new(hook))));
        self
    }

    /// How many reads of rows were started.
    pub fn reads(&self) -> usize {
        self.change(|s| s.reads)
    }

    fn events(&self, deletes: bool, request: ReadRequest) -> ReadStream {
        let this = self.clone();
        stream::once(async move { stream::iter(this.read(deletes, &request)) })
            .flatten()
            .filter_map(|step| async {
                match step {
                    Step::Event(event) => Some(event),
                    Step::Hook(hook) => {
                        hook().await;
                        None
                    }
                }
            })
            .boxed()
    }

    fn read(&self, deletes: bool, request: &ReadRequest) -> Vec<Step> {
        self.change(|s| {
            s.reads += usize::from(!deletes);
            if s.expired && request.start.is_some() {
                return vec![Step::Event(Err(Error::new(ErrorKind::OffsetExpired, "that is too long ago")))];
            }
            if deletes && s.deletes_fail {
                let error = Error::new(ErrorKind::Unavailable, "the deletions went away").retryable(Retry::Exhausted);
                return vec![Step::Event(Err(error))];
            }
            if deletes && s.deletes_from_now && request.start.is_none() {
                return vec![Step::Event(Ok(ReadEvent::Checkpoint(offset(s.deletes.len()))))];
            }
            let from = request.start.as_ref().map_or(0, |o| o.decode::<At>(1).unwrap().at);
            let units = if deletes { &s.deletes } else { &s.units };
            let until = request.until.as_ref().map_or(units.len(), |o| o.decode::<At>(1).unwrap().at);
            let mut events = Vec::new();
            for (number, unit) in units.iter().enumerate().take(until).skip(from) {
                events.extend(unit.records.iter().map(|r| Step::Event(Ok(ReadEvent::Records(r.clone())))));
                if !unit.quarantined.is_empty() {
                    events.push(Step::Event(Ok(ReadEvent::Quarantined(unit.quarantined.clone()))));
                }
                if let (false, Some((_, hook))) = (deletes, s.hook.take_if(|(unit, _)| *unit == number)) {
                    events.push(Step::Hook(hook));
                }
                events.push(Step::Event(Ok(ReadEvent::Checkpoint(offset(number + 1)))));
            }
            if s.forgetful {
                events.pop();
            }
            if let Some(after) = s.fail_after {
                events.truncate(after);
                let error = Error::new(ErrorKind::Unavailable, "the source went away").retryable(Retry::Exhausted);
                events.push(Step::Event(Err(error)));
            }
            events
        })
    }
}

#[async_trait]
impl LakeflowConnect for Source {
    async fn list_tables(&self) -> Result<Vec<String>> {
        Ok(vec!["things".to_owned()])
    }

    async fn get_table_schema(&self, _table: &TableRef) -> Result<StructType> {
        Ok(self.change(|s| s.schema.clone()))
    }

    async fn read_table_metadata(&self, _table: &TableRef) -> Result<TableMetadata> {
        Ok(self.change(|s| s.metadata.clone()))
    }

    fn read_table(&self, request: ReadRequest) -> ReadStream {
        self.events(false, request)
    }

    fn read_table_deletes(&self, request: ReadRequest) -> ReadStream {
        self.events(true, request)
    }

    async fn latest_offset(&self, _table: &TableRef, _start: Option<&Offset>) -> Result<Option<Offset>> {
        Ok(self.change(|s| match s.metadata.ingestion_type {
            IngestionType::Snapshot => s.latest.clone(),
            _ => Some(offset(s.units.len())),
        }))
    }
}
