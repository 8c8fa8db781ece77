//! OperationOutcome: what a server says went wrong, told without anybody's data.

use std::borrow::Cow;

use serde::Deserialize;

use crate::error::{Error, ErrorKind};

#[derive(Deserialize)]
struct OperationOutcome<'a> {
    #[serde(rename = "resourceType", borrow)]
    resource_type: Cow<'a, str>,
    #[serde(default, borrow)]
    issue: Vec<Issue<'a>>,
}

#[derive(Deserialize)]
struct Issue<'a> {
    #[serde(default, borrow)]
    severity: Cow<'a, str>,
    #[serde(default, borrow)]
    code: Cow<'a, str>,
    #[serde(default, borrow)]
    diagnostics: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    details: Option<Details<'a>>,
}

#[derive(Deserialize)]
struct Details<'a> {
    #[serde(default, borrow)]
    text: Option<Cow<'a, str>>,
}

/// The first three issues as severity, code and the search parameters they name; `None` when the body is not an
/// OperationOutcome. Free text is left out: servers quote records in it.
pub(super) fn summary(body: &[u8]) -> Option<String> {
    let outcome: OperationOutcome<'_> = serde_json::from_slice(body).ok()?;
    if outcome.resource_type != "OperationOutcome" {
        return None;
    }
    let issues: Vec<String> = outcome.issue.iter().take(3).map(describe).collect();
    Some(if issues.is_empty() { "no issue given".to_owned() } else { issues.join("; ") })
}

/// An answer that is an OperationOutcome where a page was expected.
pub(super) fn as_error(text: &str) -> Error {
    let error = Error::new(ErrorKind::Protocol, "the server answered with an OperationOutcome instead of a page");
    match summary(text.as_bytes()) {
        Some(issues) => error.with("issues", issues),
        None => error,
    }
}

fn describe(issue: &Issue<'_>) -> String {
    let word = |text: &str| -> String {
        let is_code = text.len() <= 24 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if is_code && !text.is_empty() { text.to_owned() } else { "?".to_owned() }
    };
    let line = format!("{} {}", word(&issue.severity), word(&issue.code));
    let told = issue.details.as_ref().and_then(|d| d.text.as_deref()).or(issue.diagnostics.as_deref());
    match told.map(parameters).filter(|names| !names.is_empty()) {
        Some(names) => format!("{line} ({})", names.join(", ")),
        None => line,
    }
}

/// The search parameters of FHIR itself that a text names, such as `_lastUpdated`.
fn parameters(text: &str) -> Vec<&str> {
    let mut names: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| KNOWN_PARAMETERS.contains(word))
        .collect();
    names.dedup();
    names
}

const KNOWN_PARAMETERS: &[&str] =
    &["_lastUpdated", "_sort", "_count", "_summary", "_total", "_id", "_elements", "_include", "_revinclude", "_since"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_are_told_without_anybodys_data() {
        let body = br#"{"resourceType":"OperationOutcome","issue":[
            {"severity":"error","code":"not-supported","diagnostics":"Unknown search parameter \"_lastUpdated\" for Smith, 9434765919"},
            {"severity":"error","code":"not-found","diagnostics":"Patient John Smith is gone"},
            {"severity":"JOHN","code":"Smith"}]}"#;
        let text = summary(body).unwrap();
        assert_eq!(text, "error not-supported (_lastUpdated); error not-found; ? ?");
    }

    #[test]
    fn other_bodies_are_not_outcomes() {
        for body in ["<html>", "", "{}", r#"{"resourceType":"Bundle"}"#] {
            assert_eq!(summary(body.as_bytes()), None);
        }
    }
}
