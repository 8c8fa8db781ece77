//! What a connection tells of its own reads.

use std::sync::Arc;

use futures::TryStreamExt;
use lakeflow_connect::{
    ErrorKind, LakeflowConnect, Offset, ReadEvent, ReadRequest, Records, TableRef, arrow::array::AsArray,
    decode::arrow_to_json,
};
use lakeflow_simulators::osipi::{PointFault, RunningServer, Spelling};
use serde_json::Value;

use super::{connect_to, small_plant};

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
    let (source, [_, readable]) = with_a_forbidden_tag(&server).await;
    let (rows, offset) = read(&source, TableRef::new("pi_watermarks"), None).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["tag_webid"], Value::from(readable));
    assert!(rows[0]["total_records"].as_i64().is_some_and(|n| n > 10), "{}", rows[0]);
    assert!(rows[0]["last_timestamp"].is_string(), "{}", rows[0]);
    assert_eq!(read(&source, TableRef::new("pi_watermarks"), Some(offset)).await.0.len(), 0);
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
