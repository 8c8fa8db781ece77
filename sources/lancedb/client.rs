//! A LanceDB server over HTTP: its dialect, tables, versions, counts and queries.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    config::{Connection, WantedDialect},
    dialect::{Dialect, Query, Spoken},
    faults,
    freshness::{AT_LEAST, Seen},
    ipc::{self, Answer},
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind, Result},
    http::{Auth, HttpClient, Request, Response, without_secrets},
    registry::Context,
    secret::Secret,
};

/// Statuses that are answers: what they mean stands in the body.
const ANSWERS: [u16; 4] = [400, 404, 406, 413];
/// A name that no table has: asked for to see how the server says so.
const NO_TABLE: &str = "lakeflow-connect.asks-for-the-dialect";

/// A client of one server. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct LanceClient {
    pub(super) http: HttpClient,
    spoken: Arc<Spoken>,
    pub(super) seen: Seen,
    pub(super) namespace: Arc<[String]>,
    clock: Arc<dyn Clock>,
    headers: Arc<[(&'static str, String)]>,
    secrets: Arc<[Secret]>,
    /// The branch whose versions are asked for.
    pub(super) branch: Option<Arc<str>>,
}

/// One version of a table. Two tables of one name differ in more than the number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Version {
    #[serde(rename = "version")]
    pub(super) number: u64,
    #[serde(default)]
    timestamp_millis: Option<i64>,
    #[serde(default)]
    timestamp: Option<String>,
    #[serde(default)]
    e_tag: Option<String>,
    #[serde(default)]
    manifest_size: Option<u64>,
}

impl Version {
    /// What tells this version from one of the same number of a table that was dropped and created again.
    pub(super) fn fingerprint(&self) -> String {
        let time = match (&self.timestamp_millis, &self.timestamp) {
            (Some(millis), _) => millis.to_string(),
            (None, Some(text)) => text.clone(),
            (None, None) => String::new(),
        };
        let size = self.manifest_size.map(|size| size.to_string()).unwrap_or_default();
        format!("{time}/{}/{size}", self.e_tag.as_deref().unwrap_or_default())
    }
}

#[derive(Deserialize)]
struct Versions {
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct OneVersion {
    version: Version,
}

#[derive(Deserialize)]
struct Tagged {
    version: u64,
}

#[derive(Deserialize)]
struct DescribedColumns {
    schema: DescribedSchema,
}

#[derive(Deserialize)]
struct DescribedSchema {
    fields: Vec<DescribedField>,
}

#[derive(Deserialize)]
struct DescribedField {
    name: String,
}

/// A page that was larger than the server could answer: fewer rows may be asked for.
#[derive(Debug)]
pub(super) enum Asked {
    Answer(Answer),
    TooLarge(Error),
}

impl LanceClient {
    /// A client for a connection. Nothing is sent.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for an address, certificate or credential that cannot be used.
    pub(super) fn new(connection: &Connection, context: &Context) -> Result<Self> {
        let base = connection.base_url().map_err(|problem| Error::new(ErrorKind::Config, problem))?;
        let auth = match (connection.api_key(), &connection.auth_token) {
            (_, Some(token)) => Auth::bearer(token)?,
            (Some(key), None) => Auth::api_key("x-api-key", &key)?,
            (None, None) => Auth::none(),
        };
        let mut headers = Vec::new();
        if let Some((database, prefix)) = connection.database() {
            if connection.is_overridden() {
                headers.push(("x-lancedb-database", database.to_owned()));
            }
            headers.extend(prefix.map(|prefix| ("x-lancedb-database-prefix", prefix.to_owned())));
        }
        headers.extend(connection.user_id.iter().map(|user| ("x-lancedb-user-id", user.clone())));
        let known = match connection.dialect {
            WantedDialect::Cloud => Some(Dialect::Cloud),
            WantedDialect::Namespace => Some(Dialect::Namespace),
            WantedDialect::Auto => Connection::is_cloud_host(&base).then_some(Dialect::Cloud),
        };
        let http = HttpClient::builder(base)
            .auth(auth)
            .settings(connection.http.clone())
            .clock(Arc::clone(&context.clock))
            .user_agent(&context.user_agent)
            .error_detail(faults::detail)
            .refusal_check(faults::is_final)
            .answer_check(|body| ipc::cut_off(body).map(str::to_owned))
            .build()?;
        Ok(Self {
            http,
            spoken: Arc::new(Spoken::new(known)),
            seen: Seen::default(),
            namespace: connection.namespace.clone().into(),
            clock: Arc::clone(&context.clock),
            headers: headers.into(),
            secrets: connection.api_key().into_iter().chain(connection.auth_token.clone()).collect(),
            branch: None,
        })
    }

    /// Which form of requests the server reads; asked for once.
    ///
    /// # Errors
    /// Those of the HTTP client.
    pub(super) async fn dialect(&self) -> Result<Dialect> {
        let ask = || async {
            let path = table_path(NO_TABLE, "describe/");
            let response = self.send(accepting(self.http.post(path).idempotent(true).json(&json!({})))).await?;
            let is_cloud = response.header("phalanx-version").is_some() || !faults::is_namespace_error(response.body());
            let dialect = if is_cloud { Dialect::Cloud } else { Dialect::Namespace };
            tracing::debug!(?dialect, "the server's dialect");
            Ok(dialect)
        };
        self.spoken.or_ask(ask).await
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    async fn send(&self, mut request: Request) -> Result<Response> {
        // The same however often it is sent, so that server logs show it as one.
        request = request.header("x-request-id", request_id());
        for (name, value) in self.headers.iter() {
            request = request.header(name, value);
        }
        request.send().await
    }

    /// The answer to a GET, as JSON.
    ///
    /// # Errors
    /// Those of the HTTP client; [`Protocol`](ErrorKind::Protocol) for an answer of another shape.
    pub(super) async fn get<T: for<'de> Deserialize<'de>>(&self, path: &str, query: &[(&str, &str)]) -> Result<T> {
        let mut request = self.http.get(path);
        for (name, value) in query {
            request = request.query(name, value);
        }
        parse(self.send(request).await?.body(), path)
    }

    /// The error of an answer, without secrets that the server repeats.
    fn refusal(&self, response: &Response, table: &str, version: Option<u64>) -> Error {
        let secrets = self.secrets.iter().map(|secret| secret.expose().as_bytes());
        let body = without_secrets(response.body().clone(), secrets);
        faults::of(response.status(), &body, table, version)
    }

    /// The answer to a question about a table, as bytes.
    async fn ask(&self, table: &str, what: &str, body: &Value, version: Option<u64>) -> Result<Response> {
        let request = accepting(self.http.post(table_path(table, what)).idempotent(true).json(body));
        // A refusal that was read by the client itself: what it said stands in the error.
        let response = self.send(request).await.map_err(|error| faults::about(error, table))?;
        match response.status() {
            200..=299 => {
                self.note(table, &response);
                Ok(response)
            }
            _ => Err(self.refusal(&response, table, version)),
        }
    }

    /// Branches count their versions for themselves.
    fn note(&self, table: &str, response: &Response) {
        if self.branch.is_none() {
            self.seen.note_of(table, response);
        }
    }

    async fn ask_json<T: for<'de> Deserialize<'de>>(&self, table: &str, what: &str, body: &Value) -> Result<T> {
        parse(self.ask(table, what, body, None).await?.body(), what).map_err(|error| error.with("table", table))
    }

    /// As [`LanceClient::ask_json`], of a node of LanceDB Cloud that knows all that was committed until now, as far as clocks
    /// agree, and in any case what it or another node has told before.
    async fn ask_fresh<T: for<'de> Deserialize<'de>>(&self, table: &str, what: &str) -> Result<T> {
        let newest = self.seen.newest(table).filter(|_| self.branch.is_none());
        let response = match self.answer_of_now(table, what, newest).await {
            // Nobody has that version: the table was dropped and created again.
            Err(error) if newest.is_some() && error.kind() == ErrorKind::Unavailable => {
                self.seen.forget(table);
                self.answer_of_now(table, what, None).await?
            }
            answered => answered?,
        };
        match response.status() {
            200..=299 => {
                self.note(table, &response);
                parse(response.body(), what).map_err(|error| error.with("table", table))
            }
            _ => Err(self.refusal(&response, table, None)),
        }
    }

    async fn answer_of_now(&self, table: &str, what: &str, at_least: Option<u64>) -> Result<Response> {
        let request = self.http.post(table_path(table, what)).idempotent(true).json(&self.on(json!({})));
        let mut request = accepting(request.header("x-lancedb-min-timestamp", self.now().to_rfc3339()));
        if let Some(version) = at_least {
            request = request.header(AT_LEAST, version.to_string());
        }
        self.send(request).await.map_err(|error| faults::about(error, table))
    }

    /// The latest version of a table.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for a table that there is not; those of the HTTP client.
    pub(super) async fn latest(&self, table: &str) -> Result<Version> {
        let listed: Versions = match self.dialect().await? {
            Dialect::Namespace => {
                let mut path = "version/list/?limit=1&descending=true".to_owned();
                if let Some(branch) = &self.branch {
                    path.push_str("&branch=");
                    path.extend(form_urlencoded::byte_serialize(branch.as_bytes()));
                }
                self.ask_json(table, &path, &self.on(json!({}))).await?
            }
            // Its descriptions tell the version too, but there are none of tables with types that they have no word for.
            Dialect::Cloud => self.ask_fresh(table, "version/list/").await?,
        };
        listed.versions.into_iter().max_by_key(|version| version.number).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "the table has no version: it was declared, and never written")
                .with("table", table)
        })
    }

    /// A version of a table.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) for a version that is not kept; those of the HTTP client.
    pub(super) async fn version(&self, table: &str, number: u64) -> Result<Version> {
        let body = self.on(json!({ "version": number }));
        match self.dialect().await? {
            Dialect::Namespace => {
                let response = self.ask(table, "version/describe", &body, Some(number)).await?;
                parse::<OneVersion>(response.body(), "version/describe").map(|found| found.version)
            }
            Dialect::Cloud => {
                let listed: Versions = self.ask_fresh(table, "version/list/").await?;
                let found = listed.versions.into_iter().find(|version| version.number == number);
                found.ok_or_else(|| faults::of(404, b"version", table, Some(number)))
            }
        }
    }

    /// The names of a version's columns, those that cannot be read too.
    ///
    /// # Errors
    /// Those of the HTTP client; [`Protocol`](ErrorKind::Protocol) when the server does not tell them.
    pub(super) async fn column_names(&self, table: &str, version: u64) -> Result<Vec<String>> {
        let body = self.on(json!({ "version": version }));
        let described: DescribedColumns = self.ask_json(table, "describe/?load_detailed_metadata=true", &body).await?;
        Ok(described.schema.fields.into_iter().map(|field| field.name).collect())
    }

    /// The version that a tag names.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) for a tag that there is not; those of the HTTP client.
    pub(super) async fn tagged(&self, table: &str, tag: &str) -> Result<u64> {
        let tagged: Tagged = self
            .ask_json(table, "tags/version/", &json!({ "tag": tag }))
            .await
            .map_err(|error| error.with("tag", tag))?;
        Ok(tagged.version)
    }

    /// How many rows a version has, of those that a condition selects.
    ///
    /// # Errors
    /// Those of [`LanceClient::query`].
    pub(super) async fn count(&self, table: &str, version: u64, filter: Option<&str>) -> Result<u64> {
        let mut body = self.on(json!({ "version": version }));
        if let Some(filter) = filter {
            body["predicate"] = filter.into();
        }
        let response = self.ask(table, "count_rows/", &body, Some(version)).await?;
        parse(response.body(), "count_rows").map_err(|error| error.with("table", table))
    }

    /// Rows of a table.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for what the server cannot do; [`OffsetExpired`](ErrorKind::OffsetExpired) for a version
    /// that is not kept; [`NotFound`](ErrorKind::NotFound) for a table that there is not; those of the HTTP client.
    pub(super) async fn query(&self, table: &str, query: &Query) -> Result<Asked> {
        loop {
            let dialect = self.dialect().await?;
            let body = self.on(query.body(dialect)?);
            let request = accepting(self.http.post(table_path(table, "query/")).idempotent(true).json(&body));
            let response = match self.send(request).await {
                Ok(response) => response,
                // A refusal that was read by the client itself: what it said stands in the error.
                Err(error) => return too_large_or(error, table),
            };
            let status = response.status();
            if (200..300).contains(&status) {
                self.note(table, &response);
                return Answer::of(response.into_body()).map(Asked::Answer).map_err(|error| error.with("table", table));
            }
            if faults::is_other_form(status, response.body()) && self.spoken.correct(dialect) {
                continue;
            }
            let error = self.refusal(&response, table, query.version);
            let is_too_large = faults::is_too_large(status, response.body());
            return if is_too_large { Ok(Asked::TooLarge(error)) } else { Err(error) };
        }
    }
}

/// Sorts out the refusals that less rows would not meet.
fn too_large_or(error: Error, table: &str) -> Result<Asked> {
    let status = error.get("status").and_then(|status| status.parse().ok()).unwrap_or(0);
    let is_too_large = faults::is_too_large(status, error.get("detail").unwrap_or_default().as_bytes())
        // What the client itself does not take.
        || error.get("max_body_bytes").is_some();
    let error = faults::about(error, table);
    if is_too_large { Ok(Asked::TooLarge(error)) } else { Err(error) }
}

/// A random UUID.
fn request_id() -> String {
    let bits = fastrand::u128(..) & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn accepting(request: Request) -> Request {
    ANSWERS.into_iter().fold(request, Request::accept_status)
}

/// Names are checked when they are listed or given: nothing in them needs an escape.
fn table_path(table: &str, what: &str) -> String {
    format!("v1/table/{table}/{what}")
}

fn parse<T: for<'de> Deserialize<'de>>(body: &Bytes, what: &str) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        Error::new(ErrorKind::Protocol, "the server's answer does not have the shape that it should have")
            .with("question", what)
            .with("line", error.line())
            .with("column", error.column())
            .help("is the address that of a LanceDB server, and 'dialect' right?")
    })
}
