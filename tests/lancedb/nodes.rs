//! Servers that are not what they seemed to be: nodes behind the others, and another dialect than the question told.

use std::sync::Arc;

use futures::TryStreamExt;
use lakeflow_connect::{
    Context, ErrorKind, LakeflowConnect, Offset, Options, ReadEvent, ReadRequest, Records, Registry, TableRef,
    arrow::array::{ArrayRef, Int64Array, RecordBatch},
    clock::ManualClock,
};
use lakeflow_simulators::{
    faults::{Fault, FaultRule, When},
    lancedb::{Config, RowIds, RunningServer, Server},
};
use serde_json::json;
use wiremock::{Request, ResponseTemplate};

use super::{
    log::Log,
    wire::{arrow, body, connect, serve},
};

fn ids(ids: std::ops::Range<i64>) -> RecordBatch {
    RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from_iter_values(ids)) as ArrayRef)]).unwrap()
}

/// Nodes that are a version behind when they are not told what there is.
fn behind() -> RunningServer {
    let mut config = Config::default();
    config.tables.clear();
    config.set("stale", "1").unwrap();
    config.set("clock", "2026-01-01T00:00:00Z").unwrap();
    let server = Server::start(config).unwrap();
    server.database().create_in_fragments("t", &ids(0..20), RowIds::Stable, 7).unwrap();
    server.database().append("t", &ids(20..30)).unwrap();
    server
}

fn at(server: &RunningServer, now: &str) -> Arc<dyn LakeflowConnect> {
    let options = Options::new().with("host_override", server.base_url()).with("database", "db");
    let context = Context::new().clock(Arc::new(ManualClock::new(now.parse().unwrap())));
    Registry::builtin().connect("lancedb", &options, &context).unwrap()
}

/// The number of rows and the last offset.
async fn read(
    source: &Arc<dyn LakeflowConnect>,
    start: Option<Offset>,
) -> lakeflow_connect::Result<(usize, Option<Offset>)> {
    let (mut rows, mut last) = (0, start.clone());
    let mut events = source.read_table(ReadRequest::new(TableRef::new("t")).start(start));
    while let Some(event) = events.try_next().await? {
        match event {
            ReadEvent::Records(Records::Arrow(batch)) => rows += batch.num_rows(),
            ReadEvent::Checkpoint(offset) => last = Some(offset),
            other => panic!("unexpected {other:?}"),
        }
    }
    Ok((rows, last))
}

#[tokio::test]
async fn a_slow_clock_and_a_node_behind_do_not_take_a_table_back() {
    let server = behind();
    let (rows, offset) = read(&at(&server, "2026-01-02T00:00:00Z"), None).await.unwrap();
    assert_eq!(rows, 30);
    // By this clock, what the node knows is fresh; the offset knows better.
    let slow = at(&server, "2020-01-01T00:00:00Z");
    assert_eq!(slow.latest_offset(&TableRef::new("t"), offset.as_ref()).await.unwrap(), offset);
    assert_eq!(read(&slow, offset.clone()).await.unwrap(), (0, offset.clone()));
    // What any answer told is known, too.
    server.database().append("t", &ids(30..31)).unwrap();
    let told = at(&server, "2026-01-02T00:00:00Z");
    assert_eq!(read(&told, offset.clone()).await.unwrap().0, 1);
    for exchange in server.exchanges() {
        let is_pinned = exchange.path.contains("/query") || exchange.path.contains("/count_rows");
        let floors = exchange.headers.iter().filter(|(name, _)| name.starts_with("x-lancedb-min-")).count();
        assert!(!is_pinned || floors == 0, "{exchange:?}");
    }
}

#[tokio::test]
async fn a_table_that_begins_anew_is_not_waited_for() {
    let server = behind();
    let (_, offset) = read(&at(&server, "2026-01-02T00:00:00Z"), None).await.unwrap();
    server.database().drop_table("t").unwrap();
    server.clock().advance(std::time::Duration::from_secs(60));
    server.database().create("t", &ids(0..5), RowIds::Stable).unwrap();
    for now in ["2026-01-02T00:00:00Z", "2020-01-01T00:00:00Z"] {
        let source = at(&server, now);
        let error = read(&source, offset.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OffsetExpired, "{error}");
        assert_eq!(read(&source, None).await.unwrap().0, 5);
    }
}

/// A server with one table, of a dialect, that tells unknown tables as the other one does.
fn disguised(is_namespace: bool) -> impl Fn(&Request) -> ResponseTemplate {
    move |request| {
        let (path, asked) = (request.url.path(), body(request));
        let refuse = |status, text: &str| match is_namespace {
            true => ResponseTemplate::new(status).set_body_json(json!({"error": text, "code": 13})),
            false => ResponseTemplate::new(status).set_body_string(text),
        };
        if !path.contains("/table/people/") {
            return match is_namespace {
                true => ResponseTemplate::new(404).set_body_string("not found"),
                false => ResponseTemplate::new(404).set_body_json(json!({"error": "not found", "code": 4})),
            };
        }
        let version = json!({"version": 7, "timestamp_millis": 1});
        if path.contains("/describe") && !path.contains("/version/") {
            let told = if is_namespace { json!({"location": "/data/people.lance"}) } else { json!({"version": 7}) };
            return ResponseTemplate::new(200).set_body_json(told);
        }
        if path.contains("/version/list") {
            return ResponseTemplate::new(200).set_body_json(json!({"versions": [version]}));
        }
        if path.contains("/version/describe") && is_namespace {
            return ResponseTemplate::new(200).set_body_json(json!({ "version": version }));
        }
        if path.contains("/count_rows") {
            return ResponseTemplate::new(200).set_body_json(if asked["predicate"].is_string() { 0 } else { 3 });
        }
        if asked["vector"].is_object() != is_namespace {
            return refuse(400, "Failed to deserialize the JSON body into the target type: vector: invalid type");
        }
        arrow(&ids(0..3.min(asked["k"].as_i64().unwrap())))
    }
}

#[tokio::test]
async fn a_dialect_that_was_taken_for_the_other_is_corrected_once() {
    for is_namespace in [true, false] {
        let server = serve(disguised(is_namespace)).await;
        let (log, guard) = Log::listen();
        let table = TableRef::new("people").option("ingestion_type", "snapshot");
        let source = connect(&server, &[("database", "d")]);
        for _ in 0..2 {
            let events: Vec<_> = source.read_table(ReadRequest::new(table.clone())).try_collect().await.unwrap();
            assert_eq!(events.len(), 2, "rows and an offset");
        }
        drop(guard);
        assert_eq!(log.warnings().iter().filter(|line| line.contains("other form of requests")).count(), 1);
        // Who says what it is gets what it says.
        let given = if is_namespace { "cloud" } else { "namespace" };
        let given = connect(&server, &[("database", "d"), ("dialect", given)]);
        assert!(given.read_table(ReadRequest::new(table)).try_collect::<Vec<_>>().await.is_err());
    }
}

#[tokio::test]
async fn a_bearer_token_opens_what_it_may_and_is_never_shown() {
    const TOKEN: &str = "marker-token-5T-0123456789";
    let mut config = Config::default();
    config.set("auth", &format!("bearer:{TOKEN}")).unwrap();
    let server = Server::start(config).unwrap();
    let with = |token: &str| {
        let options = Options::new().with("host_override", server.base_url()).with("database", "db");
        Registry::builtin().connect("lancedb", &options.with("auth_token", token), &Context::new()).unwrap()
    };
    assert_eq!(with(TOKEN).list_tables().await.unwrap(), ["documents"]);
    assert_eq!(with("marker-wrong").list_tables().await.unwrap_err().kind(), ErrorKind::Auth);
    // It is known, and may not read this.
    let rule = FaultRule {
        when: When::Always,
        path: Some("/query".to_owned()),
        fault: Fault::Status { status: 403, retry_after: None },
    };
    server.faults().add(rule);
    let source = with(TOKEN);
    let error = source.get_table_schema(&TableRef::new("documents")).await.unwrap_err();
    assert_eq!((error.kind(), source.activity().retries), (ErrorKind::Permission, 0), "{error}");
    assert!(!format!("{error} {error:?}").contains("marker-"), "{error:?}");
}
