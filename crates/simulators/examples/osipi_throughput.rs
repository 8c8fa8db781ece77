//! How fast the PI Web API server delivers events: `cargo run --release -p lakeflow-simulators --example osipi_throughput`.
//!
//! Batches of 100 points, each with a day of events, one connection; the reader does nothing with the bytes.
#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Instant,
};

use lakeflow_simulators::osipi::{Config, Server, Spelling};

fn main() -> Result<(), Box<dyn Error>> {
    let points: usize = std::env::args().nth(1).unwrap_or_else(|| "3000".to_owned()).parse()?;
    let mut config = Config::default();
    config.set("points", &points.to_string())?;
    config.set("types", "Float32")?;
    let begin = Instant::now();
    let server = Server::start(config)?;
    println!("{points} points in {:?}", begin.elapsed());
    let paths = server.points();
    let mut stream = BufReader::with_capacity(1 << 18, TcpStream::connect(server.host())?);
    let (mut bytes, mut body) = (0, Vec::new());
    let begin = Instant::now();
    for chunk in paths.chunks(100) {
        let mut text = "{".to_owned();
        for (n, path) in chunk.iter().enumerate() {
            let id = server.web_id(path, Spelling::IdOnly)?;
            let comma = if n > 0 { "," } else { "" };
            let url = format!("{}/streams/{id}/recorded?startTime=*-2d&endTime=*-1d&maxCount=10000", server.base_url());
            write!(text, "{comma}\"{n}\":{{\"Method\":\"GET\",\"Resource\":\"{url}\"}}")?;
        }
        text.push('}');
        let head = format!(
            "POST /piwebapi/batch HTTP/1.1\r\nhost: {}\r\nx-requested-with: x\r\ncontent-length: {}\r\n\r\n",
            server.host(),
            text.len()
        );
        stream.get_mut().write_all(head.as_bytes())?;
        stream.get_mut().write_all(text.as_bytes())?;
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
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("{bytes} bytes in {seconds:.2} s: {:.0} MB/s", bytes as f64 / 1e6 / seconds);
    Ok(())
}
