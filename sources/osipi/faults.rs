//! What PI Web API answers when something is wrong: errors by status, and errors inside answers that look good.

use memchr::memmem;

use crate::{
    decode::{Kind, Scanner},
    error::{Error, ErrorKind, Result, Retry},
};

/// Longest text of the server in an error.
const LONGEST: usize = 500;

/// What a body with a good status reports as an error of the whole answer, if it does.
///
/// The server breaks off in mid-answer with a `WebException`; proxies and old releases answer `Errors` with 200. A timed
/// value has `Errors` of its own, which are objects and belong to the value.
pub(super) fn in_answer(body: &[u8]) -> Option<String> {
    if memmem::find(body, b"\"WebException\"").is_none() && memmem::find(body, b"\"Errors\"").is_none() {
        return None;
    }
    // Text that is not JSON is for the reader of the answer to refuse.
    find_fault(Scanner::from_utf8(body).ok()?).ok().flatten()
}

fn find_fault(mut s: Scanner) -> Result<Option<String>> {
    if s.peek()? != Kind::Object {
        return Ok(None);
    }
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        match (&*key, s.peek()?) {
            ("WebException", Kind::Object) => return Ok(Some(web_exception(&mut s)?)),
            ("Errors", Kind::Array) => {
                let texts = texts(&mut s)?;
                if !texts.is_empty() {
                    return Ok(Some(shortened(&texts.join("; "))));
                }
            }
            _ => s.skip_value()?,
        }
    }
    Ok(None)
}

/// Status and texts of a `WebException`.
fn web_exception(s: &mut Scanner) -> Result<String> {
    let mut said = String::from("WebException");
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        match (&*key, s.peek()?) {
            ("StatusCode", Kind::Number) => said = format!("{said} {}", s.number()?),
            ("Errors", Kind::Array) => said = format!("{said}: {}", texts(s)?.join("; ")),
            _ => s.skip_value()?,
        }
    }
    Ok(shortened(&said))
}

/// The texts in an array; what is no text is passed over.
fn texts(s: &mut Scanner) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    s.enter_array()?;
    while s.next_element()? {
        match s.peek()? {
            Kind::String => texts.push(s.string()?.into_owned()),
            _ => s.skip_value()?,
        }
    }
    Ok(texts)
}

/// What the body of an error says: `Errors`, `Message`, or a bare text.
pub(super) fn detail(body: &[u8]) -> Option<String> {
    let said = Scanner::from_utf8(body).ok().and_then(|s| said(s).ok().flatten());
    match said {
        Some(text) if !text.is_empty() && !looks_like_html(text.as_bytes()) => Some(shortened(&text)),
        said if looks_like_html(said.as_ref().map_or(body, |text| text.as_bytes())) => {
            Some("an HTML page, not an answer of the PI Web API".to_owned())
        }
        _ => None,
    }
}

fn said(mut s: Scanner) -> Result<Option<String>> {
    match s.peek()? {
        Kind::String => return Ok(Some(s.string()?.into_owned())),
        Kind::Object => s.enter_object()?,
        _ => return Ok(None),
    }
    let mut found = None;
    while let Some(key) = s.next_key()? {
        match (&*key, s.peek()?) {
            ("Errors", Kind::Array) => found = Some(texts(&mut s)?.join("; ")),
            ("WebException", Kind::Object) => found = Some(web_exception(&mut s)?),
            ("Message", Kind::String) => {
                let message = s.string()?.into_owned();
                found.get_or_insert(message);
            }
            _ => s.skip_value()?,
        }
    }
    Ok(found)
}

fn looks_like_html(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'<')
}

fn shortened(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

/// The cap that a refusal names: "Parameter 'maxCount' is greater than the maximum allowed (150000)."
pub(super) fn cap_in(detail: &str) -> Option<u32> {
    let (_, after) = detail.split_once("maximum allowed")?;
    let digits = after.trim_start_matches([' ', '(', ':']);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok().filter(|cap| *cap > 0)
}

/// The error that a status with this body is. `resource` is the path that was asked for, without its query.
pub(super) fn of_status(status: u16, body: &[u8], resource: &str) -> Error {
    let (kind, message, help): (_, _, &'static str) = match status {
        0 => (ErrorKind::Protocol, "the batch answer lacks this request", "run again; a proxy may have cut the answer"),
        200..=299 => (
            ErrorKind::Unavailable,
            "the server reports an error inside an answer that looks good",
            "run again later; if it stays so look at the server",
        ),
        400 => {
            (ErrorKind::Protocol, "the server refused the request", "check the option or WebID that the detail names")
        }
        401 => (ErrorKind::Auth, "the server did not accept the credentials for this object", "check the login"),
        403 => (
            ErrorKind::Permission,
            "the credentials do not allow to read this object",
            "grant the identity that this login is mapped to the right to read it, on the AF server or the Data Archive",
        ),
        404 | 410 => (
            ErrorKind::NotFound,
            "the server does not have this object",
            "is its name or WebID right, and was it not deleted?",
        ),
        409 | 501 => (
            ErrorKind::Unsupported,
            "the server cannot read this object in this way",
            "leave it out: its data reference or value type does not support this table. Name what is to be read by tag_webids, attribute_webids or nameFilter, or set on_tag_error=quarantine",
        ),
        429 => (
            ErrorKind::RateLimited,
            "the server asks for fewer requests",
            "lower requests_per_second or max_concurrency",
        ),
        _ if is_transient(status) => (
            ErrorKind::Unavailable,
            "the server, or a system behind it, cannot answer at the moment",
            "run again later",
        ),
        _ => (ErrorKind::Protocol, "the server refused the request", "look at the detail"),
    };
    let mut error = Error::new(kind, message).with("resource", resource);
    if status != 0 {
        error = error.with("status", status);
    }
    if let Some(detail) = detail(body) {
        error = error.with("detail", detail);
    }
    if is_transient(status) || status == 0 || status < 300 {
        error = error.retryable(Retry::Exhausted);
    }
    error.help(help)
}

/// Whether an error says that an object cannot be read in this way at all.
pub(super) fn is_unfit(error: &Error) -> bool {
    matches!(error.get("status"), Some("409" | "501"))
}

/// Whether the same request may succeed later.
pub(super) fn is_transient(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_an_answer_that_looks_good_is_found() {
        for (body, fault) in [
            (
                r#"{"Items":[],"WebException":{"StatusCode":502,"Errors":["archive gone"]}}"#,
                Some("WebException 502: archive gone"),
            ),
            (r#"{"Errors":["broke off","twice"]}"#, Some("broke off; twice")),
            (r#"{"Items":[],"WebException":null}"#, None),
            (r#"{"Items":[{"WebException":{"StatusCode":500}}]}"#, None),
            (
                r#"{"Timestamp":"2026-01-01T00:00:00Z","Value":null,"Errors":[{"FieldName":"Value","Message":["x"]}]}"#,
                None,
            ),
            (r#"{"Errors":null}"#, None),
            ("<html>\"Errors\"</html>", None),
            ("", None),
        ] {
            assert_eq!(in_answer(body.as_bytes()).as_deref(), fault, "{body}");
        }
    }

    #[test]
    fn what_an_error_says_is_told_and_pages_are_not_quoted() {
        assert_eq!(detail(br#"{"Errors":["a","b"]}"#).as_deref(), Some("a; b"));
        assert_eq!(detail(br#"{"Message":"no route"}"#).as_deref(), Some("no route"));
        assert_eq!(detail(br#""a bare text""#).as_deref(), Some("a bare text"));
        assert_eq!(detail(b" <html>secret</html>").as_deref(), Some("an HTML page, not an answer of the PI Web API"));
        assert_eq!((detail(b""), detail(b"{}"), detail(b"[1]")), (None, None, None));
    }

    #[test]
    fn the_cap_is_read_from_the_refusal() {
        let text = "Parameter 'maxCount' is greater than the maximum allowed (150000).";
        assert_eq!(cap_in(text), Some(150_000));
        assert_eq!((cap_in("maximum allowed (0)"), cap_in("something else (5)")), (None, None));
    }
}
