//! From the options of a connection to a way to log in.

use std::sync::Arc;

use url::Url;

use super::config::{AuthType, Connection, OauthClientAuth};
use crate::{
    error::{Error, ErrorKind, Result},
    http::{Auth, ClientAuth, ClientCredentials, TokenEndpoint},
    registry::Context,
    secret::Secret,
};

/// The login of a connection. Nothing is sent.
///
/// # Errors
/// [`Config`](ErrorKind::Config) for credentials that no header can carry.
pub(super) fn auth(connection: &Connection, base: &Url, context: &Context) -> Result<Auth> {
    let text = |option: &Option<String>| option.clone().unwrap_or_default();
    let secret = |option: &Option<Secret>| option.clone().unwrap_or_else(|| Secret::new(""));
    match connection.auth() {
        None | Some(AuthType::Anonymous) => Ok(Auth::none()),
        Some(AuthType::Basic) => Auth::basic(&text(&connection.username), &secret(&connection.password)),
        Some(AuthType::Bearer) => Auth::bearer(&secret(&connection.access_token)),
        Some(AuthType::Oidc) => {
            let secret = secret(&connection.client_secret);
            let client_auth = match connection.oauth_client_auth {
                OauthClientAuth::Basic => ClientAuth::SecretBasic(secret),
                OauthClientAuth::Post => ClientAuth::SecretPost(secret),
            };
            let endpoint = token_endpoint(connection, base)?;
            let mut credentials =
                ClientCredentials::new(endpoint, text(&connection.client_id), client_auth).scope(connection.scope());
            let wanted = [("audience", &connection.oauth_audience), ("resource", &connection.oauth_resource)];
            for (name, value) in wanted {
                credentials.form.extend(value.iter().map(|value| (name.to_owned(), value.clone())));
            }
            Ok(Auth::client_credentials(credentials))
        }
        Some(AuthType::Kerberos) => match &context.negotiate {
            Some(provider) => Ok(Auth::negotiate(Arc::clone(provider))),
            None => kerberos(connection, base),
        },
        Some(other @ AuthType::Ntlm) => {
            Err(Error::new(ErrorKind::Unsupported, "this build cannot log in that way")
                .with("auth_type", other.as_str()))
        }
    }
}

#[cfg(feature = "kerberos")]
fn kerberos(connection: &Connection, base: &Url) -> Result<Auth> {
    use crate::http::Kerberos;

    Kerberos::check_files(connection.kerberos_keytab.as_deref(), connection.kerberos_ccache.as_deref())?;
    let service = match (&connection.kerberos_spn, base.host_str()) {
        (Some(service), _) => service.clone(),
        (None, host) => format!("HTTP@{}", host.unwrap_or_default()),
    };
    let kerberos = Kerberos::new(service).principal(connection.kerberos_principal.clone());
    Ok(kerberos.delegate(connection.kerberos_delegate).auth())
}

#[cfg(not(feature = "kerberos"))]
fn kerberos(_: &Connection, _: &Url) -> Result<Auth> {
    let message = "auth_type=kerberos needs another build of this program: with the cargo feature 'kerberos'";
    Err(Error::new(ErrorKind::Config, message))
}

/// Where tokens come from: as told, else as the PI Web API itself publishes.
fn token_endpoint(connection: &Connection, base: &Url) -> Result<TokenEndpoint> {
    if let Some(url) = connection.workspace_token_url() {
        return url.map(TokenEndpoint::Url).map_err(|problem| Error::new(ErrorKind::Config, problem));
    }
    Ok(match (&connection.token_url, &connection.oidc_issuer) {
        (Some(url), _) => TokenEndpoint::Url(url.clone()),
        (None, Some(issuer)) => TokenEndpoint::OpenId(issuer.clone()),
        (None, None) => TokenEndpoint::OpenId(base.clone()),
    })
}
