//! What the tests of the PI Web API server share.

use lakeflow_simulators::{
    clock::SimClock,
    osipi::{Config, Expected, RunningServer, Server, Spelling, Ticks},
};
use serde_json::Value;

use crate::support::{NOW, at, client};

/// A server whose clock stands at [`NOW`], with history of two days.
pub(crate) fn pi(change: impl FnOnce(&mut Config)) -> RunningServer {
    let mut config = Config { clock: SimClock::fixed(at(NOW)), ..Config::default() };
    config.set("days", "2").unwrap();
    change(&mut config);
    Server::start(config).unwrap()
}

/// The same with options as text, `name=value` separated by spaces.
pub(crate) fn pi_with(options: &str) -> RunningServer {
    pi(|config| {
        for option in options.split_whitespace() {
            let (name, value) = option.split_once('=').unwrap();
            config.set(name, value).unwrap();
        }
    })
}

pub(crate) fn ticks(text: &str) -> Ticks {
    Ticks::parse(text).unwrap()
}

/// Status and JSON (or text) of a reply.
pub(crate) async fn ask(server: &RunningServer, path: &str) -> (u16, Value) {
    let response = client().get(format!("{}/{path}", server.base_url())).send().await.unwrap();
    read(response).await
}

pub(crate) async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The JSON of a reply that must be a success.
pub(crate) async fn good(server: &RunningServer, path: &str) -> Value {
    let (status, value) = ask(server, path).await;
    assert!(status < 300, "{path}: {status} {value}");
    value
}

/// The status and message of a reply that must be an error.
pub(crate) async fn refused(server: &RunningServer, path: &str) -> (u16, String) {
    let (status, value) = ask(server, path).await;
    assert!(status >= 400, "{path}: {status} {value}");
    (status, value["Errors"][0].as_str().unwrap_or_default().to_owned())
}

pub(crate) async fn post(server: &RunningServer, path: &str, body: String) -> (u16, Value) {
    let request = client().post(format!("{}/{path}", server.base_url())).header("x-requested-with", "tests");
    read(request.header("content-type", "application/json").body(body).send().await.unwrap()).await
}

/// The first point's path and IDOnly WebID.
pub(crate) fn first(server: &RunningServer) -> (String, String) {
    let path = server.points().first().unwrap().clone();
    let id = server.web_id(&path, Spelling::IdOnly).unwrap();
    (path, id)
}

pub(crate) fn items(value: &Value) -> &Vec<Value> {
    value["Items"].as_array().unwrap()
}

/// Whether a timed value is what the oracle says.
pub(crate) fn is(value: &Value, expected: &Expected) -> bool {
    value["Timestamp"] == expected.time.to_string()
        && value["Value"] == serde_json::from_str::<Value>(&expected.value).unwrap()
        && value["Good"] == expected.good
        && value["Questionable"] == expected.questionable
        && value["Substituted"] == expected.substituted
        && value["UnitsAbbreviation"] == expected.units
        && value.get("Annotated").and_then(Value::as_bool) == expected.annotated
        && value.get("Errors").map(Value::to_string) == expected.errors.clone()
}

/// Asserts that timed values are exactly those of the oracle, in order.
pub(crate) fn same(values: &[Value], expected: &[Expected]) {
    assert_eq!(values.len(), expected.len());
    for (value, expected) in values.iter().zip(expected) {
        assert!(is(value, expected), "{value} is not {expected:?}");
    }
}
