//! How fast rows land: generated observations of about 2 KB into a Delta table.
//!
//! `cargo run --release -p lakeflow-sync --example sync_speed -- [ROWS] [append|cdc|history] [CHANGES]` writes ROWS rows to a
//! temporary directory, then syncs CHANGES changed rows, and as many again, and prints rates and peak memory.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::{fmt::Write, sync::Arc, time::Instant};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use lakeflow_connect::{
    IngestionType, LakeflowConnect, Offset, ReadEvent, ReadRequest, ReadStream, Records, Result, StructType,
    TableMetadata, TableRef,
    arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
};
use lakeflow_sync::{Landing, SyncOptions, TableJob, sync_table};
use serde::{Deserialize, Serialize};

const PAGE: u64 = 1_000;

struct Observations {
    rows: u64,
    changes: u64,
    ingestion_type: IngestionType,
}

#[derive(Serialize, Deserialize)]
struct At {
    at: u64,
}

fn hash(n: u64) -> u64 {
    let x = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Observations {
    fn page(&self, at: u64) -> (RecordBatch, Offset) {
        let end = if at < self.rows { (at + PAGE).min(self.rows) } else { (at + PAGE).min(self.rows + self.changes) };
        // Changes are of rows all over the table.
        let number = |n: u64| if n < self.rows { n } else { hash(n) % self.rows };
        let id: Vec<String> = (at..end).map(|n| format!("{:016x}-{:08x}", hash(number(n)), number(n))).collect();
        let json: Vec<String> = (at..end).zip(&id).map(|(n, id)| observation(n, id)).collect();
        let updated = (at..end).map(|n| 1_700_000_000_000_000 + i64::try_from(n).unwrap() * 1_000);
        let subject: StringArray = (at..end).map(|n| Some(format!("Patient/{}", hash(n / 50)))).collect();
        let status: StringArray = (at..end).map(|_| Some("final")).collect();
        let code: StringArray = (at..end).map(|n| Some(format!("{}-{}", 1000 + n % 300, n % 10))).collect();
        let value: Float64Array = (at..end).map(|n| Some((hash(n) % 2000) as f64 / 10.0)).collect();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(StringArray::from(id))),
            ("lastUpdated", Arc::new(TimestampMicrosecondArray::from_iter_values(updated).with_timezone("UTC"))),
            ("status", Arc::new(status)),
            ("code", Arc::new(code)),
            ("subject", Arc::new(subject)),
            ("value", Arc::new(value)),
            ("raw_json", Arc::new(StringArray::from(json))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
        (batch, Offset::encode(1, &At { at: end }).unwrap())
    }
}

fn observation(n: u64, id: &str) -> String {
    let mut json = String::with_capacity(2200);
    write!(
        json,
        r#"{{"resourceType":"Observation","id":"{id}","meta":{{"versionId":"1","lastUpdated":"2024-03-01T10:{:02}:{:02}.{:03}Z","profile":["http://hl7.org/fhir/StructureDefinition/vitalsigns"]}},"status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}}]}}],"subject":{{"reference":"Patient/{}"}},"encounter":{{"reference":"Encounter/{}"}},"effectiveDateTime":"2024-02-{:02}T08:{:02}:00+01:00","component":["#,
        n / 60 % 60,
        n % 60,
        n % 1000,
        hash(n / 50),
        hash(n / 7),
        1 + n % 28,
        n % 60
    )
    .unwrap();
    for i in 0..7 {
        let comma = if i == 0 { "" } else { "," };
        write!(
            json,
            r#"{comma}{{"code":{{"coding":[{{"system":"http://loinc.org","code":"{}-{i}","display":"Component {i} of the panel"}}]}},"valueQuantity":{{"value":{}.{},"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}}}"#,
            8000 + hash(n + i) % 999,
            hash(n * 31 + i) % 250,
            hash(n * 17 + i) % 100
        )
        .unwrap();
    }
    json.push_str("]}");
    json
}

#[async_trait]
impl LakeflowConnect for Observations {
    async fn list_tables(&self) -> Result<Vec<String>> {
        Ok(vec!["Observation".to_owned()])
    }

    async fn get_table_schema(&self, _table: &TableRef) -> Result<StructType> {
        StructType::from_ddl(
            "id STRING, lastUpdated TIMESTAMP, status STRING, code STRING, subject STRING, value DOUBLE, raw_json STRING",
        )
    }

    async fn read_table_metadata(&self, _table: &TableRef) -> Result<TableMetadata> {
        Ok(TableMetadata {
            primary_keys: vec!["id".to_owned()],
            cursor_field: Some("lastUpdated".to_owned()),
            ingestion_type: self.ingestion_type,
        })
    }

    fn read_table(&self, request: ReadRequest) -> ReadStream {
        let from = request.start.map_or(0, |o| o.decode::<At>(1).unwrap().at);
        let this = Self { ..*self };
        let end = if from < self.rows { self.rows } else { self.rows + self.changes };
        stream::unfold(from, move |at| {
            let events = (at < end).then(|| this.page(at));
            async move {
                let (batch, offset) = events?;
                let next = offset.decode::<At>(1).unwrap().at;
                let events = [Ok(ReadEvent::Records(Records::Arrow(batch))), Ok(ReadEvent::Checkpoint(offset))];
                Some((stream::iter(events), next))
            }
        })
        .flatten()
        .boxed()
    }
}

fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("VmHWM: unknown").to_owned()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut args = std::env::args().skip(1);
    let rows = args.next().map_or(1_000_000, |a| a.parse().unwrap());
    let (ingestion_type, landing) = match args.next().as_deref() {
        Some("append") => (IngestionType::Append, None),
        Some("history") => (IngestionType::Cdc, Some(Landing::History)),
        _ => (IngestionType::Cdc, None),
    };
    let changes = args.next().map_or(rows / 100, |a| a.parse().unwrap());
    let source = Observations { rows, changes, ingestion_type };
    let dir = tempfile::tempdir().unwrap();
    let destination = lakeflow_sync::destination(dir.path().join("Observation").to_str().unwrap()).unwrap();
    let started = Instant::now();
    let (mut at, mut bytes) = (0, 0);
    while at < rows.min(200_000) {
        let (batch, offset) = source.page(at);
        bytes += batch.get_array_memory_size();
        at = offset.decode::<At>(1).unwrap().at;
    }
    let generating = at as f64 / started.elapsed().as_secs_f64();
    println!("generating alone: {generating:.0} rows/s, {} bytes a row of Arrow; {}", bytes as u64 / at, peak());
    for (run, changes) in [("all", 0), ("changes", changes), ("more changes", 2 * changes)] {
        let started = Instant::now();
        let source = Arc::new(Observations { changes, ..source });
        let mut job = TableJob::new("bench", source, "Observation", destination.clone());
        job.landing = landing;
        let receipt = sync_table(job, &SyncOptions::default(), &()).await.unwrap();
        let seconds = started.elapsed().as_secs_f64();
        let rate = receipt.counts.rows_read as f64 / seconds;
        println!("{run}: {rate:.0} rows/s in {seconds:.2} s; {}; {:?}", peak(), receipt.counts);
    }
}
