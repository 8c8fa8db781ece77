//! The socket side of every simulator: accept, read a request, hand it to a [`Handler`], deliver the reply as told.

use std::{
    convert::Infallible,
    io::{self, Write as _},
    net::{SocketAddr, TcpListener as StdListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{HeaderMap, Method, body::Frame, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch};

use crate::{
    SimError,
    hold::{Held, Holds},
};

/// Bytes of the server's stack: conditions that clients send may be deeply nested.
const STACK: usize = 16 << 20;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query without `?`, still percent-encoded; empty when there is none.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The socket address of this server that was connected to.
    pub local: SocketAddr,
    /// The client's socket address: one connection.
    pub peer: SocketAddr,
}

impl Request {
    /// A header's text, or nothing when it is absent or not text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The path, with the query when there is one.
    pub(crate) fn path_and_query(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    /// The query parameters, decoded, in order.
    pub fn parameters(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }
}

/// How a reply reaches the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Complete.
    #[default]
    Whole,
    /// The length of the whole body is announced, half of it is sent, then the connection dies.
    CutOff,
    /// Half of the body, announced and ended as if it were all.
    Truncated,
    /// The connection is closed without an answer.
    NoAnswer,
    /// Complete, in `chunks` pieces with a pause before each.
    Drip {
        /// Number of pieces.
        chunks: usize,
        /// Pause before each piece.
        pause: Duration,
    },
}

/// A reply and how it is to be delivered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers; `Content-Length` is added.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Bytes,
    /// Waits this long before the first byte.
    pub delay: Duration,
    /// Complete or damaged.
    pub delivery: Delivery,
}

impl Reply {
    /// A complete reply of a content type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: body.into(),
            delay: Duration::ZERO,
            delivery: Delivery::Whole,
        }
    }

    /// Adds a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Compressed by gzip when the client accepts that.
    pub(crate) fn compressed_for(self, request: &Request) -> Self {
        let accepts = request.header("accept-encoding").is_some_and(|accepted| accepted.contains("gzip"));
        if !accepts || self.body.is_empty() {
            return self;
        }
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        match encoder.write_all(&self.body).and_then(|()| encoder.finish()) {
            Ok(body) => Self { body: body.into(), ..self }.with("content-encoding", "gzip"),
            Err(_) => self,
        }
    }
}

/// Answers requests; called on the server's thread, one at a time.
pub trait Handler: Send + Sync + 'static {
    /// The reply to one request.
    fn handle(&self, request: &Request) -> Reply;
}

/// A server on its own thread; dropped, it closes its sockets and connections.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<SocketAddr>,
    load: Arc<Load>,
    holds: Arc<Holds>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Requests that arrived whole and whose replies were not begun.
#[derive(Debug, Default)]
struct Load {
    now: AtomicUsize,
    peak: AtomicUsize,
}

/// One request in work; dropped with its connection when the client gives up.
struct InWork(Arc<Load>);

impl InWork {
    fn enter(load: Arc<Load>) -> Self {
        let now = load.now.fetch_add(1, Ordering::SeqCst) + 1;
        load.peak.fetch_max(now, Ordering::SeqCst);
        Self(load)
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Sockets that listen already but answer nobody yet.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<StdListener>,
    addresses: Vec<SocketAddr>,
}

impl Bound {
    /// Binds every address; port 0 takes a free port.
    ///
    /// # Errors
    /// [`SimError::Listen`] naming the address that is taken or not of this machine.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, SimError> {
        let bind = |address: &SocketAddr| {
            let listener = StdListener::bind(address)?;
            listener.local_addr().map(|bound| (listener, bound))
        };
        let bind = |address: &SocketAddr| {
            bind(address).map_err(|error| {
                SimError::Listen(format!("cannot listen on {address}: {error}; choose another port, or 0 for any"))
            })
        };
        let bound: Vec<_> = addresses.iter().map(bind).collect::<Result<_, _>>()?;
        let (listeners, addresses) = bound.into_iter().unzip();
        Ok(Self { listeners, addresses })
    }

    /// The addresses in the order asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until the returned handle is stopped or dropped.
    pub fn serve(self, handler: Arc<dyn Handler>) -> io::Result<Running> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let listeners = {
            let _context = runtime.enter();
            self.listeners
                .into_iter()
                .map(|listener| listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener)))
                .collect::<io::Result<Vec<_>>>()?
        };
        let (load, holds) = (Arc::new(Load::default()), Arc::new(Holds::default()));
        let shared = (load.clone(), holds.clone());
        let thread = std::thread::Builder::new().name("simulator".into()).stack_size(STACK).spawn(move || {
            runtime.block_on(async move {
                for listener in listeners {
                    tokio::spawn(accept(listener, handler.clone(), shared.clone()));
                }
                let mut stopped = stopped;
                let _ = stopped.wait_for(|stop| *stop).await;
            });
        })?;
        Ok(Running { addresses: self.addresses, load, holds, stop, thread: Some(thread) })
    }
}

impl Running {
    /// The addresses that are listened on.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The most requests that were in work at one time: arrived, and their replies not begun.
    pub fn peak_in_flight(&self) -> usize {
        self.load.peak.load(Ordering::SeqCst)
    }

    /// Holds back the replies to some requests.
    pub(crate) fn hold(&self, which: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Held {
        self.holds.add(which)
    }

    /// Closes all sockets and waits for the server's thread.
    pub fn stop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What all connections share.
type Shared = (Arc<Load>, Arc<Holds>);

async fn accept(listener: TcpListener, handler: Arc<dyn Handler>, shared: Shared) {
    loop {
        let Ok((socket, peer)) = listener.accept().await else { continue };
        let _ = socket.set_nodelay(true);
        let Ok(local) = socket.local_addr() else { continue };
        let (handler, shared) = (handler.clone(), shared.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, (local, peer), handler.clone(), shared.clone()));
            let connection =
                http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(socket), service);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
}

type Body = UnsyncBoxBody<Bytes, io::Error>;

async fn answer(
    request: hyper::Request<Incoming>,
    (local, peer): (SocketAddr, SocketAddr),
    handler: Arc<dyn Handler>,
    (load, holds): Shared,
) -> Result<hyper::Response<Body>, io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let request = Request {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
        local,
        peer,
    };
    let in_work = InWork::enter(load);
    let reply = handler.handle(&request);
    if !reply.delay.is_zero() {
        tokio::time::sleep(reply.delay).await;
    }
    holds.wait(&request).await;
    drop(in_work);
    respond(reply)
}

fn respond(reply: Reply) -> Result<hyper::Response<Body>, io::Error> {
    let whole = |body: Bytes| Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync();
    let half = reply.body.slice(..reply.body.len() / 2);
    let mut length = reply.body.len();
    let body = match reply.delivery {
        Delivery::NoAnswer => return Err(io::Error::other("told not to answer")),
        Delivery::Whole => whole(reply.body),
        Delivery::Truncated => {
            length = half.len();
            whole(half)
        }
        Delivery::CutOff => StreamBody::new(stream::iter([Ok(half), Err(())]).then(async |part| match part {
            Ok(data) => Ok(Frame::data(data)),
            Err(()) => {
                // The half must be on its way before the connection dies.
                tokio::time::sleep(Duration::from_millis(2)).await;
                Err(io::Error::other("told to break off"))
            }
        }))
        .boxed_unsync(),
        Delivery::Drip { chunks, pause } => {
            let size = reply.body.len().div_ceil(chunks.max(1)).max(1);
            let parts: Vec<Bytes> =
                (0..length).step_by(size).map(|at| reply.body.slice(at..(at + size).min(length))).collect();
            StreamBody::new(stream::iter(parts).then(move |part| async move {
                tokio::time::sleep(pause).await;
                Ok(Frame::data(part))
            }))
            .boxed_unsync()
        }
    };
    let mut response = hyper::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    if reply.status != 204 {
        response = response.header("content-length", length);
    }
    response.body(body).map_err(io::Error::other)
}
