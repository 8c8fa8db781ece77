//! Random schedules of versions and deletions against a model that has seen all of them at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::pin,
    task::Poll,
    time::Duration,
};

use lakeflow_connect::IngestionType;
use lakeflow_sync::{
    optimize,
    state::{ResetRows, reset},
};

use crate::{
    history::{sync, versions},
    model::Random,
    source::{Row, Source},
    tables::Lake,
};

const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const BODIES: [&str; 3] = ["x", "y", "z"];

/// All that was ever told of a key, whatever the order: what it was at each moment, and when it was deleted.
#[derive(Default)]
struct Told {
    rows: BTreeMap<i64, &'static str>,
    deletions: BTreeSet<i64>,
}

type Model = BTreeMap<&'static str, Told>;

fn history_of(model: &Model) -> Vec<String> {
    let mut all = Vec::new();
    for (id, told) in model {
        for (n, body) in &told.rows {
            let next = told.rows.range(n + 1..).next().map(|(next, _)| *next);
            let deleted = told.deletions.range(n..).next().copied();
            let end = next.into_iter().chain(deleted).min();
            all.push(format!("{id}:{body} {n}-{}", end.map_or(String::new(), |end| end.to_string())));
        }
    }
    all.sort();
    all
}

/// One random schedule: versions and deletions in any order, failures, a run that is killed, resets, maintenance.
async fn run(seed: u64) {
    let mut random = Random::new(seed);
    let source = Source::new(IngestionType::CdcWithDeletes);
    let mut lake = Lake::new();
    lake.options.commit_rows = 1 + random.below(6);
    lake.options.merge_keys = 1 + random.below(40) as usize;
    lake.options.filter_bytes = 64 << random.below(6);
    let mut model = Model::new();
    for round in 0..5 {
        for _ in 0..random.below(4) {
            let rows: Vec<Row> = (0..random.below(6))
                .map(|_| {
                    let body = BODIES[random.below(3) as usize];
                    (KEYS[random.below(6) as usize], random.below(14) as i64, body)
                })
                .collect();
            for (id, n, body) in &rows {
                model.entry(*id).or_default().rows.insert(*n, *body);
            }
            source.unit(&rows);
        }
        let deletions: Vec<(&'static str, i64)> =
            (0..random.below(3)).map(|_| (KEYS[random.below(6) as usize], random.below(14) as i64)).collect();
        for (id, n) in &deletions {
            model.entry(*id).or_default().deletions.insert(*n);
        }
        if !deletions.is_empty() {
            source.deletes(&deletions);
        }
        match random.below(5) {
            0 => {
                source.fail_after(Some(random.below(4) as usize));
                let _ = sync(&lake, &source).await;
                source.fail_after(None);
            }
            1 => kill(&lake, &source, random.below(80)).await,
            2 if round > 0 => {
                let rows = if random.below(2) == 0 { ResetRows::Keep } else { ResetRows::Remove };
                reset(&lake.url(), &lake.options.storage, rows, lake.clock.as_ref()).await.unwrap();
            }
            3 if round > 0 => {
                optimize(&lake.url(), &[], &lake.options).await.unwrap();
            }
            _ => {}
        }
        sync(&lake, &source).await.unwrap_or_else(|e| panic!("seed {seed} round {round}: {e}"));
        assert_eq!(versions(&lake).await, history_of(&model), "seed {seed} round {round}");
        let again = sync(&lake, &source).await.unwrap();
        assert_eq!(again.counts.commits, 0, "seed {seed} round {round}");
    }
}

/// Drops a run after some polls.
async fn kill(lake: &Lake, source: &Source, mut polls: u64) {
    let mut run = pin!(sync(lake, source));
    let killed = std::future::poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(());
        }
        polls -= 1;
        run.as_mut().poll(cx).map(|_| ())
    });
    killed.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_schedules_end_as_the_model_says() {
    for seed in 1..=12 {
        run(seed).await;
    }
}

#[tokio::test]
async fn random_snapshots_end_as_their_differences_say() {
    for seed in 1..=10 {
        let mut random = Random::new(seed);
        let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Snapshot));
        lake.options.merge_keys = 1 + random.below(12) as usize;
        // Body and start of current versions, and the lines of those that are over.
        let mut current: BTreeMap<&str, (&str, i64)> = BTreeMap::new();
        let mut over = Vec::new();
        for second in 0..6 {
            let at = |second: i64| format!("2023-11-14T22:13:{}Z", 20 + second);
            let mut content: BTreeMap<&'static str, &'static str> = BTreeMap::new();
            for _ in 0..random.below(7) {
                content.insert(KEYS[random.below(6) as usize], BODIES[random.below(3) as usize]);
            }
            let rows: Vec<Row> = content.iter().map(|(id, body)| (*id, 1, *body)).collect();
            source.content(&rows);
            sync(&lake, &source).await.unwrap();
            current.retain(|id, (body, since)| {
                let stays = content.get(id) == Some(body);
                if !stays {
                    over.push(format!("{id}:{body} {}-{}", at(*since), at(second)));
                }
                stays
            });
            for (id, body) in &content {
                current.entry(id).or_insert((body, second));
            }
            let mut expected = over.clone();
            expected.extend(current.iter().map(|(id, (body, since))| format!("{id}:{body} {}-", at(*since))));
            expected.sort();
            assert_eq!(versions(&lake).await, expected, "seed {seed} second {second}");
            lake.wait(Duration::from_secs(1));
        }
    }
}
