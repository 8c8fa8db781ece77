//! Tables of values at an instant, and of summaries of a whole window, against the simulator's archive.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;
use lakeflow_connect::{ErrorKind, ReadEvent, ReadRequest, Result, TableRef, stream::arrow_events};
use lakeflow_simulators::osipi::{
    Change, Config, Expected, PointFault, PointType, RunningServer, Sample, Ticks, Value as Stored,
};
use serde_json::Value;

use super::{
    columns::never_filled,
    connect_to, rows_of,
    windows::{between, events, micros, number, plant, webid},
};

const NOW: i64 = 1_774_958_430_000_000;
const HOUR: i64 = 3_600_000_000;

/// All rows of a table, and how many objects the host was told to be missing.
async fn read(server: &RunningServer, table: &TableRef) -> Result<(Vec<Value>, usize)> {
    let events: Vec<ReadEvent> =
        arrow_events(&connect_to(server), ReadRequest::new(table.clone())).try_collect().await?;
    assert!(matches!(events.last(), Some(ReadEvent::Checkpoint(_))), "a snapshot ends with a checkpoint");
    let (mut rows, mut missing) = (Vec::new(), 0);
    for event in events {
        match event {
            ReadEvent::Records(records) => rows.extend(rows_of(&records)),
            ReadEvent::Quarantined(left_out) => missing += left_out.len(),
            _ => {}
        }
    }
    Ok((rows, missing))
}

async fn rows(server: &RunningServer, table: &TableRef) -> Vec<Value> {
    let (rows, missing) = read(server, table).await.unwrap();
    assert_eq!(missing, 0);
    rows
}

fn newest(server: &RunningServer, point: &str) -> Expected {
    events(server, point, NOW - 48 * HOUR, NOW + 1).pop().unwrap()
}

#[tokio::test]
async fn the_newest_event_of_every_tag_comes_as_it_is() {
    let server = plant(|config| config.types = Config::default().types);
    server.add_point("PISRV1", lakeflow_simulators::osipi::PointSpec::new("EMPTY", PointType::Float32)).unwrap();
    for name in ["pi_current_value", "pi_end", "pi_streamset_end"] {
        let rows = rows(&server, &TableRef::new(name)).await;
        let found: BTreeMap<&str, &Value> = rows.iter().map(|row| (row["tag_webid"].as_str().unwrap(), row)).collect();
        assert_eq!((rows.len(), found.len()), (4, 4), "{name}");
        for point in server.points().iter().filter(|point| !point.ends_with("EMPTY")) {
            let (event, row) = (newest(&server, point), found[webid(&server, point).as_str()]);
            assert_eq!(row["timestamp_raw"], event.time.to_string(), "{name}");
            assert_eq!((&row["good"], &row["is_snapshot"]), (&event.good.into(), &true.into()), "{name}");
            let value: Value = serde_json::from_str(&event.value).unwrap();
            match &value {
                Value::Number(number) => assert_eq!(row["value"].as_f64(), number.as_f64()),
                Value::String(text) => assert_eq!(row["value_string"], text.as_str()),
                state => assert_eq!(row["digital_code"], state["Value"]),
            }
        }
    }
}

#[tokio::test]
async fn values_at_several_times_are_on_the_line_and_recorded_ones_are_events() {
    let server = plant(|_| {});
    let times = [NOW - 5 * HOUR, NOW - HOUR];
    let table = TableRef::new("pi_value_at_time").option("time", "*-1h, *-5h, *-60m");
    let found = rows(&server, &table).await;
    assert_eq!(found.len(), 2 * 3, "the same time is asked for once");
    for row in &found {
        let time = micros(&row["query_time"]);
        let point = server.points().into_iter().find(|point| webid(&server, point) == row["tag_webid"]).unwrap();
        assert!(times.contains(&time));
        assert!((row["value"].as_f64().unwrap() - between(&server, &point, time)).abs() < 1e-6, "{row}");
    }
    for mode in ["AtOrBefore", "AtOrAfter"] {
        let table = TableRef::new("pi_recorded_at_time").option("time", "*-1h,*-5h").option("retrievalMode", mode);
        let found = rows(&server, &table).await;
        assert_eq!(found.len(), 2 * 3);
        for row in &found {
            let time = micros(&row["query_time"]);
            let point = server.points().into_iter().find(|point| webid(&server, point) == row["tag_webid"]).unwrap();
            let wanted = match mode {
                "AtOrBefore" => events(&server, &point, time - HOUR, time + 1).pop().unwrap(),
                _ => events(&server, &point, time, time + HOUR).remove(0),
            };
            assert_eq!(
                (&row["timestamp_raw"], row["value"].as_f64()),
                (&wanted.time.to_string().into(), Some(number(&wanted)))
            );
        }
    }
}

#[tokio::test]
async fn a_summary_is_of_the_whole_window_or_of_its_intervals() {
    let server = plant(|_| {});
    let table = TableRef::new("pi_summary").option("startTime", "*-5h").option("summaryType", "Count,Maximum");
    let table = table.option("calculationBasis", "EventWeighted");
    let whole = rows(&server, &table).await;
    assert_eq!(whole.len(), 2 * 3);
    for row in &whole {
        assert_eq!((micros(&row["interval_start"]), micros(&row["interval_end"])), (NOW - 5 * HOUR, NOW));
    }
    // Two hours, two hours, and what is left.
    let cut = rows(&server, &table.clone().option("summaryDuration", "2h")).await;
    let mut keys = BTreeSet::new();
    for row in &cut {
        let (from, to) = (micros(&row["interval_start"]), micros(&row["interval_end"]));
        let tag = row["tag_webid"].as_str().unwrap();
        assert!(keys.insert((tag.to_owned(), row["summary_type"].to_string(), from)));
        let point = server.points().into_iter().find(|point| webid(&server, point) == tag).unwrap();
        let inside = events(&server, &point, from, to);
        let wanted = match row["summary_type"].as_str().unwrap() {
            "Count" => inside.len() as f64,
            _ => inside.iter().map(number).fold(f64::MIN, f64::max),
        };
        assert!((row["value"].as_f64().unwrap() - wanted).abs() < 1e-6, "{row}");
    }
    assert_eq!(keys.len(), 3 * 2 * 3);
    let refused = table.clone().option("compat", "upstream").option("summaryDuration", "1h");
    assert_eq!(read(&server, &refused).await.unwrap_err().kind(), ErrorKind::Config);
    let compat = rows(&server, &table.option("compat", "upstream")).await;
    assert_eq!(compat.len(), 2 * 3);
    assert!(compat.iter().all(|row| row.get("interval_start").is_none() && row["units"].is_string()));
}

#[tokio::test]
async fn many_intervals_are_asked_for_in_parts_that_the_server_allows() {
    let server = plant(|config| config.limits.max_items = 40);
    let table = TableRef::new("pi_summary").option("startTime", "*-5h").option("summaryDuration", "1m");
    let found = rows(&server, &table.option("summaryType", "Average")).await;
    let keys: BTreeSet<_> =
        found.iter().map(|row| (row["tag_webid"].to_string(), micros(&row["interval_start"]))).collect();
    assert_eq!((found.len(), keys.len()), (3 * 300, 3 * 300));
}

#[tokio::test]
async fn a_tag_that_is_left_out_of_a_snapshot_is_told_to_the_host() {
    let server = plant(|_| {});
    let broken = server.points().remove(0);
    server.break_point(&broken, Some(PointFault::Forbidden)).unwrap();
    let names: Vec<String> =
        server.points().iter().map(|point| point.rsplit('\\').next().unwrap().to_owned()).collect();
    let table = TableRef::new("pi_current_value").option("tag_names", format!("{},UNKNOWN", names.join(",")));
    let error = read(&server, &table).await.unwrap_err();
    assert_eq!(error.get("name"), Some("UNKNOWN"), "{error}");
    let (found, missing) = read(&server, &table.option("on_tag_error", "quarantine")).await.unwrap();
    assert_eq!((found.len(), missing), (2, 2));
}

#[tokio::test]
async fn fields_may_be_chosen_but_not_without_quality() {
    let server = plant(|_| {});
    let table = TableRef::new("pi_current_value");
    let fields = "Items.Timestamp;Items.Value;Items.Good;Items.Questionable;Items.Substituted";
    let found = rows(&server, &table.clone().option("selectedFields", fields)).await;
    assert!(found.len() == 3 && found.iter().all(|row| row["good"].is_boolean() && row.get("units").is_none()));
    let error = read(&server, &table.option("selectedFields", "Items.Timestamp;Items.Value")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
}

/// What no row of a table of windows ever tells.
fn untold(table: &str) -> &'static [&'static str] {
    match table {
        // Summaries are numbers, or the state that says why there is none.
        "pi_summary" | "pi_streamset_summary" => &["value_long", "value_timestamp", "value_json", "errors"],
        // A calculation of the list is no expression.
        "pi_calculated" => &["expression"],
        _ => &[],
    }
}

#[tokio::test]
async fn j01_every_column_of_the_tables_of_windows_is_filled_by_some_row() {
    let server = plant(|config| {
        config.types = Config::default().types;
        config.types.push(PointType::Array);
        config.points = u32::try_from(2 * config.types.len()).unwrap();
        config.archive.bad_percent = 5;
        config.wire.value_errors = true;
    });
    // One point's newest value is broken.
    let broken = Sample { error: Some("broken".to_owned()), ..Stored::Json("null".to_owned()).into() };
    server.change(&server.points()[0], Change::Add(Ticks(NOW * 10 - 10), broken)).unwrap();
    let (mut empty, mut wanted) = (BTreeSet::new(), BTreeSet::new());
    for name in [
        "pi_interpolated",
        "pi_streamset_interpolated",
        "pi_plot",
        "pi_streamset_plot",
        "pi_summary",
        "pi_streamset_summary",
        "pi_current_value",
        "pi_value_at_time",
        "pi_recorded_at_time",
        "pi_end",
        "pi_streamset_end",
        "pi_calculated",
    ] {
        let mut table = TableRef::new(name);
        if !["pi_current_value", "pi_end", "pi_streamset_end"].contains(&name) {
            table = match name.ends_with("at_time") {
                true => {
                    let times: Vec<String> = (1..20).map(|n| format!("*-{n}h")).collect();
                    table.option("time", times.join(","))
                }
                false => table.option("startTime", "*-3h"),
            };
        }
        let schema = connect_to(&server).get_table_schema(&table).await.unwrap();
        let found = rows(&server, &table).await;
        empty.append(&mut never_filled(name, &schema, &found));
        wanted.extend(untold(name).iter().map(|column| format!("{name}.{column}")));
        assert!(found.iter().all(|row| Ticks::parse(row["ingestion_timestamp"].as_str().unwrap()).is_some()), "{name}");
    }
    assert_eq!(empty, wanted);
}
