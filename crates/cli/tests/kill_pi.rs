//! A sync of a plant's recorded values is killed at random moments while events come late, change and go: in the end the Delta
//! table equals the archive.

use std::{fs, path::PathBuf, time::Duration};

use chrono::DateTime;
use lakeflow_simulators::{
    clock::SimClock,
    osipi::{Change, Config, RunningServer, Server, Ticks},
};

use crate::{
    archive,
    kill::{End, run_until},
    support::program,
};

/// In absolute terms: what leaves the window of a table is not deleted.
const BEGIN: &str = "2026-03-09T18:00:00Z";

/// Ways to follow changes, and what is set beside them: an event that is sent once must be final.
const CAPTURES: [(&str, &str); 4] =
    [("none", ", snapshot_policy: include"), ("overlap", ""), ("reconcile", ""), ("updates", "")];

#[test]
fn j3_a_sync_of_a_plant_that_is_killed_and_started_again_loses_nothing_and_has_nothing_twice() {
    kill_until(10, 1);
}

#[test]
#[ignore = "takes minutes; CI runs it with LAKEFLOW_KILLS"]
fn j3_a_sync_of_a_plant_that_is_killed_many_times_loses_nothing_and_has_nothing_twice() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    kill_until(number("LAKEFLOW_KILLS", 200) / 4, number("LAKEFLOW_SEED", 2_000));
}

/// What happened so far.
#[derive(Default)]
struct Tally {
    kills: u64,
    gave_up: u64,
    compared: u64,
}

fn kill_until(wanted: u64, first_seed: u64) {
    let mut sum = Tally::default();
    // Each way to follow changes has its turn, however many kills one of them takes.
    for (number, seed) in (first_seed..).enumerate() {
        if sum.kills >= wanted && number >= CAPTURES.len() {
            break;
        }
        scenario(seed, CAPTURES[number % CAPTURES.len()], wanted.div_ceil(CAPTURES.len() as u64), &mut sum);
    }
    println!(
        "kills: {} of a live process that reads a plant, {} runs given up for faults, {} complete comparisons",
        sum.kills, sum.gave_up, sum.compared
    );
}

struct Plant {
    server: RunningServer,
    dir: tempfile::TempDir,
    capture: &'static str,
    random: fastrand::Rng,
}

/// One plant and one table: syncs with kills and faults, and changes in between.
fn scenario(seed: u64, (capture, more): (&'static str, &str), most: u64, sum: &mut Tally) {
    println!("seed {seed}, change_capture={capture}");
    let mut plant = Plant::new(seed, capture, more);
    let before = sum.kills;
    for _ in 0..3 {
        plant.server.faults().clear();
        let faulty = plant.random.bool();
        if faulty {
            let fault = plant.random.choice([
                "chance:4=cut-off",
                "chance:4=truncated",
                "chance:4=no-answer",
                "nth:5=status:503",
            ]);
            plant.server.faults().add(fault.unwrap().parse().unwrap());
        }
        for attempt in 0.. {
            let spare = attempt > 4 || sum.kills - before >= most || plant.random.u8(0..8) == 0;
            let moment =
                (!spare).then(|| (plant.random.usize(0..12), Duration::from_micros(plant.random.u64(0..60_000))));
            match plant.sync(moment, faulty) {
                End::Killed => {
                    sum.kills += 1;
                    // Whatever is there, nothing is there twice.
                    archive::stored(&plant.table());
                }
                End::Finished => break,
                End::GaveUp => {
                    sum.gave_up += 1;
                    plant.server.faults().clear();
                }
            }
        }
        let events = archive::assert_copied(&plant.server, Ticks::parse(BEGIN).unwrap(), &plant.table());
        assert!(events > 1_000, "{events}");
        sum.compared += 1;
        plant.disturb();
    }
}

impl Plant {
    fn new(seed: u64, capture: &'static str, more: &str) -> Self {
        let now = DateTime::parse_from_rfc3339("2026-03-10T12:00:00Z").unwrap().to_utc();
        let mut config = Config { clock: SimClock::fixed(now), points: 4, seed, ..Config::default() };
        // Nothing is taken back where an event is sent once.
        let discarded = if capture == "none" { "0" } else { "20" };
        for (name, value) in [("days", "1"), ("density", "2m"), ("ties", "2"), ("discard-percent", discarded)] {
            config.set(name, value).unwrap();
        }
        let (server, dir) = (Server::start(config).unwrap(), tempfile::tempdir().unwrap());
        let pipeline = format!(
            "connection: {{source: osipi, options: {{pi_base_url: '{}', auth_type: anonymous}}}}\ndestination: lake\n\
             objects:\n  - table:\n      source_table: pi_timeseries\n      destination_table: history\n      \
             table_configuration: {{partition_by: event_date, startTime: '{BEGIN}', max_records_per_batch: 1000, \
             maxCount: 90, tags_per_request: 2, change_capture: {capture}{more}}}\n",
            server.base_url()
        );
        fs::write(dir.path().join("plant.yaml"), pipeline).unwrap();
        Self { server, dir, capture, random: fastrand::Rng::with_seed(seed) }
    }

    fn table(&self) -> PathBuf {
        self.dir.path().join("lake/history")
    }

    fn sync(&mut self, moment: Option<(usize, Duration)>, faulty: bool) -> End {
        let mut command = program();
        command.arg("sync").arg(self.dir.path().join("plant.yaml")).args(["--format", "json"]);
        command.args(["--commit-rows", &self.random.u64(20..900).to_string()]);
        run_until(command, moment, faulty)
    }

    /// Ten minutes later: events came late, were edited and deleted, as far as the table follows that.
    fn disturb(&mut self) {
        self.server.clock().advance(Duration::from_secs(600));
        if self.capture == "none" {
            return;
        }
        let deletes = self.capture != "overlap";
        for point in self.server.points() {
            let from = Ticks::parse(BEGIN).unwrap();
            let events = self.server.events(&point, from, archive::now(&self.server)).unwrap();
            for n in 0..8 {
                let at = events[self.random.usize(..events.len())].time;
                // An event of before may be gone by now: then there is nothing to change.
                let _ = match n % 4 {
                    0 => self.server.change(&point, Change::Add(Ticks(at.0 + 70_000_000), 4711.0.into())),
                    1 => self.server.change(&point, Change::Edit(at, 0, 815.0.into())),
                    2 if deletes => self.server.change(&point, Change::Delete(at)),
                    3 if deletes => self.server.change(&point, Change::Replace(at, 42.0.into())),
                    _ => self.server.change(&point, Change::Add(at, 4712.0.into())),
                };
            }
        }
    }
}
