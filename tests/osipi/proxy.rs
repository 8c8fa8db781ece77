//! What stands between our client and the server: a balancer, or a machine with views of its own.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, http::request::Parts, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What becomes of a request.
pub(super) enum Way {
    /// It goes to this host; the answer sets a cookie, if one is given.
    To(String, Option<String>),
    /// It is refused with 400.
    Refused,
}

/// An address at which every request is dealt with as `choose` says, by its head and body.
pub(super) async fn in_front(choose: impl Fn(&Parts, &str) -> Way + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/piwebapi", listener.local_addr().unwrap());
    let (client, choose) = (reqwest::Client::new(), Arc::new(choose));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (client, choose) = (client.clone(), Arc::clone(&choose));
            let service = service_fn(move |request| forward(request, client.clone(), Arc::clone(&choose)));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    address
}

async fn forward<F: Fn(&Parts, &str) -> Way>(
    request: Request<Incoming>,
    client: reqwest::Client,
    choose: Arc<F>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let answer = Response::builder().header("content-type", "application/json");
    let way = choose(&head, std::str::from_utf8(&body).unwrap());
    let Way::To(host, cookie) = way else {
        return Ok(answer.status(400).body(Full::new(r#"{"Errors":["a request is malformed"]}"#.into())).unwrap());
    };
    let sent = client.request(head.method, format!("http://{host}{}", head.uri)).body(body);
    let sent = sent.header("x-requested-with", "test").header("content-type", "application/json").send().await.unwrap();
    let answer = cookie.into_iter().fold(answer, |answer, cookie| answer.header("set-cookie", cookie));
    Ok(answer.status(sent.status()).body(Full::new(sent.bytes().await.unwrap())).unwrap())
}
