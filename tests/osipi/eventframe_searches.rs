//! Event frames by a search of the user's own, by their WebIDs, and as the public connector has them.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use lakeflow_connect::{ErrorKind, ReadRequest};
use lakeflow_simulators::osipi::{ExpectedFrame, RunningServer, Ticks};
use serde_json::Value;

use super::eventframe_lake::{FRAME, Lake, check_frame, plant, source, table};

const DAY: i64 = 86_400 * 10_000_000;

fn webids<'a>(frames: impl IntoIterator<Item = &'a ExpectedFrame>) -> BTreeSet<String> {
    frames.into_iter().map(|frame| frame.web_id.clone()).collect()
}

/// What a search finds, each frame as the oracle has it.
async fn found(server: &RunningServer, mode: &str, days: &str) -> BTreeSet<String> {
    let table = table("pi_event_frames").option("searchMode", mode).option("lookback_days", days);
    let mut lake = Lake::default();
    lake.read_all(&source(server), &table, FRAME).await;
    assert_eq!(lake.sent, lake.rows.len(), "{mode}: none twice");
    for frame in server.assets().expected_frames() {
        if let Some(row) = lake.rows.get(&frame.web_id) {
            check_frame(row, &frame);
        }
    }
    let before = lake.sent;
    lake.read_all(&source(server), &table, FRAME).await;
    assert_eq!(lake.sent, before, "{mode}: the clock stands still");
    lake.rows.into_keys().collect()
}

#[tokio::test]
async fn each_search_mode_finds_what_it_says() {
    let server = plant(|af| af.event_frames = 120);
    let hi = Ticks::from(server.clock().now());
    let lo = Ticks(hi.0 - 5 * DAY);
    let frames = server.assets().expected_frames();
    let started = |frame: &ExpectedFrame| (lo..=hi).contains(&frame.start);
    let ended = |frame: &ExpectedFrame| frame.end.is_some_and(|end| (lo..=hi).contains(&end));
    type Rule<'a> = &'a dyn Fn(&ExpectedFrame) -> bool;
    let rules: [(&str, Rule); 9] = [
        ("StartInclusive", &started),
        ("EndInclusive", &ended),
        ("Inclusive", &|frame| started(frame) && ended(frame)),
        ("Overlapped", &|frame| frame.start <= hi && frame.end.is_none_or(|end| end >= lo)),
        ("InProgress", &|frame| started(frame) && frame.end.is_none()),
        ("BackwardFromStartTime", &|frame| frame.start <= hi),
        ("ForwardFromStartTime", &|frame| frame.start >= lo),
        ("BackwardFromEndTime", &|frame| frame.end.is_some_and(|end| end <= hi)),
        ("ForwardInProgress", &|frame| frame.start >= lo && frame.end.is_none()),
    ];
    let mut sizes = BTreeSet::new();
    for (mode, rule) in rules {
        let wanted = webids(frames.iter().filter(|frame| rule(frame)));
        assert!(!wanted.is_empty(), "{mode}");
        sizes.insert(wanted.len());
        assert_eq!(found(&server, mode, "5").await, wanted, "{mode}");
    }
    assert!(sizes.len() > 4, "the modes differ: {sizes:?}");
}

#[tokio::test]
async fn frames_named_by_webid_are_read_and_one_that_is_gone_is_told() {
    let server = plant(|_| {});
    let all = server.assets().expected_frames();
    let wanted: Vec<&ExpectedFrame> = all.iter().step_by(7).collect();
    let names: Vec<&str> = wanted.iter().map(|frame| frame.web_id.as_str()).collect();
    let named = table("pi_event_frames").option("event_frame_webids", names.join(","));
    let mut lake = Lake::default();
    lake.read_all(&source(&server), &named, FRAME).await;
    assert_eq!((lake.rows.len(), lake.sent), (wanted.len(), wanted.len()));
    wanted.iter().for_each(|frame| check_frame(&lake.rows[&frame.web_id], frame));

    let gone = all[0].web_id.replace(|c: char| c == all[0].web_id.chars().last().unwrap(), "A");
    let named = table("pi_event_frames").option("event_frame_webids", format!("{gone},{}", names[1]));
    let request = ReadRequest::new(named.clone());
    let error = source(&server).read_table(request).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!((error.kind(), error.get("webid")), (ErrorKind::NotFound, Some(gone.as_str())), "{error}");
    let mut lake = Lake::default();
    lake.read_all(&source(&server), &named.option("on_tag_error", "quarantine"), FRAME).await;
    assert_eq!(lake.rows.keys().collect::<Vec<_>>(), [names[1]]);
    let wrong = table("pi_event_frames").option("event_frame_webids", "F1");
    let error = source(&server).read_table(ReadRequest::new(wrong)).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!((error.kind(), error.get("option")), (ErrorKind::Config, Some("event_frame_webids")), "{error}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_told_by_name() {
    let server = plant(|_| {});
    let table =
        table("pi_event_frames").option("assetdatabase_webid", "I1RDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    let error = source(&server).read_table(ReadRequest::new(table)).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.get("assetdatabase_webid").is_some());
}

#[tokio::test]
async fn compat_upstream_gives_the_public_columns_of_each_frame_with_empty_text_for_none() {
    let server = plant(|_| {});
    let frames = server.assets().expected_frames();
    assert!(
        frames.iter().any(|frame| frame.template.is_empty() && frame.end.is_none()),
        "there is text to leave empty"
    );
    for (name, keys) in [
        ("pi_event_frames", &["event_frame_webid", "start_time"][..]),
        ("pi_eventframe_attributes", &["event_frame_webid", "attribute_webid"]),
        ("pi_eventframe_referenced_elements", &["event_frame_webid", "element_webid"]),
        ("pi_eventframe_acknowledgements", &["event_frame_webid", "ack_id"]),
        ("pi_eventframe_annotations", &["event_frame_webid", "annotation_id"]),
    ] {
        let table = table(name).option("compat", "upstream");
        let schema = source(&server).get_table_schema(&table).await.unwrap();
        let text: Vec<&str> = schema
            .fields
            .iter()
            .filter(|field| field.data_type == lakeflow_connect::types::DataType::String)
            .map(|field| field.name.as_str())
            .collect();
        let mut lake = Lake::default();
        lake.read_all(&source(&server), &table, keys).await;
        assert!(!lake.rows.is_empty(), "{name}");
        for row in lake.rows.values() {
            assert!(text.iter().all(|column| row[column].is_string()), "{name}: {row}");
            assert!(row.as_object().unwrap().keys().all(|column| schema.field(column).is_some()), "{name}: {row}");
        }
        if name == "pi_event_frames" {
            assert_eq!(lake.rows.len(), frames.len());
            let open = |row: &&Value| row.get("end_time").is_none();
            let wanted = frames.iter().filter(|frame| frame.end.is_none()).count();
            assert_eq!(lake.rows.values().filter(open).count(), wanted, "an open frame has no end");
        }
    }
}
