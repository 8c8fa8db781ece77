//! J.8: each fault of a server, how often a request that meets it is sent, and what the user is told.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures::TryStreamExt;
use lakeflow_connect::{
    Context, Error, ErrorKind, LakeflowConnect, Options, ReadEvent, ReadRequest, Registry, TableRef, clock::ManualClock,
};
use lakeflow_simulators::{
    faults::{Fault, FaultRule, When},
    osipi::{Auth, Config, RunningServer, Server, Spelling, Ticks},
};

use super::{plant_with, rows_of, timeless};

/// Retries in every test, and so how often a request is sent that may be repeated.
const RETRIES: &str = "2";
const ALL: u64 = 3;

fn status(status: u16) -> Fault {
    Fault::Status { status, retry_after: None }
}

fn always(path: &str, fault: Fault) -> FaultRule {
    FaultRule { when: When::Always, path: Some(path.to_owned()), fault }
}

async fn rows(source: &Arc<dyn LakeflowConnect>, table: &TableRef) -> Result<usize, Error> {
    let events: Vec<ReadEvent> = source.read_table(ReadRequest::new(table.clone())).try_collect().await?;
    let of = |event: &ReadEvent| match event {
        ReadEvent::Records(records) => records.rows(),
        _ => 0,
    };
    Ok(events.iter().map(of).sum())
}

#[tokio::test(flavor = "multi_thread")]
async fn j08_an_answer_that_does_not_come_or_drips_is_given_up_and_asked_for_again() {
    let server = plant_with(&[]);
    let hours = Duration::from_secs(36_000);
    for (fault, option) in
        [(Fault::Slow(hours), "request_timeout_seconds"), (Fault::Drip(hours), "read_timeout_seconds")]
    {
        server.faults().add(always("/dataservers", fault));
        let source = timeless(&server, &[("max_retries", RETRIES), (option, "0.05")]);
        let error = rows(&source, &TableRef::new("pi_dataservers")).await.unwrap_err();
        assert_eq!((error.kind(), source.activity().requests), (ErrorKind::Unavailable, ALL), "{option}: {error}");
        assert!(error.help_text().is_some_and(|help| help.contains(option)), "{option}: {error}");
        server.faults().clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j08_a_batch_that_is_too_large_is_halved_and_no_part_is_sent_twice() {
    let server = plant_with(&[("points", "4")]);
    let tags: Vec<String> =
        server.points().iter().map(|point| server.web_id(point, Spelling::IdOnly).unwrap()).collect();
    let table = TableRef::new("pi_end").option("tag_webids", tags.join(","));
    server.faults().add(always("/batch", status(413)));
    let error = rows(&timeless(&server, &[("max_retries", RETRIES)]), &table).await.unwrap_err();
    let sent = server.exchanges().iter().filter(|exchange| exchange.path.ends_with("/batch")).count();
    // One of four, two of two, four of one.
    assert_eq!((error.kind(), sent), (ErrorKind::Protocol, 7), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn j08_a_login_that_is_refused_is_renewed_once_and_then_an_error() {
    let mut config = Config { points: 2, ..Config::default() };
    config.set("auth", "oidc:reader:secret").unwrap();
    assert!(matches!(config.auth, Auth::OpenId(_)));
    let server = Server::start(config).unwrap();
    server.faults().add(always("/dataservers", status(401)));
    let login = [("auth_type", "oidc"), ("client_id", "reader"), ("client_secret", "secret"), ("max_retries", RETRIES)];
    let error = rows(&timeless(&server, &login), &TableRef::new("pi_dataservers")).await.unwrap_err();
    let asked = server.exchanges().iter().filter(|exchange| exchange.path.ends_with("/dataservers")).count();
    assert_eq!((error.kind(), asked), (ErrorKind::Auth, 2), "{error}");
    assert_eq!(server.tokens().unwrap().issued(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn j08_a_registration_for_updates_is_never_repeated() {
    let server = plant_with(&[]);
    let table = TableRef::new("pi_timeseries").option("startTime", "*-1h").option("change_capture", "updates");
    for fault in [status(503), status(429), Fault::CutOff, Fault::NoAnswer] {
        let source = timeless(&server, &[("max_retries", RETRIES)]);
        server.faults().add(always("/streamsets/updates", fault.clone()));
        let error = rows(&source, &table).await.unwrap_err();
        server.faults().clear();
        assert_eq!(error.get("tries"), Some("1"), "{fault:?}: {error}");
        assert_eq!(error.get("method"), Some("POST"), "{fault:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j08_clocks_that_differ_lose_and_invent_nothing() {
    let server = plant_with(&[]);
    let now = Ticks::from(server.clock().now());
    let held =
        |point: &String| server.events(point, Ticks(now.0 - 3_600 * 10_000_000), Ticks(now.0 + 1)).unwrap().len();
    let wanted: usize = server.points().iter().map(held).sum();
    assert!(wanted > 100);
    // In absolute terms: what an hour ago means is for the clock that is asked to say.
    let table = TableRef::new("pi_timeseries").option("startTime", "2026-03-18T11:00:00Z");
    let table = table.option("snapshot_policy", "include");
    for minutes in [-90, -5, 5, 90] {
        let options = Options::new().with("pi_base_url", server.base_url()).with("auth_type", "anonymous");
        let clock = Arc::new(ManualClock::new(server.clock().now() + TimeDelta::minutes(minutes)));
        let source = Registry::builtin().connect("osipi", &options, &Context::new().clock(clock)).unwrap();
        assert_eq!(rows(&source, &table).await.unwrap(), wanted, "our clock is {minutes} minutes ahead");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j08_values_with_errors_of_their_own_are_rows_that_say_so_and_all_others_are_whole() {
    let (plain, server) = (plant_with(&[]), plant_with(&[("personality", "value-errors")]));
    let table = TableRef::new("pi_timeseries").option("startTime", "*-6h").option("snapshot_policy", "include");
    let read = async |server: &RunningServer| {
        let request = ReadRequest::new(table.clone());
        let events: Vec<ReadEvent> = timeless(server, &[]).read_table(request).try_collect().await.unwrap();
        let of = |event: &ReadEvent| match event {
            ReadEvent::Records(records) => rows_of(records),
            _ => Vec::new(),
        };
        let mut rows: Vec<_> = events.iter().flat_map(of).collect();
        rows.iter_mut().for_each(|row| drop(row.as_object_mut().unwrap().remove("ingestion_timestamp")));
        rows.sort_by_key(|row| (row["tag_webid"].to_string(), row["timestamp_raw"].to_string()));
        rows
    };
    let (whole, found) = (read(&plain).await, read(&server).await);
    assert_eq!(found.len(), whole.len());
    let failed = found.iter().filter(|row| row.get("errors").is_some()).count();
    assert!(failed > 10 && failed < found.len() / 2, "{failed}");
    for (found, whole) in found.iter().zip(&whole) {
        if found.get("errors").is_none() {
            assert_eq!(found, whole);
            continue;
        }
        let errors: serde_json::Value = serde_json::from_str(found["errors"].as_str().unwrap()).unwrap();
        assert!(errors[0]["Message"].is_array(), "{found}");
        assert_eq!((&found["tag_webid"], &found["timestamp_raw"]), (&whole["tag_webid"], &whole["timestamp_raw"]));
    }
}
