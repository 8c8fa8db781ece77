//! Reads a LanceDB table from a server and says what that took: the whole-program reading benchmark.
//!
//! `cargo run --release --features lancedb --example read_lancedb -- BASE_URL TABLE [OPTION=VALUE ...]` reads into Arrow batches
//! and drops them; without a table it lists what there is. `since=OFFSET` reads what changed after an offset that an earlier
//! run has printed, `deletions=OFFSET` the keys of rows that are gone since then; `deletions=null` begins to follow them. Prints one
//! JSON line.
#![allow(clippy::print_stdout)]

use std::{error::Error, fs, time::Instant};

use futures::TryStreamExt;
use lakeflow_connect::{Context, Offset, Options, ReadEvent, ReadRequest, Registry, TableRef};
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
    let (mut since, mut deletions): (Option<Offset>, Option<Option<Offset>>) = (None, None);
    for option in options {
        let (key, value) = option.split_once('=').ok_or("options are given as OPTION=VALUE")?;
        match key {
            "since" => since = Some(serde_json::from_str(value)?),
            "deletions" => deletions = Some(serde_json::from_str(value)?),
            _ => table = table.option(key, value),
        }
    }
    let request = ReadRequest::new(table);
    let mut stream = match deletions {
        Some(offset) => source.read_table_deletes(request.start(offset)),
        None => source.read_table(request.start(since)),
    };
    let (mut rows, mut reached) = (0, None);
    while let Some(event) = stream.try_next().await? {
        match event {
            ReadEvent::Records(records) => rows += records.rows(),
            ReadEvent::Checkpoint(offset) => reached = Some(offset),
            _ => {}
        }
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default().trim().to_owned();
    let activity = source.activity();
    println!(
        "{}",
        json!({"rows": rows, "offset": reached, "bytes": activity.bytes, "requests": activity.requests,
               "wall_seconds": started.elapsed().as_secs_f64(), "peak": peak})
    );
    Ok(())
}
