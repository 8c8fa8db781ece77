//! Recorded values: nothing lost and nothing twice, whatever the page, wherever the read is broken off.

use std::{collections::BTreeSet, time::Duration};

use futures::TryStreamExt;
use lakeflow_connect::{ReadEvent, ReadRequest, TableRef};
use lakeflow_simulators::{
    clock::SimClock,
    osipi::{Change, Config, Expected, PointType, RunningServer, Sample, Server, Spelling, Ticks, Value as Stored},
};
use serde_json::Value;

use super::{
    columns::never_filled,
    connect_to,
    lake::{Lake, read_on},
    plant_with, rows_of, small_plant,
};

/// The lake against what the server holds: each event by tag and exact time, once.
fn compare(server: &RunningServer, lake: &Lake) {
    let now = Ticks::from(server.clock().now());
    let from = Ticks(now.0 - 86_400 * 10_000_000);
    let mut wanted: Vec<(String, String)> = Vec::new();
    for point in server.points() {
        let webid = server.web_id(&point, Spelling::IdOnly).unwrap();
        let events = server.events(&point, from, Ticks(now.0 + 1)).unwrap();
        wanted.extend(events.iter().map(|e| (webid.clone(), e.time.to_string())));
    }
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let mut found: Vec<_> =
        lake.rows.values().map(|row| (text(row, "tag_webid"), text(row, "timestamp_raw"))).collect();
    wanted.sort();
    found.sort();
    assert!(wanted.len() > 100, "{}", wanted.len());
    let missing = wanted.iter().filter(|w| found.binary_search(w).is_err()).count();
    let extra = found.iter().filter(|f| wanted.binary_search(f).is_err()).count();
    assert_eq!((missing, extra, found.len()), (0, 0, wanted.len()));
}

fn table(name: &str) -> TableRef {
    TableRef::new(name).option("startTime", "*-1d")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_read_once_whatever_the_page() {
    let server = small_plant();
    for name in ["pi_timeseries", "pi_streamset_recorded"] {
        for max_count in ["150", "10000"] {
            let mut lake = Lake::default();
            let table = table(name).option("maxCount", max_count).option("snapshot_policy", "include");
            read_on(&server, table, None, usize::MAX, &mut lake).await;
            compare(&server, &lake);
        }
    }
}

/// Tag and text of the time of every row that a read sends, also of those that it sends twice.
async fn sent(server: &RunningServer, table: TableRef) -> Vec<(String, i64)> {
    let events: Vec<ReadEvent> = connect_to(server).read_table(ReadRequest::new(table)).try_collect().await.unwrap();
    let rows = events.iter().flat_map(|event| match event {
        ReadEvent::Records(records) => rows_of(records),
        _ => Vec::new(),
    });
    let at = |row: &Value| Ticks::parse(row["timestamp"].as_str().unwrap()).unwrap().0;
    let mut sent: Vec<_> = rows.map(|row| (row["tag_webid"].as_str().unwrap().to_owned(), at(&row) / 10)).collect();
    sent.sort();
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn one_read_sends_no_event_twice_however_small_windows_pages_and_units_are() {
    let server = plant_with(&[("points", "3"), ("density", "30s"), ("ties", "2"), ("types", "Float64")]);
    let (from, now) = (Ticks::parse("2026-03-18T11:30:00Z").unwrap(), Ticks::from(server.clock().now()));
    let (mut all, mut without_newest) = (Vec::new(), Vec::new());
    for point in server.points() {
        let webid = server.web_id(&point, Spelling::IdOnly).unwrap();
        let events = server.events(&point, from, Ticks(now.0 + 1)).unwrap();
        let newest = events.last().unwrap().time;
        let of = |event: &Expected| (webid.clone(), event.time.0 / 10);
        all.extend(events.iter().map(of));
        without_newest.extend(events.iter().filter(|event| event.time != newest).map(of));
    }
    all.sort();
    without_newest.sort();
    assert!(without_newest.len() > 100);
    for (option, value, wanted) in [
        ("snapshot_policy", "include", &all),
        ("snapshot_policy", "provisional", &all),
        ("snapshot_policy", "exclude", &without_newest),
        ("change_capture", "none", &without_newest),
        ("compat", "upstream", &without_newest),
    ] {
        for (max_count, window, unit) in [("3", "300", "5"), ("2", "70", "1"), ("5", "900", "20"), ("4", "0", "7")] {
            let table = TableRef::new("pi_timeseries").option("startTime", from.to_string()).option(option, value);
            let table = table.option("maxCount", max_count).option("window_seconds", window);
            let table = table.option("max_records_per_batch", unit).option("tags_per_request", "1");
            let sent = sent(&server, table).await;
            assert!(sent == *wanted, "{option}={value} {max_count} {window}: {} of {}", sent.len(), wanted.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stops_after_each_unit_holds_what_the_archive_holds() {
    let server = small_plant();
    let table = table("pi_timeseries").option("maxCount", "200").option("max_records_per_batch", "1000");
    let (mut lake, mut offset) = (Lake::default(), None);
    for round in 0..10_000 {
        let next = read_on(&server, table.clone(), offset.clone(), 1, &mut lake).await;
        if next == offset {
            assert!(round > 1);
            break;
        }
        offset = next;
    }
    compare(&server, &lake);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_run_brings_what_is_new_and_nothing_is_lost_between() {
    let server = small_plant();
    let (mut lake, mut offset) = (Lake::default(), None);
    for _ in 0..4 {
        offset = read_on(&server, table("pi_timeseries"), offset, usize::MAX, &mut lake).await;
        let before = lake.rows.len();
        offset = read_on(&server, table("pi_timeseries"), offset, usize::MAX, &mut lake).await;
        assert_eq!(lake.rows.len(), before, "the clock stands still");
        server.clock().advance(Duration::from_secs(1800));
    }
    // What the runs have read begins a day before the first.
    read_on(&server, table("pi_timeseries"), offset, usize::MAX, &mut lake).await;
    let day = Ticks::from(server.clock().now()).0 - 86_400 * 10_000_000;
    let recent = |row: &Value| Ticks::parse(row["timestamp_raw"].as_str().unwrap()).unwrap().0 >= day;
    lake.rows.retain(|_, row| recent(row));
    compare(&server, &lake);
}

#[tokio::test(flavor = "multi_thread")]
async fn j05_a_tag_that_fails_is_an_error_or_left_out_and_others_go_on() {
    let server = small_plant();
    let unknown = "I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA";
    let known = server.web_id(&server.points()[0], Spelling::IdOnly).unwrap();
    let both = table("pi_timeseries").option("tag_webids", format!("{unknown},{known}"));
    let failed: Result<Vec<_>, _> = connect_to(&server).read_table(ReadRequest::new(both.clone())).try_collect().await;
    let error = failed.unwrap_err();
    assert_eq!(error.get("webid"), Some(unknown), "{error}");
    let mut lake = Lake::default();
    let quarantine = both.option("on_tag_error", "quarantine");
    let offset = read_on(&server, quarantine.clone(), None, usize::MAX, &mut lake).await;
    let again = read_on(&server, quarantine, offset.clone(), usize::MAX, &mut lake).await;
    assert_eq!(again, offset, "nothing is new, and the tag is still left out");
    assert!(lake.rows.keys().all(|(tag, ..)| *tag == known) && !lake.rows.is_empty());
    let parts = connect_to(&server).explain_offset(&table("pi_timeseries"), &offset.unwrap()).await.unwrap();
    let of = |name: &str| parts.iter().find(|p| p.name == name).unwrap().watermark.clone();
    assert_eq!(of(unknown), None);
    assert!(of(&known).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn j01_every_column_of_recorded_values_is_filled_by_some_row() {
    let now = "2026-03-18T12:00:00Z".parse().unwrap();
    let mut config = Config { clock: SimClock::fixed(now), points: 20, ..Config::default() };
    for (name, value) in [("days", "1"), ("elements", "10"), ("bad-percent", "5"), ("flag-percent", "5")] {
        config.set(name, value).unwrap();
    }
    config.types = PointType::ALL.into_iter().map(|(_, kind)| kind).filter(|kind| *kind != PointType::Blob).collect();
    config.wire.value_errors = true;
    let server = Server::start(config).unwrap();
    let source = connect_to(&server);
    let mut empty = BTreeSet::new();
    for name in [
        "pi_timeseries",
        "pi_streamset_recorded",
        "pi_attribute_values",
        "pi_stream_annotations",
        "pi_timeseries_changes",
    ] {
        let mut read = TableRef::new(name).option("on_tag_error", "quarantine");
        let mut start = None;
        if name == "pi_timeseries_changes" {
            let events: Vec<_> = source.read_table(ReadRequest::new(read.clone())).try_collect().await.unwrap();
            start = events.iter().find_map(|event| match event {
                ReadEvent::Checkpoint(offset) => Some(offset.clone()),
                _ => None,
            });
            let at = Ticks(Ticks::from(server.clock().now()).0 - 1);
            for point in server.points() {
                let value = match server.point(&point).unwrap().point_type {
                    PointType::Digital => Stored::State(1),
                    PointType::String => Stored::Text("x".to_owned()),
                    PointType::Timestamp => Stored::Time(at),
                    PointType::Array => Stored::Json("[1]".to_owned()),
                    PointType::Int16 | PointType::Int32 | PointType::Int64 => Stored::Integer(5),
                    _ => Stored::Number(6.5),
                };
                let sample = Sample { error: Some("broken".to_owned()), ..Stored::Json("null".to_owned()).into() };
                for sample in [value.into(), sample] {
                    server.change(&point, Change::Add(at, sample)).unwrap();
                }
            }
        } else {
            read = read.option("startTime", "*-6h");
        }
        let schema = source.get_table_schema(&read).await.unwrap();
        let events: Vec<_> = source.read_table(ReadRequest::new(read).start(start)).try_collect().await.unwrap();
        let rows = events.iter().flat_map(|event| match event {
            ReadEvent::Records(records) => rows_of(records),
            _ => Vec::new(),
        });
        empty.append(&mut never_filled(name, &schema, &rows.collect::<Vec<_>>()));
    }
    // No attribute of the plant holds instants or lists, and no annotation is broken.
    let untold =
        ["pi_attribute_values.value_timestamp", "pi_attribute_values.value_json", "pi_stream_annotations.errors"];
    assert_eq!(empty, untold.map(str::to_owned).into());
}
