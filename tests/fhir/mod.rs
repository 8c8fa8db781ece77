//! The FHIR source against the simulator, over real sockets.

mod bad_input;
mod bodies;
mod columns;
mod incremental;
mod logins;
mod pages;
pub(crate) mod personalities;
mod secrecy;
mod tables;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures::StreamExt;
use lakeflow_connect::{
    BadRows, Context, IngestionType, LakeflowConnect, Offset, Options, QuarantinedRow, ReadEvent, ReadRequest, Records,
    Registry, Result, TableRef,
    arrow::{
        array::{Array, AsArray},
        record_batch::RecordBatch,
    },
    clock::ManualClock,
};
use lakeflow_simulators::{
    clock::SimClock,
    fhir::{Config, RunningServer, Server, Volume},
};

/// The time at the server and at the client: it stands still unless a test moves it.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(1_717_200_000_000_000_000)
}

/// A server with some patients and observations.
fn config() -> Config {
    let volumes = vec![Volume::new("Patient", 130), Volume::new("Observation", 90)];
    Config { volumes, clock: SimClock::fixed(now()), ..Config::default() }
}

fn start(config: Config) -> RunningServer {
    Server::start(config).unwrap()
}

fn personality(name: &str) -> Config {
    let mut config = config();
    config.add_personality(name).unwrap();
    config
}

fn options(server: &RunningServer) -> Options {
    Options::new().with("base_url", server.base_url())
}

/// Waits of the client take no time.
fn connect(options: &Options) -> Result<Arc<dyn LakeflowConnect>> {
    connect_at(options, now())
}

fn connect_at(options: &Options, now: DateTime<Utc>) -> Result<Arc<dyn LakeflowConnect>> {
    let context = Context::new().clock(Arc::new(ManualClock::new(now)));
    Registry::builtin().connect("fhir", options, &context)
}

fn open(server: &RunningServer) -> Arc<dyn LakeflowConnect> {
    connect(&options(server)).unwrap()
}

/// A table read in small pages and small units.
fn small(name: &str) -> TableRef {
    TableRef::new(name).option("page_size", "20").option("max_records_per_batch", "50")
}

/// A table as a host keeps it.
#[derive(Default)]
struct Lake {
    rows: BTreeMap<String, String>,
    offset: Option<Offset>,
    quarantined: Vec<QuarantinedRow>,
    rows_sent: usize,
    checkpoints: usize,
    /// Resources sent more than once since the lake was made.
    repeated: BTreeSet<String>,
    snapshot: bool,
}

impl Lake {
    async fn of(source: &dyn LakeflowConnect, table: &TableRef) -> Result<Self> {
        let metadata = source.read_table_metadata(table).await?;
        Ok(Self { snapshot: metadata.ingestion_type == IngestionType::Snapshot, ..Self::default() })
    }

    /// Reads from the last offset to the end.
    async fn sync(&mut self, source: &dyn LakeflowConnect, table: &TableRef) -> Result<()> {
        self.sync_request(source, ReadRequest::new(table.clone()).start(self.offset.clone())).await
    }

    async fn sync_request(&mut self, source: &dyn LakeflowConnect, request: ReadRequest) -> Result<()> {
        if self.snapshot {
            self.rows.clear();
        }
        let mut events = source.read_table(request);
        while let Some(event) = events.next().await {
            match event? {
                ReadEvent::Records(Records::Arrow(batch)) => self.take(&batch),
                ReadEvent::Quarantined(rows) => self.quarantined.extend(rows),
                ReadEvent::Checkpoint(offset) => {
                    self.offset = Some(offset);
                    self.checkpoints += 1;
                }
                other => panic!("unexpected event {other:?}"),
            }
        }
        Ok(())
    }

    fn take(&mut self, batch: &RecordBatch) {
        let column = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
        let (ids, raw) = (column("id"), column("raw_json"));
        assert_eq!((ids.null_count(), raw.null_count()), (0, 0));
        for (id, raw) in ids.iter().flatten().zip(raw.iter().flatten()) {
            if self.rows.insert(id.to_owned(), raw.to_owned()).is_some() {
                self.repeated.insert(id.to_owned());
            }
        }
        self.rows_sent += batch.num_rows();
    }

    /// The table holds each resource of the server as the server has it, byte for byte; what was deleted may still be there.
    fn assert_holds(&self, server: &RunningServer, table: &str, told: &str) {
        let expected = server.expected(table);
        assert!(expected.iter().any(|e| !e.is_deleted()), "{told}: the server is empty");
        let known: BTreeSet<&str> = expected.iter().map(|e| e.id.as_str()).collect();
        for resource in expected.iter().filter(|e| !e.is_deleted()) {
            assert_eq!(self.rows.get(&resource.id), resource.text.as_ref(), "{told}: {table}/{}", resource.id);
        }
        let invented: Vec<&String> = self.rows.keys().filter(|id| !known.contains(id.as_str())).collect();
        assert!(invented.is_empty(), "{told}: rows that the server never had: {invented:?}");
    }
}

/// Some writes of each kind; afterwards they are old enough to be read.
fn change(server: &RunningServer, table: &str) {
    let ids = server.ids(table);
    for id in ids.iter().step_by(7) {
        server.revise(table, id).unwrap();
    }
    for id in ids.iter().skip(3).step_by(31) {
        server.delete(table, id).unwrap();
    }
    for n in 0..5 {
        server.put(&format!(r#"{{"resourceType":"{table}","id":"new-{n}","status":"final"}}"#)).unwrap();
    }
    server.clock().advance(Duration::from_secs(600));
}

/// What a request with quarantine brings.
fn quarantining(table: &TableRef) -> ReadRequest {
    ReadRequest::new(table.clone()).bad_rows(BadRows::Quarantine)
}
