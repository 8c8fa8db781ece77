//! How many requests are under way at a time, as a server sees it.

use futures::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::yield_now,
};

use super::support::Timed;

/// A server whose answers are the test's.
struct Counter {
    address: String,
    /// Requests that have come and wait for an answer.
    waiting: UnboundedReceiver<TcpStream>,
}

impl Counter {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (send, waiting) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let send = send.clone();
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") && socket.read_buf(&mut head).await.is_ok_and(|n| n > 0) {}
                    let _ = send.send(socket);
                });
            }
        });
        Self { address, waiting }
    }

    /// The next requests, as many as these; there are no others while they wait.
    async fn just(&mut self, many: usize) -> Vec<TcpStream> {
        let mut held = Vec::new();
        while held.len() < many {
            held.push(self.waiting.recv().await.unwrap());
        }
        for _ in 0..3_000 {
            yield_now().await;
            assert!(self.waiting.try_recv().is_err(), "more than {many} requests are under way");
        }
        held
    }
}

async fn answer(requests: Vec<TcpStream>, status: &str) {
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    for mut socket in requests {
        socket.write_all(text.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn fewer_requests_are_under_way_when_a_server_says_that_it_is_busy() {
    for refusal in ["429 Too Many Requests", "503 Service Unavailable"] {
        let mut server = Counter::open().await;
        let timed = Timed::new(&server.address, |s| s.max_concurrency = 8);
        let requests = join_all((0..12).map(|_| timed.client.get("Patient").send()));
        let script = async {
            for (under_way, status) in [(8, refusal), (4, refusal), (2, refusal), (1, "200 OK")] {
                let held = server.just(under_way).await;
                answer(held, status).await;
            }
            for _ in 0..11 {
                answer(vec![server.waiting.recv().await.unwrap()], "200 OK").await;
            }
        };
        let (answers, ()) = tokio::join!(requests, script);
        assert!(answers.iter().all(Result::is_ok), "{refusal}: every request is answered in the end");
    }
}

#[tokio::test]
async fn more_requests_are_under_way_again_when_all_goes_well() {
    let mut server = Counter::open().await;
    let timed = Timed::new(&server.address, |s| s.max_concurrency = 4);
    let requests = join_all((0..30).map(|_| timed.client.get("Patient").send()));
    let script = async {
        let held = server.just(4).await;
        answer(held, "429 Too Many Requests").await;
        // Two at a time; after ten good answers at the latest there is room for four.
        for _ in 0..10 {
            answer(vec![server.waiting.recv().await.unwrap()], "200 OK").await;
        }
        for _ in 0..5 {
            let held = server.just(4).await;
            answer(held, "200 OK").await;
        }
    };
    let (answers, ()) = tokio::join!(requests, script);
    assert!(answers.iter().all(Result::is_ok));
}
