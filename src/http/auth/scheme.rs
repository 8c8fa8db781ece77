//! What goes into the request to show who is asking.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::{
    negotiate::{Exchange, NegotiateProvider, Negotiation},
    oauth::ClientCredentials,
    token::TokenSource,
};
use crate::{
    error::{Error, ErrorKind, Result},
    http::client::Inner,
    secret::Secret,
};

/// How a client shows who it is. `Debug` names the way and nothing else.
#[derive(Clone)]
pub struct Auth(Kind);

#[derive(Clone)]
enum Kind {
    None,
    Fixed { name: &'static str, help: &'static str, credential: Credential },
    Token(Arc<TokenSource>),
    Negotiate(Arc<Negotiation>),
}

/// A header that shows who is asking.
#[derive(Clone, Debug)]
pub(in crate::http) struct Credential {
    pub(in crate::http) name: HeaderName,
    pub(in crate::http) value: HeaderValue,
    /// Which of a source's tokens it is.
    pub(super) generation: u64,
}

impl Auth {
    /// No credentials.
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// User name and password (HTTP Basic, UTF-8).
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for a user name with a colon, which Basic cannot carry, or control characters.
    pub fn basic(username: &str, password: &Secret) -> Result<Self> {
        if username.contains(':') || username.chars().chain(password.expose().chars()).any(char::is_control) {
            return Err(Error::new(
                ErrorKind::Config,
                "a user name must not hold a colon, nor it or the password control characters",
            ));
        }
        Self::fixed(
            "basic",
            "check username and password, and that the server takes Basic authentication",
            AUTHORIZATION,
            &basic_value(username, password.expose()),
        )
    }

    /// A fixed bearer token. It cannot be renewed: once the server refuses it, requests fail.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for a token that no header can hold.
    pub fn bearer(token: &Secret) -> Result<Self> {
        Self::fixed(
            "bearer",
            "the bearer token is fixed and cannot be renewed: give a new one",
            AUTHORIZATION,
            &format!("Bearer {}", token.expose().trim()),
        )
    }

    /// A key in a header of its own, such as `x-api-key`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for a name or key that no header can hold.
    pub fn api_key(header: &str, key: &Secret) -> Result<Self> {
        let name = HeaderName::from_bytes(header.as_bytes())
            .map_err(|_| Error::new(ErrorKind::Config, "the API key's header name is not valid"))?;
        Self::fixed("api_key", "check the API key and the name of its header", name, key.expose().trim())
    }

    /// Tokens by OAuth2 client credentials, fetched when needed and shared by all requests.
    pub fn client_credentials(credentials: ClientCredentials) -> Self {
        Self(Kind::Token(Arc::new(TokenSource::new(credentials))))
    }

    /// HTTP Negotiate (SPNEGO), with tokens of a security library; with the feature `kerberos` there is one ready, `Kerberos`.
    ///
    /// Each request logs in by itself and sends its first token unasked. A server that proves who it is, is held to that
    /// proof. Tokens go to the server's own origin only, also where other hosts are allowed.
    pub fn negotiate(provider: Arc<dyn NegotiateProvider>) -> Self {
        Self(Kind::Negotiate(Arc::new(Negotiation::new(provider))))
    }

    fn fixed(name: &'static str, help: &'static str, header: HeaderName, value: &str) -> Result<Self> {
        let credential = Credential::new(header, value, 0)
            .ok_or_else(|| Error::new(ErrorKind::Config, "the credential holds characters that no header can carry"))?;
        Ok(Self(Kind::Fixed { name, help, credential }))
    }

    /// What to add to a request now; a token is fetched when there is none or it is about to expire.
    pub(in crate::http) async fn credential(&self, client: &Inner) -> Result<Option<Credential>> {
        match &self.0 {
            Kind::None | Kind::Negotiate(_) => Ok(None),
            Kind::Fixed { credential, .. } => Ok(Some(credential.clone())),
            Kind::Token(source) => source.credential(client).await.map(Some),
        }
    }

    /// The login of one request, and what to show first; nothing where credentials are shown instead.
    pub(in crate::http) async fn exchange(&self, client: &Inner) -> Result<Option<(Exchange, Credential)>> {
        match &self.0 {
            Kind::Negotiate(negotiation) => Exchange::begin(negotiation, client).await.map(Some),
            _ => Ok(None),
        }
    }

    /// Whether a new credential can be had after a 401.
    pub(in crate::http) fn can_refresh(&self) -> bool {
        matches!(self.0, Kind::Token(_) | Kind::Negotiate(_))
    }

    /// The server refused this credential: it is not used again.
    pub(in crate::http) async fn refused(&self, credential: &Credential) {
        if let Kind::Token(source) = &self.0 {
            source.forget(credential.generation).await;
        }
    }

    /// What to do about a 401.
    pub(in crate::http) fn help(&self) -> &'static str {
        match &self.0 {
            Kind::None => "the server wants credentials: set them in the connection's options",
            Kind::Fixed { help, .. } => help,
            Kind::Token(source) => source.help(),
            Kind::Negotiate(negotiation) => negotiation.help(),
        }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::None => "none",
            Kind::Fixed { name, .. } => name,
            Kind::Token(_) => "client_credentials",
            Kind::Negotiate(_) => "negotiate",
        })
    }
}

impl Credential {
    pub(super) fn new(name: HeaderName, value: &str, generation: u64) -> Option<Self> {
        let mut value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        value.set_sensitive(true);
        Some(Self { name, value, generation })
    }
}

pub(super) fn basic_value(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_show_also_in_the_debug_output_of_http_libraries() {
        let credential = Credential::new(AUTHORIZATION, "Bearer MARKER", 1).unwrap();
        assert!(!format!("{credential:?}").contains("MARKER"));
        assert!(!format!("{:?}", Auth::basic("MARKER", &Secret::new("MARKER")).unwrap()).contains("MARKER"));
    }
}
