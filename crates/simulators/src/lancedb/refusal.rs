//! Why a request is refused: a status and a text for one dialect, a number and a text in JSON for the other.

use serde_json::json;

use super::config::Dialect;
use crate::server::Reply;

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: u16,
    /// The Namespace's number of the error.
    code: u32,
    message: String,
}

impl Refusal {
    fn new(status: u16, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// A request that cannot be understood.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, 13, message)
    }

    /// A body that has not the members that it must have.
    pub(crate) fn body(message: impl std::fmt::Display) -> Self {
        Self::invalid(format!("Failed to deserialize the JSON body into the target type: {message}"))
    }

    /// A question that fails when it is executed: servers say so as if it were their fault.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(500, 18, message)
    }

    /// A filter or column that cannot be used, as the query engine says it.
    pub(crate) fn input(source: impl std::fmt::Display) -> Self {
        Self::failed(format!("Failed to execute query: InvalidInput {{ source: {source} }}"))
    }

    pub(crate) fn no_table(id: &str) -> Self {
        Self::new(404, 4, format!("table id '{id}'"))
    }

    pub(crate) fn no_namespace(id: &str) -> Self {
        Self::new(404, 1, format!("namespace '{id}'"))
    }

    pub(crate) fn no_version(id: &str, version: u64) -> Self {
        Self::new(404, 11, format!("Version {version} not found for table '{id}': its manifest was not found"))
    }

    pub(crate) fn no_tag(id: &str, tag: &str) -> Self {
        Self::new(404, 8, format!("tag '{tag}' for table '{id}'"))
    }

    pub(crate) fn no_index(id: &str, name: &str) -> Self {
        Self::new(404, 6, format!("index '{name}' for table '{id}'"))
    }

    /// Something that this kind of server does not do.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(406, 0, message)
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(401, 16, "Unauthorized: the API key is missing or not valid")
    }

    /// Whether it is what the query engine says about a filter or column.
    pub(crate) fn is_of_input(&self) -> bool {
        self.code == 18 && self.message.contains("InvalidInput")
    }

    /// With another status: what servers do not agree on.
    pub(crate) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The text of the error.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Content type and body in a dialect.
    pub(crate) fn content(&self, dialect: Dialect) -> (&'static str, String) {
        match dialect {
            Dialect::Cloud => ("text/plain; charset=utf-8", self.message.clone()),
            Dialect::Namespace => ("application/json", json!({ "error": self.message, "code": self.code }).to_string()),
        }
    }

    /// The reply in a dialect.
    pub(crate) fn reply(&self, dialect: Dialect) -> Reply {
        let (content_type, body) = self.content(dialect);
        Reply::new(self.status, content_type, body)
    }
}
