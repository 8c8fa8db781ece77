//! J.1: values are what the server holds, in the column of their type, also as changes; and every column of notes is filled.

use std::{collections::BTreeSet, sync::Arc};

use futures::TryStreamExt;
use lakeflow_connect::{LakeflowConnect, Offset, ReadEvent, ReadRequest, StructType, TableRef};
use lakeflow_simulators::osipi::{
    Change, PointFault, PointSpec, PointType, RunningServer, Sample, Spelling, Ticks, Value as Stored,
};
use serde_json::{Value, json};

use super::{connect_to, plant_with, rows_of, table_rows};

/// The columns that no row fills, as `table.column`.
pub(super) fn never_filled(table: &str, schema: &StructType, rows: &[Value]) -> BTreeSet<String> {
    let filled: BTreeSet<&String> = rows.iter().flat_map(|row| row.as_object().unwrap().keys()).collect();
    let empty = schema.names().filter(|name| !filled.contains(&(*name).to_owned()));
    empty.map(|name| format!("{table}.{name}")).collect()
}

/// Points of all types that can be read.
fn motley_plant() -> RunningServer {
    let server = plant_with(&[("points", "17"), ("density", "5m")]);
    let mut list = PointSpec::new("A.LIST", PointType::Array);
    list.stream = server.point(&server.points()[0]).unwrap().stream;
    server.add_point("PISRV1", list).unwrap();
    server
}

async fn read(source: &Arc<dyn LakeflowConnect>, table: &TableRef, start: Option<Offset>) -> (Vec<Value>, Offset) {
    let request = ReadRequest::new(table.clone()).start(start);
    let events: Vec<ReadEvent> = source.read_table(request).try_collect().await.unwrap();
    let (mut rows, mut offset) = (Vec::new(), None);
    for event in events {
        match event {
            ReadEvent::Records(records) => rows.extend(rows_of(&records)),
            ReadEvent::Checkpoint(next) => offset = Some(next),
            _ => {}
        }
    }
    (rows, offset.unwrap())
}

/// A value for a point of this type, and the column that it is told in.
fn of_type(point_type: PointType, at: Ticks) -> (Stored, &'static str, Value) {
    match point_type {
        PointType::Digital => (Stored::State(1), "digital_code", json!(1)),
        PointType::String => (Stored::Text("by hand".to_owned()), "value_string", json!("by hand")),
        PointType::Timestamp => (Stored::Time(at), "value_timestamp", json!(at.to_string())),
        PointType::Array => (Stored::Json("[1.5,2.5]".to_owned()), "value_json", json!("[1.5,2.5]")),
        PointType::Int16 | PointType::Int32 => (Stored::Integer(5), "value_long", json!(5)),
        // One that no floating-point number is.
        PointType::Int64 => (Stored::Integer(9_007_199_254_740_993), "value_long", json!(9_007_199_254_740_993_i64)),
        _ => (Stored::Number(6.5), "value", json!(6.5)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j01_changes_tell_what_was_done_and_to_what() {
    let server = motley_plant();
    let source = connect_to(&server);
    let changes = TableRef::new("pi_timeseries_changes");
    let (none, offset) = read(&source, &changes, None).await;
    assert!(none.is_empty());
    let now = Ticks::from(server.clock().now());
    let mut wanted = Vec::new();
    for point in server.points() {
        let webid = server.web_id(&point, Spelling::IdOnly).unwrap();
        let events = server.events(&point, Ticks(now.0 - 7_200 * 10_000_000), now).unwrap();
        let (edited, deleted) = (events[1].time, events[2].time);
        let (value, column, told) = of_type(server.point(&point).unwrap().point_type, Ticks(now.0 - 10_000_000));
        let seen = Sample { questionable: true, substituted: true, annotation: Some("seen".into()), ..value.into() };
        server.change(&point, Change::Replace(edited, seen)).unwrap();
        server.change(&point, Change::Delete(deleted)).unwrap();
        server.change(&point, Change::Supersede(Ticks(now.0 - 70), Stored::System(248).into())).unwrap();
        wanted.push((webid, edited, deleted, column, told));
    }
    let (rows, _) = read(&source, &changes, Some(offset)).await;
    assert_eq!(rows.len(), 3 * wanted.len());
    for (webid, edited, deleted, column, told) in wanted {
        let of_tag: Vec<&Value> = rows.iter().filter(|row| row["tag_webid"] == webid.as_str()).collect();
        let [edit, delete, add] = of_tag[..] else { panic!("{of_tag:?}") };
        assert_eq!([&edit["action"], &delete["action"], &add["action"]], ["Update", "Delete", "Add"]);
        let time = |row: &Value| row["timestamp_raw"].as_str().and_then(Ticks::parse).unwrap();
        assert_eq!((time(edit), time(delete)), (edited, deleted));
        match column {
            "value_timestamp" => {
                assert_eq!(edit[column].as_str().and_then(Ticks::parse), Ticks::parse(told.as_str().unwrap()))
            }
            _ => assert_eq!(edit[column], told, "{edit}"),
        }
        let flags = ["good", "questionable", "substituted", "annotated"];
        assert!(flags.iter().all(|flag| edit[flag] == true), "{edit}");
        assert_eq!((&add["digital_code"], &add["digital_is_system"]), (&json!(248), &json!(true)), "{add}");
        assert_eq!((&add["good"], &add["previous_event_action"]), (&json!(false), &json!("PreviousEventDiscarded")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j01_every_column_of_errors_is_filled_by_some_row() {
    let server = motley_plant();
    let source = connect_to(&server);
    let point = &server.points()[0];
    server.break_point(point, Some(PointFault::Forbidden)).unwrap();
    let failing = |name: &str| TableRef::new(name).option("startTime", "*-1h").option("on_tag_error", "quarantine");
    for name in ["pi_timeseries", "pi_interpolated"] {
        assert!(!table_rows(&source, failing(name)).await.unwrap().is_empty());
    }
    let errors = TableRef::new("pi_errors");
    let rows = table_rows(&source, errors.clone()).await.unwrap();
    let schema = source.get_table_schema(&errors).await.unwrap();
    assert_eq!(never_filled("pi_errors", &schema, &rows), BTreeSet::new());
    let webid = server.web_id(point, Spelling::IdOnly).unwrap();
    let tables: Vec<&str> = rows.iter().map(|row| row["table_name"].as_str().unwrap()).collect();
    assert_eq!(tables, ["pi_timeseries", "pi_interpolated"]);
    assert!(rows.iter().all(|row| row["object_webid"] == webid.as_str() && row["status"] == 403), "{rows:?}");
}
