//! Options of a connection: the server's address and how to log in.

use serde::Deserialize;
use url::Url;

use super::docs::OPTIONS;
use crate::{
    error::Result,
    http::HttpSettings,
    options::{Level, Options, Problems},
    secret::Secret,
};

/// Options of a connection.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(not(feature = "kerberos"), allow(dead_code, reason = "the options of kerberos are read by its feature"))]
pub(in super::super) struct Connection {
    pub(in super::super) pi_base_url: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    base_path: String,
    auth_type: Option<AuthType>,
    pub(in super::super) username: Option<String>,
    pub(in super::super) password: Option<Secret>,
    pub(in super::super) access_token: Option<Secret>,
    pub(in super::super) client_id: Option<String>,
    pub(in super::super) client_secret: Option<Secret>,
    pub(in super::super) token_url: Option<Url>,
    pub(in super::super) oidc_issuer: Option<Url>,
    workspace_host: Option<String>,
    oauth_scope: Option<String>,
    pub(in super::super) oauth_audience: Option<String>,
    pub(in super::super) oauth_resource: Option<String>,
    pub(in super::super) oauth_client_auth: OauthClientAuth,
    pub(in super::super) kerberos_spn: Option<String>,
    pub(in super::super) kerberos_principal: Option<String>,
    pub(in super::super) kerberos_keytab: Option<String>,
    pub(in super::super) kerberos_ccache: Option<String>,
    pub(in super::super) kerberos_delegate: bool,
    allow_anonymous: bool,
    verify_ssl: bool,
    webid_type: String,
    pub(in super::super) user_agent: Option<String>,
    pub(in super::super) debug_http: bool,
    pub(in super::super) http: HttpSettings,
}

/// How a connection logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum AuthType {
    Basic,
    Bearer,
    Oidc,
    Kerberos,
    Ntlm,
    Anonymous,
}

/// Where client id and secret go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum OauthClientAuth {
    Basic,
    Post,
}

impl AuthType {
    pub(in super::super) fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Bearer => "bearer",
            Self::Oidc => "oidc",
            Self::Kerberos => "kerberos",
            Self::Ntlm => "ntlm",
            Self::Anonymous => "anonymous",
        }
    }
}

impl Connection {
    /// Reads the options of a connection.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) with every problem.
    pub(in super::super) fn parse(options: &Options) -> Result<Self> {
        let mut connection: Self =
            options.parse_with(Level::Connection, OPTIONS, |connection: &Self, problems| connection.check(problems))?;
        connection.http.insecure_skip_verify |= !connection.verify_ssl;
        Ok(connection)
    }

    /// The address of the PI Web API.
    ///
    /// # Errors
    /// What is wrong with it, for the user.
    pub(in super::super) fn base_url(&self) -> Result<Url, &'static str> {
        let given = match (&self.pi_base_url, &self.host) {
            (Some(_), Some(_)) => return Err("give either 'pi_base_url' or 'host', not both"),
            (Some(url), None) => url.clone(),
            (None, Some(host)) => {
                let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}{port}/{}", host.trim_end_matches('/'), self.base_path.trim_start_matches('/'))
            }
            (None, None) => return Err("'pi_base_url' is missing: the address of the PI Web API"),
        };
        let given = if given.contains("://") { given } else { format!("https://{given}") };
        let bad = "'pi_base_url' must be an address such as https://pi.example.org/piwebapi";
        let mut url = Url::parse(&given).map_err(|_| bad)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(bad);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("'pi_base_url' must not hold a user name or password; use auth_type=basic");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("'pi_base_url' must not have a query or a fragment");
        }
        let path = url.path().trim_end_matches('/').to_owned();
        if self.host.is_none() && !path.to_ascii_lowercase().ends_with("/piwebapi") {
            url.set_path(&format!("{path}/piwebapi"));
        }
        Ok(url)
    }

    /// How to log in: as asked, or as the credentials say.
    pub(in super::super) fn auth(&self) -> Option<AuthType> {
        self.auth_type.or_else(|| match self.complete().as_slice() {
            [] => self.allow_anonymous.then_some(AuthType::Anonymous),
            [only, ..] => Some(*only),
        })
    }

    /// The logins whose credentials are all given, in the order of preference.
    fn complete(&self) -> Vec<AuthType> {
        let mut found = Vec::new();
        if self.access_token.is_some() {
            found.push(AuthType::Bearer);
        }
        if self.client_id.is_some() && self.client_secret.is_some() {
            found.push(AuthType::Oidc);
        }
        if self.username.is_some() && self.password.is_some() {
            found.push(AuthType::Basic);
        }
        found
    }

    /// The scope to ask for.
    pub(in super::super) fn scope(&self) -> &str {
        let usual = if self.workspace_host.is_some() { "all-apis" } else { "system" };
        self.oauth_scope.as_deref().unwrap_or(usual)
    }

    /// The token endpoint of the workspace, where one is named.
    pub(in super::super) fn workspace_token_url(&self) -> Option<Result<Url, &'static str>> {
        self.workspace_host.as_deref().map(|host| {
            let host = host.trim().trim_end_matches('/');
            let host = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
            Url::parse(&format!("{host}/oidc/v1/token")).map_err(|_| "'workspace_host' is not the name of a host")
        })
    }

    fn check(&self, problems: &mut Problems) {
        if let Err(problem) = self.base_url() {
            problems.add(problem);
        }
        if self.host.is_none() && self.port.is_some() {
            problems.add("'port' needs 'host'; otherwise write it into 'pi_base_url'");
        }
        if !self.webid_type.eq_ignore_ascii_case("IDOnly") {
            problems.add("'webid_type' must be IDOnly: other spellings change when a tag is renamed or moved");
        }
        if let Some(Err(problem)) = self.workspace_token_url() {
            problems.add(problem);
        }
        if self.complete().len() > 1 && self.auth_type.is_none() {
            problems.add("more than one login is given: choose one with 'auth_type'");
        }
        match self.auth() {
            None => problems.add(
                "no credentials are given: set username and password, access_token, or client_id and client_secret; \
                 or auth_type=anonymous",
            ),
            Some(auth) => self.check_login(auth, problems),
        }
    }

    fn check_login(&self, auth: AuthType, problems: &mut Problems) {
        let mut need = |name: &str, given: bool| {
            if !given {
                problems.add(format!("'{name}' is missing: auth_type={} needs it", auth.as_str()));
            }
        };
        match auth {
            AuthType::Basic => {
                need("username", self.username.is_some());
                need("password", self.password.is_some());
            }
            AuthType::Bearer => need("access_token", self.access_token.is_some()),
            AuthType::Oidc => {
                need("client_id", self.client_id.is_some());
                need("client_secret", self.client_secret.is_some());
                let ways = [self.token_url.is_some(), self.oidc_issuer.is_some(), self.workspace_host.is_some()];
                if ways.iter().filter(|given| **given).count() > 1 {
                    problems.add("give only one of 'token_url', 'oidc_issuer' and 'workspace_host'");
                }
            }
            AuthType::Kerberos | AuthType::Anonymous => {}
            AuthType::Ntlm => problems.add("auth_type=ntlm is not supported; use basic, oidc or kerberos"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::assert_documented;

    fn given(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().copied().collect()
    }

    fn base(pairs: &[(&str, &str)]) -> String {
        let options = pairs.iter().fold(given(&[("auth_type", "anonymous")]), |o, (k, v)| o.with(*k, *v));
        Connection::parse(&options).unwrap().base_url().unwrap().to_string()
    }

    #[test]
    fn the_list_and_the_struct_are_held_equal() {
        assert_documented::<Connection>(Level::Connection, OPTIONS);
    }

    #[test]
    fn every_way_to_write_the_address_leads_to_the_same_place() {
        for url in [
            "https://pi.example.org/piwebapi",
            "https://pi.example.org/piwebapi/",
            "https://pi.example.org",
            "pi.example.org",
            "pi.example.org/PIWebAPI/",
        ] {
            assert_eq!(
                base(&[("pi_web_api_url", url)]).trim_end_matches('/').to_lowercase(),
                "https://pi.example.org/piwebapi"
            );
        }
        assert_eq!(base(&[("host", "pi"), ("port", "8443")]), "https://pi:8443/piwebapi");
        assert_eq!(base(&[("host", "pi"), ("base_path", "api/pi")]), "https://pi/api/pi");
    }

    #[test]
    fn the_login_follows_from_the_credentials() {
        let auth = |pairs: &[(&str, &str)]| {
            Connection::parse(&given(pairs).with("pi_base_url", "pi")).map(|connection| connection.auth())
        };
        assert_eq!(auth(&[("username", "u"), ("password", "p")]).unwrap(), Some(AuthType::Basic));
        assert_eq!(auth(&[("oauth_token", "t")]).unwrap(), Some(AuthType::Bearer));
        assert_eq!(auth(&[("client_id", "c"), ("client_secret", "s")]).unwrap(), Some(AuthType::Oidc));
        assert_eq!(auth(&[("allow_anonymous", "y")]).unwrap(), Some(AuthType::Anonymous));
        let both = [("access_token", "t"), ("username", "u"), ("password", "p")];
        assert!(auth(&both).unwrap_err().message().contains("more than one login"));
        assert_eq!(auth(&[&both[..], &[("auth_type", "basic")]].concat()).unwrap(), Some(AuthType::Basic));
        assert!(auth(&[]).unwrap_err().message().contains("no credentials"));
    }

    #[test]
    fn every_problem_is_told_at_once_and_no_secret() {
        let options = given(&[
            ("pi_base_url", "https://u:MARKER@pi"),
            ("auth_type", "ntlm"),
            ("webid_type", "Full"),
            ("port", "1"),
            ("passwort", "MARKER"),
        ]);
        let unknown = Connection::parse(&options).unwrap_err().to_string();
        assert!(unknown.contains("did you mean 'password'?"), "{unknown}");
        let rest: Options = options.iter().filter(|(name, _)| *name != "passwort").collect();
        let error = Connection::parse(&rest).unwrap_err().to_string();
        for part in ["user name or password", "ntlm is not supported", "must be IDOnly", "'port' needs 'host'"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert!(!error.contains("MARKER") && !unknown.contains("MARKER"));
    }

    #[test]
    fn tokens_come_from_one_place() {
        let oidc = given(&[("pi_base_url", "pi"), ("client_id", "c"), ("client_secret", "s")]);
        let connection = Connection::parse(&oidc).unwrap();
        assert_eq!((connection.scope(), connection.workspace_token_url()), ("system", None));
        let workspace = Connection::parse(&oidc.clone().with("workspace_host", "adb-1.example.org/")).unwrap();
        let url = workspace.workspace_token_url().unwrap().unwrap();
        assert_eq!((workspace.scope(), url.as_str()), ("all-apis", "https://adb-1.example.org/oidc/v1/token"));
        let two = oidc.with("workspace_host", "a").with("oidc_issuer", "https://issuer");
        assert!(Connection::parse(&two).unwrap_err().message().contains("only one of"));
    }
}
