//! What a directory remembers of the systems of its demos.
//!
//! A directory may see the demo many times. Each system is made anew each time and relives the rounds that the directory has
//! seen: same ids, same contents, same stamps. So a further demo, also after one that was killed, just goes on.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use lakeflow_connect::{Error, ErrorKind, Result};
use lakeflow_simulators::SimError;
use serde::{Deserialize, Serialize};

use crate::files;

/// Written before a round begins, so that it never lags behind the tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    /// What the system is made of.
    shape: String,
    /// The system's port: offsets belong to one address.
    port: u16,
    rounds: u32,
}

/// The memory of one system.
#[derive(Debug)]
pub(super) struct Memory {
    file: PathBuf,
    remembered: Remembered,
}

impl Memory {
    /// Starts a system whose shape is `shape`, by `listen` on the port of the demo before, or on a free one.
    pub(super) fn start<S>(
        file: PathBuf,
        shape: &str,
        listen: impl Fn(u16) -> Result<S, SimError>,
        port: impl Fn(&S) -> u16,
    ) -> Result<(Self, S)> {
        let before = recall(&file, shape)?;
        let system = match &before {
            Some(before) => patiently(|| listen(before.port)).map_err(|_| {
                Error::new(ErrorKind::Config, "the port of this directory's demo is taken by another program")
                    .with("port", before.port)
                    .help("run the demo again later, or give another directory with --to")
            })?,
            // Below the range that systems give to outgoing connections, so that it is likely to be free next time.
            None => (0..50)
                .find_map(|attempt| listen(20_000 + u16::try_from((std::process::id() + attempt) % 10_000).ok()?).ok())
                .map_or_else(|| listen(0).map_err(broken), Ok)?,
        };
        let rounds = before.map_or(0, |before| before.rounds);
        let remembered = Remembered { shape: shape.to_owned(), port: port(&system), rounds };
        let memory = Self { file, remembered };
        memory.write()?;
        Ok((memory, system))
    }

    /// Rounds that the directory has seen.
    pub(super) fn rounds(&self) -> u32 {
        self.remembered.rounds
    }

    /// One more round is about to begin; its number.
    pub(super) fn begin_round(&mut self) -> Result<u32> {
        self.remembered.rounds += 1;
        self.write()?;
        Ok(self.remembered.rounds)
    }

    fn write(&self) -> Result<()> {
        let failed = |why: std::io::Error| unusable(&self.file, &format!("cannot be written: {}", files::why(&why)));
        let text = serde_json::to_string(&self.remembered)
            .map_err(|why| Error::new(ErrorKind::Internal, "the demo's memory could not be written").caused_by(why))?;
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let unfinished = self.file.with_extension("tmp");
        fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, &self.file)).map_err(failed)
    }
}

/// Clocks of the demo's systems stand still but for the rounds: an hour each.
pub(super) fn hour(round: u32) -> DateTime<Utc> {
    let start = DateTime::from_timestamp_nanos(1_767_225_600_000_000_000);
    start + TimeDelta::hours(i64::from(round))
}

pub(super) fn broken(error: SimError) -> Error {
    Error::new(ErrorKind::Internal, format!("the demo's server failed: {error}"))
}

/// Gives a demo that was just killed two seconds to let go of the port.
fn patiently<S>(listen: impl Fn() -> Result<S, SimError>) -> Result<S, SimError> {
    for _ in 0..20 {
        if let Ok(system) = listen() {
            return Ok(system);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    listen()
}

fn recall(file: &Path, shape: &str) -> Result<Option<Remembered>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(unusable(file, &format!("cannot be read: {}", files::why(&why)))),
    };
    match serde_json::from_str::<Remembered>(&text) {
        Ok(found) if found.shape == shape => Ok(Some(found)),
        _ => Err(unusable(file, "comes from another version of the demo")),
    }
}

fn unusable(file: &Path, why: &str) -> Error {
    Error::new(ErrorKind::Sink, format!("the demo's memory {why}"))
        .with("file", file.display())
        .help("give another directory with --to")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(file: &Path, shape: &str) -> Result<(Memory, u16)> {
        Memory::start(file.to_owned(), shape, Ok, |port| *port)
    }

    #[test]
    fn port_and_rounds_are_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("inner/demo.json");
        let (mut memory, port) = start(&file, "a").unwrap();
        assert_eq!((memory.rounds(), memory.begin_round().unwrap()), (0, 1));
        let (memory, again) = start(&file, "a").unwrap();
        assert_eq!((memory.rounds(), again), (1, port));
    }

    #[test]
    fn another_versions_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("demo.json");
        start(&file, "a").unwrap();
        assert!(start(&file, "b").unwrap_err().message().contains("another version"));
        fs::write(&file, r#"{"volumes":[["Patient",1]],"port":20001,"rounds":2}"#).unwrap();
        assert!(start(&file, "a").unwrap_err().message().contains("another version"));
    }
}
