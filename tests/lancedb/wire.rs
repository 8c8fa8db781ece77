//! What goes over the wire: headers, listings, branches and searches, against a server that notes everything.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arrow_ipc::writer::FileWriter;
use futures::TryStreamExt;
use lakeflow_connect::{
    Context, ErrorKind, LakeflowConnect, Options, ReadEvent, ReadRequest, Records, Registry, TableRef,
    arrow::{
        array::{ArrayRef, FixedSizeListArray, Float32Array, Int64Array, RecordBatch, StringArray},
        datatypes::Float32Type,
    },
    clock::ManualClock,
};
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use super::log::Log;

/// A server that answers as a function says.
struct Answers<F>(F);

impl<F: Fn(&Request) -> ResponseTemplate + Send + Sync> Respond for Answers<F> {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        (self.0)(request)
    }
}

pub(super) async fn serve(answer: impl Fn(&Request) -> ResponseTemplate + Send + Sync + 'static) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(Answers(answer)).mount(&server).await;
    server
}

pub(super) fn connect(server: &MockServer, options: &[(&str, &str)]) -> Arc<dyn LakeflowConnect> {
    let options = options.iter().copied().collect::<Options>().with("host_override", server.uri());
    Registry::builtin().connect("lancedb", &options, &Context::new()).unwrap()
}

pub(super) fn arrow(batch: &RecordBatch) -> ResponseTemplate {
    let mut writer = FileWriter::try_new(Vec::new(), batch.schema_ref()).unwrap();
    writer.write(batch).unwrap();
    ResponseTemplate::new(200).set_body_raw(writer.into_inner().unwrap(), "application/vnd.apache.arrow.file")
}

fn ids(ids: &[i64]) -> RecordBatch {
    RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(ids.to_vec())) as ArrayRef)]).unwrap()
}

pub(super) fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

fn query(request: &Request, name: &str) -> Option<String> {
    request.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.get(name).map(|value| value.to_str().unwrap())
}

async fn count_ids(source: &dyn LakeflowConnect, table: &TableRef) -> lakeflow_connect::Result<Vec<usize>> {
    let events = source.read_table(ReadRequest::new(table.clone()));
    let rows = events.try_filter_map(async |event| {
        Ok(match event {
            ReadEvent::Records(Records::Arrow(batch)) => Some(batch.num_rows()),
            _ => None,
        })
    });
    rows.try_collect().await
}

/// A table of the dialect of LanceDB Cloud with three rows.
fn cloud_table(request: &Request) -> ResponseTemplate {
    let path = request.url.path();
    if path.contains("/describe") {
        return ResponseTemplate::new(200)
            .insert_header("phalanx-version", "0.5.0")
            .set_body_json(json!({"version": 7}));
    }
    if path.contains("/version/list") {
        // Nodes that are not asked for more are behind.
        let latest = if header(request, "x-lancedb-min-timestamp").is_some() { 7 } else { 5 };
        return ResponseTemplate::new(200)
            .set_body_json(json!({"versions": [{"version": latest, "timestamp": "2026-01-01T00:00:00Z"}]}));
    }
    if path.contains("/count_rows") {
        let changed = body(request)["predicate"].is_string();
        return ResponseTemplate::new(200).set_body_json(if changed { 0 } else { 3 });
    }
    let limit = body(request)["k"].as_u64().unwrap();
    arrow(&ids(&[1, 2, 3][..limit.min(3) as usize]))
}

#[tokio::test]
async fn requests_say_who_asks_and_for_which_database() {
    let failures = AtomicUsize::new(0);
    let server = serve(move |request| {
        if request.url.path().contains("/count_rows") && failures.fetch_add(1, Ordering::SeqCst) == 0 {
            return ResponseTemplate::new(503);
        }
        cloud_table(request)
    })
    .await;
    let source = connect(
        &server,
        &[
            ("database", "shop/eu"),
            ("api_key", "sk_secret"),
            ("user_id", "etl-7"),
            ("extra_headers", r#"{"x-tenant": "blue"}"#),
            ("dialect", "cloud"),
        ],
    );
    assert_eq!(count_ids(&*source, &TableRef::new("people")).await.unwrap(), [3]);
    let requests = server.received_requests().await.unwrap();
    let mut seen: Vec<(String, &str)> = Vec::new();
    for request in &requests {
        for (name, value) in [
            ("x-api-key", "sk_secret"),
            ("x-lancedb-database", "shop"),
            ("x-lancedb-database-prefix", "eu"),
            ("x-lancedb-user-id", "etl-7"),
            ("x-tenant", "blue"),
        ] {
            assert_eq!(header(request, name), Some(value), "{name} of {}", request.url);
        }
        // A table is as new as can be when its version is asked for, and pinned from then on.
        let is_pinned = body(request)["version"].is_u64();
        assert_eq!(header(request, "x-lancedb-min-timestamp").is_none(), is_pinned, "{}", request.url);
        let id = header(request, "x-request-id").unwrap();
        assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'), "{id}");
        seen.push((format!("{} {}", request.url.path(), body(request)), id));
    }
    let again = seen.windows(2).filter(|pair| pair[0].1 == pair[1].1).count();
    assert_eq!(again, 1, "one request was sent again, under the same id");
    assert!(seen.windows(2).all(|pair| pair[0].1 != pair[1].1 || pair[0].0 == pair[1].0));
}

#[tokio::test]
async fn cloud_listings_go_on_until_nothing_new_comes() {
    let all: Vec<String> = (0..5_300).map(|number| format!("t{number:05}")).collect();
    for has_tokens in [true, false] {
        let tables = all.clone();
        let server = serve(move |request| {
            if request.url.path().contains("/namespace/") {
                return ResponseTemplate::new(404);
            }
            let limit: usize = query(request, "limit").map_or(10, |limit| limit.parse().unwrap());
            let after = query(request, "page_token").unwrap_or_default();
            let page: Vec<_> = tables.iter().filter(|name| **name > after).take(limit).collect();
            let token = (has_tokens && page.len() == limit).then(|| page[page.len() - 1]);
            ResponseTemplate::new(200).set_body_json(json!({"tables": page, "page_token": token}))
        })
        .await;
        let source = connect(&server, &[("database", "shop"), ("dialect", "cloud")]);
        assert_eq!(source.list_tables().await.unwrap(), all);
        assert_eq!(server.received_requests().await.unwrap().len(), 7);
        let few = connect(&server, &[("database", "shop"), ("dialect", "cloud"), ("max_tables", "5000")]);
        assert_eq!(few.list_tables().await.unwrap_err().kind(), ErrorKind::Config);
    }
    // A server that goes round in circles is left.
    let server = serve(|_| ResponseTemplate::new(200).set_body_json(json!({"tables": ["a"], "page_token": "a"}))).await;
    assert_eq!(connect(&server, &[("dialect", "cloud"), ("database", "d")]).list_tables().await.unwrap(), ["a"]);
}

#[tokio::test]
async fn a_table_that_there_is_not_is_looked_for_in_one_listing_a_minute() {
    let known = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&known);
    let server = serve(move |request| match request.url.path() {
        "/v1/table/" => {
            let tables = ["people", "places"][..=asked.fetch_add(1, Ordering::SeqCst).min(1)].to_vec();
            ResponseTemplate::new(200).set_body_json(json!({ "tables": tables }))
        }
        _ => ResponseTemplate::new(404),
    })
    .await;
    let clock = Arc::new(ManualClock::new("2024-06-01T00:00:00Z".parse().unwrap()));
    let context = Context::new().clock(clock.clone());
    let options = Options::new().with("host_override", server.uri()).with("dialect", "cloud").with("database", "d");
    let source = Registry::builtin().connect("lancedb", &options, &context).unwrap();
    let near = async |name: &str| source.get_table_schema(&TableRef::new(name)).await.unwrap_err().to_string();
    for _ in 0..3 {
        assert!(near("peolpe").await.contains("did you mean 'people'?"));
    }
    assert_eq!(known.load(Ordering::SeqCst), 1);
    clock.advance(Duration::from_secs(61));
    assert!(near("plcaes").await.contains("did you mean 'places'?"));
    assert_eq!(known.load(Ordering::SeqCst), 2);
    // The listing has it, and the server does not: it was dropped since.
    assert!(near("people").await.contains("people"));
    assert_eq!(known.load(Ordering::SeqCst), 3);
    // A listing that is asked for is never an old one.
    assert_eq!(source.list_tables().await.unwrap(), ["people", "places"]);
    assert_eq!(known.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn namespaces_are_walked_from_the_one_that_is_named() {
    let server = serve(|request| {
        let listed = |names: &[&str], what: &str| ResponseTemplate::new(200).set_body_json(json!({ what: names }));
        match request.url.path() {
            "/base/v1/namespace/plant/table/list" => listed(&["people", "odd name", "x/y"], "tables"),
            "/base/v1/namespace/plant/list" => listed(&["line-1", "no line", "line-2"], "namespaces"),
            "/base/v1/namespace/plant$line-1/table/list" => listed(&["readings"], "tables"),
            "/base/v1/namespace/plant$line-1/list" | "/base/v1/namespace/plant$line-2/list" => {
                listed(&[], "namespaces")
            }
            "/base/v1/namespace/plant$line-2/table/list" => listed(&[], "tables"),
            other => ResponseTemplate::new(404).set_body_json(json!({"error": other, "code": 4})),
        }
    })
    .await;
    let options = [("uri", &*format!("{}/base", server.uri())), ("namespace", "plant"), ("dialect", "namespace")];
    let source = Registry::builtin().connect("lancedb", &options.into_iter().collect(), &Context::new()).unwrap();
    let (log, guard) = Log::listen();
    assert_eq!(source.list_tables().await.unwrap(), ["plant$line-1$readings", "plant$people"]);
    drop(guard);
    let warnings = log.warnings();
    for left_out in ["odd name", "x/y", "no line"] {
        assert_eq!(warnings.iter().filter(|line| line.contains(left_out)).count(), 1, "{warnings:?}");
    }
    for request in server.received_requests().await.unwrap() {
        let is_tables = request.url.path().ends_with("/table/list");
        assert_eq!(query(&request, "include_declared").as_deref(), is_tables.then_some("false"));
    }
}

#[tokio::test]
async fn a_branch_is_read_where_the_server_minds_and_nowhere_else() {
    // A server that knows branches in all questions but the one that is given.
    let branched = |ignoring: &'static str| {
        serve(move |request| {
            let path = request.url.path().to_owned();
            let named = body(request)["branch"].as_str().map(str::to_owned).or_else(|| query(request, "branch"));
            let branch = named.filter(|_| ignoring.is_empty() || !path.contains(ignoring));
            if branch.as_deref().is_some_and(|branch| branch != "dev v2") {
                return ResponseTemplate::new(404).set_body_json(json!({"error": "branch not found", "code": 22}));
            }
            let rows: &[i64] = if branch.is_some() { &[1, 2, 3, 4, 5] } else { &[1, 2] };
            let version = json!({"version": rows.len(), "timestamp_millis": 1});
            if path.contains("/version/list") {
                ResponseTemplate::new(200).set_body_json(json!({"versions": [version]}))
            } else if path.contains("/version/describe") {
                ResponseTemplate::new(200).set_body_json(json!({ "version": version }))
            } else if path.contains("/count_rows") {
                let changed = body(request)["predicate"].is_string();
                ResponseTemplate::new(200).set_body_json(if changed { 0 } else { rows.len() })
            } else {
                let limit = body(request)["k"].as_u64().unwrap() as usize;
                arrow(&ids(&rows[..limit.min(rows.len())]))
            }
        })
    };
    let table = TableRef::new("people").option("branch", "dev v2");
    let server = branched("").await;
    let source = connect(&server, &[("dialect", "namespace")]);
    assert_eq!(count_ids(&*source, &table).await.unwrap(), [5]);
    assert_eq!(count_ids(&*source, &TableRef::new("people")).await.unwrap(), [2]);
    for ignoring in ["/version/list", "/count_rows", "/query"] {
        let server = branched(ignoring).await;
        let error = count_ids(&*connect(&server, &[("dialect", "namespace")]), &table).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{ignoring}: {error}");
    }
}

fn searched(request: &Request) -> ResponseTemplate {
    let path = request.url.path();
    if !path.contains("/query") {
        return cloud_table(request);
    }
    let asked = body(request);
    let vectors = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>([Some([Some(1.0), Some(2.0)]); 2], 2);
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2]))),
        ("text", Arc::new(StringArray::from(vec!["a", "b"]))),
        ("v", Arc::new(vectors)),
    ];
    let scores: ArrayRef = Arc::new(Float32Array::from(vec![0.5, 0.25]));
    if asked["full_text_query"].is_object() {
        columns.push(("_score", scores));
    } else if asked["vector"] != json!([]) {
        columns.push(("_distance", scores));
    }
    if asked["with_row_id"] == true {
        columns.push(("_rowid", Arc::new(Int64Array::from(vec![8, 9]))));
    }
    arrow(&RecordBatch::try_from_iter(columns).unwrap())
}

#[tokio::test]
async fn searches_are_said_in_full_in_the_words_of_the_cloud() {
    let server = serve(searched).await;
    let source = connect(&server, &[("dialect", "cloud"), ("database", "d")]);
    let table = TableRef::new("people")
        .option("query_vector", "[[0.5, 1], [2, 3]]")
        .option("k", "5")
        .option("offset", "1")
        .option("distance_type", "cosine")
        .option("maximum_nprobes", "0")
        .option("refine_factor", "3")
        .option("ef", "77")
        .option("lower_bound", "0.25")
        .option("bypass_vector_index", "true")
        .option("prefilter", "false")
        .option("filter", "id < 9");
    assert_eq!(count_ids(&*source, &table).await.unwrap(), [1, 1]);
    let asked: Vec<Value> = server.received_requests().await.unwrap().iter().map(body).collect();
    for vector in [json!([0.5, 1.0]), json!([2.0, 3.0])] {
        let wanted = json!({
            "vector": vector, "vector_column": "v", "k": 6, "version": 7, "filter": "(`id` < 9)", "prefilter": false,
            "distance_type": "cosine", "maximum_nprobes": 0, "refine_factor": 3, "ef": 77, "lower_bound": 0.25,
            "bypass_vector_index": true,
        });
        assert_eq!(asked.iter().filter(|body| **body == wanted).count(), 1, "{asked:#?}");
    }
    let both =
        TableRef::new("people").option("query_vector", "[0.5, 1]").option("full_text_query", "it's").option("k", "2");
    let schema = source.get_table_schema(&both).await.unwrap();
    let names: Vec<_> = schema.names().collect();
    assert_eq!(names, ["id", "text", "v", "_distance", "_score", "_relevance_score"]);
    let asked: Vec<Value> = server.received_requests().await.unwrap().iter().map(body).collect();
    let words = asked.iter().find(|body| body["full_text_query"].is_object()).unwrap();
    assert_eq!(words["full_text_query"], json!({"query": "it's"}));
    assert_eq!(
        (&words["vector"], &words["prefilter"], &words["with_row_id"]),
        (&json!([]), &json!(true), &json!(true))
    );
}
