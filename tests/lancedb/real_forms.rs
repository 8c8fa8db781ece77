//! The same rows in every form of Arrow IPC that a server may choose.

use std::collections::HashMap;

use arrow_ipc::{
    MetadataVersion,
    reader::FileReader,
    writer::{FileWriter, IpcWriteOptions, StreamWriter},
};
use lakeflow_connect::{
    TableRef,
    arrow::{array::RecordBatch, compute::concat_batches},
};
use serde_json::json;
use wiremock::{Request, ResponseTemplate};

use super::{
    real::{Comparison, variable},
    wire::{body, connect, serve},
};

/// A form of an answer, and the media type that goes with it or not.
#[derive(Clone, Copy, Debug)]
enum Form {
    File,
    Stream,
    OldStream,
    /// Several batches, the last of them empty, in a stream of another media type.
    Parts,
}

const TABLES: [&str; 8] =
    ["scalars", "scalars_apart", "nested", "vectors", "odd_names", "case_twins", "empty_types", "blobs"];

fn encode(form: Form, batch: &RecordBatch) -> (Vec<u8>, &'static str) {
    let options = |is_old| {
        let version = if is_old { MetadataVersion::V4 } else { MetadataVersion::V5 };
        IpcWriteOptions::try_new(8, is_old, version).unwrap()
    };
    let schema = batch.schema_ref();
    let stream = |is_old, parts: &[RecordBatch]| {
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), schema, options(is_old)).unwrap();
        parts.iter().for_each(|part| writer.write(part).unwrap());
        writer.into_inner().unwrap()
    };
    match form {
        Form::File => {
            let mut writer = FileWriter::try_new_with_options(Vec::new(), schema, options(false)).unwrap();
            writer.write(batch).unwrap();
            (writer.into_inner().unwrap(), "application/vnd.apache.arrow.stream")
        }
        Form::Stream => (stream(false, std::slice::from_ref(batch)), "application/vnd.apache.arrow.file"),
        Form::OldStream => (stream(true, std::slice::from_ref(batch)), "application/vnd.apache.arrow.stream"),
        Form::Parts => {
            let half = batch.num_rows() / 2;
            let parts = [batch.slice(0, half), batch.slice(half, batch.num_rows() - half), batch.slice(0, 0)];
            (stream(false, &parts), "application/octet-stream")
        }
    }
}

/// All rows of a table as the server answers them.
async fn all_rows(table: &str) -> RecordBatch {
    let url = format!("{}/v1/table/{table}/query/", variable("LAKEFLOW_TEST_LANCE_URL"));
    let request = reqwest::Client::new().post(url).header("content-type", "application/json");
    let answer = request.body(json!({"vector": {}, "k": 0}).to_string()).send().await.unwrap();
    let reader = FileReader::try_new(std::io::Cursor::new(answer.bytes().await.unwrap()), None).unwrap();
    let schema = reader.schema();
    concat_batches(&schema, &reader.map(|batch| batch.unwrap()).collect::<Vec<_>>()).unwrap()
}

fn answer(form: Form, tables: &HashMap<&str, RecordBatch>, request: &Request) -> ResponseTemplate {
    let parts: Vec<_> = request.url.path().split('/').collect();
    let (table, what) = (parts[3], parts[4..].join("/"));
    let Some(batch) = tables.get(table) else {
        return ResponseTemplate::new(404).set_body_json(json!({"error": "Table not found", "code": 4}));
    };
    let asked = body(request);
    let version = json!({"version": 1, "timestamp_millis": 1});
    match what.trim_end_matches('/') {
        "version/list" => ResponseTemplate::new(200).set_body_json(json!({"versions": [version]})),
        "version/describe" => ResponseTemplate::new(200).set_body_json(json!({ "version": version })),
        "count_rows" if asked["predicate"].is_string() => ResponseTemplate::new(200).set_body_json(0),
        "count_rows" => ResponseTemplate::new(200).set_body_json(batch.num_rows()),
        _ if asked["filter"].is_string() => {
            ResponseTemplate::new(400).set_body_json(json!({"error": "No field named", "code": 13}))
        }
        _ => {
            let number = |name: &str| asked[name].as_u64().unwrap_or(0) as usize;
            let offset = number("offset").min(batch.num_rows());
            let rows = number("k").min(batch.num_rows() - offset);
            // Copied: a slice would drag all rows into every page.
            let page = concat_batches(&batch.schema(), [&batch.slice(offset, rows)]).unwrap();
            let (bytes, media_type) = encode(form, &page);
            ResponseTemplate::new(200).set_body_raw(bytes, media_type)
        }
    }
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_every_form_of_an_answer_holds_the_same_rows() {
    let mut tables = HashMap::new();
    for table in TABLES {
        tables.insert(table, all_rows(table).await);
    }
    let mut comparison = Comparison::new();
    for form in [Form::File, Form::Stream, Form::OldStream, Form::Parts] {
        let tables = tables.clone();
        let server = serve(move |request| answer(form, &tables, request)).await;
        let source = connect(&server, &[("dialect", "auto")]);
        for name in TABLES {
            let table = TableRef::new(name).option("ingestion_type", "snapshot").option("batch_size", "5");
            comparison.read(&source, &table, json!({})).await;
        }
    }
    print!("{}", comparison.check());
}
