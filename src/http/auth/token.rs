//! One token for all requests, fetched by one of them at a time.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use chrono::{DateTime, Utc};
use reqwest::header::AUTHORIZATION;
use tokio::sync::Mutex;
use url::Url;

use super::{
    discovery,
    oauth::{self, ClientCredentials, TokenEndpoint},
    scheme::Credential,
};
use crate::{
    error::{Error, ErrorKind, Result},
    http::client::Inner,
    secret::Secret,
};

/// Assumed life of a token whose server does not say.
const UNSAID_LIFE: Duration = Duration::from_secs(300);

pub(super) struct TokenSource {
    credentials: ClientCredentials,
    state: Mutex<State>,
    /// Fetches ended so far, readable while one is under way.
    fetches: AtomicU64,
}

#[derive(Default)]
struct State {
    endpoint: Option<Url>,
    token: Option<Token>,
    generation: u64,
    failure: Option<Error>,
}

pub(super) struct Token {
    pub(super) secret: Secret,
    pub(super) life: Option<Duration>,
    pub(super) fetched: DateTime<Utc>,
}

impl Token {
    fn life(&self) -> Duration {
        self.life.unwrap_or(UNSAID_LIFE).min(Duration::from_secs(10 * 365 * 86_400))
    }

    /// When to ask for the next one: half a minute before the end, or half-way for short lives.
    fn refresh_at(&self) -> DateTime<Utc> {
        self.fetched + (self.life() - Duration::from_secs(30).min(self.life() / 2))
    }

    fn ends_at(&self) -> DateTime<Utc> {
        self.fetched + self.life()
    }
}

impl TokenSource {
    pub(super) fn new(credentials: ClientCredentials) -> Self {
        Self { credentials, state: Mutex::default(), fetches: AtomicU64::new(0) }
    }

    /// The current token, or a new one. Requests that come while one is fetched wait and share what comes of it,
    /// also a failure.
    pub(super) async fn credential(&self, client: &Inner) -> Result<Credential> {
        let before = self.fetches.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let Some(token) = &state.token
            && client.now() < token.refresh_at()
        {
            return credential_of(token, state.generation);
        }
        if let Some(failure) = &state.failure
            && self.fetches.load(Ordering::Acquire) > before
        {
            return Err(again(failure));
        }
        let fetched = self.fetch(client, &mut state).await;
        self.fetches.fetch_add(1, Ordering::AcqRel);
        match fetched {
            Ok(token) => {
                state.generation += 1;
                state.failure = None;
                let credential = credential_of(&token, state.generation);
                state.token = Some(token);
                credential
            }
            Err(error) => match &state.token {
                Some(token) if client.now() < token.ends_at() => {
                    tracing::warn!(%error, "the token could not be renewed; the old one is used while it lasts");
                    credential_of(token, state.generation)
                }
                _ => {
                    state.token = None;
                    state.failure = Some(again(&error));
                    Err(error)
                }
            },
        }
    }

    async fn fetch(&self, client: &Inner, state: &mut State) -> Result<Token> {
        let endpoint = match (&self.credentials.endpoint, &state.endpoint) {
            (TokenEndpoint::Url(url), _) => url.clone(),
            (_, Some(found)) => found.clone(),
            (TokenEndpoint::Discover(base) | TokenEndpoint::OpenId(base), None) => {
                let found = discovery::token_endpoint(client, base, &self.credentials).await?;
                state.endpoint.insert(found).clone()
            }
        };
        oauth::fetch_token(client, &self.credentials, &endpoint).await
    }

    /// Drops a token, if it is still the current one.
    pub(super) async fn forget(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.token = None;
        }
    }

    pub(super) fn help(&self) -> &'static str {
        "the server refused a fresh token: check that token_url, scope and audience are the ones for this server"
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenSource").field(&self.credentials).finish()
    }
}

fn credential_of(token: &Token, generation: u64) -> Result<Credential> {
    Credential::new(AUTHORIZATION, &format!("Bearer {}", token.secret.expose()), generation).ok_or_else(unusable)
}

fn unusable() -> Error {
    Error::new(ErrorKind::Protocol, "the token endpoint's token holds characters that no header can carry")
}

/// The same failure for another request.
fn again(error: &Error) -> Error {
    let mut copy = Error::new(error.kind(), error.message().to_owned()).retryable(error.retry());
    for (key, value) in error.context() {
        copy = copy.with(key, value);
    }
    match error.help_text() {
        Some(help) => copy.help(help.to_owned()),
        None => copy,
    }
}
