//! Servers and clients for the scenarios.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use chrono::{DateTime, Utc};
use lakeflow_connect::{
    clock::{Clock, ManualClock},
    http::{Auth, HttpClient, HttpClientBuilder, HttpSettings},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use url::Url;
use wiremock::{Request, Respond, ResponseTemplate};

pub(crate) fn noon() -> DateTime<Utc> {
    DateTime::parse_from_rfc3339("2026-03-01T12:00:00Z").unwrap().to_utc()
}

pub(crate) fn url(text: &str) -> Url {
    text.parse().unwrap()
}

/// A client whose waits take no time and can be read from its clock.
pub(crate) struct Timed {
    pub(crate) client: HttpClient,
    pub(crate) clock: Arc<ManualClock>,
}

impl Timed {
    pub(crate) fn new(base: &str, change: impl FnOnce(&mut HttpSettings)) -> Self {
        Self::with(base, change, |builder| builder)
    }

    pub(crate) fn with_auth(base: &str, auth: Auth) -> Self {
        Self::with(base, |_| {}, |builder| builder.auth(auth))
    }

    pub(crate) fn with(
        base: &str,
        change: impl FnOnce(&mut HttpSettings),
        build: impl FnOnce(HttpClientBuilder) -> HttpClientBuilder,
    ) -> Self {
        let mut settings = HttpSettings::default();
        change(&mut settings);
        let clock = Arc::new(ManualClock::new(noon()));
        let builder = HttpClient::builder(url(base)).settings(settings).clock(clock.clone()).jitter_seed(1);
        Self { client: build(builder).build().unwrap(), clock }
    }

    /// Seconds waited so far.
    pub(crate) fn waited(&self) -> f64 {
        (self.clock.now() - noon()).as_seconds_f64()
    }
}

/// Answers with the given responses in turn; the last one stays.
pub(crate) struct InTurn {
    answers: Vec<ResponseTemplate>,
    next: AtomicUsize,
}

impl InTurn {
    pub(crate) fn new(answers: impl IntoIterator<Item = ResponseTemplate>) -> Self {
        Self { answers: answers.into_iter().collect(), next: AtomicUsize::new(0) }
    }

    pub(crate) fn statuses(statuses: impl IntoIterator<Item = u16>) -> Self {
        Self::new(statuses.into_iter().map(ResponseTemplate::new))
    }
}

impl Respond for InTurn {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let n = self.next.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        self.answers[n].clone()
    }
}

/// What a server without manners does with one connection.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Sends these bytes after the request's head, then closes.
    Send(Vec<u8>),
    /// Reads and never answers.
    Silence,
}

impl Deed {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Send(
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into(),
        )
    }
}

/// A server on a raw socket: one deed per connection, the last one for all that follow.
pub(crate) struct RawServer {
    pub(crate) address: String,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl RawServer {
    pub(crate) async fn start(deeds: impl IntoIterator<Item = Deed>) -> Self {
        let deeds: Vec<Deed> = deeds.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            for n in 0.. {
                let Ok((mut socket, _)) = listener.accept().await else { return };
                let (deed, seen) = (deeds[n.min(deeds.len() - 1)].clone(), seen.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                        match socket.read_buf(&mut head).await {
                            Ok(1..) => {}
                            _ => return,
                        }
                    }
                    seen.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
                    match deed {
                        Deed::Send(bytes) => {
                            let _ = socket.write_all(&bytes).await;
                            let _ = socket.shutdown().await;
                        }
                        Deed::Silence => std::future::pending().await,
                    }
                });
            }
        });
        Self { address, requests }
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}
