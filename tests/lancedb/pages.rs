//! Pages have the bytes that they should have, and shrink where an answer is too large.

use std::{sync::Arc, time::Duration};

use futures::TryStreamExt;
use lakeflow_connect::{
    Context, LakeflowConnect, Options, ReadEvent, ReadRequest, Records, Registry, TableRef,
    arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
    arrow::datatypes::Int64Type,
};
use lakeflow_simulators::lancedb::{Config, RowIds, RunningServer, Server};

/// Bytes of a text.
const WIDE: usize = 20_000;
const TARGET: usize = 262_144;

/// A server with a table of texts: long ones from a row on.
fn serve(rows: i64, wide_from: i64) -> RunningServer {
    let mut config = Config::default();
    config.tables.clear();
    let server = Server::start(config).unwrap();
    let texts = (0..rows).map(|row| (row >= wide_from).then(|| "x".repeat(WIDE)));
    let columns: [(&str, ArrayRef, bool); 2] = [
        ("id", Arc::new(Int64Array::from_iter_values(0..rows)), false),
        ("text", Arc::new(texts.collect::<StringArray>()), true),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    server.database().create_in_fragments("t", &batch, RowIds::Plain, 1_000).unwrap();
    server
}

fn connect(server: &RunningServer, options: &[(&str, &str)]) -> Arc<dyn LakeflowConnect> {
    let options = options.iter().copied().collect::<Options>().with("host_override", server.base_url());
    Registry::builtin().connect("lancedb", &options.with("database", "db"), &Context::new()).unwrap()
}

async fn ids(source: &Arc<dyn LakeflowConnect>, table: TableRef) -> Vec<i64> {
    let events: Vec<ReadEvent> = source.read_table(ReadRequest::new(table)).try_collect().await.unwrap();
    let batches = events.iter().filter_map(|event| match event {
        ReadEvent::Records(Records::Arrow(batch)) => Some(batch),
        _ => None,
    });
    batches
        .flat_map(|batch| batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().values().to_vec())
        .collect()
}

fn table() -> TableRef {
    TableRef::new("t").option("target_page_bytes", TARGET.to_string()).option("ingestion_type", "snapshot")
}

/// The first row and the number of rows of every query but those for addresses, in the order of the rows.
fn asked(server: &RunningServer) -> Vec<(u64, u64)> {
    let is_rows = |body: &serde_json::Value| !body["columns"].to_string().contains("_rowaddr");
    let queries = server.questions().into_iter();
    let queries = queries.filter(|question| question.path.contains("/query") && is_rows(&question.body));
    let mut asked: Vec<_> = queries
        .map(|question| (question.body["offset"].as_u64().unwrap_or(0), question.body["k"].as_u64().unwrap()))
        .collect();
    asked.sort_unstable();
    asked
}

#[tokio::test]
async fn no_page_is_larger_than_its_target_by_much_not_even_the_first() {
    for mode in ["offset", "row_range"] {
        let server = serve(400, 0);
        let source = connect(&server, &[]);
        assert_eq!(ids(&source, table().option("scan_mode", mode)).await.len(), 400);
        // Ranges ask for one row more than there are.
        let extra = if mode == "row_range" { WIDE } else { 0 };
        let sizes: Vec<usize> = asked(&server).iter().map(|(_, rows)| *rows as usize * WIDE).collect();
        assert!(sizes.len() > 400 * WIDE / TARGET, "{sizes:?}");
        assert!(sizes.iter().all(|size| *size <= TARGET + extra), "{mode}: {sizes:?}");
    }
}

#[tokio::test]
async fn rows_that_grow_behind_the_first_ones_are_met_by_one_page_alone() {
    // What was looked at has no texts; the page after it has, and is not larger than 1,024 rows.
    let server = serve(2_000, 64);
    let source = connect(&server, &[]);
    assert_eq!(ids(&source, table()).await, (0..2_000).collect::<Vec<i64>>());
    let asked = asked(&server);
    let pages: Vec<u64> = asked.iter().filter(|(offset, _)| *offset > 0).map(|(_, rows)| *rows).collect();
    assert_eq!(asked.iter().filter(|(offset, _)| *offset == 0).map(|(_, rows)| *rows).max(), Some(1_024));
    assert!(pages.iter().all(|rows| *rows as usize * WIDE <= TARGET * 11 / 10), "{asked:?}");
}

#[tokio::test]
async fn an_answer_that_the_client_does_not_take_is_asked_for_in_halves() {
    for mode in ["offset", "row_range"] {
        let server = serve(200, 0);
        let source = connect(&server, &[("max_body_bytes", "1000000"), ("parallelism", "1")]);
        let table = table().option("batch_size", "10000").option("scan_mode", mode);
        assert_eq!(ids(&source, table).await, (0..200).collect::<Vec<i64>>(), "{mode}");
    }
    let server = serve(3, 0);
    let source = connect(&server, &[("max_body_bytes", "10000")]);
    let error = source.read_table(ReadRequest::new(table())).try_collect::<Vec<_>>().await.unwrap_err();
    assert!(error.to_string().contains("leave columns out"), "{error}");
}

/// Pages of ten rows of a table of numbers, forty of them.
const PAGES: usize = 40;

#[tokio::test]
async fn as_many_pages_are_under_way_as_was_asked_for_and_never_one_more() {
    for (parallelism, most) in [(None, 4), (Some("1"), 1), (Some("7"), 7)] {
        for mode in ["offset", "row_range"] {
            let server = serve(PAGES as i64 * 10, i64::MAX);
            let given = parallelism.map(|number| ("parallelism", number));
            let source = connect(&server, given.as_slice());
            let table = TableRef::new("t").option("batch_size", "10").option("ingestion_type", "snapshot");
            // Ranges ask for one row more than there are.
            let limit = if mode == "offset" { 10 } else { 11 };
            let held = server.hold(move |request| {
                let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
                request.path.contains("/query") && body["k"] == limit
            });
            let read = async { ids(&source, table.option("scan_mode", mode)).await };
            let gate = async {
                for page in 0..PAGES {
                    let left = (PAGES - page).min(most);
                    assert_eq!(held.reached(left).await, left, "{parallelism:?} {mode}: page {page}");
                    held.release();
                }
            };
            // Fewer under way than this would be waited for without end.
            let both = tokio::time::timeout(Duration::from_secs(120), futures::future::join(read, gate));
            let (found, ()) = both.await.expect("fewer pages are under way");
            assert_eq!(found, (0..PAGES as i64 * 10).collect::<Vec<_>>());
            assert_eq!(server.peak_in_flight(), most, "{mode}");
        }
    }
}
