//! A host that breaks off anywhere, at a request or at a commit, ends with what the archive holds.

use std::{sync::Arc, time::Duration};

use lakeflow_connect::{LakeflowConnect, Options, TableRef};
use lakeflow_simulators::{
    faults::{Fault, FaultRule, When},
    osipi::{RunningServer, Ticks},
};

use super::{
    connect, connect_to,
    deletions::{begin, disturb, restless_plant, table},
    lake::Lake,
};

/// A connection that gives up at the first failure.
fn impatient(server: &RunningServer) -> Arc<dyn LakeflowConnect> {
    let base = server.base_url();
    let options = [("pi_base_url", base.as_str()), ("auth_type", "anonymous"), ("max_retries", "0")];
    let options: Options = options.into_iter().collect();
    connect(&options.with("max_concurrency", "1")).unwrap()
}

fn small_pages(capture: &str) -> TableRef {
    table(capture).option("maxCount", "150").option("tags_per_request", "2").option("max_records_per_batch", "1000")
}

fn assert_equal(lake: &Lake, server: &RunningServer, when: &str) {
    let faults = lake.faults(server, begin(), Ticks(Ticks::from(server.clock().now()).0 + 1));
    assert!(faults.is_empty(), "{when}: {} faults, first {:?}", faults.len(), faults.first());
}

/// For every n: all requests from the n-th on fail; the host starts again from what it had committed.
async fn cut_after_each_request(table: TableRef) {
    let server = restless_plant();
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
            assert_equal(&lake, &server, &format!("epoch {epoch}, cut at request {n}"));
            if broken.is_ok() {
                assert!(n > 5, "too few requests to tell");
                after = Some(lake);
                break;
            }
        }
        before = after.unwrap();
        server.clock().advance(Duration::from_secs(900));
        disturb(&server, &mut random, true);
    }
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
    for capture in ["reconcile", "updates"] {
        let server = restless_plant();
        let mut random = fastrand::Rng::with_seed(5);
        let mut lake = Lake::default();
        for _ in 0..40 {
            // One unit of rows; what it found to be gone is read by a later run.
            lake.run(&connect_to(&server), &small_pages(capture), 1).await.unwrap();
        }
        disturb(&server, &mut random, true);
        server.clock().advance(Duration::from_secs(300));
        for _ in 0..40 {
            lake.run(&connect_to(&server), &small_pages(capture), 1).await.unwrap();
        }
        lake.run(&connect_to(&server), &small_pages(capture), usize::MAX).await.unwrap();
        assert_equal(&lake, &server, capture);
    }
}
