//! `lakeflow simulate`: a simulated source on this machine, for tries and tests.

use std::{any::Any, net::SocketAddr, sync::Arc};

use lakeflow_connect::{Error, ErrorKind, Result};
use lakeflow_simulators::{SimError, faults, fhir, lancedb, osipi, personality::Personality};
use serde_json::json;

use crate::{
    args::SimulateArgs,
    exit, interrupt,
    output::{Column, Console, Table},
    pipeline::typed_pairs,
};

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
    if args.list {
        list(words(&source).ok_or_else(|| no_simulator(&args.source))?, console);
        return Ok(exit::OK);
    }
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
        _ => return Err(no_simulator(&args.source)),
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

/// Titles and what stands under them: names with their meanings.
type Words = Vec<(&'static str, Vec<(&'static str, &'static str)>)>;

/// The options and behaviours of a simulator; `None` when there is no such one.
fn words(source: &str) -> Option<Words> {
    let (options, personalities) = match source {
        "fhir" => (fhir::OPTIONS, told(fhir::PERSONALITIES)),
        "lancedb" => (lancedb::OPTIONS, told(lancedb::PERSONALITIES)),
        "osipi" => (osipi::OPTIONS, told(osipi::PERSONALITIES)),
        _ => return None,
    };
    Some(vec![
        ("Options (--option KEY=VALUE)", options.to_vec()),
        ("Personalities (--option personality=NAME,NAME)", personalities),
        ("When there is a fault (--option fault=WHEN[@PATH]=FAULT)", faults::WHEN_WORDS.to_vec()),
        ("What fault it is", faults::FAULT_WORDS.to_vec()),
    ])
}

fn told<C>(personalities: &'static [Personality<C>]) -> Vec<(&'static str, &'static str)> {
    personalities.iter().map(|p| (p.name, p.help)).collect()
}

fn list(words: Words, console: &Console) {
    if console.is_json() {
        for (kind, (_, words)) in ["option", "personality", "fault_when", "fault"].into_iter().zip(words) {
            words
                .iter()
                .for_each(|(name, about)| console.print_json(&json!({ "kind": kind, "name": name, "about": about })));
        }
        return;
    }
    for (index, (title, words)) in words.into_iter().enumerate() {
        if index > 0 {
            console.print("");
        }
        console.heading(title);
        let mut table = Table::new(&[Column::left("name"), Column::left("about")]);
        words.iter().for_each(|(name, about)| table.row([name, about]));
        console.print(&table.render(console.width()));
    }
}

fn no_simulator(name: &str) -> Error {
    let unknown = Error::unknown("simulator", name, SOURCES);
    let all = format!("there are: {}", SOURCES.join(", "));
    if unknown.help_text().is_some() { unknown } else { unknown.help(all) }
}
