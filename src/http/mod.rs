//! The one HTTP client of all sources: retries, limits, credentials, links, and errors that tell no secrets.
//!
//! A source builds one [`HttpClient`] for its server and asks it for whole bodies:
//!
//! ```no_run
//! use lakeflow_connect::{Result, http::{Auth, HttpClient}};
//! # async fn run() -> Result<()> {
//! let client = HttpClient::builder("https://fhir.example.org/r4".parse().unwrap()).auth(Auth::none()).build()?;
//! let page = client.get("Patient").query("_count", "100").header("accept", "application/fhir+json").send().await?;
//! let next = client.resolve_link("/Patient?page=2")?;
//! # Ok(()) }
//! ```
//!
//! What it promises:
//! - A request is sent again only when that can help and is safe; waiting is bounded by count, time and the server's
//!   word (`Retry-After`). Nothing else in the program sleeps or retries.
//! - A body is whole or an error. One that breaks off is asked for again.
//! - Credentials, and the headers of the `extra_headers` option, go to the server's own origin and to allowed ones only.
//! - No error, log line or `Debug` output holds a credential, a query string or a body.

mod auth;
mod backoff;
mod builder;
mod classify;
mod client;
mod concurrency;
mod connect;
mod cookies;
mod failure;
mod links;
mod pace;
mod redact;
mod repeats;
mod request;
mod response;
mod retry_after;
mod run;
mod send;
mod settings;

#[cfg(feature = "kerberos")]
pub use auth::Kerberos;
pub use auth::{
    Auth, ClientAuth, ClientCredentials, KeyAlgorithm, NegotiateExchange, NegotiateProvider, PrivateKeyJwt, SigningKey,
    TokenEndpoint,
};
pub use builder::{AnswerCheck, ErrorDetail, HttpClientBuilder, RefusalCheck};
pub use client::{HttpClient, Retries, Target};
#[cfg(feature = "fhir")]
pub(crate) use failure::is_unconnected;
#[cfg(feature = "lancedb")]
pub(crate) use redact::without_secrets;
pub use request::Request;
pub use response::{BodyStream, Response};
pub use settings::{HTTP_OPTIONS, HttpSettings};
