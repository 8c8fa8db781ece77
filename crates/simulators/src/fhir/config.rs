//! What one simulated FHIR server is like.

use std::{net::SocketAddr, time::Duration};

use chrono::{DateTime, Utc};

use super::instant::StampStyle;
use crate::{clock::SimClock, faults::FaultRule, oauth::TokenServerConfig};

/// Everything that can be chosen about a server. [`Config::default`] is a well-behaved one that holds every committed
/// official example once.
///
/// Set fields directly, or by text with [`Config::set`] (the names are in [`OPTIONS`](super::OPTIONS)).
#[derive(Clone, Debug)]
pub struct Config {
    /// Decides everything random: link tokens, chances of faults.
    pub seed: u64,
    /// Where to listen; default `127.0.0.1:0`, which takes a free port.
    pub address: SocketAddr,
    /// The path of the FHIR root; default `/fhir`.
    pub base_path: String,
    /// The server's clock; default the machine's.
    pub clock: SimClock,
    /// What the server holds at the start; empty means every example once.
    pub volumes: Vec<Volume>,
    /// The stamps of the initial resources, and the style of all stamps.
    pub stamps: Stamps,
    /// How searches are answered.
    pub search: SearchBehaviour,
    /// How results are cut into pages.
    pub paging: PagingBehaviour,
    /// How `_history` is answered.
    pub history: HistoryBehaviour,
    /// Who may read.
    pub auth: Auth,
    /// The script of faults.
    pub faults: Vec<FaultRule>,
    /// Every reply is this late.
    pub latency: Duration,
    /// Compress bodies when the client accepts gzip.
    pub gzip: bool,
    /// Send a `Date` header.
    pub date_header: bool,
    /// Writes become visible only this long after their stamp.
    pub late_commit: Option<LateCommit>,
}

/// A number of resources of one type, made from the examples of that type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// The resource type.
    pub resource_type: String,
    /// How many resources.
    pub count: u32,
    /// Wished average size in bytes: the largest (or smallest) examples are left out until the average is near it.
    pub average_bytes: Option<usize>,
}

impl Volume {
    /// `count` resources of a type, all its examples in turn.
    pub fn new(resource_type: &str, count: u32) -> Self {
        Self { resource_type: resource_type.to_owned(), count, average_bytes: None }
    }
}

/// The `meta.lastUpdated` of the initial resources of each type.
#[derive(Clone, Debug)]
pub struct Stamps {
    /// The oldest stamp.
    pub first: DateTime<Utc>,
    /// The distance between two neighbouring stamps.
    pub step: Duration,
    /// How many resources share one stamp.
    pub ties: Ties,
    /// How stamps are spelled and how fine they are, of later writes too.
    pub style: StampStyle,
    /// Every n-th resource has no `lastUpdated`; 1 means all.
    pub missing_every: Option<u32>,
}

/// Resources that share one stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ties {
    /// Every initial resource of a type has its own.
    #[default]
    None,
    /// Pairs share one, cut so that a page of an even size ends between the two.
    Pairs,
    /// Groups of this many.
    Groups(u32),
    /// All initial resources have the same.
    All,
}

/// How a search is understood and answered.
#[derive(Clone, Debug)]
pub struct SearchBehaviour {
    /// `_sort` is ignored: results come in no useful order.
    pub ignores_sort: bool,
    /// `_lastUpdated` is ignored.
    pub ignores_filter: bool,
    /// Ignored parameters are shown in the self link all the same.
    pub reflects_ignored: bool,
    /// What a date search value means.
    pub values: DateValues,
    /// Search values are cut to whole seconds.
    pub cuts_values_to_seconds: bool,
    /// Parameters that this server does not know, for example `_lastUpdated` or `_total`.
    pub unsupported: Vec<String>,
    /// What happens to an unknown parameter.
    pub unknown: UnknownParameters,
    /// An identical search within this time gets the stored answer, unless it says `Cache-Control: no-cache`.
    pub cache: Option<Duration>,
    /// What `Bundle.total` says.
    pub totals: Totals,
    /// Entries of mode `include` are mixed into every page.
    pub includes: bool,
    /// An entry of mode `outcome` is in every page.
    pub outcomes: bool,
    /// Every page holds one `match` entry of another resource type.
    pub foreign_type: bool,
    /// Every n-th resource comes with parts left out and the tag that says so; 1 means all.
    pub subsets_every: Option<u32>,
}

/// What a date search value stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateValues {
    /// The interval that its precision spans, as the standard says.
    #[default]
    Interval,
    /// The first instant of that interval.
    Point,
}

/// What a server does with a parameter that it does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownParameters {
    /// 400 under `Prefer: handling=strict`, otherwise ignored and left out of the self link.
    #[default]
    ByPrefer,
    /// 400 always.
    Reject,
    /// Ignored always.
    Ignore,
}

/// What `Bundle.total` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Totals {
    /// The exact number.
    #[default]
    Exact,
    /// About a tenth too many, unless `_total=accurate` is asked for.
    Estimated,
    /// Always wrong by about a tenth.
    Wrong,
    /// Always 0.
    Zero,
    /// Never there.
    Absent,
}

/// How results are cut into pages and how the pages are linked.
#[derive(Clone, Debug)]
pub struct PagingBehaviour {
    /// What a next link remembers.
    pub style: PagingStyle,
    /// Page size when the client names none.
    pub default_count: usize,
    /// Larger wishes get this size.
    pub max_count: usize,
    /// How links are spelled.
    pub links: LinkStyle,
    /// A stored result serves this many pages, then its links answer 410.
    pub expires_after_pages: Option<u32>,
    /// A stored result lives this long by the server's clock.
    pub expires_after: Option<Duration>,
    /// From this page on (counted from 0) the next link names the page itself.
    pub loops_at: Option<usize>,
    /// Every n-th page, the first included, is preceded by an empty page that has a next link.
    pub blank_every: Option<usize>,
    /// Next links are longer than 2,000 characters.
    pub long_links: bool,
    /// A page that begins after more rows than this is refused, for [`PagingStyle::Offset`].
    pub deepest_offset: Option<usize>,
}

/// What a next link remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PagingStyle {
    /// An id of a stored list of resource ids, below the root path; resources are read when their page is.
    #[default]
    Snapshot,
    /// The same list, named by one opaque token below the type's path.
    Token,
    /// The stamp and row of the last entry; the search runs again from there.
    Keyset,
    /// A number of rows to skip; pages drift when rows change between requests.
    Offset,
}

/// How links are spelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LinkStyle {
    /// The full URL below the server's base.
    #[default]
    Absolute,
    /// From `/`, without the base path: `/Patient?...`.
    Rooted,
    /// Relative to the base, without a leading slash.
    Relative,
    /// The next link names this server's other address.
    OtherOrigin,
    /// All links name this authority, for example an internal host.
    Authority(String),
}

/// How `_history` is answered.
#[derive(Clone, Debug)]
pub struct HistoryBehaviour {
    /// `{type}/_history` exists.
    pub of_type: bool,
    /// `/_history` exists.
    pub of_system: bool,
    /// The last entry of a page is repeated as the first of the next.
    pub repeats_entries: bool,
}

/// A write that is stamped now and seen later, as on a server whose transactions stay open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateCommit {
    /// How long after its stamp a write is seen.
    pub delay: Duration,
    /// Every n-th write is late, the others are seen at once.
    pub every: u32,
}

/// Who may read.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Everybody.
    #[default]
    None,
    /// HTTP Basic.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// One fixed bearer token.
    Bearer {
        /// The token.
        token: String,
    },
    /// Tokens of the built-in token endpoint; SMART discovery names it.
    OAuth(TokenServerConfig),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            base_path: "/fhir".to_owned(),
            clock: SimClock::system(),
            volumes: Vec::new(),
            stamps: Stamps::default(),
            search: SearchBehaviour::default(),
            paging: PagingBehaviour::default(),
            history: HistoryBehaviour { of_type: true, of_system: true, repeats_entries: false },
            auth: Auth::None,
            faults: Vec::new(),
            latency: Duration::ZERO,
            gzip: false,
            date_header: true,
            late_commit: None,
        }
    }
}

impl Default for Stamps {
    fn default() -> Self {
        Self {
            first: DateTime::from_timestamp_nanos(1_704_067_200_000_000_000),
            step: Duration::from_millis(1_337),
            ties: Ties::None,
            style: StampStyle::Millis,
            missing_every: None,
        }
    }
}

impl Default for SearchBehaviour {
    fn default() -> Self {
        Self {
            ignores_sort: false,
            ignores_filter: false,
            reflects_ignored: false,
            values: DateValues::Interval,
            cuts_values_to_seconds: false,
            unsupported: Vec::new(),
            unknown: UnknownParameters::ByPrefer,
            cache: None,
            totals: Totals::Exact,
            includes: false,
            outcomes: false,
            foreign_type: false,
            subsets_every: None,
        }
    }
}

impl Default for PagingBehaviour {
    fn default() -> Self {
        Self {
            style: PagingStyle::Snapshot,
            default_count: 20,
            max_count: 1_000,
            links: LinkStyle::Absolute,
            expires_after_pages: None,
            expires_after: None,
            loops_at: None,
            blank_every: None,
            long_links: false,
            deepest_offset: None,
        }
    }
}
