//! `lakeflow preview`: the first rows of a table, as they would land.

use futures::StreamExt;
use lakeflow_connect::{
    Error, ErrorKind, ReadRequest, Registry, Result, arrow::record_batch::RecordBatch, decode::arrow_to_json,
    stream::arrow_batches,
};
use serde_json::{Map, Value};

use super::run::Connected;
use crate::{
    args::PreviewArgs,
    exit,
    output::{Console, Table},
    pipeline::TableSpec,
};

/// The widest a cell gets before it is cut.
const CELL: usize = 28;

pub(super) async fn run(args: &PreviewArgs, registry: &Registry, console: &Console) -> Result<u8> {
    let connected = Connected::open(&args.selection, registry, console)?;
    let tables = connected.tables().await?;
    for (index, table) in tables.iter().enumerate() {
        let batches = first_rows(&connected, table, args).await?;
        if console.is_json() {
            for batch in &batches {
                print_lines(batch, (tables.len() > 1).then_some(table.source_table.as_str()), console)?;
            }
        } else {
            if index > 0 {
                console.print("");
            }
            console.heading(&table.source_table);
            show(&batches, console)?;
        }
    }
    Ok(exit::OK)
}

async fn first_rows(connected: &Connected, table: &TableSpec, args: &PreviewArgs) -> Result<Vec<RecordBatch>> {
    let columns = (!args.columns.is_empty()).then(|| args.columns.clone());
    let request = ReadRequest::new(table.table_ref()).max_records(args.rows).columns(columns);
    let mut stream = arrow_batches(&connected.connector, request);
    let mut left = usize::try_from(args.rows).unwrap_or(usize::MAX);
    let mut batches = Vec::new();
    while left > 0 {
        let Some(batch) = stream.next().await else { break };
        let batch = batch?;
        let taken = batch.slice(0, batch.num_rows().min(left));
        left -= taken.num_rows();
        batches.push(taken);
    }
    Ok(batches)
}

fn print_lines(batch: &RecordBatch, table: Option<&str>, console: &Console) -> Result<()> {
    let lines = arrow_to_json(batch)?;
    for line in text(&lines.bytes)?.lines() {
        match table {
            Some(name) => console.print(&format!("{{\"table\":{},\"row\":{line}}}", Value::from(name))),
            None => console.print(line),
        }
    }
    Ok(())
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|why| Error::new(ErrorKind::Internal, "rows are not UTF-8 text").caused_by(why))
}

fn show(batches: &[RecordBatch], console: &Console) -> Result<()> {
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    for batch in batches {
        for line in text(&arrow_to_json(batch)?.bytes)?.lines() {
            let row = serde_json::from_str(line);
            rows.push(row.map_err(|why| Error::new(ErrorKind::Internal, "a row is not JSON").caused_by(why))?);
        }
    }
    let Some(first) = batches.first().filter(|_| !rows.is_empty()) else {
        console.print("  no rows");
        return Ok(());
    };
    let schema = first.schema();
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let layout = Layout::choose(&names, &rows, console.width());
    let mut table = Table::named(layout.shown.iter().map(|name| (*name).to_owned()));
    for row in &rows {
        table.row(layout.shown.iter().map(|name| cell(row.get(*name))));
    }
    console.print(&table.render(console.width()));
    if !layout.empty.is_empty() {
        console.print(&listed("no value in these rows:", &layout.empty, console.width()));
    }
    if !layout.hidden.is_empty() {
        console.print(&listed("did not fit:", &layout.hidden, console.width()));
        console.print("  --columns NAMES chooses, --format json shows everything");
    }
    Ok(())
}

/// Which columns a terminal has room for.
struct Layout<'a> {
    shown: Vec<&'a str>,
    hidden: Vec<&'a str>,
    empty: Vec<&'a str>,
}

impl<'a> Layout<'a> {
    /// Columns whose values are shown whole come first, as long as there is room; all keep the table's order.
    fn choose(names: &[&'a str], rows: &[Map<String, Value>], width: usize) -> Self {
        let mut layout = Self { shown: Vec::new(), hidden: Vec::new(), empty: Vec::new() };
        let mut candidates: Vec<(bool, usize, &str)> = Vec::new();
        for name in names {
            if rows.iter().all(|row| row.get(*name).is_none_or(Value::is_null)) {
                layout.empty.push(name);
                continue;
            }
            let cells = rows.iter().map(|row| console::measure_text_width(&cell(row.get(*name))));
            let widest = cells.max().unwrap_or(0);
            // The first column is most often the key.
            let cut = widest >= CELL && !candidates.is_empty();
            candidates.push((cut, widest.max(name.chars().count()) + 2, *name));
        }
        let mut by_use = candidates.clone();
        by_use.sort_by_key(|(cut, ..)| *cut);
        let mut used = 2;
        by_use.retain(|(_, wide, _)| {
            let fits = used == 2 || used + wide <= width;
            used += if fits { *wide } else { 0 };
            fits
        });
        for (_, _, name) in candidates {
            if by_use.iter().any(|(_, _, shown)| *shown == name) {
                layout.shown.push(name);
            } else {
                layout.hidden.push(name);
            }
        }
        layout
    }
}

/// Names after a label, wrapped to the width.
fn listed(label: &str, names: &[&str], width: usize) -> String {
    let mut lines = vec![format!("  {label}")];
    for (index, name) in names.iter().enumerate() {
        let word = if index + 1 < names.len() { format!(" {name},") } else { format!(" {name}") };
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() <= width => line.push_str(&word),
            _ => lines.push(format!("   {word}")),
        }
    }
    lines.join("\n")
}

fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    // One line a row, and no control characters of the data in the terminal.
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    console::truncate_str(&plain, CELL, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_has_no_room_or_no_value_is_named_and_nothing_is_dropped() {
        let row = |v: Value| v.as_object().unwrap().clone();
        let rows = [row(json!({"id": "a", "note": "x".repeat(100), "n": 7})), row(json!({"id": "b", "n": 12}))];
        let layout = Layout::choose(&["id", "note", "gone", "n"], &rows, 24);
        assert_eq!((layout.shown, layout.hidden, layout.empty), (vec!["id", "n"], vec!["note"], vec!["gone"]));
    }

    #[test]
    fn data_cannot_steer_the_terminal() {
        assert_eq!(cell(Some(&json!("a\u{1b}[31mb\nc"))), "a [31mb c");
        assert_eq!(cell(Some(&json!("ä".repeat(60)))).chars().count(), CELL);
    }
}
