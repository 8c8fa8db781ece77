//! One run: rows to the frozen end, then deletions.

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use lakeflow_connect::{
    Activity, Error, ErrorKind, Offset, ReadEvent, ReadRequest, ReadStream, Records, Result, meter::Meter,
};

use crate::{
    deletes::{DeletesFlow, remembered},
    doc::{self, FlowDoc, FlowId, FlowKind},
    flow::Flow,
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
    let meter = Meter::default();
    let mut run = Run {
        started: options.clock.now(),
        before: job.connector.activity(),
        meter: meter.clone(),
        job: &job,
        options,
        observer,
        counts: Counts::default(),
    };
    meter.measure(run.sync()).await.map_err(|e| match e.get("table") {
        Some(_) => e,
        None => e.with("table", &job.table.name),
    })
}

struct Run<'a> {
    job: &'a TableJob,
    options: &'a SyncOptions,
    observer: &'a dyn Observer,
    started: DateTime<Utc>,
    /// What the connection had been asked before.
    before: Activity,
    meter: Meter,
    counts: Counts,
}

/// Where a run of one flow ended.
struct Ended {
    caught_up: bool,
    before: Option<Offset>,
    after: Option<Offset>,
}

impl Ended {
    /// A flow that was not run and never has been.
    fn nowhere() -> Self {
        Self { caught_up: true, before: None, after: None }
    }
}

impl Run<'_> {
    async fn sync(&mut self) -> Result<TableReceipt> {
        let shape = Shape::of(self.job).await?;
        if shape.landing.is_snapshot() && self.options.max_records.is_some() {
            return Err(Error::new(ErrorKind::Config, "a part of a snapshot would remove the rest of the table")
                .with("landing", shape.landing.as_str())
                .help("leave out max_records for this table"));
        }
        let [rows_id, deletes_id] = [FlowKind::Rows, FlowKind::Deletes].map(|kind| FlowId {
            source: self.job.source.clone(),
            table: self.job.table.name.clone(),
            kind,
        });
        let found = Table::open(&self.job.destination, &self.options.storage).await?;
        let (mut last, mut last_deletes, mut complete) = (None, None, false);
        if let Some(table) = &found {
            let new = schema::additions(&shape.schema, table.schema()).map_err(|e| at(e, &self.job.destination))?;
            complete = new.fields.is_empty();
            last = doc::read(table, &rows_id).await?;
            last_deletes = doc::read(table, &deletes_id).await?;
            self.check_history(&shape, table, last.as_ref()).await?;
        }
        let before = last.as_ref().and_then(|d| d.offset.clone());
        let start = before.clone().filter(|_| !shape.landing.is_snapshot());
        let until = self.job.connector.latest_offset(&self.job.table, start.as_ref()).await?;
        if shape.landing.is_snapshot() && complete && until.is_some() && until == before {
            let rows = Ended { caught_up: true, before: before.clone(), after: before };
            return Ok(self.receipt(&shape, rows, Ended::nowhere(), found.and_then(|t| t.version())));
        }
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
        let table = self.ready(found, &shape).await?;
        let remembered = remembered(last_deletes.as_ref());
        let connection = self.job.connection.clone();
        let mut flow =
            RowsFlow::new(rows_id, &shape, self.options, table, last, connection.clone(), remembered).await?;
        let rows = self.drive(&mut flow, events, shape.landing.is_snapshot()).await?;
        if shape.landing != Landing::CdcWithDeletes || !rows.caught_up || self.options.stop.is_stopped() {
            let offset = last_deletes.and_then(|d| d.offset);
            let caught_up = shape.landing != Landing::CdcWithDeletes;
            let deletes = Ended { caught_up, before: offset.clone(), after: offset };
            return Ok(self.receipt(&shape, rows, deletes, flow.table.version()));
        }
        let mut flow =
            DeletesFlow::new(deletes_id, &shape, self.options, flow.table, last_deletes, connection, self.started)?;
        let start = flow.offset().cloned();
        let request = ReadRequest::new(self.job.table.clone()).start(start).bad_rows(self.options.bad_rows);
        let as_rows = shape.deleted_rows(&request)?;
        let events = as_rows.events(self.job.connector.read_table_deletes(request));
        let deletes = self.drive(&mut flow, events, false).await?;
        Ok(self.receipt(&shape, rows, deletes, flow.table.version()))
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
        let mut table = match table {
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

    /// Reads a flow to its end, committing on the way; what was whole before a failure is committed too.
    async fn drive<F: Flow>(&mut self, flow: &mut F, events: ReadStream, snapshot: bool) -> Result<Ended> {
        let mut quarantine = Quarantine::new(self.job, self.options);
        let mut offset = flow.offset().cloned();
        let before = offset.clone();
        let ended = self.read(flow, events, &mut quarantine, &mut offset, snapshot).await;
        if ended.is_err() && !snapshot && flow.staging().rows() > 0 {
            let kept = match quarantine.flush().await {
                Ok(()) => flow.commit(offset.clone()).await,
                Err(error) => Err(error),
            };
            if let Err(error) = kept {
                tracing::warn!(%error, "what was read before the failure was not committed");
            }
        }
        self.counts.add(*flow.counts());
        ended.map(|caught_up| Ended { caught_up, before, after: flow.offset().cloned() })
    }

    /// Whether it came to the end of what there is.
    async fn read<F: Flow>(
        &self,
        flow: &mut F,
        mut events: ReadStream,
        quarantine: &mut Quarantine<'_>,
        offset: &mut Option<Offset>,
        snapshot: bool,
    ) -> Result<bool> {
        let mut since = self.options.clock.now();
        let mut rows = 0;
        loop {
            let event = tokio::select! {
                biased;
                () = self.options.stop.stopped() => {
                    if !snapshot {
                        quarantine.flush().await?;
                        flow.commit(offset.clone()).await?;
                    }
                    return Ok(false);
                }
                event = events.next() => event,
            };
            match event.transpose()? {
                None => break,
                Some(ReadEvent::Records(Records::Arrow(batch))) => {
                    flow.push(&batch).await?;
                    self.observer.progress(&self.job.table.name, &self.total(flow.counts()));
                }
                Some(ReadEvent::Quarantined(bad)) => {
                    flow.counts().rows_quarantined += bad.len() as u64;
                    rows += bad.len() as u64;
                    quarantine.push(bad).await?;
                }
                Some(ReadEvent::Checkpoint(next)) => {
                    flow.end_unit().await?;
                    *offset = Some(next);
                    if !snapshot && self.is_due(flow.staging(), since) {
                        rows += flow.staging().rows();
                        quarantine.flush().await?;
                        flow.commit(offset.clone()).await?;
                        self.committed(flow);
                        since = self.options.clock.now();
                    }
                }
                Some(_) => {
                    return Err(Error::new(
                        ErrorKind::Internal,
                        "the connector sent an event this program does not know",
                    ));
                }
            }
        }
        if snapshot {
            refuse_incomplete(flow.counts().rows_quarantined, quarantine).await?;
            flow.end_unit().await?;
        } else if flow.staging().open_rows() > 0 {
            return Err(Error::new(ErrorKind::Internal, "the connector sent rows after its last checkpoint")
                .help("report this to the connector's author; those rows were not written"));
        }
        rows += flow.staging().rows();
        let caught_up = self.options.max_records.is_none_or(|max| rows < max);
        quarantine.flush().await?;
        flow.commit(offset.clone()).await?;
        self.committed(flow);
        Ok(caught_up)
    }

    fn is_due(&self, staging: &Staging, since: DateTime<Utc>) -> bool {
        let waited = (self.options.clock.now() - since).to_std().unwrap_or_default();
        staging.rows() >= self.options.commit_rows
            || staging.bytes() >= self.options.commit_bytes
            || staging.files() >= self.options.commit_files
            || waited >= self.options.commit_interval
    }

    fn total(&self, flow: &Counts) -> Counts {
        let mut total = self.counts;
        total.add(*flow);
        total
    }

    fn committed<F: Flow>(&self, flow: &mut F) {
        let total = self.total(flow.counts());
        let reached = flow.offset().filter(|_| flow.kind() == FlowKind::Rows);
        if let Some(watermark) = reached.and_then(|offset| self.job.connector.watermark(&self.job.table, offset)) {
            self.observer.reached(&self.job.table.name, watermark);
        }
        if let Some(version) = flow.version() {
            self.observer.committed(&self.job.table.name, version, &total);
        }
    }

    fn receipt(&self, shape: &Shape, rows: Ended, deletes: Ended, table_version: Option<u64>) -> TableReceipt {
        let ended = self.options.clock.now();
        let watermark = rows.after.as_ref().and_then(|o| self.job.connector.watermark(&self.job.table, o));
        TableReceipt {
            source: self.job.source.clone(),
            table: self.job.table.name.clone(),
            destination: plain(&self.job.destination),
            landing: shape.landing,
            started_at: self.started,
            elapsed: (ended - self.started).to_std().unwrap_or_default(),
            caught_up: rows.caught_up && deletes.caught_up,
            offset_before: rows.before,
            offset_after: rows.after,
            watermark,
            behind: watermark.map(|at| (ended - at).to_std().unwrap_or_default()),
            deletes_offset_before: deletes.before,
            deletes_offset_after: deletes.after,
            counts: self.counts,
            activity: self.activity(),
            table_version,
        }
    }
}

impl Run<'_> {
    /// What was asked of the source for this table. Of a connector that does not send its requests with the SDK's client,
    /// what the whole connection was asked meanwhile.
    fn activity(&self) -> Activity {
        let (own, now) = (self.meter.activity(), self.job.connector.activity());
        if own != Activity::default() {
            return own;
        }
        Activity {
            requests: now.requests.saturating_sub(self.before.requests),
            retries: now.retries.saturating_sub(self.before.retries),
            bytes: now.bytes.saturating_sub(self.before.bytes),
        }
    }
}

/// A snapshot without the rows that were put aside would remove their last good versions.
async fn refuse_incomplete(bad: u64, quarantine: &mut Quarantine<'_>) -> Result<()> {
    if bad == 0 {
        return Ok(());
    }
    quarantine.flush().await?;
    Err(Error::new(ErrorKind::Data, "a snapshot with rows that do not fit would remove their last good versions")
        .with("rows", bad)
        .help("the table is as it was; see the quarantine table, and correct those rows or the schema"))
}
