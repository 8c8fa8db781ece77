//! The PI Web API over HTTP: requests, and what this connection has learned about the server.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use bytes::Bytes;

use super::{auth::auth, batch::SubResponse, config::Connection, faults};
use crate::{
    error::{Error, ErrorKind, Result},
    http::{HttpClient, Request, Response},
    registry::Context,
};

/// Parameters of a request, in order; names may repeat.
pub(super) type Query = Vec<(&'static str, String)>;

/// A client of one PI Web API. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct PiClient {
    pub(super) http: HttpClient,
    learned: Arc<Learned>,
    log: bool,
    /// Whether the server is asked to look past its caches.
    past_caches: bool,
}

/// What the server has turned out to allow; 0 is unknown.
#[derive(Debug, Default)]
struct Learned {
    max_items: AtomicU32,
    batch_requests: AtomicUsize,
}

impl PiClient {
    /// A client for a connection. Nothing is sent.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for an address, certificate or credential that cannot be used.
    pub(super) fn new(connection: &Connection, context: &Context) -> Result<Self> {
        let base = connection.base_url().map_err(|problem| Error::new(ErrorKind::Config, problem))?;
        let http = HttpClient::builder(base.clone())
            .auth(auth(connection, &base, context)?)
            .settings(connection.http.clone())
            .clock(Arc::clone(&context.clock))
            .user_agent(connection.user_agent.as_ref().unwrap_or(&context.user_agent))
            .error_detail(|_, body| faults::detail(body))
            .answer_check(faults::in_answer)
            // Markers of the updates feed are known to one machine behind a balancer.
            .cookies()
            .build()?;
        Ok(Self { http, learned: Arc::default(), log: connection.debug_http, past_caches: false })
    }

    /// The same connection, whose answers hold what the archive holds now, and not what the server knew a while ago.
    pub(super) fn past_caches(&self) -> Self {
        Self { past_caches: true, ..self.clone() }
    }

    /// Headers that go with each request, also inside a batch.
    pub(super) fn headers(&self) -> Option<(&'static str, &'static str)> {
        self.past_caches.then_some(("Cache-Control", "no-cache"))
    }

    /// The answer to a GET of a path below the base address, as JSON text. `webIdType=IDOnly` is added.
    ///
    /// # Errors
    /// Those of the HTTP client; [`Protocol`](ErrorKind::Protocol) for an answer that is not JSON.
    pub(super) async fn get(&self, path: &str, query: &Query) -> Result<Bytes> {
        self.json(path, self.send(self.http.get(self.target(path, query))).await?)
    }

    /// As [`PiClient::get`], with a refusal (400) as an answer.
    ///
    /// # Errors
    /// As [`PiClient::get`].
    pub(super) async fn answer(&self, path: &str, query: &Query) -> Result<SubResponse> {
        let response = self.send(self.http.get(self.target(path, query)).accept_status(400)).await?;
        match response.status() {
            400 => Ok(SubResponse { status: 400, content: response.into_body() }),
            status => Ok(SubResponse { status, content: self.json(path, response)? }),
        }
    }

    /// As [`PiClient::get`] with `maxCount`: no more than the server is known to allow; when it names a lower cap, that is
    /// remembered and asked for. Gives the answer and the `maxCount` that it was made with.
    pub(super) async fn get_capped(&self, path: &str, query: &Query, wanted: u32) -> Result<(Bytes, u32)> {
        let mut tried = 0;
        loop {
            let count = self.page_size(wanted);
            let mut query = query.clone();
            query.push(("maxCount", count.to_string()));
            let request = self.http.get(self.target(path, &query)).accept_status(400);
            let response = self.send(request).await?;
            if response.status() != 400 {
                return Ok((self.json(path, response)?, count));
            }
            tried += 1;
            if tried > 2 || !self.learn_cap(response.body(), count) {
                return Err(faults::of_status(400, response.body(), path));
            }
        }
    }

    /// A request with the headers that PI Web API wants.
    pub(super) async fn send(&self, request: Request) -> Result<Response> {
        let request = request.header("accept", "application/json").header("x-requested-with", "lakeflow-connect");
        let request = self.headers().into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let response = request.send().await?;
        if self.log {
            let (path, ms) = (response.url().path(), response.elapsed().as_millis() as u64);
            tracing::info!(
                path,
                status = response.status(),
                elapsed_ms = ms,
                bytes = response.body().len(),
                "PI Web API"
            );
        }
        Ok(response)
    }

    fn json(&self, path: &str, response: Response) -> Result<Bytes> {
        let status = response.status();
        let body = response.into_body();
        match body.trim_ascii_start().first() {
            Some(b'{' | b'[') => Ok(body),
            first => {
                let message = match first {
                    None => "the server's answer is empty",
                    Some(b'<') => "the server answered with an HTML page, not with JSON",
                    Some(_) => "the server's answer is not JSON",
                };
                Err(Error::new(ErrorKind::Protocol, message)
                    .with("resource", path)
                    .with("status", status)
                    .help("is pi_base_url right? a login page or a proxy may have answered"))
            }
        }
    }

    /// Path and query of a request below the base address.
    pub(super) fn target(&self, path: &str, query: &Query) -> String {
        let mut target = path.to_owned();
        let mut separator = if path.contains('?') { '&' } else { '?' };
        for (name, value) in query.iter().map(|(name, value)| (*name, value.as_str())).chain([("webIdType", "IDOnly")])
        {
            target.push(separator);
            target.push_str(name);
            target.push('=');
            encode(&mut target, value);
            separator = '&';
        }
        target
    }

    /// The largest `maxCount` that the server is known to allow, up to `wanted`.
    pub(super) fn page_size(&self, wanted: u32) -> u32 {
        match self.learned.max_items.load(Ordering::Relaxed) {
            0 => wanted,
            cap => wanted.min(cap),
        }
    }

    /// Remembers the cap that a refusal names; whether it is lower than what was asked for.
    pub(super) fn learn_cap(&self, refusal: &[u8], asked: u32) -> bool {
        let cap = faults::detail(refusal).as_deref().and_then(faults::cap_in).filter(|cap| *cap < asked);
        if let Some(cap) = cap {
            tracing::debug!(cap, asked, "the server allows fewer items at a time");
            self.learned.max_items.store(cap, Ordering::Relaxed);
        }
        cap.is_some()
    }

    /// The cap on items at a time, where the server has named one.
    pub(super) fn item_cap(&self) -> Option<u32> {
        Some(self.learned.max_items.load(Ordering::Relaxed)).filter(|cap| *cap > 0)
    }

    /// How many requests one batch may hold, where that has been found out.
    pub(super) fn batch_cap(&self) -> Option<usize> {
        Some(self.learned.batch_requests.load(Ordering::Relaxed)).filter(|cap| *cap > 0)
    }

    pub(super) fn learn_batch_cap(&self, requests: usize) {
        tracing::debug!(requests, "the server takes fewer requests in a batch");
        self.learned.batch_requests.store(requests, Ordering::Relaxed);
    }
}

/// Appends a value percent-encoded: all but letters, digits and `-._~`.
pub(super) fn encode(target: &mut String, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => target.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => _ = write!(target, "%{byte:02X}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    #[test]
    fn requests_spell_out_what_urls_reserve() {
        let options = Options::new().with("pi_base_url", "http://127.0.0.1").with("auth_type", "anonymous");
        let client = PiClient::new(&Connection::parse(&options).unwrap(), &Context::new()).unwrap();
        let query = vec![("nameFilter", "a*b c".to_owned()), ("selectedFields", "Items.WebId;Links".to_owned())];
        assert_eq!(
            client.target("dataservers", &query),
            "dataservers?nameFilter=a%2Ab%20c&selectedFields=Items.WebId%3BLinks&webIdType=IDOnly"
        );
    }
}
