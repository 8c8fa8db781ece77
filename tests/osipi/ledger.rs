//! What a connection tells of its own reads.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt};
use lakeflow_connect::{
    ErrorKind, LakeflowConnect, Offset, ReadEvent, ReadRequest, Records, TableRef, arrow::array::AsArray,
    decode::arrow_to_json,
};
use lakeflow_simulators::osipi::{Change, PointFault, RunningServer, Sample, Spelling, Ticks};
use serde_json::Value;

use super::{connect_to, plant_with, small_plant};

/// The rows of a table as JSON, and the offset after them.
async fn read(source: &Arc<dyn LakeflowConnect>, table: TableRef, start: Option<Offset>) -> (Vec<Value>, Offset) {
    let mut events = source.read_table(ReadRequest::new(table).start(start));
    let (mut rows, mut offset) = (Vec::new(), None);
    while let Some(event) = events.try_next().await.unwrap() {
        match event {
            ReadEvent::Records(Records::Arrow(batch)) => {
                assert!(batch.column_by_name("ingestion_timestamp").is_some_and(|c| {
                    c.as_primitive_opt::<lakeflow_connect::arrow::datatypes::TimestampMicrosecondType>().is_some()
                }));
                let lines = arrow_to_json(&batch).unwrap();
                let text = std::str::from_utf8(&lines.bytes).unwrap();
                rows.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
            }
            ReadEvent::Checkpoint(at) => offset = Some(at),
            other => panic!("{other:?}"),
        }
    }
    (rows, offset.unwrap())
}

/// Reads two tags, of which the first is forbidden.
async fn with_a_forbidden_tag(server: &RunningServer) -> (Arc<dyn LakeflowConnect>, [String; 2]) {
    let points = server.points();
    server.break_point(&points[0], Some(PointFault::Forbidden)).unwrap();
    let webids = [0, 1].map(|n: usize| server.web_id(&points[n], Spelling::IdOnly).unwrap());
    let source = connect_to(server);
    let table = TableRef::new("pi_timeseries")
        .option("tag_webids", webids.join(","))
        .option("startTime", "*-2h")
        .option("on_tag_error", "quarantine");
    assert!(!read(&source, table, None).await.0.is_empty());
    (source, webids)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_left_out_is_in_pi_errors_once() {
    let server = small_plant();
    let (source, [forbidden, _]) = with_a_forbidden_tag(&server).await;
    let errors = || TableRef::new("pi_errors");
    let (rows, offset) = read(&source, errors(), None).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = &rows[0];
    assert_eq!(
        [&row["table_name"], &row["object_webid"], &row["kind"], &row["status"]],
        [&Value::from("pi_timeseries"), &forbidden.as_str().into(), &"permission".into(), &403.into()]
    );
    assert!(row["message"].as_str().is_some_and(|m| !m.is_empty()) && row["help"].is_string(), "{row}");
    let (again, same) = read(&source, errors(), Some(offset.clone())).await;
    assert_eq!((again.len(), &same), (0, &offset));
    assert_eq!(source.latest_offset(&errors(), Some(&offset)).await.unwrap().as_ref(), Some(&offset));

    // Another connection begins anew: what it notes is not taken for what was read before.
    let (source, _) = with_a_forbidden_tag(&server).await;
    let (others, _) = read(&source, errors(), Some(offset.clone())).await;
    assert_eq!(others.len(), 1);
    assert_ne!(others[0]["error_id"], row["error_id"]);
    let bounded = ReadRequest::new(errors()).until(offset);
    let error = source.read_table(bounded).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OffsetExpired, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pi_watermarks_tells_where_each_tag_has_got_to() {
    let server = small_plant();
    let (source, [forbidden, readable]) = with_a_forbidden_tag(&server).await;
    let (rows, offset) = read(&source, TableRef::new("pi_watermarks"), None).await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    let of = |tag: &str| rows.iter().find(|row| row["tag_webid"] == tag).unwrap();
    assert!(of(&readable)["total_records"].as_i64().is_some_and(|n| n > 10), "{}", of(&readable));
    assert!(of(&readable)["last_timestamp"].is_string(), "{}", of(&readable));
    assert_eq!((&of(&forbidden)["state"], of(&forbidden).get("last_timestamp")), (&"failed".into(), None));
    assert_eq!(read(&source, TableRef::new("pi_watermarks"), Some(offset)).await.0.len(), 0);
}

/// What is told of a tag in a table.
async fn watermark(source: &Arc<dyn LakeflowConnect>, table: &str, tag: &str) -> Value {
    let (rows, _) = read(source, TableRef::new("pi_watermarks"), None).await;
    rows.into_iter().find(|row| row["table_name"] == table && row["tag_webid"] == tag).unwrap_or(Value::Null)
}

/// The newest event of a point that is past: time, text of it, and place within its microsecond.
fn newest(server: &RunningServer, point: &str) -> (Ticks, String, i64) {
    let now = Ticks::from(server.clock().now());
    let events = server.events(point, Ticks(0), Ticks(now.0 + 1)).unwrap();
    let last = events.last().unwrap();
    let of_instant = events.iter().filter(|event| event.time.0 / 10 == last.time.0 / 10).count();
    (last.time, last.time.to_string(), i64::try_from(of_instant).unwrap() - 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn pi_watermarks_tells_the_newest_event_of_each_tag_as_the_server_wrote_it() {
    for capture in ["none", "overlap", "reconcile", "updates"] {
        let server = plant_with(&[("points", "4"), ("ties", "3")]);
        let source = connect_to(&server);
        let table = TableRef::new("pi_timeseries").option("startTime", "*-2h").option("change_capture", capture);
        let mut offset = None;
        for run in 0..3 {
            offset = Some(read(&source, table.clone(), offset).await.1);
            for point in server.points() {
                let told = watermark(&source, "pi_timeseries", &server.web_id(&point, Spelling::IdOnly).unwrap()).await;
                let (at, raw, sequence) = newest(&server, &point);
                let place = format!("{capture}, run {run}: {told}");
                assert_eq!(told["last_timestamp_raw"], Value::from(raw), "{place}");
                let micros = Ticks::parse(told["last_timestamp"].as_str().unwrap()).unwrap();
                assert_eq!((micros.0, told["last_event_seq"].as_i64()), (at.0 / 10 * 10, Some(sequence)), "{place}");
                assert_eq!((&told["state"], told.get("last_error")), (&"complete".into(), None), "{place}");
                assert_eq!(told.get("marker").is_some(), capture == "updates", "{place}");
            }
            // Another newest event, with a second one in the same microsecond.
            server.clock().advance(Duration::from_secs(60));
            let now = Ticks::from(server.clock().now());
            for point in server.points() {
                for ticks in [11, 13] {
                    let sample: Sample = 4711.25.into();
                    server.change(&point, Change::Add(Ticks(now.0 / 20 * 20 - 200 + ticks), sample)).unwrap();
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_fails_is_told_with_its_reason_where_it_was_and_one_that_heals_is_whole_again() {
    let server = small_plant();
    let point = server.points().remove(0);
    let tag = server.web_id(&point, Spelling::IdOnly).unwrap();
    let recorded = TableRef::new("pi_timeseries").option("startTime", "*-2h");
    let windows = TableRef::new("pi_interpolated").option("startTime", "*-2h").option("interval", "10m");
    for (table, policy) in [(&recorded, "quarantine"), (&recorded, "fail"), (&windows, "quarantine")] {
        let (name, source) = (table.name.clone(), connect_to(&server));
        let table = table.clone().option("tag_webids", &tag).option("on_tag_error", policy);
        let (_, offset) = read(&source, table.clone(), None).await;
        let before = watermark(&source, &name, &tag).await;
        assert_eq!((&before["state"], before.get("last_error")), (&"complete".into(), None), "{before}");
        assert_eq!(before.get("last_timestamp_raw").is_some(), name == "pi_timeseries", "{before}");
        server.break_point(&point, Some(PointFault::Forbidden)).unwrap();
        server.clock().advance(Duration::from_secs(1_800));
        let events: Result<Vec<_>, _> =
            source.read_table(ReadRequest::new(table.clone()).start(Some(offset.clone()))).try_collect().await;
        assert_eq!(events.is_ok(), policy == "quarantine", "{name}");
        let failed = watermark(&source, &name, &tag).await;
        assert_eq!(failed["state"], "failed", "{failed}");
        assert!(failed["last_error"].as_str().is_some_and(|text| text.contains("do not allow")), "{failed}");
        for column in ["last_timestamp", "last_timestamp_raw", "last_event_seq", "total_records"] {
            assert_eq!(failed.get(column), before.get(column), "{name}.{column}");
        }
        // A connection that never read the tag knows what the offset says.
        let other = connect_to(&server);
        let request = ReadRequest::new(table.clone()).start(Some(offset.clone()));
        drop(other.read_table(request).try_collect::<Vec<_>>().await);
        let told = watermark(&other, &name, &tag).await;
        assert_eq!((&told["state"], &told["last_timestamp"]), (&"failed".into(), &before["last_timestamp"]), "{told}");
        assert_eq!((told.get("last_event_seq"), told.get("last_timestamp_raw")), (before.get("last_event_seq"), None));
        server.break_point(&point, None).unwrap();
        read(&source, table, Some(offset)).await;
        let healed = watermark(&source, &name, &tag).await;
        assert_eq!((&healed["state"], healed.get("last_error")), (&"complete".into(), None), "{healed}");
        assert!(healed["last_timestamp"].as_str() > before["last_timestamp"].as_str(), "{healed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_stops_early_says_which_tags_it_has_not_read_to_the_end() {
    let server = small_plant();
    let source = connect_to(&server);
    let table = TableRef::new("pi_timeseries").option("startTime", "*-1d").option("maxCount", "100");
    let table = table.option("tags_per_request", "2").option("max_records_per_batch", "1000");
    let mut events = source.read_table(ReadRequest::new(table.clone()));
    while !matches!(events.next().await.unwrap().unwrap(), ReadEvent::Checkpoint(_)) {}
    drop(events);
    let states = async || {
        let (rows, _) = read(&source, TableRef::new("pi_watermarks"), None).await;
        let mut states: Vec<String> = rows.iter().map(|row| row["state"].as_str().unwrap().to_owned()).collect();
        states.sort();
        states
    };
    let early = states().await;
    assert!(early.contains(&"reading".to_owned()), "{early:?}");
    read(&source, table, None).await;
    assert_eq!(states().await, vec!["complete"; server.points().len()], "those of which nothing came, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newest_event_that_compression_discards_is_told_no_more() {
    for late_window in ["24h", "0"] {
        let server = small_plant();
        let point = server.points().remove(0);
        let tag = server.web_id(&point, Spelling::IdOnly).unwrap();
        let source = connect_to(&server);
        let table = TableRef::new("pi_timeseries").option("startTime", "*-2h").option("tag_webids", &tag);
        let table = table.option("late_window", late_window);
        let (_, offset) = read(&source, table.clone(), None).await;
        let (at, raw, _) = newest(&server, &point);
        assert_eq!(watermark(&source, "pi_timeseries", &tag).await["last_timestamp_raw"], Value::from(raw));
        server.change(&point, Change::Delete(at)).unwrap();
        server.clock().advance(Duration::from_secs(1));
        read(&source, table, Some(offset)).await;
        let told = watermark(&source, "pi_timeseries", &tag).await;
        // The event before it is known where it was read again.
        let (_, raw, sequence) = newest(&server, &point);
        let (raw, sequence) = (Some(Value::from(raw)), Some(Value::from(sequence)));
        let known = if late_window == "0" { (None, None) } else { (raw.as_ref(), sequence.as_ref()) };
        assert_eq!((told.get("last_timestamp_raw"), told.get("last_event_seq")), known, "{told}");
        assert_eq!((told.get("last_timestamp").is_some(), &told["state"]), (known.0.is_some(), &"complete".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_of_changes_tells_its_markers_and_counts() {
    let server = small_plant();
    let point = server.points().remove(0);
    let tag = server.web_id(&point, Spelling::IdOnly).unwrap();
    let (source, table) = (connect_to(&server), TableRef::new("pi_timeseries_changes"));
    let (_, offset) = read(&source, table.clone(), None).await;
    let first = watermark(&source, &table.name, &tag).await;
    assert_eq!((&first["state"], &first["total_records"]), (&"complete".into(), &0.into()), "{first}");
    let now = Ticks::from(server.clock().now());
    server.change(&point, Change::Add(Ticks(now.0 - 7), 5.0.into())).unwrap();
    let (rows, _) = read(&source, table.clone(), Some(offset)).await;
    let then = watermark(&source, &table.name, &tag).await;
    assert_eq!((rows.len(), &then["record_count"]), (1, &1.into()), "{then}");
    assert_ne!(then["marker"], first["marker"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pi_watermarks_counts_the_last_run_and_all_runs_of_the_connection() {
    let server = small_plant();
    let source = connect_to(&server);
    let webid = server.web_id(&server.points()[1], Spelling::IdOnly).unwrap();
    // Many answers to a run.
    let recorded = [("maxCount", "10"), ("late_window", "0")];
    for (name, more) in [("pi_timeseries", &recorded[..]), ("pi_interpolated", &[("window_seconds", "600")])] {
        let table = TableRef::new(name).option("tag_webids", &webid).option("startTime", "*-3h");
        let table = more.iter().fold(table, |table, (option, value)| table.option(*option, *value));
        let (mut offset, mut total) = (None, 0);
        for _ in 0..3 {
            let (rows, next) = read(&source, table.clone(), offset).await;
            offset = Some(next);
            total += rows.len();
            let (notes, _) = read(&source, TableRef::new("pi_watermarks"), None).await;
            let note = notes.iter().find(|note| note["table_name"] == name).unwrap();
            assert!(rows.len() > 20, "{name}: {}", rows.len());
            // An event on the border of two answers is read twice and sent once.
            let near = |told: &Value, sent: usize| told.as_u64().unwrap().abs_diff(sent as u64) <= sent as u64 / 5 + 2;
            assert!(near(&note["record_count"], rows.len()), "{name}: {note}, {} rows", rows.len());
            assert!(near(&note["total_records"], total), "{name}: {note}, {total} rows");
            server.clock().advance(std::time::Duration::from_secs(3_600));
        }
    }
}

#[tokio::test]
async fn hosts_are_told_to_read_these_tables_last() {
    let source = super::nowhere();
    let mut last = source.list_tables().await.unwrap();
    last.retain(|name| source.tells_of_reads(&TableRef::new(name.as_str())));
    assert_eq!(last, ["pi_watermarks", "pi_errors"]);
}
