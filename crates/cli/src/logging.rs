//! Log lines of our own crates, on standard error. Other crates stay silent: their lines may quote data.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

const OURS: [&str; 4] = ["lakeflow", "lakeflow_connect", "lakeflow_sync", "lakeflow_simulators"];

/// Starts logging: warnings always, `-v` for steps, `-vv` for requests, `-vvv` for everything.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let ours = Targets::new().with_targets(OURS.map(|target| (target, level)));
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(console::colors_enabled_stderr())
        .compact();
    tracing_subscriber::registry().with(lines).with(ours).init();
}
