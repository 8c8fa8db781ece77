//! The run: tables side by side, one failing table does not stop the others.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use lakeflow_connect::{Error, Result};
use lakeflow_sync::{SyncOptions, TableReceipt, sync_table};

use super::{Jobs, View};
use crate::{exit, pipeline::TableSpec};

/// What became of one table.
pub(crate) struct TableOutcome {
    pub(crate) table: String,
    pub(crate) result: Result<TableReceipt>,
}

/// What became of a run.
pub(crate) struct RunOutcome {
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) elapsed: Duration,
    /// The tables in the pipeline's order; tables that were not begun before a stop are left out.
    pub(crate) tables: Vec<TableOutcome>,
    /// Whether somebody asked for an early end.
    pub(crate) interrupted: bool,
}

impl RunOutcome {
    /// The receipts of the tables that did not fail.
    pub(crate) fn receipts(&self) -> impl Iterator<Item = &TableReceipt> {
        self.tables.iter().filter_map(|t| t.result.as_ref().ok())
    }

    /// The errors of the tables that failed.
    pub(crate) fn errors(&self) -> impl Iterator<Item = (&str, &Error)> {
        self.tables.iter().filter_map(|t| t.result.as_ref().err().map(|e| (t.table.as_str(), e)))
    }

    /// What the process says to its caller.
    pub(crate) fn exit_code(&self) -> u8 {
        let failures: Vec<u8> = self.errors().map(|(_, e)| exit::of(e)).collect();
        match exit::of_tables(self.receipts().count(), &failures) {
            exit::OK if self.interrupted => exit::INTERRUPTED,
            code => code,
        }
    }
}

/// Syncs tables, `parallel` at a time, until each has caught up or a stop was asked for. Tables that tell of the others' reads
/// come when those are done.
pub(crate) async fn run(
    jobs: &Jobs,
    tables: &[TableSpec],
    options: &SyncOptions,
    parallel: usize,
    view: &dyn View,
) -> RunOutcome {
    let (started_at, started) = (Utc::now(), Instant::now());
    let names: Vec<String> = tables.iter().map(|t| t.source_table.clone()).collect();
    view.begin(&names);
    let tells = |spec: &TableSpec| jobs.connector.tells_of_reads(&spec.table_ref());
    let (last, first): (Vec<_>, Vec<_>) = tables.iter().enumerate().partition(|(_, spec)| tells(spec));
    let mut done = side_by_side(jobs, first, options, parallel, view).await;
    done.extend(side_by_side(jobs, last, options, parallel, view).await);
    done.sort_by_key(|(index, _)| *index);
    view.end();
    RunOutcome {
        started_at,
        elapsed: started.elapsed(),
        tables: done.into_iter().map(|(_, outcome)| outcome).collect(),
        interrupted: options.stop.is_stopped(),
    }
}

/// Syncs numbered tables, `parallel` at a time.
async fn side_by_side(
    jobs: &Jobs,
    tables: Vec<(usize, &TableSpec)>,
    options: &SyncOptions,
    parallel: usize,
    view: &dyn View,
) -> Vec<(usize, TableOutcome)> {
    stream::iter(tables)
        .map(|(index, spec)| async move {
            if options.stop.is_stopped() {
                return None;
            }
            view.table_begins(&spec.source_table);
            let result = match jobs.job(spec).await {
                Ok(job) => sync_table(job, options, view).await,
                Err(error) => Err(error),
            };
            match &result {
                Ok(receipt) => view.table_done(receipt),
                Err(error) => view.table_failed(&spec.source_table, error),
            }
            Some((index, TableOutcome { table: spec.source_table.clone(), result }))
        })
        .buffer_unordered(parallel.max(1))
        .filter_map(std::future::ready)
        .collect()
        .await
}
