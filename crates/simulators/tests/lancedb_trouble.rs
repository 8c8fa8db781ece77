//! Faults, nodes behind, other forms of answers, and what happens in the middle of a scan.

use std::io::Cursor;

use arrow::{array::RecordBatch, datatypes::DataType};
use arrow_ipc::reader::{FileReader, StreamReader};
use lakeflow_simulators::{faults::Fault, lancedb::RowIds};
use serde_json::{Value, json};

use crate::{
    lancedb_support::{ids, post, refused, rows, table, told},
    support::client,
};

fn scan() -> Value {
    json!({"k": 0, "vector": []})
}

#[tokio::test]
async fn answers_come_in_all_forms_of_arrow_ipc() {
    for (options, is_file) in
        [("lz4", true), ("zstd", true), ("stream", false), ("many-batches", true), ("stream,lz4,many-batches", false)]
    {
        let server = table(450, |config| config.set("personality", options).unwrap());
        let body = post(&server, "table/t/query/", &scan()).await.bytes().await.unwrap();
        assert_eq!(body.starts_with(b"ARROW1"), is_file);
        let batches: Vec<RecordBatch> = match is_file {
            true => FileReader::try_new(Cursor::new(&body), None).unwrap().collect::<Result<_, _>>().unwrap(),
            false => StreamReader::try_new(Cursor::new(&body), None).unwrap().collect::<Result<_, _>>().unwrap(),
        };
        assert_eq!(batches.len(), if options.contains("many") { 5 } else { 1 });
        let all = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
        assert_eq!(all, server.database().rows("t", None).unwrap(), "{options}");
    }
}

#[tokio::test]
async fn a_body_is_cut_at_any_byte() {
    let server = table(20, |_| {});
    let whole = post(&server, "table/t/query/", &scan()).await.bytes().await.unwrap();
    for end in [0, 1, 700, whole.len() - 1] {
        server.faults().push_for("/query", Fault::CutAt(end as u64));
        let cut = post(&server, "table/t/query/", &scan()).await.bytes().await.unwrap();
        assert_eq!(cut, whole.slice(..end));
    }
    assert_eq!(post(&server, "table/t/query/", &scan()).await.bytes().await.unwrap(), whole);
}

#[tokio::test]
async fn an_error_may_repeat_what_was_sent() {
    let server = table(1, |config| config.set("fault", "first:1=echo").unwrap());
    let url = format!("{}/v1/table/", server.base_url());
    let response = client().get(url).header("x-api-key", "sk_secret").send().await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.text().await.unwrap().contains("sk_secret"));
}

#[tokio::test]
async fn things_happen_in_the_middle_of_a_scan() {
    let server = table(300, |_| {});
    server.database().delete("t", "id = 0").unwrap();
    server.before("/query", 2, |database| database.clean_up("t", 3).unwrap());
    server.before("/query", 3, |database| {
        database.wire.other_schema = true;
    });
    server.before("/query", 4, |database| database.drop_table("t").unwrap());
    let page = json!({"k": 100, "vector": [], "version": 2});
    assert_eq!(post(&server, "table/t/query/", &page).await.status(), 200);
    let (status, text) = refused(&server, "table/t/query/", &page).await;
    assert!(status == 404 && text.contains("ersion 2"));
    let other = rows(&server, json!({"columns": ["id"]})).await;
    assert_eq!(other.schema().field(0).data_type(), &DataType::Float64);
    let (status, text) = refused(&server, "table/t/query/", &page).await;
    assert!(status == 404 && text == "table id 't'");
    let asked: Vec<Value> = server.questions().into_iter().map(|question| question.body["version"].clone()).collect();
    assert_eq!(asked, [json!(2), json!(2), json!(null), json!(2)]);
}

#[tokio::test]
async fn a_node_that_is_behind_catches_up_when_it_is_told_to() {
    let server = table(10, |config| config.set("personality", "stale").unwrap());
    for id in 0..3 {
        server.database().delete("t", &format!("id = {id}")).unwrap();
    }
    let count = async |header: Option<(&str, &str)>| {
        let request = client().post(format!("{}/v1/table/t/count_rows/", server.base_url())).body("{}");
        let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let response = request.send().await.unwrap();
        let version = response.headers().get("x-lancedb-version").map(|version| version.to_str().unwrap().to_owned());
        (response.status().as_u16(), version, response.text().await.unwrap())
    };
    assert_eq!(count(None).await, (200, Some("3".to_owned()), "9".to_owned()));
    assert_eq!(count(Some(("x-lancedb-min-read-version", "4"))).await.1.as_deref(), Some("4"));
    assert_eq!(count(Some(("x-lancedb-min-timestamp", "2026-03-01T12:00:00Z"))).await.1.as_deref(), Some("5"));
    assert_eq!(count(Some(("x-lancedb-min-version", "9"))).await.0, 503);
    assert_eq!(told(&server, "table/t/count_rows/", &json!({"version": 5})).await, json!(7));
}

#[tokio::test]
async fn bounds_are_kept() {
    let server = table(2_000, |config| config.set("personality", "small-caps").unwrap());
    let (status, _) =
        refused(&server, "table/t/query/", &json!({"k": 1, "vector": [], "filter": "x".repeat(70_000)})).await;
    assert_eq!(status, 413);
    let server = table(2_000, |config| config.set("column-bytes", "50000").unwrap());
    let (status, text) = refused(&server, "table/t/query/", &scan()).await;
    assert!(status == 500 && text.contains("ffset overflow"));
    assert_eq!(ids(&rows(&server, json!({"k": 500})).await).len(), 500);
    assert_eq!(rows(&server, json!({"columns": ["id"]})).await.num_rows(), 2_000);
}

#[tokio::test]
async fn answers_that_are_kept_are_those_of_the_same_question_to_the_same_rows() {
    for kept in ["0", "20000", "100000000"] {
        let server = table(300, |config| config.set("kept-bytes", kept).unwrap());
        let page = |offset: usize| json!({"k": 100, "offset": offset, "vector": []});
        for _ in 0..2 {
            for offset in [0, 100, 200] {
                let wanted: Vec<i64> = (offset as i64..offset as i64 + 100).collect();
                assert_eq!(ids(&rows(&server, page(offset)).await), wanted, "{kept}");
            }
        }
        server.database().delete("t", "id < 50").unwrap();
        assert_eq!(ids(&rows(&server, page(0)).await)[0], 50, "{kept}");
        let like = server.database().rows("t", None).unwrap().slice(0, 5);
        server.database().drop_table("t").unwrap();
        server.database().create("t", &like, RowIds::Plain).unwrap();
        assert_eq!(rows(&server, page(0)).await.num_rows(), 5, "{kept}");
        server.database().wire.other_schema = true;
        let other = rows(&server, page(0)).await;
        assert_eq!(other.schema().field(0).data_type(), &DataType::Float64, "{kept}");
    }
}
