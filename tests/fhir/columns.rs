//! Every column of the fourteen tables, name, order and type, against the list of what the public connector gives.

use std::fmt::Write as _;

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
