//! `lakeflow optimize`: fewer files, and rows that are read together side by side.

use std::{collections::HashMap, path::PathBuf};

use lakeflow_connect::{Error, ErrorKind, Result, options::Problems};
use lakeflow_sync::{OptimizeReceipt, SyncOptions};
use serde_json::json;

use super::state::selected;
use crate::{
    args::OptimizeArgs,
    exit, interrupt,
    lake::Lake,
    output::{Column, Console, Table, bytes, count, error_json},
    pipeline::read_file,
};

pub(super) async fn run(args: &OptimizeArgs, console: &std::sync::Arc<Console>) -> Result<u8> {
    let mut problems = Problems::default();
    let file = args.pipeline.as_deref().map(|path| read_file(path, &mut problems)).transpose()?.unwrap_or_default();
    problems.into_result()?;
    let to = args.to.as_ref().or(file.destination.as_ref()).ok_or_else(|| {
        Error::new(ErrorKind::Config, "nothing says where the tables are")
            .help("give --to DIR, or 'destination' in the pipeline file")
    })?;
    let lake = Lake::at(to)?;
    let mut configured: HashMap<PathBuf, Vec<String>> = HashMap::new();
    for table in file.tables.iter().flatten() {
        // One lane of a table may say it for all.
        let columns = configured.entry(table.destination.clone()).or_default();
        if let Some(cluster_by) = &table.configuration.cluster_by {
            columns.clone_from(cluster_by);
        }
    }
    let mut options = SyncOptions::default();
    options.stop = interrupt::watch(console);
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for table in selected(&lake, &args.tables)? {
        if options.stop.is_stopped() {
            break;
        }
        if args.tables.is_empty() && !configured.is_empty() && !configured.contains_key(&table) {
            continue;
        }
        let of_file = configured.get(&table).map(Vec::as_slice).unwrap_or_default();
        let columns = if args.cluster_by.is_empty() { of_file } else { &args.cluster_by };
        match lakeflow_sync::optimize(&lake.table(&table)?, columns, &options).await {
            Ok(receipt) => done.push((table, receipt)),
            Err(error) => failures.push((table.display().to_string(), error)),
        }
    }
    print(&done, console);
    if console.is_json() {
        for (table, error) in &failures {
            console.print_json(&json!({ "destination": table, "error": error_json(error) }));
        }
    } else {
        console.errors_in(failures.iter().map(|(table, error)| (table.as_str(), error)));
    }
    let codes: Vec<u8> = failures.iter().map(|(_, error)| exit::of(error)).collect();
    match exit::of_tables(done.len(), &codes) {
        exit::OK if options.stop.is_stopped() => Ok(exit::INTERRUPTED),
        code => Ok(code),
    }
}

fn print(done: &[(PathBuf, OptimizeReceipt)], console: &Console) {
    if console.is_json() {
        for (table, receipt) in done {
            console.print_json(&json!({ "destination": table, "optimized": receipt }));
        }
        return;
    }
    let mut shown = Table::new(&[
        Column::left("table"),
        Column::right("files before"),
        Column::right("after"),
        Column::right("left alone"),
        Column::right("rows"),
        Column::right("size before"),
        Column::right("after"),
    ]);
    for (table, r) in done {
        shown.row([
            table.display().to_string(),
            count(r.files_before),
            count(r.files_after),
            count(r.files_left),
            count(r.rows),
            bytes(r.bytes_before),
            bytes(r.bytes_after),
        ]);
    }
    console.print(&shown.render(console.width()));
}
