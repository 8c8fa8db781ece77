//! Random schedules: servers of every kind, written to while they are read, read in random steps. After each schedule the
//! rows that came out must be the rows that are there: none lost, none invented, and on servers whose pages do not drift
//! none twice.

mod schedule;
mod server;
mod world;

use schedule::{Outcome, run};

/// How many schedules are tried, a few seconds worth; `LAKEFLOW_FHIR_SCHEDULES` asks for more, `LAKEFLOW_FHIR_SEED` for others.
fn schedules() -> u64 {
    std::env::var("LAKEFLOW_FHIR_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(250)
}

#[test]
fn random_schedules_lose_nothing_and_invent_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (mut rows, mut requests, mut interrupted, mut limits) = (0, 0, 0, 0);
    let first = std::env::var("LAKEFLOW_FHIR_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    // Schedules that once failed: search values cut to seconds, an empty first page, counts that writes made agree.
    for seed in [101_405, 201_728, 303_929, 320_652].into_iter().chain(first..first + schedules()) {
        let Outcome { sent, asked, stops, limited } = runtime.block_on(run(seed));
        rows += sent;
        requests += asked;
        interrupted += stops;
        limits += limited;
    }
    let many = schedules() >= 100;
    assert!(
        !many || rows > schedules() && requests > schedules() && interrupted > 0 && limits > 0,
        "the schedules did nothing: {rows} rows, {requests} requests, {interrupted} interruptions, {limits} limits"
    );
}
