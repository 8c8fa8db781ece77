//! What a user has set, checked before anything is sent.

use serde::Deserialize;
use url::{Url, form_urlencoded};

use super::{instant::Instant, options::OPTIONS, resource_types};
use crate::{
    error::Result,
    http::HttpSettings,
    near::near_matches,
    options::{Level, Options, Problems},
    secret::Secret,
};

/// Options of a connection.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Connection {
    pub(super) base_url: Url,
    pub(super) auth_type: AuthType,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) bearer_token: Option<Secret>,
    pub(super) token_url: Option<Url>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<Secret>,
    pub(super) client_auth_style: ClientAuthStyle,
    pub(super) private_key_pem: Option<Secret>,
    pub(super) kid: Option<String>,
    pub(super) private_key_algorithm: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) jku: Option<Url>,
    pub(super) audience: Option<String>,
    #[serde(default)]
    pub(super) resource_types: Vec<String>,
    pub(super) strict_mode: bool,
    pub(super) http: HttpSettings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AuthType {
    None,
    Basic,
    Bearer,
    ClientSecret,
    JwtAssertion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClientAuthStyle {
    Basic,
    Post,
}

/// Options of a table.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TableOptions {
    pub(super) schema_mode: SchemaMode,
    pub(super) profile: String,
    #[expect(dead_code, reason = "there is one value")]
    read_mode: String,
    #[expect(dead_code, reason = "both values mean the same")]
    deletes: String,
    pub(super) page_size: u32,
    pub(super) max_records_per_batch: u64,
    pub(super) page_delay: f64,
    pub(super) safety_lag_seconds: f64,
    pub(super) lookback_seconds: f64,
    pub(super) start_timestamp: Option<Instant>,
    #[serde(default)]
    pub(super) search_filter: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SchemaMode {
    Compat,
    Raw,
}

impl Connection {
    /// Reads the options of a connection.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) with every problem.
    pub(super) fn parse(options: &Options) -> Result<Self> {
        options.parse_with(Level::Connection, OPTIONS, |connection: &Self, problems| connection.check(problems))
    }

    fn check(&self, problems: &mut Problems) {
        let mut need = |name: &str, given: bool| {
            if !given {
                problems.add(format!("'{name}' is missing: auth_type={} needs it", self.auth_type.as_str()));
            }
        };
        match self.auth_type {
            AuthType::None => {}
            AuthType::Basic => {
                need("username", self.username.is_some());
                need("password", self.password.is_some());
            }
            AuthType::Bearer => need("bearer_token", self.bearer_token.is_some()),
            AuthType::ClientSecret => {
                need("client_id", self.client_id.is_some());
                need("client_secret", self.client_secret.is_some());
            }
            AuthType::JwtAssertion => {
                need("client_id", self.client_id.is_some());
                need("private_key_pem", self.private_key_pem.is_some());
            }
        }
        if !self.base_url.username().is_empty() || self.base_url.password().is_some() {
            problems.add("'base_url' must not hold a user name or password; use auth_type=basic");
        }
        if self.base_url.query().is_some() || self.base_url.fragment().is_some() {
            problems.add("'base_url' must not have a query or a fragment");
        }
        if !self.wants_all_types() {
            for name in &self.resource_types {
                check_resource_type(name, problems);
            }
        }
    }

    /// Whether `resource_types` asks for all that the server searches.
    pub(super) fn wants_all_types(&self) -> bool {
        self.resource_types.iter().any(|name| name == "*")
    }
}

impl AuthType {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "basic",
            Self::Bearer => "bearer",
            Self::ClientSecret => "client_secret",
            Self::JwtAssertion => "jwt_assertion",
        }
    }
}

fn check_resource_type(name: &str, problems: &mut Problems) {
    if resource_types::ALL.contains(&name) {
        return;
    }
    problems.add(match near_matches(name, resource_types::ALL).first() {
        Some(near) => {
            format!("'resource_types' names '{name}', which is no FHIR R4 resource type; did you mean '{near}'?")
        }
        None => format!("'resource_types' names '{name}', which is no FHIR R4 resource type"),
    });
}

impl TableOptions {
    /// Reads the options of a table.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) with every problem.
    pub(super) fn parse(options: &Options) -> Result<Self> {
        options.parse_with(Level::Table, OPTIONS, |table: &Self, problems| table.check(problems))
    }

    fn check(&self, problems: &mut Problems) {
        if !self.filter_items().all(|item| item.contains('=')) {
            problems.add("'search_filter' has a criterion without a value; write name=value&name=value");
        }
        for (name, _) in self.filter() {
            let base = name.split(':').next().unwrap_or_default();
            if name.is_empty() || OURS.contains(&base) {
                problems.add(format!("'search_filter' must not contain '{base}': the connector sets it itself"));
            }
        }
    }

    /// The further search criteria as names and values.
    pub(super) fn filter(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.search_filter.trim_start_matches('?').as_bytes()).into_owned().collect()
    }

    fn filter_items(&self) -> impl Iterator<Item = &str> {
        self.search_filter.trim_start_matches('?').split('&').filter(|item| !item.is_empty())
    }
}

/// Search parameters that decide how, not what, is read.
const OURS: &[&str] = &[
    "_sort",
    "_count",
    "_lastUpdated",
    "_include",
    "_revinclude",
    "_summary",
    "_elements",
    "_total",
    "_format",
    "_contained",
    "_containedType",
    "_since",
    "_id",
    "_offset",
    "_cursor",
    "_page",
    "_maxresults",
    "_getpages",
    "_getpagesoffset",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, options::assert_documented};

    fn connection() -> Options {
        Options::new().with("base_url", "https://fhir.example.org/r4")
    }

    #[test]
    fn the_list_and_the_structs_are_held_equal() {
        assert_documented::<Connection>(Level::Connection, OPTIONS);
        assert_documented::<TableOptions>(Level::Table, OPTIONS);
    }

    #[test]
    fn the_public_defaults_hold() {
        let table = TableOptions::parse(&Options::new()).unwrap();
        assert_eq!((table.page_size, table.max_records_per_batch, table.page_delay), (100, 1000, 0.0));
        assert_eq!((table.profile.as_str(), table.schema_mode), ("uk_core", SchemaMode::Compat));
        assert_eq!((table.safety_lag_seconds, table.lookback_seconds), (60.0, 120.0));
        let connection = Connection::parse(&connection()).unwrap();
        assert_eq!(connection.auth_type, AuthType::None);
        assert!(connection.strict_mode && connection.resource_types.is_empty());
    }

    #[test]
    fn every_login_says_what_it_needs_all_at_once() {
        for (auth, missing) in [
            ("basic", ["'username' is missing", "'password' is missing"]),
            ("client_secret", ["'client_id' is missing", "'client_secret' is missing"]),
            ("jwt_assertion", ["'client_id' is missing", "'private_key_pem' is missing"]),
            ("bearer", ["'bearer_token' is missing", "auth_type=bearer needs it"]),
        ] {
            let error = Connection::parse(&connection().with("auth_type", auth)).unwrap_err();
            assert!(missing.iter().all(|part| error.message().contains(part)), "{error}");
        }
    }

    #[test]
    fn an_unknown_profile_is_refused_with_the_near_one() {
        let error = TableOptions::parse(&Options::new().with("profile", "uk_cor")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains("did you mean 'uk_core'?"), "{error}");
    }

    #[test]
    fn an_unknown_resource_type_is_refused_with_the_near_one() {
        let error = Connection::parse(&connection().with("resource_types", "Patient, Observatoin")).unwrap_err();
        assert!(error.message().contains("did you mean 'Observation'?"), "{error}");
        assert!(Connection::parse(&connection().with("resource_types", "*")).is_ok());
    }

    #[test]
    fn what_is_not_supported_is_said_all_at_once() {
        let options = Options::new().with("schema_mode", "full").with("read_mode", "bulk").with("deletes", "history");
        let error = TableOptions::parse(&options).unwrap_err();
        for part in ["'schema_mode' must be one of compat, raw", "'read_mode' must be search", "'deletes' must be"] {
            assert!(error.message().contains(part), "{error}");
        }
    }

    #[test]
    fn a_filter_may_not_change_how_a_table_is_read() {
        let parse = |filter: &str| TableOptions::parse(&Options::new().with("search_filter", filter));
        assert_eq!(
            parse("category=laboratory&code=http://loinc.org|718-7").unwrap().filter(),
            [("category", "laboratory"), ("code", "http://loinc.org|718-7")].map(|(k, v)| (k.to_owned(), v.to_owned()))
        );
        for bad in [
            "_sort=date",
            "_lastUpdated=gt2024",
            "_include:iterate=Observation:subject",
            "=x",
            "_offset=5",
            "status",
            "status=a&code",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_in_the_address_are_refused() {
        let error = Connection::parse(&Options::new().with("base_url", "https://u:MARKER@host/fhir")).unwrap_err();
        assert!(!error.to_string().contains("MARKER"), "{error}");
    }
}
