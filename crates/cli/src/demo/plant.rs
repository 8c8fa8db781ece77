//! The plant: a PI Web API server with an archive and assets, and its history, round by round.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use chrono::TimeDelta;
use deltalake::arrow::record_batch::RecordBatch;
use lakeflow_connect::{Context, Error, ErrorKind, Options, Result, clock::ManualClock, options::Problems};
use lakeflow_simulators::{
    SimError,
    clock::SimClock,
    osipi::{
        AfChange, AfConfig, AfKind, ArchiveProfile, Change, Config, FrameEdit, PointSpec, PointType, RunningServer,
        Sample, Server, Ticks,
    },
};
use serde_json::json;

use super::{
    hospital::port_of,
    memory::{Memory, broken, hour},
    plant_rows,
    scene::{Changes, Scene},
};
use crate::{output::count, pipeline::TableSpec};

const POINTS: u32 = 25;
const EVENT_FRAMES: usize = 60;
const HOUR: Duration = Duration::from_secs(3600);
const HISTORY: Duration = HOUR.saturating_mul(24);
/// Tables and their options. Two days hold the whole history; an edit of the last six hours is found.
const TABLES: [(&str, &[(&str, &str)]); 3] = [
    ("pi_points", &[]),
    ("pi_timeseries", &[("startTime", "*-2d"), ("late_window", "6h"), ("snapshot_policy", "include")]),
    ("pi_event_frames", &[]),
];
/// Points with a late and an edited event in each round.
const CORRECTED: usize = 3;

/// A running server and where its history stands.
pub(super) struct Plant {
    server: RunningServer,
    rounds: u32,
    memory: Memory,
}

impl Plant {
    /// Starts the server and relives what the directory has seen; `file` is the directory's memory.
    pub(super) fn start(file: PathBuf) -> Result<Self> {
        let shape = format!("points:{POINTS} frames:{EVENT_FRAMES}");
        let port = |server: &RunningServer| port_of(&server.host());
        let (memory, server) = Memory::start(file, &shape, listen, port)?;
        let mut plant = Self { server, rounds: 0, memory };
        while plant.rounds < plant.memory.rounds() {
            plant.live_round()?;
        }
        Ok(plant)
    }

    /// Time passes. Some events come late, some are edited, a point is new, an event frame ends and another begins.
    fn live_round(&mut self) -> Result<()> {
        self.rounds += 1;
        self.server.clock().set(hour(self.rounds));
        self.correct()?;
        let name = format!("DEMO.{:04}.PV", self.rounds);
        self.server.add_point("PISRV1", PointSpec::new(&name, PointType::Float64)).map_err(broken)?;
        self.server.change(&name, Change::Add(self.now(), f64::from(self.rounds).into())).map_err(broken)?;
        self.next_frame()?;
        // What begins at the very time of a search belongs to the next one.
        self.server.clock().advance(HOUR / 2);
        Ok(())
    }

    fn correct(&self) -> Result<()> {
        let ago = |hours: i64| Ticks(self.now().0 - TimeDelta::hours(hours).num_microseconds().unwrap_or(0) * 10);
        let mut corrected = 0;
        for point in self.server.points() {
            let events = self.server.events(&point, ago(4), ago(3)).map_err(broken)?;
            let Some(event) = events.first().filter(|event| event.good && event.value.parse::<f64>().is_ok()) else {
                continue;
            };
            let value =
                |value: f64| if event.value.contains('.') { Sample::from(value) } else { Sample::from(value as i64) };
            self.server.change(&point, Change::Replace(event.time, value(1.0))).map_err(broken)?;
            self.server.change(&point, Change::Add(ago(2), value(2.0))).map_err(broken)?;
            corrected += 1;
            if corrected == CORRECTED {
                return Ok(());
            }
        }
        Err(Error::new(ErrorKind::Internal, "the demo's plant has too few events"))
    }

    fn next_frame(&self) -> Result<()> {
        let assets = self.server.assets();
        let open = assets.expected_frames().into_iter().find(|frame| frame.end.is_none() && frame.start < self.now());
        let (Some(open), Some(element)) = (open, assets.expected(AfKind::Element).into_iter().next()) else {
            return Err(Error::new(ErrorKind::Internal, "the demo's plant has no open event frame"));
        };
        let end = AfChange::EditFrame { frame: open.web_id, edit: FrameEdit::Close(self.now()) };
        assets.change(end).map_err(broken)?;
        let begin = AfChange::AddFrame {
            parent: open.database,
            name: format!("Demo {}", self.rounds),
            template: None,
            start: self.now(),
            end: None,
            elements: vec![element.web_id],
        };
        assets.change(begin).map_err(broken).map(drop)
    }

    fn now(&self) -> Ticks {
        Ticks::from(self.server.clock().now())
    }
}

impl Scene for Plant {
    fn source(&self) -> &'static str {
        "osipi"
    }

    fn options(&self) -> Options {
        Options::new().with("pi_base_url", self.server.base_url()).with("auth_type", "anonymous")
    }

    fn context(&self) -> Context {
        Context::new().clock(Arc::new(ManualClock::new(self.server.clock().now())))
    }

    fn tables(&self) -> Vec<TableSpec> {
        let table = |(name, options): (&str, &[(&str, &str)])| {
            let mut spec = TableSpec::new(name);
            for (key, value) in options {
                // None of these is a word of the host.
                spec.configuration.set(key, (*value).to_owned(), &mut Problems::default());
            }
            spec
        };
        TABLES.into_iter().map(table).collect()
    }

    fn requests(&self) -> u64 {
        self.server.counters().requests
    }

    fn rounds(&self) -> u32 {
        self.rounds
    }

    fn opening(&self) -> String {
        let frames = self.server.assets().expected_frames().len() as u64;
        format!(
            "A PI Web API server with {} points, an event a minute each, and {} event frames runs at\n{}",
            count(self.server.points().len() as u64),
            count(frames),
            self.server.base_url(),
        )
    }

    fn second(&self) -> &'static str {
        "what is new; the last hours are read again for late and edited events"
    }

    fn change(&mut self) -> Result<Changes> {
        self.memory.begin_round()?;
        self.live_round()?;
        let told = format!(
            "time passes, {CORRECTED} events come late, {CORRECTED} are edited, a point is new, an event frame ends, \
             another begins"
        );
        Ok(Changes {
            told,
            counts: json!({ "late": CORRECTED, "edited": CORRECTED, "new_points": 1, "event_frames": 2 }),
        })
    }

    fn columns(&self, table: &str) -> &'static [&'static str] {
        plant_rows::columns(table)
    }

    fn compare(&self, table: &str, rows: &[RecordBatch]) -> Result<u64> {
        plant_rows::compare(&self.server, table, rows)
    }

    fn compared(&self) -> &'static str {
        "each event's time to 100 ns, value and quality as the archive holds them"
    }
}

fn listen(port: u16) -> std::result::Result<RunningServer, SimError> {
    Server::start(Config {
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        clock: SimClock::fixed(hour(0)),
        points: POINTS,
        archive: ArchiveProfile { history: HISTORY, ..ArchiveProfile::default() },
        af: AfConfig { event_frames: EVENT_FRAMES, event_frame_days: 5, denied: false, ..AfConfig::default() },
        ..Config::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_server_relives_the_rounds_that_the_directory_saw() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("demo.json");
        let all = |plant: &Plant| {
            let events = |point| plant.server.events(point, Ticks(0), Ticks(plant.now().0 + 1)).unwrap();
            let events: Vec<_> = plant.server.points().iter().flat_map(|point| events(point)).collect();
            (events, plant.server.assets().expected_frames())
        };
        let mut first = Plant::start(file.clone()).unwrap();
        let before = all(&first);
        first.change().unwrap();
        let after = all(&first);
        assert!(after.0.len() > before.0.len() + 60 * POINTS as usize / 2 && after.1.len() == before.1.len() + 1);
        let address = first.server.base_url();
        drop(first);
        let again = Plant::start(file).unwrap();
        assert_eq!((again.rounds(), again.server.base_url()), (1, address));
        assert!(all(&again) == after, "same ids, events and event frames");
    }
}
