//! One call of the API, top-level or inside a batch: its path, its parameters, and how to answer it.

use std::borrow::Cow;

use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};

use super::guid::Guid;
use super::{
    config::Config,
    select::Selection,
    ticks::Ticks,
    webid::{Kind, Spelling, WebId, encode},
};
use crate::server::Reply;

pub(crate) const JSON: &str = "application/json; charset=utf-8";

/// A call to a route below the base path.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    /// The decoded segments of the path below the base, none empty.
    pub(crate) path: Vec<String>,
    /// The decoded query parameters, in order.
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) body: &'a [u8],
    pub(crate) config: &'a Config,
    /// The base URL, for links; no trailing slash.
    pub(crate) base: &'a str,
    /// The server's time when the request came.
    pub(crate) now: Ticks,
}

/// Why a call is not answered with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: String,
    /// A page of a proxy instead of an error body.
    pub(crate) html: bool,
}

/// What a route gives: a reply or a refusal.
pub(crate) type Answer = Result<Reply, Refusal>;

impl Refusal {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), html: false }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    pub(crate) fn absent(message: impl Into<String>) -> Self {
        Self::new(404, message)
    }

    /// The same as an object with `Errors`.
    pub(crate) fn body(&self) -> Value {
        json!({ "Errors": [self.message] })
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        if refusal.html {
            let page =
                format!("<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>", refusal.message);
            return Self::new(refusal.status, "text/html", page);
        }
        Self::new(refusal.status, JSON, refusal.body().to_string())
    }
}

impl<'a> Call<'a> {
    /// The segments of the path, to match on.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// Refuses every method but GET with 405.
    pub(crate) fn only_get(&self) -> Result<(), Refusal> {
        self.only(&Method::GET)
    }

    /// Refuses every method but this with 405.
    pub(crate) fn only(&self, method: &Method) -> Result<(), Refusal> {
        if self.method == method {
            return Ok(());
        }
        Err(Refusal::new(405, format!("The requested resource does not support http method '{}'.", self.method)))
    }

    /// The first value of a parameter; names ignore case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter unless it is absent or empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// All values of a repeated parameter.
    pub(crate) fn all<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b str> {
        self.parameters.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that must be there.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.filled(name).ok_or_else(|| Refusal::bad(format!("The parameter '{name}' is required.")))
    }

    /// A whole number, or `default` when it is absent.
    pub(crate) fn count(&self, name: &str, default: usize) -> Result<usize, Refusal> {
        let Some(text) = self.filled(name) else { return Ok(default) };
        let number = text.parse::<i64>().ok().and_then(|number| i32::try_from(number).ok());
        let number = number.ok_or_else(|| Refusal::bad(format!("The value '{text}' is not valid for '{name}'.")))?;
        usize::try_from(number).map_err(|_| Refusal::bad(format!("Parameter '{name}' must not be negative.")))
    }

    /// A page size: `default` when it is absent, refused when 0 or above the server's cap.
    pub(crate) fn max_count(&self, default: usize) -> Result<usize, Refusal> {
        let count = self.count("maxCount", default)?;
        self.within_cap("maxCount", count)?;
        if count == 0 {
            return Err(Refusal::bad("Parameter 'maxCount' must be greater than zero."));
        }
        Ok(count)
    }

    /// Refuses more items than the server gives at once.
    pub(crate) fn within_cap(&self, name: &str, count: usize) -> Result<(), Refusal> {
        let cap = self.config.limits.max_items;
        if count > cap {
            return Err(Refusal::bad(format!("Parameter '{name}' is greater than the maximum allowed ({cap}).")));
        }
        Ok(())
    }

    /// `true` or `false` in any case, or `default` when it is absent.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, Refusal> {
        match self.filled(name) {
            None => Ok(default),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(Refusal::bad(format!("The value '{text}' is not valid for '{name}'."))),
        }
    }

    /// One of several words, compared without case; the first is the default.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<T, Refusal> {
        let wrong = |text: &str| Refusal::bad(format!("The value '{text}' is not valid for '{name}'."));
        match self.filled(name) {
            None => words.first().map(|(_, value)| *value).ok_or_else(|| wrong("")),
            Some(text) => {
                let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
                found.map(|(_, value)| *value).ok_or_else(|| wrong(text))
            }
        }
    }

    /// How WebIDs of the answer are spelled.
    pub(crate) fn spelling(&self) -> Result<Spelling, Refusal> {
        match self.filled("webIdType") {
            None => Ok(Spelling::Full),
            Some(text) => Spelling::parse(text)
                .ok_or_else(|| Refusal::bad(format!("The value '{text}' is not valid for 'webIdType'."))),
        }
    }

    /// A WebID of the answer.
    pub(crate) fn web_id(&self, kind: Kind, ids: &[Guid], number: Option<i32>, path: &str) -> String {
        encode(kind, self.spelling().unwrap_or_default(), ids, number, path)
    }

    /// A full URL below the base; the segments are joined as they are.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// What `selectedFields` leaves of an answer.
    pub(crate) fn selection(&self) -> Selection {
        Selection::parse(self.get("selectedFields").unwrap_or_default())
    }

    /// 200 with what `selectedFields` leaves of a value.
    pub(crate) fn ok(&self, value: Value) -> Answer {
        self.reply(200, value)
    }

    /// As [`ok`](Self::ok) with another status.
    pub(crate) fn reply(&self, status: u16, value: Value) -> Answer {
        self.spelling()?;
        Ok(json_reply(status, self.selection().of(value).to_string()))
    }
}

/// A reply with a JSON body.
pub(crate) fn json_reply(status: u16, body: impl Into<Bytes>) -> Reply {
    Reply::new(status, JSON, body)
}

/// The WebID that a request names.
///
/// # Errors
/// 400 when it is none.
pub(crate) fn read_web_id(text: &str) -> Result<WebId, Refusal> {
    WebId::parse(text).ok_or_else(|| Refusal::bad(format!("The specified WebID '{text}' is not valid.")))
}

/// The decoded segments of a percent-encoded path, or nothing when a segment is not UTF-8.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    let mut all = Vec::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        all.push(percent_decoded(segment)?.into_owned());
    }
    Some(all)
}

fn percent_decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}
