//! What servers answer when something is wrong, and what that means.
//!
//! The status alone does not tell: a filter that cannot be read is answered with 500.

use serde::Deserialize;

use crate::error::{Error, ErrorKind};

/// Longest text of the server in an error.
const LONGEST: usize = 200;

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
const TOO_LARGE: &[&str] = &["offset overflow", "Offset overflow", OVERFLOW];
/// That in our words.
const OVERFLOW: &str = "the answer is larger than the server can build";

/// What servers say of a request that they cannot do, and that in our words: theirs may hold values of rows, paths and code.
const CAUSES: &[(&str, &str)] = &[
    ("offset overflow", OVERFLOW),
    ("Offset overflow", OVERFLOW),
    ("Failed to deserialize", "the server does not read requests of this form: is 'dialect' right?"),
    ("No field named", "the table has no column of this name"),
    ("FieldNotFound", "the table has no column of this name"),
    ("Divide by zero", "a number is divided by zero"),
    ("Cannot cast", "a value does not fit the type that it is made or compared with"),
    ("Cast error", "a value does not fit the type that it is made or compared with"),
    ("cannot be cast", "a value does not fit the type that it is made or compared with"),
    ("Cannot infer common argument type", "a value does not fit the type that it is made or compared with"),
    ("Cannot automatically convert", "a value does not fit the type that it is made or compared with"),
    ("type mismatch", "a value does not fit the type that it is made or compared with"),
    ("inverted index", "words are found by a full-text index, which the columns do not have"),
    ("INVERTED", "words are found by a full-text index, which the columns do not have"),
    ("parsing statement", "the filter cannot be parsed"),
    ("ParserError", "the filter cannot be parsed"),
    ("could not convert to literal", "a value does not fit the type that it is made or compared with"),
    ("resolving filter", "the filter does not fit the table"),
    ("Error applying filter", "the filter cannot be applied to the rows"),
    ("does not support", "the distance is not one of vectors of this type: bytes have hamming, and floats all others"),
    ("the query vector is", "the server does not search vectors of this type by numbers"),
    ("dimension", "the vector is not as long as those of the column"),
    ("not supported", "the server does not support this"),
];

/// Whether a server that answers like this speaks the Namespace's dialect: its errors are JSON with a number.
pub(super) fn is_namespace_error(body: &[u8]) -> bool {
    written(body).is_some_and(|written| written.code.is_some())
}

/// Whether a refusal says that the request has another form than the server reads: that of the other dialect.
pub(super) fn is_other_form(status: u16, body: &[u8]) -> bool {
    let is_form = has(body, &["deserialize", "invalid type", "invalid length", "missing field"]);
    status == 400 && is_form && has(body, &["vector", "columns", "full_text_query"])
}

fn written(body: &[u8]) -> Option<Written> {
    serde_json::from_slice(body).ok()
}

/// What an error says, in one line: never a value of a row, a path of the server or a place in its code.
///
/// What servers say of a request that they cannot do (400 and 500) may repeat all of these. Of it only known causes are told.
pub(super) fn detail(status: u16, body: &[u8]) -> Option<String> {
    if body.trim_ascii_start().starts_with(b"<") {
        return Some("an HTML page, not an answer of a LanceDB server".to_owned());
    }
    let written = written(body);
    let code = written.as_ref().and_then(|written| written.code);
    if matches!(status, 400 | 500) {
        let cause = CAUSES.iter().find(|(theirs, _)| has(body, &[theirs]));
        return cause.map(|(_, ours)| (*ours).to_owned()).or(code.map(|code| format!("code {code} of the Namespace")));
    }
    let text = match written {
        Some(written) => written.error?,
        None => String::from_utf8(body.to_vec()).ok()?,
    };
    let line = without_quotes_and_paths(&text);
    (!line.is_empty()).then_some(line)
}

/// The text in one short line, with a mark for what stands in quotes, and for paths.
fn without_quotes_and_paths(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let is_word = shown.chars().next_back().is_some_and(char::is_alphanumeric);
        match c {
            '\'' if is_word => shown.push(c),
            '\'' | '"' | '`' => {
                shown.push('…');
                _ = rest.by_ref().find(|end| *end == c);
            }
            c if c.is_control() => shown.push(' '),
            c => shown.push(c),
        }
    }
    let words = shown.split_whitespace().map(|word| if word.contains(['/', '\\']) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(LONGEST).collect()
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
    match detail(status, body) {
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
        assert_eq!(error.get("detail"), Some("the table has no column of this name"));
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
    fn of_a_request_that_failed_only_the_cause_is_told() {
        let body = br#"{"error":"Execution { message: \"Cast error: Cannot cast string 'MARKER' to value of Int64 type, /MARKER/x.lance, /rustc/x.rs:1\"","code":18}"#;
        let cause = "a value does not fit the type that it is made or compared with";
        assert_eq!(detail(500, body).as_deref(), Some(cause));
        assert_eq!(detail(400, b"Cannot cast MARKER").as_deref(), Some(cause));
        assert_eq!(detail(500, br#"{"error":"MARKER","code":18}"#).as_deref(), Some("code 18 of the Namespace"));
        assert_eq!(detail(500, b"MARKER"), None);
        assert!(is_other_form(400, b"Failed to deserialize the JSON body: vector: invalid length 0"));
        assert!(!is_other_form(500, b"invalid type: vector") && !is_other_form(400, b"Duplicate column name"));
        let overflow = detail(500, b"Arrow error: Offset overflow error").unwrap();
        assert!(is_too_large(500, overflow.as_bytes()) && is_final(500, overflow.as_bytes()));
    }

    #[test]
    fn other_texts_of_the_server_are_one_short_line_without_quotes_and_paths() {
        let long = format!("a\nb\u{7}{}", "x".repeat(600));
        let line = detail(429, long.as_bytes()).unwrap();
        assert!(line.starts_with("a b x") && line.len() <= LONGEST && !line.contains('\n'));
        for (text, shown) in [
            ("Table 'MARKER x' wasn't found at /data/MARKER.lance", "Table … wasn't found at …"),
            ("see \"MARKER and the rest", "see …"),
            (r"C:\MARKER `MARKER`, gone", "… …, gone"),
        ] {
            assert_eq!(detail(404, text.as_bytes()).as_deref(), Some(shown));
        }
        assert_eq!(detail(403, b" <html>"), Some("an HTML page, not an answer of a LanceDB server".to_owned()));
        assert_eq!(detail(404, b""), None);
        assert!(is_namespace_error(br#"{"error":"x","code":4}"#) && !is_namespace_error(b"not found"));
    }
}
