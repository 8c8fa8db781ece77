//! What clients asked for: the request log and its counters.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::server::{Reply, Request};

const KEPT: usize = 100_000;

/// One answered request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The HTTP method.
    pub method: String,
    /// The path, percent-encoded as it came.
    pub path: String,
    /// The query parameters, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The `Host` header.
    pub host: String,
    /// All request headers, names in lower case. Secrets in them are the test's own.
    pub headers: Vec<(String, String)>,
    /// The status of the reply.
    pub status: u16,
    /// Bytes of the reply's body.
    pub bytes: u64,
    /// The fault that was played, if any.
    pub fault: Option<String>,
}

impl Exchange {
    /// The first value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a request header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Sums over all requests since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Answered requests.
    pub requests: u64,
    /// Bytes of reply bodies.
    pub bytes: u64,
    /// Requests by path.
    pub by_path: BTreeMap<String, u64>,
    /// Replies by status.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests that carried `Authorization`, by `Host`.
    pub authorized_by_host: BTreeMap<String, u64>,
    /// How often each query parameter was seen, by name.
    pub parameters: BTreeMap<String, u64>,
}

/// The request log of one server: the last 100,000 exchanges and counters over all.
#[derive(Debug, Default)]
pub struct Journal(Mutex<(Counters, VecDeque<Exchange>)>);

impl Journal {
    /// The counters so far.
    pub fn counters(&self) -> Counters {
        self.lock().0.clone()
    }

    /// The exchanges so far, oldest first.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.lock().1.iter().cloned().collect()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.lock() = Default::default();
    }

    pub(crate) fn record(&self, request: &Request, reply: &Reply, fault: Option<String>) {
        let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let exchange = Exchange {
            method: request.method.to_string(),
            path: request.path.clone(),
            query: request.parameters(),
            host: request.header("host").unwrap_or_default().to_owned(),
            headers: request.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            status: reply.status,
            bytes: reply.body.len() as u64,
            fault,
        };
        let mut inner = self.lock();
        let (counters, log) = &mut *inner;
        counters.requests += 1;
        counters.bytes += exchange.bytes;
        *counters.by_path.entry(exchange.path.clone()).or_default() += 1;
        *counters.by_status.entry(exchange.status).or_default() += 1;
        if exchange.header("authorization").is_some() {
            *counters.authorized_by_host.entry(exchange.host.clone()).or_default() += 1;
        }
        for (name, _) in &exchange.query {
            *counters.parameters.entry(name.clone()).or_default() += 1;
        }
        if log.len() == KEPT {
            log.pop_front();
        }
        log.push_back(exchange);
    }

    fn lock(&self) -> MutexGuard<'_, (Counters, VecDeque<Exchange>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
