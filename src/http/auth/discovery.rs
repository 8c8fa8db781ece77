//! Finding the token endpoint that a server publishes.

use reqwest::{
    Method,
    header::{ACCEPT, HeaderMap, HeaderValue},
};
use serde_json::Value;
use url::Url;

use super::oauth::{ClientAuth, ClientCredentials, TokenEndpoint, check_endpoint};
use crate::{
    error::{Error, ErrorKind, Result},
    http::{
        client::Inner,
        redact,
        response::Response,
        run::{Body, Call, Purpose},
    },
};

/// A document that may name the token endpoint.
struct Place {
    path: &'static str,
    accept: &'static str,
    find: fn(&Value) -> Option<&str>,
}

/// In the order of asking.
const PLACES: [Place; 3] = [
    Place { path: ".well-known/smart-configuration", accept: "application/json", find: in_configuration },
    Place { path: "metadata", accept: "application/fhir+json", find: in_capability_statement },
    Place { path: ".well-known/openid-configuration", accept: "application/json", find: in_configuration },
];

/// Asks the places in turn. A place without an answer is passed over; an unreachable server is an error.
pub(super) async fn token_endpoint(client: &Inner, base: &Url, credentials: &ClientCredentials) -> Result<Url> {
    let places = match credentials.endpoint {
        TokenEndpoint::OpenId(_) => &PLACES[2..],
        _ => &PLACES[..],
    };
    for place in places {
        let Some(document) = Box::pin(document(client, base, place)).await? else { continue };
        let Some(endpoint) = (place.find)(&document) else { continue };
        let endpoint = Url::parse(endpoint).map_err(|_| {
            Error::new(ErrorKind::Protocol, "the server publishes a token endpoint that is not an address")
                .with("base", redact::url(base))
                .help("give token_url")
        })?;
        check_endpoint(&endpoint, client)?;
        warn_if_unsupported(&document, credentials);
        tracing::debug!(place = place.path, endpoint = %redact::url(&endpoint), "token endpoint found");
        return Ok(endpoint);
    }
    Err(Error::new(ErrorKind::Config, "the server does not publish its token endpoint")
        .with("base", redact::url(base))
        .help("give token_url"))
}

async fn document(client: &Inner, base: &Url, place: &Place) -> Result<Option<Value>> {
    let mut url = base.clone();
    url.set_path(&format!("{}/{}", base.path().trim_end_matches('/'), place.path));
    url.set_query(None);
    check_endpoint(&url, client)?;
    let call = Call {
        method: Method::GET,
        url,
        headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(place.accept))]),
        body: Body::Empty,
        idempotent: true,
        accepted: vec![400, 401, 403, 404, 405, 406, 410, 501],
        purpose: Purpose::Token,
    };
    let response: Response = client.run(&call).await?;
    if response.status() >= 300 {
        return Ok(None);
    }
    // A page that is not JSON is a front end that answers everything.
    Ok(serde_json::from_slice(response.body()).ok())
}

fn in_configuration(document: &Value) -> Option<&str> {
    document.get("token_endpoint")?.as_str()
}

fn in_capability_statement(document: &Value) -> Option<&str> {
    let extensions = document.pointer("/rest/0/security/extension")?.as_array()?;
    let named = |extension: &&Value, end: &str| {
        extension.get("url").and_then(Value::as_str).is_some_and(|url| url.rsplit('/').next() == Some(end))
    };
    let uris = extensions.iter().find(|e| named(e, "oauth-uris"))?.get("extension")?.as_array()?;
    uris.iter().find(|e| named(e, "token"))?.get("valueUri")?.as_str()
}

/// Warns where a document lists what the server supports, and this login is not among it.
fn warn_if_unsupported(document: &Value, credentials: &ClientCredentials) {
    let missing: Vec<String> = [
        ("grant_types_supported", vec!["client_credentials"]),
        ("token_endpoint_auth_methods_supported", vec![credentials.method()]),
        ("token_endpoint_auth_signing_alg_values_supported", credentials.algorithm().into_iter().collect()),
        ("capabilities", capabilities(document, credentials)),
    ]
    .into_iter()
    .filter_map(|(member, needed)| Some((member, document.get(member)?.as_array()?, needed)))
    .flat_map(|(member, listed, needed)| {
        let missing = needed.into_iter().filter(|word| !listed.iter().any(|listed| listed.as_str() == Some(word)));
        missing.map(move |word| format!("{member}: {word}"))
    })
    .collect();
    if !missing.is_empty() {
        tracing::warn!(
            missing = missing.join(", "),
            "the server does not list what this login needs; trying all the same"
        );
    }
}

/// What a SMART server says it is capable of when it takes this login and understands its scopes. The ways of writing scopes
/// only count where the server names one.
fn capabilities(document: &Value, credentials: &ClientCredentials) -> Vec<&'static str> {
    let client = match credentials.client_auth {
        ClientAuth::PrivateKeyJwt(_) => "client-confidential-asymmetric",
        ClientAuth::SecretBasic(_) | ClientAuth::SecretPost(_) => "client-confidential-symmetric",
    };
    let named = document.get("capabilities").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let names_scopes = named.into_iter().any(|name| name.starts_with("permission-v"));
    let scopes = credentials.scope.iter().flat_map(|scope| scope.split_whitespace());
    let permissions = scopes.filter(|_| names_scopes).filter_map(permission);
    let mut needed: Vec<_> = std::iter::once(client).chain(permissions).collect();
    needed.dedup();
    needed
}

/// Which way of writing scopes this one is in: `system/Patient.read` or `system/Patient.rs`.
fn permission(scope: &str) -> Option<&'static str> {
    let (_, rights) = scope.split_once('/')?.1.split_once('.')?;
    match rights.split('?').next()? {
        "read" | "write" | "*" => Some("permission-v1"),
        rights if !rights.is_empty() && rights.bytes().all(|right| b"cruds".contains(&right)) => Some("permission-v2"),
        _ => None,
    }
}
