//! What the tests share.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use lakeflow_simulators::{
    clock::SimClock,
    fhir::{Config, RunningServer, Server, Volume},
};
use serde_json::Value;

pub(crate) const NOW: &str = "2026-03-01T12:00:00Z";

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A server with `count` patients whose clock stands.
pub(crate) fn patients(count: u32, personalities: &str) -> RunningServer {
    start(count, |config| config.set("personality", personalities).unwrap())
}

pub(crate) fn start(count: u32, change: impl FnOnce(&mut Config)) -> RunningServer {
    let mut config =
        Config { clock: SimClock::fixed(at(NOW)), volumes: vec![Volume::new("Patient", count)], ..Config::default() };
    change(&mut config);
    Server::start(config).unwrap()
}

/// One client for all tests; it keeps no connection, as each test has a runtime of its own.
pub(crate) fn client() -> reqwest::Client {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        builder.pool_max_idle_per_host(0).no_gzip().build().unwrap()
    });
    CLIENT.clone()
}

pub(crate) async fn get(url: &str) -> reqwest::Response {
    client().get(url).send().await.unwrap()
}

/// The JSON of a reply that must be a success.
pub(crate) async fn json(url: &str) -> Value {
    let response = get(url).await;
    assert_eq!(response.status(), 200, "{url}");
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

pub(crate) fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array()?;
    links.iter().find(|link| link["relation"] == relation).map(|link| link["url"].as_str().unwrap().to_owned())
}

pub(crate) fn entries(bundle: &Value) -> Vec<&Value> {
    bundle["entry"].as_array().map(|entries| entries.iter().collect()).unwrap_or_default()
}

pub(crate) fn resources(bundle: &Value) -> Vec<&Value> {
    entries(bundle).into_iter().map(|entry| &entry["resource"]).collect()
}

pub(crate) fn ids(bundle: &Value) -> Vec<String> {
    resources(bundle).into_iter().map(|resource| resource["id"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn stamps(bundle: &Value) -> Vec<String> {
    let stamp = |resource: &Value| resource["meta"]["lastUpdated"].as_str().unwrap_or_default().to_owned();
    resources(bundle).into_iter().map(stamp).collect()
}

/// All pages from `url` on; at most 1,000.
pub(crate) async fn walk(url: &str) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut next = Some(url.to_owned());
    while let Some(url) = next.filter(|_| pages.len() < 1_000) {
        let page = json(&url).await;
        next = link(&page, "next");
        pages.push(page);
    }
    pages
}

pub(crate) async fn walked_ids(url: &str) -> Vec<String> {
    walk(url).await.iter().flat_map(ids).collect()
}

pub(crate) fn sorted(mut all: Vec<String>) -> Vec<String> {
    all.sort_unstable();
    all
}
