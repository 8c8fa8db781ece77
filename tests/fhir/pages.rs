//! From page to page: how far a server lets a search be paged, and how long to wait in between.

use lakeflow_connect::{ErrorKind, Retry, clock::Clock as _};
use lakeflow_simulators::fhir::Ties;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_are_cut_where_a_server_refuses_to_page_on() {
    let server = start(personality("deep-paging-refused"));
    let table = TableRef::new("Patient").option("page_size", "10").option("max_records_per_batch", "1000");
    let mut lake = Lake::default();
    lake.sync(&*open(&server), &table).await.unwrap();
    lake.assert_holds(&server, "Patient", "130 rows where 31 can be paged over");
    assert!(lake.repeated.is_empty());
    assert!(server.exchanges().iter().any(|exchange| exchange.status == 400), "the limit was not met");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_instant_with_more_than_can_be_paged_is_an_error_and_a_larger_page_helps() {
    let mut config = personality("deep-paging-refused");
    config.stamps.ties = Ties::All;
    let server = start(config);
    let source = open(&server);
    let mut lake = Lake::default();
    let error = lake.sync(&*source, &small("Patient")).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Protocol, Retry::Never), "{error}");
    assert_eq!((error.get("table"), error.get("shown")), (Some("Patient"), Some("40")), "{error}");
    assert!(error.help_text().unwrap().contains("page_size"), "{error}");
    lake.sync(&*source, &TableRef::new("Patient").option("page_size", "200")).await.unwrap();
    lake.assert_holds(&server, "Patient", "read on in larger pages");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_delay_is_waited_before_each_page_that_a_link_leads_to() {
    let server = start(config());
    let clock = Arc::new(ManualClock::new(now()));
    let source = Registry::builtin().connect("fhir", &options(&server), &Context::new().clock(clock.clone())).unwrap();
    for (delay, seconds) in [("0", 0.0), ("2.5", 2.5)] {
        let (begun, before) = (clock.now(), server.exchanges().len());
        let table = small("Patient").option("page_size", "10").option("page_delay", delay);
        let mut lake = Lake::default();
        lake.sync(&*source, &table).await.unwrap();
        lake.assert_holds(&server, "Patient", delay);
        let followed = server.exchanges().iter().skip(before).filter(|e| e.parameter("_getpages").is_some()).count();
        assert!(followed >= 4, "{followed} pages were led to");
        assert_eq!((clock.now() - begun).as_seconds_f64(), seconds * followed as f64, "{delay}: {followed} pages");
    }
}
