//! A source's schema against a table's: what is new, and what cannot be.

use std::collections::HashMap;

use deltalake::kernel::{StructField as KernelField, StructType as KernelStruct};
use lakeflow_connect::{DataType, Error, ErrorKind, Result, StructField, StructType};

use crate::error::sink;

/// The schema as Delta stores it.
pub(crate) fn to_kernel(schema: &StructType) -> Result<Vec<KernelField>> {
    let kernel: KernelStruct =
        serde_json::from_str(&stored(schema).to_json()).map_err(|e| sink("translating the schema", e))?;
    Ok(kernel.fields().cloned().collect())
}

/// A stored schema.
pub(crate) fn from_kernel(schema: &KernelStruct) -> Result<StructType> {
    let json = serde_json::to_string(schema).map_err(|e| sink("translating the schema", e))?;
    StructType::from_json(&json)
}

/// How a source's schema is stored: everything nullable, since readers and later versions of the source rely on it;
/// variants as their JSON text.
pub(crate) fn stored(schema: &StructType) -> StructType {
    StructType::new(schema.fields.iter().map(|f| StructField {
        name: f.name.clone(),
        data_type: stored_type(&f.data_type),
        nullable: true,
        metadata: f.metadata.clone(),
    }))
}

fn stored_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Variant => DataType::String,
        DataType::Array(a) => DataType::array(stored_type(&a.element)),
        DataType::Map(m) => DataType::map(stored_type(&m.key), stored_type(&m.value)),
        DataType::Struct(s) => DataType::Struct(stored(s)),
        other => other.clone(),
    }
}

/// Refuses names that Delta cannot tell apart, at every level.
pub(crate) fn check_names(schema: &StructType) -> Result<()> {
    check_names_at(schema, "")
}

fn check_names_at(schema: &StructType, parent: &str) -> Result<()> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for field in &schema.fields {
        if let Some(other) = seen.insert(field.name.to_lowercase(), &field.name) {
            return Err(Error::new(ErrorKind::Sink, "two columns differ only in case, which Delta cannot store")
                .with("columns", format!("{parent}{other}, {parent}{}", field.name)));
        }
        check_type_names(&field.data_type, &format!("{parent}{}.", field.name))?;
    }
    Ok(())
}

fn check_type_names(data_type: &DataType, parent: &str) -> Result<()> {
    match data_type {
        DataType::Struct(s) => check_names_at(s, parent),
        DataType::Array(a) => check_type_names(&a.element, parent),
        DataType::Map(m) => check_type_names(&m.key, parent).and_then(|()| check_type_names(&m.value, parent)),
        _ => Ok(()),
    }
}

/// What must be added to a table before rows of this schema fit; empty when they fit already.
///
/// # Errors
/// [`Sink`](ErrorKind::Sink) naming every column that can never fit.
pub(crate) fn additions(source: &StructType, table: &StructType) -> Result<StructType> {
    let source = stored(source);
    let mut problems = Vec::new();
    let mut new = Vec::new();
    compare(&source, table, "", &mut problems, &mut new);
    for field in &table.fields {
        if !field.nullable && source.field(&field.name).is_none() {
            problems.push(format!("{} (the table requires it, the source does not have it)", field.name));
        }
    }
    if problems.is_empty() {
        return Ok(StructType::new(new));
    }
    Err(Error::new(ErrorKind::Sink, "the table has another schema than the source")
        .with("columns", problems.join("; "))
        .help("choose another destination, or remove the table to have it made anew"))
}

/// Fields of `source` that `table` lacks; a struct that lacks members comes whole.
fn compare(
    source: &StructType,
    table: &StructType,
    parent: &str,
    problems: &mut Vec<String>,
    new: &mut Vec<StructField>,
) {
    for field in &source.fields {
        let path = format!("{parent}{}", field.name);
        let Some(stored) = table.field(&field.name) else {
            match table.fields.iter().find(|f| f.name.eq_ignore_ascii_case(&field.name)) {
                Some(other) => problems.push(format!("{path} (the table has {parent}{})", other.name)),
                None => new.push(field.clone()),
            }
            continue;
        };
        let mut inner = Vec::new();
        compare_types(&field.data_type, &stored.data_type, &path, problems, &mut inner);
        if !inner.is_empty() {
            new.push(field.clone());
        }
    }
}

fn compare_types(
    source: &DataType,
    table: &DataType,
    path: &str,
    problems: &mut Vec<String>,
    new: &mut Vec<StructField>,
) {
    match (source, table) {
        (DataType::Struct(a), DataType::Struct(b)) => compare(a, b, &format!("{path}."), problems, new),
        (DataType::Array(a), DataType::Array(b)) => {
            compare_types(&a.element, &b.element, &format!("{path}.element"), problems, new);
        }
        (DataType::Map(a), DataType::Map(b)) => {
            compare_types(&a.key, &b.key, &format!("{path}.key"), problems, new);
            compare_types(&a.value, &b.value, &format!("{path}.value"), problems, new);
        }
        (a, b) if a == b => {}
        (a, b) => problems.push(format!("{path} (the source has {}, the table {})", type_name(a), type_name(b))),
    }
}

/// The type of a column: a top-level name, or a dotted path into structs.
pub(crate) fn type_at<'s>(schema: &'s StructType, path: &str) -> Option<&'s DataType> {
    if let Some(field) = schema.field(path) {
        return Some(&field.data_type);
    }
    let (first, rest) = path.split_once('.')?;
    match &schema.field(first)?.data_type {
        DataType::Struct(inner) => type_at(inner, rest),
        _ => None,
    }
}

fn type_name(data_type: &DataType) -> String {
    data_type.to_ddl().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(ddl: &str) -> StructType {
        StructType::from_ddl(ddl).unwrap()
    }

    #[test]
    fn new_columns_and_members_are_found_and_dropped_ones_are_left() {
        let table = schema("id STRING, gone INT, meta STRUCT<a: INT>");
        let new = additions(&schema("id STRING, late DATE, meta STRUCT<a: INT, b: STRING>"), &table).unwrap();
        assert_eq!(new.names().collect::<Vec<_>>(), ["late", "meta"]);
        assert!(additions(&schema("id STRING"), &table).unwrap().fields.is_empty());
    }

    #[test]
    fn every_column_that_cannot_fit_is_named() {
        let table = schema("id STRING, n INT, meta STRUCT<a: INT>, must STRING NOT NULL");
        let error = additions(&schema("ID STRING, n BIGINT, meta STRUCT<a: STRING>"), &table).unwrap_err();
        let columns = error.get("columns").unwrap();
        for name in ["ID (the table has id)", "n (", "meta.a (", "must ("] {
            assert!(columns.contains(name), "{columns}");
        }
        assert_eq!(error.kind(), ErrorKind::Sink);
    }

    #[test]
    fn names_that_differ_only_in_case_are_refused_at_every_level() {
        assert!(check_names(&schema("id STRING, ID STRING")).is_err());
        assert!(check_names(&schema("m ARRAY<STRUCT<a: INT, A: INT>>")).is_err());
        assert!(check_names(&schema("m STRUCT<a: INT>, n STRUCT<a: INT>")).is_ok());
    }
}
