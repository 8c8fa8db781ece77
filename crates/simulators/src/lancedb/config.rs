//! What one simulated LanceDB server is like.

use std::{net::SocketAddr, time::Duration};

use super::table::RowIds;
use crate::{clock::SimClock, faults::FaultRule};

/// Everything that can be chosen about a server. [`Config::default`] is a well-behaved Cloud server with one table of 1,000
/// documents and their vectors.
///
/// Set fields directly, or by text with [`Config::set`] (the names are in [`OPTIONS`](super::OPTIONS)).
#[derive(Clone, Debug)]
pub struct Config {
    /// Decides everything random: texts, vectors, chances.
    pub seed: u64,
    /// Where to listen; default `127.0.0.1:0`, which takes a free port.
    pub address: SocketAddr,
    /// A path before that of the API; default none.
    pub base_path: String,
    /// The server's clock; default the machine's.
    pub clock: SimClock,
    /// Which form of bodies the server reads and writes.
    pub dialect: Dialect,
    /// The version that the server says it has, in `phalanx-version`; none for a server that does not say.
    pub server_version: Option<String>,
    /// Generated tables.
    pub tables: Vec<TableSpec>,
    /// Bounds.
    pub limits: Limits,
    /// How answers are written.
    pub wire: Wire,
    /// Who may read.
    pub auth: Auth,
    /// Questions without a version are answered from this many versions ago unless a header forbids it: a node behind the
    /// others.
    pub stale: u64,
    /// Answers are compressed by gzip for clients that accept that; default false.
    pub gzip: bool,
    /// Bytes of answers with rows that are kept and sent again to the same question, so that the server costs next to nothing;
    /// default 0.
    pub kept_bytes: usize,
    /// Every reply is this late.
    pub latency: Duration,
    /// The script of faults.
    pub faults: Vec<FaultRule>,
}

/// Which form of bodies a server reads and writes; the paths are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// LanceDB Cloud and Enterprise.
    Cloud,
    /// The Lance REST Namespace.
    Namespace,
}

/// A generated table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Its id: the name, with namespaces before it, as in `plant$readings`.
    pub id: String,
    /// Rows of its first version.
    pub rows: usize,
    /// Length of its vectors; 0 for a table without vectors.
    pub dimension: usize,
    /// Whether rows keep their ids.
    pub row_ids: RowIds,
    /// The most rows of a fragment.
    pub fragment_rows: usize,
}

/// What a server refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Tables on a page of a list when the client names no limit; default 10.
    pub page: usize,
    /// The most bytes of a request's body; above it 413. Default 2 MiB.
    pub request_bytes: usize,
    /// The most bytes of one text or binary column of an answer; above it 500 with an offset overflow. Default 2 GiB - 1.
    pub column_bytes: usize,
    /// The status of an answer to a filter that cannot be used; default 500.
    pub bad_filter: u16,
}

/// How answers are written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wire {
    /// File or stream.
    pub framing: Framing,
    /// Compression of the buffers.
    pub compression: Compression,
    /// Rows of a record batch; all in one when absent.
    pub batch_rows: Option<usize>,
    /// Lists give out the same page token again and again.
    pub repeats_token: bool,
    /// Lists are cut at their limit without a token, as the reference server's flat list is.
    pub hides_token: bool,
    /// The first column of answers is of another type than the table's.
    pub other_schema: bool,
    /// Lists of versions tell milliseconds in place of text.
    pub version_millis: bool,
    /// Descriptions hold the schema as text with JSON in it, as older servers had it.
    pub schema_as_text: bool,
}

/// The two forms of Arrow IPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// With a footer: what queries are answered with.
    File,
    /// Without one.
    Stream,
}

/// Compression of the buffers of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// None: the default.
    None,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// Who may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Everybody.
    None,
    /// Those who send this key as `x-api-key`.
    ApiKey(String),
    /// Those who send this bearer token.
    Bearer(String),
}

impl TableSpec {
    /// 1,000 rows with vectors of 16 numbers, in fragments of 100,000, with row ids that stay.
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), rows: 1_000, dimension: 16, row_ids: RowIds::Stable, fragment_rows: 100_000 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 7,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            base_path: String::new(),
            clock: SimClock::system(),
            dialect: Dialect::Cloud,
            server_version: Some("0.5.0".to_owned()),
            tables: vec![TableSpec::new("documents")],
            limits: Limits::default(),
            wire: Wire::default(),
            auth: Auth::None,
            stale: 0,
            gzip: false,
            kept_bytes: 0,
            latency: Duration::ZERO,
            faults: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { page: 10, request_bytes: 2 << 20, column_bytes: i32::MAX as usize, bad_filter: 500 }
    }
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            framing: Framing::File,
            compression: Compression::None,
            batch_rows: None,
            repeats_token: false,
            hides_token: false,
            other_schema: false,
            version_millis: false,
            schema_as_text: false,
        }
    }
}
