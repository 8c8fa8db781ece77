//! The run: tables side by side, one failing table does not stop the others.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use lakeflow_connect::{Error, ErrorKind, LakeflowConnect, Result};
use lakeflow_sync::{SyncOptions, TableReceipt, sync_table};
use tokio::sync::watch;

use super::{Jobs, View};
use crate::{exit, pipeline::TableSpec};

/// How often people are told that a request waits for its next try.
const TELL: Duration = Duration::from_millis(250);

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
    let unreached = Unreached(watch::Sender::new(None));
    let all = async {
        let mut done = side_by_side(jobs, first, options, parallel, view, &unreached).await;
        done.extend(side_by_side(jobs, last, options, parallel, view, &unreached).await);
        done
    };
    let mut done = watched(all, jobs, view).await;
    done.sort_by_key(|(index, _)| *index);
    view.end();
    RunOutcome {
        started_at,
        elapsed: started.elapsed(),
        tables: done.into_iter().map(|(_, outcome)| outcome).collect(),
        interrupted: options.stop.is_stopped(),
    }
}

/// Does the work, and tells who watches when a request waits for another try.
async fn watched<T>(work: impl Future<Output = T>, jobs: &Jobs, view: &dyn View) -> T {
    let mut tick = tokio::time::interval(TELL);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = tick.tick() => view.retrying(jobs.connector.retrying(), jobs.connector.activity().answers > 0),
        }
    }
}

/// The error of a source that was never reached, for tables that need not try again. What was reached once may come back.
struct Unreached(watch::Sender<Option<Error>>);

impl Unreached {
    /// Hears how a table ended.
    fn hear(&self, result: &Result<TableReceipt>, connector: &dyn LakeflowConnect) {
        if let Err(error) = result
            && error.kind() == ErrorKind::Unavailable
            && never_reached(connector)
        {
            self.0.send_if_modified(|known| known.is_none().then(|| *known = Some(again(error))).is_some());
        }
    }

    /// Does a table's work, unless the source turns out to be out of reach before it has said anything.
    async fn or(
        &self,
        work: impl Future<Output = Result<TableReceipt>>,
        connector: &dyn LakeflowConnect,
    ) -> Result<TableReceipt> {
        let mut heard = self.0.subscribe();
        tokio::pin!(work);
        let error = tokio::select! {
            biased;
            error = async { heard.wait_for(Option::is_some).await.ok().and_then(|e| e.as_ref().map(again)) } => error,
            result = &mut work => return result,
        };
        match error.filter(|_| never_reached(connector)) {
            Some(error) => Err(error),
            None => work.await,
        }
    }
}

fn never_reached(connector: &dyn LakeflowConnect) -> bool {
    let activity = connector.activity();
    activity.requests > 0 && activity.answers == 0
}

/// The same error once more, for another table.
fn again(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.message().to_owned()).retryable(error.retry());
    let copy =
        error.context().filter(|(key, _)| *key != "table").fold(copy, |copy, (key, value)| copy.with(key, value));
    match error.help_text() {
        Some(help) => copy.help(help.to_owned()),
        None => copy,
    }
}

/// Syncs numbered tables, `parallel` at a time.
async fn side_by_side(
    jobs: &Jobs,
    tables: Vec<(usize, &TableSpec)>,
    options: &SyncOptions,
    parallel: usize,
    view: &dyn View,
    unreached: &Unreached,
) -> Vec<(usize, TableOutcome)> {
    stream::iter(tables)
        .map(|(index, spec)| async move {
            if options.stop.is_stopped() {
                return None;
            }
            view.table_begins(&spec.source_table);
            let work = async {
                match jobs.job(spec).await {
                    Ok(job) => sync_table(job, options, view).await,
                    Err(error) => Err(error),
                }
            };
            let result = unreached.or(work, &*jobs.connector).await;
            unreached.hear(&result, &*jobs.connector);
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
