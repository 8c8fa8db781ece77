//! `lakeflow simulate`: a simulated source on this machine, for tries and tests.

use std::{net::SocketAddr, sync::Arc};

use lakeflow_connect::{Error, ErrorKind, Result};
use lakeflow_simulators::{SimError, fhir};
use serde_json::json;

use crate::{args::SimulateArgs, exit, interrupt, output::Console, pipeline::typed_pairs};

/// Sources that have a simulator.
const SOURCES: [&str; 1] = ["fhir"];

pub(super) async fn run(args: &SimulateArgs, console: &Arc<Console>) -> Result<u8> {
    if !SOURCES.contains(&args.source.to_lowercase().as_str()) {
        let unknown = Error::unknown("simulator", &args.source, SOURCES);
        let all = format!("there are: {}", SOURCES.join(", "));
        return Err(if unknown.help_text().is_some() { unknown } else { unknown.help(all) });
    }
    let mut config = fhir::Config { address: SocketAddr::from(([127, 0, 0, 1], args.port)), ..fhir::Config::default() };
    for (key, value) in typed_pairs("--option", &args.options)? {
        config.set(&key, &value).map_err(refused)?;
    }
    let server = fhir::Server::start(config).map_err(refused)?;
    if console.is_json() {
        console.print_json(&json!({ "event": "ready", "source": "fhir", "base_url": server.base_url() }));
    } else {
        console.print(&server.base_url());
        console.hint(&format!(
            "serving until Ctrl-C; in another terminal: lakeflow sync --source fhir --option base_url={} --to lake",
            server.base_url()
        ));
    }
    interrupt::signal().await;
    Ok(exit::OK)
}

/// What a simulator says about its own options and address.
fn refused(error: SimError) -> Error {
    Error::new(ErrorKind::Config, error.to_string())
}

/// The options and behaviours of the simulators, for `--help`.
pub(crate) fn help() -> String {
    let options = fhir::OPTIONS.iter().map(|(name, about)| format!("  {name:24} {about}"));
    let personalities = fhir::PERSONALITIES.iter().map(|p| format!("  {:24} {}", p.name, p.help));
    let lines: Vec<String> = ["Options of the FHIR server (--option KEY=VALUE):".to_owned()]
        .into_iter()
        .chain(options)
        .chain(["".to_owned(), "Its personalities (--option personality=NAME,NAME):".to_owned()])
        .chain(personalities)
        .collect();
    lines.join("\n")
}
