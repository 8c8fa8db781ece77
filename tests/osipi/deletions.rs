//! Late, edited and deleted events, and snapshots that compression discards: the lake follows the archive.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use lakeflow_connect::{
    ErrorKind, IngestionType, LakeflowConnect, ReadEvent, ReadRequest, Records, TableRef, decode::arrow_to_json,
};
use lakeflow_simulators::{
    clock::SimClock,
    osipi::{Change, Config, RunningServer, Sample, Server, Spelling, Ticks},
};
use serde_json::Value;

use super::{connect_to, lake::Lake, small_plant};

const SECOND: i64 = 10_000_000;

/// Six points with an event a minute for six hours, in ties, of which compression discards many.
pub(super) fn restless_plant() -> RunningServer {
    restless_points(6)
}

/// As [`restless_plant`], of so many points.
pub(super) fn restless_points(points: u32) -> RunningServer {
    let now: DateTime<Utc> = "2026-03-18T12:00:00Z".parse().unwrap();
    let mut config = Config { clock: SimClock::fixed(now), points, ..Config::default() };
    for (name, value) in [("days", "1"), ("ties", "3"), ("discard-percent", "30")] {
        config.set(name, value).unwrap();
    }
    Server::start(config).unwrap()
}

fn now(server: &RunningServer) -> Ticks {
    Ticks::from(server.clock().now())
}

pub(super) fn table(capture: &str) -> TableRef {
    TableRef::new("pi_timeseries").option("startTime", "2026-03-18T06:00:00Z").option("change_capture", capture)
}

/// From where on the lake is compared with the archive.
pub(super) fn begin() -> Ticks {
    Ticks::parse("2026-03-18T06:00:00Z").unwrap()
}

/// Late events, edits, and, if wanted, deletions, at random places of the archive.
pub(super) fn disturb(server: &RunningServer, random: &mut fastrand::Rng, deletes: bool) {
    disturb_since(begin(), server, random, deletes);
}

/// As [`disturb`], of events from an instant on.
pub(super) fn disturb_since(from: Ticks, server: &RunningServer, random: &mut fastrand::Rng, deletes: bool) {
    for point in server.points() {
        let events = server.events(&point, from, Ticks(now(server).0 + 1)).unwrap();
        let sample = || -> Sample { 4711.25.into() };
        for _ in 0..4 {
            let at = events[random.usize(..events.len())].time;
            // An event of before may be gone by now: then there is nothing to change.
            let _ = match random.u8(..if deletes { 6 } else { 3 }) {
                0 => server.change(&point, Change::Add(Ticks(at.0 + random.i64(1..30 * SECOND)), sample())),
                1 => server.change(&point, Change::Add(at, sample())),
                2 => server.change(&point, Change::Edit(at, 0, sample())),
                3 => server.change(&point, Change::Delete(at)),
                4 => server.change(&point, Change::DeleteOne(at, 0)),
                _ => server.change(&point, Change::Replace(at, sample())),
            };
        }
    }
}

async fn converges(capture: &str, deletes: bool, server: &RunningServer) {
    let mut random = fastrand::Rng::with_seed(7);
    let mut lake = Lake::default();
    let mut source = connect_to(server);
    for round in 0..6 {
        if round % 2 == 0 {
            // A host that is started for each run.
            source = connect_to(server);
        }
        lake.run(&source, &table(capture), usize::MAX).await.unwrap();
        let faults = lake.faults(server, begin(), Ticks(now(server).0 + 1));
        assert!(faults.is_empty(), "{capture}, run {round}: {} faults, first {:?}", faults.len(), faults.first());
        server.clock().advance(Duration::from_secs(600 * round + 60));
        disturb(server, &mut random, deletes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j4_overlap_follows_late_and_edited_events_and_discarded_snapshots_within_one_run() {
    converges("overlap", false, &restless_plant()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j4_reconcile_follows_deletions_too_within_one_run() {
    converges("reconcile", true, &restless_plant()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j4_updates_follow_everything_within_one_run() {
    converges("updates", true, &restless_plant()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j4_expired_markers_of_the_feed_cost_a_comparison_and_no_event() {
    let server = restless_plant();
    let (mut lake, mut random) = (Lake::default(), fastrand::Rng::with_seed(3));
    for round in 0..5 {
        let source = connect_to(&server);
        lake.run(&source, &table("updates"), usize::MAX).await.unwrap();
        let faults = lake.faults(&server, begin(), Ticks(now(&server).0 + 1));
        assert!(faults.is_empty(), "run {round}: {} faults, first {:?}", faults.len(), faults.first());
        disturb(&server, &mut random, true);
        server.clock().advance(Duration::from_secs(120));
        if round % 2 == 0 {
            server.restart_updates();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_tells_of_deletions_where_nothing_is_known_of_the_rows() {
    let server = small_plant();
    let table = table("updates").option("reconcile_days", "0").option("late_window", "0");
    let mut lake = Lake::default();
    lake.run(&connect_to(&server), &table, usize::MAX).await.unwrap();
    for point in server.points() {
        let events = server.events(&point, begin(), now(&server)).unwrap();
        server.change(&point, Change::Delete(events[events.len() / 2].time)).unwrap();
        server.change(&point, Change::Edit(events[events.len() / 3].time, 0, 5.0.into())).unwrap();
    }
    server.clock().advance(Duration::from_secs(60));
    lake.run(&connect_to(&server), &table, usize::MAX).await.unwrap();
    let faults = lake.faults(&server, begin(), Ticks(now(&server).0 + 1));
    assert!(faults.is_empty(), "{} faults, first {:?}", faults.len(), faults.first());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_deleted_and_comes_back_is_there_again() {
    let server = small_plant();
    let point = server.points().remove(0);
    let at = server.events(&point, begin(), now(&server)).unwrap()[20].time;
    let mut lake = Lake::default();
    for change in [None, Some(Change::Delete(at)), Some(Change::Add(at, 6.5.into())), Some(Change::Delete(at))] {
        if let Some(change) = change {
            server.change(&point, change).unwrap();
            server.clock().advance(Duration::from_secs(60));
        }
        lake.run(&connect_to(&server), &table("reconcile"), usize::MAX).await.unwrap();
        let faults = lake.faults(&server, begin(), Ticks(now(&server).0 + 1));
        assert!(faults.is_empty(), "{} faults, first {:?}", faults.len(), faults.first());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tables_that_report_deletions_say_so() {
    let source = super::nowhere();
    let of = |table: TableRef| {
        let source = Arc::clone(&source);
        async move { source.read_table_metadata(&table).await.unwrap() }
    };
    for capture in ["overlap", "reconcile", "updates"] {
        let metadata = of(TableRef::new("pi_timeseries").option("change_capture", capture)).await;
        let told = (metadata.ingestion_type, metadata.cursor_field.as_deref());
        assert_eq!(told, (IngestionType::CdcWithDeletes, Some("ingestion_timestamp")), "{capture}");
    }
    let none = TableRef::new("pi_timeseries").option("change_capture", "none");
    assert_eq!(of(none.clone()).await.ingestion_type, IngestionType::Cdc);
    let events: Result<Vec<_>, _> = source.read_table_deletes(ReadRequest::new(none)).try_collect().await;
    assert_eq!(events.unwrap_err().kind(), ErrorKind::Unsupported);
    let compat = TableRef::new("pi_timeseries").option("compat", "upstream");
    assert_eq!(of(compat.clone()).await.ingestion_type, IngestionType::Append);
    let compat = compat.option("change_capture", "reconcile");
    let events: Result<Vec<_>, _> = source.read_table(ReadRequest::new(compat)).try_collect().await;
    assert_eq!(events.unwrap_err().kind(), ErrorKind::Config);
}

/// All rows of a read, and its last offset.
async fn rows(
    source: &Arc<dyn LakeflowConnect>,
    request: ReadRequest,
) -> (Vec<Value>, Option<lakeflow_connect::Offset>) {
    let events: Vec<ReadEvent> = source.read_table(request).try_collect().await.unwrap();
    let (mut rows, mut offset) = (Vec::new(), None);
    for event in events {
        match event {
            ReadEvent::Records(Records::Arrow(batch)) => {
                let lines = arrow_to_json(&batch).unwrap();
                let text = std::str::from_utf8(&lines.bytes).unwrap().to_owned();
                rows.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
            }
            ReadEvent::Checkpoint(next) => offset = Some(next),
            other => panic!("{other:?}"),
        }
    }
    (rows, offset)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_changes_table_tells_each_change_once_and_says_when_the_feed_was_lost() {
    let server = small_plant();
    let source = connect_to(&server);
    let request = ReadRequest::new(TableRef::new("pi_timeseries_changes"));
    let (first, offset) = rows(&source, request.clone()).await;
    assert!(first.is_empty());
    let point = server.points().remove(1);
    let webid = server.web_id(&point, Spelling::IdOnly).unwrap();
    let at = server.events(&point, begin(), now(&server)).unwrap()[20].time;
    server.change(&point, Change::Add(Ticks(at.0 + SECOND), 5.0.into())).unwrap();
    server.change(&point, Change::Delete(at)).unwrap();
    let (told, offset) = rows(&source, request.clone().start(offset)).await;
    let told: Vec<_> = told.iter().filter(|row| row["tag_webid"] == webid.as_str()).collect();
    assert_eq!(told.iter().map(|row| &row["action"]).collect::<Vec<_>>(), ["Update", "Delete"]);
    assert_eq!((&told[0]["value"], &told[1]["timestamp_raw"]), (&Value::from(5.0), &Value::from(at.to_string())));
    let (none, offset) = rows(&source, request.clone().start(offset)).await;
    assert!(none.is_empty());
    server.restart_updates();
    let (lost, offset) = rows(&source, request.clone().start(offset)).await;
    assert_eq!(lost.len(), server.points().len());
    assert!(lost.iter().all(|row| row["action"] == "Refresh" && row["change_seq"] == -1));
    assert!(rows(&source, request.start(offset)).await.0.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn annotations_are_rows_of_their_own() {
    let server = small_plant();
    let table = TableRef::new("pi_stream_annotations").option("startTime", "2026-03-18T06:00:00Z");
    let table = table.option("maxCount", "60").option("snapshot_policy", "include");
    let (found, _) = rows(&connect_to(&server), ReadRequest::new(table)).await;
    let mut wanted = Vec::new();
    for point in server.points() {
        let webid = server.web_id(&point, Spelling::IdOnly).unwrap();
        let events = server.events(&point, begin(), Ticks(now(&server).0 + 1)).unwrap();
        let annotated = events.iter().filter_map(|e| Some((e.time.to_string(), e.annotation.clone()?)));
        wanted.extend(annotated.map(|(time, text)| (webid.clone(), time, Value::from(text).to_string())));
    }
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let found = found.iter().map(|r| (text(r, "tag_webid"), text(r, "timestamp_raw"), text(r, "value_json")));
    let mut found: Vec<_> = found.collect();
    found.sort();
    wanted.sort();
    assert!(wanted.len() > 5);
    assert_eq!(found, wanted);
}
