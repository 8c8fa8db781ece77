//! One run: rows to the frozen end, then deletions.

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use lakeflow_connect::{Activity, Error, ErrorKind, Offset, ReadEvent, ReadRequest, ReadStream, Records, Result};

use crate::{
    deletes::{DeletesFlow, remembered},
    doc::{self, FlowDoc, FlowId, FlowKind},
    job::{Landing, SyncOptions, TableJob},
    quarantine::Quarantine,
    receipt::{Counts, Observer, TableReceipt},
    rows::RowsFlow,
    schema,
    shape::Shape,
    staging::Staging,
    table::{Table, at, plain},
};

/// Brings one table up to date: reads what is new, commits it with its offset, then applies deletions.
///
/// The end is fixed when the run starts, so it ends against a live source. Whatever stops it (an error, a
/// [`Stop`](crate::Stop), the future being dropped, the process being killed), the table is consistent and the next run
/// continues where the last commit ended. After an error of the source, the units that were complete are committed first.
///
/// Must run inside a Tokio runtime.
///
/// # Errors
/// Those of the source; [`Config`](ErrorKind::Config) for keys and columns that do not exist; [`Data`](ErrorKind::Data) for
/// rows without a key; [`Sink`](ErrorKind::Sink) for everything about the Delta table.
pub async fn sync_table(job: TableJob, options: &SyncOptions, observer: &dyn Observer) -> Result<TableReceipt> {
    let mut run = Run {
        started: options.clock.now(),
        activity: job.connector.activity(),
        job: &job,
        options,
        observer,
        counts: Counts::default(),
    };
    run.sync().await.map_err(|e| match e.get("table") {
        Some(_) => e,
        None => e.with("table", &job.table.name),
    })
}

struct Run<'a> {
    job: &'a TableJob,
    options: &'a SyncOptions,
    observer: &'a dyn Observer,
    started: DateTime<Utc>,
    activity: Activity,
    counts: Counts,
}

/// Where a run of one flow ended.
struct Ended {
    caught_up: bool,
    before: Option<Offset>,
    after: Option<Offset>,
}

impl Run<'_> {
    async fn sync(&mut self) -> Result<TableReceipt> {
        let shape = Shape::of(self.job).await?;
        let [rows_id, deletes_id] = [FlowKind::Rows, FlowKind::Deletes].map(|kind| FlowId {
            source: self.job.source.clone(),
            table: self.job.table.name.clone(),
            kind,
        });
        let url = &self.job.destination;
        let table = Table::open(url, &self.options.storage).await?;
        let (mut last, mut last_deletes) = (None, None);
        if let Some(table) = &table {
            schema::additions(&shape.schema, table.schema()).map_err(|e| at(e, url))?;
            last = doc::read(table, &rows_id).await?;
            last_deletes = doc::read(table, &deletes_id).await?;
            self.check_history(&shape, table, last.as_ref()).await?;
        }
        let before = last.as_ref().and_then(|d| d.offset.clone());
        let start = before.clone().filter(|_| !shape.landing.is_snapshot());
        let until = self.job.connector.latest_offset(&self.job.table, start.as_ref()).await?;
        let deletes_before = last_deletes.as_ref().and_then(|d| d.offset.clone());

        let unchanged = shape.landing.is_snapshot() && until.is_some() && until == before;
        let (mut table, rows) = if let (true, Some(table)) = (unchanged, table.as_ref().map(|_| ())) {
            let () = table;
            (None, Ended { caught_up: true, before: before.clone(), after: before.clone() })
        } else {
            let request = ReadRequest::new(self.job.table.clone())
                .start(start)
                .until(until)
                .max_records(self.options.max_records)
                .bad_rows(self.options.bad_rows);
            let mut events = shape.rows(&request)?.events(self.job.connector.read_table(request));
            // Nothing is made at the destination for a source that cannot be read.
            let first = match events.next().await {
                Some(Err(error)) => return Err(error),
                first => stream::iter(first),
            };
            let events = first.chain(events).boxed();
            let table = self.ready(table, &shape).await?;
            let deletions = remembered(last_deletes.as_ref());
            let connection = self.job.connection.clone();
            let flow = RowsFlow::new(rows_id, &shape, self.options, table, last.clone(), connection, deletions).await?;
            let (flow, ended) = self.rows(flow, events).await?;
            last = flow.last;
            (Some(flow.table), ended)
        };
        let mut deletes = Ended { caught_up: true, before: deletes_before.clone(), after: deletes_before };
        if shape.landing == Landing::CdcWithDeletes && rows.caught_up && !self.options.stop.is_stopped() {
            let open = match table.take() {
                Some(table) => table,
                None => self.ready(None, &shape).await?,
            };
            let caught_up_from = last.as_ref().and_then(|d| d.caught_up_from);
            let flow = DeletesFlow::new(
                deletes_id,
                &shape,
                self.options,
                open,
                last_deletes,
                self.job.connection.clone(),
                caught_up_from,
            )?;
            let (flow, ended) = self.deletes(flow).await?;
            deletes = ended;
            table = Some(flow.table);
        }
        let version = match &table {
            Some(table) => table.version(),
            None => Table::open(url, &self.options.storage).await?.and_then(|t| t.version()),
        };
        Ok(self.receipt(&shape, rows, deletes, version))
    }

    /// Refuses tables that this job must not write to.
    async fn check_history(&self, shape: &Shape, table: &Table, last: Option<&FlowDoc>) -> Result<()> {
        let refuse = |what: &'static str| at(Error::new(ErrorKind::Sink, what), &self.job.destination);
        if let Some(last) = last
            && let (Some(was), Some(is)) = (&last.connection, &self.job.connection)
            && was != is
        {
            return Err(refuse("the table was synced from another system")
                .with("was", was)
                .with("is", is)
                .help("choose another destination, or reset the table's state"));
        }
        if last.is_none() && shape.landing.is_snapshot() && !table.files().await?.is_empty() {
            return Err(refuse("the table holds rows of somebody else, which a snapshot would remove")
                .help("choose another destination"));
        }
        Ok(())
    }

    /// The table, made or widened where needed.
    async fn ready(&self, table: Option<Table>, shape: &Shape) -> Result<Table> {
        let url = &self.job.destination;
        let open = match table {
            Some(table) => Some(table),
            None => Table::open(url, &self.options.storage).await?,
        };
        let mut table = match open {
            Some(table) => table,
            None => Table::create(url, &self.options.storage, &shape.schema, &self.job.partition_by).await?,
        };
        let new = schema::additions(&shape.schema, table.schema()).map_err(|e| at(e, url))?;
        if !new.fields.is_empty() {
            tracing::info!(table = %self.job.table.name, columns = ?new.names().collect::<Vec<_>>(), "adding columns");
            table.widen(&new).await?;
        }
        Ok(table)
    }

    async fn rows<'f>(&mut self, mut flow: RowsFlow<'f>, mut events: ReadStream) -> Result<(RowsFlow<'f>, Ended)> {
        let before = flow.offset().cloned();
        let snapshot = flow.shape.landing.is_snapshot();
        let mut offset = before.clone();
        let mut quarantine = Quarantine::new(self.job, self.options);
        let mut since = self.options.clock.now();
        let mut rows_total = 0;
        loop {
            let event = tokio::select! {
                biased;
                () = self.options.stop.stopped() => {
                    if !snapshot {
                        quarantine.flush().await?;
                        flow.commit(offset.clone(), None).await?;
                    }
                    self.note(&flow.counts);
                    return Ok((flow, Ended { caught_up: false, before, after: offset.filter(|_| !snapshot) }));
                }
                event = events.next() => event,
            };
            match event {
                None => break,
                Some(Ok(ReadEvent::Records(Records::Arrow(batch)))) => {
                    flow.push(&batch).await?;
                    self.progress(&flow.counts);
                }
                Some(Ok(ReadEvent::Quarantined(rows))) => {
                    flow.counts.rows_quarantined += rows.len() as u64;
                    quarantine.push(rows).await?;
                }
                Some(Ok(ReadEvent::Checkpoint(next))) => {
                    flow.end_unit().await?;
                    offset = Some(next);
                    if !snapshot && self.is_due(flow.staging(), since) {
                        rows_total += flow.staging().rows();
                        quarantine.flush().await?;
                        flow.commit(offset.clone(), None).await?;
                        self.committed(&flow.counts, &flow.table);
                        since = self.options.clock.now();
                    }
                }
                Some(Ok(_)) => return Err(unknown_event()),
                Some(Err(error)) => {
                    if !snapshot && flow.staging().rows() > 0 {
                        let kept = match quarantine.flush().await {
                            Ok(()) => flow.commit(offset, None).await,
                            Err(e) => Err(e),
                        };
                        if let Err(kept) = kept {
                            tracing::warn!(error = %kept, "what was read before the failure was not committed");
                        }
                    }
                    return Err(error);
                }
            }
        }
        if snapshot {
            flow.end_unit().await?;
        } else if flow.staging().open_rows() > 0 {
            return Err(no_checkpoint());
        }
        rows_total += flow.staging().rows();
        let cut = self.options.max_records.is_some_and(|max| rows_total >= max);
        quarantine.flush().await?;
        flow.commit(offset.clone(), (!cut).then_some(self.started)).await?;
        self.committed(&flow.counts, &flow.table);
        self.note(&flow.counts);
        Ok((flow, Ended { caught_up: !cut, before, after: offset }))
    }

    async fn deletes<'f>(&mut self, mut flow: DeletesFlow<'f>) -> Result<(DeletesFlow<'f>, Ended)> {
        let before = flow.offset().cloned();
        let mut offset = before.clone();
        let request = ReadRequest::new(self.job.table.clone()).start(before.clone()).bad_rows(self.options.bad_rows);
        let rows = flow.shape().deleted_rows(&request)?;
        let mut events = rows.events(self.job.connector.read_table_deletes(request));
        let mut quarantine = Quarantine::new(self.job, self.options);
        let mut since = self.options.clock.now();
        loop {
            let event = tokio::select! {
                biased;
                () = self.options.stop.stopped() => {
                    quarantine.flush().await?;
                    flow.commit(offset.clone()).await?;
                    self.note(&flow.counts);
                    return Ok((flow, Ended { caught_up: false, before, after: offset }));
                }
                event = events.next() => event,
            };
            match event {
                None => break,
                Some(Ok(ReadEvent::Records(Records::Arrow(batch)))) => {
                    flow.push(&batch).await?;
                    self.progress(&flow.counts);
                }
                Some(Ok(ReadEvent::Quarantined(rows))) => {
                    flow.counts.rows_quarantined += rows.len() as u64;
                    quarantine.push(rows).await?;
                }
                Some(Ok(ReadEvent::Checkpoint(next))) => {
                    flow.end_unit().await?;
                    offset = Some(next);
                    if self.is_due(flow.staging(), since) {
                        quarantine.flush().await?;
                        flow.commit(offset.clone()).await?;
                        self.committed(&flow.counts, &flow.table);
                        since = self.options.clock.now();
                    }
                }
                Some(Ok(_)) => return Err(unknown_event()),
                Some(Err(error)) => return Err(error),
            }
        }
        if flow.staging().open_rows() > 0 {
            return Err(no_checkpoint());
        }
        quarantine.flush().await?;
        flow.commit(offset.clone()).await?;
        self.committed(&flow.counts, &flow.table);
        self.note(&flow.counts);
        Ok((flow, Ended { caught_up: true, before, after: offset }))
    }

    fn is_due(&self, staging: &Staging, since: DateTime<Utc>) -> bool {
        let waited = (self.options.clock.now() - since).to_std().unwrap_or_default();
        staging.rows() >= self.options.commit_rows
            || staging.bytes() >= self.options.commit_bytes
            || waited >= self.options.commit_interval
    }

    fn total(&self, flow: &Counts) -> Counts {
        let mut total = self.counts;
        total.add(*flow);
        total
    }

    fn note(&mut self, flow: &Counts) {
        self.counts.add(*flow);
    }

    fn progress(&self, flow: &Counts) {
        self.observer.progress(&self.job.table.name, &self.total(flow));
    }

    fn committed(&self, flow: &Counts, table: &Table) {
        if let Some(version) = table.version() {
            self.observer.committed(&self.job.table.name, version, &self.total(flow));
        }
    }

    fn receipt(&self, shape: &Shape, rows: Ended, deletes: Ended, table_version: Option<u64>) -> TableReceipt {
        let now = self.job.connector.activity();
        TableReceipt {
            source: self.job.source.clone(),
            table: self.job.table.name.clone(),
            destination: plain(&self.job.destination),
            landing: shape.landing,
            started_at: self.started,
            elapsed: (self.options.clock.now() - self.started).to_std().unwrap_or_default(),
            caught_up: rows.caught_up && deletes.caught_up,
            offset_before: rows.before,
            offset_after: rows.after,
            deletes_offset_before: deletes.before,
            deletes_offset_after: deletes.after,
            counts: self.counts,
            activity: Activity {
                requests: now.requests.saturating_sub(self.activity.requests),
                retries: now.retries.saturating_sub(self.activity.retries),
                bytes: now.bytes.saturating_sub(self.activity.bytes),
            },
            table_version,
        }
    }
}

fn unknown_event() -> Error {
    Error::new(ErrorKind::Internal, "the connector sent an event that this program does not know")
}

fn no_checkpoint() -> Error {
    Error::new(ErrorKind::Internal, "the connector ended a read inside a unit: rows came after its last checkpoint")
        .help("report this to the connector's author; nothing after the last checkpoint was written")
}
