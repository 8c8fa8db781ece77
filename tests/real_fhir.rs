//! The FHIR source against a server that nobody here wrote: `hfs`, with and without SMART token checking.
//!
//! `scripts/real-servers start` starts it, loads the official examples and prints the environment these tests need.

use std::{
    collections::BTreeMap,
    env, fs,
    sync::{Arc, OnceLock},
};

use futures::{StreamExt, TryStreamExt};
use lakeflow_connect::{
    Context, ErrorKind, LakeflowConnect, Offset, Options, ReadEvent, ReadRequest, Records, Registry, TableRef,
    arrow::array::{AsArray, RecordBatch},
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

/// A server and the way in, for the connector and for the test's own requests.
struct Site {
    name: &'static str,
    base: String,
    login: Options,
    is_guarded: bool,
}

impl Site {
    /// Everybody may read and write.
    fn open() -> Self {
        let base = variable("LAKEFLOW_TEST_FHIR_URL");
        Self { name: "open", login: Options::new().with("base_url", &base), base, is_guarded: false }
    }

    /// Tokens are checked, which a signed assertion brings.
    fn smart() -> Self {
        let base = variable("LAKEFLOW_TEST_SMART_FHIR_URL");
        let login = smart("lakeflow-rs384", "RS384", &key("lakeflow-rs384"));
        Self { name: "smart", base, login, is_guarded: true }
    }

    /// Both, one test at a time: the tests write.
    async fn both() -> (MutexGuard<'static, ()>, [Self; 2]) {
        static TURN: OnceLock<Mutex<()>> = OnceLock::new();
        (TURN.get_or_init(Mutex::default).lock().await, [Self::open(), Self::smart()])
    }

    fn connect(&self) -> Arc<dyn LakeflowConnect> {
        connect(&self.login)
    }

    /// A request that is not the connector's. Tokens live for seconds: each has its own.
    async fn request(&self, method: Method, url: impl reqwest::IntoUrl) -> RequestBuilder {
        let request = reqwest::Client::new().request(method, url).header("content-type", "application/fhir+json");
        if !self.is_guarded {
            return request;
        }
        let form = "grant_type=client_credentials&scope=system/*.cruds";
        let asked = reqwest::Client::new().post(variable("LAKEFLOW_TEST_TOKEN_URL")).basic_auth(CLIENT, Some(SECRET));
        let asked = asked.header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer: Value = serde_json::from_slice(&asked.send().await.unwrap().bytes().await.unwrap()).unwrap();
        request.bearer_auth(answer["access_token"].as_str().unwrap())
    }

    /// A plain walk over a type, without filter and sort: not the way the connector reads.
    async fn walk(&self, kind: &str) -> BTreeMap<String, Value> {
        let mut rows = BTreeMap::new();
        let mut next = Some(format!("{}/{kind}?_count=150", self.base));
        while let Some(url) = next {
            let answer = self.request(Method::GET, url).await.send().await.unwrap();
            assert!(answer.status().is_success(), "{}: the server answered {}", self.name, answer.status());
            let page: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            for entry in page["entry"].as_array().into_iter().flatten() {
                rows.insert(entry["resource"]["id"].as_str().unwrap().to_owned(), entry["resource"].clone());
            }
            let links = page["link"].as_array().into_iter().flatten();
            next = links.filter(|l| l["relation"] == "next").find_map(|l| l["url"].as_str().map(str::to_owned));
        }
        rows
    }

    async fn send(&self, method: Method, url: String, body: &Value) {
        let answer = self.request(method, url).await.body(body.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{}: the server answered {}", self.name, answer.status());
    }

    /// Returns when the server's clock, which has whole seconds in its `Date` header, has moved on.
    async fn next_second(&self) {
        let mut dates = Vec::new();
        while dates.len() < 2 {
            let answer = reqwest::get(format!("{}/metadata", self.base)).await.unwrap();
            dates.push(answer.headers()["date"].clone());
            dates.dedup();
        }
    }
}

/// The client that tests write with.
const CLIENT: &str = "lakeflow-secret";
const SECRET: &str = "a-test-secret-of-at-least-32-bytes-length";

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run scripts/real-servers start"))
}

fn connect(options: &Options) -> Arc<dyn LakeflowConnect> {
    Registry::builtin().connect("fhir", options, &Context::new()).unwrap()
}

/// No lag: the upper bound is the second that the server's clock shows.
fn table(name: &str) -> TableRef {
    TableRef::new(name).option("safety_lag_seconds", "0").option("lookback_seconds", "0")
}

/// What a host would have stored: rows up to the last checkpoint within `events` events, and that checkpoint.
async fn read(
    source: &dyn LakeflowConnect,
    table: TableRef,
    start: Option<Offset>,
    events: usize,
) -> lakeflow_connect::Result<(Vec<(String, String)>, Option<Offset>)> {
    let mut stream = source.read_table(ReadRequest::new(table).start(start.clone())).take(events);
    let (mut pending, mut rows, mut offset) = (Vec::new(), Vec::new(), start);
    while let Some(event) = stream.try_next().await? {
        match event {
            ReadEvent::Records(Records::Arrow(batch)) => pending.extend(id_and_json(&batch)),
            ReadEvent::Checkpoint(next) => {
                rows.append(&mut pending);
                offset = Some(next);
            }
            other => panic!("unexpected event {other:?}"),
        }
    }
    Ok((rows, offset))
}

fn id_and_json(batch: &RecordBatch) -> Vec<(String, String)> {
    let column = |name| batch.column_by_name(name).unwrap().as_string::<i32>();
    let texts = column("raw_json").iter();
    column("id").iter().zip(texts).map(|(id, text)| (id.unwrap().to_owned(), text.unwrap().to_owned())).collect()
}

fn assert_same(rows: &[(String, String)], expected: &BTreeMap<String, Value>) {
    let found: BTreeMap<&str, &str> = rows.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
    assert_eq!(found.len(), rows.len(), "a resource came twice");
    assert!(found.keys().copied().eq(expected.keys()), "{} rows read, {} at the server", found.len(), expected.len());
    for (id, text) in found {
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), expected[id], "a resource differs");
    }
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_full_read_equals_the_servers_own_walk() {
    let (_turn, sites) = Site::both().await;
    for site in &sites {
        site.next_second().await;
        let source = site.connect();
        let mut total = 0;
        for name in source.list_tables().await.unwrap() {
            let (rows, offset) = read(&*source, table(&name), None, usize::MAX).await.unwrap();
            assert_same(&rows, &site.walk(&name).await);
            total += rows.len();
            let (again, _) = read(&*source, table(&name), offset, usize::MAX).await.unwrap();
            assert_eq!(again.len(), 0, "{} {name}: nothing changed, yet rows moved", site.name);
        }
        assert!(total >= 200, "only {total} resources: was the example set loaded?");
        println!("compared: {total} resources of the {} server", site.name);
    }
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_incremental_read_moves_only_what_changed() {
    let (_turn, sites) = Site::both().await;
    for site in &sites {
        site.next_second().await;
        let source = site.connect();
        let (first, offset) = read(&*source, table("Device"), None, usize::MAX).await.unwrap();
        assert!(!first.is_empty());
        for serial in ["1", "2"] {
            let device = json!({"resourceType": "Device", "id": "changed", "status": "active", "serialNumber": serial});
            site.send(Method::PUT, format!("{}/Device/changed", site.base), &device).await;
        }
        site.next_second().await;
        let (rows, _) = read(&*source, table("Device"), offset, usize::MAX).await.unwrap();
        assert_eq!(rows.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["changed"], "{}", site.name);
        assert_eq!(serde_json::from_str::<Value>(&rows[0].1).unwrap()["serialNumber"], "2");
    }
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_ties_and_restarts_lose_and_repeat_nothing() {
    let (_turn, sites) = Site::both().await;
    for site in &sites {
        let entries: Vec<Value> = (0..400)
            .map(|n| {
                json!({
                    "resource": {"resourceType": "Goal", "id": format!("tie-{n}"), "lifecycleStatus": "active",
                                 "description": {"text": "tie"}, "subject": {"reference": "Patient/example"}},
                    "request": {"method": "PUT", "url": format!("Goal/tie-{n}")}
                })
            })
            .collect();
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        site.send(Method::POST, site.base.clone(), &bundle).await;
        site.next_second().await;

        let source = site.connect();
        let small = || table("Goal").option("page_size", "7").option("max_records_per_batch", "20");
        let expected = site.walk("Goal").await;
        assert!(expected.len() >= 400);
        let (whole, _) = read(&*source, small(), None, usize::MAX).await.unwrap();
        assert_same(&whole, &expected);

        // Stopped after a few events, again and again: what was stored adds up to the same table.
        let (mut stored, mut offset, mut events) = (Vec::new(), None, 2);
        while events < 10_000 {
            let (rows, next) = read(&*source, small(), offset.clone(), events).await.unwrap();
            events = if rows.is_empty() { events * 2 } else { 2 };
            stored.extend(rows);
            offset = next;
        }
        assert_same(&stored, &expected);
    }
}

fn smart(client: &str, algorithm: &str, key: &str) -> Options {
    Options::new()
        .with("base_url", variable("LAKEFLOW_TEST_SMART_FHIR_URL"))
        .with("auth_type", "jwt_assertion")
        .with("client_id", client)
        .with("kid", client)
        .with("private_key_algorithm", algorithm)
        .with("private_key_pem", key)
        .with("scope", "system/*.rs")
}

fn key(client: &str) -> String {
    fs::read_to_string(format!("{}/{client}.pem", variable("LAKEFLOW_TEST_KEY_DIR"))).unwrap()
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_smart_backend_services_with_both_algorithms() {
    let (_turn, [_, site]) = Site::both().await;
    site.next_second().await;
    let expected = site.walk("Patient").await;
    for (client, algorithm) in [("lakeflow-rs384", "RS384"), ("lakeflow-es384", "ES384")] {
        let source = connect(&smart(client, algorithm, &key(client)));
        let (rows, _) = read(&*source, table("Patient"), None, usize::MAX).await.unwrap();
        assert!(rows.len() >= 20, "{client}: {} patients", rows.len());
        assert_same(&rows, &expected);
    }
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_client_secret_reads_the_same() {
    let (_turn, [_, site]) = Site::both().await;
    site.next_second().await;
    let options = Options::new()
        .with("base_url", variable("LAKEFLOW_TEST_SMART_FHIR_URL"))
        .with("auth_type", "client_secret")
        .with("token_url", variable("LAKEFLOW_TEST_TOKEN_URL"))
        .with("client_id", CLIENT)
        .with("client_secret", SECRET)
        .with("scope", "system/*.rs");
    let (rows, _) = read(&*connect(&options), table("Patient"), None, usize::MAX).await.unwrap();
    assert!(rows.len() >= 20);
    assert_same(&rows, &site.walk("Patient").await);
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_token_server_refuses_the_wrong_key_and_the_error_shows_no_key() {
    let wrong = key("lakeflow-es384");
    let source = connect(&smart("lakeflow-rs384", "ES384", &wrong));
    let error = read(&*source, table("Patient"), None, usize::MAX).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(!format!("{error} {error:?}").contains(&wrong[40..80]));
}
