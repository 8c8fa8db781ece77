//! HTTP/2, zstd, proxies and cookies.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use futures::future::join_all;
use http_body_util::Full;
use hyper::{Response, Version, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use lakeflow_connect::{ErrorKind, Retry, Secret};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use super::{
    support::{Deed, RawServer, Timed},
    tls::{Authority, TlsServer},
};

#[tokio::test]
async fn a_server_that_speaks_http_2_gets_all_requests_over_one_connection() {
    let authority = Authority::new();
    let mut config = authority.server_config("localhost", None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (connections, versions) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (accepted, seen) = (Arc::clone(&connections), Arc::clone(&versions));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::SeqCst);
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                let stream = acceptor.accept(socket).await.unwrap();
                let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    seen.lock().unwrap().push(request.version());
                    let body = request.uri().path().trim_start_matches('/').to_owned();
                    async move { Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(body)))) }
                });
                let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    let timed = Timed::new(&address, |s| s.ca_certificate = Some(authority.pem()));
    assert_eq!(timed.client.get("first").send().await.unwrap().into_body(), "first");
    let names: Vec<String> = (0..6).map(|n| format!("Patient-{n}")).collect();
    let bodies = join_all(names.iter().map(|name| timed.client.get(name.as_str()).send())).await;
    for (name, body) in names.iter().zip(bodies) {
        assert_eq!(body.unwrap().into_body(), name.as_str());
    }
    assert_eq!(*versions.lock().unwrap(), [Version::HTTP_2; 7]);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

/// The text as a zstd frame of one raw block.
fn zstd(text: &str) -> Vec<u8> {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    const SINGLE_SEGMENT: u8 = 0x20;
    let length = u8::try_from(text.len()).unwrap();
    let block = (u32::from(length) << 3 | 1).to_le_bytes();
    [&MAGIC[..], &[SINGLE_SEGMENT, length], &block[..3], text.as_bytes()].concat()
}

fn packed(body: &[u8]) -> Deed {
    let head = "HTTP/1.1 200 OK\r\ncontent-encoding: zstd\r\nconnection: close\r\n\r\n";
    Deed::Send([head.as_bytes(), body].concat())
}

#[tokio::test]
async fn zstd_is_undone_and_half_of_it_is_asked_for_again() {
    let body = "{\"resourceType\":\"Bundle\"}";
    let server = RawServer::start([packed(&zstd(body)[..20]), packed(&zstd(body))]).await;
    let timed = Timed::new(&server.address, |_| {});
    assert_eq!(timed.client.get("Patient").send().await.unwrap().into_body(), body);
    assert_eq!(server.count(), 2);
    let limited = Timed::new(&server.address, |s| s.max_body_bytes = 24);
    assert_eq!(limited.client.get("Patient").send().await.unwrap_err().get("max_body_bytes"), Some("24"));
}

/// A proxy: tunnels lead to one server whatever their name is, and plain requests it answers itself.
struct ForwardProxy {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl ForwardProxy {
    async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(Self::serve(socket, server.clone(), Arc::clone(&seen)));
            }
        });
        Self { address, heads }
    }

    async fn serve(mut socket: TcpStream, server: String, seen: Arc<Mutex<Vec<String>>>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && socket.read_buf(&mut head).await.is_ok_and(|n| n > 0) {}
        let head = String::from_utf8(head).unwrap();
        let tunnel = head.starts_with("CONNECT ");
        seen.lock().unwrap().push(head);
        if tunnel {
            let mut server = TcpStream::connect(server).await.unwrap();
            socket.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
            let _ = copy_bidirectional(&mut socket, &mut server).await;
        } else {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nplain";
            socket.write_all(answer).await.unwrap();
        }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn requests_go_through_the_proxy_that_is_set() {
    let authority = Authority::new();
    let server = TlsServer::start(&authority, "fhir.example.org", None).await;
    let proxy = ForwardProxy::start(server.address.replace("https://localhost", "127.0.0.1")).await;
    let plain = Timed::new("http://fhir.example.org/r4/", |s| {
        s.allow_insecure = true;
        s.proxy = Some(Secret::new(format!("http://{}", proxy.address)));
    });
    assert_eq!(plain.client.get("Patient").send().await.unwrap().into_body(), "plain");
    let tunnelled = Timed::new("https://fhir.example.org/r4/", |s| {
        s.ca_certificate = Some(authority.pem());
        s.proxy = Some(Secret::new(format!("http://me:MARKER@{}", proxy.address)));
    });
    assert_eq!(tunnelled.client.get("Patient").send().await.unwrap().into_body(), "secret");
    let heads = proxy.heads();
    assert_eq!(heads.len(), 2, "{heads:?}");
    assert!(heads[0].starts_with("GET http://fhir.example.org/r4/Patient HTTP/1.1\r\n"), "{}", heads[0]);
    assert!(heads[1].starts_with("CONNECT fhir.example.org:443 HTTP/1.1\r\n"), "{}", heads[1]);
    assert!(heads[1].to_lowercase().contains("proxy-authorization: basic bwu6tufss0vs"), "{}", heads[1]);
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_an_error_without_its_password() {
    let timed = Timed::new("https://fhir.example.org/", |s| {
        s.proxy = Some(Secret::new("http://me:MARKER@127.0.0.1:1"));
        s.max_retries = 1;
    });
    let error = timed.client.get("Patient").send().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Exhausted));
    assert!(!format!("{error} {error:?}").contains("MARKER"), "{error:?}");
}

#[tokio::test]
async fn cookies_go_back_to_the_server_that_set_them_where_that_is_asked_for() {
    for kept in [true, false] {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).insert_header("set-cookie", "node=a; Path=/");
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let timed = Timed::with(&server.uri(), |_| {}, |builder| if kept { builder.cookies() } else { builder });
        for _ in 0..2 {
            timed.client.get("x").send().await.unwrap();
        }
        let requests = server.received_requests().await.unwrap();
        let seen: Vec<_> = requests.iter().map(|request| request.headers.get("cookie").cloned()).collect();
        assert!(seen[0].is_none() && seen[1].as_ref().is_some_and(|value| value == "node=a") == kept, "{seen:?}");
    }
}
