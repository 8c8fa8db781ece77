//! Event frames against the simulator's oracle: begun, ended, edited, acknowledged, annotated, deleted, denied.

use std::{collections::BTreeSet, time::Duration};

use futures::TryStreamExt;
use lakeflow_connect::{ReadEvent, ReadRequest, TableRef, stream::arrow_events};
use lakeflow_simulators::osipi::{AfChange, ExpectedFrame, FrameEdit, Ticks};
use serde_json::Value;

use super::{
    columns::never_filled,
    eventframe_lake::{
        ACK, ANNOTATION, ATTRIBUTE, ELEMENT, FRAME, HOUR, Lake, check, micros, open_frame, plant, source, table,
        time_of,
    },
    rows_of,
};

#[tokio::test]
async fn all_frames_come_once_and_as_they_are() {
    let server = plant(|_| {});
    let source = source(&server);
    let mut lake = Lake::default();
    lake.read_all(&source, &table("pi_event_frames"), FRAME).await;
    check(&lake, &server);
    assert_eq!(lake.sent, lake.rows.len(), "none twice");
    let before = lake.offset.clone();
    lake.read_all(&source, &table("pi_event_frames"), FRAME).await;
    assert_eq!((lake.offset.clone(), lake.sent), (before, lake.rows.len()), "caught up");
}

#[tokio::test]
async fn what_happens_to_frames_is_followed() {
    let server = plant(|_| {});
    let (source, frames) = (source(&server), table("pi_event_frames"));
    let mut lake = Lake::default();
    lake.read_all(&source, &frames, FRAME).await;
    assert!(lake.read_deletes(&source, &frames).await.is_empty());

    let assets = server.assets();
    let now = || Ticks::from(server.clock().now());
    let all = assets.expected_frames();
    let opened: Vec<&ExpectedFrame> = all.iter().filter(|f| f.end.is_none()).collect();
    assert!(opened.len() >= 3, "the plant has open frames");
    let edit = |frame: &ExpectedFrame, edit| {
        assets.change(AfChange::EditFrame { frame: frame.web_id.clone(), edit }).unwrap();
    };
    server.clock().advance(Duration::from_secs(3600));
    edit(opened[0], FrameEdit::Close(Ticks(now().0 - HOUR / 2)));
    // Far longer ago than anything is read again for.
    edit(opened[1], FrameEdit::Close(Ticks(opened[1].start.0 + HOUR)));
    edit(opened[2], FrameEdit::Severity("Critical"));
    let database = all[0].database.clone();
    let add = |name: &str, start, end| {
        let (parent, name, elements) = (database.clone(), name.to_owned(), all[1].readable_elements.clone());
        assets.change(AfChange::AddFrame { parent, name, template: None, start, end, elements }).unwrap()
    };
    let short = add("begun and ended between two runs", Ticks(now().0 - HOUR / 4), Some(now()));
    add("entered late", Ticks(now().0 - 12 * HOUR), Some(Ticks(now().0 - 11 * HOUR)));
    let going = add("still going on", Ticks(now().0 - HOUR / 8), None);
    server.clock().advance(Duration::from_secs(60));
    let sent = lake.sent;
    lake.read_all(&source, &frames, FRAME).await;
    check(&lake, &server);
    assert_eq!(lake.sent - sent, 6, "only what is new or has changed");
    assert!(lake.read_deletes(&source, &frames).await.is_empty());

    server.clock().advance(Duration::from_secs(60));
    assets
        .change(AfChange::EditFrame { frame: short.clone(), edit: FrameEdit::Acknowledge("PLANT\\op".into()) })
        .unwrap();
    assets.change(AfChange::Delete { object: going.clone() }).unwrap();
    assets.change(AfChange::Delete { object: opened[2].web_id.clone() }).unwrap();
    lake.read_all(&source, &frames, FRAME).await;
    let gone = lake.read_deletes(&source, &frames).await;
    assert_eq!(lake.rows[&short]["acknowledged_by"], "PLANT\\op");
    let gone: BTreeSet<&str> = gone.iter().map(|row| row["event_frame_webid"].as_str().unwrap()).collect();
    assert_eq!(gone, BTreeSet::from([going.as_str(), opened[2].web_id.as_str()]));
    check(&lake, &server);
}

#[tokio::test]
async fn ten_thousand_frames_with_tied_times_are_paged_without_loss() {
    let server = plant(|af| (af.event_frames, af.tied_frames, af.denied) = (10_000, 19, false));
    let source = source(&server);
    let frames = table("pi_event_frames").option("maxCount", "2000");
    let mut lake = Lake::default();
    lake.read_all(&source, &frames, FRAME).await;
    check(&lake, &server);
    assert_eq!(lake.sent, lake.rows.len(), "none twice");
    let small = table("pi_event_frames").option("maxCount", "25").option("searchFullHierarchy", "false");
    let server = plant(|af| (af.event_frames, af.tied_frames) = (400, 19));
    let source = self::source(&server);
    let mut lake = Lake::default();
    lake.read_all(&source, &small, FRAME).await;
    let top = server.assets().expected_frames().iter().filter(|frame| frame.parent.is_none()).count();
    assert_eq!((lake.rows.len(), lake.sent), (top, top));
}

#[tokio::test]
async fn a_crash_at_any_event_loses_nothing() {
    let server = plant(|af| af.event_frames = 60);
    let source = source(&server);
    let frames = &table("pi_event_frames").option("maxCount", "9").option("max_records_per_batch", "1000");
    let events = Lake::default().read(&source, frames, FRAME, usize::MAX).await;
    assert!(events > 10, "{events}");
    for stop in 0..events {
        let mut lake = Lake::default();
        lake.read(&source, frames, FRAME, stop).await;
        lake.read_all(&source, frames, FRAME).await;
        check(&lake, &server);
    }
}

#[tokio::test]
async fn what_hangs_on_frames_comes_with_them() {
    let server = plant(|_| {});
    let source = source(&server);
    let read = async |name: &str, keys: &[&str]| {
        let mut lake = Lake::default();
        lake.read_all(&source, &table(name), keys).await;
        assert_eq!(lake.sent, lake.rows.len(), "{name}: none twice");
        lake.rows
    };
    let frames = server.assets().expected_frames();

    let rows = read("pi_eventframe_attributes", ATTRIBUTE).await;
    let wanted = frames.iter().flat_map(|f| f.attributes.iter().map(move |a| format!("{} {}", f.web_id, a.web_id)));
    let wanted: BTreeSet<String> = wanted.collect();
    let found: BTreeSet<String> = rows.keys().cloned().collect();
    let differ: Vec<_> = wanted.symmetric_difference(&found).take(3).collect();
    assert!(differ.is_empty(), "{differ:?}");

    let rows = read("pi_eventframe_referenced_elements", ELEMENT).await;
    assert_eq!(rows.len(), frames.iter().map(|f| f.elements.len()).sum::<usize>());
    for frame in &frames {
        for (i, element) in frame.elements.iter().enumerate() {
            let row = &rows[&format!("{} {element}", frame.web_id)];
            assert_eq!(row["relationship_type"], if i == 0 { "primary" } else { "referenced" });
            assert_eq!(time_of(&row["start_time"]), Some(micros(frame.start)));
            assert_eq!(time_of(&row["end_time"]), frame.end.map(micros));
            assert_eq!(row["element_name"].is_string(), frame.readable_elements.contains(element));
        }
    }

    let rows = read("pi_eventframe_acknowledgements", ACK).await;
    assert_eq!(rows.len(), frames.iter().filter(|f| f.acknowledged.is_some()).count());
    for frame in frames.iter().filter(|f| f.acknowledged.is_some()) {
        let row = rows.values().find(|row| row["event_frame_webid"] == frame.web_id.as_str()).unwrap();
        let (user, at) = frame.acknowledged.as_ref().unwrap();
        assert_eq!(
            (row["ack_user"].as_str(), time_of(&row["ack_timestamp"])),
            (Some(user.as_str()), Some(micros(*at)))
        );
    }

    let rows = read("pi_eventframe_annotations", ANNOTATION).await;
    assert_eq!(rows.len(), frames.iter().map(|f| f.annotations.len()).sum::<usize>());
    for (frame, note) in frames.iter().flat_map(|f| f.annotations.iter().map(move |a| (f, a))) {
        let row = &rows[&format!("{} {}", frame.web_id, note.id)];
        let text = note.value.as_str().unwrap_or(&note.description);
        assert_eq!(row["text"], text);
        assert_eq!(row["annotation_user"], note.creator.as_str());
        assert_eq!(time_of(&row["annotation_timestamp"]), Some(micros(note.created)));
        assert_eq!(serde_json::from_str::<Value>(row["value_json"].as_str().unwrap()).unwrap(), note.value);
    }
}

/// A value of the oracle as the map of attributes has it.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Object(state) if state.contains_key("Name") => as_text(&state["Name"]),
        other => Some(other.to_string()),
    }
}

#[tokio::test]
async fn attributes_come_with_their_values() {
    let server = plant(|_| {});
    let source = source(&server);
    let frames = server.assets().expected_frames();
    let mut lake = Lake::default();
    lake.read_all(&source, &TableRef::new("pi_event_frames").option("lookback_days", "60"), FRAME).await;
    let mut compared = 0;
    for frame in &frames {
        let map = &lake.rows[&frame.web_id]["attributes"];
        for attribute in frame.attributes.iter().filter(|a| a.value.is_some()) {
            let wanted = attribute.value.as_ref().and_then(as_text);
            if !matches!(attribute.value, Some(Value::Object(_)) if attribute.value.as_ref().unwrap().get("Errors").is_some())
            {
                assert_eq!(map[&attribute.path].as_str(), wanted.as_deref(), "{} {}", frame.web_id, attribute.path);
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "{compared}");

    let mut lake = Lake::default();
    lake.read_all(&source, &table("pi_eventframe_values"), ATTRIBUTE).await;
    assert_eq!(lake.rows.len(), frames.iter().map(|f| f.attributes.len()).sum::<usize>());
    for (frame, attribute) in frames.iter().flat_map(|f| f.attributes.iter().map(move |a| (f, a))) {
        let row = &lake.rows[&format!("{} {}", frame.web_id, attribute.web_id)];
        if let Some(Value::Number(number)) = &attribute.value {
            assert_eq!(row["value"].as_f64(), number.as_f64(), "{row}");
            assert_eq!(row["good"], attribute.good);
        }
    }
}

#[tokio::test]
async fn j01_every_column_of_event_frames_is_filled_by_some_row() {
    let server = plant(|_| {});
    let source = source(&server);
    let mut empty = BTreeSet::new();
    for name in [
        "pi_event_frames",
        "pi_eventframe_attributes",
        "pi_eventframe_referenced_elements",
        "pi_eventframe_acknowledgements",
        "pi_eventframe_annotations",
        "pi_eventframe_values",
    ] {
        let table = TableRef::new(name).option("lookback_days", "60");
        let schema = source.get_table_schema(&table).await.unwrap();
        let mut events = arrow_events(&source, ReadRequest::new(table));
        let mut rows = Vec::new();
        while let Some(event) = events.try_next().await.unwrap() {
            let ReadEvent::Records(records) = event else { continue };
            rows.extend(rows_of(&records));
        }
        empty.append(&mut never_filled(name, &schema, &rows));
    }
    let untold = [
        // The API does not tell comments.
        "pi_eventframe_acknowledgements.comment",
        // No frame's attribute refers to a point.
        "pi_eventframe_attributes.point_webid",
        // The plant captures no lists and no broken values.
        "pi_eventframe_values.value_json",
        "pi_eventframe_values.errors",
    ];
    assert_eq!(empty, untold.map(str::to_owned).into());
}

#[tokio::test]
async fn a_second_note_on_a_closed_frame_is_read() {
    let server = plant(|_| {});
    let source = source(&server);
    let notes = table("pi_eventframe_annotations");
    let mut lake = Lake::default();
    let frame = open_frame(&server);
    let edit = |edit| server.assets().change(AfChange::EditFrame { frame: frame.web_id.clone(), edit }).unwrap();
    edit(FrameEdit::Close(Ticks::from(server.clock().now())));
    edit(FrameEdit::Annotate("PLANT\\a".into(), "first".into()));
    server.clock().advance(Duration::from_secs(60));
    lake.read_all(&source, &notes, ANNOTATION).await;
    edit(FrameEdit::Annotate("PLANT\\b".into(), "second".into()));
    server.clock().advance(Duration::from_secs(60));
    let sent = lake.sent;
    lake.read_all(&source, &notes, ANNOTATION).await;
    assert!(lake.rows.values().any(|row| row["text"] == "second"));
    assert!(lake.sent - sent <= 3, "only the notes of that frame");
}

#[tokio::test]
async fn a_frame_that_may_not_be_read_does_not_count_as_deleted() {
    let server = plant(|_| {});
    let (source, frames) = (source(&server), table("pi_event_frames"));
    let mut lake = Lake::default();
    lake.read_all(&source, &frames, FRAME).await;
    lake.read_deletes(&source, &frames).await;
    let frame = open_frame(&server);
    let deny = |denied| server.assets().change(AfChange::Deny { object: frame.web_id.clone(), denied }).unwrap();
    deny(true);
    server.clock().advance(Duration::from_secs(60));
    let quarantine = frames.clone().option("on_tag_error", "quarantine");
    lake.read_all(&source, &quarantine, FRAME).await;
    let gone = lake.read_deletes(&source, &quarantine).await;
    deny(false);
    server.clock().advance(Duration::from_secs(60));
    lake.read_all(&source, &quarantine, FRAME).await;
    lake.read_deletes(&source, &quarantine).await;
    // A server that hides what may not be read cannot be told from one that has deleted it; it comes back then.
    assert!(gone.is_empty() || gone.iter().all(|row| row["event_frame_webid"] == frame.web_id.as_str()), "{gone:?}");
    check(&lake, &server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_comes_is_read_and_goes_between_two_looks_for_deletions_is_told() {
    for same_connection in [true, false] {
        let server = plant(|_| {});
        let (mut connection, frames) = (source(&server), table("pi_event_frames"));
        let mut lake = Lake::default();
        lake.read_deletes(&connection, &frames).await;
        lake.read_all(&connection, &frames, FRAME).await;
        let assets = server.assets();
        let some = assets.expected_frames().remove(0);
        let now = || Ticks::from(server.clock().now());
        // After so long everything is looked at again, also frames that are entered late.
        server.clock().advance(Duration::from_secs(8 * 86_400));
        let add = |name: &str, start, end| {
            let (parent, name) = (some.database.clone(), name.to_owned());
            let frame = AfChange::AddFrame {
                parent,
                name,
                template: None,
                start,
                end,
                elements: some.readable_elements.clone(),
            };
            assets.change(frame).unwrap()
        };
        let added = [
            add("short", Ticks(now().0 - HOUR), Some(Ticks(now().0 - HOUR / 2))),
            add("going on", Ticks(now().0 - HOUR), None),
            add("entered very late", Ticks(now().0 - 240 * HOUR), Some(Ticks(now().0 - 239 * HOUR))),
        ];
        server.clock().advance(Duration::from_secs(60));
        lake.read_all(&connection, &frames, FRAME).await;
        assert!(added.iter().all(|frame| lake.rows.contains_key(frame)));
        for frame in &added {
            assets.change(AfChange::Delete { object: frame.clone() }).unwrap();
        }
        server.clock().advance(Duration::from_secs(60));
        if !same_connection {
            // The host broke off before it looked for deletions.
            connection = source(&server);
        }
        lake.read_all(&connection, &frames, FRAME).await;
        let gone = lake.read_deletes(&connection, &frames).await;
        let gone: BTreeSet<&str> = gone.iter().map(|row| row["event_frame_webid"].as_str().unwrap()).collect();
        assert_eq!(gone, added.iter().map(String::as_str).collect(), "same connection: {same_connection}");
        check(&lake, &server);
        assert!(lake.read_deletes(&connection, &frames).await.is_empty(), "told once");
    }
}
