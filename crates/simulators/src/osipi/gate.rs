//! What comes before any route: size limits, rate, authentication, the CSRF header.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::Method;

use super::{
    call::Refusal,
    config::{Auth, Config, NegotiateScript},
    ticks::{SECOND, Ticks},
};
use crate::{
    oauth::TokenServer,
    server::{Reply, Request},
};

/// Decides who comes in.
#[derive(Debug)]
pub(crate) struct Gate {
    tokens: Option<Arc<TokenServer>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By client: the second of the server's clock and the requests in it.
    seen: HashMap<IpAddr, (i64, u32)>,
    /// By connection: legs of a Negotiate exchange that are done.
    legs: HashMap<SocketAddr, usize>,
}

/// Headers to add to the reply of a request that came in.
type Extra = Vec<(&'static str, String)>;

impl Gate {
    pub(crate) fn new(tokens: Option<Arc<TokenServer>>) -> Self {
        Self { tokens, state: Mutex::default() }
    }

    /// What the HTTP stack below the product refuses: long heads and long segments.
    pub(crate) fn stack(config: &Config, request: &Request) -> Result<(), Box<Reply>> {
        let page = |text: &str| {
            let body = format!(
                "<!DOCTYPE html><HTML><HEAD><TITLE>Bad Request</TITLE></HEAD><BODY><h2>Bad Request - {text}</h2></BODY></HTML>"
            );
            Box::new(Reply::new(400, "text/html; charset=us-ascii", body))
        };
        let limits = &config.limits;
        if request.path.split('/').any(|segment| segment.len() > limits.max_segment) {
            return Err(page("Invalid URL"));
        }
        let headers: usize = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if request.path.len() + request.query.len() + headers > limits.max_head {
            return Err(page("Request Too Long"));
        }
        Ok(())
    }

    /// Size, rate, authentication and the CSRF header.
    pub(crate) fn admit(&self, config: &Config, request: &Request, now: Ticks) -> Result<Extra, Box<Reply>> {
        let limits = &config.limits;
        if request.body.len() > limits.max_body {
            return Err(refused(413, format!("The request is larger than the maximum of {} bytes.", limits.max_body)));
        }
        if let Some(rate) = limits.rate {
            let second = now.0.div_euclid(SECOND);
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (at, count) = state.seen.entry(request.peer.ip()).or_insert((second, 0));
            if *at != second {
                (*at, *count) = (second, 0);
            }
            *count += 1;
            if *count > rate {
                return Err(refused(429, "The request rate limit was reached for this client.".to_owned()));
            }
        }
        let extra = self.authenticate(config, request)?;
        let changes = !matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if config.csrf && changes && request.header("x-requested-with").is_none_or(str::is_empty) {
            return Err(refused(
                403,
                "The header X-Requested-With is missing; it protects against forged requests.".to_owned(),
            ));
        }
        Ok(extra)
    }

    fn authenticate(&self, config: &Config, request: &Request) -> Result<Extra, Box<Reply>> {
        let given = request.header("authorization").unwrap_or_default();
        let (fits, challenge) = match &config.auth {
            Auth::None => return Ok(Extra::new()),
            Auth::Basic { user, password } => {
                let wanted = STANDARD.encode(format!("{user}:{password}"));
                (given.strip_prefix("Basic ") == Some(&wanted), "Basic realm=\"piwebapi\"")
            }
            Auth::Bearer { token } => (given.strip_prefix("Bearer ") == Some(token), "Bearer"),
            Auth::OpenId(_) => {
                let grant = given.strip_prefix("Bearer ").and_then(|token| self.tokens.as_ref()?.grant(token));
                (grant.is_some(), "Bearer error=\"invalid_token\"")
            }
            Auth::Negotiate(script) => return self.negotiate(script, request, given),
        };
        if fits { Ok(Extra::new()) } else { Err(unauthenticated(challenge.to_owned())) }
    }

    fn negotiate(&self, script: &NegotiateScript, request: &Request, given: &str) -> Result<Extra, Box<Reply>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let done = state.legs.get(&request.peer).copied().unwrap_or(0);
        let token = given.strip_prefix("Negotiate ").and_then(|token| STANDARD.decode(token).ok());
        let Some(token) = token else {
            if script.per_connection && done == script.legs.len() {
                return Ok(Extra::new());
            }
            state.legs.remove(&request.peer);
            return Err(unauthenticated("Negotiate".to_owned()));
        };
        // A first token starts anew, whatever was before it.
        let leg = if script.legs.first().is_some_and(|(first, _)| *first == token) { 0 } else { done };
        let Some((_, answer)) = script.legs.get(leg).filter(|(wanted, _)| *wanted == token) else {
            state.legs.remove(&request.peer);
            return Err(unauthenticated("Negotiate".to_owned()));
        };
        let answer = if answer.is_empty() { None } else { Some(format!("Negotiate {}", STANDARD.encode(answer))) };
        if leg + 1 < script.legs.len() {
            state.legs.insert(request.peer, leg + 1);
            return Err(unauthenticated(answer.unwrap_or_else(|| "Negotiate".to_owned())));
        }
        if script.per_connection {
            state.legs.insert(request.peer, leg + 1);
        } else {
            state.legs.remove(&request.peer);
        }
        Ok(answer.map(|answer| ("www-authenticate", answer)).into_iter().collect())
    }
}

fn refused(status: u16, message: String) -> Box<Reply> {
    Box::new(Refusal::new(status, message).into())
}

fn unauthenticated(challenge: String) -> Box<Reply> {
    Box::new(Reply::new(401, "text/html", "").with("www-authenticate", challenge))
}
