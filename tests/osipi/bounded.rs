//! Recorded values of a table that ends before now, as a backfill of history does.

use std::time::Duration;

use futures::TryStreamExt;
use lakeflow_connect::{ReadRequest, TableRef};
use lakeflow_simulators::osipi::{Change, RunningServer, Spelling, Ticks};

use super::{
    connect_to,
    deletions::{begin, table},
    lake::Lake,
    small_plant,
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
