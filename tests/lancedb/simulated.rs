//! The same rows and the same findings, whatever the server is like.

use std::sync::Arc;

use futures::TryStreamExt;
use lakeflow_connect::{
    Context, ErrorKind, LakeflowConnect, Options, ReadRequest, Registry, TableRef,
    arrow::{
        array::{ArrayRef, AsArray, Int64Array, RecordBatch, TimestampNanosecondArray},
        compute::{concat_batches, sort_to_indices, take_record_batch},
        datatypes::{Float32Type, Int64Type, TimestampMicrosecondType},
    },
    stream::arrow_batches,
};
use lakeflow_simulators::lancedb::{Config, RowIds, RunningServer, Server};

const KEY: &str = "sk_test_0123456789abcdef";

fn start(personality: &str) -> RunningServer {
    let mut config = Config::default();
    config.set("tables", "documents").unwrap();
    config.set("rows", "500").unwrap();
    config.set("auth", &format!("api-key:{KEY}")).unwrap();
    if !personality.is_empty() {
        config.set("personality", personality).unwrap();
    }
    Server::start(config).unwrap()
}

fn connect(server: &RunningServer) -> Arc<dyn LakeflowConnect> {
    let options = Options::new()
        .with("host_override", server.base_url())
        .with("database", "shop")
        .with("api_key", KEY)
        .with("max_retries", "10");
    Registry::builtin().connect("lancedb", &options, &Context::new()).unwrap()
}

/// All rows, by id.
async fn rows(source: &Arc<dyn LakeflowConnect>, options: &[(&str, &str)]) -> RecordBatch {
    let table = TableRef::new("documents").option("ingestion_type", "snapshot").option("batch_size", "60");
    let table = options.iter().fold(table, |table, (name, value)| table.option(*name, *value));
    let batches: Vec<_> = arrow_batches(source, ReadRequest::new(table))
        .try_collect()
        .await
        .unwrap_or_else(|error| panic!("{options:?}: {error}"));
    let all = concat_batches(batches[0].schema_ref(), &batches).unwrap();
    take_record_batch(&all, &sort_to_indices(all.column(0), None, None).unwrap()).unwrap()
}

/// Ids and measures in the order in which they were found.
async fn found(source: &Arc<dyn LakeflowConnect>, options: &[(&str, &str)], measure: &str) -> Vec<(i64, f32)> {
    let table = TableRef::new("documents").option("columns", "id,category");
    let table = options.iter().fold(table, |table, (name, value)| table.option(*name, *value));
    let batches: Vec<RecordBatch> = arrow_batches(source, ReadRequest::new(table)).try_collect().await.unwrap();
    let rows = batches.iter().flat_map(|batch| {
        let ids = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().values().to_vec();
        let measures = batch.column_by_name(measure).unwrap().as_primitive::<Float32Type>().values().to_vec();
        ids.into_iter().zip(measures)
    });
    rows.collect()
}

#[tokio::test]
async fn every_kind_of_server_and_every_way_to_scan_brings_the_same_rows() {
    let expected = rows(&connect(&start("")), &[("scan_mode", "offset"), ("batch_size", "10000")]).await;
    assert_eq!(expected.num_rows(), 500);
    for personality in [
        "namespace",
        "plain-ids",
        "small-fragments",
        "plain-ids,small-fragments,namespace",
        "stream",
        "lz4",
        "zstd",
        "many-batches,stream",
        "gzip",
        "hidden-token",
        "same-token",
        "stale",
        "old",
        "version-millis",
        "bad-filter-400",
        "small-caps",
    ] {
        let server = start(personality);
        let source = connect(&server);
        assert_eq!(source.list_tables().await.unwrap(), ["documents"]);
        for mode in ["auto", "row_range", "dummy_vector"] {
            let read = rows(&source, &[("scan_mode", mode), ("verify", "strict")]).await;
            assert_eq!(read, expected, "{personality} {mode}");
        }
    }
}

#[tokio::test]
async fn nanoseconds_are_kept_beside_their_timestamps() {
    const NANOS: [Option<i64>; 4] = [None, Some(1_767_225_600_123_456_789), Some(-1), None];
    let server = start("");
    let at: ArrayRef = Arc::new(TimestampNanosecondArray::from(NANOS.to_vec()));
    let id: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
    let batch = RecordBatch::try_from_iter_with_nullable([("id", id, false), ("at", at, true)]).unwrap();
    server.database().create("times", &batch, RowIds::Plain).unwrap();
    let source = connect(&server);
    let read = async |table: TableRef, columns: Option<&[&str]>| {
        let mut request = ReadRequest::new(table);
        request.columns = columns.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let batches: Vec<RecordBatch> = arrow_batches(&source, request).try_collect().await.unwrap();
        concat_batches(batches[0].schema_ref(), &batches).unwrap()
    };
    let rows = read(TableRef::new("times"), None).await;
    let micros = rows.column_by_name("at").unwrap().as_primitive::<TimestampMicrosecondType>();
    assert_eq!(micros.iter().collect::<Vec<_>>(), [None, Some(1_767_225_600_123_456), Some(-1), None]);
    for columns in [None, Some(&["at_ns"][..]), Some(&["id", "at_ns"])] {
        let rows = read(TableRef::new("times"), columns).await;
        let nanos = rows.column_by_name("at_ns").unwrap().as_primitive::<Int64Type>();
        assert_eq!(nanos.iter().collect::<Vec<_>>(), NANOS);
    }
    let cut = read(TableRef::new("times").option("keep_nanos", "false"), None).await;
    assert_eq!(cut.num_columns(), 2);
    let keyed = TableRef::new("times").option("primary_keys", "at");
    let error = source.read_table_metadata(&keyed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}

#[tokio::test]
async fn tables_of_namespaces_below_are_found_in_both_dialects() {
    for personality in ["", "namespace", "hidden-token"] {
        let mut config = Config::default();
        config.set("tables", "documents,plant$readings,plant$line-1$faults").unwrap();
        if !personality.is_empty() {
            config.set("personality", personality).unwrap();
        }
        let server = Server::start(config).unwrap();
        let options = Options::new().with("host_override", server.base_url()).with("database", "shop");
        let source = Registry::builtin().connect("lancedb", &options, &Context::new()).unwrap();
        let listed = source.list_tables().await.unwrap();
        assert_eq!(listed, ["documents", "plant$line-1$faults", "plant$readings"], "{personality}");
        assert!(source.get_table_schema(&TableRef::new("plant$line-1$faults")).await.is_ok());
    }
}

#[tokio::test]
async fn both_dialects_find_the_same() {
    let (cloud, namespace) = (start(""), start("namespace"));
    let (cloud, namespace) = (connect(&cloud), connect(&namespace));
    let all = rows(&cloud, &[]).await;
    let vector = all.column_by_name("embedding").unwrap().as_list::<i32>().value(7);
    let wanted = vector.as_primitive::<Float32Type>().values().to_vec();
    let vector = serde_json::to_string(&wanted).unwrap();
    for distance in ["l2", "cosine", "dot"] {
        let options = [
            ("query_vector", vector.as_str()),
            ("k", "20"),
            ("distance_type", distance),
            ("filter", "category = 'note'"),
        ];
        let found_there = found(&cloud, &options, "_distance").await;
        assert_eq!(found_there.len(), 20);
        assert_eq!(found_there, found(&namespace, &options, "_distance").await);
    }
    let near = [("query_vector", vector.as_str()), ("k", "3")];
    let near = found(&cloud, &near, "_distance").await;
    assert_eq!(near[0], (7, 0.0), "a vector is its own neighbour");
    let words = [("full_text_query", "pump leak"), ("k", "50")];
    let with_words = found(&cloud, &words, "_score").await;
    assert!(with_words.len() == 50 && with_words.is_sorted_by(|a, b| a.1 >= b.1));
    assert_eq!(with_words, found(&namespace, &words, "_score").await);
    let both = [("query_vector", vector.as_str()), ("full_text_query", "pump leak"), ("k", "30")];
    let fused = found(&cloud, &both, "_relevance_score").await;
    assert!(fused.len() == 30 && fused.is_sorted_by(|a, b| a.1 >= b.1));
    assert_eq!(fused, found(&namespace, &both, "_relevance_score").await);
}
