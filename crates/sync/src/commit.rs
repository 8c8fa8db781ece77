//! One commit: data, transaction and offset document together, or nothing.

use std::collections::HashMap;

use deltalake::{
    Path,
    kernel::{
        Action, Transaction,
        transaction::{CommitBuilder, CommitProperties, TableReference},
    },
    protocol::DeltaOperation,
};
use lakeflow_connect::{Error, ErrorKind, Result, Retry};

use crate::{
    doc::{self, COMMIT_KEY, FlowDoc},
    error::{is_conflict, sink},
    flow_id::FlowId,
    rows::remove,
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

/// What a commit says about one flow.
pub(crate) struct Step<'a> {
    pub(crate) flow: &'a FlowId,
    /// The flow's version that the plan was made on.
    pub(crate) previous: Option<i64>,
    pub(crate) doc: &'a FlowDoc,
}

/// Commits actions together with the documents of one or more flows.
///
/// The library's own conflict resolution is switched off: it would let a merge commit after a compaction moved the rows
/// that the merge took out. Any commit in between means planning again.
///
/// # Errors
/// [`Sink`](ErrorKind::Sink) "another sync is writing this table" when a flow moved on without us.
pub(crate) async fn commit(
    table: &mut Table,
    steps: &[Step<'_>],
    actions: Vec<Action>,
    operation: DeltaOperation,
) -> Result<Committed> {
    // The library accepts a repeated or lower version and writes the data again; only we refuse it.
    for step in steps {
        let recorded = table.transaction(&step.doc.app_id).await?;
        if recorded != step.previous || recorded.is_some_and(|r| r >= step.doc.version) {
            return Err(fenced(step.flow));
        }
    }
    let store = table.store();
    let (mut paths, mut infos) = (Vec::new(), Vec::new());
    let mut properties = CommitProperties::default().with_max_retries(0);
    for Step { flow, doc, .. } in steps {
        let path = doc::write(store.as_ref(), flow, doc).await?;
        infos.push(doc.commit_info(&path));
        paths.push(path);
        let at = doc.written_at.timestamp_millis();
        let transaction = Transaction::new_with_last_update(&doc.app_id, doc.version, Some(at));
        properties = properties.with_application_transaction(transaction);
    }
    let properties = properties.with_metadata(HashMap::from([(COMMIT_KEY.to_owned(), infos.into())]));
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
            for (step, path) in steps.iter().zip(&paths) {
                doc::clean(store.as_ref(), step.flow, path, step.doc.version).await;
            }
            return Ok(Committed::Done(Some(made.version())));
        }
        Err(error) => error,
    };
    // A commit may be made and its answer or what follows it (a checkpoint) fail: the log knows.
    if table.reload().await.is_err() {
        return Err(sink("committing", error));
    }
    for (Step { flow, previous, doc }, path) in steps.iter().zip(&paths) {
        let recorded = table.transaction(&doc.app_id).await?;
        if recorded == Some(doc.version) && is_ours(table, &doc.app_id, doc.version, path).await? {
            tracing::warn!(table = %flow.table, "the commit was made, but work after it failed");
            return Ok(Committed::Done(None));
        }
        if recorded != *previous {
            remove(table, paths.iter()).await;
            return Err(fenced(flow));
        }
    }
    if is_conflict(&error) {
        remove(table, paths.iter()).await;
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
