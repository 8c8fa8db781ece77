//! Marker secrets go through every way of failing; no error, cause, `Debug` output or log line may show one.

use std::{
    error::Error as _,
    fmt::Write as _,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use lakeflow_connect::{
    Error, Secret,
    http::{Auth, ClientAuth, ClientCredentials, TokenEndpoint},
};
use serde_json::json;
use tracing_subscriber::{fmt::MakeWriter, util::SubscriberInitExt};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, path},
};

use super::support::{Deed, InTurn, RawServer, Timed, url};

/// Keeps all log lines.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Keeps what is logged on this thread, up to the given level, until the guards are dropped.
    pub(crate) fn listen(level: tracing::Level) -> (Self, impl Sized) {
        let log = Self::default();
        let subscriber =
            tracing_subscriber::fmt().with_max_level(level).with_writer(log.clone()).with_ansi(false).finish();
        // With a second dispatcher alive, log lines first met by tests on other threads are not switched off for this one.
        let other = tracing::Dispatch::new(tracing_subscriber::registry());
        let on = subscriber.set_default();
        tracing::callsite::rebuild_interest_cache();
        (log, (on, other))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn marked() -> Secret {
    Secret::new("MARKER-secret")
}

/// An error with its causes, as people and as programs see it.
pub(crate) fn everything_about(error: &Error) -> String {
    let mut text = format!("{error}\n{error:?}\n");
    let mut cause = error.source();
    while let Some(inner) = cause {
        let _ = writeln!(text, "{inner}\n{inner:?}");
        cause = inner.source();
    }
    text
}

async fn fail(timed: Timed, out: &mut String) {
    let request =
        timed.client.get("Patient").query("name", "MARKER").header("prefer", "MARKER").header("cookie", "MARKER");
    let _ = writeln!(out, "{request:?}\n{:?}", timed.client);
    let error = request.send().await.unwrap_err();
    let _ = writeln!(out, "{}", everything_about(&error));
}

fn token_client(server: &MockServer, client_auth: ClientAuth) -> Timed {
    let endpoint = TokenEndpoint::Url(url(&format!("{}/token?tenant=MARKER", server.uri())));
    let credentials = ClientCredentials::new(endpoint, "id", client_auth).scope("a b");
    Timed::with_auth(&server.uri(), Auth::client_credentials(credentials))
}

#[tokio::test]
async fn no_secret_is_shown_anywhere() {
    let (log, _listening) = Log::listen(tracing::Level::DEBUG);
    let mut out = String::new();

    for status in [400, 401, 403, 404, 429, 500] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).set_body_string("MARKER").insert_header("set-cookie", "MARKER");
        Mock::given(any()).respond_with(answer).mount(&server).await;
        for auth in [
            Auth::basic("user", &marked()).unwrap(),
            Auth::bearer(&marked()).unwrap(),
            Auth::api_key("x-key", &marked()).unwrap(),
        ] {
            let change = |s: &mut lakeflow_connect::http::HttpSettings| {
                s.extra_headers.insert("x-tenant".to_owned(), marked());
            };
            fail(Timed::with(&server.uri(), change, |b| b.auth(auth)), &mut out).await;
        }
    }

    for (status, answer) in [(401, "TUFSS0VS"), (200, "TUFSS0VS"), (200, "MARKER!")] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(status).insert_header("www-authenticate", format!("Negotiate {answer}"));
        Mock::given(any()).respond_with(answer).mount(&server).await;
        fail(Timed::with_auth(&server.uri(), super::negotiate::auth(&[("MARKER", "proof")])), &mut out).await;
    }

    let half = Deed::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nMARKER".to_vec());
    for deed in [half, Deed::Send(b"HTTP/1.1 MARKER\r\n\r\n".to_vec()), Deed::Send(b"MARKER".to_vec()), Deed::Silence] {
        let server = RawServer::start([deed]).await;
        let change = |s: &mut lakeflow_connect::http::HttpSettings| {
            s.max_retries = 1;
            s.read_timeout = Duration::from_millis(20);
        };
        fail(Timed::with(&server.address, change, |b| b.auth(Auth::bearer(&marked()).unwrap())), &mut out).await;
    }
    let through_a_proxy = |s: &mut lakeflow_connect::http::HttpSettings| {
        s.proxy = Some(Secret::new("http://user:MARKER@127.0.0.1:1"));
        s.max_retries = 0;
    };
    fail(Timed::new("https://h.example", through_a_proxy), &mut out).await;

    for answers in [
        InTurn::new([ResponseTemplate::new(400).set_body_json(json!({"error": "invalid_client", "secret": "MARKER"}))]),
        InTurn::new([ResponseTemplate::new(200).set_body_json(json!({"access_token": "MARKER", "scope": "a"}))]),
        InTurn::statuses([500]),
    ] {
        let server = MockServer::start().await;
        Mock::given(path("/token")).respond_with(answers).mount(&server).await;
        for client_auth in [ClientAuth::SecretBasic(marked()), ClientAuth::SecretPost(marked())] {
            fail(token_client(&server, client_auth), &mut out).await;
        }
    }

    let redirecting = MockServer::start().await;
    let away = ResponseTemplate::new(302).insert_header("location", "https://u:p@evil.example/?t=MARKER");
    Mock::given(any()).respond_with(away).mount(&redirecting).await;
    fail(Timed::with_auth(&redirecting.uri(), Auth::bearer(&marked()).unwrap()), &mut out).await;

    let log = log.text();
    for wanted in ["http response", "http retry", "http failure", "status=429", "attempt=6", "/Patient", "granted less"]
    {
        assert!(log.contains(wanted), "no {wanted:?} in the log");
    }
    for (what, text) in [("errors and Debug", out), ("log", log)] {
        let encoded = ["dXNlcjpNQVJLRVI", "TUFSS0VS"]; // user:MARKER and MARKER
        for line in text.lines() {
            assert!(!line.contains("MARKER") && !encoded.iter().any(|text| line.contains(text)), "{what}: {line}");
        }
    }
}
