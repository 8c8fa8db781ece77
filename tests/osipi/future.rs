//! Events beyond now: of forecasts and plans, which change until their time has come.

use std::time::Duration;

use futures::TryStreamExt;
use lakeflow_connect::{ErrorKind, IngestionType, ReadRequest, TableRef};
use lakeflow_simulators::osipi::{Change, RunningServer, Spelling, Ticks};

use super::{connect_to, lake::Lake, plant_with};

const HOUR: i64 = 3_600 * 10_000_000;

/// Every second point has events up to a day ahead.
fn forecasts() -> RunningServer {
    forecasts_of("4")
}

fn forecasts_of(points: &str) -> RunningServer {
    plant_with(&[("points", points), ("future-every", "2"), ("ties", "3")])
}

fn now(server: &RunningServer) -> Ticks {
    Ticks::from(server.clock().now())
}

fn table(pairs: &[(&str, &str)]) -> TableRef {
    let table =
        TableRef::new("pi_timeseries").option("startTime", "2026-03-18T06:00:00Z").option("future_horizon", "3h");
    pairs.iter().fold(table, |table, (name, value)| table.option(*name, *value))
}

fn begin() -> Ticks {
    Ticks::parse("2026-03-18T06:00:00Z").unwrap()
}

/// The first instant that is not yet past, and where the future that is read ends.
fn future(server: &RunningServer) -> (Ticks, Ticks) {
    let now = now(server);
    (Ticks(now.0 + 10), Ticks(now.0 + 10 + 3 * HOUR))
}

/// The oracle's events of all points in a window.
fn held(server: &RunningServer, (from, to): (Ticks, Ticks)) -> usize {
    server.points().iter().map(|point| server.events(point, from, to).unwrap().len()).sum()
}

/// The newest event of a point that is past.
fn newest(server: &RunningServer, point: &str) -> Option<Ticks> {
    server.events(point, begin(), future(server).0).unwrap().last().map(|event| event.time)
}

/// A run of a host, with deletions where the table has any.
async fn sync(lake: &mut Lake, server: &RunningServer, table: &TableRef) {
    let follows = connect_to(server).read_table_metadata(table).await.unwrap().ingestion_type;
    match lake.run(&connect_to(server), table, usize::MAX).await {
        Err(error) if follows == IngestionType::Cdc => assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}"),
        ran => ran.unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_beyond_now_is_read_by_every_run_and_policy() {
    for capture in ["none", "overlap", "reconcile", "updates"] {
        for policy in ["provisional", "exclude", "include"] {
            let server = forecasts();
            let mut lake = Lake::default();
            // Pages end in the past, in the future, and on the border.
            let table = table(&[("change_capture", capture), ("snapshot_policy", policy), ("maxCount", "40")]);
            for run in 0..4 {
                sync(&mut lake, &server, &table).await;
                let beyond = future(&server);
                assert!(held(&server, beyond) > 100, "{}", held(&server, beyond));
                let place = format!("change_capture={capture}, snapshot_policy={policy}, run {run}");
                let faults = lake.faults(&server, beyond.0, beyond.1);
                assert!(faults.is_empty(), "{place}: {} faults, first {:?}", faults.len(), faults.first());
                // What is held back of the past is the newest event of a tag and nothing else.
                let mut faults = lake.faults(&server, begin(), beyond.0);
                if policy == "exclude" || (policy == "provisional" && capture == "none") {
                    for point in server.points() {
                        let webid = server.web_id(&point, Spelling::IdOnly).unwrap();
                        let at = newest(&server, &point).map(|at| at.to_string()).unwrap_or_default();
                        faults.retain(|fault| !(fault.contains(&webid) && fault.contains(&at)));
                    }
                }
                assert!(faults.is_empty(), "{place}: {} faults, first {:?}", faults.len(), faults.first());
                server.clock().advance(Duration::from_secs(2_700));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forecast_that_was_revised_is_read_as_it_is_now() {
    for capture in ["none", "overlap", "reconcile", "updates"] {
        let server = forecasts();
        let mut lake = Lake::default();
        let table = table(&[("change_capture", capture)]);
        let follows = matches!(capture, "reconcile" | "updates");
        for run in 0..3 {
            sync(&mut lake, &server, &table).await;
            let (from, to) = future(&server);
            let faults = lake.faults(&server, from, to);
            assert!(faults.is_empty(), "{capture}, run {run}: {} faults, first {:?}", faults.len(), faults.first());
            for point in server.points().iter().filter(|point| server.point(point).unwrap().future) {
                let events = server.events(point, from, to).unwrap();
                server.change(point, Change::Edit(events[events.len() / 2].time, 0, 4711.25.into())).unwrap();
                server.change(point, Change::Add(Ticks(events[0].time.0 + 10_000_000), 815.5.into())).unwrap();
                if follows {
                    server.change(point, Change::Delete(events[events.len() / 3].time)).unwrap();
                }
            }
            server.clock().advance(Duration::from_secs(600));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_of_the_future_that_stops_anywhere_goes_on() {
    let server = forecasts_of("12");
    let mut lake = Lake::default();
    let table = table(&[("max_records_per_batch", "300"), ("maxCount", "50"), ("tags_per_request", "2")]);
    let mut units = 0;
    loop {
        let before = lake.offset.clone();
        lake.run(&connect_to(&server), &table, 1).await.unwrap();
        if lake.offset == before {
            break;
        }
        units += 1;
        assert!(units < 1_000, "the read does not end");
    }
    assert!(units > 2, "{units}");
    let faults = lake.faults(&server, begin(), future(&server).1);
    assert!(faults.is_empty(), "{} faults, first {:?}", faults.len(), faults.first());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_beyond_the_horizon_or_the_end_is_read() {
    let server = forecasts();
    let (from, _) = future(&server);
    let mut hour = Lake::default();
    hour.run(&connect_to(&server), &table(&[("future_horizon", "1h")]), usize::MAX).await.unwrap();
    let last = |lake: &Lake| {
        let times = lake.rows.values().map(|row| Ticks::parse(row["timestamp_raw"].as_str().unwrap()).unwrap().0);
        times.max().unwrap()
    };
    assert!((from.0..from.0 + HOUR).contains(&last(&hour)));
    for (end, until) in [("*-1h", from.0 - HOUR), ("2026-03-18T10:00:00Z", from.0 - 2 * HOUR)] {
        let mut lake = Lake::default();
        lake.run(&connect_to(&server), &table(&[("endTime", end)]), usize::MAX).await.unwrap();
        assert!(last(&lake) < until, "{end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_only_added_to_refuses_what_may_still_change() {
    let server = forecasts();
    let request = ReadRequest::new(table(&[("compat", "upstream")]));
    let read: Result<Vec<_>, _> = connect_to(&server).read_table(request).try_collect().await;
    let error = read.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("future_horizon"), "{error}");
}
