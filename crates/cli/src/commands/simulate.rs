//! `lakeflow simulate`: a simulated source on this machine, for tries and tests.

use std::{any::Any, net::SocketAddr, sync::Arc};

use lakeflow_connect::{Error, ErrorKind, Result};
use lakeflow_simulators::{SimError, fhir, lancedb, osipi};
use serde_json::json;

use crate::{args::SimulateArgs, exit, interrupt, output::Console, pipeline::typed_pairs};

/// Sources that have a simulator.
const SOURCES: [&str; 3] = ["fhir", "lancedb", "osipi"];

/// A server that runs as long as this lives.
struct Serving {
    base_url: String,
    /// The option under which the source takes the URL.
    option: &'static str,
    _server: Box<dyn Any>,
}

pub(super) async fn run(args: &SimulateArgs, console: &Arc<Console>) -> Result<u8> {
    let source = args.source.to_lowercase();
    let options = typed_pairs("--option", &args.options)?;
    let address = SocketAddr::from(([127, 0, 0, 1], args.port));
    let serving = match source.as_str() {
        "fhir" => {
            let mut config = fhir::Config { address, ..fhir::Config::default() };
            options.iter().try_for_each(|(key, value)| config.set(key, value)).map_err(refused)?;
            let server = fhir::Server::start(config).map_err(refused)?;
            Serving { base_url: server.base_url(), option: "base_url", _server: Box::new(server) }
        }
        "lancedb" => {
            let mut config = lancedb::Config { address, ..lancedb::Config::default() };
            options.iter().try_for_each(|(key, value)| config.set(key, value)).map_err(refused)?;
            let server = lancedb::Server::start(config).map_err(refused)?;
            Serving { base_url: server.base_url(), option: "uri", _server: Box::new(server) }
        }
        "osipi" => {
            let mut config = osipi::Config { address, ..osipi::Config::default() };
            options.iter().try_for_each(|(key, value)| config.set(key, value)).map_err(refused)?;
            let server = osipi::Server::start(config).map_err(refused)?;
            Serving { base_url: server.base_url(), option: "pi_base_url", _server: Box::new(server) }
        }
        _ => {
            let unknown = Error::unknown("simulator", &args.source, SOURCES);
            let all = format!("there are: {}", SOURCES.join(", "));
            return Err(if unknown.help_text().is_some() { unknown } else { unknown.help(all) });
        }
    };
    let Serving { base_url, option, _server } = &serving;
    if console.is_json() {
        console.print_json(&json!({ "event": "ready", "source": source, "base_url": base_url }));
    } else {
        console.print(base_url);
        console.hint(&format!(
            "serving until Ctrl-C; in another terminal: lakeflow sync --source {source} --option {option}={base_url} --to lake"
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
    let fhir = fhir::PERSONALITIES.iter().map(|p| (p.name, p.help)).collect::<Vec<_>>();
    let lancedb = lancedb::PERSONALITIES.iter().map(|p| (p.name, p.help)).collect::<Vec<_>>();
    let osipi = osipi::PERSONALITIES.iter().map(|p| (p.name, p.help)).collect::<Vec<_>>();
    let line = |(name, about): &(&str, &str)| format!("  {name:24} {about}");
    let mut lines = Vec::new();
    for (server, options, personalities) in [
        ("FHIR", fhir::OPTIONS, fhir.as_slice()),
        ("LanceDB", lancedb::OPTIONS, lancedb.as_slice()),
        ("PI Web API", osipi::OPTIONS, osipi.as_slice()),
    ] {
        lines.push(format!("Options of the {server} server (--option KEY=VALUE):"));
        lines.extend(options.iter().map(line));
        lines.extend([String::new(), "Its personalities (--option personality=NAME,NAME):".to_owned()]);
        lines.extend(personalities.iter().map(line));
        lines.push(String::new());
    }
    lines.pop();
    lines.join("\n")
}
