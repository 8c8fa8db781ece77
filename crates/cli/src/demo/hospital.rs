//! The hospital: a FHIR server with the official HL7 examples, multiplied, and its history, round by round.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use chrono::TimeDelta;
use deltalake::arrow::record_batch::RecordBatch;
use lakeflow_connect::{Context, Error, ErrorKind, Options, Result};
use lakeflow_simulators::{
    SimError,
    clock::SimClock,
    fhir::{Config, RunningServer, Server, Volume},
};
use serde_json::json;

use super::{
    hospital_rows,
    memory::{Memory, broken, hour},
    scene::{Changes, Scene},
};
use crate::{output::count, pipeline::TableSpec};

/// The server's resources before the first round.
const VOLUMES: [(&str, u32); 8] = [
    ("Patient", 500),
    ("Encounter", 800),
    ("Condition", 600),
    ("Observation", 3_000),
    ("Procedure", 400),
    ("MedicationRequest", 600),
    ("DiagnosticReport", 300),
    ("Immunization", 300),
];
/// Every so many resources, one changes in a round.
const CHANGED_EVERY: usize = 40;
/// Resources created in a round, of each type.
const CREATED: usize = 3;

/// A running server and where its history stands.
pub(super) struct Hospital {
    server: RunningServer,
    rounds: u32,
    memory: Memory,
}

impl Hospital {
    /// Starts the server and relives what the directory has seen; `file` is the directory's memory.
    pub(super) fn start(file: PathBuf) -> Result<Self> {
        let shape: Vec<String> = VOLUMES.iter().map(|(name, count)| format!("{name}:{count}")).collect();
        let port = |server: &RunningServer| port_of(&server.host());
        let (memory, server) = Memory::start(file, &shape.join(" "), listen, port)?;
        let mut hospital = Self { server, rounds: 0, memory };
        while hospital.rounds < hospital.memory.rounds() {
            hospital.live_round()?;
        }
        hospital.rest();
        Ok(hospital)
    }

    /// One round: how many resources changed, and how many are new.
    fn live_round(&mut self) -> Result<(u64, u64)> {
        self.rounds += 1;
        self.server.clock().set(hour(self.rounds));
        let (mut changed, mut created) = (0, 0);
        for (name, _) in VOLUMES {
            let ids = self.server.ids(name);
            for id in ids.iter().skip(self.rounds as usize % CHANGED_EVERY).step_by(CHANGED_EVERY) {
                self.tick();
                self.server.revise(name, id).map_err(broken)?;
                changed += 1;
            }
            for (number, id) in ids.iter().step_by(ids.len().div_ceil(CREATED)).enumerate() {
                self.tick();
                self.create(name, id, &format!("demo-{}-{number}", self.rounds))?;
                created += 1;
            }
        }
        Ok((changed, created))
    }

    /// Copies a resource under a new id.
    fn create(&self, name: &str, model: &str, id: &str) -> Result<()> {
        let text = self.server.expected(name).into_iter().find(|e| e.id == model).and_then(|e| e.text);
        let mut resource: serde_json::Value = text
            .and_then(|text| serde_json::from_str(&text).ok())
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the demo's server lost a resource"))?;
        resource["id"] = id.into();
        self.server.put(&resource.to_string()).map_err(broken)
    }

    fn tick(&self) {
        self.server.clock().advance(Duration::from_millis(150));
    }

    /// Lets time pass, so that everything written is older than the safety lag of a reader.
    fn rest(&self) {
        self.server.clock().set(hour(self.rounds) + TimeDelta::minutes(30));
    }
}

impl Scene for Hospital {
    fn source(&self) -> &'static str {
        "fhir"
    }

    fn options(&self) -> Options {
        Options::new().with("base_url", self.server.base_url())
    }

    fn context(&self) -> Context {
        Context::new()
    }

    fn tables(&self) -> Vec<TableSpec> {
        VOLUMES.iter().map(|(name, _)| TableSpec::new(*name)).collect()
    }

    fn requests(&self) -> u64 {
        self.server.counters().requests
    }

    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn opening(&self) -> String {
        let resources: usize = VOLUMES.iter().map(|(name, _)| self.server.ids(name).len()).sum();
        format!(
            "A FHIR R4 server with {} resources, copies of the official HL7 examples, runs at\n{}",
            count(resources as u64),
            self.server.base_url(),
        )
    }

    fn second(&self) -> &'static str {
        "only what changed"
    }

    fn change(&mut self) -> Result<Changes> {
        self.memory.begin_round()?;
        let (changed, created) = self.live_round()?;
        self.rest();
        let told = format!("{} resources change, {} are new", count(changed), count(created));
        Ok(Changes { told, counts: json!({ "changed": changed, "created": created }) })
    }

    fn columns(&self, _: &str) -> &'static [&'static str] {
        hospital_rows::COLUMNS
    }

    fn compare(&self, table: &str, rows: &[RecordBatch]) -> Result<u64> {
        hospital_rows::compare(&self.server, table, rows)
    }

    fn compared(&self) -> &'static str {
        "each resource byte for byte as the server holds it"
    }
}

fn listen(port: u16) -> std::result::Result<RunningServer, SimError> {
    Server::start(Config {
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        clock: SimClock::fixed(hour(0)),
        volumes: VOLUMES.map(|(name, count)| Volume::new(name, count)).into(),
        ..Config::default()
    })
}

/// The port of a `host:port`.
pub(super) fn port_of(host: &str) -> u16 {
    host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(hospital: &Hospital) -> Vec<lakeflow_simulators::fhir::Expected> {
        VOLUMES.iter().flat_map(|(name, _)| hospital.server.expected(name)).collect()
    }

    #[test]
    fn a_new_server_relives_the_rounds_that_the_directory_saw() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("demo.json");
        let mut first = Hospital::start(file.clone()).unwrap();
        let changes = first.change().unwrap();
        assert!(changes.counts["changed"].as_u64() > Some(100) && changes.counts["created"] == 24);
        let (before, address) = (all(&first), first.server.base_url());
        drop(first);
        let again = Hospital::start(file).unwrap();
        assert_eq!((again.rounds(), again.server.base_url()), (1, address));
        assert!(all(&again) == before, "same ids, contents and stamps");
    }
}
