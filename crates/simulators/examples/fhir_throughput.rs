//! How fast the FHIR server delivers pages: `cargo run --release -p lakeflow-simulators --example fhir_throughput`.
//!
//! The reader does nothing with the bytes but look for the next link.
#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Instant,
};

use lakeflow_simulators::fhir::{Config, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).unwrap_or_else(|| "1000000".to_owned());
    let options = std::env::args().nth(2).unwrap_or_default();
    let mut config = Config::default();
    config.set("volume", &format!("Observation:{count}:2000"))?;
    config.set("personality", &options)?;
    let begin = Instant::now();
    let server = Server::start(config)?;
    println!("{count} resources loaded in {:?}", begin.elapsed());
    let mut stream = BufReader::with_capacity(1 << 18, TcpStream::connect(server.host())?);
    let mut next = Some("/fhir/Observation?_count=1000&_sort=_lastUpdated".to_owned());
    let (mut bytes, mut pages, mut body) = (0, 0, Vec::new());
    let begin = Instant::now();
    while let Some(path) = next {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", server.host());
        stream.get_mut().write_all(request.as_bytes())?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body)?;
        bytes += length;
        pages += 1;
        let head = String::from_utf8_lossy(body.get(..1_000.min(length)).unwrap_or_default()).into_owned();
        next = head.split("\"relation\":\"next\",\"url\":\"http://").nth(1).and_then(|rest| {
            let url = rest.split('"').next()?;
            Some(url.get(url.find('/')?..)?.to_owned())
        });
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("{pages} pages, {bytes} bytes in {seconds:.2} s: {:.0} MB/s", bytes as f64 / 1e6 / seconds);
    Ok(())
}
