//! The one place that decides what of a request may be printed.

use std::borrow::Cow;

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
    fn a_request_id_is_one_short_line() {
        let id = request_id(|name| (name == "x-correlation-id").then_some("a\tb"));
        assert_eq!(id.as_deref(), Some("a b"));
        let long = "x".repeat(500);
        assert_eq!(request_id(|_| Some(&long)).map(|id| id.chars().count()), Some(129));
    }
}
