//! A large table, and one that is written to while it is read.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
};

use lakeflow_connect::{Offset, TableRef};
use serde_json::{Value, json};

use super::real::{Comparison, open, open_with, python, read, script, variable};

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_a_million_rows_of_vectors_are_what_lance_reads() {
    python("lance_tables.py", &[&variable("LAKEFLOW_TEST_LANCE_DATA"), "million"], "");
    let source = open();
    let mut comparison = Comparison::new();
    assert_eq!(comparison.read(&source, &TableRef::new("million"), json!({})).await, 1_000_000);
    let ranges = TableRef::new("million").option("columns", "id").option("scan_mode", "row_range");
    assert_eq!(comparison.read(&source, &ranges, json!({"columns": ["id"]})).await, 1_000_000);
    print!("{}", comparison.check());
}

/// The version that a read was of.
fn version(offset: &Offset) -> u64 {
    fn find(value: &Value) -> Option<u64> {
        let Value::Object(members) = value else { return None };
        members.get("version").and_then(Value::as_u64).or_else(|| members.values().find_map(find))
    }
    find(&serde_json::from_str(&offset.to_json()).unwrap()).expect("an offset tells its version")
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_scans_while_writers_write_are_of_one_version() {
    let mut writer = script("lance_writer.py").args([&variable("LAKEFLOW_TEST_LANCE_DATA"), "busy"]).spawn().unwrap();
    let mut said = BufReader::new(writer.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let mut comparison = Comparison::new();
    let mut versions = BTreeSet::new();
    let sources = [open(), open_with(&[("parallelism", "1")]), open_with(&[("parallelism", "16")])];
    // More than one version must be seen, else nobody wrote: the writer is as fast as the machine lets it.
    for round in 0_usize.. {
        if round >= 9 && versions.len() >= 4 {
            break;
        }
        let mode = ["offset", "row_range", "dummy_vector"][round % 3];
        let table = TableRef::new("busy")
            .option("batch_size", "700")
            .option("scan_mode", mode)
            .option("ingestion_type", "snapshot");
        let rows = read(&sources[round / 3 % 3], &table).await.unwrap();
        let version = version(&rows.offset);
        versions.insert(version);
        comparison.add(&table, &rows, json!({"version": version, "sort": "id"}));
    }
    drop(writer.stdin.take());
    let mut commits = String::new();
    said.read_to_string(&mut commits).unwrap();
    assert!(writer.wait().unwrap().success());
    assert!(commits.trim().parse::<u64>().unwrap() >= 3, "{commits} commits");
    print!("{}", comparison.check());
}
