//! Random schedules. `LAKEFLOW_PI_SCHEDULES=N` asks for more of them, `LAKEFLOW_PI_SEED=N` for others.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    super::{
        super::{
            client::PiClient,
            config::{Connection, TableOptions},
            eventframes::SentFrames,
            ledger::Notes,
            reading::{Reading, Source},
            tables::{self, TimeSeries},
            webid::WebId,
        },
        deletions::Deletions,
        reader::RecordedReader,
    },
    host::Host,
    world::{BEGIN, Capture, Memory, World},
};
use crate::{
    clock::{Clock, ManualClock},
    connector::TableRef,
    options::Options,
    registry::Context,
};

/// An archive, and how a table of it is read.
pub(super) struct Plant {
    pub(super) capture: Capture,
    pub(super) memory: Arc<Memory>,
    pub(super) table: TableRef,
    client: PiClient,
    clock: Arc<ManualClock>,
    unit_rows: u64,
}

impl Plant {
    fn new(seed: u64, client: &PiClient) -> Self {
        let capture = [Capture::None, Capture::Overlap, Capture::Reconcile][seed as usize % 3];
        let mut world = World::new(seed, capture);
        let tags: Vec<String> = world.streams.keys().map(ToString::to_string).collect();
        let table = TableRef::new("pi_timeseries")
            .option("tag_webids", tags.join(","))
            .option("startTime", BEGIN)
            .option("change_capture", capture.name())
            .option("on_tag_error", "quarantine")
            .option("maxCount", world.random.u32(8..40).to_string())
            .option("tags_per_request", world.random.u32(1..4).to_string());
        let clock = Arc::new(ManualClock::new(world.now.to_utc()));
        let unit_rows = world.random.u64(1..60);
        let memory = Arc::new(Memory(Mutex::new(world)));
        Self { capture, memory, table, client: client.clone(), clock, unit_rows }
    }

    /// A reader of a new process.
    pub(super) fn reader(&self) -> RecordedReader {
        self.clock.advance(Duration::from_millis(1));
        let source = Source {
            client: self.client.clone(),
            clock: self.clock.clone(),
            notes: Notes::new(self.clock.now()),
            deletions: Deletions::default(),
            frames: SentFrames::default(),
        };
        let table = tables::find(&self.table.name).unwrap();
        let mut options = TableOptions::parse(table, &self.table.options).unwrap();
        options.window.max_records_per_batch = self.unit_rows;
        let reading = Reading { source: Arc::new(source), table, options: Arc::new(options) };
        RecordedReader::new(reading, TimeSeries::Recorded)
    }

    /// Runs that go wrong in every way, while the archive changes, and then one that does not.
    async fn schedule(&self, seed: u64) {
        let mut host = Host::default();
        for round in 0..2 {
            for _ in 0..6 {
                let events_left = {
                    let mut world = self.memory.0.lock().unwrap();
                    let streams: Vec<WebId> = world.streams.keys().cloned().collect();
                    world.fails_in = (world.random.u8(0..3) == 0).then(|| world.random.u32(1..12));
                    world.broken = world.random.choice(streams).filter(|_| world.random.u8(0..4) == 0);
                    if world.random.u8(0..2) == 0 {
                        world.go_on();
                    }
                    (0..world.random.u8(0..4)).for_each(|_| world.disturb());
                    if world.random.u8(0..3) == 0 { usize::MAX } else { world.random.usize(0..9) }
                };
                if let Err(error) = host.run(self, events_left).await {
                    assert_eq!(error.message(), "the connection was cut", "seed {seed}");
                }
            }
            // All is well again. What happens in this run is found by the next one, in which nothing happens.
            for is_calm in [false, true] {
                {
                    let mut world = self.memory.0.lock().unwrap();
                    (world.fails_in, world.broken, world.is_calm) = (None, None, is_calm);
                    world.go_on();
                }
                host.run(self, usize::MAX).await.unwrap();
            }
            let mut world = self.memory.0.lock().unwrap();
            world.is_calm = false;
            host.assert_equal(&world.wanted(), &format!("seed {seed}, {:?}, round {round}", self.capture));
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test]
async fn j3_j4_random_schedules_of_a_plant_end_with_what_its_archive_holds() {
    let options = Options::new().with("pi_base_url", "http://127.0.0.1:9").with("auth_type", "anonymous");
    let client = PiClient::new(&Connection::parse(&options).unwrap(), &Context::new()).unwrap();
    let first = number("LAKEFLOW_PI_SEED", 0);
    for seed in first..first + number("LAKEFLOW_PI_SCHEDULES", 15) {
        Plant::new(seed, &client).schedule(seed).await;
    }
}
