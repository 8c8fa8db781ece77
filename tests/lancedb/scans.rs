//! Ways to scan, against servers that do not keep their word.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::TryStreamExt;
use lakeflow_connect::{
    ErrorKind, ReadEvent, ReadRequest, Records, Result, TableRef,
    arrow::{
        array::{ArrayRef, AsArray, FixedSizeListArray, Int64Array, RecordBatch, UInt64Array},
        datatypes::{Float32Type, Int64Type},
    },
};
use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use super::{
    log::Log,
    wire::{arrow, body, connect, serve},
};

/// How a server fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Another order each time.
    Unordered,
    /// Not more than three rows in one answer.
    Small,
    /// The same, but nothing tells why.
    Slow,
    /// One row more than there is.
    Miscounted,
    /// The vector of one row is NaN: it is found by no search.
    Nan,
}

/// Rows in three fragments, some deleted; every fifth without a vector.
fn addresses() -> Vec<u64> {
    (0..3_u64).flat_map(|fragment| (0..12).filter(|row| row % 4 != 1).map(move |row| fragment << 33 | row)).collect()
}

/// The numbers that a condition of the connector's own allows, and whether it wants rows without a vector.
fn condition(filter: Option<&str>) -> (RangeInclusive<u64>, bool) {
    let Some(filter) = filter else { return (0..=u64::MAX, false) };
    let bound = |operator: &str| {
        let (_, rest) = filter.split_once(&format!("{operator} "))?;
        rest.split(' ').next()?.parse::<u64>().ok()
    };
    let from = bound(">=").unwrap_or(0);
    let to = bound("<=").or_else(|| bound("<").map(|to| to - 1)).unwrap_or(u64::MAX);
    (from..=to, filter.contains("`v` IS NULL"))
}

fn answer(fault: Fault, order: &AtomicU64, request: &Request) -> ResponseTemplate {
    let (path, asked) = (request.url.path(), body(request));
    let version = json!({"version": 7, "timestamp_millis": 1});
    if path.contains("/version/list") {
        return ResponseTemplate::new(200).set_body_json(json!({"versions": [version]}));
    }
    if path.contains("/version/describe") {
        return ResponseTemplate::new(200).set_body_json(json!({ "version": version }));
    }
    let filter = asked["predicate"].as_str().or(asked["filter"].as_str());
    if filter.is_some_and(|filter| filter.contains("_at_version")) {
        return ResponseTemplate::new(400).set_body_json(json!({"error": "No field named", "code": 13}));
    }
    let (numbers, without) = condition(filter);
    let is_null = |number: u64| number.is_multiple_of(5);
    let is_search = asked["vector"]["single_vector"].is_array();
    let found = addresses().into_iter().filter(|number| numbers.contains(number));
    let found = found.filter(|number| !without || is_null(*number));
    let found = found.filter(|number| !is_search || !(is_null(*number) || fault == Fault::Nan && *number == 7));
    let mut found: Vec<u64> = found.collect();
    if path.contains("/count_rows") {
        return ResponseTemplate::new(200).set_body_json(found.len() + usize::from(fault == Fault::Miscounted));
    }
    if fault == Fault::Unordered && !found.is_empty() {
        let turn = order.fetch_add(1, Ordering::SeqCst) as usize * 5 % found.len();
        found.rotate_left(turn);
    }
    let (offset, limit) = (asked["offset"].as_u64().unwrap_or(0), asked["k"].as_u64().unwrap());
    let page: Vec<u64> = found.into_iter().skip(offset as usize).take(limit as usize).collect();
    let names = asked["columns"]["column_names"].as_array().cloned().unwrap_or_else(|| vec![json!("id"), json!("v")]);
    if page.len() > 3 && names.iter().any(|name| name == "v") {
        match fault {
            Fault::Small => {
                return ResponseTemplate::new(500).set_body_json(json!({"error": "Offset overflow error", "code": 18}));
            }
            Fault::Slow => return ResponseTemplate::new(504),
            _ => {}
        }
    }
    arrow(&columns(&names, &page, is_search))
}

fn columns(names: &[Value], page: &[u64], is_search: bool) -> RecordBatch {
    let column = |name: &str| -> ArrayRef {
        match name {
            "id" => Arc::new(Int64Array::from_iter_values(page.iter().map(|number| *number as i64))),
            "v" => {
                let vectors = page.iter().map(|number| (!number.is_multiple_of(5)).then_some([Some(1.0), Some(2.0)]));
                Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(vectors, 2))
            }
            "_rowid" | "_rowaddr" => Arc::new(UInt64Array::from(page.to_vec())),
            other => panic!("a question for the column {other}"),
        }
    };
    let mut all: Vec<_> = names.iter().filter_map(Value::as_str).map(|name| (name, column(name), true)).collect();
    if is_search {
        all.push((
            "_distance",
            Arc::new(lakeflow_connect::arrow::array::Float32Array::from(vec![0.5; page.len()])),
            true,
        ));
    }
    RecordBatch::try_from_iter_with_nullable(all).unwrap()
}

/// The ids of a read, in order.
async fn scan(fault: Fault, options: &[(&str, &str)]) -> Result<Vec<u64>> {
    let order = AtomicU64::new(0);
    let server = serve(move |request| answer(fault, &order, request)).await;
    // One page at a time, so that the order of requests is always the same.
    let source = connect(&server, &[("dialect", "namespace"), ("parallelism", "1"), ("max_retries", "0")]);
    let table = TableRef::new("people").option("ingestion_type", "snapshot");
    let table = options.iter().fold(table, |table, (name, value)| table.option(*name, *value));
    let mut events = source.read_table(ReadRequest::new(table));
    let mut ids = Vec::new();
    let mut is_covered = true;
    while let Some(event) = events.try_next().await? {
        is_covered = matches!(event, ReadEvent::Checkpoint(_));
        if let ReadEvent::Records(Records::Arrow(batch)) = event {
            assert_eq!(batch.num_columns(), 2, "{:?}", batch.schema());
            ids.extend(batch.column(0).as_primitive::<Int64Type>().values().iter().map(|id| *id as u64));
        }
    }
    assert!(is_covered);
    Ok(ids)
}

#[tokio::test]
async fn every_mode_reads_every_row_once_even_when_pages_must_shrink() {
    for fault in [Fault::None, Fault::Small, Fault::Slow] {
        for batch_size in ["1", "4", "10000"] {
            for options in [
                &[("scan_mode", "offset")][..],
                &[("scan_mode", "offset"), ("verify", "strict")],
                &[("scan_mode", "row_range")],
                &[("scan_mode", "dummy_vector")],
            ] {
                let options: Vec<_> = options.iter().copied().chain([("batch_size", batch_size)]).collect();
                let mut ids =
                    scan(fault, &options).await.unwrap_or_else(|error| panic!("{fault:?} {options:?}: {error}"));
                if options[0].1 == "dummy_vector" {
                    ids.sort_unstable();
                }
                assert_eq!(ids, addresses(), "{fault:?} {options:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_server_without_order_is_seen_through_or_not_relied_on() {
    // The counts are right, and rows are lost all the same: what strict is for.
    let trusting = scan(Fault::Unordered, &[("scan_mode", "offset"), ("batch_size", "4")]).await.unwrap();
    assert!(trusting.len() == addresses().len() && trusting != addresses());
    let strict = [("scan_mode", "offset"), ("batch_size", "4"), ("verify", "strict")];
    let error = scan(Fault::Unordered, &strict).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.message().contains("a row twice"), "{error}");
    let mut ids = scan(Fault::Unordered, &[("scan_mode", "row_range"), ("batch_size", "4")]).await.unwrap();
    ids.sort_unstable();
    assert_eq!(ids, addresses());
}

#[tokio::test]
async fn what_is_counted_and_not_sent_is_an_error_in_every_mode() {
    for mode in ["offset", "row_range", "dummy_vector"] {
        let error = scan(Fault::Miscounted, &[("scan_mode", mode)]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{mode}: {error}");
    }
    let error = scan(Fault::Nan, &[("scan_mode", "dummy_vector")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
}

#[tokio::test]
async fn a_scan_by_neighbours_warns_of_what_it_can_lose() {
    for (mode, is_warned) in [("dummy_vector", true), ("auto", false)] {
        let (log, guard) = Log::listen();
        scan(Fault::None, &[("scan_mode", mode)]).await.unwrap();
        drop(guard);
        let warnings = log.warnings();
        assert_eq!(!warnings.is_empty(), is_warned, "{warnings:?}");
        assert!(warnings.iter().all(|line| line.contains("NaN") && line.contains("scan_mode=auto")), "{warnings:?}");
    }
}
