//! Every kind of server: the whole table, then only what changed; or an error that says what is wrong.

use lakeflow_connect::{ErrorKind, IngestionType};
use lakeflow_simulators::fhir::PERSONALITIES;

use super::*;

/// Servers that cannot be read, with what the error must say.
pub(crate) const REFUSED: &[(&str, &str)] = &[
    ("subsetted", "parts left out (SUBSETTED)"),
    ("ignores-filter", "ignores the search parameter _lastUpdated"),
    ("ignores-filter-silently", "ignores the search parameter _lastUpdated"),
    ("off-origin-links", "a link to another host"),
    ("internal-links", "a link to another host"),
    ("looping-links", "round in a circle"),
    ("html", "not FHIR JSON"),
    ("empty", "not FHIR JSON"),
    ("outcome-as-success", "OperationOutcome"),
    ("off-origin-redirect", "another host"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_server_is_read_whole_and_then_only_what_changed() {
    for kind in PERSONALITIES.iter().filter(|p| REFUSED.iter().all(|(name, _)| *name != p.name)) {
        let server = start(personality(kind.name));
        let source = open(&server);
        let table = small("Patient");
        let told = kind.name;
        let mut lake = Lake::of(&*source, &table).await.unwrap_or_else(|e| panic!("{told}: {e}"));
        lake.sync(&*source, &table).await.unwrap_or_else(|e| panic!("{told}: {e}"));
        lake.assert_holds(&server, "Patient", told);
        assert!(lake.repeated.is_empty(), "{told}: sent twice: {:?}", lake.repeated);
        change(&server, "Patient");
        // Without a Date the client's own clock counts.
        let source =
            if told == "no-date" { connect_at(&options(&server), server.clock().now()).unwrap() } else { source };
        let before = lake.rows_sent;
        lake.sync(&*source, &table).await.unwrap_or_else(|e| panic!("{told}, again: {e}"));
        lake.assert_holds(&server, "Patient", told);
        let changed = lake.rows_sent - before;
        if !lake.snapshot {
            assert!((20..30).contains(&changed), "{told}: {changed} rows for 24 changes");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_cannot_be_read_say_why() {
    for (name, why) in REFUSED {
        let server = start(personality(name));
        let table = small("Patient");
        let mut lake = Lake::default();
        let error = lake.sync(&*open(&server), &table).await.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{name}: {error}");
        assert!(error.to_string().contains(why), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_strict_mode_a_server_that_ignores_the_filter_is_read_right() {
    for name in ["ignores-filter", "ignores-filter-silently"] {
        let server = start(personality(name));
        let source = connect(&options(&server).with("strict_mode", "false")).unwrap();
        let table = small("Patient");
        let mut lake = Lake::of(&*source, &table).await.unwrap();
        assert!(!lake.snapshot, "rows are filtered here");
        lake.sync(&*source, &table).await.unwrap();
        lake.assert_holds(&server, "Patient", name);
        change(&server, "Patient");
        let before = lake.rows_sent;
        lake.sync(&*source, &table).await.unwrap();
        lake.assert_holds(&server, "Patient", name);
        assert_eq!(lake.rows_sent - before, 24, "{name}: only what changed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_of_an_internal_name_are_followed_when_they_are_to_be_rewritten() {
    let server = start(personality("internal-links"));
    let source = connect(&options(&server).with("rewrite_link_host", "true")).unwrap();
    let mut lake = Lake::default();
    lake.sync(&*source, &small("Patient")).await.unwrap();
    lake.assert_holds(&server, "Patient", "rewritten links");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_to_an_allowed_host_are_followed() {
    let server = start(personality("off-origin-links"));
    let source = connect(&options(&server).with("allowed_link_hosts", server.other_host())).unwrap();
    let mut lake = Lake::default();
    lake.sync(&*source, &small("Patient")).await.unwrap();
    lake.assert_holds(&server, "Patient", "allowed host");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_says_how_a_server_can_be_read() {
    for (name, expected) in [
        ("ties", IngestionType::Cdc),
        ("no-totals", IngestionType::Cdc),
        ("some-stamps-missing", IngestionType::Snapshot),
        ("no-stamps", IngestionType::Snapshot),
        ("no-last-updated-search", IngestionType::Snapshot),
    ] {
        let server = start(personality(name));
        let metadata = open(&server).read_table_metadata(&"Patient".into()).await.unwrap();
        assert_eq!(metadata.ingestion_type, expected, "{name}");
        assert_eq!(metadata.primary_keys, ["id"]);
        assert_eq!(metadata.cursor_field.is_some(), expected == IngestionType::Cdc, "{name}");
    }
}
