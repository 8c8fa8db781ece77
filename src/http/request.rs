//! One request, step by step.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde::Serialize;
use url::{Url, form_urlencoded};

use super::{
    client::HttpClient,
    response::{BodyStream, Response},
    run::{Body, Call, Purpose},
};
use crate::error::{Error, ErrorKind, Result};

/// A request being made. Nothing is sent before [`Request::send`]; dropping its future cancels it.
///
/// A mistake in an address or a header is reported by `send`.
#[derive(Debug)]
#[must_use = "nothing is sent before send()"]
pub struct Request {
    client: HttpClient,
    call: Result<Call>,
    delay: Duration,
}

impl Request {
    pub(super) fn new(client: HttpClient, method: Method, url: Result<Url>) -> Self {
        let idempotent = method.is_idempotent();
        let call = url.map(|url| Call {
            method,
            url,
            headers: HeaderMap::new(),
            body: Body::Empty,
            idempotent,
            accepted: Vec::new(),
            purpose: Purpose::Data { credential: true },
        });
        Self { client, call, delay: Duration::ZERO }
    }

    fn change(mut self, change: impl FnOnce(&mut Call) -> Result<()>) -> Self {
        self.call = self.call.and_then(|mut call| change(&mut call).map(|()| call));
        self
    }

    /// Adds a parameter to the query, encoded.
    pub fn query(self, key: &str, value: impl AsRef<str>) -> Self {
        self.change(|call| {
            call.url.query_pairs_mut().append_pair(key, value.as_ref());
            Ok(())
        })
    }

    /// Sets a header; a second value for a name replaces the first.
    pub fn header(self, name: &str, value: impl AsRef<str>) -> Self {
        self.change(|call| {
            let bad = || Error::new(ErrorKind::Internal, "not a valid request header").with("header", name);
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let value = HeaderValue::from_bytes(value.as_ref().as_bytes()).map_err(|_| bad())?;
            call.headers.insert(header, value);
            Ok(())
        })
    }

    /// Wants this status as an answer, not as an error: `404` where absence is a fact worth knowing.
    pub fn accept_status(self, status: u16) -> Self {
        self.change(|call| {
            call.accepted.push(status);
            Ok(())
        })
    }

    /// Says whether sending the request twice does no harm. So it is for all methods but POST and PATCH.
    pub fn idempotent(self, idempotent: bool) -> Self {
        self.change(|call| {
            call.idempotent = idempotent;
            Ok(())
        })
    }

    /// Sends no credential and none of `extra_headers`: for addresses that are themselves the permission.
    pub fn without_credential(self) -> Self {
        self.change(|call| {
            call.purpose = Purpose::Data { credential: false };
            Ok(())
        })
    }

    /// Waits this long on the client's clock before it is sent; sources do not sleep themselves.
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Sets the body.
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.header(CONTENT_TYPE.as_str(), content_type).change(|call| {
            call.body = Body::Bytes(body.into());
            Ok(())
        })
    }

    /// Sets a JSON body.
    pub fn json(self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body("application/json", body),
            Err(e) => {
                self.change(|_| Err(Error::new(ErrorKind::Internal, "the request body is not JSON").caused_by(e)))
            }
        }
    }

    /// Sets a form as the body.
    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.body("application/x-www-form-urlencoded", body)
    }

    /// Sends it, with retries, and reads the whole body.
    ///
    /// # Errors
    /// What a status or a broken connection means, with the address, the tries and what to do next.
    pub async fn send(self) -> Result<Response> {
        self.wait().await;
        self.client.inner.run(&self.call?).await
    }

    /// Sends it, with retries, up to the head of the answer; the body is read by the caller and not bound by
    /// `max_body_bytes` or `request_timeout_seconds`.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub async fn stream(self) -> Result<BodyStream> {
        self.wait().await;
        self.client.inner.run(&self.call?).await
    }

    async fn wait(&self) {
        if !self.delay.is_zero() {
            self.client.inner.clock.sleep(self.delay).await;
        }
    }
}
