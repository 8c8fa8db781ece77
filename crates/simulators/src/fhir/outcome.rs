//! OperationOutcome bodies.

use super::json::quoted;
use crate::server::Reply;

/// The content type of every FHIR body.
pub(crate) const FHIR_JSON: &str = "application/fhir+json; charset=utf-8";

/// The text of an OperationOutcome of one issue.
pub(crate) fn text(severity: &str, code: &str, diagnostics: &str) -> String {
    format!(
        r#"{{"resourceType":"OperationOutcome","issue":[{{"severity":"{severity}","code":"{code}","diagnostics":{}}}]}}"#,
        quoted(diagnostics)
    )
}

/// An error reply.
pub(crate) fn error(status: u16, code: &str, diagnostics: &str) -> Reply {
    Reply::new(status, FHIR_JSON, text("error", code, diagnostics))
}
