//! `_history` on its three levels.

use std::time::Duration;

use lakeflow_simulators::fhir::RunningServer;
use serde_json::Value;

use crate::support::{entries, get, json, patients, walk};

/// A server of four patients after an update, a delete and a re-creation, a second apart.
fn changed(personalities: &str) -> RunningServer {
    let server = patients(4, personalities);
    let ids = server.ids("Patient");
    server.revise("Patient", &ids[0]).unwrap();
    server.clock().advance(Duration::from_secs(1));
    server.delete("Patient", &ids[1]).unwrap();
    server.clock().advance(Duration::from_secs(1));
    server.delete("Patient", &ids[2]).unwrap();
    server.clock().advance(Duration::from_secs(1));
    server.revise("Patient", &ids[2]).unwrap();
    server
}

fn methods(bundle: &Value) -> Vec<&str> {
    entries(bundle).iter().map(|entry| entry["request"]["method"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn type_history_is_newest_first_and_knows_deletes() {
    let server = changed("");
    let ids = server.ids("Patient");
    let bundle = json(&format!("{}/Patient/_history", server.base_url())).await;
    assert_eq!(bundle["type"], "history");
    assert_eq!(methods(&bundle)[..4], ["POST", "DELETE", "DELETE", "PUT"]);
    assert_eq!(entries(&bundle).len(), 8);
    let stamps: Vec<_> =
        entries(&bundle).iter().map(|entry| entry["response"]["lastModified"].as_str().unwrap()).collect();
    assert!(stamps.iter().rev().is_sorted(), "{stamps:?}");
    let delete = entries(&bundle)[2];
    assert!(delete["resource"].is_null());
    assert_eq!(delete["response"]["lastModified"], "2026-03-01T12:00:01.000Z");
    assert_eq!(delete["response"]["etag"], "W/\"2\"");
    let url = delete["request"]["url"].as_str().unwrap();
    assert!(url.starts_with("Patient/") && !ids.contains(&url[8..].to_owned()));
}

#[tokio::test]
async fn since_is_inclusive() {
    let server = changed("");
    let url = |since: &str| format!("{}/Patient/_history?_since={since}", server.base_url());
    assert_eq!(methods(&json(&url("2026-03-01T12:00:01.000Z")).await), ["POST", "DELETE", "DELETE"]);
    assert_eq!(methods(&json(&url("2026-03-01T12:00:01.001Z")).await), ["POST", "DELETE"]);
    assert_eq!(methods(&json(&url("2026-03-01T17:30:02%2B05:30")).await), ["POST", "DELETE"]);
    assert_eq!(get(&url("monday")).await.status(), 400);
}

#[tokio::test]
async fn pages_of_a_history_join_without_gap() {
    for (personality, expected) in [("", 8), ("token-pages", 8), ("repeating-history", 10)] {
        let server = changed(personality);
        let pages = walk(&format!("{}/Patient/_history?_count=3", server.base_url())).await;
        assert_eq!(pages.len(), 3);
        let mut seen: Vec<String> = pages.iter().flat_map(entries).map(ToString::to_string).collect();
        assert_eq!(seen.len(), expected, "{personality}");
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 8, "{personality}");
    }
}

#[tokio::test]
async fn instance_and_system_history_agree_with_type_history() {
    let server = changed("no-type-history");
    let id = &server.ids("Patient")[0];
    let instance = json(&format!("{}/Patient/{id}/_history", server.base_url())).await;
    assert_eq!(methods(&instance), ["PUT", "POST"]);
    assert_eq!(instance["entry"][0]["resource"]["meta"]["versionId"], "2");
    let system = walk(&format!("{}/_history?_count=5", server.base_url())).await;
    assert_eq!(system.iter().flat_map(entries).count(), 8);
    assert_eq!(get(&format!("{}/Patient/_history", server.base_url())).await.status(), 404);
    assert_eq!(get(&format!("{}/Patient/never/_history", server.base_url())).await.status(), 404);
    let server = changed("no-history");
    assert_eq!(get(&format!("{}/_history", server.base_url())).await.status(), 404);
    let id = &server.ids("Patient")[0];
    assert_eq!(get(&format!("{}/Patient/{id}/_history", server.base_url())).await.status(), 200);
}
