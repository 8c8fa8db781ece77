//! What is wrong in options, at single tags, or at the server: a clear error that names it, or a row of `pi_errors` while the
//! other tags go on.

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, TryStreamExt};
use lakeflow_connect::{
    Error, ErrorKind, LakeflowConnect, ReadEvent, ReadRequest, Records, TableRef, decode::arrow_to_json,
};
use lakeflow_simulators::{
    faults::{Fault, FaultRule, When},
    osipi::{PointFault, RunningServer, Spelling, Ticks},
};
use serde_json::Value;

use super::{plant_with, timeless};

/// Events by tag.
type Read = BTreeMap<String, usize>;

/// A day of some tags, each event final.
fn day(tags: &str) -> TableRef {
    let table = TableRef::new("pi_timeseries").option("startTime", "*-1d").option("snapshot_policy", "include");
    if tags.is_empty() { table } else { table.option("tag_webids", tags) }
}

fn quarantined(table: TableRef) -> TableRef {
    table.option("on_tag_error", "quarantine")
}

async fn rows(source: &Arc<dyn LakeflowConnect>, table: TableRef) -> Result<Vec<Value>, Error> {
    let mut events = source.read_table(ReadRequest::new(table));
    let mut rows = Vec::new();
    while let Some(event) = events.try_next().await? {
        if let ReadEvent::Records(Records::Arrow(batch)) = event {
            let lines = arrow_to_json(&batch).unwrap();
            let text = std::str::from_utf8(&lines.bytes).unwrap();
            rows.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
        }
    }
    Ok(rows)
}

async fn read(source: &Arc<dyn LakeflowConnect>, table: TableRef) -> Result<Read, Error> {
    let mut read = Read::new();
    for row in rows(source, table).await? {
        *read.entry(row["tag_webid"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    Ok(read)
}

/// The rows of `pi_errors` as (object, kind, message).
async fn noted(source: &Arc<dyn LakeflowConnect>) -> Vec<(String, String, String)> {
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = rows(source, TableRef::new("pi_errors")).await.unwrap();
    let object = |row: &Value| format!("{} {}", text(row, "object_webid"), text(row, "object_name"));
    rows.iter().map(|row| (object(row), text(row, "kind"), text(row, "message"))).collect()
}

fn webid(server: &RunningServer, point: &str) -> String {
    server.web_id(point, Spelling::IdOnly).unwrap()
}

/// What a complete read of these points brings.
fn wanted<'a>(server: &RunningServer, points: impl IntoIterator<Item = &'a String>) -> Read {
    let now = Ticks::from(server.clock().now());
    let from = Ticks(now.0 - 86_400 * 10_000_000);
    let count = |point: &String| server.events(point, from, Ticks(now.0 + 1)).unwrap().len();
    points.into_iter().map(|point| (webid(server, point), count(point))).collect()
}

/// One tag fails in this way: alone it is an error that names it; put aside, the others are whole and it is noted once.
async fn one_tag_fails(server: &RunningServer, kind: ErrorKind, said: &str) {
    let points = server.points();
    let bad = webid(server, &points[0]);
    let error = read(&timeless(server, &[]), day("")).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!((error.get("webid"), error.get("table")), (Some(bad.as_str()), Some("pi_timeseries")), "{error}");
    assert!(error.to_string().contains(said), "{error}");
    assert!(error.help_text().is_some(), "{error}");

    let source = timeless(server, &[]);
    let found = read(&source, quarantined(day(""))).await.unwrap();
    assert_eq!(found, wanted(server, &points[1..]));
    let noted = noted(&source).await;
    assert_eq!(noted.len(), 1, "{noted:?}");
    assert!(noted[0].0.contains(&bad) && noted[0].1 == kind.as_str(), "{noted:?}");
}

async fn one_point_is(fault: PointFault, kind: ErrorKind, said: &str) {
    let server = plant_with(&[]);
    server.break_point(&server.points()[0], Some(fault)).unwrap();
    one_tag_fails(&server, kind, said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_without_permission() {
    one_point_is(PointFault::Forbidden, ErrorKind::Permission, "permission").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_of_an_unsupported_type() {
    one_point_is(PointFault::Status(501), ErrorKind::Unsupported, "type").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_exception_inside_a_good_answer_brings_no_half_of_the_values() {
    one_point_is(PointFault::WebException, ErrorKind::Unavailable, "WebException").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_html_error_page_for_one_tag() {
    one_point_is(PointFault::HtmlPage, ErrorKind::Unavailable, "HTML").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_html_page_in_place_of_every_answer() {
    let server = plant_with(&[]);
    server.faults().add(FaultRule { when: When::Always, path: None, fault: Fault::Html });
    let error = read(&timeless(&server, &[]), quarantined(day(""))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains("HTML page") && error.to_string().contains("pi_base_url"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_tags_and_a_webid_of_another_server_are_named_with_their_option() {
    let server = plant_with(&[]);
    let good = &server.points()[0];
    // The first is of another server.
    for (option, bad, good) in [
        ("tag_webids", "I1DPnhosP0R7Ck2cVQ4vaosdEAtwQAAA", webid(&server, good)),
        ("tag_names", "NO.SUCH.TAG", good.rsplit('\\').next().unwrap().to_owned()),
        ("tag_paths", r"\\PISRV1\NO.SUCH.TAG", good.clone()),
        ("tag_webids", "no-webid", webid(&server, good)),
    ] {
        let table = day("").option(option, format!("{bad},{good}"));
        let error = read(&timeless(&server, &[]), table.clone()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Config | ErrorKind::Protocol), "{error}");
        let named = [error.get("name"), error.get("webid")].contains(&Some(bad));
        assert!(named && error.help_text().is_some(), "{option} {bad}: {error}");
        let source = timeless(&server, &[]);
        let found = read(&source, quarantined(table)).await.unwrap();
        assert_eq!(found, wanted(&server, &server.points()[..1]), "{option} {bad}");
        let noted = noted(&source).await;
        assert!(noted.len() == 1 && noted[0].0.contains(bad), "{noted:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_deleted_in_mid_run() {
    let server = plant_with(&[]);
    let points = server.points();
    let all = wanted(&server, &points);
    let bad = webid(&server, &points[0]);
    let tags: Vec<String> = points.iter().map(|point| webid(&server, point)).collect();
    let small = || {
        day(&tags.join(","))
            .option("maxCount", "100")
            .option("max_records_per_batch", "1000")
            .option("tags_per_request", "1")
    };
    for quarantine in [false, true] {
        let server = plant_with(&[]);
        let source = timeless(&server, &[]);
        let table = if quarantine { quarantined(small()) } else { small() };
        let mut events = source.read_table(ReadRequest::new(table));
        let (mut found, mut deleted) = (Read::new(), false);
        let ended = loop {
            match events.next().await {
                Some(Ok(ReadEvent::Records(Records::Arrow(batch)))) => {
                    let lines = arrow_to_json(&batch).unwrap();
                    for line in std::str::from_utf8(&lines.bytes).unwrap().lines() {
                        let row: Value = serde_json::from_str(line).unwrap();
                        *found.entry(row["tag_webid"].as_str().unwrap().to_owned()).or_default() += 1;
                    }
                    if !deleted {
                        server.delete_point(&points[0]).unwrap();
                        deleted = true;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            }
        };
        assert!(found.get(&bad).is_none_or(|rows| *rows < all[&bad]), "{found:?}");
        if quarantine {
            ended.unwrap();
            for (tag, rows) in all.iter().filter(|(tag, _)| **tag != bad) {
                assert_eq!(found.get(tag), Some(rows));
            }
            let noted = noted(&source).await;
            assert!(noted.len() == 1 && noted[0].0.contains(&bad) && noted[0].1 == "not_found", "{noted:?}");
        } else {
            let error = ended.unwrap_err();
            assert_eq!((error.kind(), error.get("webid")), (ErrorKind::NotFound, Some(bad.as_str())), "{error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dead_data_server_among_several() {
    let server = plant_with(&[("data-servers", "PISRV1,PISRV2,PISRV3")]);
    server.set_alive("PISRV2", false).unwrap();
    let error = read(&timeless(&server, &[("max_retries", "1")]), day("")).await.unwrap_err();
    assert_eq!((error.kind(), error.get("name")), (ErrorKind::Unavailable, Some("PISRV2")), "{error}");
    let source = timeless(&server, &[("max_retries", "1")]);
    let found = read(&source, quarantined(day(""))).await.unwrap();
    let points = server.points();
    let alive: Vec<&String> = points.iter().filter(|point| !point.starts_with(r"\\PISRV2")).collect();
    assert!(alive.len() > 4 && alive.len() < points.len());
    assert_eq!(found, wanted(&server, alive));
    let noted = noted(&source).await;
    assert!(noted.len() == 1 && noted[0].0.ends_with("PISRV2"), "{noted:?}");
}

/// However the server limits requests, everything comes.
async fn all_comes(settings: &[(&str, &str)], table: TableRef) -> RunningServer {
    let server = plant_with(settings);
    let found = read(&timeless(&server, &[]), table).await.unwrap();
    assert_eq!(found, wanted(&server, &server.points()));
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn max_count_above_the_servers_cap_is_lowered_to_it() {
    let server = all_comes(&[("max-items", "300")], day("").option("maxCount", "100000")).await;
    let refused = server.exchanges().iter().filter(|exchange| exchange.status == 400).count();
    assert!(refused <= 2, "the cap is learned: {refused} refusals");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_are_too_large_are_split() {
    let server = all_comes(&[("max-body", "1500")], day("")).await;
    assert!(server.exchanges().iter().any(|exchange| exchange.status == 413));
    let server = all_comes(&[("max-batch", "4")], day("")).await;
    assert!(server.exchanges().iter().any(|exchange| exchange.status == 400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_asks_to_wait_is_asked_again() {
    let server = all_comes(&[("fault", "every:2=status:429:after:1")], day("").option("maxCount", "200")).await;
    assert!(server.exchanges().iter().filter(|exchange| exchange.status == 429).count() > 1);
    all_comes(&[("item-fault", "every:3=status:429")], day("").option("maxCount", "200")).await;
}

#[tokio::test]
async fn wrong_times_and_spans_are_errors_that_name_the_option() {
    let server = plant_with(&[]);
    for (option, text) in
        [("startTime", "*-3 fortnights"), ("endTime", "yesteryear"), ("late_window", "many"), ("timeZone", "Mars/Base")]
    {
        let error =
            read(&timeless(&server, &[]), TableRef::new("pi_timeseries").option(option, text)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{option}: {error}");
        assert!(error.to_string().contains(option), "{option}: {error}");
    }
    assert!(server.exchanges().iter().all(|exchange| !exchange.path.contains("/batch")));
}
