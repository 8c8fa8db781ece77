//! An answer as a page, or why it is none.

use std::borrow::Cow;

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
    pub(super) text: String,
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
        serde_json::from_str::<serde::de::IgnoredAny>(&self.text).is_ok()
    }

    /// Reads an answer as far as its first entry.
    pub(super) fn open(reply: Reply) -> Result<Answer, Unusable> {
        let Reply { status, date, url, content_type, body } = reply;
        let refused = Reply::REFUSED.contains(&status);
        let first = body.iter().find(|b| !b.is_ascii_whitespace()).copied();
        if !refused && !matches!(first, Some(b'{' | 0xef)) {
            return Err(Unusable::Whole(not_fhir(status, content_type.as_deref(), body.len())));
        }
        let text = String::from_utf8(Vec::from(body)).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            Unusable::Whole(Error::new(ErrorKind::Protocol, "the answer is not UTF-8").with("byte", at))
        });
        let mut answer = Answer { status, date, url, text: String::new(), next: None, own: None, total: None };
        match text {
            Ok(text) => answer.text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text),
            Err(_) if refused => {}
            Err(unusable) => return Err(unusable),
        }
        if !refused {
            let page = Page::open(&answer.text).map(|page| {
                let text = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
                (text(page.next), text(page.own), page.total)
            });
            match page {
                Ok((next, own, total)) => (answer.next, answer.own, answer.total) = (next, own, total),
                Err(error) if answer.is_whole() => return Err(Unusable::Whole(error)),
                Err(error) => return Err(Unusable::Cut(error)),
            }
        }
        Ok(answer)
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

fn not_fhir(status: u16, content_type: Option<&str>, bytes: usize) -> Error {
    Error::new(ErrorKind::Protocol, "the answer is not FHIR JSON")
            .with("status", status)
        .with("content_type", shown_content_type(content_type))
        .with("bytes", bytes)
        .help("check that 'base_url' is the root of a FHIR R4 server and that no login page or proxy answers in its place")
}
