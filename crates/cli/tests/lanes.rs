//! History is fetched and the live tail followed at the same time, into one table, each with a state of its own.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use chrono::DateTime;
use lakeflow_simulators::{
    clock::SimClock,
    osipi::{Change, Config, RunningServer, Server, Ticks},
};

use crate::{
    archive,
    support::{Run, lakeflow, program},
};

const BEGIN: &str = "2026-03-07T12:00:00Z";
/// The lanes overlap by a day, in which events may come late for the one that is done first.
const LIVE: &str = "2026-03-09T00:00:00Z";
const PAST: &str = "2026-03-10T00:00:00Z";

struct Plant {
    server: RunningServer,
    dir: tempfile::TempDir,
    random: fastrand::Rng,
}

impl Plant {
    fn new() -> Self {
        let now = DateTime::parse_from_rfc3339("2026-03-10T12:00:00Z").unwrap().to_utc();
        let mut config = Config { clock: SimClock::fixed(now), points: 4, ..Config::default() };
        for (name, value) in [("days", "3"), ("density", "2m"), ("ties", "2"), ("types", "Float64")] {
            config.set(name, value).unwrap();
        }
        let server = Server::start(config).unwrap();
        let plant = Self { server, dir: tempfile::tempdir().unwrap(), random: fastrand::Rng::with_seed(3) };
        let past = format!("lane: past, startTime: '{BEGIN}', endTime: '{PAST}'");
        let live = format!("lane: live, startTime: '{LIVE}'");
        plant.pipeline("past", &[&past]);
        plant.pipeline("live", &[&live]);
        plant.pipeline("both", &[&past, &live]);
        plant
    }

    fn pipeline(&self, name: &str, lanes: &[&str]) {
        let base = self.server.base_url();
        let connection =
            format!("connection: {{source: osipi, options: {{pi_base_url: '{base}', auth_type: anonymous}}}}");
        let mut text = format!("{connection}\ndestination: lake\nobjects:\n");
        for lane in lanes {
            text.push_str(&format!(
                "  - table:\n      source_table: pi_timeseries\n      destination_table: history\n      table_configuration: {{{lane}, \
                 partition_by: event_date, change_capture: reconcile, max_records_per_batch: 1000}}\n"
            ));
        }
        std::fs::write(self.file(name), text).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.yaml"))
    }

    fn words(&self, command: &[&str], name: &str, more: &[&str]) -> Vec<String> {
        let file = self.file(name).to_str().unwrap().to_owned();
        let words = command.iter().map(|w| (*w).to_owned()).chain([file]);
        words.chain(more.iter().map(|w| (*w).to_owned())).chain(["--format".to_owned(), "json".to_owned()]).collect()
    }

    fn run(&self, command: &[&str], name: &str, more: &[&str]) -> Run {
        lakeflow(self.words(command, name, more)).ok()
    }

    /// Starts a sync and kills it at its n-th commit; whether it got that far.
    fn killed_at(&self, name: &str, commits: usize) -> bool {
        let mut child = program()
            .args(self.words(&["sync"], name, &["--commit-rows", "1000"]))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let seen = lines.filter(|line| line.contains(r#""event":"commit""#)).take(commits).count();
        // It may have come to its end in this moment.
        let _ = child.kill();
        child.wait().unwrap();
        seen == commits
    }

    /// Time goes on; of what the live lane has read, and is yet to read, events come late, change and go.
    fn disturb(&mut self) {
        self.server.clock().advance(Duration::from_secs(600));
        for point in self.server.points() {
            let events = self.server.events(&point, Ticks::parse(LIVE).unwrap(), archive::now(&self.server)).unwrap();
            for n in 0..6 {
                let at = events[self.random.usize(..events.len())].time;
                // An event of before may be gone by now.
                let _ = match n % 3 {
                    0 => self.server.change(&point, Change::Add(Ticks(at.0 + 70_000_000), 4711.0.into())),
                    1 => self.server.change(&point, Change::Replace(at, 815.0.into())),
                    _ => self.server.change(&point, Change::Delete(at)),
                };
            }
        }
    }

    fn table(&self) -> PathBuf {
        self.dir.path().join("lake/history")
    }

    fn assert_copied(&self) {
        let events = archive::assert_copied(&self.server, Ticks::parse(BEGIN).unwrap(), &self.table());
        assert!(events > 5_000, "{events}");
    }

    /// Commits and offset of each lane's rows.
    fn states(&self) -> BTreeMap<String, (i64, String)> {
        let shown = self.run(&["state", "show"], "both", &[]).lines();
        let rows = shown.into_iter().filter(|line| line["state"]["flow"] == "rows");
        let state = |line: serde_json::Value| {
            let state = &line["state"];
            let offset = state["offset"].to_string();
            (state["lane"].as_str().unwrap().to_owned(), (state["version"].as_i64().unwrap(), offset))
        };
        rows.map(state).collect()
    }
}

#[test]
fn history_and_the_live_tail_are_killed_and_go_on_apart_and_the_table_equals_the_archive() {
    let mut plant = Plant::new();
    let mut kills = 0;
    for commits in [1, 2, 3, 4] {
        // Their commits take turns in the table's log.
        kills += usize::from(plant.killed_at("past", commits));
        plant.disturb();
        kills += usize::from(plant.killed_at("live", commits));
        plant.disturb();
    }
    assert!(kills > 3, "{kills}");
    plant.run(&["sync"], "live", &[]);
    let before = plant.states();
    plant.run(&["sync"], "past", &[]);
    let after = plant.states();
    assert_eq!(after["live"], before["live"], "the other lane's state is its own");
    assert!(after["past"].0 > before["past"].0);
    plant.assert_copied();
    plant.disturb();
    plant.run(&["sync"], "both", &["--parallel", "2"]);
    plant.assert_copied();
}

#[test]
fn both_lanes_begin_at_once_in_one_run_and_one_can_be_reset_alone() {
    let plant = Plant::new();
    let run = plant.run(&["sync"], "both", &["--parallel", "2"]);
    let receipts = run.lines().into_iter().filter(|line| line["event"] == "table_done");
    let mut lanes: Vec<_> = receipts.map(|line| line["receipt"]["lane"].as_str().unwrap().to_owned()).collect();
    lanes.sort();
    assert_eq!(lanes, ["live", "past"]);
    plant.assert_copied();
    let before = plant.states();
    plant.run(&["state", "reset"], "both", &["--table", "history", "--lane", "past"]);
    let after = plant.states();
    assert_eq!((&after["live"], after["past"].1.as_str()), (&before["live"], "null"));
    plant.run(&["sync"], "past", &[]);
    plant.assert_copied();
}
