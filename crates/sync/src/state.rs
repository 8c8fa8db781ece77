//! How far tables have been synced: show, export, reset.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use deltalake::kernel::Action;
use lakeflow_connect::{Error, ErrorKind, Offset, Result, clock::Clock};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    commit::{Committed, Step, commit},
    doc::{self, FlowDoc},
    flow_id::{FlowId, FlowKind},
    job::Landing,
    merge::Outcome,
    rows::operation,
    table::{Table, at},
};

/// How far one flow of a table has been synced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FlowState {
    /// The source's name.
    pub source: String,
    /// The source's table.
    pub table: String,
    /// The lane, of tables that several jobs write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lane: Option<String>,
    /// Rows or deletions.
    pub flow: FlowKind,
    /// How rows land.
    pub landing: Landing,
    /// The application id of the flow in the Delta log.
    pub app_id: String,
    /// How many commits the flow has made: the version of its transaction.
    pub version: i64,
    /// The offset up to which everything is in the table; absent after a reset.
    pub offset: Option<Offset>,
    /// What tells the source system from another, where the job said.
    pub connection: Option<String>,
    /// When the last commit was made.
    pub committed_at: DateTime<Utc>,
    /// The Delta table's version now.
    pub table_version: Option<u64>,
}

/// The flows that were synced into a table; empty when there is no table.
///
/// # Errors
/// [`Sink`](ErrorKind::Sink) for a table or an offset that cannot be read.
pub async fn show(destination: &Url, storage: &HashMap<String, String>) -> Result<Vec<FlowState>> {
    let Some(table) = Table::open(destination, storage).await? else { return Ok(Vec::new()) };
    let mut states = Vec::new();
    for flow in doc::flows(&table).await? {
        if let Some(doc) = doc::read(&table, &flow).await? {
            states.push(FlowState {
                source: doc.source,
                table: doc.table,
                lane: doc.lane,
                flow: doc.flow,
                landing: doc.landing,
                app_id: doc.app_id,
                version: doc.version,
                offset: doc.offset,
                connection: doc.connection,
                committed_at: doc.written_at,
                table_version: table.version(),
            });
        }
    }
    states.sort_by(|a, b| a.app_id.cmp(&b.app_id));
    Ok(states)
}

/// The state of a table as one JSON document, for backup and support. It holds no rows.
///
/// # Errors
/// As [`show`].
pub async fn export(destination: &Url, storage: &HashMap<String, String>) -> Result<String> {
    let states = show(destination, storage).await?;
    serde_json::to_string_pretty(&states)
        .map_err(|e| Error::new(ErrorKind::Internal, "the state could not be written as JSON").caused_by(e))
}

/// What happens to a table's rows when its state is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetRows {
    /// They are removed in the same commit; the files stay until vacuum, so the table's history can still be read.
    Remove,
    /// They stay, and the next run merges into them by key. Rows that the source no longer has are not noticed, except
    /// when a table lands by difference or replacing. Refused for append, where every row would come twice.
    Keep,
}

/// Forgets how far a table was synced, rows and deletions of every source and lane in it; the next run reads in full.
///
/// # Errors
/// [`NotFound`](ErrorKind::NotFound) when nothing was synced into the table; [`Config`](ErrorKind::Config) for keeping rows of
/// an append table; [`Sink`](ErrorKind::Sink) when another sync is writing.
pub async fn reset(
    destination: &Url,
    storage: &HashMap<String, String>,
    rows: ResetRows,
    clock: &dyn Clock,
) -> Result<()> {
    forget(destination, storage, rows, clock, |_| true).await
}

/// Forgets how far one lane of a table was synced; its rows stay, and so does how far the other lanes are.
///
/// # Errors
/// As [`reset`]; [`NotFound`](ErrorKind::NotFound) when there is no such lane.
pub async fn reset_lane(
    destination: &Url,
    storage: &HashMap<String, String>,
    lane: &str,
    clock: &dyn Clock,
) -> Result<()> {
    let reset = forget(destination, storage, ResetRows::Keep, clock, |flow| flow.lane.as_deref() == Some(lane)).await;
    reset.map_err(|error| error.with("lane", lane))
}

async fn forget(
    destination: &Url,
    storage: &HashMap<String, String>,
    rows: ResetRows,
    clock: &dyn Clock,
    wanted: impl Fn(&FlowId) -> bool,
) -> Result<()> {
    let nothing = || at(Error::new(ErrorKind::NotFound, "nothing was synced into this table"), destination);
    let mut table = Table::open(destination, storage).await?.ok_or_else(nothing)?;
    let mut flows = Vec::new();
    for flow in doc::all_flows(&table).await?.into_iter().filter(wanted) {
        if let Some(landing) = doc::landing(&table, &flow).await? {
            flows.push((flow, landing));
        }
    }
    if flows.is_empty() {
        return Err(nothing());
    }
    if rows == ResetRows::Keep && flows.iter().any(|(_, landing)| *landing == Landing::Append) {
        return Err(at(
            Error::new(ErrorKind::Config, "keeping the rows of an append table would double them"),
            destination,
        )
        .help("reset with removing rows"));
    }
    // All flows in one commit: without its rows, no flow may keep its offset.
    for _ in 0..5 {
        let mut docs = Vec::new();
        for (flow, landing) in &flows {
            let previous = table.transaction(&flow.app_id()).await?;
            let doc = FlowDoc::new(flow, previous.unwrap_or(0) + 1, *landing, None, clock.now());
            docs.push((flow, previous, doc));
        }
        let steps: Vec<_> = docs.iter().map(|(flow, previous, doc)| Step { flow, previous: *previous, doc }).collect();
        let mut outcome = Outcome::default();
        if rows == ResetRows::Remove {
            outcome.removes = table.files().await?.into_iter().filter_map(|f| f.remove).collect();
        }
        let operation = operation(Landing::Replace, &outcome, &table)?;
        let actions = outcome.removes.into_iter().map(Action::Remove).collect();
        if let Committed::Done(_) = commit(&mut table, &steps, actions, operation).await? {
            for (flow, _) in &flows {
                doc::clean_tombstones(table.store().as_ref(), flow, &[], None).await;
            }
            return Ok(());
        }
    }
    Err(too_busy(destination))
}

/// Sets a flow back to an offset that its connector made of the stored one, such as one without some parts; the next run
/// goes on from there and merges what it reads into the rows, which stay.
///
/// `was` is what [`show`] told of the flow. Deletions that are remembered stay remembered.
///
/// # Errors
/// [`Config`](ErrorKind::Config) for an append table, where rows would come twice; [`Sink`](ErrorKind::Sink) when the flow has
/// moved on since.
pub async fn rewind(
    destination: &Url,
    storage: &HashMap<String, String>,
    was: &FlowState,
    offset: Offset,
    clock: &dyn Clock,
) -> Result<()> {
    if was.landing == Landing::Append {
        return Err(at(
            Error::new(ErrorKind::Config, "what is read again would be appended to an append table again"),
            destination,
        )
        .help("reset the whole table with removing rows"));
    }
    let moved = || {
        at(Error::new(ErrorKind::Sink, "the table was synced or reset since its state was read"), destination)
            .help("look at its state again")
    };
    let (source, table, lane) = (was.source.clone(), was.table.clone(), was.lane.clone());
    let flow = FlowId { source, table, lane, kind: was.flow };
    let mut table = Table::open(destination, storage).await?.ok_or_else(moved)?;
    for _ in 0..5 {
        let Some(last) = doc::read(&table, &flow).await?.filter(|last| last.version == was.version) else {
            return Err(moved());
        };
        let doc = FlowDoc {
            version: last.version + 1,
            offset: Some(offset.clone()),
            written_at: clock.now(),
            ..last.clone()
        };
        let operation = operation(was.landing, &Outcome::default(), &table)?;
        let step = Step { flow: &flow, previous: Some(last.version), doc: &doc };
        if let Committed::Done(_) = commit(&mut table, &[step], Vec::new(), operation).await? {
            return Ok(());
        }
    }
    Err(too_busy(destination))
}

fn too_busy(destination: &Url) -> Error {
    at(Error::new(ErrorKind::Sink, "other writers changed the table faster than it could be reset"), destination)
        .help("run again when the table is quieter")
}
