//! Requests to replies: faults, the gate, routes, compression, the log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;

use super::{
    af::Af,
    batch, calculation,
    call::{Answer, Call, JSON, Refusal, json_reply, segments},
    config::{Auth, Config},
    enumerations,
    gate::Gate,
    points, servers, streams,
    ticks::Ticks,
    updates,
    world::World,
};
use crate::{
    faults::{FaultPlan, play},
    journal::Journal,
    oauth::TokenServer,
    server::{Handler, Reply, Request},
};

/// The path of the token endpoint on the server's own address.
pub(crate) const TOKEN_PATH: &str = "/identity/connect/token";

/// A PI Web API server without its sockets.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) config: Config,
    /// The base URL, no trailing slash.
    pub(crate) base: String,
    pub(crate) faults: Arc<FaultPlan>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) tokens: Option<Arc<TokenServer>>,
    gate: Gate,
    world: Mutex<World>,
}

impl Service {
    pub(crate) fn new(config: Config, origin: &str) -> Self {
        let tokens = match &config.auth {
            Auth::OpenId(tokens) => {
                let url = format!("{origin}{TOKEN_PATH}");
                Some(Arc::new(TokenServer::new(tokens.clone(), url, config.clock.clone(), config.seed)))
            }
            _ => None,
        };
        Self {
            base: format!("{origin}{}", config.base_path),
            faults: Arc::new(FaultPlan::new(config.faults.clone(), config.seed)),
            journal: Arc::default(),
            gate: Gate::new(tokens.clone()),
            tokens,
            world: Mutex::new(World::new(config.clone(), Ticks::from(config.clock.now()))),
            config,
        }
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn respond(&self, request: &Request, now: Ticks) -> Result<Reply, Box<Reply>> {
        Gate::stack(&self.config, request)?;
        if request.path == TOKEN_PATH
            && let Some(tokens) = &self.tokens
        {
            return Ok(tokens.answer(request));
        }
        let below = request.path.strip_prefix(&self.config.base_path);
        let Some(below) = below.filter(|path| path.is_empty() || path.starts_with('/')) else {
            return Err(Box::new(Reply::new(404, "text/html; charset=us-ascii", "<h2>Not Found</h2>")));
        };
        if below == "/.well-known/openid-configuration" {
            return Ok(self.discovery());
        }
        let extra = self.gate.admit(&self.config, request, now)?;
        let mut reply = self.answer(request, below, now);
        reply.headers.extend(extra);
        Ok(reply)
    }

    fn discovery(&self) -> Reply {
        match &self.tokens {
            None => Refusal::absent("OpenID Connect is not configured.").into(),
            Some(tokens) => {
                let issuer = tokens.url().trim_end_matches("/connect/token");
                let body = json!({
                    "issuer": issuer,
                    "token_endpoint": tokens.url(),
                    "authorization_endpoint": format!("{issuer}/connect/authorize"),
                    "grant_types_supported": ["authorization_code", "client_credentials"],
                });
                json_reply(200, body.to_string())
            }
        }
    }

    fn answer(&self, request: &Request, below: &str, now: Ticks) -> Reply {
        let Some(path) = segments(below) else { return Refusal::bad("The path is not UTF-8.").into() };
        let call = Call {
            method: &request.method,
            path,
            parameters: request.parameters(),
            body: &request.body,
            config: &self.config,
            base: &self.base,
            now,
        };
        route(&call, &mut self.world()).unwrap_or_else(Reply::from)
    }
}

/// Answers a call: the data side, then the asset side, then 404.
pub(crate) fn route(call: &Call<'_>, world: &mut World) -> Answer {
    let routes = [
        servers::route,
        points::route,
        enumerations::route,
        updates::route,
        streams::route,
        calculation::route,
        batch::route,
        Af::route,
    ];
    let found = routes.iter().find_map(|route| route(call, world));
    found.unwrap_or_else(|| {
        let url = call.link(&call.path.join("/"));
        Err(Refusal::absent(format!("No HTTP resource was found that matches the request URI '{url}'.")))
    })
}

impl Handler for Service {
    fn handle(&self, request: &Request) -> Reply {
        let path_and_query = request.path_and_query();
        let now = self.config.clock.now();
        let fault = self.faults.decide(request.method.as_str(), &path_and_query, request.path == TOKEN_PATH);
        let mut reply = self.respond(request, Ticks::from(now)).unwrap_or_else(|refused| *refused);
        if let Some(fault) = &fault {
            reply = play(fault, reply, &path_and_query, &request.headers, now, |message| {
                (JSON, Refusal::new(500, message).body().to_string())
            });
        }
        if self.config.gzip {
            reply = reply.compressed_for(request);
        }
        let mut reply = reply.with("date", httpdate::fmt_http_date(now.into())).with("server", "Microsoft-HTTPAPI/2.0");
        reply.delay += self.config.latency;
        self.journal.record(request, &reply, fault.map(|fault| format!("{fault:?}")));
        reply
    }
}
