//! The life of a request: credential, try, judgement, wait, next try.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::{
    Method,
    header::{COOKIE, HeaderMap, HeaderValue, LOCATION},
};
use tracing::Instrument;
use url::Url;

use super::{
    auth::{Auth, Credential},
    backoff::Delays,
    classify::{Action, Facts, Outcome, classify, is_overload},
    client::Inner,
    concurrency::{Load, Slot},
    cookies::Cookies,
    failure::{Circumstances, Failure},
    redact,
    repeats::Repeat,
    response::{BodyFault, BodyStream, Response, asked_wait, read_whole, text_header},
    send::Sent,
};
use crate::{
    connector::Retrying,
    error::{Error, ErrorKind, Result, Retry},
    meter::Counters,
};

const MAX_REDIRECTS: u32 = 5;
/// Most bytes of an error's body that are read for a summary.
const MAX_ERROR_BODY: u64 = 1 << 20;

/// A request as it is to be sent, again if need be.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) idempotent: bool,
    pub(super) accepted: Vec<u16>,
    pub(super) purpose: Purpose,
}

pub(super) enum Body {
    Empty,
    Bytes(Bytes),
    /// Made anew for each try: assertions that a server accepts only once.
    Fresh(Arc<dyn Fn() -> Result<Bytes> + Send + Sync>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Something of the server's, with or without the client's credential.
    Data { credential: bool },
    /// Finding or asking a token endpoint: may be elsewhere, is not followed elsewhere, and bears no credential of ours.
    Token,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, redact::url(&self.url))
    }
}

/// An answer up to its headers.
pub(super) struct Head {
    pub(super) response: reqwest::Response,
    pub(super) url: Url,
    pub(super) counters: Arc<Counters>,
}

/// What a caller wants of an accepted answer.
pub(super) trait Take: Sized {
    /// Whether the body is read within the try.
    const WHOLE: bool;

    fn take(
        client: &Inner,
        head: Head,
        slot: Slot,
        sent: DateTime<Utc>,
    ) -> impl Future<Output = Result<Self, BodyFault>> + Send;
}

impl Take for Response {
    const WHOLE: bool = true;

    async fn take(client: &Inner, mut head: Head, mut slot: Slot, sent: DateTime<Utc>) -> Result<Self, BodyFault> {
        let read = read_whole(&mut head, client.settings.max_body_bytes).await;
        let received = client.now();
        let elapsed = since(sent, received);
        slot.report(match &read {
            Ok(_) => Load::Fine(elapsed),
            Err(_) => Load::Unknown,
        });
        let status = head.response.status().as_u16();
        if let (Ok(body), Some(check), 200..=299) = (&read, client.answer_check, status)
            && let Some(fault) = check(body)
        {
            return Err(BodyFault::Faulty(fault));
        }
        let headers = std::mem::take(head.response.headers_mut());
        Ok(Self { status, headers, url: head.url, body: read?, elapsed, received })
    }
}

impl Take for BodyStream {
    const WHOLE: bool = false;

    async fn take(_: &Inner, head: Head, _: Slot, _: DateTime<Utc>) -> Result<Self, BodyFault> {
        Ok(Self::new(head))
    }
}

/// Where a request has got to.
struct Progress {
    started: DateTime<Utc>,
    delays: Delays,
    tries: u32,
    retries: u32,
    refreshed: bool,
    /// Told while this is another try.
    repeat: Option<Repeat>,
}

enum Step<T> {
    Done(T),
    /// Go on at once: elsewhere, or with a new credential.
    Again(Option<Url>),
    Failed(Failure),
}

impl Inner {
    /// Sends a call until it is answered, fails for good, or limits are reached.
    pub(super) async fn run<T: Take>(&self, call: &Call) -> Result<T> {
        let span = tracing::debug_span!("http", method = %call.method, url = %redact::url(&call.url));
        self.tries(call).instrument(span).await
    }

    async fn tries<T: Take>(&self, call: &Call) -> Result<T> {
        let delays = Delays::new(self.jitter());
        let mut progress =
            Progress { started: self.now(), delays, tries: 0, retries: 0, refreshed: false, repeat: None };
        let mut at = call.url.clone();
        let mut redirects = 0;
        loop {
            if redirects == 0 {
                progress.tries += 1;
            }
            match self.step(call, &at, redirects > 0, &mut progress).await? {
                Step::Done(answer) => return Ok(answer),
                Step::Again(Some(elsewhere)) if redirects < MAX_REDIRECTS => {
                    redirects += 1;
                    at = elsewhere;
                }
                Step::Again(Some(_)) => {
                    return Err(Error::new(ErrorKind::Protocol, "the server redirects in circles")
                        .with("method", &call.method)
                        .with("url", redact::url(&call.url))
                        .with("redirects", redirects));
                }
                Step::Again(None) => self.counters.retry(),
                Step::Failed(failure) => {
                    let wait = self.wait_for(call, &failure, &mut progress);
                    let wait = wait.map_err(|retry| self.give_up(call, failure, &progress, retry))?;
                    progress.retries += 1;
                    self.counters.retry();
                    let what = Retrying { next: progress.tries + 1, most: self.settings.max_retries.saturating_add(1) };
                    progress.repeat = Some(self.repeats.begin(what));
                    tracing::debug!(wait_ms = wait.as_millis() as u64, retry = progress.retries, "http retry");
                    self.clock.sleep(wait).await;
                    (at, redirects) = (call.url.clone(), 0);
                }
            }
        }
    }

    /// One exchange with the server, judged.
    async fn step<T: Take>(&self, call: &Call, at: &Url, redirected: bool, progress: &mut Progress) -> Result<Step<T>> {
        // A redirect to an allowed host is followed, but what opens our server's doors is not shown there.
        let trusted = match call.purpose {
            Purpose::Data { credential } => credential && (!redirected || self.links.is_own(at)),
            Purpose::Token => false,
        };
        let mut shown = self.shown(at, trusted).await?;
        let mut slot = self.slots_for(call.purpose != Purpose::Token).slot().await;
        let Sent { at: sent, answer } = self.send(call, at, trusted, &mut shown, T::WHOLE).await?;
        let head = match answer {
            Ok(head) => head,
            Err(error) => {
                slot.report(Load::Overload);
                return Ok(Step::Failed(self.seen(Failure::transport(error, at.clone()), progress, sent)));
            }
        };
        let status = head.response.status().as_u16();
        tracing::debug!(
            url = %redact::url(at),
            status,
            attempt = progress.tries,
            elapsed_ms = since(sent, self.now()).as_millis() as u64,
            "http response"
        );
        slot.report(if is_overload(status) { Load::Overload } else { Load::Unknown });
        let facts =
            Facts { refreshable: trusted && self.auth.can_refresh() && !progress.refreshed, ..facts(call, status) };
        let action = classify(Outcome::Status(status), facts);
        if action == Action::Accept
            && let Some(exchange) = &mut shown.exchange
        {
            exchange.check(head.response.headers()).await?;
        }
        match action {
            Action::Accept => match T::take(self, head, slot, sent).await {
                Ok(answer) => Ok(Step::Done(answer)),
                Err(BodyFault::Broken(error)) => {
                    let broken = Failure { outcome: Outcome::Broken, ..Failure::transport(error, at.clone()) };
                    Ok(Step::Failed(self.seen(broken, progress, sent)))
                }
                Err(BodyFault::Faulty(detail)) => {
                    Ok(Step::Failed(self.seen(Failure::faulty(detail, at.clone()), progress, sent)))
                }
                Err(BodyFault::TooLarge) => Err(self.too_large(call, at)),
            },
            Action::Redirect => match text_header(head.response.headers(), LOCATION.as_str()) {
                Some(location) => self.follow(call, at, location).map(|to| Step::Again(Some(to))),
                None => Ok(Step::Failed(self.failed(head, shown.credential.as_ref()).await)),
            },
            Action::Refresh => {
                progress.refreshed = true;
                if let Some(credential) = &shown.credential {
                    self.auth.refused(credential).await;
                }
                Ok(Step::Again(None))
            }
            Action::Retry | Action::Fail => Ok(Step::Failed(self.failed(head, shown.credential.as_ref()).await)),
        }
    }

    pub(super) fn request(
        &self,
        call: &Call,
        at: &Url,
        trusted: bool,
        credential: Option<&Credential>,
        whole: bool,
    ) -> Result<reqwest::Request> {
        let mut request = reqwest::Request::new(call.method.clone(), at.clone());
        let headers = request.headers_mut();
        headers.extend(call.headers.clone());
        if trusted {
            headers.extend(self.extra_headers.clone());
        }
        if let Some(credential) = credential {
            headers.insert(credential.name.clone(), credential.value.clone());
        }
        if trusted
            && self.links.is_own(at)
            && let Some(cookies) = &self.cookies
            && let Some(value) = cookies.header(headers.get(COOKIE), at, self.now())
        {
            headers.insert(COOKIE, value);
        }
        *request.body_mut() = match &call.body {
            Body::Empty => None,
            Body::Bytes(bytes) => Some(bytes.clone().into()),
            Body::Fresh(make) => Some(make()?.into()),
        };
        if whole {
            *request.timeout_mut() = Some(self.settings.request_timeout);
        }
        Ok(request)
    }

    fn follow(&self, call: &Call, from: &Url, location: &str) -> Result<Url> {
        let to = match call.purpose {
            Purpose::Data { .. } => self.links.redirect(from, location)?,
            Purpose::Token => from.join(location).ok().filter(|to| to.origin() == from.origin()).ok_or_else(|| {
                Error::new(ErrorKind::Protocol, "a token endpoint redirects elsewhere").with("url", redact::url(from))
            })?,
        };
        tracing::debug!(from = %redact::url(from), to = %redact::url(&to), "http redirect");
        Ok(to)
    }

    /// What a refused answer says about itself.
    async fn failed(&self, mut head: Head, credential: Option<&Credential>) -> Failure {
        let headers = head.response.headers();
        let request_id = redact::request_id(|name| text_header(headers, name));
        let retry_after = asked_wait(headers, self.now());
        let status = head.response.status().as_u16();
        // Read in any case: a connection is only used again when its answer was read.
        let body = read_whole(&mut head, MAX_ERROR_BODY).await.ok();
        let is_refused = self.refusal_check.zip(body.as_ref()).is_some_and(|(check, body)| check(status, body));
        let outcome = if is_refused { Outcome::Refused(status) } else { Outcome::Status(status) };
        let secrets = credential.map(|credential| &credential.value).into_iter().chain(self.extra_headers.values());
        let cookies = self.cookies.as_ref().map(Cookies::values).unwrap_or_default();
        let secrets = secrets.map(HeaderValue::as_bytes).chain(cookies.iter().map(String::as_bytes));
        let body = body.map(|body| redact::without_secrets(body, secrets));
        let detail = self.error_detail.zip(body).and_then(|(detail, body)| detail(status, &body));
        Failure { outcome, url: head.url, request_id, retry_after, detail, cause: None }
    }

    /// How long to wait before the next try, or what to tell a host that there is none.
    fn wait_for(&self, call: &Call, failure: &Failure, progress: &mut Progress) -> Result<Duration, Retry> {
        let facts = facts(call, failure.status().unwrap_or(0));
        match classify(failure.outcome, facts) {
            Action::Retry => {}
            _ => {
                let later = classify(failure.outcome, Facts { idempotent: true, ..facts }) == Action::Retry;
                return Err(if later { Retry::Later(failure.retry_after) } else { Retry::Never });
            }
        }
        let asked = failure.retry_after;
        if asked.is_some_and(|asked| asked > self.settings.max_retry_after) {
            return Err(Retry::Later(asked));
        }
        if progress.retries >= self.settings.max_retries {
            return Err(Retry::Exhausted);
        }
        let wait = progress.delays.next(asked);
        if since(progress.started, self.now()) + wait > self.settings.retry_total {
            return Err(asked.map_or(Retry::Exhausted, |asked| Retry::Later(Some(asked))));
        }
        Ok(wait)
    }

    fn give_up(&self, call: &Call, failure: Failure, progress: &Progress, retry: Retry) -> Error {
        let auth: Option<&Auth> = (call.purpose == Purpose::Data { credential: true }).then_some(&self.auth);
        let elapsed = since(progress.started, self.now());
        failure.into_error(&Circumstances { method: &call.method, auth, tries: progress.tries, elapsed, retry })
    }

    fn too_large(&self, call: &Call, at: &Url) -> Error {
        Error::new(ErrorKind::Protocol, "the server's answer is larger than max_body_bytes")
            .with("method", &call.method)
            .with("url", redact::url(at))
            .with("max_body_bytes", self.settings.max_body_bytes)
            .help("ask for smaller pages, or raise max_body_bytes")
    }

    fn seen(&self, failure: Failure, progress: &Progress, sent: DateTime<Utc>) -> Failure {
        let elapsed_ms = since(sent, self.now()).as_millis() as u64;
        tracing::debug!(url = %redact::url(&failure.url), outcome = ?failure.outcome, attempt = progress.tries, elapsed_ms, "http failure");
        failure
    }

    fn slots_for(&self, paced: bool) -> &Arc<super::concurrency::Concurrency> {
        if paced { &self.slots } else { &self.token_slots }
    }
}

fn facts(call: &Call, status: u16) -> Facts {
    Facts {
        idempotent: call.idempotent,
        accepted: call.accepted.contains(&status),
        refreshable: false,
        redirectable: call.method == Method::GET || call.method == Method::HEAD,
    }
}

fn since(start: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (now - start).to_std().unwrap_or_default()
}
