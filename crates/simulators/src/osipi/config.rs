//! What one simulated PI Web API server is like.

use std::{net::SocketAddr, time::Duration};

use super::{af::AfConfig, model::PointType, ticks::Rounding};
use crate::{clock::SimClock, faults::FaultRule, oauth::TokenServerConfig};

/// Everything that can be chosen about a server. [`Config::default`] is a well-behaved one with 16 points of all kinds
/// and an event a minute for ten days.
///
/// Set fields directly, or by text with [`Config::set`] (the names are in [`OPTIONS`](super::OPTIONS)).
#[derive(Clone, Debug)]
pub struct Config {
    /// Decides everything random: ids, events, values, orders, chances.
    pub seed: u64,
    /// Where to listen; default `127.0.0.1:0`, which takes a free port.
    pub address: SocketAddr,
    /// The path of the API; default `/piwebapi`.
    pub base_path: String,
    /// The server's clock; default the machine's.
    pub clock: SimClock,
    /// Minutes that the server's local time is east of UTC; default 0.
    pub zone_minutes: i32,
    /// The names of the data servers; default `PISRV1`.
    pub data_servers: Vec<String>,
    /// Generated points, spread over the data servers; default 16.
    pub points: u32,
    /// The types of generated points, in turn; the default mix has all but Blob and Array.
    pub types: Vec<PointType>,
    /// Every n-th generated point is a Future point, which has events ahead of now; default none.
    pub future_every: Option<u32>,
    /// The generated events.
    pub archive: ArchiveProfile,
    /// The asset side.
    pub af: AfConfig,
    /// Caps.
    pub limits: Limits,
    /// How answers are spelled.
    pub wire: Wire,
    /// Who may read.
    pub auth: Auth,
    /// POST without `X-Requested-With` is refused; default true.
    pub csrf: bool,
    /// A registration for stream updates is forgotten when nobody asked for this long; default ten minutes.
    pub updates_life: Duration,
    /// The script of faults of whole requests.
    pub faults: Vec<FaultRule>,
    /// The script of faults of sub-requests of a batch; only statuses, HTML and empty bodies can be played there.
    pub item_faults: Vec<FaultRule>,
    /// Every reply is this late.
    pub latency: Duration,
    /// Compress bodies when the client accepts gzip.
    pub gzip: bool,
}

/// The generated events of a point: a pure function of seed, point and time.
#[derive(Clone, Debug)]
pub struct ArchiveProfile {
    /// How far events reach back from the clock at the start; default ten days.
    pub history: Duration,
    /// How far the events of Future points reach ahead of now; default one day.
    pub horizon: Duration,
    /// The mean distance of events.
    pub density: Density,
    /// Events that share one instant, 1 to 200,000; the mean density stays. Default 1.
    pub ties: u32,
    /// Per cent of events that are bad (a system state); default 2.
    pub bad_percent: u8,
    /// Per cent of events with each of questionable, substituted, annotated; default 1.
    pub flag_percent: u8,
    /// Per cent of events that compression throws away once a newer one came: seen only while they are the newest.
    /// Default 0.
    pub discard_percent: u8,
    /// Whether events keep the beat exactly; default false, they are scattered within their slot.
    pub regular: bool,
    /// How instants become archive times and back.
    pub rounding: Rounding,
}

/// The mean distance between two events of one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Density {
    /// The same for all points.
    Every(Duration),
    /// By point, log-normal with a median of one event a minute, between one a day and 1 kHz.
    LogNormal,
    /// No generated events at all: points hold what the journal puts there.
    Nothing,
}

/// Caps of the server. The defaults are those of a real one, but for the rate, which is not limited.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Items of a page or a stream when the client names no `maxCount`; default 1000.
    pub default_count: usize,
    /// The most items of one call; above it 400; default 150,000.
    pub max_items: usize,
    /// The most bytes of a request body; above it 413; default 4 MiB.
    pub max_body: usize,
    /// The most sub-requests of a batch; above it 400; default no cap.
    pub max_batch: Option<usize>,
    /// Requests of one client address per second of the server's clock; above it 429. A real server has 1000.
    pub rate: Option<u32>,
    /// The most bytes of request line and headers; above it 400; default 16 KiB.
    pub max_head: usize,
    /// The most characters of one segment of the path; above it 400; default 260.
    pub max_segment: usize,
}

/// How answers are spelled.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Timed values carry `Annotated`; default true. Servers before 2018 have no such field.
    pub annotated: bool,
    /// Lists carry paging links; default true.
    pub list_links: bool,
    /// Streams of a streamset and keys of a batch answer come in another order than asked for; default true.
    pub shuffled: bool,
    /// Streamsets spell WebIDs in the server's default way whatever was asked for; default false.
    pub respelled: bool,
    /// Some numbers come as `1E-05`, `1.0` or as the text `NaN` and `Infinity`; default false.
    pub odd_numbers: bool,
    /// Some values of streams carry an `Errors` list; default false.
    pub value_errors: bool,
    /// Objects carry `Links`; default true.
    pub object_links: bool,
    /// The version of the product that `/system/versions` tells.
    pub version: String,
}

/// Who may read.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Everybody.
    #[default]
    None,
    /// HTTP Basic.
    Basic {
        /// The user, maybe `DOMAIN\user`.
        user: String,
        /// The password.
        password: String,
    },
    /// One fixed bearer token.
    Bearer {
        /// The token.
        token: String,
    },
    /// Tokens of the built-in token endpoint; `.well-known/openid-configuration` below the base names it.
    OpenId(TokenServerConfig),
    /// `Negotiate`, with the tokens of a script.
    Negotiate(NegotiateScript),
}

/// A scripted SPNEGO exchange: which tokens the client must send and what the server answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NegotiateScript {
    /// The legs: the client's token and the server's, both as bytes. Every leg but the last is answered with 401 and the
    /// server's token; the last with the right answer and, unless empty, the server's token in `WWW-Authenticate`.
    pub legs: Vec<(Vec<u8>, Vec<u8>)>,
    /// An exchange that is done holds for its connection; otherwise every request needs its own.
    pub per_connection: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            base_path: "/piwebapi".to_owned(),
            clock: SimClock::system(),
            zone_minutes: 0,
            data_servers: vec!["PISRV1".to_owned()],
            points: 16,
            types: PointType::MIX.to_vec(),
            future_every: None,
            archive: ArchiveProfile::default(),
            af: AfConfig::default(),
            limits: Limits::default(),
            wire: Wire::default(),
            auth: Auth::None,
            csrf: true,
            updates_life: Duration::from_secs(600),
            faults: Vec::new(),
            item_faults: Vec::new(),
            latency: Duration::ZERO,
            gzip: true,
        }
    }
}

impl Default for ArchiveProfile {
    fn default() -> Self {
        Self {
            history: Duration::from_secs(10 * 86_400),
            horizon: Duration::from_secs(86_400),
            density: Density::Every(Duration::from_secs(60)),
            ties: 1,
            bad_percent: 2,
            flag_percent: 1,
            discard_percent: 0,
            regular: false,
            rounding: Rounding::Round,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            default_count: 1_000,
            max_items: 150_000,
            max_body: 4 << 20,
            max_batch: None,
            rate: None,
            max_head: 16 << 10,
            max_segment: 260,
        }
    }
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            annotated: true,
            list_links: true,
            shuffled: true,
            respelled: false,
            odd_numbers: false,
            value_errors: false,
            object_links: true,
            version: "2023.1.0.0".to_owned(),
        }
    }
}
