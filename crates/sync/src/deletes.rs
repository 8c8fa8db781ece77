//! The flow of deletions: a deletion removes rows that are not newer than it is, and is remembered for a while.
//!
//! The flow is begun before the first row is read. Both flows of a table are read one after the other, so a row may still arrive that is older than a deletion which was
//! already applied. Deletions therefore stay in files beside the offset document until the rows flow has caught up in a
//! run that began well after them; every commit of rows takes them into account.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use chrono::{DateTime, TimeDelta, Utc};
use deltalake::{Path, kernel::Action, logstore::object_store::prefix::PrefixStore};
use lakeflow_connect::{Error, ErrorKind, Offset, Result, arrow};

use crate::{
    commit::{Committed, Step, commit},
    doc::{self, FlowDoc, Tombstones},
    error::sink,
    files::FileLayout,
    flow::Flow,
    flow_id::{FlowId, FlowKind},
    job::SyncOptions,
    keys::KeyCodec,
    merge::{Incoming, Suspects},
    receipt::Counts,
    rows::{always_overtaken, null_key, operation, remove},
    settle::Settler,
    shape::Shape,
    staging::Staging,
    table::{DataFile, Table},
};

/// How long a deletion is remembered at least: longer than any source holds rows back to wait for late ones.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);

/// Deletions of one table on their way into Delta.
pub(crate) struct DeletesFlow<'a> {
    pub(crate) id: FlowId,
    shape: &'a Shape,
    options: &'a SyncOptions,
    pub(crate) table: Table,
    pub(crate) last: Option<FlowDoc>,
    connection: Option<String>,
    /// When the run began in which the rows flow has caught up, if it has.
    caught_up_from: Option<DateTime<Utc>>,
    codec: KeyCodec,
    settler: Settler,
    schema: SchemaRef,
    folder: Path,
    staging: Staging,
    pub(crate) counts: Counts,
}

impl<'a> DeletesFlow<'a> {
    pub(crate) fn new(
        id: FlowId,
        shape: &'a Shape,
        options: &'a SyncOptions,
        table: Table,
        last: Option<FlowDoc>,
        connection: Option<String>,
        caught_up_from: Option<DateTime<Utc>>,
    ) -> Result<Self> {
        let codec = KeyCodec::new(table.arrow(), &shape.keys, shape.cursor.as_deref())?;
        let schema = Shape::deletions(&codec)?.0;
        let settler = Settler::new(&table, shape)?;
        let settler = settler.ok_or_else(|| Error::new(ErrorKind::Internal, "deletions need keys"))?;
        let folder = doc::tombstone_folder(&id);
        let store = Arc::new(PrefixStore::new(table.store(), folder.clone()));
        let plain = table.layout_of(&schema, options)?;
        let staging = Staging::new(FileLayout { store, ..plain });
        Ok(Self {
            id,
            shape,
            options,
            table,
            last,
            connection,
            caught_up_from,
            codec,
            settler,
            schema,
            folder,
            staging,
            counts: Counts::default(),
        })
    }

    /// A staged deletion file, seen from the table.
    fn placed(&self, add: &deltalake::kernel::Add) -> DataFile {
        let mut file = DataFile::staged(add);
        file.path = self.folder.parts().chain(file.path.parts()).collect();
        file
    }
}

impl Flow for DeletesFlow<'_> {
    fn kind(&self) -> FlowKind {
        self.id.kind
    }

    async fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let keys = self.codec.keys(batch)?;
        if let Some(column) = keys.null_column() {
            return Err(null_key(&self.id, &self.codec, column));
        }
        let columns = self.codec.columns().map(|c| c.extract(batch)).collect::<Result<Vec<_>>>()?;
        if let (Some(name), Some(cursors)) = (&self.shape.cursor, columns.get(self.codec.key_columns().len()))
            && cursors.null_count() > 0
        {
            return Err(Error::new(ErrorKind::Data, "a deletion does not say when it was made")
                .with("table", &self.id.table)
                .with("column", name)
                .help("the source must send the cursor with every deletion"));
        }
        self.counts.deletes_read += batch.num_rows() as u64;
        let batch =
            RecordBatch::try_new(Arc::clone(&self.schema), columns).map_err(|e| sink("reading deletions", e))?;
        self.staging.push(batch).await
    }

    async fn end_unit(&mut self) -> Result<()> {
        self.staging.end_unit().await
    }

    fn staging(&self) -> &Staging {
        &self.staging
    }

    fn offset(&self) -> Option<&Offset> {
        self.last.as_ref().and_then(|d| d.offset.as_ref())
    }

    async fn commit(&mut self, offset: Option<Offset>) -> Result<()> {
        let staged = self.staging.finish().await?;
        let before = self.last.as_ref().map(|d| d.tombstones.clone()).unwrap_or_default();
        let is_settled = |t: &Tombstones| self.caught_up_from.is_some_and(|from| t.at + REMEMBERED <= from);
        let (settled, kept): (Vec<_>, Vec<_>) = before.into_iter().partition(is_settled);
        if staged.rows == 0 && settled.is_empty() && self.last.is_some() && self.offset() == offset.as_ref() {
            return Ok(());
        }
        let previous = self.table.transaction(&self.id.app_id()).await?;
        let now = self.options.clock.now();
        let mut doc = FlowDoc::new(&self.id, previous.unwrap_or(0) + 1, self.shape.landing, offset, now);
        doc.connection.clone_from(&self.connection);
        let files: Vec<DataFile> = staged.files.iter().map(|add| self.placed(add)).collect();
        // The rows of all files are counted with the first: only their sum matters.
        let rows_of = |i| if i == 0 { staged.rows } else { 0 };
        doc.tombstones = kept;
        let new = files.iter().enumerate();
        let new = new.map(|(i, f)| Tombstones { path: f.path.to_string(), size: f.size, rows: rows_of(i), at: now });
        doc.tombstones.extend(new);
        let deletions: Vec<_> = files.iter().cloned().enumerate().map(|(i, f)| (f, rows_of(i))).collect();
        let mut overtaken = 0;
        loop {
            let incoming = Incoming {
                files: &[],
                rows: 0,
                suspects: Suspects::All,
                deletions: deletions.clone(),
                deletions_applied: false,
            };
            let outcome =
                self.settler.settle(&self.table, self.shape, self.options, &incoming, None, &mut None).await?;
            let bytes: u64 = outcome.adds.iter().map(|a| u64::try_from(a.size).unwrap_or(0)).sum();
            let operation = operation(self.shape.landing, &outcome, &self.table)?;
            let actions = outcome.removes.iter().cloned().map(Action::Remove);
            let actions = actions.chain(outcome.adds.iter().cloned().map(Action::Add)).collect();
            let step = Step { flow: &self.id, previous, doc: &doc };
            match commit(&mut self.table, &[step], actions, operation).await? {
                Committed::Done(_) => {
                    self.counts.rows_deleted += outcome.deleted;
                    self.counts.files_looked_into += outcome.looked_into;
                    self.counts.bytes_written += bytes;
                    self.counts.commits += 1;
                    let settled: Vec<Path> = settled.iter().map(|t| Path::from(t.path.as_str())).collect();
                    remove(&self.table, settled.iter()).await;
                    let before = Some(now - REMEMBERED);
                    doc::clean_tombstones(self.table.store().as_ref(), &self.id, &doc.tombstones, before).await;
                    self.last = Some(doc);
                    return Ok(());
                }
                Committed::Overtaken => {
                    remove(&self.table, outcome.rewritten.iter().map(|f| &f.path)).await;
                    overtaken += 1;
                    if overtaken > self.options.commit_retries {
                        return Err(always_overtaken(&self.id));
                    }
                }
            }
        }
    }

    fn counts(&mut self) -> &mut Counts {
        &mut self.counts
    }

    fn version(&self) -> Option<u64> {
        self.table.version()
    }
}

/// The deletions that rows may still be older than.
pub(crate) fn remembered(last: Option<&FlowDoc>) -> Vec<(DataFile, u64)> {
    last.map(|doc| &doc.tombstones)
        .into_iter()
        .flatten()
        .map(|t| {
            let path = Path::from(t.path.as_str());
            (DataFile { path, size: t.size, partition: Default::default(), stats: None, remove: None }, t.rows)
        })
        .collect()
}
