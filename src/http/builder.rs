//! How a client is made.

use std::sync::{Arc, Mutex};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::{
    auth::Auth,
    client::{HttpClient, Inner},
    concurrency::Concurrency,
    connect::{Connections, connect},
    cookies::Cookies,
    links::{LinkPolicy, checked_base},
    pace::Pace,
    settings::HttpSettings,
};
use crate::{
    clock::{Clock, SystemClock},
    error::{Error, ErrorKind, Result},
};

/// Makes a safe summary of an error's status and body, for the message: codes and texts of the protocol, never data.
pub type ErrorDetail = fn(u16, &[u8]) -> Option<String>;

/// Finds out whether the body of an answer with a good status reports an error all the same, and sums that up safely.
pub type AnswerCheck = fn(&[u8]) -> Option<String>;

/// Whether a bad status and its body say that the request is at fault, so that repeating it is of no use.
pub type RefusalCheck = fn(u16, &[u8]) -> bool;

/// Makes an [`HttpClient`].
#[derive(Debug)]
#[must_use = "call build()"]
pub struct HttpClientBuilder {
    base: Url,
    auth: Auth,
    settings: HttpSettings,
    clock: Arc<dyn Clock>,
    user_agent: String,
    error_detail: Option<ErrorDetail>,
    answer_check: Option<AnswerCheck>,
    refusal_check: Option<RefusalCheck>,
    cookies: bool,
    jitter: fastrand::Rng,
}

impl HttpClientBuilder {
    pub(super) fn new(base: Url) -> Self {
        Self {
            base,
            auth: Auth::none(),
            settings: HttpSettings::default(),
            clock: Arc::new(SystemClock),
            user_agent: concat!("lakeflow-connect/", env!("CARGO_PKG_VERSION")).to_owned(),
            error_detail: None,
            answer_check: None,
            refusal_check: None,
            cookies: false,
            jitter: fastrand::Rng::new(),
        }
    }

    /// Sets the credentials; none when not called.
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Sets limits, TLS and links; the defaults of [`HTTP_OPTIONS`](super::HTTP_OPTIONS) when not called.
    pub fn settings(mut self, settings: HttpSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets the clock that is waited on; the machine's when not called.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets `User-Agent`.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Sets how the body of an error is summed up; without it, bodies of errors are not shown at all.
    pub fn error_detail(mut self, detail: ErrorDetail) -> Self {
        self.error_detail = Some(detail);
        self
    }

    /// Sets how a good status is doubted: an answer that this finds to be an error is asked for again, where that is
    /// safe, and then is an error. Whole bodies only.
    pub fn answer_check(mut self, check: AnswerCheck) -> Self {
        self.answer_check = Some(check);
        self
    }

    /// Sets how a bad status is doubted: servers answer requests that they cannot read with 500, which is repeated otherwise.
    pub fn refusal_check(mut self, check: RefusalCheck) -> Self {
        self.refusal_check = Some(check);
        self
    }

    /// Keeps the cookies that the server sets and shows them to it, as long as the client lives: so a balancer leads all
    /// requests to the same machine. Without it cookies are ignored.
    pub fn cookies(mut self) -> Self {
        self.cookies = true;
        self
    }

    /// Makes the waits between tries repeatable, for tests.
    pub fn jitter_seed(mut self, seed: u64) -> Self {
        self.jitter = fastrand::Rng::with_seed(seed);
        self
    }

    /// Makes the client. Nothing is sent; certificate files are read.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for an address, header, certificate, proxy or link host that cannot be used.
    pub fn build(self) -> Result<HttpClient> {
        let Self {
            base,
            auth,
            settings,
            clock,
            user_agent,
            error_detail,
            answer_check,
            refusal_check,
            cookies,
            jitter,
        } = self;
        let base = checked_base(base, settings.allow_insecure)?;
        let http = connect(&settings, &base, &user_agent, Connections::Many)?;
        let links = LinkPolicy::new(
            base.clone(),
            &settings.allowed_link_hosts,
            settings.rewrite_link_host,
            settings.allow_insecure,
        )?;
        let inner = Inner {
            http,
            base,
            auth,
            links,
            extra_headers: extra_headers(&settings)?,
            clock,
            error_detail,
            answer_check,
            refusal_check,
            counters: Arc::default(),
            repeats: Arc::default(),
            pace: settings.requests_per_second.and_then(Pace::new),
            cookies: cookies.then(Cookies::default),
            slots: Concurrency::new(settings.max_concurrency),
            token_slots: Concurrency::new(1),
            jitter: Mutex::new(jitter),
            user_agent,
            settings,
        };
        Ok(HttpClient { inner: Arc::new(inner) })
    }
}

fn extra_headers(settings: &HttpSettings) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.extra_headers {
        let bad = || {
            Error::new(ErrorKind::Config, "'extra_headers' holds something that is not a valid header")
                .with("header", name)
        };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let mut value = HeaderValue::from_bytes(value.expose().as_bytes()).map_err(|_| bad())?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}
