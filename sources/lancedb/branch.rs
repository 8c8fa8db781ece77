//! Branches of tables, where the server has them.

use std::sync::Arc;

use serde_json::Value;

use super::{
    client::{Asked, LanceClient},
    dialect::Query,
};
use crate::error::{Error, ErrorKind, Result};

/// A branch that no table has: asked for to see whether the server minds.
const NO_BRANCH: &str = "lakeflow-connect.asks-for-branches";

impl LanceClient {
    /// A client whose requests are all about a branch.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) for a server that answers with the main branch whatever it is asked for:
    /// servers ignore what they do not know. Those of the HTTP client.
    pub(super) async fn on_branch(&self, table: &str, branch: &str) -> Result<Self> {
        let to = |branch: &str| {
            let mut client = self.clone();
            client.branch = Some(Arc::from(branch));
            client
        };
        let nowhere = to(NO_BRANCH);
        let version = self.latest(table).await?.number;
        let query = Query { version: Some(version), limit: 1, ..Query::default() };
        // Each question is one that a server may know branches for, and another not.
        let ignored = [
            ("versions", nowhere.latest(table).await.map(drop)),
            ("counts", nowhere.count(table, version, None).await.map(drop)),
            ("rows", nowhere.query(table, &query).await.map(|answer: Asked| drop(answer))),
        ];
        for (what, answer) in ignored {
            match answer {
                Ok(()) => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        "the server reads the main branch whatever it is asked for",
                    )
                    .with("table", table)
                    .with("branch", branch)
                    .with("question", what)
                    .help("leave 'branch' out; or serve the branch as a table of its own"));
                }
                Err(error) if is_refusal(error.kind()) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(to(branch))
    }

    /// The body of a request, about the branch.
    pub(super) fn on(&self, mut body: Value) -> Value {
        if let Some(branch) = &self.branch {
            body["branch"] = branch.as_ref().into();
        }
        body
    }
}

fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::OffsetExpired | ErrorKind::Config | ErrorKind::Unsupported)
}
