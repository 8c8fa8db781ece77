//! Every column of the fourteen tables, name, order and type, against the list of what the public connector gives.

use std::fmt::Write as _;

use futures::TryStreamExt;
use lakeflow_connect::{ErrorKind, stream::arrow_batches};

use super::*;

const PUBLIC: &str = include_str!("../fixtures/fhir/compat_columns.txt");
const UK_CORE: [&str; 6] = [
    "nhs_number string",
    "ethnic_category struct<coding:array<struct<system:string,code:string,display:string>>,text:string>",
    "birth_sex struct<coding:array<struct<system:string,code:string,display:string>>,text:string>",
    "death_notification_status struct<coding:array<struct<system:string,code:string,display:string>>,text:string>",
    "interpreter_required boolean",
    "residential_status struct<coding:array<struct<system:string,code:string,display:string>>,text:string>",
];

/// A schema is known without a request: nothing listens at this address.
async fn columns(profile: &str, table: &str) -> String {
    let options = Options::new().with("base_url", "http://127.0.0.1:9/fhir");
    let source = Registry::builtin().connect("fhir", &options, &Context::new()).unwrap();
    let schema = source.get_table_schema(&TableRef::new(table).option("profile", profile)).await.unwrap();
    schema.fields.iter().fold(String::new(), |mut lines, field| {
        writeln!(lines, "{table} {} {}", field.name, field.data_type).unwrap();
        lines
    })
}

#[tokio::test]
async fn compat_columns_are_those_of_the_public_connector_in_name_order_and_type() {
    let expected = || PUBLIC.lines().filter(|line| !line.starts_with('#'));
    let mut tables: Vec<&str> = expected().filter_map(|line| line.split(' ').next()).collect();
    tables.dedup();
    assert_eq!(tables.len(), 14);
    let mut found = String::new();
    for table in tables {
        found += &columns("base_r4", table).await;
    }
    for (found, expected) in found.lines().zip(expected()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected().count());
}

#[tokio::test]
async fn uk_core_adds_six_columns_to_patient_after_the_others() {
    let (base, with) = (columns("base_r4", "Patient").await, columns("uk_core", "Patient").await);
    let added: Vec<&str> =
        with.strip_prefix(&base).unwrap().lines().map(|l| l.strip_prefix("Patient ").unwrap()).collect();
    assert_eq!(added, UK_CORE);
    assert_eq!(columns("base_r4", "Observation").await, columns("uk_core", "Observation").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_columns_that_are_asked_for_are_decoded_and_the_key() {
    let server = start(config());
    // Does not fit a column that nobody asks for.
    server.put(r#"{"resourceType":"Patient","id":"misfit","active":"perhaps","gender":"other"}"#).unwrap();
    server.clock().advance(Duration::from_secs(600));
    let source = open(&server);
    let wanted = ["raw_json", "gender"].map(str::to_owned).to_vec();
    let request = ReadRequest::new("Patient".into()).columns(wanted.clone());
    let mut genders = BTreeMap::new();
    let mut events = source.read_table(request.clone());
    while let Some(event) = events.try_next().await.unwrap() {
        let ReadEvent::Records(Records::Arrow(batch)) = event else { continue };
        let schema = batch.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["id", "raw_json", "gender"]);
        let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
        let rows = text("raw_json")
            .iter()
            .flatten()
            .map(str::to_owned)
            .zip(text("gender").iter().map(|g| g.map(str::to_owned)))
            .collect::<Vec<_>>();
        for (raw, gender) in rows {
            let patient: serde_json::Value = serde_json::from_str(&raw).unwrap();
            assert_eq!(patient["gender"].as_str(), gender.as_deref());
            genders.insert(patient["id"].as_str().unwrap().to_owned(), gender);
        }
    }
    assert_eq!(genders.len(), 131);
    let batches: Vec<RecordBatch> = arrow_batches(&source, request).try_collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 131);
    for batch in &batches {
        let schema = batch.schema();
        assert!(schema.fields().iter().map(|field| field.name()).eq(&wanted), "as asked, in the order asked: {schema}");
    }
    let wrong = ReadRequest::new("Patient".into()).columns(vec!["gendre".to_owned()]);
    let error = source.read_table(wrong.clone()).try_next().await.unwrap_err();
    assert_eq!((error.kind(), error.get("table")), (ErrorKind::NotFound, Some("Patient")), "{error}");
    assert!(error.help_text().unwrap().contains("gender"), "{error}");
    assert_eq!(source.plan(wrong).await.unwrap_err().kind(), ErrorKind::NotFound);
}
