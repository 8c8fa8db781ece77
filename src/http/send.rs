//! From a call to an answer's head: one request, or several where a login takes more than one.

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use url::Url;

use super::{
    auth::{Credential, Exchange},
    client::Inner,
    response::read_whole,
    run::{Call, Head, Purpose},
};
use crate::error::Result;

/// Most bytes of a refusal that are read to keep its connection.
const MAX_REFUSAL: u64 = 1 << 16;

/// What a request shows of who is asking.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) credential: Option<Credential>,
    pub(super) exchange: Option<Exchange>,
}

/// One try that came back, or did not.
pub(super) struct Sent {
    /// When its last request went out.
    pub(super) at: DateTime<Utc>,
    pub(super) answer: Result<Head, reqwest::Error>,
}

impl Inner {
    /// What to show at an address.
    pub(super) async fn shown(&self, at: &Url, trusted: bool) -> Result<Shown> {
        if !trusted {
            return Ok(Shown::default());
        }
        // A ticket is for one server.
        if self.links.is_own(at)
            && let Some((exchange, first)) = self.auth.exchange(self).await?
        {
            return Ok(Shown { credential: Some(first), exchange: Some(exchange) });
        }
        Ok(Shown { credential: self.auth.credential(self).await?, exchange: None })
    }

    /// Sends a call until the server has heard enough to answer or refuse it.
    pub(super) async fn send(
        &self,
        call: &Call,
        at: &Url,
        trusted: bool,
        shown: &mut Shown,
        whole: bool,
    ) -> Result<Sent> {
        loop {
            let request = self.request(call, at, trusted, shown.credential.as_ref(), whole)?;
            if call.purpose != Purpose::Token
                && let Some(pace) = &self.pace
            {
                pace.wait(&*self.clock).await;
            }
            let sent = self.now();
            self.counters.request();
            let http = shown.exchange.as_ref().and_then(Exchange::http).unwrap_or(&self.http);
            let answer = http.execute(request).await;
            if let (true, Some(cookies), Ok(answer)) = (trusted && self.links.is_own(at), &self.cookies, &answer) {
                cookies.keep(answer.headers(), at, self.now());
            }
            let mut head = match answer {
                Ok(response) => Head { response, url: at.clone(), counters: self.counters.clone() },
                Err(error) => return Ok(Sent { at: sent, answer: Err(error) }),
            };
            if call.purpose != Purpose::Token {
                self.counters.answer();
            }
            let next = match &mut shown.exchange {
                Some(exchange) if head.response.status() == StatusCode::UNAUTHORIZED => {
                    exchange.next(head.response.headers(), self).await?
                }
                _ => None,
            };
            let Some(next) = next else { return Ok(Sent { at: sent, answer: Ok(head) }) };
            shown.credential = Some(next);
            tracing::debug!("the login goes on");
            // The next token must come over this connection, which is free once its answer was read.
            let _ = read_whole(&mut head, MAX_REFUSAL).await;
        }
    }
}
