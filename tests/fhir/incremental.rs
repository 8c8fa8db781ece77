//! Offsets: where a read ends, where the next one begins, and what lies between.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use lakeflow_connect::{Error, ErrorKind, LakeflowConnect};
use lakeflow_simulators::{
    fhir::{LateCommit, Ties, Totals},
    journal::Exchange,
};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_read_brings_only_what_changed() {
    let server = start(config());
    let source = open(&server);
    let table = TableRef::new("Patient");
    let mut lake = Lake::default();
    lake.sync(&*source, &table).await.unwrap();
    assert_eq!(lake.rows_sent, 130);
    lake.sync(&*source, &table).await.unwrap();
    assert_eq!(lake.rows_sent, 130, "nothing has changed");
    change(&server, "Patient");
    lake.sync(&*source, &table).await.unwrap();
    assert_eq!(lake.rows_sent, 130 + 19 + 5);
    lake.assert_holds(&server, "Patient", "second read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_stopped_at_any_event_goes_on_without_loss() {
    let server = start(config());
    let source = open(&server);
    let table = small("Patient");
    let total = source.read_table(ReadRequest::new(table.clone())).count().await;
    assert!(total >= 6, "{total} events are too few to stop at");
    for stop in 0..total {
        let mut lake = Lake::default();
        let mut events = source.read_table(ReadRequest::new(table.clone())).take(stop);
        let mut unit = Vec::new();
        while let Some(event) = events.try_next().await.unwrap() {
            match event {
                ReadEvent::Records(Records::Arrow(batch)) => unit.push(batch),
                ReadEvent::Checkpoint(offset) => {
                    unit.drain(..).for_each(|batch| lake.take(&batch));
                    lake.offset = Some(offset);
                }
                other => panic!("{other:?}"),
            }
        }
        lake.sync(&*source, &table).await.unwrap();
        lake.assert_holds(&server, "Patient", &format!("stopped at event {stop}"));
        assert!(lake.repeated.is_empty(), "stopped at event {stop}: sent twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_are_about_as_large_as_asked() {
    let server = start(config());
    let mut events = open(&server).read_table(ReadRequest::new(small("Patient")));
    let (mut rows, mut units) = (0, Vec::new());
    while let Some(event) = events.try_next().await.unwrap() {
        match event {
            ReadEvent::Records(records) => rows += records.rows(),
            ReadEvent::Checkpoint(_) => units.push(std::mem::take(&mut rows)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((rows, units.iter().sum::<usize>()), (0, 130));
    // What is counted for a window reaches two seconds over its ends, so a unit may be a few rows larger than its count.
    assert!(units.iter().all(|unit| *unit <= 60) && units.len() <= 8, "{units:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn max_records_ends_at_a_checkpoint() {
    let server = start(config());
    let source = open(&server);
    let table = small("Patient");
    let mut lake = Lake::default();
    let mut rounds = 0;
    while rounds < 20 {
        let before = lake.rows_sent;
        let request = ReadRequest::new(table.clone()).start(lake.offset.clone()).max_records(40);
        lake.sync_request(&*source, request).await.unwrap();
        if lake.rows_sent == before {
            break;
        }
        rounds += 1;
    }
    assert!((2..=5).contains(&rounds), "{rounds} rounds");
    assert_eq!(lake.rows_sent, 130);
    lake.assert_holds(&server, "Patient", "in rounds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_rows_of_one_instant_stay_in_one_unit() {
    let mut config = config();
    config.stamps.ties = Ties::All;
    let server = start(config);
    let mut lake = Lake::default();
    lake.sync(&*open(&server), &small("Patient")).await.unwrap();
    lake.assert_holds(&server, "Patient", "one instant");
    assert!(lake.repeated.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_becomes_visible_late_is_found() {
    let server = start(Config { late_commit: None::<LateCommit>, ..config() });
    let source = open(&server);
    let table = TableRef::new("Patient");
    let mut lake = Lake::default();
    lake.sync(&*source, &table).await.unwrap();
    let id = server.ids("Patient").first().unwrap().clone();
    server.revise_late("Patient", &id, Duration::from_secs(100)).unwrap();
    for _ in 0..10 {
        server.clock().advance(Duration::from_secs(30));
        lake.sync(&*source, &table).await.unwrap();
    }
    lake.assert_holds(&server, "Patient", "late write");
    assert_eq!(lake.rows_sent, 131, "once, and nothing else twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_holds_and_a_bounded_read_repeats() {
    let server = start(config());
    let source = open(&server);
    let table = small("Patient");
    let until = source.latest_offset(&table, None).await.unwrap().unwrap();
    change(&server, "Patient");
    let mut bounded = Lake::default();
    bounded.sync_request(&*source, ReadRequest::new(table.clone()).until(until.clone())).await.unwrap();
    assert!(bounded.rows.keys().all(|id| !id.starts_with("new-")), "nothing after the bound");
    let mut again = Lake::default();
    again.sync_request(&*source, ReadRequest::new(table.clone()).until(until.clone())).await.unwrap();
    assert_eq!(bounded.rows, again.rows);
    bounded.offset = Some(until);
    bounded.sync(&*source, &table).await.unwrap();
    bounded.assert_holds(&server, "Patient", "bounded, then the rest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_latest_offset_of_a_table_that_is_read_up_is_its_own() {
    let server = start(config());
    let source = open(&server);
    let table = TableRef::new("Patient");
    let mut lake = Lake::default();
    lake.sync(&*source, &table).await.unwrap();
    let latest = source.latest_offset(&table, lake.offset.as_ref()).await.unwrap();
    assert_eq!(latest, lake.offset);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn planned_requests_cover_the_table_and_do_not_overlap() {
    let server = start(config());
    let source = open(&server);
    let table = small("Patient");
    let until = source.latest_offset(&table, None).await.unwrap().unwrap();
    let requests = source.plan(ReadRequest::new(table.clone()).until(until.clone())).await.unwrap();
    assert!(requests.len() >= 3, "{} requests", requests.len());
    let mut rows = BTreeMap::new();
    for request in requests {
        let mut part = Lake::default();
        part.sync_request(&*source, request).await.unwrap();
        for (id, raw) in part.rows {
            assert!(rows.insert(id.clone(), raw).is_none(), "{id} is in two parts");
        }
    }
    let mut lake = Lake { rows, offset: Some(until), ..Lake::default() };
    lake.assert_holds(&server, "Patient", "in parts");
    change(&server, "Patient");
    lake.sync(&*source, &table).await.unwrap();
    lake.assert_holds(&server, "Patient", "after parts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_timestamp_leaves_out_what_is_older() {
    let server = start(config());
    let table = TableRef::new("Patient").option("start_timestamp", "2024-01-01T00:01:00Z");
    let mut lake = Lake::default();
    lake.sync(&*open(&server), &table).await.unwrap();
    let newer =
        server.expected("Patient").iter().filter(|e| e.last_updated.as_deref() >= Some("2024-01-01T00:01:00")).count();
    assert!(newer > 10 && newer < 130);
    assert_eq!(lake.rows.len(), newer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_asked_before_the_first_poll() {
    let server = start(config());
    let source = open(&server);
    let events = source.read_table(ReadRequest::new("Patient".into()));
    drop(events);
    assert_eq!(server.exchanges().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_without_a_stamp_come_with_the_first_load_of_a_server_that_does_not_count() {
    let mut config = personality("some-stamps-missing");
    config.search.totals = Totals::Absent;
    let server = start(config);
    let source = open(&server);
    let table = small("Patient");
    let mut lake = Lake::of(&*source, &table).await.unwrap();
    assert!(!lake.snapshot, "nobody can tell before reading");
    lake.sync(&*source, &table).await.unwrap();
    lake.assert_holds(&server, "Patient", "first load");
    assert!(lake.repeated.is_empty());
    lake.sync(&*source, &table).await.unwrap();
    assert_eq!(lake.rows_sent, 130);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_says_so_and_ends_where_rows_cannot_appear_any_more() {
    let server = start(personality("some-stamps-missing"));
    let table = TableRef::new("Patient");
    let mut lake = Lake::of(&*open(&server), &table).await.unwrap();
    assert!(lake.snapshot);
    lake.sync(&*open(&server), &table).await.unwrap();
    let offset = lake.offset.as_ref().unwrap().to_json();
    assert!(offset.contains("\"snapshot\":true"), "{offset}");
    let latest = open(&server).latest_offset(&table, lake.offset.as_ref()).await.unwrap().unwrap().to_json();
    let settled = |text: &str| text.split("\"settled\":\"").nth(1).unwrap()[..19].to_owned();
    let mark = |text: &str| text.split("\"mark\":\"").nth(1).unwrap()[..19].to_owned();
    assert!(settled(&offset) < mark(&offset), "{offset} {latest}");
    change(&server, "Patient");
    lake.sync(&*open(&server), &table).await.unwrap();
    lake.assert_holds(&server, "Patient", "a new connection knows from the offset to read all again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_timestamp_leaves_out_what_is_older_of_a_snapshot_too() {
    let server = start(personality("no-last-updated-search"));
    let table = TableRef::new("Patient").option("start_timestamp", "2024-01-01T00:01:00Z");
    let mut lake = Lake::default();
    lake.sync(&*open(&server), &table).await.unwrap();
    assert!(lake.rows.len() > 10 && lake.rows.len() < 130, "{} rows", lake.rows.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_was_read_as_a_whole_owes_one_look_for_rows_without_a_stamp() {
    let mut config = personality("some-stamps-missing");
    config.search.totals = Totals::Absent;
    let server = start(config);
    let source = open(&server);
    let table = small("Patient");
    let mut lake = Lake::default();
    lake.sync(&*source, &table).await.unwrap();
    // As a run leaves it that could only read the table as a whole.
    let whole = lake.offset.unwrap().to_json().replacen('{', r#"{"snapshot":true,"#, 1);
    let mut lake = Lake { offset: Some(Offset::from_json(&whole).unwrap()), ..Lake::default() };
    server.clock().advance(Duration::from_secs(600));
    lake.sync(&*source, &table).await.unwrap();
    let expected = server.expected("Patient");
    let unstamped = expected.iter().filter(|e| e.last_updated.is_none()).map(|e| &e.id);
    assert!(lake.rows.keys().eq(unstamped), "{:?}", lake.rows.keys());
    assert!(lake.rows.len() > 20 && lake.repeated.is_empty());
    assert!(!lake.offset.as_ref().unwrap().to_json().contains("snapshot"), "{:?}", lake.offset);
    let sent = lake.rows_sent;
    server.clock().advance(Duration::from_secs(600));
    lake.sync(&*source, &table).await.unwrap();
    assert_eq!(lake.rows_sent, sent, "owed once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn estimated_totals_neither_prove_nor_hide_rows_without_a_stamp() {
    for missing in [None, Some(3)] {
        let mut config = personality("estimated-totals");
        config.add_personality("no-total").unwrap();
        config.stamps.missing_every = missing;
        let server = start(config);
        let source = open(&server);
        let table = small("Patient");
        let mut lake = Lake::of(&*source, &table).await.unwrap();
        assert!(!lake.snapshot, "{missing:?}: an estimate is no reason to read everything each time");
        lake.sync(&*source, &table).await.unwrap();
        lake.assert_holds(&server, "Patient", &format!("{missing:?}"));
        assert!(lake.repeated.is_empty(), "{missing:?}");
        let named = |exchange: &Exchange, name: &str| exchange.parameter(name).is_some();
        let asked = server.exchanges();
        let walks = asked.iter().filter(|e| {
            named(e, "_count")
                && !["_lastUpdated", "_lastUpdated:missing", "_getpages"].iter().any(|name| named(e, name))
        });
        assert_eq!(walks.count(), 2, "{missing:?}: without counts only a second walk proves the first");
    }
}

async fn expired(source: &dyn LakeflowConnect, table: &TableRef, offset: Offset) -> Error {
    let error = Lake { offset: Some(offset), ..Lake::default() }.sync(source, table).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OffsetExpired, "{error}");
    assert!(error.help_text().is_some(), "{error}");
    error
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_that_cannot_be_honoured_is_refused() {
    let server = start(config());
    let source = open(&server);
    let table = TableRef::new("Patient");
    let mut lake = Lake::default();
    lake.sync(&*source, &table).await.unwrap();
    let offset = lake.offset.unwrap();
    let changed = |from: &str, to: &str| {
        let text = offset.to_json();
        assert!(text.contains(from), "{from} not in {text}");
        Offset::from_json(&text.replace(from, to)).unwrap()
    };
    let year = now().format("%Y-").to_string();
    expired(&*source, &table, changed(&year, "2199-")).await;
    expired(&*source, &table, changed("\"v\":1", "\"v\":2")).await;
    expired(&*source, &table, Offset::from_json("{}").unwrap()).await;
    expired(&*source, &TableRef::new("Observation"), offset.clone()).await;
    expired(&*source, &table.clone().option("search_filter", "gender=male"), offset.clone()).await;
    let other = start(config());
    expired(&*open(&other), &table, offset).await;
}
