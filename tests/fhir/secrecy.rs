//! No credential and nobody's data in errors, offsets or descriptions.

use futures::StreamExt;
use lakeflow_simulators::{
    faults::{Fault, FaultRule, When},
    fhir::Auth,
};

use super::*;

const PATIENT: &str =
    r#"{"resourceType":"Patient","id":"MARKER-id","name":[{"family":"MARKER-name"}],"active":"MARKER-value"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_and_offsets_hold_no_token_and_no_patient() {
    let faults = [
        Fault::Status { status: 400, retry_after: None },
        Fault::Status { status: 403, retry_after: None },
        Fault::Status { status: 500, retry_after: None },
        Fault::ErrorAsSuccess,
        Fault::Html,
        Fault::Truncated,
        Fault::NoAnswer,
    ];
    for fault in faults {
        let mut config = config();
        config.auth = Auth::Bearer { token: "MARKER-token".to_owned() };
        let server = start(config);
        server.put(PATIENT).unwrap();
        server.clock().advance(Duration::from_secs(600));
        let login = options(&server).with("auth_type", "bearer").with("bearer_token", "MARKER-token");
        let source = connect(&login.with("max_retries", "1").with("strict_mode", "false")).unwrap();
        let table = small("Patient").option("search_filter", "family=MARKER-name");
        source.read_table_metadata(&table).await.unwrap();
        server.faults().add(FaultRule { when: When::Always, path: Some("_count=20".to_owned()), fault: fault.clone() });
        let error = Lake::default().sync(&*source, &table).await.expect_err("the fault shows");
        let told = format!("{error} {error:?} {:?}", source.describe().await.unwrap());
        assert!(!told.contains("MARKER"), "{fault:?}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_hold_no_patient_but_in_rows() {
    let server = start(config());
    server.put(PATIENT).unwrap();
    server.clock().advance(Duration::from_secs(600));
    let source = open(&server);
    let mut events = source.read_table(quarantining(&TableRef::new("Patient")));
    let mut quarantined = 0;
    while let Some(event) = events.next().await {
        match event.unwrap() {
            ReadEvent::Records(_) => {}
            ReadEvent::Quarantined(rows) => {
                quarantined += rows.len();
                assert!(!format!("{rows:?}").contains("MARKER"), "{rows:?}");
            }
            ReadEvent::Checkpoint(offset) => assert!(!offset.to_json().contains("MARKER")),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(quarantined, 1);
}
