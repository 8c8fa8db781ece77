//! `lakeflow state`: how far each table has been read.

use std::{collections::HashMap, path::PathBuf};

use lakeflow_connect::{Error, ErrorKind, Result, clock::SystemClock};
use lakeflow_sync::state::{self, FlowState, ResetRows};
use serde_json::json;

use crate::{
    args::{ExportArgs, ResetArgs, Rows, StateArgs, StateCommand},
    exit,
    lake::Lake,
    output::{Column, Console, Table},
};

pub(super) async fn run(command: &StateCommand, console: &Console) -> Result<u8> {
    match command {
        StateCommand::Show(args) => show(args, console).await,
        StateCommand::Reset(args) => reset(args, console).await,
        StateCommand::Export(args) => export(args, console).await,
    }
}

async fn show(args: &StateArgs, console: &Console) -> Result<u8> {
    let states = read(&Lake::at(&args.to)?, &args.tables).await?;
    if console.is_json() {
        print_lines(&states, console);
        return Ok(exit::OK);
    }
    let mut table = Table::new(&[
        Column::left("table"),
        Column::left("source"),
        Column::left("landing"),
        Column::right("commits"),
        Column::left("last commit"),
        Column::left("offset"),
    ]);
    let room = console.width().saturating_sub(72).max(24);
    for (path, state) in &states {
        let offset = state.offset.as_ref().map_or_else(|| "none: reads in full next".to_owned(), |o| o.to_json());
        table.row([
            path.display().to_string(),
            if path.as_os_str() == state.table.as_str() {
                state.source.clone()
            } else {
                format!("{}: {}", state.source, state.table)
            },
            state.landing.as_str().to_owned(),
            state.version.to_string(),
            state.committed_at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
            console::truncate_str(&offset, room, "…").into_owned(),
        ]);
    }
    console.print(&table.render(console.width()));
    Ok(exit::OK)
}

async fn export(args: &ExportArgs, console: &Console) -> Result<u8> {
    print_lines(&read(&Lake::at(&args.to)?, &args.tables).await?, console);
    Ok(exit::OK)
}

fn print_lines(states: &[(PathBuf, FlowState)], console: &Console) {
    for (path, state) in states {
        console.print_json(&json!({ "destination": path, "state": state }));
    }
}

async fn reset(args: &ResetArgs, console: &Console) -> Result<u8> {
    let lake = Lake::at(&args.to)?;
    let rows = match args.rows {
        Rows::Remove => ResetRows::Remove,
        Rows::Keep => ResetRows::Keep,
    };
    // All names are checked before the first table is touched.
    for table in selected(&lake, &args.tables)? {
        state::reset(&lake.table(&table)?, &HashMap::new(), rows, &SystemClock).await?;
        if console.is_json() {
            console.print_json(&json!({ "event": "reset", "destination": table, "rows": rows }));
        } else {
            let kept = if rows == ResetRows::Keep { "its rows stay" } else { "its rows are removed" };
            console.print(&format!("{}: reset, {kept}; the next sync reads it in full", table.display()));
        }
    }
    Ok(exit::OK)
}

async fn read(lake: &Lake, tables: &[String]) -> Result<Vec<(PathBuf, FlowState)>> {
    let mut states = Vec::new();
    for table in selected(lake, tables)? {
        let flows = state::show(&lake.table(&table)?, &HashMap::new()).await?;
        states.extend(flows.into_iter().map(|state| (table.clone(), state)));
    }
    Ok(states)
}

fn selected(lake: &Lake, names: &[String]) -> Result<Vec<PathBuf>> {
    if !lake.is_local() && !names.is_empty() {
        return Ok(names.iter().map(PathBuf::from).collect());
    }
    let found = lake.tables()?;
    if names.is_empty() {
        if found.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "there are no tables in this directory")
                .with("destination", lake.shown())
                .help("check the path given with --to"));
        }
        return Ok(found);
    }
    let known: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
    names
        .iter()
        .map(|name| {
            let known = known.iter().map(String::as_str);
            if known.clone().any(|k| k == name) {
                Ok(PathBuf::from(name))
            } else {
                Err(Error::unknown("table in this directory", name, known))
            }
        })
        .collect()
}
