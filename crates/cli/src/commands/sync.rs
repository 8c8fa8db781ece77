//! `lakeflow sync`: moves what is new, and ends when it has caught up.

use std::{io::IsTerminal, path::PathBuf, sync::Arc, time::Duration};

use lakeflow_connect::{BadRows, Error, ErrorKind, Registry, Result};
use lakeflow_sync::{Stop, SyncOptions};
use serde_json::json;

use super::run::Connected;
use crate::{
    args::{CommitLimits, Format, OnBadRows, SyncArgs},
    interrupt,
    lake::Lake,
    memory,
    output::{Console, count, duration, rate},
    syncing::{self, Jobs, JsonView, LineView, RunOutcome, View},
};

/// JSON lines when nobody looks at standard output, unless told otherwise.
pub(super) fn format(args: &SyncArgs) -> Format {
    let default = if std::io::stdout().is_terminal() { Format::Table } else { Format::Json };
    args.format.unwrap_or(default)
}

pub(super) async fn run(args: &SyncArgs, registry: &Registry, console: &Arc<Console>) -> Result<u8> {
    let connected = Connected::open(&args.selection, registry, console)?;
    let to = args.to.as_ref().or(connected.pipeline.destination.as_ref()).ok_or_else(|| {
        Error::new(ErrorKind::Config, "nothing says where the tables go")
            .help("give --to DIR, or 'destination' in the pipeline file")
    })?;
    let lake = Lake::at(to)?;
    let tables = connected.tables().await?;
    for table in tables.iter().filter(|t| t.configuration.cluster_by.is_some()) {
        console.note(&format!(
            "'cluster_by' of {} is for `lakeflow optimize`: rows land in the order they came",
            table.source_table
        ));
    }
    let jobs = Jobs {
        source: connected.pipeline.source.to_owned(),
        connection: connected.pipeline.identity(registry)?,
        connector: Arc::clone(&connected.connector),
        lake,
    };
    let mut options = options(&args.limits, interrupt::watch(console));
    if args.bad_rows == OnBadRows::Quarantine {
        options.bad_rows = BadRows::Quarantine;
    }
    let view: Box<dyn View> =
        if console.is_json() { Box::new(JsonView::new(console)) } else { Box::new(LineView::new(console)) };
    let outcome = syncing::run(&jobs, &tables, &options, usize::from(args.parallel), &*view).await;

    let receipt = syncing::write_receipt(&jobs, &outcome, console).unwrap_or_else(|error| {
        console.note(&error.to_string());
        None
    });
    if console.is_json() {
        console.print_json(&json!({
            "event": "end",
            "tables_done": outcome.receipts().count(),
            "tables_failed": outcome.errors().count(),
            "interrupted": outcome.interrupted,
            "exit_code": outcome.exit_code(),
            "elapsed_seconds": outcome.elapsed.as_secs_f64(),
            "peak_memory_bytes": memory::peak(),
            "receipt": receipt,
        }));
    } else {
        summary(&jobs, &outcome, receipt, console);
    }
    Ok(outcome.exit_code())
}

fn options(limits: &CommitLimits, stop: Stop) -> SyncOptions {
    let mut options = SyncOptions::default();
    options.stop = stop;
    if let Some(rows) = limits.commit_rows {
        options.commit_rows = rows;
    }
    if let Some(megabytes) = limits.commit_megabytes {
        options.commit_bytes = megabytes * 1_000_000;
    }
    if let Some(seconds) = limits.commit_seconds {
        options.commit_interval = Duration::from_secs(seconds);
    }
    options
}

fn summary(jobs: &Jobs, outcome: &RunOutcome, receipt: Option<PathBuf>, console: &Console) {
    let (mut rows, mut new, mut changed, mut removed) = (0, 0, 0, 0);
    for counts in outcome.receipts().map(|r| &r.counts) {
        rows += counts.rows_read + counts.deletes_read;
        new += counts.rows_inserted;
        changed += counts.rows_updated;
        removed += counts.rows_deleted;
    }
    let activity = jobs.connector.activity();
    let end = if outcome.interrupted {
        "Stopped: the next sync goes on from here."
    } else if outcome.errors().next().is_some() {
        "Not all tables are done: the next sync goes on from here."
    } else {
        "Caught up."
    };
    console.print("");
    console.heading(end);
    console.print(&format!(
        "  {} rows read: {} new, {} changed, {} removed",
        count(rows),
        count(new),
        count(changed),
        count(removed)
    ));
    console.print(&format!(
        "  {}, {}, {} requests, {} retries",
        duration(outcome.elapsed),
        rate(rows, outcome.elapsed),
        count(activity.requests),
        count(activity.retries),
    ));
    console.print(&format!("  Delta tables  {}", jobs.lake.shown()));
    if let Some(receipt) = receipt {
        console.print(&format!("  Receipt       {}", receipt.display()));
    }
    console.errors_in(outcome.errors());
}
