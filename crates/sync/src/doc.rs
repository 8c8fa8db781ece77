//! The offset document: what a commit's transaction stands for.
//!
//! It is written before the commit, beside the data, under a name that Delta readers and vacuum ignore:
//! `_lakeflow/<flow>/<version>-<nonce>.json`. The commit then records the transaction (application id, version) and names
//! the document. A document without its commit is rubbish; a commit always has its document. After log clean-up only the
//! transaction is left, and it still leads to the document.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use deltalake::{
    ObjectStore, Path,
    kernel::CommitInfo,
    logstore::object_store::{ObjectStoreExt, PutPayload},
};
use futures::TryStreamExt;
use lakeflow_connect::{Error, ErrorKind, Offset, Result};
use serde::{Deserialize, Serialize};

use crate::{
    checkpoint,
    error::sink,
    flow_id::{FOLDER, FlowId, FlowKind},
    job::Landing,
    table::Table,
};

const FORMAT: u32 = 1;
/// Key of our object in `commitInfo`.
pub(crate) const COMMIT_KEY: &str = "lakeflow";
/// Documents kept for people to look at; only the newest is needed.
const KEPT: usize = 5;
/// Offsets larger than this are only in the document, not also in the commit.
const INLINE_OFFSET: usize = 16 * 1024;

/// How far a flow has been committed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FlowDoc {
    pub(crate) format: u32,
    pub(crate) app_id: String,
    pub(crate) version: i64,
    pub(crate) source: String,
    pub(crate) table: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lane: Option<String>,
    pub(crate) flow: FlowKind,
    pub(crate) landing: Landing,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) connection: Option<String>,
    /// Absent after a reset and before the first checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) offset: Option<Offset>,
    pub(crate) written_at: DateTime<Utc>,
    /// Of a history: the column that orders versions; absent where runs do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sequence_by: Option<String>,
    /// Deletes flow: deletions that late, older rows may still meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tombstones: Vec<Tombstones>,
}

/// A file of deletions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tombstones {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) rows: u64,
    /// When they were applied.
    pub(crate) at: DateTime<Utc>,
}

impl FlowDoc {
    pub(crate) fn new(
        flow: &FlowId,
        version: i64,
        landing: Landing,
        offset: Option<Offset>,
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            format: FORMAT,
            app_id: flow.app_id(),
            version,
            source: flow.source.clone(),
            table: flow.table.clone(),
            lane: flow.lane.clone(),
            flow: flow.kind,
            landing,
            connection: None,
            offset,
            written_at: at,
            sequence_by: None,
            tombstones: Vec::new(),
        }
    }

    /// What the commit says about this document.
    pub(crate) fn commit_info(&self, path: &Path) -> serde_json::Value {
        let mut info = serde_json::json!({
            "app_id": self.app_id, "version": self.version, "document": path.as_ref(), "source": self.source, "table": self.table,
            "flow": self.flow, "landing": self.landing,
        });
        if let Some(lane) = &self.lane {
            info["lane"] = lane.as_str().into();
        }
        if let Some(offset) = &self.offset {
            let text = offset.to_json();
            if text.len() <= INLINE_OFFSET {
                info["offset"] = text.into();
            }
        }
        info
    }
}

/// Where deletions of a flow are kept.
pub(crate) fn tombstone_folder(flow: &FlowId) -> Path {
    Path::from(format!("{}/tombstones", flow.folder()))
}

/// Writes a document ahead of its commit.
pub(crate) async fn write(store: &dyn ObjectStore, flow: &FlowId, doc: &FlowDoc) -> Result<Path> {
    let path = Path::from(format!("{}/{:020}-{:016x}.json", flow.folder(), doc.version, fastrand::u64(..)));
    let bytes = serde_json::to_vec(doc).map_err(|e| sink("writing the offset document", e))?;
    store.put(&path, PutPayload::from(bytes)).await.map_err(|e| sink("writing the offset document", e))?;
    Ok(path)
}

/// The document of a flow's recorded transaction; `None` when the flow never committed.
///
/// # Errors
/// [`Sink`](ErrorKind::Sink) when a transaction is recorded but its document is gone or not certain.
pub(crate) async fn read(table: &Table, flow: &FlowId) -> Result<Option<FlowDoc>> {
    let Some(version) = table.transaction(&flow.app_id()).await? else { return Ok(None) };
    let store = table.store();
    let mut found: Vec<_> =
        list(store.as_ref(), flow).await?.into_iter().filter(|(v, _)| *v == version).map(|(_, p)| p).collect();
    if found.len() != 1 {
        // A crash left a document of the same version, or somebody removed ours: the log knows which one counts.
        if let Some(info) = committed(table, &flow.app_id(), version).await? {
            let named = info.get("document").and_then(|d| d.as_str()).map(Path::from);
            found.retain(|p| Some(p) == named.as_ref());
            if found.is_empty() {
                return from_commit(flow, version, &info).map(Some);
            }
        }
    }
    let [path] = found.as_slice() else {
        return Err(lost(flow).with("version", version).with("documents", found.len()));
    };
    let bytes = match store.get(path).await {
        Ok(found) => found.bytes().await,
        Err(error) => Err(error),
    };
    let bytes = bytes.map_err(|e| sink("reading the offset document", e))?;
    let doc: FlowDoc = serde_json::from_slice(&bytes).map_err(|e| lost(flow).with("version", version).caused_by(e))?;
    if doc.app_id != flow.app_id() || doc.version != version || doc.format != FORMAT {
        return Err(lost(flow).with("version", version).with("format", doc.format));
    }
    Ok(Some(doc))
}

fn lost(flow: &FlowId) -> Error {
    Error::new(ErrorKind::Sink, "the table records a sync whose offset document cannot be read")
        .with("source", &flow.source)
        .with("table", &flow.table)
        .with("flow", flow.kind.as_str())
        .help("reset the table's state to read it in full again")
}

/// What the newest commit of this application version says, while the log still has it.
pub(crate) async fn committed(table: &Table, app_id: &str, version: i64) -> Result<Option<serde_json::Value>> {
    let mut history = table.delta().history(None);
    while let Some(commit) = history.try_next().await.map_err(|e| sink("reading the table's log", e))? {
        for info in infos(&commit) {
            if info.get("app_id").and_then(|a| a.as_str()) == Some(app_id)
                && info.get("version").and_then(serde_json::Value::as_i64) == Some(version)
            {
                return Ok(Some(info.clone()));
            }
        }
    }
    Ok(None)
}

/// What a commit says about our flows.
fn infos(commit: &CommitInfo) -> impl Iterator<Item = &serde_json::Value> {
    commit.info.get(COMMIT_KEY).and_then(|i| i.as_array()).into_iter().flatten()
}

/// The fallback when the document was removed but the log still holds the offset.
///
/// Not for deletions: those that rows may still be older than are only named by the document.
fn from_commit(flow: &FlowId, version: i64, info: &serde_json::Value) -> Result<FlowDoc> {
    let offset = info.get("offset").and_then(|o| o.as_str()).filter(|_| flow.kind == FlowKind::Rows);
    let offset = Offset::from_json(offset.ok_or_else(|| lost(flow).with("version", version))?)?;
    Ok(FlowDoc::new(flow, version, landing_in(info), Some(offset), DateTime::UNIX_EPOCH))
}

/// The landing that a commit names; append, which is treated most carefully, when it does not.
fn landing_in(info: &serde_json::Value) -> Landing {
    info.get("landing").and_then(|l| Landing::deserialize(l).ok()).unwrap_or(Landing::Append)
}

/// How a flow that has committed lands, even when its document cannot be read; `None` when it never committed.
pub(crate) async fn landing(table: &Table, flow: &FlowId) -> Result<Option<Landing>> {
    let Some(version) = table.transaction(&flow.app_id()).await? else { return Ok(None) };
    if let Ok(Some(doc)) = read(table, flow).await {
        return Ok(Some(doc.landing));
    }
    let info = committed(table, &flow.app_id(), version).await?;
    Ok(Some(info.as_ref().map_or(Landing::Append, landing_in)))
}

async fn list(store: &dyn ObjectStore, flow: &FlowId) -> Result<Vec<(i64, Path)>> {
    let folder = Path::from(flow.folder());
    let listing = store.list_with_delimiter(Some(&folder)).await.map_err(|e| sink("listing offset documents", e))?;
    let mut found: Vec<_> = listing
        .objects
        .into_iter()
        .filter_map(|o| {
            let version = o.location.filename()?.strip_suffix(".json")?.split_once('-')?.0.parse().ok()?;
            Some((version, o.location))
        })
        .collect();
    found.sort();
    Ok(found)
}

/// Removes documents that no transaction can name any more. Best effort: a failure leaves harmless files.
pub(crate) async fn clean(store: &dyn ObjectStore, flow: &FlowId, current: &Path, version: i64) {
    let Ok(found) = list(store, flow).await else { return };
    let old = found.iter().filter(|(v, _)| *v < version).count().saturating_sub(KEPT);
    let stale = found.iter().enumerate().filter(|(i, (v, p))| *i < old || (*v == version && p != current));
    for (_, (_, path)) in stale {
        let _ = store.delete(path).await;
    }
}

/// Removes deletion files that the flow's document does not name and that were written before a time, if one is given:
/// a sync that has not committed yet may be writing younger ones. Best effort.
pub(crate) async fn clean_tombstones(
    store: &dyn ObjectStore,
    flow: &FlowId,
    named: &[Tombstones],
    before: Option<DateTime<Utc>>,
) {
    let Ok(listing) = store.list_with_delimiter(Some(&tombstone_folder(flow))).await else { return };
    let named: HashSet<&str> = named.iter().map(|t| t.path.as_str()).collect();
    for file in listing.objects {
        if !named.contains(file.location.as_ref()) && before.is_none_or(|time| file.last_modified < time) {
            let _ = store.delete(&file.location).await;
        }
    }
}

/// The flows that have documents in a table, whether committed or not; without any document, those in the log.
pub(crate) async fn flows(table: &Table) -> Result<Vec<FlowId>> {
    let documented = documented_flows(table.store().as_ref()).await?;
    if documented.is_empty() { logged_flows(table).await } else { Ok(documented) }
}

/// The flows that have documents, or are named by a commit that the log still has, or by its newest checkpoint.
pub(crate) async fn all_flows(table: &Table) -> Result<Vec<FlowId>> {
    let mut flows = documented_flows(table.store().as_ref()).await?;
    let logged = logged_flows(table).await?;
    let kept = checkpoint::app_ids(&table.store()).await?;
    for flow in logged.into_iter().chain(kept.iter().filter_map(|id| FlowId::of_app_id(id))) {
        if !flows.contains(&flow) {
            flows.push(flow);
        }
    }
    Ok(flows)
}

/// The deletions of other lanes of the same rows.
pub(crate) async fn deletes_beside(table: &Table, flow: &FlowId) -> Result<Vec<FlowDoc>> {
    let own = [FlowKind::Rows, FlowKind::Deletes].map(|kind| FlowId { kind, ..flow.clone() });
    let store = table.store();
    let folders = folders(store.as_ref()).await?;
    if folders.iter().all(|folder| own.iter().any(|own| Path::from(own.folder()) == *folder)) {
        return Ok(Vec::new());
    }
    let flows = documented_flows(store.as_ref()).await?;
    let mut docs = Vec::new();
    for other in flows.iter().filter(|f| f.kind == FlowKind::Deletes && f.lane != flow.lane && f.is_beside(flow)) {
        docs.extend(read(table, other).await?);
    }
    Ok(docs)
}

async fn folders(store: &dyn ObjectStore) -> Result<Vec<Path>> {
    let listing = store.list_with_delimiter(Some(&Path::from(FOLDER))).await;
    Ok(listing.map_err(|e| sink("listing offset documents", e))?.common_prefixes)
}

async fn logged_flows(table: &Table) -> Result<Vec<FlowId>> {
    let mut flows = Vec::new();
    let mut history = table.delta().history(None);
    while let Some(commit) = history.try_next().await.map_err(|e| sink("reading the table's log", e))? {
        for info in infos(&commit) {
            let text = |name: &str| info.get(name).and_then(|v| v.as_str());
            let kind = info.get("flow").and_then(|f| FlowKind::deserialize(f).ok());
            let (Some(source), Some(table), Some(kind)) = (text("source"), text("table"), kind) else { continue };
            let lane = text("lane").map(str::to_owned);
            let flow = FlowId { source: source.to_owned(), table: table.to_owned(), lane, kind };
            if !flows.contains(&flow) {
                flows.push(flow);
            }
        }
    }
    Ok(flows)
}

async fn documented_flows(store: &dyn ObjectStore) -> Result<Vec<FlowId>> {
    let failed = |e| sink("listing offset documents", e);
    let mut flows = Vec::new();
    for folder in folders(store).await? {
        let listing = store.list_with_delimiter(Some(&folder)).await.map_err(failed)?;
        let newest = listing.objects.into_iter().map(|o| o.location).filter(|p| p.as_ref().ends_with(".json")).max();
        let Some(path) = newest else { continue };
        let bytes = store.get(&path).await.map_err(failed)?.bytes().await.map_err(failed)?;
        // A half-written document of a crash is no flow.
        let Ok(doc) = serde_json::from_slice::<FlowDoc>(&bytes) else { continue };
        flows.push(FlowId { source: doc.source, table: doc.table, lane: doc.lane, kind: doc.flow });
    }
    Ok(flows)
}
