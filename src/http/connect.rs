//! Makes the underlying client: connections, timeouts, TLS, proxy.

use std::fs;

use reqwest::{Certificate, Client, Identity, NoProxy, Proxy, redirect::Policy};
use url::Url;

use super::{links::is_loopback, settings::HttpSettings};
use crate::error::{Error, ErrorKind, Result};

/// How many connections a client may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connections {
    /// As many as are of use.
    Many,
    /// One, for requests after each other: to servers that log in a connection.
    One,
}

pub(super) fn connect(
    settings: &HttpSettings,
    base: &Url,
    user_agent: &str,
    connections: Connections,
) -> Result<Client> {
    let mut builder = Client::builder()
        .user_agent(user_agent)
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .pool_max_idle_per_host(settings.max_idle_connections)
        .tcp_nodelay(true);
    if connections == Connections::One {
        builder = builder.http1_only().pool_max_idle_per_host(1);
    }
    builder = match settings.proxy.as_ref().map(|p| p.expose()) {
        Some(proxy) if !proxy.eq_ignore_ascii_case("none") => builder.proxy(proxy_of(proxy)?),
        Some(_) => builder.no_proxy(),
        None if is_loopback(base) => builder.no_proxy(),
        None => builder,
    };
    if let Some(given) = &settings.ca_certificate {
        let pem = pem_of("ca_certificate", given)?;
        let certificates = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|e| bad_pem("ca_certificate", e))?;
        if certificates.is_empty() {
            return Err(config("'ca_certificate' holds no certificate"));
        }
        builder = match settings.ca_certificate_only {
            true => builder.tls_certs_only(certificates),
            false => builder.tls_certs_merge(certificates),
        };
    } else if settings.ca_certificate_only {
        return Err(config("'ca_certificate_only' needs 'ca_certificate'"));
    }
    if let Some(identity) = identity_of(settings)? {
        builder = builder.identity(identity);
    }
    if settings.insecure_skip_verify {
        tracing::warn!(host = base.host_str(), "insecure_skip_verify is set: the server's certificate is not checked");
        builder = builder.tls_danger_accept_invalid_certs(true);
    }
    builder.build().map_err(|e| {
        config("the HTTP client cannot be made of these options")
            .help("check ca_certificate, client_certificate, client_key and the user agent")
            .caused_by(e)
    })
}

fn proxy_of(text: &str) -> Result<Proxy> {
    let bad = || config("'proxy' must be an address such as http://proxy.example.org:3128, or 'none'");
    let url = Url::parse(text).map_err(|_| bad())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(bad());
    }
    Ok(Proxy::all(url).map_err(|_| bad())?.no_proxy(NoProxy::from_env()))
}

fn identity_of(settings: &HttpSettings) -> Result<Option<Identity>> {
    let certificate = match (&settings.client_certificate, &settings.client_key) {
        (None, None) => return Ok(None),
        (None, Some(_)) => return Err(config("'client_key' needs 'client_certificate'")),
        (Some(given), _) => pem_of("client_certificate", given)?,
    };
    let key = match &settings.client_key {
        Some(given) => pem_of("client_key", given.expose())?,
        None if certificate.contains("PRIVATE KEY-----") => String::new(),
        None => return Err(config("'client_certificate' needs 'client_key'")),
    };
    let pem = format!("{certificate}\n{key}\n");
    Identity::from_pem(pem.as_bytes()).map(Some).map_err(|e| bad_pem("client_certificate' and 'client_key", e))
}

/// The PEM text itself, or of the file of that name. Literal `\n` stand for line breaks.
fn pem_of(option: &'static str, given: &str) -> Result<String> {
    if given.contains("-----BEGIN") {
        return Ok(given.replace("\\n", "\n"));
    }
    fs::read_to_string(given.trim()).map_err(|e| {
        config(format!("the file of '{option}' cannot be read"))
            .with("reason", e.kind())
            .help("give the path of a PEM file, or the PEM text itself")
    })
}

fn bad_pem(option: &'static str, error: reqwest::Error) -> Error {
    config(format!("'{option}' is not valid PEM")).caused_by(error)
}

fn config(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config, message)
}
