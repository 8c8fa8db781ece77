//! A PI Web API simulator whose clock stands, and short ways to ask it.

use lakeflow_simulators::{
    clock::SimClock,
    osipi::{AfConfig, Config, ExpectedFrame, RunningServer, Server, Ticks},
};
use serde_json::Value;

use crate::support::{NOW, at, get};

pub(crate) fn plant(change: impl FnOnce(&mut AfConfig)) -> RunningServer {
    let mut config = Config { clock: SimClock::fixed(at(NOW)), ..Config::default() };
    change(&mut config.af);
    Server::start(config).unwrap()
}

pub(crate) fn now() -> Ticks {
    Ticks::parse(NOW).unwrap()
}

pub(crate) const HOUR: i64 = 36_000_000_000;

pub(crate) async fn answer(server: &RunningServer, path: &str) -> (u16, Value) {
    let response = get(&format!("{}/{path}", server.base_url())).await;
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

pub(crate) async fn ok(server: &RunningServer, path: &str) -> Value {
    let (status, body) = answer(server, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

pub(crate) async fn refused(server: &RunningServer, path: &str) -> u16 {
    let (status, body) = answer(server, path).await;
    assert!(status >= 400 && body["Errors"][0].is_string(), "{path}: {status} {body}");
    status
}

fn with_ids(path: &str) -> String {
    format!("{path}{}webIdType=IDOnly", if path.contains('?') { '&' } else { '?' })
}

/// All items of a list with ids only, page by page.
pub(crate) async fn items(server: &RunningServer, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut next = Some(format!("{}/{}", server.base_url(), with_ids(path)));
    while let Some(url) = next {
        let response = get(&url).await;
        assert_eq!(response.status(), 200, "{url}");
        let page: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        let items = page["Items"].as_array().unwrap();
        all.extend(items.iter().cloned());
        next = page["Links"]["Next"].as_str().filter(|_| !items.is_empty()).map(str::to_owned);
    }
    all
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}"))
}

pub(crate) fn texts(items: &[Value], name: &str) -> Vec<String> {
    items.iter().map(|item| text(item, name).to_owned()).collect()
}

pub(crate) fn sorted(mut all: Vec<String>) -> Vec<String> {
    all.sort_unstable();
    all
}

/// The database `name` of the first asset server.
pub(crate) async fn database(server: &RunningServer, name: &str) -> String {
    let servers = items(server, "assetservers").await;
    let databases = items(server, &format!("assetservers/{}/assetdatabases", text(&servers[0], "WebId"))).await;
    let found = databases.iter().find(|database| database["Name"] == name).unwrap();
    text(found, "WebId").to_owned()
}

/// The frames of a database by the oracle.
pub(crate) fn frames_of(server: &RunningServer, database: &str) -> Vec<ExpectedFrame> {
    server.assets().expected_frames().into_iter().filter(|frame| frame.database == database).collect()
}
