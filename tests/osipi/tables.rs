//! What the tables look like, without a request.

use std::fmt::Write as _;

use lakeflow_connect::{ErrorKind, IngestionType, TableMetadata, TableRef};

use super::{connect, nowhere};

const UPSTREAM: &str = include_str!("../fixtures/osipi/upstream_tables.txt");

fn upstream_tables() -> Vec<&'static str> {
    UPSTREAM.lines().filter_map(|line| line.strip_prefix("table ")).collect()
}

fn written(table: &str, schema: &lakeflow_connect::StructType, metadata: &TableMetadata) -> String {
    let mut text = format!("table {table}\n");
    for field in &schema.fields {
        let never = if field.nullable { "" } else { "!" };
        writeln!(text, "  {} {}{never}", field.name, field.data_type).unwrap();
    }
    let ingestion = match metadata.ingestion_type {
        IngestionType::Append => "append",
        IngestionType::Snapshot => "snapshot",
        _ => "another",
    };
    let cursor = metadata.cursor_field.as_deref().unwrap_or("none");
    writeln!(text, "  keys {}\n  cursor {cursor}\n  ingestion {ingestion}", metadata.primary_keys.join(",")).unwrap();
    text
}

#[tokio::test]
async fn j11_compat_upstream_gives_exactly_the_public_schemas_and_metadata_of_all_39_tables() {
    let source = nowhere();
    let tables = upstream_tables();
    assert_eq!(tables.len(), 39);
    let mut found = String::new();
    for name in tables {
        let table = TableRef::new(name).option("compat", "upstream");
        let schema = source.get_table_schema(&table).await.unwrap();
        found += &written(name, &schema, &source.read_table_metadata(&table).await.unwrap());
    }
    let expected: Vec<&str> = UPSTREAM.lines().filter(|line| !line.starts_with('#')).collect();
    for (found, expected) in found.lines().zip(&expected) {
        assert_eq!(found, *expected);
    }
    assert_eq!(found.lines().count(), expected.len());
}

#[tokio::test]
async fn the_public_columns_come_first_by_name_and_type_and_ours_after_them() {
    let source = nowhere();
    for name in upstream_tables() {
        let public = source.get_table_schema(&TableRef::new(name).option("compat", "upstream")).await.unwrap();
        let ours = source.get_table_schema(&TableRef::new(name)).await.unwrap();
        assert!(ours.fields.len() >= public.fields.len(), "{name}");
        for (public, ours) in public.fields.iter().zip(&ours.fields) {
            assert_eq!((&public.name, &public.data_type), (&ours.name, &ours.data_type), "{name}");
            assert!(public.nullable || !ours.nullable, "{name}.{}", ours.name);
        }
    }
}

#[tokio::test]
async fn all_tables_are_listed_the_public_ones_first() {
    let listed = nowhere().list_tables().await.unwrap();
    let mut public = upstream_tables();
    public.sort_unstable();
    let mut first = listed[..39].to_vec();
    first.sort_unstable();
    assert_eq!(first, public);
    for name in [
        "pi_enumeration_sets",
        "pi_enumeration_values",
        "pi_attribute_values",
        "pi_timeseries_changes",
        "pi_eventframe_values",
        "pi_stream_annotations",
        "pi_attribute_traits",
        "pi_watermarks",
        "pi_errors",
        "pi_system",
    ] {
        assert!(listed[39..].iter().any(|listed| listed == name), "{name}");
    }
    assert_eq!(listed.len(), 49);
}

#[tokio::test]
async fn options_of_other_tables_and_unknown_names_are_refused_at_once() {
    let table = TableRef::new("pi_points").option("intervals", "5").option("nameFliter", "a*").option("maxCount", "0");
    let error = nowhere().get_table_schema(&table).await.unwrap_err();
    assert_eq!((error.kind(), error.get("table")), (ErrorKind::Config, Some("pi_points")));
    for part in ["'maxCount' must be", "did you mean 'nameFilter'?"] {
        assert!(error.message().contains(part), "{error}");
    }
    let table = TableRef::new("pi_points").option("intervals", "5");
    let error = nowhere().get_table_schema(&table).await.unwrap_err();
    assert!(error.message().contains("'intervals' does not apply to this table"), "{error}");
    let unknown = nowhere().get_table_schema(&TableRef::new("pi_point")).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    assert!(unknown.to_string().contains("'pi_points'"), "{unknown}");
}

#[test]
fn a_connection_names_every_problem_of_its_options() {
    let options = [("pi_base_url", "https://pi/piwebapi?x=1"), ("auth_type", "basic"), ("webid_type", "Full")];
    let error = connect(&options.into_iter().collect()).err().unwrap();
    for part in ["query", "'username' is missing", "'password' is missing", "must be IDOnly"] {
        assert!(error.message().contains(part), "{part}: {error}");
    }
}
