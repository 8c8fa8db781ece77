//! The OSI PI source.

mod attributes;
mod auth;
mod bad_input;
mod balancer;
mod batches;
mod bounded;
mod check;
mod columns;
mod crashes;
mod deletions;
mod ends;
mod eventframe_lake;
mod eventframe_searches;
mod eventframes;
mod fault_matrix;
mod future;
mod instants;
mod lake;
mod ledger;
mod lists;
mod options;
mod proxy;
#[cfg(feature = "kerberos")]
mod real_kerberos;
mod recorded;
mod secrecy;
mod selection;
mod statuses;
mod streamsets;
mod tables;
mod units;
mod windows;
mod wrong_clients;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use lakeflow_connect::{
    Context, LakeflowConnect, Options, ReadEvent, ReadRequest, Records, Registry, Result, TableRef, clock::ManualClock,
    decode::arrow_to_json,
};
use lakeflow_simulators::{
    clock::SimClock,
    osipi::{Config, RunningServer, Server},
};
use serde_json::Value;

fn connect(options: &Options) -> Result<Arc<dyn LakeflowConnect>> {
    Registry::builtin().connect("osipi", options, &Context::new())
}

/// A connection to an address where nothing listens: for what is known without a request.
fn nowhere() -> Arc<dyn LakeflowConnect> {
    connect(&Options::new().with("pi_base_url", "http://127.0.0.1:9").with("auth_type", "anonymous")).unwrap()
}

/// A connection to a simulated server that lets everybody in.
fn connect_to(server: &RunningServer) -> Arc<dyn LakeflowConnect> {
    let base = server.base_url();
    let options = [("pi_base_url", base.as_str()), ("auth_type", "anonymous"), ("requests_per_second", "100000")];
    connect(&options.into_iter().collect()).unwrap()
}

/// Nine points with a day of history, an event every three minutes, whose clock stands still.
fn small_plant() -> RunningServer {
    plant_with(&[])
}

/// As [`small_plant`], with more settings of the simulator.
fn plant_with(settings: &[(&str, &str)]) -> RunningServer {
    let now: DateTime<Utc> = "2026-03-18T12:00:00Z".parse().unwrap();
    let mut config = Config { clock: SimClock::fixed(now), points: 9, ..Config::default() };
    config.set("days", "1").unwrap();
    config.set("density", "3m").unwrap();
    settings.iter().for_each(|(name, value)| config.set(name, value).unwrap());
    Server::start(config).unwrap()
}

/// A connection for which waiting takes no time.
fn timeless(server: &RunningServer, more: &[(&str, &str)]) -> Arc<dyn LakeflowConnect> {
    let options = Options::new().with("pi_base_url", server.base_url()).with("auth_type", "anonymous");
    let options = more.iter().fold(options, |options, (name, value)| options.with(*name, *value));
    let clock = Arc::new(ManualClock::new(server.clock().now()));
    Registry::builtin().connect("osipi", &options, &Context::new().clock(clock)).unwrap()
}

/// The rows of a table, as [`rows_of`] has them.
async fn table_rows(source: &Arc<dyn LakeflowConnect>, table: TableRef) -> Result<Vec<Value>> {
    let events: Vec<ReadEvent> = source.read_table(ReadRequest::new(table)).try_collect().await?;
    let records = events.iter().filter_map(|event| match event {
        ReadEvent::Records(records) => Some(rows_of(records)),
        _ => None,
    });
    Ok(records.flatten().collect())
}

/// Rows as JSON objects; what is null is absent.
fn rows_of(records: &Records) -> Vec<Value> {
    let Records::Arrow(batch) = records else { panic!("rows that are not Arrow") };
    let lines = arrow_to_json(batch).unwrap();
    lines.bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
}
