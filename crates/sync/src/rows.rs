//! The flow of rows: reads, stages, settles and commits.

use std::collections::HashMap;

use arrow::array::RecordBatch;
use deltalake::{
    Path,
    kernel::Action,
    logstore::object_store::ObjectStoreExt,
    protocol::{DeltaOperation, SaveMode},
};
use lakeflow_connect::{Error, ErrorKind, Offset, Result, arrow};

use crate::{
    align::{Casts, align},
    commit::{Committed, Step, commit},
    deletes::remembered,
    doc::{self, FlowDoc},
    files::FileLayout,
    filter::KeyFilter,
    flow::Flow,
    flow_id::{FlowId, FlowKind},
    history::Starts,
    job::{Landing, SyncOptions},
    keys::{ColumnPath, KeyCodec},
    merge::{Incoming, Outcome, Suspects},
    receipt::Counts,
    schema,
    sequence::{END_AT, START_AT},
    settle::Settler,
    shape::Shape,
    size::size_of,
    staging::{Staged, Staging},
    table::{DataFile, Table},
};

/// Bytes of the filter of one commit's suspects.
const SUSPECT_BYTES: usize = 1 << 20;

/// Rows of one table on their way into Delta.
pub(crate) struct RowsFlow<'a> {
    pub(crate) id: FlowId,
    pub(crate) shape: &'a Shape,
    pub(crate) options: &'a SyncOptions,
    pub(crate) table: Table,
    /// What the flow's last commit said.
    pub(crate) last: Option<FlowDoc>,
    pub(crate) connection: Option<String>,
    /// Deletions that rows of this run may be older than: those of its own lane.
    deletions: Vec<(DataFile, u64)>,
    /// And those of other lanes, as of the table's version.
    deletions_beside: Vec<(DataFile, u64)>,
    keyed: Option<Keyed>,
    staging: Staging,
    pub(crate) counts: Counts,
}

/// What is known about keys.
struct Keyed {
    settler: Settler,
    /// Where versions begin, of tables that keep all of them.
    starts: Option<Starts>,
    /// All keys of the table at a version.
    filter: Option<(KeyFilter, u64)>,
    /// Keys of staged rows that the filter had seen before.
    suspects: KeyFilter,
    suspect_rows: u64,
}

impl Keyed {
    async fn new(table: &Table, shape: &Shape, options: &SyncOptions, last: Option<&FlowDoc>) -> Result<Option<Self>> {
        let Some(settler) = Settler::new(table, shape)? else { return Ok(None) };
        let starts = match (settler.history(), &shape.cursor) {
            (None, _) => None,
            (Some(_), Some(cursor)) => ColumnPath::find(table.arrow(), cursor).map(Starts::Column),
            (Some(_), None) => Some(Starts::of_run(options.clock.now(), last)),
        };
        let empty = table.files().await?.is_empty();
        let version = table.version().filter(|_| empty && !shape.is_snapshot());
        Ok(Some(Self {
            settler,
            starts,
            filter: version.map(|v| (KeyFilter::new(options.filter_bytes), v)),
            suspects: KeyFilter::new(SUSPECT_BYTES),
            suspect_rows: 0,
        }))
    }

    fn is_current(&self, table: &Table) -> bool {
        self.filter.as_ref().is_some_and(|(_, version)| Some(*version) == table.version())
    }

    /// Refuses rows without keys, notes keys that were seen before, and says where versions begin.
    fn take(&mut self, batch: RecordBatch, table: &Table, flow: &FlowId) -> Result<RecordBatch> {
        let codec = self.settler.codec();
        let keys = codec.keys(&batch)?;
        if let Some(column) = keys.null_column() {
            return Err(null_key(flow, codec, column));
        }
        let current = self.is_current(table);
        if let (true, Some((filter, _))) = (current, &mut self.filter) {
            for row in 0..keys.len() {
                let hash = self.settler.codec().hash(keys.get(row));
                if filter.insert(hash) {
                    self.suspects.insert(hash);
                    self.suspect_rows += 1;
                }
            }
        }
        match &self.starts {
            Some(starts) => starts.put(batch, flow),
            None => Ok(batch),
        }
    }
}

impl<'a> RowsFlow<'a> {
    pub(crate) async fn new(
        id: FlowId,
        shape: &'a Shape,
        options: &'a SyncOptions,
        table: Table,
        last: Option<FlowDoc>,
        connection: Option<String>,
        deletions: Vec<(DataFile, u64)>,
    ) -> Result<Self> {
        let keyed = Keyed::new(&table, shape, options, last.as_ref()).await?;
        let layout = layout(&table, shape, options)?;
        Ok(Self {
            id,
            shape,
            options,
            table,
            last,
            connection,
            deletions,
            deletions_beside: Vec::new(),
            keyed,
            staging: Staging::new(layout),
            counts: Counts::default(),
        })
    }

    /// Decides what the commit adds and removes.
    async fn settle(&mut self, staged: &Staged) -> Result<Outcome> {
        let append =
            |removes| Outcome { adds: staged.files.clone(), inserted: staged.rows, removes, ..Outcome::default() };
        if self.shape.landing == Landing::Replace {
            let files = self.table.files().await?;
            return Ok(append(files.into_iter().filter_map(|f| f.remove).collect()));
        }
        let Some(keyed) = &mut self.keyed else { return Ok(append(Vec::new())) };
        let (current, is_snapshot) = (keyed.is_current(&self.table), self.shape.is_snapshot());
        if !current {
            // A filter that misses a commit must never become true again, and its memory is needed for the next one.
            keyed.filter = None;
        }
        let mut learnt = None;
        let suspects = if current && !is_snapshot {
            Suspects::Some { filter: &keyed.suspects, rows: keyed.suspect_rows }
        } else {
            if !is_snapshot && staged.rows > 0 {
                learnt = Some(KeyFilter::new(self.options.filter_bytes));
            }
            Suspects::All
        };
        let incoming = Incoming {
            files: &staged.files,
            rows: staged.rows,
            suspects,
            deletions: self.deletions.iter().chain(&self.deletions_beside).cloned().collect(),
            deletions_applied: true,
        };
        let taken_at = match (keyed.settler.history(), &keyed.starts) {
            (Some(sequence), Some(starts)) => starts.moment(sequence)?,
            _ => None,
        };
        let outcome = keyed.settler.settle(&self.table, self.shape, self.options, &incoming, taken_at, &mut learnt);
        let outcome = outcome.await?;
        if let (Some(filter), Some(version)) = (learnt, self.table.version()) {
            keyed.filter = Some((filter, version));
        }
        Ok(outcome)
    }

    /// Looks at what other lanes have deleted since: rows of this run may be older.
    async fn look_beside(&mut self) -> Result<()> {
        if !self.shape.follows_deletes() {
            return Ok(());
        }
        let beside = doc::deletes_beside(&self.table, &self.id).await?;
        if beside.is_empty() {
            return Ok(());
        }
        // As of now: of earlier versions documents are cleaned up.
        self.table.reload().await?;
        self.check_columns()?;
        let beside = doc::deletes_beside(&self.table, &self.id).await?;
        self.deletions_beside = beside.iter().flat_map(|doc| remembered(Some(doc))).collect();
        Ok(())
    }

    fn check_columns(&self) -> Result<()> {
        if schema::additions(&self.shape.stored, self.table.schema())?.fields.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Sink, "columns of the table were dropped during the sync"))
    }

    fn count(&mut self, outcome: &Outcome, committed: bool) {
        self.counts.rows_inserted += outcome.inserted;
        self.counts.rows_updated += outcome.updated;
        self.counts.rows_deleted += outcome.deleted;
        self.counts.rows_unchanged += outcome.unchanged;
        self.counts.files_looked_into += outcome.looked_into;
        self.counts.commits += u64::from(committed);
    }

    /// The filter stays true over our own commit; files that were written again go away; the next ones are written in
    /// the schema that the table has now.
    async fn after_commit(&mut self, outcome: &Outcome, version: Option<u64>) -> Result<()> {
        if let Some(keyed) = &mut self.keyed {
            keyed.suspects = KeyFilter::new(SUSPECT_BYTES);
            keyed.suspect_rows = 0;
            keyed.filter = keyed.filter.take().zip(version).map(|((filter, _), version)| (filter, version));
        }
        remove(&self.table, outcome.superseded.iter().map(|f| &f.path)).await;
        self.staging.set_layout(layout(&self.table, self.shape, self.options)?);
        Ok(())
    }
}

impl Flow for RowsFlow<'_> {
    fn kind(&self) -> FlowKind {
        self.id.kind
    }

    async fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = align(batch, self.table.arrow(), Casts::Layout, &HashMap::new())?;
        self.counts.rows_read += batch.num_rows() as u64;
        self.counts.bytes_read += size_of(&batch) as u64;
        let batch = match &mut self.keyed {
            Some(keyed) => keyed.take(batch, &self.table, &self.id)?,
            None => batch,
        };
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
        let idle = staged.rows == 0 && !self.shape.is_snapshot();
        if idle && self.last.is_some() && self.offset() == offset.as_ref() {
            return Ok(());
        }
        let previous = self.table.transaction(&self.id.app_id()).await?;
        // Not before the versions that it holds.
        let run = self.keyed.as_ref().and_then(|keyed| keyed.starts.as_ref()?.run());
        let now = self.options.clock.now().max(run.unwrap_or_default());
        let mut doc = FlowDoc::new(&self.id, previous.unwrap_or(0) + 1, self.shape.landing, offset, now);
        doc.connection.clone_from(&self.connection);
        doc.sequence_by = self.shape.cursor.clone().filter(|_| self.shape.landing == Landing::History);
        let mut overtaken = 0;
        loop {
            self.look_beside().await?;
            let outcome = self.settle(&staged).await?;
            let nothing_new = outcome.adds.is_empty() && outcome.removes.is_empty();
            if nothing_new && self.last.is_some() && self.offset() == doc.offset.as_ref() {
                self.count(&outcome, false);
                return self.after_commit(&outcome, self.table.version()).await;
            }
            let bytes: u64 = outcome.adds.iter().map(|a| u64::try_from(a.size).unwrap_or(0)).sum();
            let operation = operation(self.shape.landing, &outcome, &self.table)?;
            let actions = outcome.removes.iter().cloned().map(Action::Remove);
            let actions = actions.chain(outcome.adds.iter().cloned().map(Action::Add)).collect();
            let step = Step { flow: &self.id, previous, doc: &doc };
            match commit(&mut self.table, &[step], actions, operation).await? {
                Committed::Done(version) => {
                    self.counts.bytes_written += bytes;
                    self.count(&outcome, true);
                    self.last = Some(doc);
                    return self.after_commit(&outcome, version).await;
                }
                Committed::Overtaken => {
                    remove(&self.table, outcome.rewritten.iter().map(|f| &f.path)).await;
                    overtaken += 1;
                    if overtaken > self.options.commit_retries {
                        return Err(always_overtaken(&self.id));
                    }
                    self.check_columns()?;
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

/// How files of rows are written.
pub(crate) fn layout(table: &Table, shape: &Shape, options: &SyncOptions) -> Result<FileLayout> {
    let layout = table.layout(options, shape.keys.clone(), shape.cursor.clone())?;
    let statistics = match shape.landing {
        Landing::History => vec![START_AT.to_owned(), END_AT.to_owned()],
        _ => Vec::new(),
    };
    Ok(FileLayout { statistics, ..layout })
}

/// Removes files that no commit names. Best effort: what stays is harmless and vacuum takes it.
pub(crate) async fn remove(table: &Table, files: impl Iterator<Item = &Path>) {
    let store = table.store();
    for path in files {
        let _ = store.delete(path).await;
    }
}

pub(crate) fn operation(landing: Landing, outcome: &Outcome, table: &Table) -> Result<DeltaOperation> {
    if landing != Landing::Replace && !outcome.removes.is_empty() {
        return Ok(DeltaOperation::Merge {
            predicate: None,
            merge_predicate: None,
            matched_predicates: Vec::new(),
            not_matched_predicates: Vec::new(),
            not_matched_by_source_predicates: Vec::new(),
        });
    }
    let mode = if landing == Landing::Replace { SaveMode::Overwrite } else { SaveMode::Append };
    Ok(DeltaOperation::Write { mode, partition_by: Some(table.partition_columns()?), predicate: None })
}

pub(crate) fn always_overtaken(id: &FlowId) -> Error {
    Error::new(ErrorKind::Sink, "other writers changed the table faster than rows could be merged into it")
        .with("table", &id.table)
        .help("run again when the table is quieter")
}

pub(crate) fn null_key(id: &FlowId, codec: &KeyCodec, column: usize) -> Error {
    let name = codec.key_columns().get(column).map_or("", |c| c.name.as_str());
    Error::new(ErrorKind::Data, "a row has no value in a primary key column")
        .with("table", &id.table)
        .with("column", name)
        .help("choose other primary keys, or land with append")
}
