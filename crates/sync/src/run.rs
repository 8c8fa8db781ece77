//! One run: deletions are begun, rows are read to the frozen end, then deletions.

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use lakeflow_connect::{Activity, Error, ErrorKind, ReadRequest, ReadStream, Result, meter::Meter};

use crate::{
    deletes::{DeletesFlow, remembered},
    doc::{self, FlowDoc},
    drive::Ended,
    flow_id::{FlowId, FlowKind},
    job::{Landing, SyncOptions, TableJob},
    receipt::{Counts, Observer, TableReceipt},
    rows::RowsFlow,
    schema,
    sequence::START_AT,
    shape::Shape,
    table::{Table, at, plain},
};

/// Brings one table up to date: reads what is new, commits it with its offset, then applies deletions.
///
/// Deletions that have no offset yet are begun before the first row is read, so that no row can be read and deleted before
/// they are followed.
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

pub(crate) struct Run<'a> {
    pub(crate) job: &'a TableJob,
    pub(crate) options: &'a SyncOptions,
    pub(crate) observer: &'a dyn Observer,
    started: DateTime<Utc>,
    /// What the connection had been asked before.
    before: Activity,
    meter: Meter,
    pub(crate) counts: Counts,
}

impl Run<'_> {
    async fn sync(&mut self) -> Result<TableReceipt> {
        let shape = Shape::of(self.job).await?;
        if shape.is_snapshot() && self.options.max_records.is_some() {
            return Err(Error::new(ErrorKind::Config, "a part of a snapshot would remove the rest of the table")
                .with("landing", shape.landing.as_str())
                .help("leave out max_records for this table"));
        }
        let [rows_id, deletes_id] = [FlowKind::Rows, FlowKind::Deletes].map(|kind| FlowId {
            source: self.job.source.clone(),
            table: self.job.table.name.clone(),
            lane: self.job.lane.clone(),
            kind,
        });
        let mut found = Table::open(&self.job.destination, &self.options.storage).await?;
        let (mut last, mut last_deletes, mut complete) = (None, None, false);
        if let Some(table) = &found {
            let new = schema::additions(&shape.stored, table.schema()).map_err(|e| at(e, &self.job.destination))?;
            complete = new.fields.is_empty();
            last = doc::read(table, &rows_id).await?;
            last_deletes = doc::read(table, &deletes_id).await?;
            self.check_history(&shape, table, [&last, &last_deletes]).await?;
        }
        let before = last.as_ref().and_then(|d| d.offset.clone());
        let deletes_before = last_deletes.as_ref().and_then(|d| d.offset.clone());
        let deletes_until = |doc: &Option<FlowDoc>, caught_up| Ended {
            caught_up,
            before: deletes_before.clone(),
            after: doc.as_ref().and_then(|d| d.offset.clone()),
        };
        let follows = shape.follows_deletes();
        if follows && deletes_before.is_none() {
            if before.is_some() && last_deletes.is_none() {
                tracing::warn!(
                    table = %self.job.table.name,
                    "deletions are followed from now on: rows that were deleted earlier stay, until the state is reset"
                );
            }
            let (table, doc, _) = self.deletes(&deletes_id, &shape, found, last_deletes, None).await?;
            last_deletes = doc;
            if self.options.stop.is_stopped() {
                let rows = Ended { caught_up: false, before: before.clone(), after: before };
                return Ok(self.receipt(&shape, rows, deletes_until(&last_deletes, false), table.version()));
            }
            found = Some(table);
        }
        let start = before.clone().filter(|_| !shape.is_snapshot());
        let until = self.job.connector.latest_offset(&self.job.table, start.as_ref()).await?;
        if shape.is_snapshot() && complete && until.is_some() && until == before {
            let rows = Ended { caught_up: true, before: before.clone(), after: before };
            return Ok(self.receipt(&shape, rows, Ended::nowhere(), found.and_then(|t| t.version())));
        }
        let request = ReadRequest::new(self.job.table.clone())
            .start(start)
            .until(until)
            .max_records(self.options.max_records)
            .bad_rows(self.options.bad_rows);
        let events = polled(shape.rows(&request)?.events(self.job.connector.read_table(request))).await?;
        let table = self.ready(found, &shape).await?;
        let remembered = remembered(last_deletes.as_ref());
        let connection = self.job.connection.clone();
        let mut flow = RowsFlow::new(rows_id, &shape, self.options, table, last, connection, remembered).await?;
        let rows = self.drive(&mut flow, events, shape.is_snapshot()).await?;
        if !follows || !rows.caught_up || self.options.stop.is_stopped() {
            return Ok(self.receipt(&shape, rows, deletes_until(&last_deletes, !follows), flow.table.version()));
        }
        let caught_up_from = Some(self.started);
        let (table, doc, caught_up) =
            self.deletes(&deletes_id, &shape, Some(flow.table), last_deletes, caught_up_from).await?;
        Ok(self.receipt(&shape, rows, deletes_until(&doc, caught_up), table.version()))
    }

    /// Reads the deletions after the last offset and applies them; whether it came to their end.
    async fn deletes(
        &mut self,
        id: &FlowId,
        shape: &Shape,
        table: Option<Table>,
        last: Option<FlowDoc>,
        caught_up_from: Option<DateTime<Utc>>,
    ) -> Result<(Table, Option<FlowDoc>, bool)> {
        let start = last.as_ref().and_then(|d| d.offset.clone());
        let request = ReadRequest::new(self.job.table.clone()).start(start).bad_rows(self.options.bad_rows);
        let as_rows = shape.deleted_rows(&request)?;
        let events = polled(as_rows.events(self.job.connector.read_table_deletes(request))).await?;
        let table = self.ready(table, shape).await?;
        let connection = self.job.connection.clone();
        let mut flow = DeletesFlow::new(id.clone(), shape, self.options, table, last, connection, caught_up_from)?;
        let ended = self.drive(&mut flow, events, false).await?;
        Ok((flow.table, flow.last, ended.caught_up))
    }

    /// Refuses tables that this job must not write to.
    async fn check_history(&self, shape: &Shape, table: &Table, last: [&Option<FlowDoc>; 2]) -> Result<()> {
        let refuse = |what: &'static str| at(Error::new(ErrorKind::Sink, what), &self.job.destination);
        let was = last.into_iter().flatten().find_map(|last| last.connection.as_ref());
        if let (Some(was), Some(is)) = (was, &self.job.connection)
            && was != is
        {
            return Err(refuse("the table was synced from another system")
                .with("was", was)
                .with("is", is)
                .help("choose another destination, or reset the table's state"));
        }
        self.check_versions(shape, table, last[0].as_ref()).await?;
        let lacking = shape.keys.iter().filter(|_| shape.landing.needs_keys()).find(|key| {
            let root = key.split('.').next().unwrap_or(key);
            table.schema().field(key).or(table.schema().field(root)).is_none()
        });
        if let Some(key) = lacking
            && !table.files().await?.is_empty()
        {
            return Err(refuse("the table holds rows without a column of the key: they would be there twice")
                .with("column", key)
                .help("reset the table's state with --rows remove, or choose another destination"));
        }
        if last[0].is_none() && shape.is_snapshot() && !table.files().await?.is_empty() {
            return Err(refuse("the table holds rows of somebody else, which a snapshot would remove")
                .help("choose another destination"));
        }
        Ok(())
    }

    /// Refuses to mix rows and versions of rows.
    async fn check_versions(&self, shape: &Shape, table: &Table, last: Option<&FlowDoc>) -> Result<()> {
        let keeps = |landing| landing == Landing::History;
        let kept = match last {
            Some(last) => keeps(last.landing),
            None => table.schema().field(START_AT).is_some(),
        };
        let was = last.and_then(|last| last.sequence_by.as_ref());
        let another = was.filter(|was| kept && shape.cursor.as_ref() != Some(*was));
        let is_ours = kept == keeps(shape.landing) && (last.is_some() || !kept);
        if is_ours && another.is_none() || table.files().await?.is_empty() {
            return Ok(());
        }
        let what = match (kept, keeps(shape.landing)) {
            (true, false) => "the table keeps every version of a row (SCD type 2), and this job only the newest",
            (true, true) if another.is_some() => "another column orders the versions of the table (SCD type 2)",
            (true, true) => "the table holds versions of rows that somebody else keeps (SCD type 2)",
            _ => "the table holds rows without their versions, and this job keeps every version (SCD type 2)",
        };
        let error = at(Error::new(ErrorKind::Sink, what), &self.job.destination);
        Err(error.help("choose another destination, or reset the table's state with removing its rows"))
    }

    /// The table, made or widened where needed.
    async fn ready(&self, table: Option<Table>, shape: &Shape) -> Result<Table> {
        let url = &self.job.destination;
        let mut table = match table {
            Some(table) => table,
            None => self.made(shape).await?,
        };
        let new = schema::additions(&shape.stored, table.schema()).map_err(|e| at(e, url))?;
        if !new.fields.is_empty() {
            tracing::info!(table = %self.job.table.name, columns = ?new.names().collect::<Vec<_>>(), "adding columns");
            if let Err(error) = table.widen(&new).await {
                // Another lane may have been faster.
                table.reload().await?;
                if !schema::additions(&shape.stored, table.schema()).map_err(|e| at(e, url))?.fields.is_empty() {
                    return Err(error);
                }
            }
        }
        Ok(table)
    }

    /// A new table, or the one that another lane has just made.
    async fn made(&self, shape: &Shape) -> Result<Table> {
        let (url, storage) = (&self.job.destination, &self.options.storage);
        match Table::create(url, storage, &shape.stored, &self.job.partition_by).await {
            Ok(table) => Ok(table),
            Err(error) => Table::open(url, storage).await?.ok_or(error),
        }
    }

    fn receipt(&self, shape: &Shape, rows: Ended, deletes: Ended, table_version: Option<u64>) -> TableReceipt {
        let ended = self.options.clock.now();
        let watermark = rows.after.as_ref().and_then(|o| self.job.connector.watermark(&self.job.table, o));
        TableReceipt {
            source: self.job.source.clone(),
            table: self.job.table.name.clone(),
            lane: self.job.lane.clone(),
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
            answers: now.answers.saturating_sub(self.before.answers),
            retries: now.retries.saturating_sub(self.before.retries),
            bytes: now.bytes.saturating_sub(self.before.bytes),
        }
    }
}

/// The stream, polled once: nothing is made at the destination for a source that cannot be read.
async fn polled(mut events: ReadStream) -> Result<ReadStream> {
    match events.next().await {
        Some(Err(error)) => Err(error),
        first => Ok(stream::iter(first).chain(events).boxed()),
    }
}
