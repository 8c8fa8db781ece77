//! Options of a connection: where the server is and how to log in.

use std::env;

use serde::Deserialize;
use url::{Host, Url};

use super::docs::OPTIONS;
use crate::{
    error::Result,
    http::HttpSettings,
    options::{Level, Options, Problems},
    secret::Secret,
};

/// Where a key is looked for when none is given.
const KEY_VARIABLE: &str = "LANCEDB_API_KEY";

/// Options of a connection.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct Connection {
    uri: Option<String>,
    database: Option<String>,
    region: String,
    host_override: Option<Url>,
    api_key: Option<Secret>,
    pub(in super::super) auth_token: Option<Secret>,
    pub(in super::super) dialect: WantedDialect,
    #[serde(default)]
    pub(in super::super) namespace: Vec<String>,
    pub(in super::super) user_id: Option<String>,
    pub(in super::super) parallelism: usize,
    pub(in super::super) max_tables: usize,
    pub(in super::super) http: HttpSettings,
}

/// Which dialect a user says that the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum WantedDialect {
    Auto,
    Cloud,
    Namespace,
}

impl Connection {
    /// Reads the options of a connection.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) with every problem.
    pub(in super::super) fn parse(options: &Options) -> Result<Self> {
        options.parse_with(Level::Connection, OPTIONS, |connection: &Self, problems| connection.check(problems))
    }

    /// The key: as given, else that of the environment.
    pub(in super::super) fn api_key(&self) -> Option<Secret> {
        let of_environment = || env::var(KEY_VARIABLE).ok().map(Secret::new);
        self.api_key.clone().or_else(of_environment).filter(|key| !key.is_empty())
    }

    /// The database, and the prefix that stands behind it in `db://database/prefix`.
    pub(in super::super) fn database(&self) -> Option<(&str, Option<&str>)> {
        let of_uri = self.uri.as_deref().and_then(|uri| uri.strip_prefix("db://"));
        let given = self.database.as_deref().or(of_uri)?.trim_end_matches('/');
        Some(match given.split_once('/') {
            Some((database, prefix)) => (database, Some(prefix)),
            None => (given, None),
        })
    }

    /// Whether the address was named, and not made of database and region.
    pub(in super::super) fn is_overridden(&self) -> bool {
        self.host_override.is_some() || self.http_uri().is_some()
    }

    fn http_uri(&self) -> Option<&str> {
        self.uri.as_deref().filter(|uri| uri.starts_with("http://") || uri.starts_with("https://"))
    }

    /// The address of the server.
    ///
    /// # Errors
    /// What is wrong with it, for the user.
    pub(in super::super) fn base_url(&self) -> Result<Url, &'static str> {
        let bad = "'host_override' must be an address such as https://lance.example.org";
        let url = match (&self.host_override, self.http_uri()) {
            (Some(_), Some(_)) => return Err("give the server's address once: as 'uri' or as 'host_override'"),
            (Some(url), None) => url.clone(),
            (None, Some(uri)) => Url::parse(uri).map_err(|_| bad)?,
            (None, None) => return self.cloud_url(),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the address must not hold a user name or password; use 'api_key' or 'auth_token'");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("the address must not have a query or a fragment");
        }
        Ok(url)
    }

    fn cloud_url(&self) -> Result<Url, &'static str> {
        if let Some(uri) = self.uri.as_deref().filter(|uri| !uri.starts_with("db://")) {
            return Err(match uri.contains("://") && !uri.starts_with("file:") {
                true => {
                    "a bucket is read through Lance's own server: run 'scripts/lance-adapter BUCKET', then \
                     uri=http://127.0.0.1:2333; see 'Local datasets and buckets' in the source's README"
                }
                false => {
                    "a folder is read through Lance's own server: run 'scripts/lance-adapter FOLDER', then \
                     uri=http://127.0.0.1:2333; see 'Local datasets and buckets' in the source's README"
                }
            });
        }
        let (database, _) = self.database().ok_or("'uri' is missing: db://DATABASE, or the address of a server")?;
        if !is_label(database) {
            return Err("the database of LanceDB Cloud has 1 to 63 letters, digits and hyphens");
        }
        if !is_label(&self.region) {
            return Err("'region' has 1 to 63 letters, digits and hyphens, for example us-east-1");
        }
        let host = format!("{database}.{}.api.lancedb.com", self.region).to_lowercase();
        Url::parse(&format!("https://{host}")).map_err(|_| "database and region do not make a host name")
    }

    /// Whether the server is LanceDB Cloud itself.
    pub(in super::super) fn is_cloud_host(url: &Url) -> bool {
        matches!(url.host(), Some(Host::Domain(host)) if host.ends_with(".api.lancedb.com"))
    }

    fn check(&self, problems: &mut Problems) {
        match self.base_url() {
            Err(problem) => problems.add(problem),
            Ok(url) if Self::is_cloud_host(&url) && self.api_key().is_none() && self.auth_token.is_none() => {
                problems.add(format!("'api_key' is missing; it may also stand in {KEY_VARIABLE}"));
            }
            Ok(_) => {}
        }
        if self.api_key.is_some() && self.auth_token.is_some() {
            problems.add("give either 'api_key' or 'auth_token'");
        }
        if self.namespace.len() > 10 || self.namespace.iter().any(|part| !is_name(part, 64)) {
            problems.add("'namespace' has at most 10 levels, each of 1 to 64 letters, digits and _.-");
        }
    }
}

/// One label of a host name.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A name as servers allow it for tables and namespaces.
pub(in super::super) fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        && !matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::assert_documented;

    fn parse(pairs: &[(&str, &str)]) -> Result<Connection> {
        Connection::parse(&pairs.iter().copied().collect())
    }

    fn base(pairs: &[(&str, &str)]) -> String {
        parse(pairs).unwrap().base_url().unwrap().to_string()
    }

    #[test]
    fn the_list_and_the_struct_are_held_equal() {
        assert_documented::<Connection>(Level::Connection, OPTIONS);
    }

    #[test]
    fn every_way_to_name_the_server_leads_to_its_address() {
        let key = ("api_key", "sk_0123456789abcdef");
        assert_eq!(base(&[("uri", "db://My-Db"), key]), "https://my-db.us-east-1.api.lancedb.com/");
        assert_eq!(base(&[("database", "a"), ("region", "eu-west-1"), key]), "https://a.eu-west-1.api.lancedb.com/");
        assert_eq!(base(&[("uri", "http://127.0.0.1:2333/lance")]), "http://127.0.0.1:2333/lance");
        assert_eq!(
            base(&[("host_override", "https://lance.example.org"), ("database", "a")]),
            "https://lance.example.org/"
        );
        let prefixed = parse(&[("uri", "db://a/b/c"), key]).unwrap();
        assert_eq!(prefixed.database(), Some(("a", Some("b/c"))));
    }

    #[test]
    fn every_problem_is_told_at_once_and_no_secret() {
        for (pairs, part) in [
            (&[("uri", "/data/lance")][..], "run 'scripts/lance-adapter FOLDER'"),
            (&[("uri", "s3://bucket/x")], "run 'scripts/lance-adapter BUCKET'"),
            (&[("uri", "db://a.b"), ("api_key", "MARKER")], "1 to 63 letters"),
            (&[("uri", "http://u:MARKER@h")], "user name or password"),
            (&[("uri", "http://h"), ("host_override", "http://h")], "address once"),
            (&[("uri", "http://h"), ("api_key", "MARKER"), ("auth_token", "MARKER")], "either 'api_key' or"),
            (&[("uri", "http://h"), ("namespace", "a/b")], "'namespace' has at most"),
            (&[("uri", "http://h"), ("paralelism", "2")], "did you mean 'parallelism'?"),
            (&[("uri", "http://h"), ("delimiter", "/")], "'delimiter'"),
            (&[], "'uri' is missing"),
        ] {
            let error = parse(pairs).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains("MARKER"), "{error}");
        }
    }
}
