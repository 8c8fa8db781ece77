//! OAuth2 client credentials: what a client shows to the token endpoint, and what comes back.

use std::{collections::BTreeSet, pin::Pin, sync::Arc, time::Duration};

use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::{
    assertion,
    key::SigningKey,
    scheme::{Credential, basic_value},
    token::Token,
};
use crate::{
    error::{Error, ErrorKind, Result},
    http::{
        client::Inner,
        links::{is_internal, is_secure_enough},
        redact,
        response::Response,
        run::{Body, Call, Purpose},
    },
    secret::Secret,
};

/// A client that asks for tokens in its own name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientCredentials {
    /// Where tokens come from.
    pub endpoint: TokenEndpoint,
    /// The client's registered id.
    pub client_id: String,
    /// How the client proves that it is the one.
    pub client_auth: ClientAuth,
    /// Space-separated scopes to ask for.
    pub scope: Option<String>,
    /// Further form fields that the token endpoint wants, such as `audience` or `resource`.
    pub form: Vec<(String, String)>,
}

/// Where tokens come from.
#[derive(Clone, Debug)]
pub enum TokenEndpoint {
    /// At this address: https, or this machine.
    Url(Url),
    /// At the address that the server or issuer of this base address publishes: SMART configuration, a FHIR
    /// capability statement, or OpenID configuration, in this order. Looked up once.
    Discover(Url),
    /// At the address that the OpenID configuration below this base address names. Looked up once.
    OpenId(Url),
}

/// How a client proves itself to the token endpoint.
#[derive(Clone, Debug)]
pub enum ClientAuth {
    /// The secret in HTTP Basic (`client_secret_basic`), id and secret form-encoded as OAuth2 has it.
    SecretBasic(Secret),
    /// The secret in the form (`client_secret_post`).
    SecretPost(Secret),
    /// An assertion signed with a private key (`private_key_jwt`, SMART backend services).
    PrivateKeyJwt(PrivateKeyJwt),
}

/// A private key and what the assertion says about it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PrivateKeyJwt {
    /// The key; RS384 or ES384.
    pub key: SigningKey,
    /// Its id in the registered key set; that of a JWK when not given.
    pub kid: Option<String>,
    /// The https address of the registered key set.
    pub jku: Option<String>,
    /// `aud`, for servers that want something other than the token endpoint's address.
    pub audience: Option<String>,
}

impl PrivateKeyJwt {
    /// A key with nothing else said about it.
    pub fn new(key: SigningKey) -> Self {
        Self { key, kid: None, jku: None, audience: None }
    }
}

impl ClientCredentials {
    /// A client that asks for no particular scope.
    pub fn new(endpoint: TokenEndpoint, client_id: impl Into<String>, client_auth: ClientAuth) -> Self {
        Self { endpoint, client_id: client_id.into(), client_auth, scope: None, form: Vec::new() }
    }

    /// Asks for these space-separated scopes.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// The name of the way in discovery documents.
    pub(super) fn method(&self) -> &'static str {
        match self.client_auth {
            ClientAuth::SecretBasic(_) => "client_secret_basic",
            ClientAuth::SecretPost(_) => "client_secret_post",
            ClientAuth::PrivateKeyJwt(_) => "private_key_jwt",
        }
    }

    /// What assertions are signed with, where there are any.
    pub(super) fn algorithm(&self) -> Option<&'static str> {
        match &self.client_auth {
            ClientAuth::PrivateKeyJwt(jwt) => Some(jwt.key.algorithm().name()),
            ClientAuth::SecretBasic(_) | ClientAuth::SecretPost(_) => None,
        }
    }
}

/// What a token endpoint answers, well or ill. Members may be missing or of a wrong type.
#[derive(Deserialize)]
struct Answer {
    access_token: Option<Secret>,
    token_type: Option<String>,
    #[serde(default)]
    expires_in: serde_json::Value,
    scope: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Asks for a token. Boxed: it is itself a request of the client whose requests wait for it.
pub(super) fn fetch_token<'a>(
    client: &'a Inner,
    credentials: &'a ClientCredentials,
    endpoint: &'a Url,
) -> Pin<Box<dyn Future<Output = Result<Token>> + Send + 'a>> {
    Box::pin(async move {
        check_endpoint(endpoint, client)?;
        let call = token_call(client, credentials, endpoint)?;
        let response: Response = client.run(&call).await?;
        let answer = serde_json::from_slice::<Answer>(response.body()).ok();
        match answer {
            Some(answer) if response.status() < 300 => token_of(answer, credentials, endpoint, client),
            answer => Err(refusal(&response, answer, credentials)),
        }
    })
}

/// Secrets and assertions only go to https or to this machine, whatever `allow_insecure` says about data.
pub(super) fn check_endpoint(endpoint: &Url, client: &Inner) -> Result<()> {
    let refused =
        |message: &'static str| Err(Error::new(ErrorKind::Config, message).with("token_url", redact::url(endpoint)));
    if !matches!(endpoint.scheme(), "http" | "https") || !is_secure_enough(endpoint, false) {
        return refused("the token endpoint must be https, or on this machine");
    }
    if !endpoint.username().is_empty() || endpoint.password().is_some() {
        return refused("the token endpoint's address must not hold a user name");
    }
    if is_internal(endpoint) && !is_internal(&client.base) {
        return refused("the token endpoint is a local or cloud metadata address, and the server is not");
    }
    Ok(())
}

fn token_call(client: &Inner, credentials: &ClientCredentials, endpoint: &Url) -> Result<Call> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = &credentials.scope {
        form.append_pair("scope", scope);
    }
    form.extend_pairs(&credentials.form);
    let body = match &credentials.client_auth {
        ClientAuth::SecretBasic(secret) => {
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let value = basic_value(&encoded(&credentials.client_id), &encoded(secret.expose()));
            if let Some(credential) = Credential::new(AUTHORIZATION, &value, 0) {
                headers.insert(credential.name, credential.value);
            }
            Body::Bytes(form.finish().into())
        }
        ClientAuth::SecretPost(secret) => {
            form.append_pair("client_id", &credentials.client_id).append_pair("client_secret", secret.expose());
            Body::Bytes(form.finish().into())
        }
        ClientAuth::PrivateKeyJwt(jwt) => {
            let (jwt, client_id) = (jwt.clone(), credentials.client_id.clone());
            let (clock, endpoint) = (client.clock.clone(), endpoint.clone());
            let fixed = form.finish();
            Body::Fresh(Arc::new(move || {
                let assertion = assertion::sign(&jwt, &client_id, &endpoint, clock.now())?;
                let mut form = form_urlencoded::Serializer::new(fixed.clone());
                form.append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
                form.append_pair("client_assertion", &assertion);
                Ok(form.finish().into())
            }))
        }
    };
    Ok(Call {
        method: Method::POST,
        url: endpoint.clone(),
        headers,
        body,
        // Nothing is lost when a token is issued twice.
        idempotent: true,
        accepted: vec![400, 401, 403],
        purpose: Purpose::Token,
    })
}

fn token_of(answer: Answer, credentials: &ClientCredentials, endpoint: &Url, client: &Inner) -> Result<Token> {
    let bad = |message: &'static str| Error::new(ErrorKind::Protocol, message).with("token_url", redact::url(endpoint));
    let secret =
        answer.access_token.filter(|t| !t.is_empty()).ok_or_else(|| bad("the token endpoint gave no access_token"))?;
    if answer.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err(bad("the token endpoint gave a token that is not a bearer token"));
    }
    if let (Some(asked), Some(given)) = (&credentials.scope, &answer.scope) {
        let given: BTreeSet<&str> = given.split_whitespace().collect();
        let missing: Vec<&str> = asked.split_whitespace().filter(|scope| !given.contains(scope)).collect();
        if !missing.is_empty() {
            tracing::warn!(missing = %redact::text(&missing.join(" "), 500), "the token endpoint granted less than the scope asked for");
        }
    }
    let seconds = match &answer.expires_in {
        serde_json::Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    };
    let life = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
    Ok(Token { secret, life, fetched: client.now() })
}

fn refusal(response: &Response, answer: Option<Answer>, credentials: &ClientCredentials) -> Error {
    let code = answer.as_ref().and_then(|a| a.error.as_deref()).unwrap_or_default();
    let (kind, message) = match response.status() {
        ..300 => (ErrorKind::Protocol, "the token endpoint's answer is not a token"),
        _ => (ErrorKind::Auth, "the token endpoint refused the client"),
    };
    let mut error =
        Error::new(kind, message).with("token_url", redact::url(response.url())).with("status", response.status());
    if !code.is_empty() {
        error = error.with("error", redact::text(code, 100));
    }
    if let Some(description) = answer.as_ref().and_then(|a| a.error_description.as_deref()) {
        error = error.with("error_description", redact::text(description, 300));
    }
    if let Some(id) = redact::request_id(|name| response.header(name)) {
        error = error.with("request_id", id);
    }
    error.help(match (code, &credentials.client_auth) {
        ("invalid_scope", _) => "check scope: it must be one that the client was granted",
        ("unauthorized_client" | "unsupported_grant_type", _) => "allow the client credentials grant for this client",
        (_, ClientAuth::PrivateKeyJwt(_)) => {
            "check client_id, private_key_pem, kid and audience, and that the public key is registered with the server"
        }
        (_, ClientAuth::SecretBasic(_)) => {
            "check client_id and client_secret; if they are right the server may want client_auth_style=post"
        }
        (_, ClientAuth::SecretPost(_)) => {
            "check client_id and client_secret; if they are right the server may want client_auth_style=basic"
        }
    })
}
