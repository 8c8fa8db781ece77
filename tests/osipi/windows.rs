//! Tables of windows against the simulator's archive: every interval once, none too early, none lost to a failure.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use lakeflow_connect::{ErrorKind, IngestionType, Offset, ReadEvent, ReadRequest, TableRef, stream::arrow_events};
use lakeflow_simulators::{
    clock::SimClock,
    osipi::{Config, Expected, PointFault, PointType, RunningServer, Server, Spelling, Ticks},
};
use serde_json::Value;

use super::{connect_to, rows_of};

const NOW: &str = "2026-03-31T12:00:30Z";
const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

/// Three flows with an event about every minute for the last days, at odd times.
pub(super) fn plant(change: impl FnOnce(&mut Config)) -> RunningServer {
    let now: DateTime<Utc> = NOW.parse().unwrap();
    let mut config = Config { clock: SimClock::fixed(now), points: 3, ..Config::default() };
    config.types = vec![PointType::Float64];
    config.archive.bad_percent = 0;
    config.set("days", "5").unwrap();
    change(&mut config);
    Server::start(config).unwrap()
}

/// What a host holds of an append table: all rows in the order in which they came.
#[derive(Default)]
struct Lake {
    rows: Vec<Value>,
    offset: Option<Offset>,
}

impl Lake {
    /// Reads on, and takes in at most so many units; whether there was an end before that.
    async fn read_units(&mut self, server: &RunningServer, table: &TableRef, most: usize) -> bool {
        let request = ReadRequest::new(table.clone()).start(self.offset.clone());
        let mut events = arrow_events(&connect_to(server), request);
        let (mut unit, mut units) = (Vec::new(), 0);
        while units < most {
            let Some(event) = events.try_next().await.unwrap() else {
                assert!(unit.is_empty(), "the last rows have no checkpoint");
                return true;
            };
            match event {
                ReadEvent::Records(records) => unit.extend(rows_of(&records)),
                ReadEvent::Checkpoint(offset) => {
                    self.rows.append(&mut unit);
                    self.offset = Some(offset);
                    units += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        false
    }

    async fn read(&mut self, server: &RunningServer, table: &TableRef) {
        assert!(self.read_units(server, table, usize::MAX).await);
    }

    /// The rows by tag and instant; none may come twice.
    fn by_time(&self, time: &str) -> BTreeMap<(String, i64), &Value> {
        let rows: BTreeMap<_, _> =
            self.rows.iter().map(|row| ((text(row, "tag_webid"), micros(&row[time])), row)).collect();
        assert_eq!(rows.len(), self.rows.len(), "a row came twice");
        rows
    }
}

fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_else(|| panic!("{column}: {row}")).to_owned()
}

pub(super) fn micros(value: &Value) -> i64 {
    DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap().timestamp_micros()
}

fn at(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
}

/// The events of a point, by microsecond.
pub(super) fn events(server: &RunningServer, point: &str, from: i64, to: i64) -> Vec<Expected> {
    server.events(point, Ticks(from * 10), Ticks(to * 10)).unwrap()
}

pub(super) fn number(event: &Expected) -> f64 {
    event.value.parse().unwrap()
}

pub(super) fn webid(server: &RunningServer, point: &str) -> String {
    server.web_id(point, Spelling::IdOnly).unwrap()
}

/// The value on the line between the events around an instant.
pub(super) fn between(server: &RunningServer, point: &str, at: i64) -> f64 {
    let around = events(server, point, at - HOUR, at + HOUR);
    let split = around.partition_point(|event| event.time.0 <= at * 10);
    let before = &around[split - 1];
    let Some(after) = around.get(split).filter(|_| before.time.0 < at * 10) else { return number(before) };
    let part = (at * 10 - before.time.0) as f64 / (after.time.0 - before.time.0) as f64;
    number(before) + (number(after) - number(before)) * part
}

fn close(found: &Value, wanted: f64) -> bool {
    found.as_f64().is_some_and(|found| (found - wanted).abs() <= wanted.abs().max(1.0) * 1e-9)
}

fn recent(name: &str) -> TableRef {
    TableRef::new(name).option("startTime", "*-2h")
}

/// Compares the rows with a grid of instants for all points.
fn compare_grid(server: &RunningServer, lake: &Lake, first: i64, end: i64, step: i64) {
    let rows = lake.by_time("timestamp");
    for point in server.points() {
        let tag = webid(server, &point);
        for time in (first..end).step_by(usize::try_from(step).unwrap()) {
            let row = rows.get(&(tag.clone(), time)).unwrap_or_else(|| panic!("{point} lacks {time}"));
            assert!(close(&row["value"], between(server, &point, time)), "{row}");
            assert_eq!(row["good"], true);
        }
    }
    let each = usize::try_from((end - first) / step).unwrap();
    assert_eq!(rows.len(), each * server.points().len(), "nothing outside the grid");
}

#[tokio::test]
async fn values_at_even_distances_come_once_and_a_window_only_when_it_has_settled() {
    for name in ["pi_interpolated", "pi_streamset_interpolated"] {
        let server = plant(|_| {});
        let (mut lake, table) = (Lake::default(), recent(name));
        lake.read(&server, &table).await;
        compare_grid(&server, &lake, at("2026-03-31T10:01:00Z"), at("2026-03-31T11:59:00Z"), MINUTE);
        let before = (lake.rows.len(), lake.offset.clone());
        server.clock().advance(Duration::from_secs(20));
        lake.read(&server, &table).await;
        assert_eq!((lake.rows.len(), lake.offset.clone()), before, "no interval has ended since");
        server.clock().advance(Duration::from_secs(600));
        lake.read(&server, &table).await;
        compare_grid(&server, &lake, at("2026-03-31T10:01:00Z"), at("2026-03-31T12:09:00Z"), MINUTE);
    }
}

#[tokio::test]
async fn a_host_that_stops_after_each_unit_has_every_interval_once() {
    let server = plant(|config| config.limits.max_items = 50);
    for (option, value) in [("max_records_per_batch", "1000"), ("window_seconds", "1200")] {
        let table = recent("pi_interpolated").option(option, value).option("interval", "10s");
        let table = table.option("tags_per_request", "2");
        let (mut lake, mut units) = (Lake::default(), 0);
        while !lake.read_units(&server, &table, 1).await {
            units += 1;
        }
        assert!(units > 1, "{units}");
        compare_grid(&server, &lake, at("2026-03-31T10:00:30Z"), at("2026-03-31T12:00:20Z"), 10_000_000);
    }
}

#[tokio::test]
async fn a_tag_that_fails_stays_behind_and_catches_up() {
    for (name, fault) in [
        ("pi_interpolated", PointFault::Forbidden),
        ("pi_streamset_interpolated", PointFault::Absent),
        ("pi_streamset_interpolated", PointFault::WebException),
    ] {
        let server = plant(|_| {});
        let broken = server.points().remove(1);
        server.break_point(&broken, Some(fault)).unwrap();
        let request = ReadRequest::new(recent(name));
        let error = connect_to(&server).read_table(request).try_collect::<Vec<_>>().await.unwrap_err();
        assert_eq!(error.get("webid"), Some(webid(&server, &broken).as_str()), "{error}");
        let (mut lake, table) = (Lake::default(), recent(name).option("on_tag_error", "quarantine"));
        lake.read(&server, &table).await;
        assert!(!lake.rows.is_empty() && lake.rows.iter().all(|row| row["tag_webid"] != *webid(&server, &broken)));
        let parts = connect_to(&server).explain_offset(&table, lake.offset.as_ref().unwrap()).await.unwrap();
        let behind: Vec<&str> =
            parts.iter().filter(|part| part.details[0].1 == "behind").map(|part| part.name.as_str()).collect();
        assert_eq!(behind, [webid(&server, &broken)]);
        server.clock().advance(Duration::from_secs(300));
        lake.read(&server, &table).await;
        server.break_point(&broken, None).unwrap();
        lake.read(&server, &table).await;
        compare_grid(&server, &lake, at("2026-03-31T10:01:00Z"), at("2026-03-31T12:04:00Z"), MINUTE);
    }
}

#[tokio::test]
async fn a_stream_that_a_set_leaves_out_is_asked_for_alone() {
    let server = plant(|config| config.wire.respelled = true);
    server.break_point(&server.points()[0], Some(PointFault::MissingFromSets)).unwrap();
    let mut lake = Lake::default();
    lake.read(&server, &recent("pi_streamset_interpolated")).await;
    compare_grid(&server, &lake, at("2026-03-31T10:01:00Z"), at("2026-03-31T11:59:00Z"), MINUTE);
}

#[tokio::test]
async fn a_bounded_read_repeats_and_a_tag_that_is_new_begins_at_its_own_start() {
    let server = plant(|_| {});
    let (source, table) = (connect_to(&server), recent("pi_interpolated"));
    let until = source.latest_offset(&table, None).await.unwrap().unwrap();
    let mut reads = Vec::new();
    for _ in 0..2 {
        server.clock().advance(Duration::from_secs(450));
        let request = ReadRequest::new(table.clone()).until(until.clone());
        let events: Vec<ReadEvent> = arrow_events(&source, request).try_collect().await.unwrap();
        let Some(ReadEvent::Checkpoint(offset)) = events.last() else { panic!("no checkpoint") };
        let mut rows = Vec::new();
        for event in &events {
            if let ReadEvent::Records(records) = event {
                rows.extend(rows_of(records));
            }
        }
        rows.iter_mut().for_each(|row| drop(row.as_object_mut().unwrap().remove("ingestion_timestamp")));
        reads.push((rows, offset.clone()));
    }
    assert_eq!(reads[0], reads[1]);
    let last = reads[0].0.iter().map(|row| micros(&row["timestamp"])).max();
    assert_eq!(last, Some(at("2026-03-31T11:58:00Z")), "nothing from after the bound");

    let mut lake = Lake { rows: reads.remove(0).0, offset: Some(until) };
    let all = server.points();
    let forgotten = webid(&server, &all[2]);
    lake.read(&server, &table).await;
    lake.offset = Some(
        source.forget_parts(&table, lake.offset.as_ref().unwrap(), std::slice::from_ref(&forgotten)).await.unwrap(),
    );
    lake.rows.retain(|row| row["tag_webid"] != *forgotten);
    lake.read(&server, &table).await;
    let first =
        lake.rows.iter().filter(|row| row["tag_webid"] == *forgotten).map(|row| micros(&row["timestamp"])).min();
    assert_eq!(first, Some(at("2026-03-31T10:16:00Z")));
    lake.by_time("timestamp");
    let other = source.latest_offset(&table.clone().option("interval", "2m"), lake.offset.as_ref()).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::OffsetExpired);
}

#[tokio::test]
async fn days_begin_at_midnight_of_the_zone_also_when_the_clock_changes() {
    let server = plant(|_| {});
    let mut lake = Lake::default();
    let table = TableRef::new("pi_interpolated").option("interval", "1d").option("timeZone", "Europe/Berlin");
    lake.read(&server, &table.option("startTime", "2026-03-28T00:00:00Z")).await;
    let mut times: Vec<i64> = lake.by_time("timestamp").into_keys().map(|(_, time)| time).collect();
    times.dedup();
    times.truncate(2);
    // Clocks went forward on the 29th; the 30th has not settled for a day yet.
    assert_eq!(times, [at("2026-03-28T23:00:00Z")]);
    let six = TableRef::new("pi_interpolated").option("interval", "6h").option("syncTime", "t+7h");
    let mut lake = Lake::default();
    lake.read(&server, &six.option("startTime", "2026-03-30T00:00:00Z")).await;
    let times: Vec<i64> = lake.by_time("timestamp").into_keys().map(|(_, time)| time).take(4).collect();
    let hours = ["2026-03-30T01:00:00Z", "2026-03-30T07:00:00Z", "2026-03-30T13:00:00Z", "2026-03-30T19:00:00Z"];
    assert_eq!(times, hours.map(at));
}

#[tokio::test]
async fn plots_hold_the_lowest_and_highest_event_of_each_interval() {
    for name in ["pi_plot", "pi_streamset_plot"] {
        let server = plant(|_| {});
        // 7200 s in 12 intervals: ten minutes each.
        let (mut lake, table) = (Lake::default(), recent(name).option("intervals", "12"));
        lake.read(&server, &table).await;
        server.clock().advance(Duration::from_secs(1800));
        lake.read(&server, &table).await;
        let rows = lake.by_time("timestamp");
        for point in server.points() {
            let tag = webid(&server, &point);
            for from in (at("2026-03-31T10:10:00Z")..at("2026-03-31T12:20:00Z")).step_by(600_000_000) {
                let inside = events(&server, &point, from, from + 10 * MINUTE);
                let by_value = |a: &&Expected, b: &&Expected| number(a).total_cmp(&number(b));
                let extremes = [inside.iter().min_by(by_value), inside.iter().max_by(by_value)];
                for event in extremes.into_iter().flatten() {
                    let row = rows.get(&(tag.clone(), event.time.0 / 10));
                    assert!(row.is_some_and(|row| close(&row["value"], number(event))), "{point} {}", event.time);
                }
            }
        }
        let times = || rows.keys().map(|(_, time)| *time);
        assert!(times().min() >= Some(at("2026-03-31T10:10:00Z")) && times().max() < Some(at("2026-03-31T12:20:00Z")));
    }
}

/// The events of `[from, to)`.
fn statistics(events: &[Expected]) -> BTreeMap<&'static str, f64> {
    let values = || events.iter().map(number);
    let sum: f64 = values().sum();
    let mut found = BTreeMap::from([("Count", events.len() as f64)]);
    if !events.is_empty() {
        found.insert("Total", sum);
        found.insert("Average", sum / events.len() as f64);
        found.insert("Minimum", values().fold(f64::MAX, f64::min));
        found.insert("Maximum", values().fold(f64::MIN, f64::max));
    }
    found
}

#[tokio::test]
async fn summaries_of_each_interval_are_those_of_its_events_also_on_the_border() {
    let server = plant(|config| {
        // Events on every full minute, so on every border.
        config.archive.regular = true;
        config.set("clock", "2026-03-31T12:00:00Z").unwrap();
    });
    let table = TableRef::new("pi_streamset_summary")
        .option("startTime", "*-6h")
        .option("calculationBasis", "EventWeighted")
        .option("summaryType", "count,Total,Average,Minimum,Maximum")
        .option("summaryDuration", "30m");
    let mut lake = Lake::default();
    for _ in 0..4 {
        lake.read(&server, &table).await;
        server.clock().advance(Duration::from_secs(1800));
    }
    let mut found = BTreeMap::new();
    for row in &lake.rows {
        let key = (text(row, "tag_webid"), text(row, "summary_type"), micros(&row["interval_start"]));
        assert_eq!(micros(&row["interval_end"]), key.2 + HOUR / 2);
        assert_eq!(row["calculation_basis"], "EventWeighted");
        assert!(found.insert(key, row).is_none(), "twice: {row}");
    }
    let mut wanted = 0;
    for point in server.points() {
        for from in (at("2026-03-31T06:00:00Z")..at("2026-03-31T13:00:00Z")).step_by(1_800_000_000) {
            for (summary, value) in statistics(&events(&server, &point, from, from + HOUR / 2)) {
                let row = found[&(webid(&server, &point), summary.to_owned(), from)];
                assert!(close(&row["value"], value), "{summary} {value} {row}");
                wanted += 1;
            }
        }
    }
    assert_eq!(found.len(), wanted);
    assert!(wanted > 3 * 5 * 12, "{wanted}");
}

#[tokio::test]
async fn calculations_are_summaries_or_an_expression_and_nothing_else() {
    let server = plant(|_| {});
    let table = recent("pi_calculated").option("interval", "10m").option("calculationBasis", "EventWeighted");
    let mut lake = Lake::default();
    lake.read(&server, &table.clone().option("calculation_type", "maximum")).await;
    let rows = lake.by_time("timestamp");
    let first = at("2026-03-31T10:10:00Z");
    for point in server.points() {
        for from in (first..at("2026-03-31T11:50:00Z")).step_by(600_000_000) {
            let row = rows[&(webid(&server, &point), from)];
            assert!(close(&row["value"], statistics(&events(&server, &point, from, from + 10 * MINUTE))["Maximum"]));
            assert_eq!((&row["calculation_type"], &row["expression"]), (&"Maximum".into(), &Value::Null));
        }
    }
    assert_eq!(rows.len(), 3 * 10);

    let point = server.points().remove(0);
    let expression = format!("'{}' * 2", point.rsplit('\\').next().unwrap());
    let table = recent("pi_calculated").option("expression", expression.clone());
    let mut lake = Lake::default();
    lake.read(&server, &table).await;
    let tag = server.server_web_id("PISRV1", Spelling::IdOnly).unwrap();
    for ((found, time), row) in lake.by_time("timestamp") {
        assert_eq!((found.as_str(), &row["expression"]), (tag.as_str(), &Value::from(expression.as_str())));
        assert!(close(&row["value"], between(&server, &point, time) * 2.0), "{row}");
    }
    assert_eq!(lake.rows.len(), 118);
    for (option, value) in [("calculationType", "Avarage"), ("calculationType", "All"), ("interval", "0m")] {
        let table = TableRef::new("pi_calculated").option(option, value);
        let error = connect_to(&server).latest_offset(&table, None).await.unwrap_err();
        assert_eq!((error.kind(), error.get("table")), (ErrorKind::Config, Some("pi_calculated")), "{error}");
    }
}

#[tokio::test]
async fn compat_upstream_gives_the_public_columns_with_empty_text_for_none() {
    let server = plant(|config| config.types = vec![PointType::Digital, PointType::Float64]);
    for name in ["pi_interpolated", "pi_plot", "pi_streamset_summary", "pi_calculated"] {
        let table = TableRef::new(name).option("startTime", "*-4h").option("compat", "upstream");
        let source = connect_to(&server);
        assert_eq!(source.read_table_metadata(&table).await.unwrap().ingestion_type, IngestionType::Append);
        let mut lake = Lake::default();
        lake.read(&server, &table).await;
        assert!(!lake.rows.is_empty(), "{name}");
        let columns = source.get_table_schema(&table).await.unwrap();
        for row in &lake.rows {
            assert!(row.as_object().unwrap().keys().all(|column| columns.field(column).is_some()), "{row}");
            assert!(row["units"].is_string(), "{row}");
        }
    }
}
