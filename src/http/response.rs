//! Answers: whole, or as a stream.

use std::{fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use futures::stream::{self, Stream};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use url::Url;

use super::{redact, retry_after, run::Head};
use crate::error::{Error, ErrorKind, Result, Retry};

/// The answer to a request, body included. `Debug` shows no body and no header.
pub struct Response {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) url: Url,
    pub(super) body: Bytes,
    pub(super) elapsed: Duration,
    pub(super) received: DateTime<Utc>,
}

impl Response {
    /// The status: 200 to 299, or one that was accepted.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The address that answered, after redirects.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The first header of that name, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        text_header(&self.headers, name)
    }

    /// The whole body, decompressed.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The whole body, decompressed, without a copy.
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// The body as JSON of a known form; for pages of rows use `decode` instead.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol), naming the content type but never the content.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|e| {
            Error::new(ErrorKind::Protocol, "the server's answer is not the expected JSON")
                .with("url", redact::url(&self.url))
                .with("status", self.status)
                .with("content_type", redact::text(self.header("content-type").unwrap_or("none"), 100))
                .with("line", e.line())
                .with("column", e.column())
                .help("is base_url right? a login page or a proxy may have answered")
        })
    }

    /// Time from sending the request to the end of the body, waits between tries not counted.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The server's clock (`Date`) when it answered.
    pub fn date(&self) -> Option<DateTime<Utc>> {
        retry_after::parse_date(self.header(DATE.as_str())?)
    }

    /// The wait that the server asks for in `Retry-After`, as on an answer that says "not ready yet".
    pub fn retry_after(&self) -> Option<Duration> {
        asked_wait(&self.headers, self.received)
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.status)
            .field("url", &redact::url(&self.url))
            .field("bytes", &self.body.len())
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}

/// An answer whose body is read piece by piece: bulk files. It does not count towards `max_concurrency`, so that requests
/// made while it is read never wait for it.
pub struct BodyStream {
    head: Head,
}

impl BodyStream {
    pub(super) fn new(head: Head) -> Self {
        Self { head }
    }

    /// The status: 200 to 299, or one that was accepted.
    pub fn status(&self) -> u16 {
        self.head.response.status().as_u16()
    }

    /// The first header of that name, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        text_header(self.head.response.headers(), name)
    }

    /// The next piece of the decompressed body; `None` at its end.
    ///
    /// # Errors
    /// [`Unavailable`](ErrorKind::Unavailable) and worth a new request when the body breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let piece = self.head.response.chunk().await.map_err(|e| {
            Error::new(ErrorKind::Unavailable, "the server's answer broke off")
                .with("url", redact::url(&self.head.url))
                .retryable(Retry::Later(None))
                .caused_by(e.without_url())
        })?;
        if let Some(piece) = &piece {
            self.head.counters.received(piece.len());
        }
        Ok(piece)
    }

    /// The body as a stream of pieces; it ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes>> + Send {
        stream::unfold(Some(self), |body| async {
            let mut body = body?;
            match body.chunk().await {
                Ok(Some(piece)) => Some((Ok(piece), Some(body))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}

impl fmt::Debug for BodyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyStream")
            .field("status", &self.status())
            .field("url", &redact::url(&self.head.url))
            .finish_non_exhaustive()
    }
}

/// Why a body could not be had.
pub(super) enum BodyFault {
    Broken(reqwest::Error),
    /// It says itself that it is an error.
    Faulty(String),
    TooLarge,
}

/// The whole body, or nothing of it.
pub(super) async fn read_whole(head: &mut Head, limit: u64) -> Result<Bytes, BodyFault> {
    let announced = head.response.content_length().unwrap_or(0);
    if announced > limit {
        return Err(BodyFault::TooLarge);
    }
    let Some(first) = next(head).await? else { return Ok(Bytes::new()) };
    let Some(second) = next(head).await? else { return within(first, limit) };
    // What a server announces is only believed up to a point.
    let announced = usize::try_from(announced).unwrap_or(0).min(64 << 20);
    let mut body = BytesMut::with_capacity(announced.max(first.len() + second.len()));
    body.extend_from_slice(&first);
    body.extend_from_slice(&second);
    while let Some(piece) = next(head).await? {
        if (body.len() + piece.len()) as u64 > limit {
            return Err(BodyFault::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    within(body.freeze(), limit)
}

async fn next(head: &mut Head) -> Result<Option<Bytes>, BodyFault> {
    let piece = head.response.chunk().await.map_err(BodyFault::Broken)?;
    if let Some(piece) = &piece {
        head.counters.received(piece.len());
    }
    Ok(piece)
}

fn within(body: Bytes, limit: u64) -> Result<Bytes, BodyFault> {
    if body.len() as u64 > limit { Err(BodyFault::TooLarge) } else { Ok(body) }
}

pub(super) fn text_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// `Retry-After`, a date in it seen from the server's own clock where that is known.
pub(super) fn asked_wait(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let server_now = text_header(headers, DATE.as_str()).and_then(retry_after::parse_date);
    retry_after::parse(text_header(headers, RETRY_AFTER.as_str())?, server_now.unwrap_or(now))
}
