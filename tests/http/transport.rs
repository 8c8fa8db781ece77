//! Bodies that break off, are too large, or come compressed; servers that are silent.

use std::{io::Write, time::Duration};

use futures::StreamExt;
use lakeflow_connect::{ErrorKind, Retry};
use tokio::net::{TcpSocket, TcpStream};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

use super::support::{Deed, RawServer, Timed};

fn send(text: &str) -> Deed {
    Deed::Send(text.as_bytes().to_vec())
}

#[tokio::test]
async fn a_body_that_breaks_off_is_asked_for_again() {
    let mut gzip = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n".to_vec();
    gzip.extend(compressed("whole").iter().take(12));
    for (what, broken) in [
        ("shorter than announced", send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"resourceType\"")),
        ("no last chunk", send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")),
        ("nonsense for a chunk", send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n")),
        ("half a gzip", Deed::Send(gzip)),
        ("not gzip at all", send("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nplain")),
        ("no answer", send("")),
        ("half a head", send("HTTP/1.1 200 OK\r\ncontent-le")),
        ("not http", send("SSH-2.0-OpenSSH_9.2\r\n")),
    ] {
        let server = RawServer::start([broken, Deed::ok("whole")]).await;
        let timed = Timed::new(&server.address, |_| {});
        let response = timed.client.get("Patient").send().await.unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!((response.body().as_ref(), server.count()), (b"whole".as_slice(), 2), "{what}");
    }
}

#[tokio::test]
async fn a_body_that_always_breaks_off_is_an_error_and_never_half_an_answer() {
    let server = RawServer::start([send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nMARKER")]).await;
    let timed = Timed::new(&server.address, |s| s.max_retries = 2);
    let error = timed.client.get("Patient").send().await.unwrap_err();
    assert_eq!((error.kind(), error.retry(), server.count()), (ErrorKind::Unavailable, Retry::Exhausted, 3));
    assert!(!format!("{error:?}").contains("MARKER"));
}

#[tokio::test]
async fn a_silent_server_is_given_up_on_and_asked_again() {
    let server = RawServer::start([Deed::Silence, Deed::ok("late")]).await;
    let timed = Timed::new(&server.address, |s| s.read_timeout = Duration::from_millis(500));
    assert_eq!(timed.client.get("Patient").send().await.unwrap().into_body(), "late");
    let server = RawServer::start([Deed::Silence]).await;
    let timed = Timed::new(&server.address, |s| {
        s.request_timeout = Duration::from_millis(50);
        s.max_retries = 1;
    });
    let error = timed.client.get("Patient").send().await.unwrap_err();
    assert_eq!(error.message(), "the server did not answer in time");
    assert!(error.help_text().unwrap().contains("request_timeout_seconds"));
}

#[tokio::test]
async fn a_server_that_takes_no_connection_is_given_up_on() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody takes the connections that wait: one more than asked for, and no other is made or refused.
    let _waiting = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    let timed = Timed::new(&format!("http://{address}"), |s| {
        s.connect_timeout = Duration::from_millis(50);
        (s.max_retries, s.read_timeout, s.request_timeout) = (0, Duration::from_secs(600), Duration::from_secs(600));
    });
    let error = timed.client.get("Patient").send().await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Exhausted), "{error}");
    assert_eq!(error.message(), "the connection to the server timed out");
    assert!(error.help_text().unwrap().contains("connect_timeout_seconds"), "{error}");
}

#[tokio::test]
async fn bodies_are_limited_after_decompression_and_announced_ones_before() {
    let large = "x".repeat(4096);
    for deed in [
        Deed::ok(&large),
        send("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx"),
        Deed::Send(
            [b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n".as_slice(), &compressed(&large)]
                .concat(),
        ),
    ] {
        let server = RawServer::start([deed]).await;
        let timed = Timed::new(&server.address, |s| s.max_body_bytes = 4095);
        let error = timed.client.get("Patient").send().await.unwrap_err();
        assert_eq!((error.kind(), error.get("max_body_bytes"), server.count()), (ErrorKind::Protocol, Some("4095"), 1));
        let enough = Timed::new(&server.address, |s| s.max_body_bytes = 4096);
        if let Ok(response) = enough.client.get("Patient").send().await {
            assert_eq!(response.body().len(), 4096);
        }
    }
}

#[tokio::test]
async fn gzip_is_asked_for_and_undone() {
    let server = MockServer::start().await;
    let body = compressed("{\"resourceType\":\"Bundle\"}");
    let template = ResponseTemplate::new(200).insert_header("content-encoding", "gzip").set_body_bytes(body);
    Mock::given(any()).respond_with(template).mount(&server).await;
    let timed = Timed::new(&server.uri(), |_| {});
    let response = timed.client.get("Patient").send().await.unwrap();
    assert_eq!(response.body().as_ref(), b"{\"resourceType\":\"Bundle\"}");
    let asked = &server.received_requests().await.unwrap()[0].headers["accept-encoding"];
    let asked = asked.to_str().unwrap();
    assert!(asked.contains("gzip") && asked.contains("zstd"), "{asked}");
    assert_eq!(timed.client.activity().bytes, 25);
}

#[tokio::test]
async fn a_stream_hands_out_pieces_and_tells_when_it_breaks_off() {
    let server = RawServer::start([
        send("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nline 1\n"),
    ])
    .await;
    let timed = Timed::new(&server.address, |s| s.max_body_bytes = 3);
    let body = timed.client.get("file.ndjson").stream().await.unwrap();
    let pieces: Vec<_> = body.into_stream().collect().await;
    assert_eq!(pieces.len(), 2, "one piece, then the error, then the end");
    assert_eq!(pieces[0].as_ref().unwrap().as_ref(), b"line 1\n");
    let error = pieces[1].as_ref().unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later(None)));
    assert_eq!(timed.client.activity().bytes, 7);
}

#[tokio::test]
async fn requests_go_on_while_a_stream_is_open() {
    let server = RawServer::start([Deed::ok("file"), Deed::ok("page")]).await;
    let timed = Timed::new(&server.address, |s| s.max_concurrency = 1);
    let mut file = timed.client.get("file").stream().await.unwrap();
    assert_eq!(timed.client.get("page").send().await.unwrap().into_body(), "page");
    assert_eq!(file.chunk().await.unwrap().unwrap(), "file");
}

#[tokio::test]
async fn requests_share_a_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut socket, _) = listener.accept().await.unwrap();
        for _ in 0..3 {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                assert!(socket.read_buf(&mut head).await.unwrap() > 0, "the connection was closed between requests");
            }
            socket.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\ngone!").await.unwrap();
        }
    });
    let timed = Timed::new(&address, |_| {});
    for _ in 0..3 {
        assert_eq!(timed.client.get("Patient").send().await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    server.await.unwrap();
}

#[tokio::test]
async fn the_pace_holds_across_requests() {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let timed = Timed::new(&server.uri(), |s| s.requests_per_second = Some(2.0));
    for _ in 0..5 {
        timed.client.get("Patient").send().await.unwrap();
    }
    assert_eq!(timed.waited(), 2.0);
}

fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
