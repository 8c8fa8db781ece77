//! What a host would hold of event frames, and the simulator's oracle for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use lakeflow_connect::{LakeflowConnect, Offset, Options, ReadEvent, ReadRequest, TableRef, stream::arrow_events};
use lakeflow_simulators::{
    clock::SimClock,
    osipi::{AfConfig, Config, ExpectedFrame, RunningServer, Server, Ticks},
};
use serde_json::Value;

use super::{connect, rows_of};

const NOW: &str = "2026-03-18T10:20:30Z";
pub(super) const HOUR: i64 = 36_000_000_000;

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
    pub(super) offset: Option<Offset>,
    pub(super) deletes: Option<Offset>,
    /// Rows that came, repeated ones too.
    pub(super) sent: usize,
}

impl Lake {
    /// Takes in what is new; stops after `most` events as a crash would.
    pub(super) async fn read(
        &mut self,
        source: &Arc<dyn LakeflowConnect>,
        table: &TableRef,
        keys: &[&str],
        most: usize,
    ) -> usize {
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

    pub(super) async fn read_deletes(&mut self, source: &Arc<dyn LakeflowConnect>, table: &TableRef) -> Vec<Value> {
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
pub(super) const ATTRIBUTE: &[&str] = &["event_frame_webid", "attribute_webid"];
pub(super) const ELEMENT: &[&str] = &["event_frame_webid", "element_webid"];
pub(super) const ACK: &[&str] = &["event_frame_webid", "ack_id"];
pub(super) const ANNOTATION: &[&str] = &["event_frame_webid", "annotation_id"];

pub(super) fn micros(ticks: Ticks) -> i64 {
    ticks.0.div_euclid(10)
}

pub(super) fn time_of(value: &Value) -> Option<i64> {
    value.as_str().map(|text| DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros())
}

pub(super) fn texts(value: &Value) -> Vec<String> {
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

pub(super) fn check(lake: &Lake, server: &RunningServer) {
    let frames = server.assets().expected_frames();
    let wanted: BTreeSet<&str> = frames.iter().map(|frame| frame.web_id.as_str()).collect();
    let found: BTreeSet<&str> = lake.rows.keys().map(String::as_str).collect();
    let missing: Vec<_> = wanted.difference(&found).take(3).collect();
    let ghosts: Vec<_> = found.difference(&wanted).take(3).collect();
    assert!(missing.is_empty() && ghosts.is_empty(), "missing {missing:?}, ghosts {ghosts:?}");
    frames.iter().for_each(|frame| check_frame(&lake.rows[&frame.web_id], frame));
}

pub(super) fn open_frame(server: &RunningServer) -> ExpectedFrame {
    server.assets().expected_frames().into_iter().find(|frame| frame.end.is_none() && frame.parent.is_none()).unwrap()
}
