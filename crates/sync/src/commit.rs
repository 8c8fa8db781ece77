//! One commit: data, transaction and offset document together, or nothing.

use std::collections::HashMap;

use deltalake::{
    Path,
    kernel::{
        Action, Transaction,
        transaction::{CommitBuilder, CommitProperties, TableReference},
    },
    logstore::object_store::ObjectStoreExt,
    protocol::DeltaOperation,
};
use lakeflow_connect::{Error, ErrorKind, Result, Retry};

use crate::{
    doc::{self, COMMIT_KEY, FlowDoc, FlowId},
    error::{is_conflict, sink},
    table::Table,
};

/// How a commit ended, other than badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    /// It is in the log, at this version where that is certain.
    Done(Option<u64>),
    /// Another commit came first: nothing of ours is in the log, the table is loaded anew, and what was planned must
    /// be planned again.
    Overtaken,
}

/// Commits actions together with a flow's document. `previous` is the flow's version that the plan was made on.
///
/// The library's own conflict resolution is switched off: it would let a merge commit after a compaction moved the rows
/// that the merge took out. Any commit in between means planning again.
///
/// # Errors
/// [`Sink`](ErrorKind::Sink) "another sync is writing this table" when the flow moved on without us.
pub(crate) async fn commit(
    table: &mut Table,
    flow: &FlowId,
    previous: Option<i64>,
    actions: Vec<Action>,
    operation: DeltaOperation,
    doc: &FlowDoc,
) -> Result<Committed> {
    // The library accepts a repeated or lower version and writes the data again; only we refuse it.
    let recorded = table.transaction(&doc.app_id).await?;
    if recorded != previous || recorded.is_some_and(|r| r >= doc.version) {
        return Err(fenced(flow));
    }
    let store = table.store();
    let path = doc::write(store.as_ref(), flow, doc).await?;
    let metadata = HashMap::from([(COMMIT_KEY.to_owned(), doc.commit_info(&path))]);
    let at = doc.written_at.timestamp_millis();
    let properties = CommitProperties::default()
        .with_max_retries(0)
        .with_metadata(metadata)
        .with_application_transaction(Transaction::new_with_last_update(&doc.app_id, doc.version, Some(at)));
    let result = {
        let state = table.delta().snapshot().map_err(|e| sink("committing", e))?;
        CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(state as &dyn TableReference), table.delta().log_store(), operation)
            .await
    };
    let error = match result {
        Ok(made) => {
            table.reload().await?;
            doc::clean(store.as_ref(), flow, &path, doc.version).await;
            return Ok(Committed::Done(Some(made.version())));
        }
        Err(error) => error,
    };
    // A commit may be made and its answer or what follows it (a checkpoint) fail: the log knows.
    if table.reload().await.is_err() {
        return Err(sink("committing", error));
    }
    let recorded = table.transaction(&doc.app_id).await?;
    if recorded == Some(doc.version) && is_ours(table, &doc.app_id, doc.version, &path).await? {
        tracing::warn!(table = %flow.table, "the commit was made, but work after it failed");
        return Ok(Committed::Done(None));
    }
    if recorded != previous {
        let _ = store.delete(&path).await;
        return Err(fenced(flow));
    }
    if is_conflict(&error) {
        let _ = store.delete(&path).await;
        return Ok(Committed::Overtaken);
    }
    Err(sink("committing", error))
}

async fn is_ours(table: &Table, app_id: &str, version: i64, path: &Path) -> Result<bool> {
    let info = doc::committed(table, app_id, version).await?;
    Ok(info.and_then(|i| Some(i.get("document")?.as_str()? == path.as_ref())).unwrap_or(false))
}

fn fenced(flow: &FlowId) -> Error {
    Error::new(ErrorKind::Sink, "another sync is writing this table")
        .with("source", &flow.source)
        .with("table", &flow.table)
        .help("let it finish; nothing of this run was written after its last commit")
        .retryable(Retry::Later(None))
}
