//! Tables that change on the simulated server, followed as a host follows them.

use std::sync::Arc;

use fastrand::Rng;
use futures::TryStreamExt;
use lakeflow_connect::{
    Context, IngestionType, Options, ReadEvent, ReadRequest, Records, Registry, TableRef,
    arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    arrow::datatypes::Int64Type,
};
use lakeflow_simulators::lancedb::{Config, Database, RowIds, RunningServer, Server};
use serde_json::Value;

use super::replica::{Connect, Keeps, Kill, Replica, values};

pub(super) fn rows(ids: &[i64], round: i64) -> RecordBatch {
    let names = ids.iter().map(|id| (id % 4 != 3).then(|| format!("{id} of {round}")));
    let columns: [(&str, ArrayRef, bool); 3] = [
        ("id", Arc::new(Int64Array::from(ids.to_vec())), false),
        ("n", Arc::new(Int64Array::from_iter_values(ids.iter().map(|id| (id * 7 + round) % 100))), false),
        ("name", Arc::new(StringArray::from_iter(names)), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

pub(super) fn serve(row_ids: RowIds) -> RunningServer {
    let mut config = Config::default();
    config.tables.clear();
    let server = Server::start(config).unwrap();
    server.database().create_in_fragments("t", &rows(&(0..40).collect::<Vec<_>>(), 0), row_ids, 16).unwrap();
    server
}

fn connect(server: &RunningServer) -> Connect {
    let options = Options::new().with("host_override", server.base_url()).with("database", "db");
    Arc::new(move || Registry::builtin().connect("lancedb", &options, &Context::new()).unwrap())
}

/// Nothing but the user knows that an id is a key.
pub(super) const KEY: (&str, &str) = ("primary_keys", "id");

pub(super) fn replica(server: &RunningServer, options: &[(&str, &str)]) -> Replica {
    let table = options.iter().fold(TableRef::new("t"), |table, (name, value)| table.option(*name, *value));
    Replica::new(connect(server), table)
}

fn ids(database: &Database, id: &str) -> Vec<i64> {
    let batch = database.columns(id, None, &["id"]).unwrap();
    batch.column(0).as_primitive::<Int64Type>().values().to_vec()
}

pub(super) fn assert_equal(server: &RunningServer, replica: &Replica, chosen: impl Fn(&Value) -> bool, log: &[String]) {
    let batch = server.database().rows("t", None).unwrap();
    let mut wanted: Vec<Value> = values(&Records::Arrow(batch)).into_iter().filter(chosen).collect();
    let mut found: Vec<Value> = replica.rows.values().cloned().collect();
    for row in &mut found {
        let row = row.as_object_mut().unwrap();
        row.retain(|name, _| !matches!(name.as_str(), "_row_last_updated_at_version" | "_rowid"));
    }
    let id = |row: &Value| (row["id"].as_i64(), row["name"].to_string());
    wanted.sort_by_key(id);
    found.sort_by_key(id);
    assert!(wanted == found, "{wanted:?}\n{found:?}\n{}\n{:?}", log.join("\n"), replica.resets);
}

#[tokio::test]
async fn offsets_are_explained() {
    let server = serve(RowIds::Stable);
    let mut replica = replica(&server, &[]);
    server.database().update("t", "id = 3", &[("name", "'MARKER'")]).unwrap();
    replica.run(Kill::default()).await.unwrap();
    for (offset, way) in [(&replica.offset, "the versions of rows"), (&replica.deletes_offset, "row ids that are gone")]
    {
        let parts = replica.source.explain_offset(&replica.table, offset.as_ref().unwrap()).await.unwrap();
        let [part] = parts.as_slice() else { panic!("{parts:?}") };
        assert!(part.name == "t" && part.watermark.as_ref().unwrap().starts_with("version 2 of 20"), "{part:?}");
        assert_eq!(part.details[0], ("rows of that version".to_owned(), "40".to_owned()));
        assert_eq!(part.details[1], ("followed by".to_owned(), way.to_owned()));
    }
}

/// One random commit.
fn step(database: &mut Database, rng: &mut Rng, next: &mut i64) -> String {
    let held = ids(database, "t");
    let mut some: Vec<i64> = (0..rng.usize(1..8)).filter_map(|_| rng.choice(&held).copied()).collect();
    some.sort_unstable();
    some.dedup();
    let list: Vec<String> = some.iter().map(i64::to_string).collect();
    let condition = if list.is_empty() { "id < 0".to_owned() } else { format!("id IN ({})", list.join(",")) };
    let mut fresh = || {
        let from = *next;
        *next += 5;
        (from..*next).collect::<Vec<i64>>()
    };
    let round = rng.i64(1..1000);
    match rng.u8(0..10) {
        0 | 1 => database.append("t", &rows(&fresh(), round)),
        2 => database.update("t", &condition, &[("name", "'updated'"), ("n", &rng.i64(0..100).to_string())]),
        3 => database.merge("t", &["id"], &rows(&[some, fresh()].concat(), round)),
        4 | 5 => database.delete("t", &condition),
        6 => {
            database.delete("t", &condition).unwrap();
            database.append("t", &rows(&some, round))
        }
        7 => database.compact("t"),
        8 => {
            let versions = database.versions("t").unwrap();
            let of = rng.usize(versions.len().saturating_sub(6)..versions.len());
            database.restore("t", versions[of])
        }
        _ => database.overwrite("t", &rows(&[some, fresh()].concat(), round)),
    }
    .map(|version| version.to_string())
    .unwrap()
}

async fn random_history(seed: u64, options: &[(&str, &str)], chosen: impl Fn(&Value) -> bool) {
    let server = serve(RowIds::Stable);
    let keeps = [Keeps::Always, Keeps::OneRun, Keeps::OneStream][seed as usize % 3];
    let mut replica = replica(&server, options).keeps(keeps);
    let (mut rng, mut next, mut log) = (Rng::with_seed(seed), 100, Vec::new());
    replica.run(Kill::default()).await.unwrap();
    for _ in 0..12 {
        for _ in 0..rng.usize(1..4) {
            log.push(step(&mut server.database(), &mut rng, &mut next));
        }
        if rng.u8(0..3) == 0 {
            replica.run(Kill(Some(rng.usize(1..6)))).await.unwrap();
            log.push(step(&mut server.database(), &mut rng, &mut next));
        }
        replica.run(Kill::default()).await.unwrap();
        assert_equal(&server, &replica, &chosen, &log);
    }
    assert!(replica.resets.is_empty(), "history {seed}: {:?}", replica.resets);
}

#[tokio::test]
async fn random_histories_are_followed_commit_by_commit() {
    for seed in 0..6 {
        random_history(seed, &[("batch_size", "5"), KEY], |_| true).await;
    }
}

#[tokio::test]
async fn random_histories_of_tables_without_a_key_are_followed_by_row_ids() {
    for seed in 40..43 {
        random_history(seed, &[("batch_size", "5")], |_| true).await;
    }
}

#[tokio::test]
async fn random_histories_are_followed_through_a_filter() {
    for seed in 20..23 {
        random_history(seed, &[("batch_size", "3"), ("filter", "n < 50"), KEY], |row| row["n"].as_i64().unwrap() < 50)
            .await;
    }
}

#[tokio::test]
async fn random_histories_are_followed_by_comparing_all_ids() {
    for seed in 60..63 {
        random_history(seed, &[("batch_size", "5"), ("delete_detection", "rowid_diff"), KEY], |_| true).await;
    }
}

#[tokio::test]
async fn a_deletion_and_a_restore_that_balance_are_both_seen() {
    for detection in ["auto", "rowid_diff"] {
        for options in [&[("delete_detection", detection), KEY][..], &[("delete_detection", detection)]] {
            let server = serve(RowIds::Stable);
            let first = server.database().version("t").unwrap();
            server.database().delete("t", "id = 5").unwrap();
            let mut replica = replica(&server, options);
            replica.run(Kill::default()).await.unwrap();
            assert_eq!(replica.rows.len(), 39);
            // One row is back, another one is gone: as many as before.
            server.database().restore("t", first).unwrap();
            server.database().delete("t", "id = 6").unwrap();
            replica.run(Kill::default()).await.unwrap();
            assert_equal(&server, &replica, |_| true, &[]);
            assert!(replica.resets.is_empty(), "{detection}: {:?}", replica.resets);
        }
    }
}

#[tokio::test]
async fn without_the_detection_of_deletions_rows_stay() {
    let server = serve(RowIds::Stable);
    let mut replica = replica(&server, &[("delete_detection", "off"), KEY]);
    replica.run(Kill::default()).await.unwrap();
    server.database().delete("t", "id = 5").unwrap();
    server.database().update("t", "id = 6", &[("name", "'changed'")]).unwrap();
    replica.run(Kill::default()).await.unwrap();
    assert_eq!((replica.rows.len(), replica.came), (40, 41));
}

#[tokio::test]
async fn nothing_new_costs_a_few_requests_and_brings_nothing() {
    let server = serve(RowIds::Stable);
    let mut replica = replica(&server, &[KEY]);
    replica.run(Kill::default()).await.unwrap();
    let (offset, deletes_offset, came) = (replica.offset.clone(), replica.deletes_offset.clone(), replica.came);
    let before = server.counters().requests;
    replica.run(Kill::default()).await.unwrap();
    let requests = server.counters().requests - before;
    // Four times the table is opened, with its version, the time of that, and two schemas; nothing is counted or read.
    assert!(requests <= 17, "{requests}");
    assert_eq!((replica.offset, replica.deletes_offset, replica.came), (offset, deletes_offset, came));
}

#[tokio::test]
async fn only_what_changed_is_read() {
    let server = serve(RowIds::Stable);
    let mut replica = replica(&server, &[KEY]);
    replica.run(Kill::default()).await.unwrap();
    assert_eq!(replica.came, 40);
    {
        let mut database = server.database();
        database.append("t", &rows(&[100, 101], 1)).unwrap();
        database.update("t", "id = 3", &[("name", "'changed'")]).unwrap();
        database.delete("t", "id IN (5, 6)").unwrap();
        // Deleted and there again: no deletion.
        database.delete("t", "id = 7").unwrap();
        database.append("t", &rows(&[7], 2)).unwrap();
        // Came and went.
        database.append("t", &rows(&[102], 1)).unwrap();
        database.delete("t", "id = 102").unwrap();
        database.compact("t").unwrap();
    }
    replica.run(Kill::default()).await.unwrap();
    assert_eq!(replica.came, 40 + 4 + 2);
    assert_equal(&server, &replica, |_| true, &[]);
}

#[tokio::test]
async fn columns_that_change_are_sent_with_all_rows() {
    let server = serve(RowIds::Stable);
    let mut replica = replica(&server, &[KEY]);
    replica.run(Kill::default()).await.unwrap();
    server.database().rename_column("t", "name", "title").unwrap();
    replica.run(Kill::default()).await.unwrap();
    assert_equal(&server, &replica, |_| true, &[]);
    server.database().drop_column("t", "n").unwrap();
    replica.run(Kill::default()).await.unwrap();
    assert_equal(&server, &replica, |_| true, &[]);
    assert!(replica.resets.is_empty());
}

#[tokio::test]
async fn a_snapshot_becomes_changes_when_the_table_shows_that_it_keeps_ids() {
    let mut config = Config::default();
    config.tables.clear();
    let server = Server::start(config).unwrap();
    server.database().create("t", &rows(&[0, 1, 2, 3], 0), RowIds::Stable).unwrap();
    let mut replica = replica(&server, &[KEY]);
    let metadata = async |replica: &Replica| replica.source.read_table_metadata(&replica.table).await.unwrap();
    assert_eq!(metadata(&replica).await.ingestion_type, IngestionType::Snapshot);
    replica.run(Kill::default()).await.unwrap();
    server.database().append("t", &rows(&[4], 1)).unwrap();
    assert_eq!(metadata(&replica).await.ingestion_type, IngestionType::CdcWithDeletes);
    replica.run(Kill::default()).await.unwrap();
    assert_equal(&server, &replica, |_| true, &[]);
    server.database().delete("t", "id = 2").unwrap();
    replica.run(Kill::default()).await.unwrap();
    assert_equal(&server, &replica, |_| true, &[]);
    assert!(replica.resets.is_empty(), "{:?}", replica.resets);
}

#[tokio::test]
async fn rows_that_a_snapshot_lost_before_it_could_be_followed_are_not_kept_in_silence() {
    let mut config = Config::default();
    config.tables.clear();
    let server = Server::start(config).unwrap();
    server.database().create("t", &rows(&[0, 1, 2, 3], 0), RowIds::Stable).unwrap();
    let mut replica = replica(&server, &[KEY]);
    replica.run(Kill::default()).await.unwrap();
    server.database().delete("t", "id = 2").unwrap();
    server.database().append("t", &rows(&[4], 1)).unwrap();
    replica.run(Kill::default()).await.unwrap();
    assert_equal(&server, &replica, |_| true, &[]);
    assert!(replica.resets.len() == 1 && replica.resets[0].contains("before the table could be followed"));
}

#[tokio::test]
async fn asked_for_some_columns_a_read_has_those_its_key_and_its_cursor() {
    let server = serve(RowIds::Stable);
    let source = connect(&server)();
    let columns = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let request = ReadRequest::new(TableRef::new("t").option(KEY.0, KEY.1));
    let events: Vec<ReadEvent> =
        source.read_table(request.clone().columns(columns(&["name"]))).try_collect().await.unwrap();
    let ReadEvent::Records(Records::Arrow(batch)) = &events[0] else { panic!("no rows") };
    let names: Vec<_> = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["id", "name", "_row_last_updated_at_version"]);
    let error = source.read_table(request.columns(columns(&["nmae"]))).try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.to_string().contains("did you mean 'name'?"), "{error}");
}

#[tokio::test]
async fn plans_are_stretches_of_one_version() {
    let server = serve(RowIds::Stable);
    server.database().append("t", &rows(&(100..300).collect::<Vec<_>>(), 1)).unwrap();
    for options in [
        &[("batch_size", "2")][..],
        &[("batch_size", "2"), ("ingestion_type", "snapshot")],
        &[("batch_size", "2"), ("scan_mode", "row_range")],
    ] {
        let table = options.iter().fold(TableRef::new("t"), |table, (name, value)| table.option(*name, *value));
        let parts = connect(&server)().plan(ReadRequest::new(table)).await.unwrap();
        assert_eq!(parts.len(), 4, "240 rows, 64 in a part");
        // What happens after it was planned changes nothing.
        server.database().delete("t", "id < 20").unwrap();
        let mut found = Vec::new();
        for part in parts {
            let until = part.until.clone().unwrap();
            let events: Vec<ReadEvent> = connect(&server)().read_table(part).try_collect().await.unwrap();
            assert!(matches!(events.last(), Some(ReadEvent::Checkpoint(offset)) if *offset == until));
            for event in &events {
                if let ReadEvent::Records(records) = event {
                    found.extend(values(records).iter().map(|row| row["id"].as_i64().unwrap()));
                }
            }
        }
        found.sort_unstable();
        assert_eq!(found, (0..40).chain(100..300).collect::<Vec<i64>>());
        let latest = server.database().version("t").unwrap();
        server.database().restore("t", latest - 1).unwrap();
    }
}
