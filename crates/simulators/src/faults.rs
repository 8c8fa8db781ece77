//! Faults by script: which request fails, and how.

use std::{
    collections::{HashSet, VecDeque},
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use hyper::HeaderMap;

use crate::server::{Delivery, Reply};

/// What goes wrong with one request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// An error status with the protocol's error body.
    Status {
        /// The HTTP status.
        status: u16,
        /// The `Retry-After` header.
        retry_after: Option<RetryAfter>,
    },
    /// The connection dies in the middle of the body.
    CutOff,
    /// Half of the body, sent as if it were all.
    Truncated,
    /// So many bytes of the body, sent as if they were all.
    CutAt(u64),
    /// The connection is closed without an answer.
    NoAnswer,
    /// Status 500 with the protocol's error body, which repeats the request's headers.
    Echo,
    /// Status 200 with an HTML login page.
    Html,
    /// Status 200 with an empty body.
    Empty,
    /// Status 200 with the protocol's error body.
    ErrorAsSuccess,
    /// The right answer, late.
    Slow(Duration),
    /// The right answer in 20 pieces, a pause of this length before each.
    Drip(Duration),
    /// Status 302 to the same path below another origin or to a full URL.
    Redirect(String),
    /// The right answer with a content type of plain text in another charset.
    WrongContentType,
}

/// The two forms of `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// An HTTP date this many seconds ahead of the server's clock.
    Date(u64),
}

/// Which requests a rule hits; requests are counted from 1 per rule.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// Every request.
    Always,
    /// The n-th, 2n-th, 3n-th ..., but none a second time in a row: a request that was hit passes when it is repeated, however
    /// many others are counted in between.
    Every(u64),
    /// Exactly these.
    Nth(Vec<u64>),
    /// The first n.
    First(u64),
    /// Each with this probability in per cent, drawn from the seed.
    Chance(u8),
}

/// One line of the script.
///
/// As text: `WHEN[@PATH]=FAULT`, for example `every:7=cut-off`, `nth:2,5@/Observation=status:503:after:3`,
/// `first:1=status:500`, `chance:5=no-answer`, `always@/metadata=status:404`.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultRule {
    /// Which of the requests that match `path`.
    pub when: When,
    /// Only requests whose path and query contain this text; without it all but the token endpoint.
    pub path: Option<String>,
    /// What happens.
    pub fault: Fault,
}

/// The script of one server; shared with the test, which may add to it at any time.
#[derive(Debug)]
pub struct FaultPlan(Mutex<State>);

#[derive(Debug)]
struct State {
    rules: Vec<Active>,
    queue: VecDeque<(Option<String>, Fault)>,
    random: fastrand::Rng,
}

#[derive(Debug)]
struct Active {
    rule: FaultRule,
    seen: u64,
    /// Method, path and query of what [`When::Every`] has hit and was not repeated yet.
    hit: HashSet<String>,
}

impl Active {
    fn new(rule: FaultRule) -> Self {
        Self { rule, seen: 0, hit: HashSet::new() }
    }

    /// Whether the rule hits a request that it is meant for.
    fn hits(&mut self, request: &str, random: &mut fastrand::Rng) -> bool {
        self.seen += 1;
        match &self.rule.when {
            When::Always => true,
            When::Every(n) => {
                let spared = self.hit.remove(request);
                let hit = !spared && self.seen.is_multiple_of((*n).max(1));
                if hit {
                    self.hit.insert(request.to_owned());
                }
                hit
            }
            When::Nth(numbers) => numbers.contains(&self.seen),
            When::First(n) => self.seen <= *n,
            When::Chance(percent) => random.u8(0..100) < *percent,
        }
    }
}

impl FaultPlan {
    /// A plan of rules; `seed` decides the chances.
    pub fn new(rules: Vec<FaultRule>, seed: u64) -> Self {
        let rules = rules.into_iter().map(Active::new).collect();
        Self(Mutex::new(State { rules, queue: VecDeque::new(), random: fastrand::Rng::with_seed(seed) }))
    }

    /// Adds a rule; it counts from the next request.
    pub fn add(&self, rule: FaultRule) {
        self.lock().rules.push(Active::new(rule));
    }

    /// The next request fails this way; several calls queue up.
    pub fn push(&self, fault: Fault) {
        self.lock().queue.push_back((None, fault));
    }

    /// The next request whose path and query contain `path` fails this way.
    pub fn push_for(&self, path: &str, fault: Fault) {
        self.lock().queue.push_back((Some(path.to_owned()), fault));
    }

    /// Drops all rules and everything queued.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.rules.clear();
        state.queue.clear();
    }

    /// The fault for this request: the queue first, then the first rule that hits.
    pub(crate) fn decide(&self, method: &str, path_and_query: &str, token_endpoint: bool) -> Option<Fault> {
        let meant = |path: &Option<String>| match path {
            Some(path) => path_and_query.contains(path.as_str()),
            None => !token_endpoint,
        };
        let State { rules, queue, random } = &mut *self.lock();
        let mut found = None;
        if let Some(at) = queue.iter().position(|(path, _)| meant(path)) {
            found = queue.remove(at).map(|(_, fault)| fault);
        }
        let request = format!("{method} {path_and_query}");
        for active in rules.iter_mut().filter(|active| meant(&active.rule.path)) {
            if active.hits(&request, random) && found.is_none() {
                found = Some(active.rule.fault.clone());
            }
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    /// The other origin of the server in place of the word `other-origin`.
    pub(crate) fn towards(self, other_origin: &str) -> Self {
        match self {
            Self::Redirect(target) if target == "other-origin" => Self::Redirect(other_origin.to_owned()),
            fault => fault,
        }
    }
}

/// Plays a fault on the right answer; `error` makes the protocol's error body: content type and text.
pub(crate) fn play(
    fault: &Fault,
    reply: Reply,
    path_and_query: &str,
    headers: &HeaderMap,
    now: DateTime<Utc>,
    error: impl Fn(&str) -> (&'static str, String),
) -> Reply {
    let failed = |status: u16, message: &str| {
        let (content_type, body) = error(message);
        Reply::new(status, content_type, body)
    };
    let error_reply = |status: u16| failed(status, "a fault that the script asked for");
    match fault {
        Fault::Status { status, retry_after } => {
            let reply = error_reply(*status);
            match retry_after {
                None => reply,
                Some(RetryAfter::Seconds(seconds)) => reply.with("retry-after", seconds.to_string()),
                Some(RetryAfter::Date(seconds)) => {
                    let at = now + chrono::TimeDelta::seconds(i64::try_from(*seconds).unwrap_or(0));
                    reply.with("retry-after", httpdate::fmt_http_date(at.into()))
                }
            }
        }
        Fault::CutOff => Reply { delivery: Delivery::CutOff, ..reply },
        Fault::Truncated => Reply { delivery: Delivery::Truncated, ..reply },
        Fault::CutAt(bytes) => {
            let end = usize::try_from(*bytes).unwrap_or(usize::MAX).min(reply.body.len());
            Reply { body: reply.body.slice(..end), ..reply }
        }
        Fault::NoAnswer => Reply { delivery: Delivery::NoAnswer, ..reply },
        Fault::Echo => failed(500, &format!("the request could not be handled: {headers:?}")),
        Fault::Html => Reply::new(200, "text/html; charset=utf-8", "<html><body><h1>Sign in</h1></body></html>"),
        Fault::Empty => Reply::new(200, error("").0, ""),
        Fault::ErrorAsSuccess => error_reply(200),
        Fault::Slow(delay) => Reply { delay: reply.delay + *delay, ..reply },
        Fault::Drip(pause) => Reply { delivery: Delivery::Drip { chunks: 20, pause: *pause }, ..reply },
        Fault::Redirect(target) => {
            let whole = url::Url::parse(target).is_ok_and(|url| url.path().len() > 1);
            let target = if whole { target.clone() } else { format!("{target}{path_and_query}") };
            Reply::new(302, "text/plain", "").with("location", target)
        }
        Fault::WrongContentType => {
            let mut reply = reply;
            reply.headers.retain(|(name, _)| *name != "content-type");
            reply.with("content-type", "text/plain; charset=iso-8859-1")
        }
    }
}

/// The words of a rule's WHEN and what they mean.
pub const WHEN_WORDS: &[(&str, &str)] = &[
    ("always", "every request"),
    ("every:N", "each N-th request"),
    ("first:N", "the first N requests"),
    ("nth:N,N", "the requests of these numbers; the first is 1"),
    ("chance:PERCENT", "that many of a hundred, at random"),
];

/// The words of a rule's FAULT and what they mean.
pub const FAULT_WORDS: &[(&str, &str)] = &[
    ("status:CODE", "this HTTP status; with :after:SECONDS or :after-date:SECONDS it asks to wait"),
    ("no-answer", "the connection is closed without an answer"),
    ("cut-off", "the connection breaks in the middle of the body"),
    ("cut-at:BYTES", "the same after so many bytes"),
    ("truncated", "a body that ends early, and looks whole to HTTP"),
    ("empty", "a good status without a body"),
    ("html", "an HTML page with a good status"),
    ("error-as-success", "an error of the protocol with a good status"),
    ("wrong-content-type", "the answer under another content type"),
    ("echo", "an error that repeats what was asked"),
    ("redirect:URL", "a redirect"),
    ("slow:MS", "the answer after so many milliseconds"),
    ("drip:MS", "the answer in pieces, so many milliseconds apart"),
];

impl FromStr for FaultRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (head, fault) = text.split_once('=').ok_or_else(|| {
            format!("'{text}' is no fault rule; write WHEN[@PATH]=FAULT, for example every:7=cut-off")
        })?;
        let (when, path) = match head.split_once('@') {
            Some((when, path)) => (when, Some(path.to_owned())),
            None => (head, None),
        };
        Ok(Self { when: when.parse()?, path, fault: fault.parse()? })
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, argument) = text.split_once(':').unwrap_or((text, ""));
        let number =
            |text: &str| text.parse::<u64>().map_err(|_| format!("'{text}' is no number, in '{word}:{argument}'"));
        match word {
            "always" => Ok(Self::Always),
            "every" => number(argument).map(Self::Every),
            "first" => number(argument).map(Self::First),
            "nth" => argument.split(',').map(number).collect::<Result<_, _>>().map(Self::Nth),
            "chance" => number(argument).map(|percent| Self::Chance(u8::try_from(percent).unwrap_or(100))),
            _ => Err(format!("'{text}' names no requests; use always, every:N, first:N, nth:N,N or chance:PERCENT")),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, argument) = text.split_once(':').unwrap_or((text, ""));
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("'{text}' is no number, in fault '{word}'"));
        Ok(match word {
            "cut-off" => Self::CutOff,
            "truncated" => Self::Truncated,
            "cut-at" => Self::CutAt(number(argument)?),
            "echo" => Self::Echo,
            "no-answer" => Self::NoAnswer,
            "html" => Self::Html,
            "empty" => Self::Empty,
            "error-as-success" => Self::ErrorAsSuccess,
            "wrong-content-type" => Self::WrongContentType,
            "slow" => Self::Slow(Duration::from_millis(number(argument)?)),
            "drip" => Self::Drip(Duration::from_millis(number(argument)?)),
            "redirect" => Self::Redirect(argument.to_owned()),
            "status" => {
                let mut parts = argument.split(':');
                let status = number(parts.next().unwrap_or_default())?;
                let retry_after = match (parts.next(), parts.next()) {
                    (None, _) => None,
                    (Some("after"), Some(seconds)) => Some(RetryAfter::Seconds(number(seconds)?)),
                    (Some("after-date"), Some(seconds)) => Some(RetryAfter::Date(number(seconds)?)),
                    _ => return Err(format!("'{text}': after the status comes after:SECONDS or after-date:SECONDS")),
                };
                let status = u16::try_from(status).ok().filter(|status| (200..600).contains(status));
                Self::Status { status: status.ok_or_else(|| format!("'{text}' has no HTTP status"))?, retry_after }
            }
            _ => {
                return Err(format!(
                    "'{text}' is no fault; use status:CODE[:after:S|:after-date:S], cut-off, truncated, cut-at:BYTES, no-answer, \
                     echo, html, empty, error-as-success, wrong-content-type, slow:MS, drip:MS or redirect:URL"
                ));
            }
        })
    }
}
