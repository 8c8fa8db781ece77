//! Requests to replies: faults, authorization, routes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use hyper::Method;

use super::{
    capability,
    config::{Auth, Config},
    instant::Nanos,
    outcome::{self, FHIR_JSON, error},
    pages::Pages,
    store::Store,
};
use crate::{
    faults::{FaultPlan, play},
    journal::Journal,
    oauth::TokenServer,
    server::{Handler, Reply, Request},
};

/// The path of the token endpoint on the server's own address.
pub(crate) const TOKEN_PATH: &str = "/oauth/token";

/// A FHIR server without its sockets.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) config: Config,
    /// The FHIR root on the main address.
    pub(crate) base: String,
    /// The origin of the other address.
    pub(crate) other_origin: String,
    pub(crate) faults: Arc<FaultPlan>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) tokens: Option<Arc<TokenServer>>,
    store: Mutex<Store>,
    pages: Mutex<Pages>,
    cache: Mutex<HashMap<String, (Nanos, Reply)>>,
    /// The CapabilityStatement, and for how many resource types it was made.
    statement: Mutex<(usize, Bytes)>,
}

impl Service {
    pub(crate) fn new(config: Config, origin: &str, other_origin: String) -> Self {
        let store = Store::new(&config);
        let tokens = match &config.auth {
            Auth::OAuth(tokens) => {
                let url = format!("{origin}{TOKEN_PATH}");
                Some(Arc::new(TokenServer::new(tokens.clone(), url, config.clock.clone(), config.seed)))
            }
            _ => None,
        };
        Self {
            base: format!("{origin}{}", config.base_path),
            other_origin,
            faults: Arc::new(FaultPlan::new(config.faults.clone(), config.seed)),
            journal: Arc::new(Journal::default()),
            tokens,
            store: Mutex::new(store),
            pages: Mutex::new(Pages::new(config.seed)),
            cache: Mutex::new(HashMap::new()),
            statement: Mutex::default(),
            config,
        }
    }

    /// The resources, with everything visible that is due.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        store.settle();
        store
    }

    pub(crate) fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The CapabilityStatement: made once, and again when there is another resource type.
    pub(crate) fn statement(&self, make: impl FnOnce(&Self) -> String) -> Bytes {
        let types = self.store().tables.len();
        let mut kept = self.statement.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0 != types {
            *kept = (types, make(self).into());
        }
        kept.1.clone()
    }

    fn route(&self, request: &Request) -> Reply {
        if request.path == TOKEN_PATH
            && let Some(tokens) = &self.tokens
        {
            return tokens.answer(request);
        }
        let Some(path) = request.path.strip_prefix(&self.config.base_path) else {
            return error(404, "not-found", "nothing is served outside of the FHIR root");
        };
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            [".well-known", "smart-configuration"] => return capability::smart_configuration(self),
            ["metadata"] => return capability::statement(self),
            _ => {}
        }
        if let Err(denied) = self.authorize(request, parts.first().copied()) {
            return *denied;
        }
        let has = |name: &str| request.parameters().iter().any(|(found, _)| found == name);
        match (&request.method, parts.as_slice()) {
            (&Method::GET, _) if has("_getpages") || has("ct") => self.stored_page(request),
            (&Method::GET, ["_history"]) => self.history(request, None, None),
            (&Method::GET, [kind, "_history"]) => self.history(request, Some(kind), None),
            (&Method::GET, [kind, id, "_history"]) => self.history(request, Some(kind), Some(id)),
            (&Method::GET, [kind, id, "_history", version]) => self.read(kind, id, Some(version)),
            (&Method::GET, [kind]) => self.search_cached(request, kind),
            (&Method::GET, [kind, id]) => self.read(kind, id, None),
            (&Method::POST, [kind]) => self.create(kind, &request.body),
            (&Method::PUT, [kind, id]) => self.put(kind, id, &request.body),
            (&Method::DELETE, [kind, id]) => self.delete(kind, id),
            _ => error(404, "not-supported", "this server has no such interaction"),
        }
    }

    fn search_cached(&self, request: &Request, kind: &str) -> Reply {
        let Some(life) = self.config.search.cache else { return self.search(request, kind) };
        let fresh = request
            .header("cache-control")
            .is_some_and(|value| ["no-cache", "no-store"].iter().any(|directive| value.contains(directive)));
        let mut parameters = request.parameters();
        parameters.sort();
        let key = format!("{kind}?{parameters:?}");
        let now = self.config.clock.nanos();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if !fresh
            && let Some((at, reply)) = cache.get(&key)
            && u128::try_from(now - at).unwrap_or(0) <= life.as_nanos()
        {
            return reply.clone();
        }
        let reply = self.search(request, kind);
        cache.insert(key, (now, reply.clone()));
        reply
    }

    fn authorize(&self, request: &Request, kind: Option<&str>) -> Result<(), Box<Reply>> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let given = request.header("authorization").unwrap_or_default();
        let denied =
            |challenge: &str| Box::new(error(401, "login", "not authenticated").with("www-authenticate", challenge));
        match &self.config.auth {
            Auth::None => Ok(()),
            Auth::Basic { user, password } => {
                let wanted = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
                if given == wanted { Ok(()) } else { Err(denied("Basic realm=\"fhir\"")) }
            }
            Auth::Bearer { token } => {
                if given.strip_prefix("Bearer ") == Some(token) {
                    Ok(())
                } else {
                    Err(denied("Bearer"))
                }
            }
            Auth::OAuth(_) => {
                let Some(tokens) = &self.tokens else { return Ok(()) };
                let grant = given.strip_prefix("Bearer ").and_then(|token| tokens.grant(token));
                let grant = grant.ok_or_else(|| denied("Bearer error=\"invalid_token\""))?;
                let reads = matches!(request.method, Method::GET | Method::HEAD);
                let Some(kind) = kind.filter(|kind| kind.starts_with(char::is_uppercase)) else { return Ok(()) };
                if grant.allows(kind, reads) {
                    Ok(())
                } else {
                    Err(Box::new(error(403, "forbidden", &format!("the token's scope does not cover {kind}"))))
                }
            }
        }
    }
}

impl Handler for Service {
    fn handle(&self, request: &Request) -> Reply {
        let path_and_query = request.path_and_query();
        let now = self.config.clock.now();
        let fault = self.faults.decide(request.method.as_str(), &path_and_query, request.path == TOKEN_PATH);
        let fault = fault.map(|fault| fault.towards(&self.other_origin));
        let mut reply = self.route(request);
        if let Some(fault) = &fault {
            reply = play(fault, reply, &path_and_query, &request.headers, now, |message| {
                (FHIR_JSON, outcome::text("error", "transient", message))
            });
        }
        if self.config.gzip {
            reply = reply.compressed_for(request);
        }
        if self.config.date_header {
            reply = reply.with("date", httpdate::fmt_http_date(now.into()));
        }
        reply.delay += self.config.latency;
        self.journal.record(request, &reply, fault.map(|fault| format!("{fault:?}")));
        reply
    }
}
