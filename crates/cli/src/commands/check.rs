//! `lakeflow check`: connects, tries every table, and says what to do about problems.

use futures::{StreamExt, future::join_all};
use lakeflow_connect::{
    Error, ErrorKind, LakeflowConnect, ReadEvent, ReadRequest, Registry, Result, TableMetadata, TableRef,
};
use serde_json::{Map, Value, json};

use super::run::Connected;
use crate::{
    args::ReadArgs,
    exit,
    output::{Column, Console, Table, error_json, grouped},
    pipeline::TableSpec,
};

/// What was learned of one table.
struct Learned {
    columns: usize,
    metadata: TableMetadata,
    has_rows: bool,
}

pub(super) async fn run(args: &ReadArgs, registry: &Registry, console: &Console) -> Result<u8> {
    let connected = Connected::open_impatient(&args.selection, registry, console)?;
    let connector = &*connected.connector;
    let described = connector.describe().await;
    let refs: Vec<TableRef> = match connected.tables().await {
        Ok(tables) => tables.iter().map(TableSpec::table_ref).collect(),
        Err(error) => return Err(not_connected(&connected, described.err().unwrap_or(error), console)),
    };
    // A source that does not say what it is may still be read: its first table tells.
    let says = described.as_ref().is_ok_and(|facts| !facts.is_empty());
    let (first, rest) = refs.split_at(usize::from(!says).min(refs.len()));
    let mut outcomes = join_all(first.iter().map(|table| probe(connector, table))).await;
    if described.is_ok()
        && outcomes.first().is_some_and(|outcome| outcome.as_ref().is_err_and(is_of_connection))
        && let Some(Err(error)) = outcomes.pop()
    {
        return Err(not_connected(&connected, error, console));
    }
    let facts = match (described, first.first().zip(outcomes.first())) {
        (Ok(facts), _) => facts,
        (Err(error), Some((_, Ok(_)))) => vec![("what it is".to_owned(), format!("not told: {}", error.message()))],
        (Err(error), refused) => {
            if let Some((table, Err(other))) =
                refused.filter(|(_, o)| o.as_ref().is_err_and(|o| exit::of(o) != exit::of(&error)))
            {
                console.errors_in([(table.name.as_str(), other)]);
            }
            return Err(not_connected(&connected, error, console));
        }
    };
    show_connection(&connected, &facts, refs.len(), console);
    outcomes.extend(join_all(rest.iter().map(|table| probe(connector, table))).await);
    if console.is_json() {
        refs.iter().zip(&outcomes).for_each(|(table, outcome)| console.print_json(&table_json(table, outcome)));
    } else {
        show_tables(&refs, &outcomes, console);
    }

    let failures: Vec<u8> = outcomes.iter().filter_map(|o| o.as_ref().err()).map(exit::of).collect();
    Ok(exit::of_tables(outcomes.len() - failures.len(), &failures))
}

/// Whether what keeps a table from being read is likely to keep all of them.
fn is_of_connection(error: &Error) -> bool {
    matches!(exit::of(error), exit::ACCESS | exit::UNAVAILABLE) || error.kind() == ErrorKind::Protocol
}

/// Says on standard output that there is no connection; the error, for standard error, says why.
fn not_connected(connected: &Connected, error: Error, console: &Console) -> Error {
    if console.is_json() {
        console.print_json(&json!({
            "check": "connection", "ok": false, "source": connected.pipeline.source, "error": error_json(&error),
        }));
    } else {
        console.heading(&format!("{}: no connection", connected.pipeline.source));
    }
    error
}

/// Schema, metadata and the first rows: everything a sync needs, without storing anything.
async fn probe(connector: &dyn LakeflowConnect, table: &TableRef) -> Result<Learned> {
    let columns = connector.get_table_schema(table).await?.fields.len();
    let metadata = connector.read_table_metadata(table).await?;
    let mut events = connector.read_table(ReadRequest::new(table.clone()).max_records(1));
    let mut has_rows = false;
    while let Some(event) = events.next().await {
        match event? {
            ReadEvent::Records(records) if records.rows() > 0 => {
                has_rows = true;
                break;
            }
            _ => {}
        }
    }
    Ok(Learned { columns, metadata, has_rows })
}

fn show_connection(connected: &Connected, facts: &[(String, String)], tables: usize, console: &Console) {
    if console.is_json() {
        let facts: Map<String, Value> = facts.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect();
        console.print_json(&json!({
            "check": "connection", "ok": true, "source": connected.pipeline.source, "facts": facts, "tables": tables,
        }));
        return;
    }
    console.heading(&format!("{}: connected", connected.pipeline.source));
    let longest = facts.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
    for (what, value) in facts {
        console.print(&format!("  {what:longest$}  {value}"));
    }
}

fn show_tables(tables: &[TableRef], outcomes: &[Result<Learned>], console: &Console) {
    let mut shown = Table::new(&[
        Column::left("table"),
        Column::left("check"),
        Column::right("columns"),
        Column::left("ingestion"),
        Column::left("primary key"),
        Column::left("cursor"),
    ]);
    for (table, outcome) in tables.iter().zip(outcomes) {
        match outcome {
            Ok(learned) => {
                let m = &learned.metadata;
                shown.row([
                    table.name.as_str(),
                    if learned.has_rows { "reads" } else { "reads, empty" },
                    &learned.columns.to_string(),
                    &m.ingestion_type.to_string(),
                    &m.primary_keys.join(", "),
                    m.cursor_field.as_deref().unwrap_or(""),
                ]);
            }
            Err(_) => shown.row([table.name.as_str(), "fails", "", "", "", ""]),
        }
    }
    console.print("");
    console.print(&shown.render(console.width()));
    let failed = tables.iter().zip(outcomes).filter_map(|(t, o)| Some((t.name.as_str(), o.as_ref().err()?)));
    let failed = grouped(failed);
    if !failed.is_empty() {
        console.print("");
        console.heading("What to do");
        for (tables, error) in failed {
            console.print(&format!("  {tables}: {error}"));
        }
    }
}

fn table_json(table: &TableRef, outcome: &Result<Learned>) -> Value {
    match outcome {
        Ok(learned) => json!({
            "check": "table", "ok": true, "table": table.name, "columns": learned.columns, "has_rows": learned.has_rows,
            "ingestion_type": learned.metadata.ingestion_type, "primary_keys": learned.metadata.primary_keys,
            "cursor_field": learned.metadata.cursor_field,
        }),
        Err(error) => json!({ "check": "table", "ok": false, "table": table.name, "error": error_json(error) }),
    }
}
