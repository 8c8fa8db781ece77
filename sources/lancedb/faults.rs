//! What servers answer when something is wrong, and what that means.
//!
//! The status alone does not tell: a filter that cannot be read is answered with 500.

use serde::Deserialize;

use crate::error::{Error, ErrorKind};

/// Longest text of the server in an error.
const LONGEST: usize = 500;

/// Where to look when a question was at fault.
const LOOK_AT: &str = "look at the options 'filter', 'columns' and those of the search";

/// An error as the Lance REST Namespace writes it.
#[derive(Deserialize)]
struct Written {
    error: Option<String>,
    code: Option<u32>,
}

/// What a 500 says when the request is at fault, and not the server.
const OF_THE_REQUEST: &[&str] = &[
    "InvalidInput",
    "Invalid user input",
    "SchemaError",
    "Schema error",
    "FieldNotFound",
    "No field named",
    "parsing statement",
    "resolving filter",
    "does not exist",
    "not supported",
    "cannot be cast",
    "Error applying filter",
    "Cast error",
    "Divide by zero",
];

/// What a 500 says when the answer is too large to be built.
const TOO_LARGE: &[&str] = &["offset overflow", "Offset overflow"];

/// Whether a server that answers like this speaks the Namespace's dialect: its errors are JSON with a number.
pub(super) fn is_namespace_error(body: &[u8]) -> bool {
    written(body).is_some_and(|written| written.code.is_some())
}

fn written(body: &[u8]) -> Option<Written> {
    serde_json::from_slice(body).ok()
}

/// What the body of an error says, in one line and without the server's paths.
pub(super) fn detail(body: &[u8]) -> Option<String> {
    let text = match written(body) {
        Some(written) => written.error?,
        None => String::from_utf8(body.to_vec()).ok()?,
    };
    if text.trim_start().starts_with('<') {
        return Some("an HTML page, not an answer of a LanceDB server".to_owned());
    }
    let text = text.split(", /").next().unwrap_or_default();
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}

/// Whether asking again is of no use, whatever the status says.
pub(super) fn is_final(status: u16, body: &[u8]) -> bool {
    status == 500 && (has(body, OF_THE_REQUEST) || has(body, TOO_LARGE))
}

/// Whether less may be asked for at a time.
pub(super) fn is_too_large(status: u16, body: &[u8]) -> bool {
    matches!(status, 413 | 504) || (status == 500 && has(body, TOO_LARGE))
}

fn has(body: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| memchr::memmem::find(body, word.as_bytes()).is_some())
}

/// Says which table an error is about, and where to look when the question was at fault.
pub(super) fn about(error: Error, table: &str) -> Error {
    let error = error.with("table", table);
    match error.kind() {
        ErrorKind::Config if error.help_text().is_none() => error.help(LOOK_AT),
        _ => error,
    }
}

/// The error of an answer about a table.
pub(super) fn of(status: u16, body: &[u8], table: &str, version: Option<u64>) -> Error {
    let code = written(body).and_then(|written| written.code);
    let error = match (status, code) {
        (404, Some(11)) => gone(version),
        (404, _) if version.is_some() && has(body, &["version", "Version", "manifest"]) => gone(version),
        (404, Some(1)) => {
            Error::new(ErrorKind::NotFound, "there is no such namespace").help("list what there is: lakeflow tables")
        }
        (404, _) => {
            Error::new(ErrorKind::NotFound, "there is no such table").help("list what there is: lakeflow tables")
        }
        (413, _) => {
            Error::new(ErrorKind::Config, "the request is larger than the server takes").help("shorten the filter")
        }
        (400 | 500, _) => Error::new(ErrorKind::Config, "the server cannot do what it was asked for").help(LOOK_AT),
        _ => Error::new(ErrorKind::Protocol, "the server refused"),
    };
    let error = error.with("table", table).with("status", status);
    match detail(body) {
        Some(detail) => error.with("detail", detail),
        None => error,
    }
}

fn gone(version: Option<u64>) -> Error {
    let error = Error::new(ErrorKind::OffsetExpired, "the version of the table is no longer kept by the server")
        .help("read the table in full again, and keep versions longer than the time between two runs");
    match version {
        Some(version) => error.with("version", version),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_decides_whether_a_500_is_worth_a_repetition() {
        let filter = br#"{"error":"lance error: Invalid user input: Schema error: No field named q., /rustc/lance/x.rs:1","code":18}"#;
        assert!(is_final(500, filter) && !is_final(503, filter));
        let values = br#"{"error":"Execution { message: \"Error applying filter expression to batch: Arrow error: Cast error: Cannot cast string ''","code":18}"#;
        assert!(is_final(500, values));
        assert!(!is_final(500, br#"{"error":"IO error: connection reset","code":18}"#));
        assert!(is_too_large(500, b"Arrow error: Offset overflow error") && is_too_large(413, b""));
        let error = of(500, filter, "people", Some(3));
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.get("detail"), Some("lance error: Invalid user input: Schema error: No field named q."));
    }

    #[test]
    fn a_lost_table_is_told_from_a_lost_version() {
        for (body, version, kind) in [
            (&br#"{"error":"Table not found","code":4}"#[..], Some(3), ErrorKind::NotFound),
            (br#"{"error":"Version 3 not found","code":11}"#, Some(3), ErrorKind::OffsetExpired),
            (b"version 3 does not exist", Some(3), ErrorKind::OffsetExpired),
            (b"table people not found", Some(3), ErrorKind::NotFound),
            (b"", None, ErrorKind::NotFound),
        ] {
            assert_eq!(of(404, body, "people", version).kind(), kind, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn texts_of_the_server_are_one_short_line() {
        let long = format!("a\nb\u{7}{}", "x".repeat(600));
        let detail = detail(long.as_bytes()).unwrap();
        assert!(detail.starts_with("a b x") && detail.len() <= LONGEST && !detail.contains('\n'));
        assert_eq!(super::detail(b"<html>"), Some("an HTML page, not an answer of a LanceDB server".to_owned()));
        assert_eq!(super::detail(b""), None);
        assert!(is_namespace_error(br#"{"error":"x","code":4}"#) && !is_namespace_error(b"not found"));
    }
}
