//! The wire protocol: searches over HTTP, and what a server says of itself.

use std::{sync::Arc, time::Duration};

use serde::Deserialize;
use url::Url;

use super::{
    answer::not_fhir,
    config::{AuthType, ClientAuthStyle, Connection},
    outcome, resource_types,
    wire::{Reply, Search, Wire},
};
use crate::{
    error::{Error, ErrorKind, Result},
    http::{
        Auth, ClientAuth, ClientCredentials, HttpClient, KeyAlgorithm, PrivateKeyJwt, Request, Response, SigningKey,
        TokenEndpoint, is_unconnected,
    },
    registry::Context,
    secret::Secret,
};

const FHIR_JSON: &str = "application/fhir+json";

/// Makes the HTTP client of a connection. Nothing is sent.
///
/// # Errors
/// [`Config`](ErrorKind::Config) for an address, key or header that cannot be used.
pub(super) fn http_client(connection: &Connection, context: &Context) -> Result<HttpClient> {
    HttpClient::builder(connection.base_url.clone())
        .auth(auth(connection)?)
        .settings(connection.http.clone())
        .clock(Arc::clone(&context.clock))
        .user_agent(&context.user_agent)
        .error_detail(|_, body| outcome::summary(body))
        .build()
}

fn auth(connection: &Connection) -> Result<Auth> {
    let text = |option: &Option<String>| option.clone().unwrap_or_default();
    let secret = |option: &Option<Secret>| option.clone().unwrap_or_else(|| Secret::new(""));
    let by_client = |client_auth| {
        let endpoint = match &connection.token_url {
            Some(url) => TokenEndpoint::Url(url.clone()),
            None => TokenEndpoint::Discover(connection.base_url.clone()),
        };
        let mut credentials = ClientCredentials::new(endpoint, text(&connection.client_id), client_auth);
        credentials.scope.clone_from(&connection.scope);
        Auth::client_credentials(credentials)
    };
    match connection.auth_type {
        AuthType::None => Ok(Auth::none()),
        AuthType::Basic => Auth::basic(&text(&connection.username), &secret(&connection.password)),
        AuthType::Bearer => Auth::bearer(&secret(&connection.bearer_token)),
        AuthType::ClientSecret => {
            let secret = secret(&connection.client_secret);
            Ok(by_client(match connection.client_auth_style {
                ClientAuthStyle::Basic => ClientAuth::SecretBasic(secret),
                ClientAuthStyle::Post => ClientAuth::SecretPost(secret),
            }))
        }
        AuthType::JwtAssertion => {
            let algorithm = connection.private_key_algorithm.as_deref().map(|name| match name {
                "ES384" => KeyAlgorithm::Es384,
                _ => KeyAlgorithm::Rs384,
            });
            let mut jwt = PrivateKeyJwt::new(SigningKey::parse(&secret(&connection.private_key_pem), algorithm)?);
            jwt.kid.clone_from(&connection.kid);
            jwt.jku = connection.jku.as_ref().map(Url::to_string);
            jwt.audience.clone_from(&connection.audience);
            Ok(by_client(ClientAuth::PrivateKeyJwt(jwt)))
        }
    }
}

/// Searches of one table over HTTP.
pub(super) struct HttpWire {
    pub(super) client: HttpClient,
    pub(super) table: String,
    /// Waited before each further page.
    pub(super) page_delay: Duration,
}

impl Wire for HttpWire {
    async fn search(&self, search: &Search) -> Result<Reply> {
        // A cached answer would say that nothing has changed.
        let mut request = self.client.get(self.table.as_str()).header("cache-control", "no-cache");
        if search.strict {
            request = request.header("prefer", "handling=strict");
        }
        for (name, value) in &search.query {
            request = request.query(name, value);
        }
        reply(request).await
    }

    async fn follow(&self, link: &Url) -> Result<Reply> {
        reply(self.client.get(link).after(self.page_delay)).await
    }

    fn resolve(&self, from: &Url, link: &str) -> Result<Url> {
        self.client.resolve_link_from(from, link)
    }
}

async fn reply(mut request: Request) -> Result<Reply> {
    for status in Reply::REFUSED {
        request = request.accept_status(status);
    }
    let response = request.header("accept", FHIR_JSON).send().await?;
    Ok(Reply {
        status: response.status(),
        date: response.date(),
        url: response.url().clone(),
        content_type: response.header("content-type").map(str::to_owned),
        body: response.into_body(),
    })
}

/// The release of FHIR that a server says it speaks.
#[derive(Debug, Default, Deserialize)]
struct Release {
    #[serde(default, rename = "resourceType")]
    resource_type: String,
    #[serde(default, rename = "fhirVersion")]
    fhir_version: Option<String>,
}

/// What a server says of itself in its CapabilityStatement.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Capability {
    #[serde(default, rename = "resourceType")]
    resource_type: String,
    #[serde(default, rename = "fhirVersion")]
    pub(super) fhir_version: Option<String>,
    #[serde(default)]
    pub(super) software: Option<Software>,
    #[serde(default)]
    rest: Vec<Rest>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Software {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) version: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Rest {
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    resource: Vec<Resource>,
}

#[derive(Debug, Deserialize)]
struct Resource {
    #[serde(rename = "type")]
    name: String,
    #[serde(default)]
    interaction: Vec<Interaction>,
}

#[derive(Debug, Deserialize)]
struct Interaction {
    code: String,
}

impl Release {
    fn check(&self) -> Result<()> {
        match self.fhir_version.as_deref() {
            Some(version) if version.starts_with("4.3") => {
                tracing::warn!("the server speaks FHIR R4B (4.3); tables are those of R4 (4.0)");
                Ok(())
            }
            Some(version) if !version.starts_with("4.0") => {
                let plain =
                    version.len() <= 20 && version.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b));
                Err(Error::new(ErrorKind::Unsupported, "the server does not speak FHIR R4 (4.0)")
                    .with("fhir_version", if plain { version } else { "?" })
                    .help("give the 'base_url' of the server's R4 endpoint"))
            }
            _ => Ok(()),
        }
    }
}

impl Capability {
    /// Asks the server; `None` when it does not say. When it is `needed`, a server that cannot answer at the moment is an error,
    /// else that is no reason to fail.
    ///
    /// # Errors
    /// [`Unsupported`](ErrorKind::Unsupported) when the server speaks another release of FHIR, and whatever keeps it from
    /// being reached.
    pub(super) async fn fetch(client: &HttpClient, needed: bool) -> Result<Option<Self>> {
        const SAYS_NOTHING: &[u16] = &[400, 401, 403, 404, 405, 406, 410, 501];
        const CANNOT: &[u16] = &[500, 502, 503, 504];
        let mut request = client.get("metadata").header("accept", FHIR_JSON);
        for status in SAYS_NOTHING.iter().chain(if needed { &[] } else { CANNOT }) {
            request = request.accept_status(*status);
        }
        match request.send().await {
            // Where there is no connection there is none for a table either.
            Err(error) if error.kind() == ErrorKind::Unavailable && !needed && !is_unconnected(&error) => {
                tracing::debug!(%error, "the server does not answer what it is");
                Ok(None)
            }
            Ok(response) if response.status() >= 400 => Ok(None),
            response => Self::read(&response?),
        }
    }

    /// Asks the server, which must say what it is.
    ///
    /// # Errors
    /// As [`Capability::fetch`]; those of the client for any refusal; [`Protocol`](ErrorKind::Protocol) for an answer that is
    /// no CapabilityStatement.
    pub(super) async fn required(client: &HttpClient) -> Result<Self> {
        let response = client.get("metadata").header("accept", FHIR_JSON).send().await?;
        Self::read(&response)?.filter(|said| said.resource_type == "CapabilityStatement").ok_or_else(|| {
            not_fhir(response.status(), response.header("content-type"), response.body().len())
                .with("url", client.base().join("metadata").as_ref().map_or("", Url::as_str))
        })
    }

    fn read(response: &Response) -> Result<Option<Self>> {
        // Read alone: it counts even where the rest is not as expected.
        let said = response.json::<Release>().ok();
        if let Some(release) = &said {
            release.check()?;
        }
        let capability = response.json::<Self>().ok();
        Ok(capability.or(said.map(|Release { resource_type, fhir_version }| Self {
            resource_type,
            fhir_version,
            ..Self::default()
        })))
    }

    /// The R4 resource types that the server says it searches.
    pub(super) fn searchable(&self) -> Vec<String> {
        let server = self.rest.iter().filter(|rest| rest.mode.as_deref() != Some("client"));
        let types = server.flat_map(|rest| &rest.resource).filter(|resource| {
            let name = resource.name.as_str();
            resource.interaction.iter().any(|i| i.code == "search-type")
                && resource_types::ALL.contains(&name)
                && !resource_types::NOT_SEARCHABLE.contains(&name)
        });
        resource_types::in_order(types.map(|resource| resource.name.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capability(text: &str) -> Capability {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn searchable_types_are_those_of_r4_that_the_server_searches() {
        let text = r#"{"fhirVersion":"4.0.1","rest":[{"mode":"server","resource":[
            {"type":"Observation","interaction":[{"code":"read"},{"code":"search-type"}]},
            {"type":"Account","interaction":[{"code":"search-type"}]},
            {"type":"Patient","interaction":[{"code":"search-type"}]},
            {"type":"Goal","interaction":[{"code":"read"}]},
            {"type":"Binary","interaction":[{"code":"search-type"}]},
            {"type":"SubscriptionStatus","interaction":[{"code":"search-type"}]}]}]}"#;
        assert_eq!(capability(text).searchable(), ["Patient", "Observation", "Account"]);
    }

    #[test]
    fn another_release_of_fhir_is_refused() {
        for (version, ok) in [("4.0.1", true), ("4.3.0", true), ("5.0.0", false), ("3.0.2", false)] {
            let result = Release { fhir_version: Some(version.to_owned()), ..Release::default() }.check();
            assert_eq!(result.is_ok(), ok, "{version}");
        }
    }
}
