//! Kerberos for real: Debian's key distribution centre, and Apache asking for tickets in front of the simulator.
//!
//! `scripts/real-servers start` starts both and prints the environment that these tests, and the Kerberos library, need.

use std::{collections::BTreeSet, env, fs};

use futures::{TryStreamExt, future::join_all};
use lakeflow_connect::{
    ErrorKind, Options, ReadEvent, ReadRequest, Records, Result, TableRef,
    arrow::array::{AsArray, RecordBatch},
};
use serde_json::Value;

use super::connect;

const CLIENT: &str = "svc-connector@TEST.LOCAL";

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run scripts/real-servers start"))
}

fn options(principal: &str) -> Options {
    Options::new()
        .with("pi_base_url", variable("LAKEFLOW_TEST_KERBEROS_URL"))
        .with("auth_type", "kerberos")
        .with("kerberos_principal", principal)
        .with("kerberos_keytab", variable("KRB5_CLIENT_KTNAME"))
        .with("kerberos_ccache", variable("KRB5CCNAME"))
}

async fn read(options: &Options, table: TableRef) -> Result<Vec<RecordBatch>> {
    let events: Vec<ReadEvent> = connect(options)?.read_table(ReadRequest::new(table)).try_collect().await?;
    let batches = events.into_iter().filter_map(|event| match event {
        ReadEvent::Records(Records::Arrow(batch)) => Some(batch),
        _ => None,
    });
    Ok(batches.collect())
}

fn texts(batches: &[RecordBatch], column: &str) -> Vec<String> {
    let of = |batch: &RecordBatch| batch.column_by_name(column).unwrap().as_string::<i32>().clone();
    batches.iter().flat_map(|batch| of(batch).iter().flatten().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The generated points that the server behind Apache holds, with their events.
fn held() -> Vec<Value> {
    let text = fs::read_to_string(variable("LAKEFLOW_TEST_KERBEROS_ORACLE")).unwrap();
    let oracle: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let points = oracle["points"].as_array().unwrap().iter();
    points.filter(|point| point["Name"].as_str().unwrap().starts_with("A01.")).cloned().collect()
}

#[tokio::test]
#[ignore = "needs scripts/real-servers"]
async fn real_kerberos_logs_in_with_a_keytab_and_reads_all_that_the_server_holds() {
    let points = read(&options(CLIENT), TableRef::new("pi_points").option("nameFilter", "A01.*")).await.unwrap();
    let ids: BTreeSet<String> = texts(&points, "webid").into_iter().collect();
    let held = held();
    assert_eq!(ids, held.iter().map(|point| point["WebId"].as_str().unwrap().to_owned()).collect());
    // Posted batches, some at a time.
    let table = TableRef::new("pi_timeseries").option("nameFilter", "A01.*").option("tags_per_request", "2");
    let table = table.option("snapshot_policy", "include");
    let events = read(&options(CLIENT), table).await.unwrap();
    let key = |webid: &str, time: &str| format!("{webid} {time}");
    let mut got: Vec<String> = texts(&events, "tag_webid")
        .iter()
        .zip(texts(&events, "timestamp_raw"))
        .map(|(webid, time)| key(webid, &time))
        .collect();
    let mut wanted: Vec<String> = held
        .iter()
        .flat_map(|point| {
            let webid = point["WebId"].as_str().unwrap();
            let events = point["events"].as_array().unwrap().iter();
            events.map(move |event| key(webid, event["Timestamp"].as_str().unwrap()))
        })
        .collect();
    got.sort();
    wanted.sort();
    assert!(wanted.len() > 10_000);
    let missing: Vec<_> = wanted.iter().filter(|event| got.binary_search(event).is_err()).take(3).collect();
    assert!(got == wanted, "{} events, not {}; missing: {missing:?}", got.len(), wanted.len());
}

#[tokio::test]
#[ignore = "needs scripts/real-servers"]
async fn real_kerberos_logs_in_many_requests_at_once() {
    let options = options(CLIENT);
    let reads = (0..16).map(|_| read(&options, TableRef::new("pi_dataservers")));
    for batches in join_all(reads).await {
        assert_eq!(texts(&batches.unwrap(), "name"), ["PISRV1"]);
    }
}

#[tokio::test]
#[ignore = "needs scripts/real-servers"]
async fn real_kerberos_takes_the_service_by_its_principal() {
    let options = options(CLIENT).with("kerberos_spn", "HTTP/localhost@TEST.LOCAL");
    assert_eq!(texts(&read(&options, TableRef::new("pi_dataservers")).await.unwrap(), "name"), ["PISRV1"]);
}

#[tokio::test]
#[ignore = "needs scripts/real-servers"]
async fn real_kerberos_refusals_tell_what_to_do() {
    let table = || TableRef::new("pi_dataservers");
    let strange = read(&options("stranger@TEST.LOCAL"), table()).await.unwrap_err();
    assert_eq!(strange.kind(), ErrorKind::Auth);
    assert!(strange.help_text().unwrap().contains("principal may log in"), "{strange}");
    let keyless = read(&options("nobody@TEST.LOCAL"), table()).await.unwrap_err();
    assert_eq!(
        (keyless.kind(), keyless.message()),
        (ErrorKind::Auth, "there are no Kerberos credentials to log in with")
    );
    assert!(keyless.help_text().unwrap().contains("KRB5_CLIENT_KTNAME"), "{keyless}");
    let unknown = read(&options(CLIENT).with("kerberos_spn", "HTTP@unknown.example"), table()).await.unwrap_err();
    assert_eq!((unknown.kind(), unknown.message()), (ErrorKind::Auth, "the Kerberos login failed"));
    // A ticket for another service is of no use to this one.
    let elsewhere = options(CLIENT).with("kerberos_spn", "HTTP/elsewhere@TEST.LOCAL");
    assert_eq!(read(&elsewhere, table()).await.unwrap_err().kind(), ErrorKind::Auth);
    for error in [strange, keyless, unknown] {
        assert!(!format!("{error:?}").contains("YII"), "a token is shown");
    }
}
