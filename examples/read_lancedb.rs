//! Reads a LanceDB table from a server and says what that took: the whole-program reading benchmark.
//!
//! `cargo run --release --features lancedb --example read_lancedb -- BASE_URL TABLE [OPTION=VALUE ...]` reads into Arrow batches
//! and drops them; without a table it lists what there is. Prints one JSON line.
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, time::Instant};

use futures::TryStreamExt;
use lakeflow_connect::{Context, Options, ReadEvent, ReadRequest, Registry, TableRef};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [base_url, rest @ ..] = args.as_slice() else {
        return Err("usage: read_lancedb BASE_URL [TABLE [OPTION=VALUE ...]]".into());
    };
    let started = Instant::now();
    let source =
        Registry::builtin().connect("lancedb", &Options::new().with("host_override", base_url), &Context::new())?;
    let [table, options @ ..] = rest else {
        println!("{}", json!({"tables": source.list_tables().await?}));
        return Ok(());
    };
    let mut table = TableRef::new(table);
    for option in options {
        let (key, value) = option.split_once('=').ok_or("options are given as OPTION=VALUE")?;
        table = table.option(key, value);
    }
    let mut stream = source.read_table(ReadRequest::new(table));
    let mut rows = 0;
    while let Some(event) = stream.try_next().await? {
        if let ReadEvent::Records(records) = event {
            rows += records.rows();
        }
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim().to_owned();
    let activity = source.activity();
    println!(
        "{}",
        json!({"rows": rows, "bytes": activity.bytes, "requests": activity.requests,
               "wall_seconds": started.elapsed().as_secs_f64(), "peak": peak})
    );
    Ok(())
}
