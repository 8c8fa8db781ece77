//! Rule 8: rows have exactly the declared structure.

use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Field, Schema};
use futures::StreamExt;
use serde_json::Value;

use crate::{
    read::{ReadEvent, Records},
    testkit::{
        probe::{Flow, Probe, told},
        report::{Stop, Verdict, failed, not_applicable},
        rows::{key_of, rows_as_sent},
    },
    types::{DataType, StructType},
};

pub(crate) async fn check(probe: &Probe<'_>) -> Verdict {
    let connector = probe.open()?;
    let schema = connector.get_table_schema(&probe.table).await;
    let schema = schema.map_err(|e| told(probe.witness, "the schema could not be read", &e))?;
    declared(&schema, "")?;
    let mut stream = probe.stream(&*connector, probe.request(None));
    let mut count = 0;
    while let Some(event) = stream.next().await {
        let event = event.map_err(|e| told(probe.witness, "a full read ended with an error", &e))?;
        let ReadEvent::Records(records) = event else { continue };
        if let Records::Arrow(batch) = &records {
            columns_are(&schema, &batch.schema(), probe.flow)?;
        }
        for row in rows_as_sent(&records).or_else(failed)? {
            row_is(probe, &schema, &row)?;
            count += 1;
        }
    }
    if probe.flow == Flow::Rows {
        probe.cast(probe.request(None)).await?.ended_well("a full read cast to the schema")?;
    }
    match count {
        0 => not_applicable("the table has no rows, which proves nothing"),
        n => Ok(format!("{n} rows of {} columns", schema.fields.len())),
    }
}

/// What no schema may say.
fn declared(schema: &StructType, path: &str) -> Result<(), Stop> {
    if schema.fields.is_empty() {
        return failed(format!("the struct '{path}' has no fields"));
    }
    for field in &schema.fields {
        let path = if path.is_empty() { field.name.clone() } else { format!("{path}.{}", field.name) };
        if field.name.contains('.') {
            return failed(format!("the name of column '{path}' has a dot in it: keep the struct instead"));
        }
        declared_type(&field.data_type, &path)?;
    }
    Ok(())
}

fn declared_type(data_type: &DataType, path: &str) -> Result<(), Stop> {
    match data_type {
        DataType::Byte | DataType::Short | DataType::Int => {
            failed(format!("the integer column '{path}' is not a long"))
        }
        DataType::Array(array) => declared_type(&array.element, path),
        DataType::Map(map) => declared_type(&map.value, path),
        DataType::Struct(inner) => declared(inner, path),
        _ => Ok(()),
    }
}

/// Batches of deletions may have fewer columns.
fn columns_are(schema: &StructType, found: &Schema, flow: Flow) -> Result<(), Stop> {
    let wanted = schema.to_arrow();
    for field in found.fields() {
        match wanted.field_with_name(field.name()) {
            Err(_) => return failed(format!("a batch has a column '{}' that the schema does not have", field.name())),
            Ok(wanted) if flow == Flow::Rows && plain(wanted) != plain(field) => {
                return failed(format!("a batch has {} where the schema says {}", shown(field), shown(wanted)));
            }
            Ok(_) => {}
        }
    }
    let same_order = wanted.fields().iter().map(|f| f.name()).eq(found.fields().iter().map(|f| f.name()));
    if flow == Flow::Rows && !same_order {
        return failed("a batch has not all columns of the schema in their order");
    }
    Ok(())
}

fn shown(field: &Field) -> String {
    let null = if field.is_nullable() { "" } else { " not null" };
    format!("'{}' {}{null}", field.name(), field.data_type())
}

/// The field without metadata, which says nothing about structure.
fn plain(field: &Field) -> Field {
    let child = |f: &Arc<Field>| Arc::new(plain(f));
    let data_type = match field.data_type() {
        ArrowType::Struct(fields) => ArrowType::Struct(fields.iter().map(child).collect()),
        ArrowType::List(element) => ArrowType::List(child(element)),
        ArrowType::LargeList(element) => ArrowType::LargeList(child(element)),
        ArrowType::FixedSizeList(element, n) => ArrowType::FixedSizeList(child(element), *n),
        ArrowType::Map(entries, sorted) => ArrowType::Map(child(entries), *sorted),
        other => other.clone(),
    };
    Field::new(field.name(), data_type, field.is_nullable())
}

fn row_is(probe: &Probe<'_>, schema: &StructType, row: &Value) -> Result<(), Stop> {
    if key_of(row, &probe.metadata.primary_keys).is_none() {
        return failed(format!(
            "a row has no value in a part of its primary key ({})",
            probe.metadata.primary_keys.join(", ")
        ));
    }
    object_is(row, schema, "", probe.flow == Flow::Rows)
}

fn object_is(value: &Value, schema: &StructType, path: &str, complete: bool) -> Result<(), Stop> {
    let Value::Object(members) = value else {
        return failed(format!("'{path}' is not an object where the schema has a struct"));
    };
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if members.is_empty() {
        return failed(format!("'{path}' is an empty struct where nothing is there: absent is null"));
    }
    if let Some(name) = members.keys().find(|name| schema.field(name).is_none()) {
        return failed(format!("a row has '{}', which the schema does not have", at(name)));
    }
    for field in &schema.fields {
        match members.get(&field.name).filter(|value| !value.is_null()) {
            Some(value) => value_is(value, &field.data_type, &at(&field.name))?,
            None if complete && !field.nullable => {
                return failed(format!("a row has nothing in '{}', which is never null", at(&field.name)));
            }
            None => {}
        }
    }
    Ok(())
}

fn value_is(value: &Value, data_type: &DataType, path: &str) -> Result<(), Stop> {
    match (data_type, value) {
        (DataType::Struct(inner), _) => object_is(value, inner, path, true),
        (DataType::Array(array), Value::Array(items)) => {
            let mut items = items.iter().filter(|item| !item.is_null());
            items.try_for_each(|item| value_is(item, &array.element, path))
        }
        (DataType::Map(map), Value::Object(members)) => {
            let mut values = members.values().filter(|value| !value.is_null());
            values.try_for_each(|value| value_is(value, &map.value, path))
        }
        (DataType::Map(_), _) => failed(format!("'{path}' is not an object where the schema has a map")),
        (DataType::Variant | DataType::Array(_), _) => Ok(()),
        (_, Value::Object(_) | Value::Array(_)) => {
            failed(format!("'{path}' is a structure where the schema has a single value"))
        }
        _ => Ok(()),
    }
}
