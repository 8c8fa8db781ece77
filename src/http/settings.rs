//! The options that every source with an HTTP client takes.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer};

use crate::{
    options::{OptionDoc, OptionKind},
    secret::Secret,
};

const GROUP: &str = "http";

const fn option(name: &'static str, kind: OptionKind, about: &'static str) -> OptionDoc {
    OptionDoc::connection(name, kind, about).group(GROUP)
}

const fn seconds(min: f64, max: f64) -> OptionKind {
    OptionKind::Seconds { min, max }
}

/// Connection options of the HTTP client. A source joins them to its own list
/// ([`joined`](crate::options::joined)) and gives its option struct a field `http: HttpSettings`.
pub const HTTP_OPTIONS: &[OptionDoc] = &[
    option(
        "request_timeout_seconds",
        seconds(0.01, 86_400.0),
        "Time for one try, from sending to the end of the body; downloads of bulk files are not bound by it.",
    )
    .aliases(&["request_timeout_s"])
    .default("60"),
    option("connect_timeout_seconds", seconds(0.01, 3_600.0), "Time for one connection to be made, TLS included.")
    .aliases(&["connect_timeout_s"])
        .default("10"),
    option("read_timeout_seconds", seconds(0.01, 86_400.0), "The longest silence while an answer is awaited or read.")
        .default("60"),
    option(
        "max_retries",
        OptionKind::Integer { min: 0, max: 100 },
        "How often a failed request is sent again when that can help and is safe.",
    )
    .default("5"),
    option(
        "retry_total_seconds",
        seconds(0.0, 86_400.0),
        "No try begins later than this after the first try of the same request.",
    )
    .default("300"),
    option(
        "max_retry_after_seconds",
        seconds(0.0, 86_400.0),
        "The longest wait that the server may ask for (Retry-After). Above it the run stops and can be continued later.",
    )
    .default("120"),
    option(
        "requests_per_second",
        OptionKind::Number { min: 0.001, max: 100_000.0 },
        "Upper bound on requests, evenly spaced; none when not given.",
    )
    .aliases(&["max_requests_per_second"]),
    option(
        "max_concurrency",
        OptionKind::Integer { min: 1, max: 256 },
        "Most requests under way at a time. The client goes below it while the server says that it is busy.",
    )
    .default("8"),
    option(
        "max_idle_connections",
        OptionKind::Integer { min: 0, max: 1_000 },
        "Connections to the server that are kept for further requests; 0 keeps none.",
    )
    .aliases(&["pool_max_idle"])
    .default("20"),
    option(
        "max_body_bytes",
        OptionKind::Integer { min: 1024, max: i64::MAX },
        "Largest body accepted, after decompression.",
    )
    .default("268435456"),
    option(
        "allow_insecure",
        OptionKind::Boolean,
        "Allow plain http to hosts other than this machine. Credentials and data then travel unprotected.",
    )
    .aliases(&["allow_insecure_http"])
    .default("false"),
    option(
        "allowed_link_hosts",
        OptionKind::List,
        "Other hosts (host, host:port or https://host:port) whose links may be followed, with credentials.",
    ),
    option(
        "rewrite_link_host",
        OptionKind::Boolean,
        "Replace scheme and host of the server's links by those of the base address: for servers that print an internal name.",
    )
    .default("false"),
    option("extra_headers", OptionKind::Headers, "Sent with every request to the server, for example an API key or a tenant."),
    option(
        "proxy",
        OptionKind::Secret,
        "Address of a proxy, with user and password if needed, or 'none'. When not given, HTTPS_PROXY and its kin hold.",
    )
    .aliases(&["proxy_url"]),
    option("ca_certificate", OptionKind::Text, "Path or PEM text of further certificate authorities to trust.")
    .aliases(&["ca_bundle", "ca_cert_path", "ca_cert_pem"]),
    option(
        "ca_certificate_only",
        OptionKind::Boolean,
        "Trust no other authority than those of ca_certificate, not even those of this machine.",
    )
    .aliases(&["ca_bundle_exclusive"])
    .default("false"),
    option("client_certificate", OptionKind::Text, "Path or PEM text of the certificate (chain) to present to the server.")
    .aliases(&["client_cert"]),
    option("client_key", OptionKind::Secret, "Path or PEM text of the client certificate's private key."),
    option(
        "insecure_skip_verify",
        OptionKind::Boolean,
        "Accept any server certificate. For tests only: anybody in between can read credentials and data.",
    )
    .default("false"),
];

/// How the HTTP client behaves. [`HTTP_OPTIONS`] says what each field means.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
#[allow(missing_docs)]
pub struct HttpSettings {
    #[serde(rename = "request_timeout_seconds", deserialize_with = "duration")]
    pub request_timeout: Duration,
    #[serde(rename = "connect_timeout_seconds", deserialize_with = "duration")]
    pub connect_timeout: Duration,
    #[serde(rename = "read_timeout_seconds", deserialize_with = "duration")]
    pub read_timeout: Duration,
    pub max_retries: u32,
    #[serde(rename = "retry_total_seconds", deserialize_with = "duration")]
    pub retry_total: Duration,
    #[serde(rename = "max_retry_after_seconds", deserialize_with = "duration")]
    pub max_retry_after: Duration,
    pub requests_per_second: Option<f64>,
    pub max_concurrency: usize,
    pub max_idle_connections: usize,
    pub max_body_bytes: u64,
    pub allow_insecure: bool,
    #[serde(default)]
    pub allowed_link_hosts: Vec<String>,
    pub rewrite_link_host: bool,
    #[serde(default)]
    pub extra_headers: BTreeMap<String, Secret>,
    pub proxy: Option<Secret>,
    pub ca_certificate: Option<String>,
    pub ca_certificate_only: bool,
    pub client_certificate: Option<String>,
    pub client_key: Option<Secret>,
    pub insecure_skip_verify: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            max_retries: 5,
            retry_total: Duration::from_secs(300),
            max_retry_after: Duration::from_secs(120),
            requests_per_second: None,
            max_concurrency: 8,
            max_idle_connections: 20,
            max_body_bytes: 256 << 20,
            allow_insecure: false,
            allowed_link_hosts: Vec::new(),
            rewrite_link_host: false,
            extra_headers: BTreeMap::new(),
            proxy: None,
            ca_certificate: None,
            ca_certificate_only: false,
            client_certificate: None,
            client_key: None,
            insecure_skip_verify: false,
        }
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Level, Options, assert_documented};

    #[derive(Debug, Deserialize)]
    struct Source {
        http: HttpSettings,
    }

    #[test]
    fn the_list_and_the_struct_are_held_equal() {
        assert_documented::<Source>(Level::Connection, HTTP_OPTIONS);
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        let parsed: Source = Options::new().parse(Level::Connection, HTTP_OPTIONS).unwrap();
        assert_eq!(format!("{:?}", parsed.http), format!("{:?}", HttpSettings::default()));
    }

    #[test]
    fn secrets_do_not_show() {
        let options = Options::new()
            .with("extra_headers", r#"{"x-api-key":"MARKER"}"#)
            .with("proxy", "http://u:MARKER@proxy:3128")
            .with("client_key", "MARKER");
        let parsed: Source = options.parse(Level::Connection, HTTP_OPTIONS).unwrap();
        assert!(!format!("{parsed:?}").contains("MARKER"), "{parsed:?}");
    }
}
