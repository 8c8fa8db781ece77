//! The one place that decides what of a request may be printed.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;
use url::Url;

/// Scheme, authority and path: no user, password, query or fragment.
pub(super) fn url(url: &Url) -> String {
    format!("{}{}", origin(url), url.path())
}

/// Scheme and authority.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Header names under which servers and gateways hand out the id of a request.
const REQUEST_ID_HEADERS: &[&str] =
    &["x-request-id", "request-id", "x-correlation-id", "x-ms-request-id", "x-amzn-requestid", "x-amz-request-id"];

/// The server's id of the request, cut and cleaned: what its operator needs to find it in the logs.
pub(super) fn request_id<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Option<String> {
    REQUEST_ID_HEADERS
        .iter()
        .find_map(|name| header(name))
        .map(|id| text(id, 128).into_owned())
        .filter(|id| !id.is_empty())
}

/// Shorter texts are words that may stand anywhere.
const SHORTEST_SECRET: usize = 6;

/// The body of an error without the secrets that were sent: some servers repeat the headers of a request.
pub(crate) fn without_secrets<'a>(body: Bytes, secrets: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
    secrets.into_iter().fold(body, |body, secret| {
        // The scheme before it, as in `Bearer …`, is no part of it.
        let secret = secret.iter().position(|b| *b == b' ').map_or(secret, |space| &secret[space + 1..]);
        if secret.len() < SHORTEST_SECRET || memmem::find(&body, secret).is_none() {
            return body;
        }
        let mut clean = Vec::with_capacity(body.len());
        let mut from = 0;
        for at in memmem::find_iter(&body, secret) {
            clean.extend_from_slice(&body[from..at]);
            clean.extend_from_slice(b"****");
            from = at + secret.len();
        }
        clean.extend_from_slice(&body[from..]);
        clean.into()
    })
}

/// Text of a server for a message: one line, printable, at most `max` characters.
pub(super) fn text(text: &str, max: usize) -> Cow<'_, str> {
    let bad = |c: char| c.is_control() || c == '\u{feff}';
    if text.len() <= max && !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let clean = text.chars().map(|c| if bad(c) { ' ' } else { c });
    let mut out: String = clean.clone().take(max).collect();
    if clean.count() > max {
        out.push('…');
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_shows_neither_user_nor_query_nor_fragment() {
        let secret = Url::parse("https://MARKER:MARKER@h.example:8443/fhir/Patient?name=MARKER#MARKER").unwrap();
        assert_eq!(url(&secret), "https://h.example:8443/fhir/Patient");
    }

    #[test]
    fn what_a_server_repeats_of_a_secret_is_blotted_out() {
        let body =
            Bytes::from_static(b"{\"authorization\": \"Bearer MARKER-1\", \"x-api-key\": \"MARKER-2\"} MARKER-1");
        let clean = without_secrets(body.clone(), [&b"Bearer MARKER-1"[..], b"MARKER-2", b"key"]);
        assert_eq!(clean, &b"{\"authorization\": \"Bearer ****\", \"x-api-key\": \"****\"} ****"[..]);
        assert_eq!(without_secrets(body.clone(), [&b"another"[..]]), body);
    }

    #[test]
    fn a_request_id_is_one_short_line() {
        let id = request_id(|name| (name == "x-correlation-id").then_some("a\tb"));
        assert_eq!(id.as_deref(), Some("a b"));
        let long = "x".repeat(500);
        assert_eq!(request_id(|_| Some(&long)).map(|id| id.chars().count()), Some(129));
    }
}
