//! A host that breaks off anywhere, at a request or at a commit, ends with what the archive holds.

use std::{sync::Arc, time::Duration};

use lakeflow_connect::{LakeflowConnect, Options, TableRef};
use lakeflow_simulators::{
    faults::{Fault, FaultRule, When},
    osipi::{RunningServer, Spelling, Ticks},
};

use super::{
    connect, connect_to,
    deletions::{disturb_since, restless_points},
    lake::Lake,
};

/// A connection that gives up at the first failure.
fn impatient(server: &RunningServer) -> Arc<dyn LakeflowConnect> {
    let base = server.base_url();
    let options = [("pi_base_url", base.as_str()), ("auth_type", "anonymous"), ("max_retries", "0")];
    let options: Options = options.into_iter().collect();
    connect(&options.with("max_concurrency", "1").with("requests_per_second", "100000")).unwrap()
}

const BEGIN: &str = "2026-03-18T09:00:00Z";

fn begin() -> Ticks {
    Ticks::parse(BEGIN).unwrap()
}

/// Some units of many requests.
fn small_pages(capture: &str) -> TableRef {
    let table = TableRef::new("pi_timeseries").option("startTime", BEGIN).option("change_capture", capture);
    table.option("maxCount", "100").option("tags_per_request", "2").option("max_records_per_batch", "1000")
}

/// Fails the test unless the lake holds what the archive holds. Where no deletions are told the newest event of each tag
/// waits for the next one.
fn assert_equal(lake: &Lake, server: &RunningServer, table: &TableRef, when: &str) {
    let end = Ticks(Ticks::from(server.clock().now()).0 + 1);
    let mut faults = lake.faults(server, begin(), end);
    if table.options.get("change_capture") == Some("none") {
        for point in server.points() {
            let newest = server.events(&point, begin(), end).unwrap().last().unwrap().time.to_string();
            let webid = server.web_id(&point, Spelling::IdOnly).unwrap();
            let waits =
                |fault: &String| fault.contains(&webid) && fault.contains(&newest) && fault.ends_with("is None");
            faults.retain(|fault| !waits(fault));
        }
    }
    assert!(faults.is_empty(), "{when}: {} faults, first {:?}", faults.len(), faults.first());
}

/// Time goes on; what the table follows happens to events that were read, too.
fn happen(server: &RunningServer, table: &TableRef, random: &mut fastrand::Rng) {
    match table.options.get("change_capture") {
        Some("none") => {}
        capture => disturb_since(begin(), server, random, capture != Some("overlap")),
    }
}

/// For every n: all requests from the n-th on fail; the host starts again from what it had committed.
async fn cut_after_each_request(table: TableRef) {
    let server = restless_points(4);
    let mut random = fastrand::Rng::with_seed(11);
    let mut before = Lake::default();
    for epoch in 0..2 {
        let mut after = None;
        for n in 1.. {
            let mut lake = before.clone();
            server.faults().add(FaultRule {
                when: When::Nth((n..n + 500).collect()),
                path: None,
                fault: Fault::CutOff,
            });
            let broken = lake.run(&impatient(&server), &table, usize::MAX).await;
            server.faults().clear();
            lake.run(&connect_to(&server), &table, usize::MAX).await.unwrap();
            assert_equal(&lake, &server, &table, &format!("epoch {epoch}, cut at request {n}"));
            if broken.is_ok() {
                assert!(n > 5, "too few requests to tell");
                after = Some(lake);
                break;
            }
        }
        before = after.unwrap();
        server.clock().advance(Duration::from_secs(900));
        happen(&server, &table, &mut random);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_a_read_of_what_is_new_cut_at_any_request_ends_with_what_the_archive_holds() {
    cut_after_each_request(small_pages("none")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_a_read_of_what_is_new_or_late_cut_at_any_request_ends_with_what_the_archive_holds() {
    cut_after_each_request(small_pages("overlap")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_a_read_cut_at_any_request_ends_with_what_the_archive_holds() {
    cut_after_each_request(small_pages("reconcile")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_a_read_by_the_feed_cut_at_any_request_ends_with_what_the_archive_holds() {
    cut_after_each_request(small_pages("updates")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_a_read_by_streamsets_cut_at_any_request_ends_with_what_the_archive_holds() {
    cut_after_each_request(TableRef { name: "pi_streamset_recorded".to_owned(), ..small_pages("reconcile") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_a_host_that_stops_at_any_commit_ends_with_what_the_archive_holds() {
    for capture in ["none", "overlap", "reconcile", "updates"] {
        let (server, table) = (restless_points(6), small_pages(capture).option("startTime", "2026-03-17T18:00:00Z"));
        let mut random = fastrand::Rng::with_seed(5);
        let mut lake = Lake::default();
        let units = unit_by_unit(&server, &table, &mut lake).await;
        assert!(units > 2, "{capture}: {units} units");
        happen(&server, &table, &mut random);
        server.clock().advance(Duration::from_secs(300));
        unit_by_unit(&server, &table, &mut lake).await;
        assert_equal(&lake, &server, &table, capture);
    }
}

/// Runs that stop after one unit of rows until one has nothing new; what was found to be gone is read by a later run. How many
/// there were.
async fn unit_by_unit(server: &RunningServer, table: &TableRef, lake: &mut Lake) -> usize {
    for units in 0..100 {
        let before = lake.offset.clone();
        lake.run(&connect_to(server), table, 1).await.unwrap();
        if lake.offset == before {
            return units;
        }
    }
    panic!("{:?} never ends: {:?}", table.options.get("change_capture"), lake.offset);
}
