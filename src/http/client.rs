//! The client: what it is asked for, and what it shares with its clones.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use reqwest::{Method, header::HeaderMap};
use url::Url;

use super::{
    auth::Auth,
    backoff::Delays,
    builder::{AnswerCheck, ErrorDetail, HttpClientBuilder, RefusalCheck},
    concurrency::Concurrency,
    connect::{Connections, connect},
    cookies::Cookies,
    links::LinkPolicy,
    pace::Pace,
    redact,
    repeats::Repeats,
    request::Request,
    settings::HttpSettings,
};
use crate::{
    clock::Clock,
    connector::{Activity, Retrying},
    error::{Error, ErrorKind, Result},
    meter::Counters,
};

/// A client for one server. Cheap to clone; clones share connections, limits, credentials and counters.
#[derive(Clone)]
pub struct HttpClient {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) http: reqwest::Client,
    pub(super) base: Url,
    pub(super) auth: Auth,
    pub(super) links: LinkPolicy,
    pub(super) settings: HttpSettings,
    pub(super) extra_headers: HeaderMap,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) error_detail: Option<ErrorDetail>,
    pub(super) answer_check: Option<AnswerCheck>,
    pub(super) refusal_check: Option<RefusalCheck>,
    pub(super) counters: Arc<Counters>,
    pub(super) repeats: Arc<Repeats>,
    pub(super) pace: Option<Pace>,
    /// Kept where that is asked for.
    pub(super) cookies: Option<Cookies>,
    pub(super) slots: Arc<Concurrency>,
    /// Apart, so that requests waiting for a token do not keep its request from being sent.
    pub(super) token_slots: Arc<Concurrency>,
    pub(super) jitter: Mutex<fastrand::Rng>,
    pub(super) user_agent: String,
}

impl HttpClient {
    /// Begins a client for the server at `base`. A trailing slash makes no difference.
    pub fn builder(base: Url) -> HttpClientBuilder {
        HttpClientBuilder::new(base)
    }

    /// The server's address; its path ends with `/`.
    pub fn base(&self) -> &Url {
        &self.inner.base
    }

    /// Asks for something. `target` is a path below the base (`"Patient/1?_format=json"`) or an address, which must be
    /// one that [`HttpClient::resolve_link`] would allow.
    pub fn get(&self, target: impl Into<Target>) -> Request {
        self.request(Method::GET, target)
    }

    /// Asks for the headers only.
    pub fn head(&self, target: impl Into<Target>) -> Request {
        self.request(Method::HEAD, target)
    }

    /// Sends something; not sent twice unless marked [`idempotent`](Request::idempotent).
    pub fn post(&self, target: impl Into<Target>) -> Request {
        self.request(Method::POST, target)
    }

    /// Sends a form; not sent twice unless marked [`idempotent`](Request::idempotent).
    pub fn post_form(&self, target: impl Into<Target>, pairs: &[(&str, &str)]) -> Request {
        self.post(target).form(pairs)
    }

    /// Removes something.
    pub fn delete(&self, target: impl Into<Target>) -> Request {
        self.request(Method::DELETE, target)
    }

    fn request(&self, method: Method, target: impl Into<Target>) -> Request {
        let url = match target.into().0 {
            Place::Url(url) => self.inner.links.admit(url),
            Place::Path(path) => self.inner.below_base(&path),
        };
        Request::new(self.clone(), method, url)
    }

    /// The address of a path below the base, each segment encoded: a name with slashes stays one name.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for a segment that no address can hold: `.` or `..`.
    pub fn url(&self, segments: &[&str]) -> Result<Url> {
        let unusable = || Error::new(ErrorKind::Config, "a name of dots cannot be part of an address");
        let mut url = self.inner.base.clone();
        let mut path = url.path_segments_mut().map_err(|()| unusable())?;
        path.pop_if_empty();
        for segment in segments {
            if matches!(*segment, "." | "..") {
                return Err(unusable());
            }
            path.push(segment);
        }
        drop(path);
        Ok(url)
    }

    /// The address that a link in the server's answer stands for, if it may be followed.
    ///
    /// Relative links are relative to the base address, and a leading `/` keeps the base's path: under
    /// `https://host/fhir` both `/Patient` and `/fhir/Patient` are `https://host/fhir/Patient`.
    ///
    /// # Errors
    /// [`Protocol`](ErrorKind::Protocol) naming both hosts when the link leaves the server and neither
    /// `allowed_link_hosts` nor `rewrite_link_host` covers it; for local and cloud metadata addresses, steps from https to
    /// http, relative links that climb above the base, and links over 64 KiB.
    pub fn resolve_link(&self, link: &str) -> Result<Url> {
        self.inner.links.resolve(None, link)
    }

    /// As [`HttpClient::resolve_link`]; a link that is only a query (`?page=2`) keeps the path of `current`.
    ///
    /// # Errors
    /// As [`HttpClient::resolve_link`].
    pub fn resolve_link_from(&self, current: &Url, link: &str) -> Result<Url> {
        self.inner.links.resolve(Some(current), link)
    }

    /// How long to wait before asking again for parts of an answer that failed, as this client's limits allow.
    pub fn retries(&self) -> Retries {
        let settings = &self.inner.settings;
        Retries {
            delays: Delays::new(self.inner.jitter()),
            left: settings.max_retries,
            total: settings.retry_total,
            counters: Arc::clone(&self.inner.counters),
            round: self.inner.slots.round(),
            slots: Arc::clone(&self.inner.slots),
        }
    }

    /// The most requests under way at a time: more work than this prepared ahead is of no use.
    pub fn max_concurrency(&self) -> usize {
        self.inner.settings.max_concurrency
    }

    /// What this client and its clones have done so far.
    pub fn activity(&self) -> Activity {
        self.inner.counters.read()
    }

    /// The request of this client and its clones that waits for its next try; of several the one tried most often.
    pub fn retrying(&self) -> Option<Retrying> {
        self.inner.repeats.most()
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient")
            .field("base", &redact::url(&self.inner.base))
            .field("auth", &self.inner.auth)
            .field("settings", &self.inner.settings)
            .finish_non_exhaustive()
    }
}

impl Inner {
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(super) fn jitter(&self) -> fastrand::Rng {
        self.jitter.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }

    /// A client beside the shared one, with a connection to itself.
    pub(super) fn one_connection(&self) -> Result<reqwest::Client> {
        connect(&self.settings, &self.base, &self.user_agent, Connections::One)
    }

    fn below_base(&self, path: &str) -> Result<Url> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let mut url = self.base.clone();
        url.set_path(&format!("{}{}", self.base.path(), path.trim_start_matches('/')));
        url.set_query(query);
        if url.path().starts_with(self.base.path()) {
            return Ok(url);
        }
        Err(Error::new(ErrorKind::Internal, "a request path climbs above the base address"))
    }
}

/// The waits before further tries of something that failed in part: of a batch, the requests inside that did not answer.
///
/// Pass each to [`Request::after`](super::Request::after); nobody sleeps.
pub struct Retries {
    delays: Delays,
    left: u32,
    /// Waits that may still be spent, in sum.
    total: Duration,
    counters: Arc<Counters>,
    slots: Arc<Concurrency>,
    round: u64,
}

impl Retries {
    /// The next wait; `None` when tries or time are spent.
    pub fn next_wait(&mut self) -> Option<Duration> {
        self.left = self.left.checked_sub(1)?;
        let wait = self.delays.next(None);
        self.total = self.total.checked_sub(wait)?;
        self.counters.retry();
        Some(wait)
    }

    /// Says that the server refused parts of an answer because it is busy: from now on half as many requests are under way as
    /// before. Whatever says so of the same time halves it once.
    pub fn busy(&mut self) {
        self.slots.overloaded(self.round);
        self.round = self.slots.round();
    }
}

impl fmt::Debug for Retries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retries").field("left", &self.left).field("total", &self.total).finish_non_exhaustive()
    }
}

/// Where a request goes: a path below the base address, or an address.
#[derive(Clone, Debug)]
pub struct Target(Place);

#[derive(Clone, Debug)]
enum Place {
    Path(String),
    Url(Url),
}

impl From<&str> for Target {
    fn from(path: &str) -> Self {
        Self(Place::Path(path.to_owned()))
    }
}

impl From<String> for Target {
    fn from(path: String) -> Self {
        Self(Place::Path(path))
    }
}

impl From<Url> for Target {
    fn from(url: Url) -> Self {
        Self(Place::Url(url))
    }
}

impl From<&Url> for Target {
    fn from(url: &Url) -> Self {
        Self(Place::Url(url.clone()))
    }
}
