//! Schema and metadata are the same each time, and agree with each other and with `read_table_deletes`.

use std::collections::BTreeSet;

use crate::{
    connector::{IngestionType, TableMetadata},
    error::ErrorKind,
    testkit::{
        probe::{Flow, Probe, Until, told},
        report::{Stop, Verdict, failed},
        rows::{at, key_of},
    },
    types::{DataType, StructField, StructType},
};

pub(crate) async fn check(probe: &Probe<'_>) -> Verdict {
    let schema = same_each_time(probe).await?;
    listed_once(probe).await?;
    names_are_columns(&schema, &probe.metadata)?;
    fits_the_ingestion_type(&probe.metadata)?;
    let deletions = deletes(probe).await?;
    let kind = probe.metadata.ingestion_type;
    Ok(format!("{} columns, {kind}, keys ({}){deletions}", schema.fields.len(), probe.metadata.primary_keys.join(", ")))
}

async fn same_each_time(probe: &Probe<'_>) -> Result<StructType, Stop> {
    let connector = probe.open()?;
    let mut schemas = Vec::new();
    for connector in [connector.clone(), connector, probe.open()?] {
        let schema = connector.get_table_schema(&probe.table).await;
        schemas.push(schema.map_err(|e| told(probe.witness, "the schema could not be read", &e))?);
        let metadata = connector.read_table_metadata(&probe.table).await;
        let metadata = metadata.map_err(|e| told(probe.witness, "the metadata could not be read", &e))?;
        if metadata != probe.metadata {
            return failed("the metadata is another each time it is read");
        }
    }
    if schemas.iter().any(|s| *s != schemas[0]) {
        return failed("the schema is another each time it is read");
    }
    Ok(schemas.swap_remove(0))
}

async fn listed_once(probe: &Probe<'_>) -> Result<(), Stop> {
    let listed = probe.open()?.list_tables().await;
    let listed = listed.map_err(|e| told(probe.witness, "the tables could not be listed", &e))?;
    match listed.iter().filter(|name| **name == probe.table.name).count() {
        1 => Ok(()),
        n => failed(format!("list_tables names the table {n} times")),
    }
}

fn names_are_columns(schema: &StructType, metadata: &TableMetadata) -> Result<(), Stop> {
    let mut names = BTreeSet::new();
    for name in schema.names() {
        if !names.insert(name.to_lowercase()) {
            return failed(format!("two columns are named '{name}', where hosts ignore case"));
        }
    }
    let roles = metadata
        .primary_keys
        .iter()
        .map(|k| (k, "primary key"))
        .chain(metadata.cursor_field.iter().map(|c| (c, "cursor field")));
    for (name, role) in roles {
        match field_at(schema, name) {
            None => return failed(format!("the {role} '{name}' is not a column")),
            Some(field) if matches!(field.data_type, DataType::Array(_) | DataType::Map(_) | DataType::Struct(_)) => {
                return failed(format!("the {role} '{name}' is not a single value"));
            }
            Some(_) => {}
        }
    }
    if metadata.primary_keys.iter().collect::<BTreeSet<_>>().len() != metadata.primary_keys.len() {
        return failed("a primary key is named twice");
    }
    Ok(())
}

fn field_at<'s>(schema: &'s StructType, path: &str) -> Option<&'s StructField> {
    match path.split_once('.') {
        None => schema.field(path),
        Some((head, rest)) => match &schema.field(head)?.data_type {
            DataType::Struct(inner) => field_at(inner, rest),
            _ => None,
        },
    }
}

fn fits_the_ingestion_type(metadata: &TableMetadata) -> Result<(), Stop> {
    let kind = metadata.ingestion_type;
    if !matches!(kind, IngestionType::Cdc | IngestionType::CdcWithDeletes) {
        return Ok(());
    }
    if metadata.primary_keys.is_empty() {
        return failed(format!("the table is {kind} without a primary key, so a host cannot tell what a row replaces"));
    }
    if metadata.cursor_field.is_none() {
        return failed(format!("the table is {kind} without a cursor field, so a host cannot tell which row is newer"));
    }
    Ok(())
}

async fn deletes(probe: &Probe<'_>) -> Result<String, Stop> {
    let deletes = Probe { flow: Flow::Deletes, until: None, ..probe.clone() };
    let reading = deletes.read(deletes.request(None), Until::End).await?;
    let unsupported = reading.error.as_ref().is_some_and(|e| e.kind() == ErrorKind::Unsupported);
    let kind = probe.metadata.ingestion_type;
    if kind != IngestionType::CdcWithDeletes {
        return if unsupported {
            Ok(String::new())
        } else {
            failed(format!("the table is {kind}, and read_table_deletes does not answer Unsupported"))
        };
    }
    if unsupported {
        return failed("the table is cdc_with_deletes, and read_table_deletes is Unsupported");
    }
    let reading = reading.ended_well("reading the deletions")?;
    let cursor = probe.metadata.cursor_field.as_deref().unwrap_or_default();
    for row in reading.rows() {
        if key_of(row, &probe.metadata.primary_keys).is_none() || at(row, cursor).is_none() {
            return failed("a deletion has no primary key or no cursor value");
        }
    }
    Ok(format!(", {} deletions", reading.rows().count()))
}
