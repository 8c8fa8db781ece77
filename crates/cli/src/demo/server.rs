//! The server of the demo: the official HL7 examples, multiplied, and its history, round by round.
//!
//! A directory may see the demo many times. The server is made anew each time and relives the rounds that the directory
//! has seen: same ids, same contents, same stamps. So a further demo, also after one that was killed, just goes on.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use lakeflow_connect::{Error, ErrorKind, Result};
use lakeflow_simulators::{
    SimError,
    clock::SimClock,
    fhir::{Config, RunningServer, Server, Volume},
};
use serde::{Deserialize, Serialize};

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
pub(super) struct DemoServer {
    server: RunningServer,
    rounds: u32,
    file: PathBuf,
}

/// What the directory remembers: written before a round begins, so that it never lags behind the tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    volumes: Vec<(String, u32)>,
    /// The server's port: offsets belong to one address.
    port: u16,
    rounds: u32,
}

/// What happened at the source in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Changes {
    pub(super) changed: u64,
    pub(super) created: u64,
}

impl DemoServer {
    /// Starts the server and relives what the directory has seen; `file` is the directory's memory.
    pub(super) fn start(file: PathBuf) -> Result<Self> {
        let memory = recall(&file)?;
        let server = match &memory {
            Some(memory) => listen_patiently(memory.port).map_err(|_| {
                Error::new(ErrorKind::Config, "the port of this directory's demo is taken by another program")
                    .with("port", memory.port)
                    .help("run the demo again later, or give another directory with --to")
            })?,
            // Below the range that systems give to outgoing connections, so that it is likely to be free next time.
            None => (0..50)
                .find_map(|attempt| listen(20_000 + u16::try_from((std::process::id() + attempt) % 10_000).ok()?).ok())
                .map_or_else(|| listen(0).map_err(broken), Ok)?,
        };
        let mut demo = Self { server, rounds: 0, file };
        let rounds = memory.map_or(0, |memory| memory.rounds);
        while demo.rounds < rounds {
            demo.live_round()?;
        }
        demo.rest();
        demo.remember(rounds)?;
        Ok(demo)
    }

    /// One more round of changes at the source.
    pub(super) fn change(&mut self) -> Result<Changes> {
        self.remember(self.rounds + 1)?;
        let changes = self.live_round()?;
        self.rest();
        Ok(changes)
    }

    pub(super) fn server(&self) -> &RunningServer {
        &self.server
    }

    /// Rounds before this demo.
    pub(super) fn rounds(&self) -> u32 {
        self.rounds
    }

    /// The tables that the demo syncs.
    pub(super) fn tables() -> impl Iterator<Item = &'static str> {
        VOLUMES.iter().map(|(name, _)| *name)
    }

    fn remember(&self, rounds: u32) -> Result<()> {
        let failed = |why: std::io::Error| unusable(&self.file, &format!("cannot be written: {}", why.kind()));
        let port = self.server.host().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0);
        let text = serde_json::to_string(&Memory { volumes: volumes(), port, rounds })
            .map_err(|why| Error::new(ErrorKind::Internal, "the demo's memory could not be written").caused_by(why))?;
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let unfinished = self.file.with_extension("tmp");
        fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, &self.file)).map_err(failed)
    }

    fn live_round(&mut self) -> Result<Changes> {
        self.rounds += 1;
        self.server.clock().set(hour(self.rounds));
        let mut changes = Changes::default();
        for (name, _) in VOLUMES {
            let ids = self.server.ids(name);
            for id in ids.iter().skip(self.rounds as usize % CHANGED_EVERY).step_by(CHANGED_EVERY) {
                self.tick();
                self.server.revise(name, id).map_err(broken)?;
                changes.changed += 1;
            }
            for (number, id) in ids.iter().step_by(ids.len().div_ceil(CREATED)).enumerate() {
                self.tick();
                self.create(name, id, &format!("demo-{}-{number}", self.rounds))?;
                changes.created += 1;
            }
        }
        Ok(changes)
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

/// The server's clock stands still but for the rounds: an hour each.
fn hour(round: u32) -> DateTime<Utc> {
    let start = DateTime::from_timestamp_nanos(1_767_225_600_000_000_000);
    start + TimeDelta::hours(i64::from(round))
}

fn volumes() -> Vec<(String, u32)> {
    VOLUMES.map(|(name, count)| (name.to_owned(), count)).into()
}

fn listen(port: u16) -> std::result::Result<RunningServer, SimError> {
    Server::start(Config {
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        clock: SimClock::fixed(hour(0)),
        volumes: VOLUMES.map(|(name, count)| Volume::new(name, count)).into(),
        ..Config::default()
    })
}

/// As [`listen`], giving a demo that was just killed two seconds to let go of the port.
fn listen_patiently(port: u16) -> std::result::Result<RunningServer, SimError> {
    for _ in 0..20 {
        if let Ok(server) = listen(port) {
            return Ok(server);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    listen(port)
}

fn recall(file: &Path) -> Result<Option<Memory>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(unusable(file, &format!("cannot be read: {}", why.kind()))),
    };
    let found: Memory = serde_json::from_str(&text).map_err(|_| unusable(file, "is not what the demo wrote"))?;
    if found.volumes != volumes() {
        return Err(unusable(file, "comes from another version of the demo"));
    }
    Ok(Some(found))
}

fn unusable(file: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Sink, format!("the demo's memory {why}"))
        .with("file", file.display())
        .help("give another directory with --to")
}

fn broken(error: SimError) -> Error {
    Error::new(ErrorKind::Internal, format!("the demo's server failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(demo: &DemoServer) -> Vec<lakeflow_simulators::fhir::Expected> {
        DemoServer::tables().flat_map(|name| demo.server().expected(name)).collect()
    }

    #[test]
    fn a_new_server_relives_the_rounds_that_the_directory_saw() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("demo.json");
        let mut first = DemoServer::start(file.clone()).unwrap();
        let changes = first.change().unwrap();
        assert!(changes.changed > 100 && changes.created == 24, "{changes:?}");
        let (before, address) = (all(&first), first.server().base_url());
        drop(first);
        let again = DemoServer::start(file).unwrap();
        assert_eq!((again.rounds(), again.server().base_url()), (1, address));
        assert!(all(&again) == before, "same ids, contents and stamps");
    }

    #[test]
    fn another_versions_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("demo.json");
        fs::write(&file, r#"{"volumes":[["Patient",1]],"port":20001,"rounds":2}"#).unwrap();
        assert!(DemoServer::start(file).err().unwrap().message().contains("another version"));
    }
}
