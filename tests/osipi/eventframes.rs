//! Event frames against the simulator's oracle: begun, ended, edited, acknowledged, annotated, deleted, denied.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use lakeflow_connect::{LakeflowConnect, Offset, Options, ReadEvent, ReadRequest, TableRef, stream::arrow_events};
use lakeflow_simulators::{
    clock::SimClock,
    osipi::{AfChange, AfConfig, Config, ExpectedFrame, FrameEdit, RunningServer, Server, Ticks},
};
use serde_json::Value;

use super::{connect, rows_of};

const NOW: &str = "2026-03-18T10:20:30Z";
const HOUR: i64 = 36_000_000_000;

pub(super) fn plant(change: impl FnOnce(&mut AfConfig)) -> RunningServer {
    let now: DateTime<Utc> = NOW.parse().unwrap();
    let mut config = Config { clock: SimClock::fixed(now), ..Config::default() };
    change(&mut config.af);
    Server::start(config).unwrap()
}

pub(super) fn source(server: &RunningServer) -> Arc<dyn LakeflowConnect> {
    connect(&Options::new().with("pi_base_url", server.base_url()).with("auth_type", "anonymous")).unwrap()
}

pub(super) fn table(name: &str) -> TableRef {
    let table = TableRef::new(name).option("lookback_days", "60");
    if name == "pi_event_frames" { table.option("include_attribute_values", "false") } else { table }
}

/// What a host has stored: rows by key, and the offset.
#[derive(Default)]
pub(super) struct Lake {
    pub(super) rows: BTreeMap<String, Value>,
    offset: Option<Offset>,
    deletes: Option<Offset>,
    /// Rows that came, repeated ones too.
    pub(super) sent: usize,
}

impl Lake {
    /// Takes in what is new; stops after `most` events as a crash would.
    async fn read(&mut self, source: &Arc<dyn LakeflowConnect>, table: &TableRef, keys: &[&str], most: usize) -> usize {
        let request = ReadRequest::new(table.clone()).start(self.offset.clone());
        let mut events = arrow_events(source, request);
        let mut unit = Vec::new();
        let mut seen = 0;
        while seen < most {
            let Some(event) = events.try_next().await.unwrap() else { break };
            seen += 1;
            match event {
                ReadEvent::Records(records) => unit.extend(rows_of(&records)),
                ReadEvent::Checkpoint(offset) => {
                    self.sent += unit.len();
                    for row in unit.drain(..) {
                        self.rows.insert(key(&row, keys), row);
                    }
                    self.offset = Some(offset);
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(most < usize::MAX || unit.is_empty(), "the last rows have no checkpoint");
        seen
    }

    pub(super) async fn read_all(&mut self, source: &Arc<dyn LakeflowConnect>, table: &TableRef, keys: &[&str]) {
        self.read(source, table, keys, usize::MAX).await;
    }

    async fn read_deletes(&mut self, source: &Arc<dyn LakeflowConnect>, table: &TableRef) -> Vec<Value> {
        let request = ReadRequest::new(table.clone()).start(self.deletes.clone());
        let mut events = source.read_table_deletes(request);
        let mut gone = Vec::new();
        while let Some(event) = events.try_next().await.unwrap() {
            match event {
                ReadEvent::Records(records) => gone.extend(rows_of(&records)),
                ReadEvent::Checkpoint(offset) => self.deletes = Some(offset),
                other => panic!("{other:?}"),
            }
        }
        for row in &gone {
            self.rows.remove(&key(row, FRAME));
        }
        gone
    }
}

fn key(row: &Value, keys: &[&str]) -> String {
    keys.iter().map(|name| row[name].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

pub(super) const FRAME: &[&str] = &["event_frame_webid"];
const ATTRIBUTE: &[&str] = &["event_frame_webid", "attribute_webid"];
const ELEMENT: &[&str] = &["event_frame_webid", "element_webid"];
const ACK: &[&str] = &["event_frame_webid", "ack_id"];
const ANNOTATION: &[&str] = &["event_frame_webid", "annotation_id"];

pub(super) fn micros(ticks: Ticks) -> i64 {
    ticks.0.div_euclid(10)
}

fn time_of(value: &Value) -> Option<i64> {
    value.as_str().map(|text| DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros())
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|v| v.as_str().unwrap().to_owned()).collect()
}

/// Compares a row with a frame of the oracle.
pub(super) fn check_frame(row: &Value, frame: &ExpectedFrame) {
    let id = &frame.web_id;
    assert_eq!(row["name"], frame.name.as_str(), "{id}");
    assert_eq!(row["id"], frame.id.as_str(), "{id}");
    assert_eq!(row["path"], frame.path.as_str(), "{id}");
    assert_eq!(time_of(&row["start_time"]), Some(micros(frame.start)), "{id}");
    assert_eq!(time_of(&row["end_time"]), frame.end.map(micros), "{id}");
    assert_eq!(row["is_open"], frame.end.is_none(), "{id}");
    let seconds = frame.end.map(|end| (end.0 - frame.start.0) as f64 / 1e7);
    assert_eq!(row["duration_seconds"].as_f64(), seconds, "{id}");
    assert_eq!(row["template_name"].as_str().unwrap_or_default(), frame.template, "{id}");
    assert_eq!(row["description"].as_str().unwrap_or_default(), frame.description, "{id}");
    assert_eq!(texts(&row["category_names"]), frame.categories, "{id}");
    assert_eq!(row["severity"], frame.severity, "{id}");
    assert_eq!(row["can_be_acknowledged"], frame.can_be_acknowledged, "{id}");
    assert_eq!(row["is_acknowledged"], frame.acknowledged.is_some(), "{id}");
    assert_eq!(row["acknowledged_by"].as_str(), frame.acknowledged.as_ref().map(|(user, _)| user.as_str()), "{id}");
    assert_eq!(time_of(&row["acknowledged_date"]), frame.acknowledged.as_ref().map(|(_, at)| micros(*at)), "{id}");
    assert_eq!(row["is_annotated"], !frame.annotations.is_empty(), "{id}");
    assert_eq!(row["is_locked"], frame.locked, "{id}");
    assert_eq!(row["are_values_captured"], frame.captured, "{id}");
    assert_eq!(row["has_children"], frame.has_children, "{id}");
    assert_eq!(row["parent_webid"].as_str(), frame.parent.as_deref(), "{id}");
    assert_eq!(row["primary_referenced_element_webid"].as_str(), frame.elements.first().map(String::as_str), "{id}");
    assert_eq!(texts(&row["ref_element_webids"]), frame.elements, "{id}");
    assert_eq!(row["assetdatabase_webid"], frame.database.as_str(), "{id}");
    for (name, value) in &frame.extended {
        assert_eq!(row["extended_properties"][name], *value, "{id}");
    }
}

fn check(lake: &Lake, server: &RunningServer) {
    let frames = server.assets().expected_frames();
    let wanted: BTreeSet<&str> = frames.iter().map(|frame| frame.web_id.as_str()).collect();
    let found: BTreeSet<&str> = lake.rows.keys().map(String::as_str).collect();
    let missing: Vec<_> = wanted.difference(&found).take(3).collect();
    let ghosts: Vec<_> = found.difference(&wanted).take(3).collect();
    assert!(missing.is_empty() && ghosts.is_empty(), "missing {missing:?}, ghosts {ghosts:?}");
    frames.iter().for_each(|frame| check_frame(&lake.rows[&frame.web_id], frame));
}

fn open_frame(server: &RunningServer) -> ExpectedFrame {
    server.assets().expected_frames().into_iter().find(|frame| frame.end.is_none() && frame.parent.is_none()).unwrap()
}

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
async fn every_column_is_filled_by_some_row() {
    let server = plant(|_| {});
    let source = source(&server);
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
        let mut filled = BTreeSet::new();
        while let Some(event) = events.try_next().await.unwrap() {
            let ReadEvent::Records(records) = event else { continue };
            for row in rows_of(&records) {
                filled.extend(row.as_object().unwrap().keys().cloned());
            }
        }
        // The API does not tell comments; the plant has no such values and does not tell the points of attributes.
        let never = ["comment", "value_timestamp", "value_json", "errors", "point_webid"];
        let empty: Vec<&str> = schema.names().filter(|c| !filled.contains(*c) && !never.contains(c)).collect();
        assert!(empty.is_empty(), "{name}: {empty:?}");
    }
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
