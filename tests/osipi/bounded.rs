//! Tables that end before now, as a backfill of history does.

use std::{collections::BTreeSet, time::Duration};

use futures::TryStreamExt;
use lakeflow_connect::{ReadEvent, ReadRequest, TableRef};
use lakeflow_simulators::osipi::{Change, ExpectedFrame, RunningServer, Spelling, Ticks};
use serde_json::Value;

use super::{
    connect_to,
    deletions::{begin, table},
    lake::Lake,
    plant_with, rows_of, small_plant,
};

const END: &str = "2026-03-18T09:00:00Z";

fn end() -> Ticks {
    Ticks::parse(END).unwrap()
}

fn now(server: &RunningServer) -> Ticks {
    Ticks::from(server.clock().now())
}

fn past(capture: &str) -> TableRef {
    table(capture).option("endTime", END).option("late_window", "4h").option("reconcile_days", "0")
}

async fn run(server: &RunningServer, lake: &mut Lake, table: &TableRef) {
    lake.run(&connect_to(server), table, usize::MAX).await.unwrap();
    // The end itself belongs to the table.
    let faults = lake.faults(server, begin(), Ticks(end().0 + 1));
    assert!(faults.is_empty(), "{} faults, first {:?}", faults.len(), faults.first());
    let last = lake.rows.values().map(|row| Ticks::parse(row["timestamp_raw"].as_str().unwrap()).unwrap().0).max();
    assert!(last <= Some(end().0), "read beyond the end");
}

fn provisional(lake: &Lake) -> usize {
    lake.rows.values().filter(|row| row["is_snapshot"] == true).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_ends_before_now_holds_the_last_event_before_its_end_as_final() {
    for capture in ["none", "overlap", "reconcile"] {
        let (server, mut lake) = (small_plant(), Lake::default());
        if capture == "none" {
            // Nothing is deleted from it, so the provisional event of a single stream would be held back.
            lake.deletes_offset = None;
            let events = connect_to(&server).read_table(ReadRequest::new(past(capture)));
            assert!(lake.take(events, false, usize::MAX).await.unwrap());
            let faults = lake.faults(&server, begin(), Ticks(end().0 + 1));
            assert!(faults.is_empty(), "{capture}: {} faults, first {:?}", faults.len(), faults.first());
        } else {
            run(&server, &mut lake, &past(capture)).await;
        }
        assert_eq!(provisional(&lake), 0, "{capture}: each point has gone on since");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_ends_before_now_takes_what_comes_late_and_then_has_nothing_new() {
    let (server, mut lake) = (small_plant(), Lake::default());
    run(&server, &mut lake, &past("overlap")).await;
    let point = server.points().remove(2);
    for minutes in [10, 25] {
        let late = Ticks(end().0 - minutes * 600_000_000);
        server.change(&point, Change::Add(late, 4711.0.into())).unwrap();
        server.clock().advance(Duration::from_secs(600));
        run(&server, &mut lake, &past("overlap")).await;
    }
    // Later than that it is not looked for.
    server.clock().advance(Duration::from_secs(5 * 3600));
    run(&server, &mut lake, &past("overlap")).await;
    let source = connect_to(&server);
    server.clock().advance(Duration::from_secs(3600));
    let latest = source.latest_offset(&past("overlap"), lake.offset.as_ref()).await.unwrap();
    assert_eq!(latest, lake.offset, "nothing is new");
    let events: Vec<_> =
        source.read_table(ReadRequest::new(past("overlap")).start(lake.offset.clone())).try_collect().await.unwrap();
    assert!(events.is_empty(), "{events:?}");
    // A tag that the table did not have before is read all the same.
    let one = past("overlap").option("tag_webids", server.web_id(&point, Spelling::IdOnly).unwrap());
    let (mut other, all) = (Lake::default(), lake.rows.len());
    other.run(&connect_to(&server), &one, usize::MAX).await.unwrap();
    assert!((1..all).contains(&other.rows.len()));
    server.clock().advance(Duration::from_secs(60));
    run(&server, &mut other, &past("overlap")).await;
    assert_eq!(other.rows.len(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_event_of_a_slow_tag_before_the_end_is_followed_until_it_is_final() {
    let (server, mut lake) = (small_plant(), Lake::default());
    let point = server.points().remove(1);
    for event in server.events(&point, Ticks(end().0 + 1), Ticks(now(&server).0 + 1)).unwrap() {
        // Those of one instant go together.
        let _ = server.change(&point, Change::Delete(event.time));
    }
    for _ in 0..2 {
        run(&server, &mut lake, &past("overlap")).await;
        assert_eq!(provisional(&lake), 1);
    }
    server.change(&point, Change::Supersede(Ticks(now(&server).0 + 1), 6.5.into())).unwrap();
    server.clock().advance(Duration::from_secs(1));
    run(&server, &mut lake, &past("overlap")).await;
    assert_eq!(provisional(&lake), 0, "discarded by compression, and no longer there");
}

/// The rows of a table, up to where it says that a read of now ends, or without such a bound.
async fn rows(server: &RunningServer, table: &TableRef, is_bounded: bool) -> Vec<Value> {
    let source = connect_to(server);
    let until = if is_bounded { source.latest_offset(table, None).await.unwrap() } else { None };
    let request = ReadRequest::new(table.clone()).until(until);
    let events: Vec<ReadEvent> = source.read_table(request).try_collect().await.unwrap();
    let records = events.iter().filter_map(|event| match event {
        ReadEvent::Records(records) => Some(rows_of(records)),
        _ => None,
    });
    records.flatten().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn start_and_end_both_count_from_now() {
    let server = small_plant();
    let hours_ago = |hours: i64| Ticks(now(&server).0 - hours * 36_000_000_000);
    let (from, to) = (hours_ago(2), hours_ago(1));
    let past = |name: &str| TableRef::new(name).option("startTime", "*-2h").option("endTime", "*-1h");
    for is_bounded in [false, true] {
        let wanted: usize =
            server.points().iter().map(|point| server.events(point, from, Ticks(to.0 + 1)).unwrap().len()).sum();
        for name in ["pi_timeseries", "pi_streamset_recorded"] {
            assert_eq!(rows(&server, &past(name), is_bounded).await.len(), wanted, "{name}");
        }
        // Intervals of a minute, each once for each point that has such values.
        for name in ["pi_interpolated", "pi_streamset_interpolated", "pi_calculated"] {
            let rows = rows(&server, &past(name), is_bounded).await;
            let times: BTreeSet<Ticks> =
                rows.iter().map(|row| Ticks::parse(row["timestamp"].as_str().unwrap()).unwrap()).collect();
            assert_eq!((times.first(), times.len()), (Some(&from), 60), "{name}");
        }
        for row in rows(&server, &past("pi_summary"), is_bounded).await {
            let at = |name: &str| Ticks::parse(row[name].as_str().unwrap()).unwrap();
            assert_eq!((at("interval_start"), at("interval_end")), (from, to));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn start_and_end_of_event_frames_both_count_from_now() {
    let server = plant_with(&[("event-frames", "60"), ("event-frame-days", "12")]);
    let days_ago = |days: i64| Ticks(now(&server).0 - days * 864_000_000_000);
    let table = TableRef::new("pi_event_frames").option("startTime", "*-6d").option("endTime", "*-3d");
    let frames = server.assets().expected_frames().into_iter();
    let is_inside = |frame: &ExpectedFrame| frame.start < days_ago(3) && frame.end.is_none_or(|end| end >= days_ago(6));
    let wanted: BTreeSet<String> = frames.filter(is_inside).map(|frame| frame.web_id).collect();
    let older = server.assets().expected_frames().into_iter().filter(|frame| frame.start < days_ago(6)).count();
    assert!(wanted.len() > 10 && older > 10, "{} {older}", wanted.len());
    for is_bounded in [false, true] {
        let rows = rows(&server, &table, is_bounded).await;
        let found: BTreeSet<String> =
            rows.iter().map(|row| row["event_frame_webid"].as_str().unwrap().to_owned()).collect();
        assert_eq!(found, wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_may_count_from_the_start_and_a_start_from_the_end() {
    let server = small_plant();
    let between = |start: &str, end: &str| {
        TableRef::new("pi_timeseries").option("startTime", start.to_owned()).option("endTime", end.to_owned())
    };
    let wanted = rows(&server, &between("*-4h", "*-1h"), false).await.len();
    assert!(wanted > 0);
    for (start, end) in [("-3h", "*-1h"), ("*-4h", "+3h")] {
        assert_eq!(rows(&server, &between(start, end), false).await.len(), wanted, "{start} {end}");
    }
}
