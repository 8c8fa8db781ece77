//! Bodies that test a reader: resources that are no JSON, nested deep or very large; odd ways of sending good ones.

use std::collections::BTreeSet;

use lakeflow_connect::{Error, ErrorKind};
use lakeflow_simulators::faults::{Fault, FaultRule, When};

use super::*;

const ID: &str = "odd";

/// A patient with this member among others that nobody may see in an error.
fn patient(member: &str) -> String {
    format!(r#"{{"resourceType":"Patient","id":"{ID}","gender":"MARKER",{member},"birthDate":"1970-01-01"}}"#)
}

fn nested(levels: usize) -> String {
    patient(&format!(r#""extension":[{}1{}]"#, r#"{"extension":["#.repeat(levels), "]}".repeat(levels)))
}

/// A server with nineteen patients as they should be, and this one.
fn server_with(odd: &str) -> RunningServer {
    let server = start(Config { volumes: vec![Volume::new("Patient", 19)], ..config() });
    server.put(odd).unwrap();
    server.clock().advance(Duration::from_secs(600));
    server
}

fn tables() -> [TableRef; 3] {
    [TableRef::new("Patient"), small("Patient").option("page_size", "7"), small("Patient").option("schema_mode", "raw")]
}

/// The nineteen others, as the server has them.
fn assert_others_are_there(lake: &Lake, server: &RunningServer, told: &str) {
    let others: Vec<_> = server.expected("Patient").into_iter().filter(|e| e.id != ID).collect();
    assert_eq!(others.len(), 19, "{told}");
    for other in others {
        assert_eq!(lake.rows.get(&other.id), other.text.as_ref(), "{told}: {}", other.id);
    }
}

async fn error_of(source: &dyn LakeflowConnect, table: &TableRef) -> Error {
    Lake::default().sync(source, table).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_that_is_no_json_fails_or_is_quarantined_and_the_others_arrive() {
    for (told, odd) in [
        ("a thousand levels", nested(500)),
        ("not a number", patient(r#""multipleBirthInteger":NaN"#)),
        ("half a word", patient(r#""multipleBirthInteger":1,"active":tru"#)),
        ("a comment", patient(r#""active":/**/true"#)),
        ("a number with two points", patient(r#""multipleBirthInteger":1.2.3"#)),
    ] {
        let server = server_with(&odd);
        let source = open(&server);
        for table in tables() {
            let error = error_of(&*source, &table).await;
            assert_eq!((error.kind(), error.get("table")), (ErrorKind::Data, Some("Patient")), "{told}: {error}");
            assert!(!format!("{error} {error:?}").contains("MARKER"), "{told}: {error}");
            assert!(error.help_text().unwrap().contains("quarantine"), "{told}: {error}");
            let mut lake = Lake::of(&*source, &table).await.unwrap();
            lake.sync_request(&*source, quarantining(&table)).await.unwrap_or_else(|e| panic!("{told}: {e}"));
            assert_others_are_there(&lake, &server, told);
            assert_eq!((lake.rows_sent, lake.quarantined.len()), (19, 1), "{told}");
            let row = &lake.quarantined[0];
            assert_eq!((row.key.as_deref(), row.column.as_str()), (Some(r#"{"id":"odd"}"#), ""), "{told}");
            assert!(row.reason.contains("JSON"), "{told}: {}", row.reason);
            let kept = std::str::from_utf8(&row.record).unwrap();
            assert!(kept.starts_with(r#"{"resourceType":"Patient","id":"odd""#), "{told}: {kept:.100}");
            assert!(kept.ends_with(r#""birthDate":"1970-01-01"}"#) && kept.contains("MARKER"), "{told}: {kept:.100}");
            let again = quarantining(&table).start(lake.offset.clone());
            lake.sync_request(&*source, again).await.unwrap();
            assert_eq!((lake.rows_sent, lake.quarantined.len()), (19, 1), "{told}: nothing has changed");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_surrogate_pair_is_text_nowhere_and_stays_where_it_is_kept_as_it_came() {
    let server = server_with(&patient(r#""name":[{"family":"x\ud83dy"}]"#));
    let source = open(&server);
    let table = TableRef::new("Patient");
    let error = error_of(&*source, &table).await;
    assert_eq!((error.kind(), error.get("column")), (ErrorKind::Data, Some("name.family")), "{error}");
    let mut lake = Lake::default();
    lake.sync_request(&*source, quarantining(&table)).await.unwrap();
    assert_others_are_there(&lake, &server, "a column");
    assert_eq!((lake.rows_sent, lake.quarantined.len()), (19, 1));
    let mut lake = Lake::default();
    lake.sync(&*source, &table.option("schema_mode", "raw")).await.unwrap();
    lake.assert_holds(&server, "Patient", "as it came");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_unusual_but_json_arrives_as_it_came() {
    let photo = "A".repeat(24 << 20);
    for (told, odd) in [
        ("a key twice", patient(r#""active":true,"active":false,"name":[],"name":[{"family":"x","family":"y"}]"#)),
        ("forty levels", nested(20)),
        ("very large", patient(&format!(r#""photo":[{{"data":"{photo}"}}]"#))),
        ("an empty key", patient(r#""":{"":1}"#)),
        ("numbers without end", patient(&format!(r#""x":[1e999,-0.0,{}]"#, "9".repeat(400)))),
        ("nothing", patient(r#""name":null,"meta":{"tag":null},"contact":[null]"#)),
    ] {
        let server = server_with(&odd);
        let source = open(&server);
        let table = small("Patient");
        let mut lake = Lake::of(&*source, &table).await.unwrap();
        lake.sync(&*source, &table).await.unwrap_or_else(|e| panic!("{told}: {e}"));
        lake.assert_holds(&server, "Patient", told);
        assert_eq!(lake.rows_sent, 20, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_that_is_larger_than_allowed_is_an_error_that_says_what_to_raise() {
    let server = server_with(&patient(&format!(r#""photo":[{{"data":"{}"}}]"#, "A".repeat(1 << 20))));
    let limited = connect(&options(&server).with("max_body_bytes", "1000000")).unwrap();
    for table in tables() {
        let error = error_of(&*limited, &table).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        assert!(error.help_text().unwrap().contains("max_body_bytes"), "{error}");
    }
    let mut lake = Lake::default();
    lake.sync(&*open(&server), &"Patient".into()).await.unwrap();
    lake.assert_holds(&server, "Patient", "with the limit as it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_a_body_is_sent_changes_nothing() {
    for fault in [Fault::WrongContentType, Fault::Drip(Duration::from_millis(1))] {
        let told = format!("{fault:?}");
        let server = server_with(&patient(r#""name":[{"family":"Žofie Łąka 王"}]"#));
        server.faults().add(FaultRule { when: When::Always, path: None, fault });
        let source = open(&server);
        let table = small("Patient");
        let mut lake = Lake::of(&*source, &table).await.unwrap();
        lake.sync(&*source, &table).await.unwrap_or_else(|e| panic!("{told}: {e}"));
        lake.assert_holds(&server, "Patient", &told);
        let played: BTreeSet<bool> = server.exchanges().iter().map(|exchange| exchange.fault.is_some()).collect();
        assert_eq!(played, BTreeSet::from([true]), "{told}");
    }
}
