//! `lakeflow tables`: what a connection can read.

use futures::future::try_join_all;
use lakeflow_connect::{Registry, Result};
use serde_json::json;

use super::run::Connected;
use crate::{
    args::ReadArgs,
    exit,
    output::{Column, Console, Table},
};

pub(super) async fn run(args: &ReadArgs, registry: &Registry, console: &Console) -> Result<u8> {
    let connected = Connected::open(&args.selection, registry, console)?;
    let tables = connected.tables().await?;
    let metadata = try_join_all(tables.iter().map(|table| {
        let table = table.table_ref();
        let connector = &connected.connector;
        async move { connector.read_table_metadata(&table).await }
    }))
    .await?;

    if console.is_json() {
        for (table, m) in tables.iter().zip(&metadata) {
            console.print_json(&json!({
                "table": table.source_table,
                "ingestion_type": m.ingestion_type,
                "primary_keys": m.primary_keys,
                "cursor_field": m.cursor_field,
            }));
        }
        return Ok(exit::OK);
    }
    let mut shown = Table::new(&[
        Column::left("table"),
        Column::left("ingestion"),
        Column::left("primary key"),
        Column::left("cursor"),
    ]);
    for (table, m) in tables.iter().zip(&metadata) {
        let keys = m.primary_keys.join(", ");
        let cursor = m.cursor_field.as_deref().unwrap_or("");
        shown.row([&table.source_table, &m.ingestion_type.to_string(), &keys, cursor]);
    }
    console.print(&shown.render(console.width()));
    Ok(exit::OK)
}
