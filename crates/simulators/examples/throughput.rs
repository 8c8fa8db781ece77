//! How fast the servers deliver: `cargo run --release -p lakeflow-simulators --example throughput -- fhir [RESOURCES]` reads pages,
//! `... -- osipi [POINTS]` reads batches of 100 points, each with a day of events.
//!
//! One connection; the reader does nothing with the bytes but look for the next link.
#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Instant,
};

use lakeflow_simulators::{fhir, osipi};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let (server, count) = (args.next(), args.next());
    match server.as_deref() {
        Some("fhir") => read_pages(count.as_deref().unwrap_or("1000000")),
        Some("osipi") => read_batches(count.as_deref().unwrap_or("3000")),
        _ => Err("usage: throughput fhir [RESOURCES] | osipi [POINTS]".into()),
    }
}

/// A connection, and what came over it.
struct Wire {
    stream: BufReader<TcpStream>,
    host: String,
    body: Vec<u8>,
    bytes: usize,
    begin: Instant,
}

impl Wire {
    fn to(host: String) -> Result<Self> {
        let stream = BufReader::with_capacity(1 << 18, TcpStream::connect(&host)?);
        Ok(Self { stream, host, body: Vec::new(), bytes: 0, begin: Instant::now() })
    }

    /// Asks, and takes the whole answer.
    fn ask(&mut self, method: &str, path: &str, text: &str) -> Result<()> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nx-requested-with: x\r\ncontent-length: {}\r\n\r\n",
            self.host,
            text.len()
        );
        self.stream.get_mut().write_all(head.as_bytes())?;
        self.stream.get_mut().write_all(text.as_bytes())?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body)?;
        self.bytes += length;
        Ok(())
    }

    fn tell(&self) {
        let seconds = self.begin.elapsed().as_secs_f64();
        println!("{} bytes in {seconds:.2} s: {:.0} MB/s", self.bytes, self.bytes as f64 / 1e6 / seconds);
    }
}

fn read_pages(resources: &str) -> Result<()> {
    let mut config = fhir::Config::default();
    config.set("volume", &format!("Observation:{resources}:2000"))?;
    let server = fhir::Server::start(config)?;
    let mut wire = Wire::to(server.host())?;
    let mut next = Some("/fhir/Observation?_count=1000&_sort=_lastUpdated".to_owned());
    while let Some(path) = next {
        wire.ask("GET", &path, "")?;
        let head = String::from_utf8_lossy(wire.body.get(..1_000).unwrap_or(&wire.body)).into_owned();
        next = head.split("\"relation\":\"next\",\"url\":\"http://").nth(1).and_then(|rest| {
            let url = rest.split('"').next()?;
            Some(url.get(url.find('/')?..)?.to_owned())
        });
    }
    wire.tell();
    Ok(())
}

fn read_batches(points: &str) -> Result<()> {
    let mut config = osipi::Config::default();
    config.set("points", points)?;
    config.set("types", "Float32")?;
    let server = osipi::Server::start(config)?;
    let mut wire = Wire::to(server.host())?;
    for chunk in server.points().chunks(100) {
        let mut text = "{".to_owned();
        for (n, path) in chunk.iter().enumerate() {
            let id = server.web_id(path, osipi::Spelling::IdOnly)?;
            let comma = if n > 0 { "," } else { "" };
            let url = format!("{}/streams/{id}/recorded?startTime=*-2d&endTime=*-1d&maxCount=10000", server.base_url());
            write!(text, "{comma}\"{n}\":{{\"Method\":\"GET\",\"Resource\":\"{url}\"}}")?;
        }
        text.push('}');
        wire.ask("POST", "/piwebapi/batch", &text)?;
    }
    wire.tell();
    Ok(())
}
