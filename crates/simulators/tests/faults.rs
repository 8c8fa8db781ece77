//! Faults, headers and the request log.

use std::{io::Read, time::Duration};

use lakeflow_simulators::faults::{Fault, FaultRule, RetryAfter, When};
use serde_json::Value;

use crate::support::{client, get, patients, start};

/// A reply that was read to its end.
#[derive(Debug)]
struct Played {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

async fn play(fault: Fault) -> Result<Played, reqwest::Error> {
    let server = patients(30, "");
    server.faults().push(fault);
    let response = client().get(format!("{}/Patient", server.base_url())).send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Played { status, headers, text: response.text().await? })
}

#[tokio::test]
async fn error_statuses_carry_retry_after_in_both_forms() {
    let status = |status, retry_after| Fault::Status { status, retry_after };
    let seconds = play(status(429, Some(RetryAfter::Seconds(7)))).await.unwrap();
    assert_eq!((seconds.status, seconds.headers["retry-after"].as_bytes()), (429, b"7".as_slice()));
    let date = play(status(503, Some(RetryAfter::Date(90)))).await.unwrap();
    assert_eq!(date.status, 503);
    assert_eq!(date.headers["retry-after"], "Sun, 01 Mar 2026 12:01:30 GMT");
    let plain = play(status(500, None)).await.unwrap();
    assert!(plain.headers.get("retry-after").is_none());
    assert!(plain.text.contains("OperationOutcome"));
}

#[tokio::test]
async fn broken_bodies_are_broken_as_told() {
    let error = play(Fault::CutOff).await.unwrap_err();
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    let error = play(Fault::NoAnswer).await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    let text = play(Fault::Truncated).await.unwrap().text;
    assert!(text.starts_with("{\"resourceType\":\"Bundle\"") && serde_json::from_str::<Value>(&text).is_err());
    let html = play(Fault::Html).await.unwrap();
    assert_eq!(html.status, 200);
    assert!(html.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    let empty = play(Fault::Empty).await.unwrap();
    assert_eq!((empty.status, empty.text.len()), (200, 0));
    let outcome = play(Fault::ErrorAsSuccess).await.unwrap();
    assert_eq!(outcome.status, 200);
    assert!(outcome.text.starts_with("{\"resourceType\":\"OperationOutcome\""));
    let odd = play(Fault::WrongContentType).await.unwrap();
    assert_eq!(odd.headers["content-type"], "text/plain; charset=iso-8859-1");
    let dripped = play(Fault::Drip(Duration::from_millis(1))).await.unwrap().text;
    assert!(serde_json::from_str::<Value>(&dripped).is_ok());
    let slow = play(Fault::Slow(Duration::from_millis(1))).await.unwrap().text;
    assert!(serde_json::from_str::<Value>(&slow).is_ok());
}

#[tokio::test]
async fn a_redirect_leads_to_the_other_origin() {
    let server = patients(30, "off-origin-redirect");
    let response = get(&format!("{}/Patient?_count=3", server.base_url())).await;
    assert_eq!(response.status(), 302);
    let target = response.headers()["location"].to_str().unwrap();
    assert_eq!(target, format!("{}/Patient?_count=3", server.other_base_url()));
    server.faults().clear();
    assert_eq!(get(target).await.status(), 200);
}

#[tokio::test]
async fn rules_hit_the_requests_they_name() {
    let statuses = async |rule: &str, requests: usize| {
        let server = start(3, |config| config.set("fault", rule).unwrap());
        let mut found = Vec::new();
        for _ in 0..requests {
            found.push(get(&format!("{}/Patient", server.base_url())).await.status().as_u16());
        }
        found
    };
    assert_eq!(statuses("every:3=status:500", 7).await, [200, 200, 500, 200, 200, 500, 200]);
    assert_eq!(statuses("nth:1,4=status:503:after:1", 5).await, [503, 200, 200, 503, 200]);
    assert_eq!(statuses("first:2=status:429", 3).await, [429, 429, 200]);
    assert_eq!(statuses("always@/Observation=status:500", 2).await, [200, 200]);
    assert_eq!(statuses("first:1=status:500;nth:2=status:502", 3).await, [500, 502, 200]);
    let chance = statuses("chance:50=status:500", 40).await;
    assert_eq!(chance, statuses("chance:50=status:500", 40).await, "the seed decides");
    assert!(chance.contains(&200) && chance.contains(&500));
}

#[tokio::test]
async fn a_request_that_was_hit_passes_when_it_is_repeated() {
    for rule in ["every:1=status:429", "every:2=status:503:after:0"] {
        let server = start(3, |config| config.set("fault", rule).unwrap());
        let status = async |query: &str| get(&format!("{}/Patient?{query}", server.base_url())).await.status().as_u16();
        // Clients in lockstep: the rule's count falls on the same request again and again.
        let mut waiting = vec!["_count=1", "_count=2", "_count=3", "_count=4"];
        for _ in 0..2 {
            let mut refused = Vec::new();
            for query in waiting {
                if status(query).await != 200 {
                    refused.push(query);
                }
            }
            waiting = refused;
        }
        assert!(waiting.is_empty(), "{rule}: refused twice: {waiting:?}");
        let refused = server.exchanges().iter().filter(|exchange| exchange.fault.is_some()).count();
        assert!(refused >= 1, "{rule}");
    }
}

#[tokio::test]
async fn the_queue_goes_before_the_rules_and_waits_for_its_path() {
    let server = patients(3, "");
    server.faults().push_for("/Observation", Fault::Status { status: 502, retry_after: None });
    server.faults().add(FaultRule { when: When::First(1), path: None, fault: Fault::Empty });
    assert_eq!(get(&format!("{}/Patient", server.base_url())).await.text().await.unwrap(), "");
    assert_eq!(get(&format!("{}/Observation", server.base_url())).await.status(), 502);
    assert_eq!(get(&format!("{}/Observation", server.base_url())).await.status(), 200);
    let played: Vec<_> = server.exchanges().iter().map(|exchange| exchange.fault.is_some()).collect();
    assert_eq!(played, [true, true, false]);
}

#[tokio::test]
async fn every_named_fault_personality_plays_within_six_requests() {
    for (personality, expected) in [
        ("throttles", 429),
        ("unavailable", 503),
        ("fails-once", 500),
        ("html", 200),
        ("empty", 200),
        ("outcome-as-success", 200),
        ("drops-connections", 200),
        ("truncates", 200),
        ("closes", 200),
    ] {
        let server = patients(30, personality);
        for _ in 0..6 {
            let _ = client().get(format!("{}/Patient", server.base_url())).send().await;
        }
        let played: Vec<_> = server.exchanges().into_iter().filter(|exchange| exchange.fault.is_some()).collect();
        assert!(!played.is_empty() && played.iter().all(|exchange| exchange.status == expected), "{personality}");
    }
}

#[tokio::test]
async fn date_follows_the_servers_clock_or_is_absent() {
    let server = patients(1, "");
    let url = format!("{}/Patient", server.base_url());
    assert_eq!(get(&url).await.headers()["date"], "Sun, 01 Mar 2026 12:00:00 GMT");
    server.clock().advance(Duration::from_secs(3_600));
    assert_eq!(get(&url).await.headers()["date"], "Sun, 01 Mar 2026 13:00:00 GMT");
    let server = patients(1, "no-date");
    assert!(get(&format!("{}/Patient", server.base_url())).await.headers().get("date").is_none());
    for (personality, hours) in [("clock-ahead", 5), ("clock-behind", -5)] {
        let server = patients(1, personality);
        let off = server.clock().now() - chrono::Utc::now();
        assert_eq!((off.num_seconds() as f64 / 3_600.0).round() as i64, hours);
    }
}

#[tokio::test]
async fn gzip_is_used_when_it_is_accepted() {
    let server = patients(30, "gzip");
    let url = format!("{}/Patient", server.base_url());
    let plain = client().get(&url).header("accept-encoding", "identity").send().await.unwrap();
    assert!(plain.headers().get("content-encoding").is_none());
    let plain = plain.text().await.unwrap();
    let packed = client().get(&url).header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let packed = packed.bytes().await.unwrap();
    assert!(packed.len() < plain.len() / 3);
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_ref()).read_to_string(&mut text).unwrap();
    let total = |text: &str| serde_json::from_str::<Value>(text).unwrap()["entry"].as_array().unwrap().len();
    assert_eq!(total(&text), total(&plain));
}

#[tokio::test]
async fn the_log_knows_every_request() {
    let server = patients(30, "");
    let url = format!("{}/Patient?_count=5&_sort=_lastUpdated", server.base_url());
    let body = client().get(&url).bearer_auth("secret").send().await.unwrap().bytes().await.unwrap();
    get(&format!("{}/Unicorn", server.base_url())).await;
    let counters = server.counters();
    assert_eq!((counters.requests, counters.by_status[&200], counters.by_status[&404]), (2, 1, 1));
    assert!(counters.bytes > body.len() as u64);
    assert_eq!(counters.parameters["_sort"], 1);
    assert_eq!(counters.authorized_by_host.get(&server.host()), Some(&1));
    let first = &server.exchanges()[0];
    assert_eq!((first.parameter("_count"), first.header("authorization")), (Some("5"), Some("Bearer secret")));
    server.journal().clear();
    assert_eq!(server.counters().requests, 0);
}
