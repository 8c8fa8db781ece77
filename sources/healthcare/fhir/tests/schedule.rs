//! One schedule: reads in random steps until nothing more comes, then the comparison.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use arrow::array::{Array, AsArray};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use fastrand::Rng;
use futures::StreamExt;
use url::Url;

use super::{
    super::{config::TableOptions, learned::Learned, offset::Origin, read::TableReader, server::Server, tables},
    server::{Habits, Model},
    world::{MILLI, World},
};
use crate::{
    clock::Clock,
    connector::IngestionType,
    error::{ErrorKind, Result},
    options::Options,
    read::{Offset, ReadEvent, ReadRequest, Records},
};

/// What a schedule did.
pub(super) struct Outcome {
    pub(super) sent: u64,
    pub(super) asked: u64,
    pub(super) stops: u64,
    /// Whether all was read from a server that refused pages for being too far into a search.
    pub(super) limited: u64,
}

/// The model's clock, a little off as clocks are.
#[derive(Debug)]
struct ModelClock(std::sync::Weak<Model>);

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Model")
    }
}

#[async_trait]
impl Clock for ModelClock {
    fn now(&self) -> DateTime<Utc> {
        let model = self.0.upgrade().unwrap();
        let now = model.lock().world.now;
        DateTime::from_timestamp_millis(i64::try_from(now / MILLI).unwrap()).unwrap()
    }

    async fn sleep(&self, _: Duration) {}
}

/// The rows as a keyed table holds them, and every version that was sent.
#[derive(Default)]
struct Lake {
    rows: BTreeMap<String, u32>,
    sent: BTreeMap<(String, u32), u32>,
    rows_sent: u64,
}

impl Lake {
    fn take(&mut self, batch: &arrow::record_batch::RecordBatch) {
        let ids = batch.column_by_name("id").unwrap().as_string::<i32>();
        let raw = batch.column_by_name("raw_json").unwrap().as_string::<i32>();
        assert_eq!(ids.null_count(), 0);
        for (id, raw) in ids.iter().flatten().zip(raw.iter().flatten()) {
            let n: u32 = raw.rsplit_once("\"n\":").unwrap().1.trim_end_matches('}').parse().unwrap();
            let newest = self.rows.entry(id.to_owned()).or_default();
            *newest = n.max(*newest);
            *self.sent.entry((id.to_owned(), n)).or_default() += 1;
            self.rows_sent += 1;
        }
    }
}

struct Schedule {
    seed: u64,
    rng: Rng,
    model: Arc<Model>,
    learned: Learned,
    options: TableOptions,
    strict: bool,
    page_size: u32,
}

impl Schedule {
    fn reader(&self) -> TableReader<Arc<Model>> {
        TableReader {
            server: Arc::new(Server {
                wire: Arc::clone(&self.model),
                table: "Patient".to_owned(),
                filter: Vec::new(),
                page_size: self.page_size,
                strict_mode: self.strict,
                clock: Arc::new(ModelClock(Arc::downgrade(&self.model))),
                learned: self.learned.clone(),
            }),
            origin: Origin::new(&Url::parse("http://model").unwrap(), "Patient", ""),
            shape: tables::shape("Patient", &self.options, None).unwrap(),
            options: self.options.clone(),
        }
    }

    /// Reads until the end, or until it is interrupted; a checkpoint counts once it was seen.
    async fn read(&mut self, lake: &mut Lake, offset: &mut Option<Offset>, may_stop: bool) -> Result<bool> {
        let stop_after = if may_stop && self.rng.u8(0..4) == 0 { self.rng.usize(0..12) } else { usize::MAX };
        let max = (self.rng.u8(0..4) == 0).then(|| self.rng.u64(1..30));
        let mut events =
            self.reader().events(ReadRequest::new("Patient".into()).start(offset.clone()).max_records(max));
        let mut seen = 0;
        while let Some(event) = events.next().await {
            if seen == stop_after {
                return Ok(false);
            }
            seen += 1;
            match event? {
                ReadEvent::Records(Records::Arrow(batch)) => lake.take(&batch),
                ReadEvent::Checkpoint(next) => {
                    assert!(next.to_json().len() < 64 * 1024, "seed {}: a large offset", self.seed);
                    *offset = Some(next);
                }
                other => panic!("seed {}: {other:?}", self.seed),
            }
        }
        Ok(true)
    }
}

pub(super) async fn run(seed: u64) -> Outcome {
    let mut rng = Rng::with_seed(seed);
    let mut habits = Habits::random(&mut rng);
    habits.hides_stamps = Rng::with_seed(!seed).u8(0..12) == 0;
    let mut limit = Rng::with_seed(seed.rotate_left(17));
    habits.deepest = (limit.u8(0..6) == 0).then(|| limit.usize(5..25));
    let strict = !habits.ignores_filter;
    let told = format!("{habits:?}");
    let model = Arc::new(Model::new(World::new(rng.fork()), habits));
    let options = Options::new()
        .with("schema_mode", "raw")
        .with("max_records_per_batch", rng.u32(1..30).to_string())
        .with("safety_lag_seconds", ["0", "5", "60"][rng.usize(0..3)])
        .with("lookback_seconds", "120");
    let page_size = rng.u32(1..20);
    let options = TableOptions::parse(&options).unwrap();
    let mut schedule = Schedule { seed, rng, model, learned: Learned::default(), options, strict, page_size };
    let mut lake = Lake::default();
    let mut offset = None;
    let mut stops = 0;
    for _ in 0..schedule.rng.usize(1..6) {
        step(&mut schedule, &mut lake, &mut offset, &mut stops, &told).await;
        let pause = schedule.rng.u32(0..90);
        schedule.model.lock().world.pass(pause.into());
    }
    // Everything becomes visible and old enough, nothing changes any more, and the server behaves.
    let has_limit = {
        let mut state = schedule.model.lock();
        state.world.busy = false;
        state.habits.expiring = 0;
        state.habits.breaking = 0;
        state.world.pass(600);
        // What no cut brings within the limit of a server, nobody can read.
        let can_be_cut = state.habits.is_clear()
            && state.world.most_in_seconds(4).is_some_and(|most| Some(most) < state.habits.deepest);
        state.habits.deepest = state.habits.deepest.filter(|_| can_be_cut);
        state.habits.deepest.is_some()
    };
    let snapshot = schedule.reader().metadata().await.unwrap().ingestion_type == IngestionType::Snapshot;
    if snapshot {
        lake.rows.clear();
    }
    let before = offset.clone();
    let mut rounds = 0;
    while !schedule.read(&mut lake, &mut offset, false).await.unwrap_or_else(|e| panic!("seed {seed}: {e} {told}"))
        || (rounds < 200 && offset_moves(&mut schedule, &mut lake, &mut offset, snapshot).await)
    {
        rounds += 1;
    }
    assert!(rounds < 200, "seed {seed}: does not come to an end from {before:?} {told}");
    let may_repeat = stops > 0 || snapshot;
    compare(&schedule, &lake, may_repeat, &told);
    let asked = schedule.model.lock().requests;
    let limited = u64::from(has_limit && schedule.model.lock().refused_pages > 0);
    Outcome { sent: lake.rows_sent, asked, stops, limited }
}

/// One reading, with interruptions; failures that ask for another try are interruptions.
async fn step(schedule: &mut Schedule, lake: &mut Lake, offset: &mut Option<Offset>, stops: &mut u64, told: &str) {
    match schedule.read(lake, offset, true).await {
        Ok(true) => {}
        Ok(false) => *stops += 1,
        Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Protocol) => *stops += 1,
        Err(error) => panic!("seed {}: {error} {told}", schedule.seed),
    }
}

/// Reads on when the last read stopped early at `max_records`.
async fn offset_moves(schedule: &mut Schedule, lake: &mut Lake, offset: &mut Option<Offset>, snapshot: bool) -> bool {
    let before = lake.sent.len();
    let at = offset.clone();
    schedule.read(lake, offset, false).await.unwrap();
    !snapshot && (lake.sent.len() > before || (*offset != at && schedule.rng.bool()))
}

fn compare(schedule: &Schedule, lake: &Lake, may_repeat: bool, told: &str) {
    let seed = schedule.seed;
    let state = schedule.model.lock();
    for (id, version) in state.world.visible() {
        let found = lake.rows.get(id).copied();
        assert_eq!(found, Some(version.number), "seed {seed}: lost {id} stamped {:?} {told}", version.stamp);
    }
    for (id, number) in lake.sent.keys() {
        assert!(state.world.has_had(id, *number), "seed {seed}: invented {id} {told}");
    }
    // Where pages drift, a row of the overlap that is passed over once is taken for a new one the next time.
    if !may_repeat && !state.habits.pages_drift() {
        // What comes without a stamp is recognised by nobody.
        let stamped = |id: &str, number| !state.habits.hides_stamps && state.world.has_stamp(id, number);
        let repeated = lake.sent.iter().filter(|(_, times)| **times > 1).map(|(key, _)| key);
        let twice: BTreeSet<_> = repeated.filter(|(id, number)| stamped(id, *number)).collect();
        assert!(twice.is_empty(), "seed {seed}: sent twice {twice:?} {told}");
    }
}
