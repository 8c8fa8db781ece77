//! Reads a FHIR table from a server and says what that took: the whole-program reading benchmark.
//!
//! `cargo run --release --example read_fhir -- arrow BASE_URL TABLE [OPTION=VALUE ...]` reads into Arrow batches and drops
//! them; `bytes BASE_URL TABLE PAGE_SIZE` fetches pages and drops them undecoded, which is the most a reader over the same
//! socket can reach. Both run on one thread. Each prints one JSON line.
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, time::Instant};

use futures::TryStreamExt;
use lakeflow_connect::{Context, Options, ReadEvent, ReadRequest, Registry, TableRef};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let started = Instant::now();
    let mut figures = match args.as_slice() {
        [mode, base_url, table, options @ ..] if mode == "arrow" => read_arrow(base_url, table, options).await?,
        [mode, base_url, table, page_size] if mode == "bytes" => fetch_bytes(base_url, table, page_size).await?,
        _ => {
            return Err(
                "usage: read_fhir arrow BASE_URL TABLE [OPTION=VALUE ...] | bytes BASE_URL TABLE PAGE_SIZE".into()
            );
        }
    };
    figures["wall_seconds"] = json!(started.elapsed().as_secs_f64());
    figures["cpu_seconds"] = json!(cpu_seconds()?);
    figures["peak_memory_bytes"] = json!(peak_memory_bytes()?);
    println!("{figures}");
    Ok(())
}

async fn read_arrow(base_url: &str, table: &str, options: &[String]) -> Result<Value> {
    let mut table = TableRef::new(table);
    for option in options {
        let (key, value) = option.split_once('=').ok_or("options are given as OPTION=VALUE")?;
        table = table.option(key, value);
    }
    let source = Registry::builtin().connect("fhir", &Options::new().with("base_url", base_url), &Context::new())?;
    let mut stream = source.read_table(ReadRequest::new(table));
    let mut rows = 0;
    while let Some(event) = stream.try_next().await? {
        if let ReadEvent::Records(records) = event {
            rows += records.rows();
        }
    }
    let activity = source.activity();
    Ok(
        json!({"reader": "lakeflow-connect, to Arrow", "rows": rows, "bytes": activity.bytes, "requests": activity.requests}),
    )
}

async fn fetch_bytes(base_url: &str, table: &str, page_size: &str) -> Result<Value> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let (mut bytes, mut requests) = (0, 0);
    let mut next = Some(format!("{base_url}/{table}?_count={page_size}&_sort=_lastUpdated"));
    while let Some(url) = next {
        let body = client.get(url).send().await?.bytes().await?;
        bytes += body.len();
        requests += 1;
        next = next_link(&body);
    }
    Ok(json!({"reader": "the bytes alone", "bytes": bytes, "requests": requests}))
}

/// The next link of a page of our simulator, found as text.
fn next_link(body: &[u8]) -> Option<String> {
    let mark = br#""relation":"next","url":""#;
    let start = memchr::memmem::find(body, mark)? + mark.len();
    let end = start + memchr::memchr(b'"', &body[start..])?;
    String::from_utf8(body[start..end].to_vec()).ok()
}

/// User and system time of this process. The kernel counts in hundredths of a second.
fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}

fn peak_memory_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).ok_or("the kernel does not tell peak memory")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).ok_or("no figure in VmHWM")?.parse()?;
    Ok(kilobytes * 1024)
}
