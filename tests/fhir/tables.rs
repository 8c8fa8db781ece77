//! Schemas and values: the columns of the public connector, filled from official examples.

use lakeflow_connect::LakeflowConnect;
use lakeflow_simulators::fhir::examples;

use super::*;

const TABLES: [(&str, usize); 14] = [
    ("Patient", 23),
    ("Observation", 29),
    ("Condition", 23),
    ("Encounter", 23),
    ("Procedure", 26),
    ("MedicationRequest", 23),
    ("DiagnosticReport", 21),
    ("AllergyIntolerance", 22),
    ("Immunization", 28),
    ("Coverage", 20),
    ("CarePlan", 21),
    ("Goal", 20),
    ("Device", 21),
    ("DocumentReference", 20),
];

async fn schema(source: &dyn LakeflowConnect, table: TableRef) -> Vec<String> {
    source.get_table_schema(&table).await.unwrap().names().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fourteen_tables_come_in_the_public_order_with_their_columns() {
    let server = start(config());
    let source = open(&server);
    assert_eq!(source.list_tables().await.unwrap(), TABLES.map(|(name, _)| name.to_owned()));
    for (table, columns) in TABLES {
        let names = schema(&*source, table.into()).await;
        assert_eq!(names.len(), columns, "{table}: {names:?}");
        assert_eq!(names[..5], ["id", "resourceType", "lastUpdated", "raw_json", "extension"], "{table}");
    }
    assert_eq!(schema(&*source, TableRef::new("Patient").option("profile", "base_r4")).await.len(), 17);
    assert_eq!(schema(&*source, TableRef::new("Goal").option("schema_mode", "raw")).await.len(), 5);
    assert_eq!(server.exchanges().len(), 0, "schemas are known without asking");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_type_without_columns_of_its_own_has_the_common_ones() {
    let server = start(config());
    let source = connect(&options(&server).with("resource_types", "Organization,Patient")).unwrap();
    assert_eq!(source.list_tables().await.unwrap(), ["Patient", "Organization"]);
    assert_eq!(schema(&*source, "Organization".into()).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_types_that_the_server_searches_can_be_had() {
    let server = start(config());
    let source = connect(&options(&server).with("resource_types", "*")).unwrap();
    let tables = source.list_tables().await.unwrap();
    assert_eq!(tables.first().map(String::as_str), Some("Patient"));
    assert!(server.resource_types().iter().all(|t| tables.contains(t)), "{tables:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_official_example_fits_its_table_and_keeps_its_bytes() {
    let server = start(Config::default());
    let source = open(&server);
    let mut read = 0;
    for (table, _) in TABLES {
        let mut lake = Lake::default();
        lake.sync(&*source, &table.into()).await.unwrap_or_else(|e| panic!("{table}: {e}"));
        lake.assert_holds(&server, table, table);
        read += lake.rows.len();
    }
    let fourteen = examples().filter(|e| TABLES.iter().any(|(t, _)| *t == e.resource_type)).count();
    assert_eq!(read, fourteen);
}
