//! What the reader needs of a FHIR server: searches and links, answered with whole bodies.

use std::future::Future;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use url::Url;

use crate::error::Result;

/// A search of one resource type.
#[derive(Clone, Debug)]
pub(super) struct Search {
    /// Parameters in order.
    pub(super) query: Vec<(String, String)>,
    /// Ask the server to refuse what it does not support.
    pub(super) strict: bool,
}

/// A server's answer: a page, or one of the [statuses](Reply::REFUSED) that the reader decides about itself.
pub(super) struct Reply {
    pub(super) status: u16,
    /// The server's clock.
    pub(super) date: Option<DateTime<Utc>>,
    /// Where the answer came from; links in it are relative to this.
    pub(super) url: Url,
    pub(super) content_type: Option<String>,
    pub(super) body: Bytes,
}

impl Reply {
    /// Statuses that say: not like this, or not any more.
    pub(super) const REFUSED: [u16; 4] = [400, 404, 410, 422];
}

/// The way to a server. Retries, credentials and the safety of links are its business.
pub(super) trait Wire: Send + Sync + 'static {
    /// Searches the table.
    fn search(&self, search: &Search) -> impl Future<Output = Result<Reply>> + Send;

    /// Follows a link that [`Wire::resolve`] allowed.
    fn follow(&self, link: &Url) -> impl Future<Output = Result<Reply>> + Send;

    /// The address of a link in an answer, if it may be followed.
    fn resolve(&self, from: &Url, link: &str) -> Result<Url>;
}
