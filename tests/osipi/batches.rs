//! Batches that the server refuses, as a whole or in part.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use lakeflow_connect::{LakeflowConnect, TableRef};
use lakeflow_simulators::{
    faults::{Fault, FaultRule, When},
    osipi::{RunningServer, Spelling, Ticks},
};

use super::{
    lake::Lake,
    plant_with,
    proxy::{Way, in_front},
    table_rows, timeless,
};

fn table() -> TableRef {
    TableRef::new("pi_timeseries").option("startTime", "2026-03-18T09:00:00Z").option("on_tag_error", "quarantine")
}

fn batches(server: &RunningServer) -> usize {
    server.exchanges().iter().filter(|exchange| exchange.path.ends_with("/batch")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_request_does_not_make_later_batches_smaller() {
    let server = plant_with(&[("points", "64")]);
    let points = server.points();
    let webid = server.web_id(&points[20], Spelling::IdOnly).unwrap();
    let (host, bad) = (server.host(), webid.clone());
    let address = in_front(move |head, body| match head.uri.path().ends_with("/batch") && body.contains(&bad) {
        true => Way::Refused,
        false => Way::To(host.clone(), None),
    })
    .await;
    let source: Arc<dyn LakeflowConnect> = timeless(&server, &[("pi_base_url", &address)]);
    let mut lake = Lake::default();
    lake.run(&source, &table(), usize::MAX).await.unwrap();
    let end = Ticks(Ticks::from(server.clock().now()).0 + 1);
    let mut faults = lake.faults(&server, Ticks::parse("2026-03-18T09:00:00Z").unwrap(), end);
    faults.retain(|fault| !fault.contains(&webid));
    assert_eq!(faults, [""; 0], "the other tags are whole");
    // Then the same tags without the bad one, by the same connection: one batch of all.
    let others: Vec<String> = points
        .iter()
        .map(|point| server.web_id(point, Spelling::IdOnly).unwrap())
        .filter(|tag| *tag != webid)
        .collect();
    let before = batches(&server);
    let table = TableRef::new("pi_current_value").option("tag_webids", others.join(","));
    assert_eq!(table_rows(&source, table).await.unwrap().len(), others.len());
    assert_eq!(batches(&server) - before, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_inside_a_batch_halve_how_many_requests_are_under_way() {
    let server = plant_with(&[("points", "8")]);
    let webids: Vec<String> =
        server.points().iter().map(|point| server.web_id(point, Spelling::IdOnly).unwrap()).collect();
    let source = timeless(&server, &[("max_concurrency", "8")]);
    let busy = Fault::Status { status: 429, retry_after: None };
    server.item_faults().add(FaultRule { when: When::First(1), path: Some("/value".to_owned()), fault: busy });
    let values = |tags: &[String]| {
        TableRef::new("pi_current_value").option("tag_webids", tags.join(",")).option("tags_per_request", "1")
    };
    assert_eq!(table_rows(&source, values(&webids[..1])).await.unwrap().len(), 1);
    server.faults().add(FaultRule {
        when: When::Always,
        path: Some("/batch".to_owned()),
        fault: Fault::Slow(Duration::from_millis(50)),
    });
    assert_eq!(table_rows(&source, values(&webids)).await.unwrap().len(), 8);
    // Each answer that is fine lets a quarter of a request more go out.
    let peak = server.peak_in_flight();
    assert!((1..=6).contains(&peak), "{peak} of eight at a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_looks_for_deletions_asks_past_the_caches_of_the_server() {
    for (capture, wanted) in [("overlap", None), ("reconcile", Some("no-cache"))] {
        for name in ["pi_timeseries", "pi_streamset_recorded"] {
            let server = plant_with(&[("points", "2")]);
            let table = TableRef::new(name).option("startTime", "2026-03-18T09:00:00Z");
            let table = table.option("change_capture", capture);
            Lake::default().run(&timeless(&server, &[]), &table, usize::MAX).await.unwrap();
            let asked = |path: &str| path.ends_with("/batch") || path.ends_with("/recorded");
            let exchanges = server.exchanges();
            let values: Vec<_> = exchanges.iter().filter(|exchange| asked(&exchange.path)).collect();
            assert!(!values.is_empty());
            assert!(values.iter().all(|exchange| exchange.header("cache-control") == wanted), "{name} {capture}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_asks_for_a_hundred_tags_unless_another_number_is_given() {
    let server = plant_with(&[("points", "250"), ("density", "6h")]);
    let largest = async |table: TableRef| {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (host, notes) = (server.host(), Arc::clone(&asked));
        let address = in_front(move |head, body| {
            if head.uri.path().ends_with("/batch") {
                notes.lock().unwrap().push(body.matches("/recorded?").count());
            }
            Way::To(host.clone(), None)
        })
        .await;
        table_rows(&timeless(&server, &[("pi_base_url", &address)]), table).await.unwrap();
        asked.lock().unwrap().iter().copied().max()
    };
    assert_eq!(largest(table()).await, Some(100));
    assert_eq!(largest(table().option("tags_per_request", "30")).await, Some(30));
}
