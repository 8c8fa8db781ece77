//! 30,000 tags of a simulated PI system: the first read of a minute, and the minute after it.
//!
//! `cargo run --release --example pi_tags [TAGS] [LATENCY_MS]` starts a server in this process, with one event per tag and second,
//! and prints one JSON line for each pass. CPU and memory are those of both, server and reader.
//! `pi_tags read BASE_URL [OPTION=VALUE ...]` reads `pi_timeseries` of a server that runs already; CPU and memory are the reader's.
#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::TryStreamExt;
use lakeflow_connect::{Context, LakeflowConnect, Offset, Options, ReadEvent, ReadRequest, Registry, TableRef};
use lakeflow_simulators::osipi::{Config, Density, PointType, Server};
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, base_url, options @ ..] = args.as_slice()
        && mode == "read"
    {
        let mut table = TableRef::new("pi_timeseries");
        for option in options {
            let (name, value) = option.split_once('=').ok_or("options are given as OPTION=VALUE")?;
            table = table.option(name, value);
        }
        pass(&*connect(base_url)?, "read", table, None).await?;
        return Ok(());
    }
    let tags: u32 = args.first().map_or(Ok(30_000), |text| text.parse())?;
    let latency: u64 = args.get(1).map_or(Ok(50), |text| text.parse())?;
    let mut config = Config { points: tags, latency: Duration::from_millis(latency), ..Config::default() };
    config.types = vec![PointType::Float32];
    config.archive.density = Density::Every(Duration::from_secs(1));
    config.archive.history = Duration::from_secs(3600);
    config.gzip = false;
    let server = Server::start(config)?;
    let source = connect(&server.base_url())?;
    let table = TableRef::new("pi_timeseries").option("startTime", "*-60s").option("late_window", "0");
    let first = pass(&*source, "first", table.clone().option("endTime", "*-60s"), None);
    let offset = first.await?;
    pass(&*source, "incremental", table, offset).await?;
    Ok(())
}

fn connect(base_url: &str) -> Result<Arc<dyn LakeflowConnect>> {
    let options = Options::new().with("pi_base_url", base_url).with("auth_type", "anonymous");
    Ok(Registry::builtin().connect("osipi", &options, &Context::new())?)
}

async fn pass(
    source: &dyn LakeflowConnect,
    name: &str,
    table: TableRef,
    start: Option<Offset>,
) -> Result<Option<Offset>> {
    let (started, cpu, before) = (Instant::now(), cpu_seconds()?, source.activity());
    let mut events = source.read_table(ReadRequest::new(table).start(start));
    let (mut rows, mut offset) = (0, None);
    while let Some(event) = events.try_next().await? {
        match event {
            ReadEvent::Records(records) => rows += records.rows(),
            ReadEvent::Checkpoint(next) => offset = Some(next),
            _ => {}
        }
    }
    let after = source.activity();
    println!(
        "{}",
        json!({
            "pass": name,
            "rows": rows,
            "wall_seconds": started.elapsed().as_secs_f64(),
            "cpu_seconds": cpu_seconds()? - cpu,
            "requests": after.requests - before.requests,
            "bytes": after.bytes - before.bytes,
            "offset_bytes": offset.as_ref().map(|offset: &Offset| offset.to_json().len()),
            "peak_memory_bytes": peak_memory_bytes()?,
        })
    );
    Ok(offset)
}

/// CPU time of this process so far, user and system.
fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).ok_or("no CPU time in /proc/self/stat");
    // The kernel counts in hundredths of a second.
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

fn peak_memory_bytes() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("VmHWM has no value")?.parse()?;
    Ok(kib * 1024)
}
