//! Many requests in one: `POST /batch`.

use std::{fmt::Write as _, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::Value;

use super::{client::PiClient, faults};
use crate::{
    decode::{Kind, Scanner},
    error::{Error, ErrorKind, Result},
};

/// The server's usual limit on a request's body is 4 MiB.
const MAX_BODY: usize = 4 * 1024 * 1024 - 64 * 1024;

/// A GET inside a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SubRequest {
    /// Path below the base address and query, as [`PiClient::target`] writes it.
    pub(super) target: String,
}

/// What became of one request of a batch.
#[derive(Clone, Debug)]
pub(super) struct SubResponse {
    /// Its HTTP status; 0 when the answer lacks it.
    pub(super) status: u16,
    /// The JSON text of its body; empty when there is none.
    pub(super) content: Bytes,
}

impl SubRequest {
    pub(super) fn get(target: impl Into<String>) -> Self {
        Self { target: target.into() }
    }

    /// The path that is asked for, without its query.
    pub(super) fn resource(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

impl SubResponse {
    /// The body, when the request succeeded.
    ///
    /// # Errors
    /// What the status or the error inside the body means, with the resource.
    pub(super) fn into_result(self, resource: &str) -> Result<Bytes> {
        if self.is_ok() { Ok(self.content) } else { Err(faults::of_status(self.status, &self.content, resource)) }
    }

    /// Whether it succeeded.
    pub(super) fn is_ok(&self) -> bool {
        matches!(self.status, 200..=299) && faults::in_answer(&self.content).is_none()
    }

    /// Whether asking again may help.
    pub(super) fn is_transient(&self) -> bool {
        match self.status {
            0 => true,
            200..=299 => faults::in_answer(&self.content).is_some(),
            status => faults::is_transient(status),
        }
    }
}

impl PiClient {
    /// Sends GETs as batches and gives their answers in the same order.
    ///
    /// A batch that the server finds too large is sent in halves. Requests inside that fail in passing are sent again, alone;
    /// what still fails is in its answer.
    ///
    /// # Errors
    /// Those of the client for a batch as a whole.
    pub(super) async fn batch(&self, requests: &[SubRequest]) -> Result<Vec<SubResponse>> {
        let mut answers = vec![SubResponse { status: 0, content: Bytes::new() }; requests.len()];
        let mut waiting: Vec<usize> = (0..requests.len()).collect();
        let mut retries = self.http.retries();
        let mut wait = None;
        loop {
            self.send_part(requests, &waiting, wait, &mut answers).await?;
            waiting.retain(|&at| answers[at].is_transient());
            if waiting.is_empty() {
                return Ok(answers);
            }
            if waiting.iter().any(|&at| answers[at].status == 429) {
                retries.busy();
            }
            wait = match retries.next_wait() {
                Some(wait) => Some(wait),
                None => return Ok(answers),
            };
            tracing::debug!(requests = waiting.len(), "requests of a batch are sent again");
        }
    }

    /// Sends some of the requests, in halves where they are too many; whether the server took them at once.
    fn send_part<'a>(
        &'a self,
        requests: &'a [SubRequest],
        part: &'a [usize],
        wait: Option<Duration>,
        answers: &'a mut [SubResponse],
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let (first, second) = part.split_at(part.len().div_ceil(2));
            if self.is_too_large(requests, part) {
                self.send_part(requests, first, wait, answers).await?;
                self.send_part(requests, second, wait, answers).await?;
                return Ok(false);
            }
            if part.is_empty() {
                return Ok(true);
            }
            let body = self.body_of(requests, part);
            let mut request = self.http.post("batch").idempotent(true).body("application/json; charset=utf-8", body);
            if let Some(wait) = wait {
                request = request.after(wait);
            }
            let response = self.send(request.accept_status(400).accept_status(413)).await?;
            match response.status() {
                400 | 413 if part.len() > 1 => {
                    let taken = [
                        self.send_part(requests, first, None, answers).await?,
                        self.send_part(requests, second, None, answers).await?,
                    ];
                    // Had it been for one of the requests, the half with that one would have been refused too.
                    if taken == [true, true] {
                        self.learn_batch_cap(first.len());
                    }
                    Ok(false)
                }
                status @ (400 | 413) => {
                    let content = response.into_body();
                    part.iter().for_each(|&at| answers[at] = SubResponse { status, content: content.clone() });
                    Ok(false)
                }
                _ => {
                    for (key, answer) in read_answers(response.body())? {
                        if let Some(slot) = key.parse().ok().and_then(|at: usize| answers.get_mut(at)) {
                            *slot = answer;
                        }
                    }
                    Ok(true)
                }
            }
        })
    }

    fn is_too_large(&self, requests: &[SubRequest], part: &[usize]) -> bool {
        let each = self.http.base().as_str().len() + 130;
        let bytes: usize = part.iter().map(|&at| requests[at].target.len() + each).sum();
        part.len() > 1 && (bytes > MAX_BODY || self.batch_cap().is_some_and(|cap| part.len() > cap))
    }

    /// `{"7":{"Method":"GET","Resource":"https://…"}}`, keyed by the place of each request.
    fn body_of(&self, requests: &[SubRequest], part: &[usize]) -> String {
        let base = self.http.base().as_str();
        let headers = self.headers().map(|(name, value)| format!(r#","Headers":{{"{name}":"{value}"}}"#));
        let headers = headers.unwrap_or_default();
        let mut body = String::from("{");
        for (n, &at) in part.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            let resource = Value::from(format!("{base}{}", requests[at].target));
            // Writing to a string does not fail.
            let _ = write!(body, r#"{comma}"{at}":{{"Method":"GET","Resource":{resource}{headers}}}"#);
        }
        body.push('}');
        body
    }
}

/// The answers of a batch by key.
fn read_answers(body: &Bytes) -> Result<Vec<(String, SubResponse)>> {
    let mut s = Scanner::from_utf8(body)?;
    let mut answers = Vec::new();
    if s.peek()? != Kind::Object {
        return Err(Error::new(ErrorKind::Protocol, "the answer to a batch is not an object by request"));
    }
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        answers.push((key.into_owned(), read_answer(&mut s, body)?));
    }
    s.end()?;
    Ok(answers)
}

fn read_answer(s: &mut Scanner, body: &Bytes) -> Result<SubResponse> {
    let mut answer = SubResponse { status: 0, content: Bytes::new() };
    if s.peek()? != Kind::Object {
        s.skip()?;
        return Ok(answer);
    }
    s.enter_object()?;
    while let Some(key) = s.next_key()? {
        match (&*key, s.peek()?) {
            ("Status", Kind::Number) => answer.status = s.number()?.parse().unwrap_or(0),
            ("Content", Kind::Null) => s.null()?,
            ("Content", _) => answer.content = body.slice_ref(s.skip()?.as_bytes()),
            _ => drop(s.skip()?),
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::{super::config::Connection, *};
    use crate::{options::Options, registry::Context};

    #[test]
    fn each_request_of_a_batch_says_whether_caches_will_do() {
        let options = Options::new().with("pi_base_url", "http://127.0.0.1").with("auth_type", "anonymous");
        let client = PiClient::new(&Connection::parse(&options).unwrap(), &Context::new()).unwrap();
        let body = |client: &PiClient| -> Value {
            serde_json::from_str(&client.body_of(&[SubRequest::get("a"), SubRequest::get("b?c=d")], &[1])).unwrap()
        };
        let resource = "http://127.0.0.1/piwebapi/b?c=d";
        assert_eq!(body(&client), serde_json::json!({ "1": { "Method": "GET", "Resource": resource } }));
        assert_eq!(body(&client.past_caches())["1"]["Headers"], serde_json::json!({ "Cache-Control": "no-cache" }));
    }

    #[test]
    fn answers_are_joined_by_key_and_keep_their_status() {
        let body = Bytes::from_static(
            br#"{"1":{"Headers":{},"Status":502,"Content":{"Errors":["gone"]}},"0":{"Status":200,"Content":{"Items":[]}},
                "2":{"Status":403,"Content":"no"},"x":7,"3":{"Status":204,"Content":null}}"#,
        );
        let answers = read_answers(&body).unwrap();
        let of = |key: &str| &answers.iter().find(|(k, _)| k == key).unwrap().1;
        assert_eq!((of("0").status, &of("0").content[..]), (200, &br#"{"Items":[]}"#[..]));
        assert!(of("0").is_ok() && of("3").is_ok() && of("1").is_transient() && !of("2").is_transient());
        let error = of("1").clone().into_result("streams/x/recorded").unwrap_err();
        assert_eq!((error.get("detail"), error.get("resource")), (Some("gone"), Some("streams/x/recorded")));
        assert_eq!(of("2").clone().into_result("p").unwrap_err().get("detail"), Some("no"));
        assert!(of("x").is_transient());
    }

    #[test]
    fn a_good_status_over_a_broken_answer_is_no_success() {
        let content = Bytes::from_static(br#"{"Items":[],"WebException":{"StatusCode":500,"Errors":["x"]}}"#);
        let answer = SubResponse { status: 200, content };
        assert!(!answer.is_ok() && answer.is_transient());
    }
}
