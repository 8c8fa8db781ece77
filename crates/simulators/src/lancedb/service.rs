//! Requests to replies: hooks, faults, keys, routes, the log.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use super::{
    answers::Answers,
    config::{Auth, Config, Dialect},
    database::Database,
    generate,
    refusal::Refusal,
    routes::Call,
};
use crate::{
    SimError,
    faults::{FaultPlan, play},
    journal::Journal,
    server::{Handler, Reply, Request},
};

/// Bodies that are kept.
const KEPT: usize = 10_000;

/// One question that a client asked about a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The path, as it came.
    pub path: String,
    /// The body; null when there was none, or it was no JSON.
    pub body: Value,
}

/// Something that happens when a request arrives, before it is answered.
pub(crate) struct Hook {
    pub(crate) path: String,
    /// Requests for the path until it happens; 1 is the next one.
    pub(crate) after: u64,
    pub(crate) act: Box<dyn FnOnce(&mut Database) + Send>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("path", &self.path).field("after", &self.after).finish_non_exhaustive()
    }
}

/// A LanceDB server without its sockets.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) config: Config,
    pub(crate) base: String,
    pub(crate) other_origin: String,
    pub(crate) faults: Arc<FaultPlan>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) hooks: Mutex<Vec<Hook>>,
    questions: Mutex<VecDeque<Question>>,
    database: Mutex<Database>,
    answers: Mutex<Answers>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    pub(crate) fn new(config: Config, origin: &str, other_origin: String) -> Result<Self, SimError> {
        let mut database = Database::new(config.clock.clone(), config.wire.clone());
        for table in &config.tables {
            generate::add(&mut database, table, config.seed)?;
        }
        Ok(Self {
            base: format!("{origin}{}", config.base_path),
            other_origin,
            faults: Arc::new(FaultPlan::new(config.faults.clone(), config.seed)),
            journal: Arc::default(),
            hooks: Mutex::default(),
            questions: Mutex::default(),
            database: Mutex::new(database),
            answers: Mutex::new(Answers::of_at_most(config.kept_bytes)),
            config,
        })
    }

    pub(crate) fn database(&self) -> MutexGuard<'_, Database> {
        locked(&self.database)
    }

    pub(crate) fn questions(&self) -> Vec<Question> {
        locked(&self.questions).iter().cloned().collect()
    }

    fn run_hooks(&self, path: &str) {
        let due: Vec<Hook> = {
            let mut hooks = locked(&self.hooks);
            for hook in hooks.iter_mut().filter(|hook| path.contains(hook.path.as_str())) {
                hook.after = hook.after.saturating_sub(1);
            }
            hooks.extract_if(.., |hook| hook.after == 0).collect()
        };
        for hook in due {
            (hook.act)(&mut self.database());
        }
    }

    fn keep(&self, request: &Request) {
        let body = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let mut questions = locked(&self.questions);
        if questions.len() == KEPT {
            questions.pop_front();
        }
        questions.push_back(Question { path: request.path.clone(), body });
    }

    fn authorize(&self, request: &Request) -> Result<(), Refusal> {
        let admitted = match &self.config.auth {
            Auth::None => true,
            Auth::ApiKey(key) => request.header("x-api-key") == Some(key),
            Auth::Bearer(token) => {
                request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) == Some(token)
            }
        };
        if admitted { Ok(()) } else { Err(Refusal::unauthenticated()) }
    }

    fn respond(&self, request: &Request) -> Result<Reply, Refusal> {
        let absent = || Ok(Reply::new(404, "text/plain; charset=utf-8", ""));
        let Some(below) = request.path.strip_prefix(&self.config.base_path) else { return absent() };
        self.authorize(request)?;
        if request.body.len() > self.config.limits.request_bytes {
            let text = "Failed to buffer the request body: length limit exceeded";
            return Ok(Reply::new(413, "text/plain; charset=utf-8", text));
        }
        let Some(path) = segments(below) else { return absent() };
        Call { config: &self.config, database: &self.database(), answers: &self.answers, request }.answer(&path)
    }
}

/// The parts of a path, decoded; nothing when they are no text.
fn segments(path: &str) -> Option<Vec<String>> {
    let parts = path.split('/').filter(|part| !part.is_empty());
    // A plus is a plus in a path.
    let decode = |part: &str| {
        let form = part.replace('+', "%2B");
        let (decoded, _) = url::form_urlencoded::parse(form.as_bytes()).next()?;
        (!decoded.contains('\u{fffd}')).then(|| decoded.into_owned())
    };
    parts.map(decode).collect()
}

impl Handler for Service {
    fn handle(&self, request: &Request) -> Reply {
        self.run_hooks(&request.path);
        self.keep(request);
        let path_and_query = request.path_and_query();
        let now = self.config.clock.now();
        let fault = self.faults.decide(request.method.as_str(), &path_and_query, false);
        let fault = fault.map(|fault| fault.towards(&self.other_origin));
        let dialect = self.config.dialect;
        let mut reply = self.respond(request).unwrap_or_else(|refusal| refusal.reply(dialect));
        if let Some(fault) = &fault {
            reply = play(fault, reply, &path_and_query, &request.headers, now, |message| {
                Refusal::failed(message).content(dialect)
            });
        }
        if let (Dialect::Cloud, Some(version)) = (dialect, &self.config.server_version) {
            reply = reply.with("phalanx-version", version.as_str());
        }
        if self.config.gzip {
            reply = reply.compressed_for(request);
        }
        reply.delay += self.config.latency;
        self.journal.record(request, &reply, fault.map(|fault| format!("{fault:?}")));
        reply
    }
}
