//! Reads a FHIR table into Arrow batches and drops them, and says what that took: the whole-program reading benchmark.
//!
//! `cargo run --release --example read_arrow -- BASE_URL TABLE [OPTION=VALUE ...]` prints one JSON line.
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, time::Instant};

use futures::TryStreamExt;
use lakeflow_connect::{Context, Options, ReadEvent, ReadRequest, Registry, TableRef};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(base_url), Some(name)) = (args.next(), args.next()) else {
        return Err("usage: read_arrow BASE_URL TABLE [OPTION=VALUE ...]".into());
    };
    let mut table = TableRef::new(name);
    for option in args {
        let (key, value) = option.split_once('=').ok_or("options are given as OPTION=VALUE")?;
        table = table.option(key, value);
    }

    let started = Instant::now();
    let source = Registry::builtin().connect("fhir", &Options::new().with("base_url", base_url), &Context::new())?;
    let mut stream = source.read_table(ReadRequest::new(table));
    let mut rows = 0;
    while let Some(event) = stream.try_next().await? {
        if let ReadEvent::Records(records) = event {
            rows += records.rows();
        }
    }
    println!(
        "{}",
        serde_json::json!({
            "reader": "lakeflow-connect, to Arrow",
            "rows": rows,
            "bytes": source.activity().bytes,
            "requests": source.activity().requests,
            "wall_seconds": started.elapsed().as_secs_f64(),
            "cpu_seconds": cpu_seconds()?,
            "peak_memory_bytes": peak_memory_bytes()?,
        })
    );
    Ok(())
}

/// User and system time of this process. The kernel counts in hundredths of a second.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}

fn peak_memory_bytes() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).ok_or("the kernel does not tell peak memory")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).ok_or("no figure in VmHWM")?.parse()?;
    Ok(kilobytes * 1024)
}
