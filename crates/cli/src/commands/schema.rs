//! `lakeflow schema`: the columns of tables, for people, Spark and Arrow.

use futures::future::try_join_all;
use lakeflow_connect::{DataType, Error, ErrorKind, Registry, Result, StructField, StructType};
use serde_json::value::RawValue;

use super::run::Connected;
use crate::{
    args::{SchemaArgs, SchemaFormat},
    exit,
    output::{Column, Console, Table},
};

pub(super) async fn run(args: &SchemaArgs, registry: &Registry, console: &Console) -> Result<u8> {
    let connected = Connected::open(&args.selection, registry, console)?;
    let tables = connected.tables().await?;
    let schemas = try_join_all(tables.iter().map(|table| {
        let table = table.table_ref();
        let connector = &connected.connector;
        async move { connector.get_table_schema(&table).await }
    }))
    .await?;

    let several = tables.len() > 1;
    for (index, (table, schema)) in tables.iter().zip(&schemas).enumerate() {
        let name = &table.source_table;
        match args.format {
            SchemaFormat::Json if several => console.print_json(&Named { table: name, schema: &raw(schema)? }),
            SchemaFormat::Json => console.print(&schema.to_json()),
            SchemaFormat::Ddl if several => console.print(&format!("-- {name}\n{}", schema.to_ddl())),
            SchemaFormat::Ddl => console.print(&schema.to_ddl()),
            SchemaFormat::Table | SchemaFormat::Arrow => {
                if index > 0 {
                    console.print("");
                }
                console.heading(name);
                let shown = if args.format == SchemaFormat::Arrow { arrow_fields(schema) } else { tree(schema) };
                console.print(&shown.render(console.width()));
            }
        }
    }
    Ok(exit::OK)
}

#[derive(serde::Serialize)]
struct Named<'a> {
    table: &'a str,
    schema: &'a RawValue,
}

fn raw(schema: &StructType) -> Result<Box<RawValue>> {
    RawValue::from_string(schema.to_json())
        .map_err(|why| Error::new(ErrorKind::Internal, "a schema could not be written as JSON").caused_by(why))
}

fn arrow_fields(schema: &StructType) -> Table {
    let mut table = Table::new(&[Column::left("column"), Column::left("Arrow type"), Column::left("null")]);
    for field in schema.to_arrow().fields() {
        table.row([field.name().as_str(), &field.data_type().to_string(), may_be_null(field.is_nullable())]);
    }
    table
}

fn tree(schema: &StructType) -> Table {
    let mut table = Table::new(&[Column::left("column"), Column::left("type"), Column::left("null")]);
    add_fields(&mut table, &schema.fields, 0);
    table
}

fn add_fields(table: &mut Table, fields: &[StructField], depth: usize) {
    for field in fields {
        let (words, inner) = outline(&field.data_type);
        let name = format!("{}{}", "· ".repeat(depth), field.name);
        table.row([name.as_str(), &words, may_be_null(field.nullable)]);
        add_fields(table, inner, depth + 1);
    }
}

fn may_be_null(nullable: bool) -> &'static str {
    if nullable { "yes" } else { "no" }
}

/// A type in a few words, and the fields to show below it.
fn outline(data_type: &DataType) -> (String, &[StructField]) {
    match data_type {
        DataType::Struct(fields) => ("struct".to_owned(), &fields.fields),
        DataType::Array(array) => {
            let (words, inner) = outline(&array.element);
            (format!("array of {words}"), inner)
        }
        DataType::Map(map) => {
            let (key, _) = outline(&map.key);
            let (value, inner) = outline(&map.value);
            (format!("map of {key} to {value}"), inner)
        }
        simple => (simple.to_ddl().to_lowercase(), &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_fields_stand_below_their_column() {
        let name = DataType::array(DataType::structure([StructField::new("family", DataType::String)]));
        let schema = StructType::new([StructField::required("id", DataType::Long), StructField::new("name", name)]);
        let text = console::strip_ansi_codes(&tree(&schema).render(80)).into_owned();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines[1..],
            [
                vec!["id", "bigint", "no"],
                vec!["name", "array", "of", "struct", "yes"],
                vec!["·", "family", "string", "yes"],
            ]
        );
    }
}
