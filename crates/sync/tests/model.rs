//! Random runs against a model of a few lines: whatever comes, is interrupted and how small the limits are, the table
//! equals the model.

use std::collections::BTreeMap;

use lakeflow_connect::IngestionType;

use crate::{
    source::{Row, Source},
    tables::Lake,
};

/// Numbers that are the same in each run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
const BODIES: [&str; 3] = ["x", "y", "z"];

/// Newest cursor of a key and what it was: a row's body, or a deletion.
type Model = BTreeMap<&'static str, (i64, Option<&'static str>)>;

fn apply_row(model: &mut Model, (id, n, body): Row) {
    match model.get(id) {
        Some((at, Some(_))) if *at > n => {}
        Some((at, None)) if *at >= n => {}
        _ => {
            model.insert(id, (n, Some(body)));
        }
    }
}

fn apply_deletion(model: &mut Model, id: &'static str, n: i64) {
    if model.get(id).is_none_or(|(at, _)| *at <= n) {
        model.insert(id, (n, None));
    }
}

async fn run(seed: u64) {
    let mut random = Random::new(seed);
    let source = Source::new(IngestionType::CdcWithDeletes);
    let mut lake = Lake::new();
    lake.options.commit_rows = 1 + random.below(6);
    lake.options.merge_keys = 1 + random.below(5) as usize;
    lake.options.filter_bytes = 64 << random.below(6);
    let mut model = Model::new();
    for round in 0..5 {
        for _ in 0..random.below(4) {
            let rows: Vec<Row> = (0..random.below(5))
                .map(|_| {
                    let body = BODIES[random.below(3) as usize];
                    (KEYS[random.below(8) as usize], random.below(12) as i64, body)
                })
                .collect();
            rows.iter().for_each(|row| apply_row(&mut model, *row));
            source.unit(&rows);
        }
        // Deletions are applied after all rows of the run.
        let deletions: Vec<(&'static str, i64)> =
            (0..random.below(3)).map(|_| (KEYS[random.below(8) as usize], random.below(12) as i64)).collect();
        deletions.iter().for_each(|(id, n)| apply_deletion(&mut model, id, *n));
        if !deletions.is_empty() {
            source.deletes(&deletions);
        }
        if random.below(2) == 0 {
            source.fail_after(Some(random.below(4) as usize));
            let _ = lake.sync(&source).await;
            source.fail_after(None);
        }
        lake.sync(&source).await.unwrap_or_else(|e| panic!("seed {seed} round {round}: {e}"));
        let expected: Vec<String> =
            model.iter().filter_map(|(id, (n, body))| Some(format!("{id}:{n}:{}", (*body)?))).collect();
        assert_eq!(lake.rows().await, expected, "seed {seed} round {round}");
    }
}

#[tokio::test]
async fn random_histories_end_as_the_model_says() {
    for seed in 1..=25 {
        run(seed).await;
    }
}
