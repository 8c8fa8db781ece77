//! An answer as a page, or why it is none.

use std::borrow::Cow;

use bytes::{Buf, Bytes};
use chrono::{DateTime, Utc};
use url::Url;

use super::{bundle::Page, wire::Reply};
use crate::error::{Error, ErrorKind, Result};

/// An answer: a Bundle as far as its first entry, or a refusal.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) date: Option<DateTime<Utc>>,
    /// Where it came from; links are relative to this.
    pub(super) url: Url,
    /// Without a byte order mark.
    pub(super) body: Bytes,
    /// The link to the next page, as the server wrote it.
    pub(super) next: Option<String>,
    /// The link to the search as the server understood it.
    pub(super) own: Option<String>,
    pub(super) total: Option<u64>,
}

impl Answer {
    pub(super) fn is_refused(&self) -> bool {
        Reply::REFUSED.contains(&self.status)
    }

    /// Whether it is JSON to its end.
    pub(super) fn is_whole(&self) -> bool {
        serde_json::from_slice::<serde::de::IgnoredAny>(&self.body).is_ok()
    }

    /// The body as text.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) when it is not UTF-8.
    pub(super) fn text(&self) -> Result<&str> {
        simdutf8::compat::from_utf8(&self.body)
            .map_err(|e| Error::new(ErrorKind::Protocol, "the answer is not UTF-8").with("byte", e.valid_up_to()))
    }

    /// Reads an answer as far as its first entry.
    pub(super) fn open(reply: Reply) -> Result<Answer, Unusable> {
        let Reply { status, date, url, content_type, mut body } = reply;
        let first = body.iter().find(|b| !b.is_ascii_whitespace()).copied();
        let is_refused = Reply::REFUSED.contains(&status);
        if !is_refused && !matches!(first, Some(b'{' | 0xef)) {
            return Err(Unusable::Whole(not_fhir(status, content_type.as_deref(), body.len())));
        }
        if body.starts_with("\u{feff}".as_bytes()) {
            body.advance("\u{feff}".len());
        }
        let mut answer = Answer { status, date, url, body, next: None, own: None, total: None };
        if is_refused {
            return Ok(answer);
        }
        let found = match answer.head().and_then(|head| Page::open(head).ok()).filter(Page::stands_at_its_entries) {
            Some(page) => Ok(page),
            None => answer.text().and_then(Page::open),
        };
        let found = found.map(|page| {
            let text = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
            (text(page.next), text(page.own), page.total)
        });
        match found {
            Ok((next, own, total)) => (answer.next, answer.own, answer.total) = (next, own, total),
            Err(error) if answer.is_whole() => return Err(Unusable::Whole(error)),
            Err(error) => return Err(Unusable::Cut(error)),
        }
        Ok(answer)
    }

    /// The beginning of a long answer, where links stand before the entries: then the next page can be fetched before the
    /// whole text was looked at.
    fn head(&self) -> Option<&str> {
        const HEAD: usize = 4 << 10;
        let head = self.body.get(..HEAD)?;
        let valid = std::str::from_utf8(head).map_or_else(|e| e.valid_up_to(), str::len);
        head.get(..valid).and_then(|head| std::str::from_utf8(head).ok())
    }
}

/// Why an answer is no page.
pub(super) enum Unusable {
    /// It is cut off or broken, and may be whole the next time.
    Cut(Error),
    /// It is something else.
    Whole(Error),
}

/// A content type as far as it is one; anything else stays unsaid.
fn shown_content_type(content_type: Option<&str>) -> &str {
    let plain =
        |text: &&str| text.len() <= 60 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/+-.;= ".contains(&b));
    content_type.filter(plain).unwrap_or("none")
}

pub(super) fn not_fhir(status: u16, content_type: Option<&str>, bytes: usize) -> Error {
    Error::new(ErrorKind::Protocol, "the answer is not FHIR JSON")
            .with("status", status)
        .with("content_type", shown_content_type(content_type))
        .with("bytes", bytes)
        .help("check that 'base_url' is the root of a FHIR R4 server and that no login page or proxy answers in its place")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(body: &[u8]) -> Result<Answer, Unusable> {
        let url = Url::parse("http://server/fhir").unwrap();
        Answer::open(Reply { status: 200, date: None, url, content_type: None, body: Bytes::copy_from_slice(body) })
    }

    #[test]
    fn a_page_that_is_cut_off_may_be_whole_the_next_time_wherever_the_cut_is() {
        let whole = r#"{"resourceType":"Bundle","entry":[{"resource":{"id":"Žofie 王"}}],"link":[]}"#;
        assert!(open(whole.as_bytes()).is_ok());
        for end in 1..whole.len() {
            assert!(matches!(open(&whole.as_bytes()[..end]), Err(Unusable::Cut(_))), "cut at {end}");
        }
    }

    #[test]
    fn text_in_another_encoding_stays_no_page() {
        let latin = b"{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"id\":\"\xe9\"}}],\"link\":[]}";
        assert!(matches!(open(latin), Err(Unusable::Whole(_))));
    }
}
