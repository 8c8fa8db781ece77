//! Configuration by text, for the command line.

use std::time::Duration;

use super::{
    config::{Auth, Config, Density},
    model::PointType,
    ticks::Rounding,
    time::Span,
};
use crate::{
    SimError,
    oauth::{Client, ClientCredential, TokenServerConfig},
    settings,
};

/// The options that [`Config::set`] understands, with what they mean.
pub const OPTIONS: &[(&str, &str)] = &[
    ("personality", "comma list of named behaviours"),
    ("points", "number of generated points, for example 30000"),
    ("types", "comma list of point types, in turn, for example Float32,Digital"),
    ("future_every", "every n-th point has events ahead of now"),
    ("data_servers", "comma list of names; the points are spread over them"),
    ("density", "time between two events of a point, for example 1m or 10s; log-normal; or none"),
    ("days", "how many days of history there are"),
    ("ties", "events that share one instant, 1 to 200000"),
    ("rounding", "how instants become archive times: round, floor or ceil"),
    ("bad_percent", "per cent of events that hold a system state"),
    ("flag_percent", "per cent of events for each of questionable, substituted, annotated"),
    ("discard_percent", "per cent of snapshots that compression throws away"),
    ("elements", "elements of the asset databases"),
    ("event_frames", "event frames of the asset databases"),
    ("event_frame_days", "days over which event frames are spread"),
    ("tied_event_frames", "event frames that share one start"),
    ("denied_objects", "true: some asset objects answer 403"),
    ("seed", "a number that decides everything random"),
    ("listen", "address and port, for example 127.0.0.1:8080; port 0 takes a free one"),
    ("base_path", "path of the API, for example /piwebapi"),
    ("clock", "an instant at which the clock stands, or an offset such as +3600 or -60 in seconds"),
    ("zone_minutes", "minutes that the server's local time is east of UTC"),
    ("latency_ms", "every reply is this late"),
    ("default_count", "items of a page or stream when the client names no maxCount"),
    ("max_items", "most items of one call; above it 400"),
    ("max_body", "most bytes of a request body; above it 413"),
    ("max_batch", "most sub-requests of a batch; above it 400"),
    ("rate", "most requests per second and client; above it 429"),
    ("fault", "rules WHEN[@PATH]=FAULT separated by ;, for example every:7=cut-off;first:1=status:503:after:2"),
    ("item_fault", "the same for the sub-requests of batches, for example nth:3@/recorded=status:502"),
    ("auth", "none, basic:USER:PASSWORD, bearer:TOKEN or oidc:ID:SECRET"),
    ("token_lifetime_seconds", "lifetime of tokens; give it after auth"),
];

impl Config {
    /// Sets one option by text; [`OPTIONS`] lists the names. Later calls override or add to earlier ones.
    ///
    /// # Errors
    /// When there is no such option, or the value makes no sense for it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SimError> {
        let wrong = |what: &str| SimError::Config(format!("option {name}: '{value}' is {what}"));
        let number = || value.parse::<u32>().map_err(|_| wrong("no number"));
        let size = || value.parse::<usize>().ok().filter(|size| *size > 0).ok_or_else(|| wrong("no number above 0"));
        let percent = || value.parse::<u8>().ok().filter(|n| *n <= 100).ok_or_else(|| wrong("no percentage"));
        match settings::name(name).as_str() {
            "personality" => {
                for name in settings::words(value, ',') {
                    self.add_personality(name)?;
                }
            }
            "points" => self.points = number()?,
            "types" => {
                let types = settings::words(value, ',')
                    .map(|word| PointType::parse(word).ok_or_else(|| wrong("no list of types")));
                self.types = types.collect::<Result<_, _>>()?;
            }
            "future_every" => self.future_every = Some(number()?),
            "data_servers" => self.data_servers = settings::words(value, ',').map(str::to_owned).collect(),
            "density" => self.archive.density = density(value).ok_or_else(|| wrong("no density"))?,
            "days" => self.archive.history = Duration::from_secs(u64::from(number()?) * 86_400),
            "ties" => {
                self.archive.ties =
                    Some(number()?).filter(|n| (1..=200_000).contains(n)).ok_or_else(|| wrong("out of range"))?;
            }
            "rounding" => {
                self.archive.rounding = match value {
                    "round" => Rounding::Round,
                    "floor" => Rounding::Floor,
                    "ceil" => Rounding::Ceil,
                    _ => return Err(wrong("none of round, floor, ceil")),
                }
            }
            "bad_percent" => self.archive.bad_percent = percent()?,
            "flag_percent" => self.archive.flag_percent = percent()?,
            "discard_percent" => self.archive.discard_percent = percent()?,
            "seed" => self.seed = value.parse().map_err(|_| wrong("no number"))?,
            "listen" => self.address = value.parse().map_err(|_| wrong("no address and port"))?,
            "base_path" => self.base_path = settings::base_path(value),
            "clock" => {
                self.clock = settings::clock(value).ok_or_else(|| wrong("no instant and no offset in seconds"))?;
            }
            "zone_minutes" => self.zone_minutes = value.parse().map_err(|_| wrong("no number"))?,
            "latency_ms" => self.latency = Duration::from_millis(u64::from(number()?)),
            "default_count" => self.limits.default_count = size()?,
            "max_items" => self.limits.max_items = size()?,
            "max_body" => self.limits.max_body = size()?,
            "max_batch" => self.limits.max_batch = Some(size()?),
            "rate" => self.limits.rate = Some(number()?),
            "fault" => self.faults.extend(settings::fault_rules(value)?),
            "item_fault" => self.item_faults.extend(settings::fault_rules(value)?),
            "auth" => self.auth = auth(value).map_err(|what| SimError::Config(format!("option auth: {what}")))?,
            "token_lifetime_seconds" => match &mut self.auth {
                Auth::OpenId(tokens) => tokens.lifetime = Duration::from_secs(u64::from(number()?)),
                _ => return Err(wrong("only of use after an auth with tokens")),
            },
            _ => {
                let known =
                    self.af.set(name, value).map_err(|what| SimError::Config(format!("option {name}: {what}")))?;
                if !known {
                    return Err(settings::unknown(name, OPTIONS));
                }
            }
        }
        Ok(())
    }
}

fn density(text: &str) -> Option<Density> {
    match text {
        "none" => Some(Density::Nothing),
        "log-normal" => Some(Density::LogNormal),
        span => {
            let span = Span::parse(span).filter(|span| span.months == 0 && span.ticks > 0)?;
            Some(Density::Every(Duration::from_nanos(u64::try_from(span.ticks).ok()?.checked_mul(100)?)))
        }
    }
}

/// The message never repeats the value, which holds a secret.
fn auth(value: &str) -> Result<Auth, String> {
    const FORMS: &str = "use none, basic:USER:PASSWORD, bearer:TOKEN or oidc:ID:SECRET";
    let (kind, rest) = settings::login(value);
    let pair = || settings::pair(rest).ok_or(FORMS);
    Ok(match kind {
        "none" => Auth::None,
        "basic" => {
            let (user, password) = pair()?;
            Auth::Basic { user, password }
        }
        "bearer" if !rest.is_empty() => Auth::Bearer { token: rest.to_owned() },
        "oidc" => {
            let (id, secret) = pair()?;
            Auth::open_id(Client { id, credential: ClientCredential::Secret(secret) })
        }
        _ => return Err(FORMS.to_owned()),
    })
}

impl Auth {
    /// Tokens for one client of the vendor's identity manager: scope `system`, which must be asked for.
    pub fn open_id(client: Client) -> Self {
        Self::OpenId(TokenServerConfig {
            clients: vec![client],
            scopes: Some(vec!["system".to_owned()]),
            discovery: true,
            ..TokenServerConfig::default()
        })
    }
}
