//! Configuration by text, for the command line.

use std::time::Duration;

use super::config::{Auth, Config, LateCommit, Volume};
use crate::{
    SimError,
    oauth::{Client, ClientCredential, TokenServerConfig},
    settings,
};

/// The options that [`Config::set`] understands, with what they mean.
pub const OPTIONS: &[(&str, &str)] = &[
    ("personality", "comma list of named behaviours"),
    ("volume", "comma list of Type:count[:average bytes], for example Observation:1000000:2000,Patient:1000"),
    ("seed", "a number that decides everything random"),
    ("listen", "address and port, for example 127.0.0.1:8080; port 0 takes a free one"),
    ("base_path", "path of the FHIR root, for example /fhir"),
    ("clock", "an instant at which the clock stands, or an offset such as +3600 or -60 in seconds"),
    ("first_stamp", "the oldest lastUpdated of the initial resources"),
    ("stamp_step_ms", "milliseconds between two stamps"),
    ("page_size", "entries of a page when the client names no _count"),
    ("max_page_size", "most entries of a page"),
    ("link_life_seconds", "page links answer 410 after this time"),
    ("link_life_pages", "page links answer 410 after this many pages"),
    ("late_commit_seconds", "every second write is seen only this long after its stamp"),
    ("latency_ms", "every reply is this late"),
    ("fault", "rules WHEN[@PATH]=FAULT separated by ;, for example every:7=cut-off;first:1=status:503:after:2"),
    (
        "auth",
        "none, basic:USER:PASSWORD, bearer:TOKEN, client-secret:ID:SECRET, or jwks:ID:FILE with the public keys of a client",
    ),
    ("token_lifetime_seconds", "lifetime of tokens; give it after auth"),
];

impl Config {
    /// Sets one option by text; [`OPTIONS`] lists the names. Later calls override or add to earlier ones.
    ///
    /// # Errors
    /// When there is no such option, or the value makes no sense for it.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SimError> {
        let wrong = |what: &str| SimError::Config(format!("option {name}: '{value}' is {what}"));
        let number = || value.parse::<u64>().map_err(|_| wrong("no number"));
        let size = || value.parse::<usize>().ok().filter(|size| *size > 0).ok_or_else(|| wrong("no number above 0"));
        match settings::name(name).as_str() {
            "personality" => {
                for name in settings::words(value, ',') {
                    self.add_personality(name)?;
                }
            }
            "volume" => {
                for word in settings::words(value, ',') {
                    self.volumes.push(volume(word).ok_or_else(|| wrong("no Type:count[:average bytes]"))?);
                }
            }
            "seed" => self.seed = number()?,
            "listen" => self.address = value.parse().map_err(|_| wrong("no address and port"))?,
            "base_path" => self.base_path = settings::base_path(value),
            "clock" => {
                self.clock = settings::clock(value).ok_or_else(|| wrong("no instant and no offset in seconds"))?;
            }
            "first_stamp" => self.stamps.first = settings::instant(value).ok_or_else(|| wrong("no instant"))?,
            "stamp_step_ms" => self.stamps.step = Duration::from_millis(number()?),
            "page_size" => self.paging.default_count = size()?,
            "max_page_size" => self.paging.max_count = size()?,
            "link_life_seconds" => self.paging.expires_after = Some(Duration::from_secs(number()?)),
            "link_life_pages" => {
                self.paging.expires_after_pages = Some(u32::try_from(number()?).map_err(|_| wrong("too large"))?);
            }
            "late_commit_seconds" => {
                self.late_commit = Some(LateCommit { delay: Duration::from_secs(number()?), every: 2 });
            }
            "latency_ms" => self.latency = Duration::from_millis(number()?),
            "fault" => self.faults.extend(settings::fault_rules(value)?),
            "auth" => self.auth = auth(value).map_err(|what| SimError::Config(format!("option auth: {what}")))?,
            "token_lifetime_seconds" => match &mut self.auth {
                Auth::OAuth(tokens) => tokens.lifetime = Duration::from_secs(number()?),
                _ => return Err(wrong("only of use after an auth with tokens")),
            },
            _ => return Err(settings::unknown(name, OPTIONS)),
        }
        Ok(())
    }
}

fn volume(word: &str) -> Option<Volume> {
    let mut parts = word.split(':');
    let (resource_type, count) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
    let average_bytes = match parts.next() {
        Some(bytes) => Some(bytes.parse().ok()?),
        None => None,
    };
    parts.next().is_none().then_some(Volume { resource_type, count, average_bytes })
}

/// The message never repeats the value, which holds a secret.
fn auth(value: &str) -> Result<Auth, String> {
    const FORMS: &str = "use none, basic:USER:PASSWORD, bearer:TOKEN, client-secret:ID:SECRET or jwks:ID:FILE";
    let (kind, rest) = settings::login(value);
    let pair = || settings::pair(rest).ok_or(FORMS);
    let client = |id: String, credential| {
        let client = Client { id, credential };
        Auth::OAuth(TokenServerConfig { clients: vec![client], requires_scope: false, ..Default::default() })
    };
    Ok(match kind {
        "none" => Auth::None,
        "basic" => {
            let (user, password) = pair()?;
            Auth::Basic { user, password }
        }
        "bearer" if !rest.is_empty() => Auth::Bearer { token: rest.to_owned() },
        "client-secret" => {
            let (id, secret) = pair()?;
            client(id, ClientCredential::Secret(secret))
        }
        "jwks" => {
            let (id, path) = pair()?;
            let jwks = std::fs::read_to_string(&path).map_err(|error| format!("cannot read '{path}': {error}"))?;
            client(id, ClientCredential::PrivateKeyJwt { jwks, jku: None })
        }
        _ => return Err(FORMS.to_owned()),
    })
}
