//! What can be wrong with an address, a login, an option or an answer: each is a clear error, and nothing else is lost.

use std::collections::BTreeSet;

use lakeflow_connect::{Error, ErrorKind, Retry};
use lakeflow_simulators::{
    faults::{Fault, FaultRule, When},
    fhir::Auth,
};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::path};

use super::*;

async fn error_of(options: Options, table: TableRef) -> Error {
    match connect(&options) {
        Ok(source) => Lake::default().sync(&*source, &table).await.unwrap_err(),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_base_url_is_said_to_be_one() {
    let server = start(config());
    let wrong_path = options(&server).with("base_url", format!("{}/nothing", server.base_url()));
    let error = error_of(wrong_path, "Patient".into()).await;
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("base_url"), "{error}");
    let nobody = Options::new().with("base_url", "http://127.0.0.1:1/fhir").with("max_retries", "1");
    let error = error_of(nobody, "Patient".into()).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    let error = error_of(Options::new().with("base_url", "http://fhir.example.org/r4"), "Patient".into()).await;
    assert_eq!(error.kind(), ErrorKind::Config, "plain http to another machine: {error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_fhir_is_said_to_be_none() {
    for fault in [Fault::Html, Fault::Empty] {
        let mut config = config();
        config.faults.push(FaultRule { when: When::Always, path: None, fault: fault.clone() });
        let server = start(config);
        let error = error_of(options(&server), "Patient".into()).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{fault:?}: {error}");
        assert!(error.to_string().contains("not FHIR JSON"), "{fault:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_an_auth_error() {
    let auth = Auth::Basic { user: "reader".to_owned(), password: "right".to_owned() };
    let server = start(Config { auth, ..config() });
    let login = options(&server).with("auth_type", "basic").with("username", "reader");
    let error = error_of(login.clone().with("password", "MARKER-wrong"), "Patient".into()).await;
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(!error.to_string().contains("MARKER"), "{error}");
    let mut lake = Lake::default();
    lake.sync(&*connect(&login.with("password", "right")).unwrap(), &"Patient".into()).await.unwrap();
    lake.assert_holds(&server, "Patient", "with the right password");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fixed_token_is_used_and_its_refusal_is_final() {
    let server = start(Config { auth: Auth::Bearer { token: "right".to_owned() }, ..config() });
    let login = options(&server).with("auth_type", "bearer");
    let error = error_of(login.clone().with("bearer_token", "MARKER-wrong"), "Patient".into()).await;
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    let mut lake = Lake::default();
    lake.sync(&*connect(&login.with("bearer_token", "right")).unwrap(), &"Patient".into()).await.unwrap();
    lake.assert_holds(&server, "Patient", "with the right token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_table_names_the_near_one_from_every_method() {
    let server = start(config());
    let source = open(&server);
    let table = TableRef::new("Patien");
    let errors = [
        source.get_table_schema(&table).await.unwrap_err(),
        source.read_table_metadata(&table).await.unwrap_err(),
        source.latest_offset(&table, None).await.unwrap_err(),
        source.plan(ReadRequest::new(table.clone())).await.unwrap_err(),
        Lake::default().sync(&*source, &table).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("Patient"), "{error}");
    }
    let error = source.get_table_schema(&"Account".into()).await.unwrap_err();
    assert!(error.to_string().contains("resource_types"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_options_and_bad_values_are_reported_together() {
    let server = start(config());
    let error = connect(&options(&server).with("base_ulr", "x").with("auth_type", "basik")).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("'base_url'") && error.message().contains("'basic'"), "{error}");
    let table = TableRef::new("Patient").option("page_sise", "10").option("lookback_seconds", "soon");
    let error = open(&server).get_table_schema(&table).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().contains("'page_size'") && error.message().contains("'lookback_seconds'"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_to_another_host_is_refused_and_no_credential_goes_there() {
    let mut config = personality("off-origin-links");
    config.auth = Auth::Bearer { token: "right".to_owned() };
    let server = start(config);
    let login = options(&server).with("auth_type", "bearer").with("bearer_token", "right");
    let error = error_of(login, small("Patient")).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains(&server.other_host()), "{error}");
    let counters = server.counters();
    assert!(counters.authorized_by_host.contains_key(&server.host()), "{counters:?}");
    assert!(!counters.authorized_by_host.contains_key(&server.other_host()), "{counters:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_are_not_rows_are_passed_over() {
    for name in ["includes", "outcomes", "foreign-type"] {
        let server = start(personality(name));
        let mut lake = Lake::default();
        lake.sync(&*open(&server), &small("Observation")).await.unwrap();
        lake.assert_holds(&server, "Observation", name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_cut_in_half_is_asked_for_again() {
    let server = start(config());
    let source = open(&server);
    for _ in 0..2 {
        server.faults().push_for("_getpages", Fault::Truncated);
    }
    let mut lake = Lake::default();
    lake.sync(&*source, &small("Patient")).await.unwrap();
    lake.assert_holds(&server, "Patient", "with broken pages");
    assert!(lake.repeated.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_stays_cut_is_an_error() {
    let mut config = config();
    config.faults.push(FaultRule { when: When::Always, path: Some("_sort".to_owned()), fault: Fault::Truncated });
    let error = error_of(options(&start(config)), "Patient".into()).await;
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert_eq!(error.get("table"), Some("Patient"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_of_the_wrong_type_fails_or_is_quarantined_and_the_rest_arrives() {
    let server = start(config());
    server.put(r#"{"resourceType":"Patient","id":"bad","active":{"MARKER":1}}"#).unwrap();
    server.clock().advance(Duration::from_secs(600));
    let source = open(&server);
    let table = TableRef::new("Patient");
    let error = Lake::default().sync(&*source, &table).await.unwrap_err();
    assert_eq!((error.kind(), error.get("column")), (ErrorKind::Data, Some("active")), "{error}");
    assert!(!error.to_string().contains("MARKER"), "{error}");
    let mut lake = Lake::default();
    lake.sync_request(&*source, quarantining(&table)).await.unwrap();
    assert_eq!(lake.quarantined.len(), 1);
    let row = &lake.quarantined[0];
    assert_eq!((row.key.as_deref(), row.column.as_str()), (Some(r#"{"id":"bad"}"#), "active"));
    assert!(std::str::from_utf8(&row.record).unwrap().contains("MARKER"), "the record is kept");
    let all: BTreeSet<String> = server.expected("Patient").into_iter().map(|e| e.id).filter(|id| id != "bad").collect();
    assert_eq!(lake.rows.keys().cloned().collect::<BTreeSet<_>>(), all, "nothing else is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_type_that_the_server_does_not_have_is_named() {
    let server = start(config());
    let mut config = Config { volumes: vec![Volume::new("Patient", 3)], ..Config::default() };
    config.faults.push(FaultRule {
        when: When::Always,
        path: Some("/Goal".to_owned()),
        fault: Fault::Status { status: 404, retry_after: None },
    });
    drop(server);
    let error = error_of(options(&start(config)), "Goal".into()).await;
    assert_eq!((error.kind(), error.get("table")), (ErrorKind::NotFound, Some("Goal")), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_criterion_that_the_server_does_not_use_is_an_error_and_not_left_out() {
    let table = TableRef::new("Patient").option("search_filter", "shoe-size=44");
    for name in [None, Some("ignores-prefer")] {
        let server = start(name.map_or_else(config, personality));
        let error = error_of(options(&server), table.clone()).await;
        assert_eq!(error.kind(), ErrorKind::Protocol, "{name:?}: {error}");
        assert!(error.to_string().contains("search_filter"), "{name:?}: {error}");
        let mut lake = Lake::default();
        lake.sync(&*connect(&options(&server).with("strict_mode", "false")).unwrap(), &table).await.unwrap();
        assert_eq!(lake.rows.len(), 130, "{name:?}: asked to read on without it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_capability_statement_that_fails_fails_no_table() {
    for status in [500, 503] {
        let mut config = config();
        let fault = Fault::Status { status, retry_after: None };
        config.faults.push(FaultRule { when: When::Always, path: Some("/metadata".to_owned()), fault });
        let server = start(config);
        let mut lake = Lake::default();
        lake.sync(&*open(&server), &"Patient".into()).await.unwrap();
        lake.assert_holds(&server, "Patient", &status.to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_types_cannot_be_had_while_the_server_does_not_say_which_and_the_next_try_asks_again() {
    let mut config = config();
    let fault = Fault::Status { status: 503, retry_after: None };
    config.faults.push(FaultRule { when: When::First(4), path: Some("/metadata".to_owned()), fault });
    let server = start(config);
    let source = connect(&options(&server).with("resource_types", "*").with("max_retries", "1")).unwrap();
    let errors =
        [source.list_tables().await.unwrap_err(), Lake::default().sync(&*source, &"Patient".into()).await.unwrap_err()];
    for error in errors {
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Exhausted), "{error}");
    }
    let tables = source.list_tables().await.unwrap();
    assert!(tables.contains(&"Patient".to_owned()) && tables.contains(&"Observation".to_owned()), "{tables:?}");
    let mut lake = Lake::default();
    lake.sync(&*source, &"Patient".into()).await.unwrap();
    lake.assert_holds(&server, "Patient", "afterwards");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_byte_order_mark_before_the_json_is_passed_over() {
    let server = MockServer::start().await;
    let answer = |request: &Request| {
        let asks = |name: &str, value: &str| request.url.query_pairs().any(|(n, v)| n == name && v.starts_with(value));
        let found = match (asks("_summary", "count"), asks("_lastUpdated", "ge2200")) {
            (true, _) => r#""total":1"#,
            (false, true) => r#""entry":[]"#,
            (false, false) => {
                r#""entry":[{"resource":{"resourceType":"Patient","id":"a","meta":{"lastUpdated":"2024-01-01T00:00:00Z"}}}]"#
            }
        };
        let bundle = format!("\u{feff}{{\"resourceType\":\"Bundle\",\"type\":\"searchset\",{found}}}");
        ResponseTemplate::new(200).set_body_raw(bundle, "application/fhir+json")
    };
    Mock::given(path("/fhir/Patient")).respond_with(answer).mount(&server).await;
    let source = connect(&Options::new().with("base_url", format!("{}/fhir", server.uri()))).unwrap();
    let mut lake = Lake::default();
    lake.sync(&*source, &"Patient".into()).await.unwrap();
    assert!(lake.rows["a"].starts_with(r#"{"resourceType":"Patient","id":"a""#), "{:?}", lake.rows);
    assert_eq!(lake.rows_sent, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_that_are_not_supported_are_refused_by_every_method_before_anything_is_sent() {
    let server = start(config());
    let source = open(&server);
    for (option, value, instead) in [
        ("read_mode", "history", "search, not 'history'"),
        ("read_mode", "bulk", "search, not 'bulk'"),
        ("read_mode", "auto", "search, not 'auto'"),
        ("deletes", "history", "one of auto, none"),
        ("deletes", "bulk", "one of auto, none"),
        ("deletes", "reconcile", "one of auto, none"),
        ("schema_mode", "full", "one of compat, raw"),
    ] {
        let table = TableRef::new("Patient").option(option, value);
        let errors = [
            source.get_table_schema(&table).await.unwrap_err(),
            source.read_table_metadata(&table).await.unwrap_err(),
            source.latest_offset(&table, None).await.unwrap_err(),
            source.plan(ReadRequest::new(table.clone())).await.unwrap_err(),
            Lake::default().sync(&*source, &table).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind(), error.get("table")), (ErrorKind::Config, Some("Patient")), "{error}");
            let told = format!("'{option}' must be {instead}");
            assert!(error.message().contains(&told), "{error}");
        }
    }
    assert_eq!(server.exchanges().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_does_not_exist_is_said_at_once() {
    // No resolver takes a name that begins with a hyphen, so that none has to be reached.
    let mistyped = Options::new().with("base_url", "http://-fihr.invalid/r4").with("proxy", "none");
    let mistyped = mistyped.with("allow_insecure", "true");
    let clock = Arc::new(ManualClock::new(now()));
    let source = Registry::builtin().connect("fhir", &mistyped, &Context::new().clock(clock.clone())).unwrap();
    let error = Lake::default().sync(&*source, &"Patient".into()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Never), "{error}");
    assert_eq!(error.message(), "there is no host of this name");
    assert_eq!(lakeflow_connect::clock::Clock::now(&*clock), now(), "nothing was waited for");
}

#[test]
fn a_read_outside_a_runtime_is_an_error_and_no_panic() {
    let source = connect(&Options::new().with("base_url", "http://127.0.0.1:1/fhir")).unwrap();
    let event = futures::executor::block_on(source.read_table(ReadRequest::new("Patient".into())).next());
    let error = event.unwrap().unwrap_err();
    assert!(error.to_string().contains("tokio runtime"), "{error}");
}
