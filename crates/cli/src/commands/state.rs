//! `lakeflow state`: how far each table has been read.

use std::{collections::HashMap, path::PathBuf};

use chrono::{DateTime, Utc};
use lakeflow_connect::{Error, ErrorKind, Registry, Result, clock::SystemClock};
use lakeflow_sync::state::{self, FlowState, ResetRows};
use serde_json::json;

use super::parts::{self, Origin};
use crate::{
    args::{ExportArgs, ResetArgs, Rows, StateArgs, StateCommand},
    exit,
    lake::Lake,
    output::{Column, Console, Table},
};

pub(super) async fn run(command: &StateCommand, registry: &Registry, console: &Console) -> Result<u8> {
    match command {
        StateCommand::Show(args) => show(args, registry, console).await,
        StateCommand::Reset(args) => reset(args, registry, console).await,
        StateCommand::Export(args) => export(args, console).await,
    }
}

async fn show(args: &StateArgs, registry: &Registry, console: &Console) -> Result<u8> {
    let origin = Origin::of(&args.selection, args.parts, registry, console)?;
    let lake = lake(args.to.as_ref(), origin.as_ref())?;
    let states = read(&lake, &args.selection.tables).await?;
    if let Some(origin) = origin.as_ref().filter(|_| args.parts) {
        return parts::show(&states, origin, console).await;
    }
    let watermarks: Vec<_> =
        states.iter().map(|(path, state)| origin.as_ref().and_then(|o| o.watermark(path, state))).collect();
    if console.is_json() {
        for ((path, state), watermark) in states.iter().zip(watermarks) {
            let mut line = json!({ "destination": path, "state": state });
            if origin.is_some() {
                line["watermark"] = json!(watermark);
            }
            console.print_json(&line);
        }
        return Ok(exit::OK);
    }
    let mut table = Table::new(&[
        Column::left("table"),
        Column::left("source"),
        Column::left("landing"),
        Column::right("commits"),
        Column::left("last commit"),
        Column::left(if origin.is_some() { "read up to" } else { "offset" }),
    ]);
    let room = console.width().saturating_sub(72).max(24);
    for ((path, state), watermark) in states.iter().zip(watermarks) {
        let offset = match (&state.offset, watermark) {
            (None, _) => "none: reads in full next".to_owned(),
            (Some(_), Some(watermark)) => moment(watermark),
            (Some(_), None) if origin.is_some() => "not told by time".to_owned(),
            (Some(offset), None) => offset.to_json(),
        };
        table.row([
            match &state.lane {
                None => path.display().to_string(),
                Some(lane) => format!("{}, lane {lane}", path.display()),
            },
            if path.as_os_str() == state.table.as_str() {
                state.source.clone()
            } else {
                format!("{}: {}", state.source, state.table)
            },
            state.landing.as_str().to_owned(),
            state.version.to_string(),
            moment(state.committed_at),
            console::truncate_str(&offset, room, "…").into_owned(),
        ]);
    }
    console.print(&table.render(console.width()));
    Ok(exit::OK)
}

/// The directory that was given, or the one of the pipeline file.
fn lake(to: Option<&PathBuf>, origin: Option<&Origin>) -> Result<Lake> {
    let to = to.or_else(|| origin.and_then(Origin::destination)).ok_or_else(|| {
        Error::new(ErrorKind::Config, "nothing says where the tables are")
            .help("give --to DIR, or 'destination' in the pipeline file")
    })?;
    Lake::at(to)
}

fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

async fn export(args: &ExportArgs, console: &Console) -> Result<u8> {
    for (path, state) in read(&Lake::at(&args.to)?, &args.tables).await? {
        console.print_json(&json!({ "destination": path, "state": state }));
    }
    Ok(exit::OK)
}

async fn reset(args: &ResetArgs, registry: &Registry, console: &Console) -> Result<u8> {
    let tables = &args.selection.tables;
    if tables.is_empty() {
        return Err(Error::new(ErrorKind::Config, "nothing says which tables to reset").help("name them with --table"));
    }
    let origin = Origin::of(&args.selection, !args.parts.is_empty(), registry, console)?;
    let lake = lake(args.to.as_ref(), origin.as_ref())?;
    if let Some(origin) = origin.as_ref().filter(|_| !args.parts.is_empty()) {
        return parts::reset(&lake, &read(&lake, tables).await?, &args.parts, args.lane.as_deref(), origin, console)
            .await;
    }
    if let Some(lane) = &args.lane {
        return reset_lane(&lake, tables, lane, console).await;
    }
    let rows = match args.rows {
        Some(Rows::Remove) => ResetRows::Remove,
        Some(Rows::Keep) | None => ResetRows::Keep,
    };
    // All names are checked before the first table is touched.
    for table in selected(&lake, tables)? {
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

async fn reset_lane(lake: &Lake, tables: &[String], lane: &str, console: &Console) -> Result<u8> {
    for table in selected(lake, tables)? {
        state::reset_lane(&lake.table(&table)?, &HashMap::new(), lane, &SystemClock).await?;
        if console.is_json() {
            console.print_json(&json!({ "event": "reset", "destination": table, "lane": lane }));
        } else {
            console.print(&format!(
                "{}: lane {lane} reset, its rows stay; its next sync reads it in full",
                table.display()
            ));
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

pub(super) fn selected(lake: &Lake, names: &[String]) -> Result<Vec<PathBuf>> {
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
