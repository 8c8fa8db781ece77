//! A LanceDB simulator whose clock stands, and short ways to ask it.

use std::io::Cursor;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, UInt64Type};
use arrow_ipc::reader::FileReader;
use lakeflow_simulators::{
    clock::SimClock,
    lancedb::{Config, RunningServer, Server, TableSpec},
};
use serde_json::{Value, json};

use crate::support::{NOW, at, client};

/// A server with one table `t` of so many rows and vectors of four numbers, in fragments of 100 rows.
pub(crate) fn table(rows: usize, change: impl FnOnce(&mut Config)) -> RunningServer {
    let spec = TableSpec { rows, dimension: 4, fragment_rows: 100, ..TableSpec::new("t") };
    let mut config = Config { clock: SimClock::fixed(at(NOW)), tables: vec![spec], ..Config::default() };
    change(&mut config);
    Server::start(config).unwrap()
}

pub(crate) async fn post(server: &RunningServer, path: &str, body: &Value) -> reqwest::Response {
    let request = client().post(format!("{}/v1/{path}", server.base_url())).header("content-type", "application/json");
    request.body(body.to_string()).send().await.unwrap()
}

/// The JSON of an answer that must be a success.
pub(crate) async fn told(server: &RunningServer, path: &str, body: &Value) -> Value {
    let response = post(server, path, body).await;
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 200, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

/// Status and text of an answer that must be a refusal.
pub(crate) async fn refused(server: &RunningServer, path: &str, body: &Value) -> (u16, String) {
    let response = post(server, path, body).await;
    let status = response.status().as_u16();
    assert!(status >= 400, "{path}: {body} was accepted");
    (status, response.text().await.unwrap())
}

/// The rows of an answer that must be an IPC file of one batch.
pub(crate) async fn rows(server: &RunningServer, body: Value) -> RecordBatch {
    let mut whole = json!({ "k": 0, "vector": [] });
    whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let response = post(server, "table/t/query/", &whole).await;
    let status = response.status();
    let body = response.bytes().await.unwrap();
    assert_eq!(status, 200, "{whole}: {}", String::from_utf8_lossy(&body));
    one_batch(&body)
}

pub(crate) fn one_batch(body: &[u8]) -> RecordBatch {
    let batches: Vec<RecordBatch> =
        FileReader::try_new(Cursor::new(body), None).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(batches.len(), 1);
    batches.into_iter().next().unwrap()
}

/// The numbers of an integer column.
pub(crate) fn numbers(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let column = batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    match column.as_primitive_opt::<Int64Type>() {
        Some(column) => column.values().to_vec(),
        None => column.as_primitive::<UInt64Type>().values().iter().map(|n| i64::try_from(*n).unwrap()).collect(),
    }
}

pub(crate) fn ids(batch: &RecordBatch) -> Vec<i64> {
    numbers(batch, "id")
}

/// Rows of the oracle that differ from `id`, `title` and `score` of others: as many as asked for, from an id on.
pub(crate) fn documents(server: &RunningServer, from: i64, count: usize) -> RecordBatch {
    use arrow::array::Int64Array;
    use std::sync::Arc;
    let like = server.database().rows("t", Some(1)).unwrap().slice(0, count);
    let at = like.schema().index_of("id").unwrap();
    let mut columns = like.columns().to_vec();
    columns[at] = Arc::new((from..from + count as i64).collect::<Int64Array>());
    assert_eq!(columns[at].len(), count);
    RecordBatch::try_new(like.schema(), columns).unwrap()
}
