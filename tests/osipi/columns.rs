//! J.1: every column of the tables of events is filled by some row.

use std::{collections::BTreeSet, sync::Arc};

use futures::TryStreamExt;
use lakeflow_connect::{LakeflowConnect, ReadEvent, ReadRequest, TableRef, stream::arrow_events};
use lakeflow_simulators::osipi::{PointSpec, PointType, RunningServer};
use serde_json::Value;

use super::{connect_to, plant_with, rows_of};

/// Points of all types that can be read, good and bad values, flags, notes and errors.
fn motley_plant() -> RunningServer {
    let server = plant_with(&[("points", "17"), ("personality", "bad-quality"), ("personality", "value-errors")]);
    let mut list = PointSpec::new("A.LIST", PointType::Array);
    list.stream = server.point(&server.points()[0]).unwrap().stream;
    server.add_point("PISRV1", list).unwrap();
    server
}

async fn read(source: &Arc<dyn LakeflowConnect>, table: &TableRef) -> Vec<Value> {
    let events: Vec<ReadEvent> = arrow_events(source, ReadRequest::new(table.clone())).try_collect().await.unwrap();
    let of = |event: &ReadEvent| match event {
        ReadEvent::Records(records) => rows_of(records),
        _ => Vec::new(),
    };
    events.iter().flat_map(of).collect()
}

/// The columns that no row fills must be just these.
async fn fills_all_but(source: &Arc<dyn LakeflowConnect>, table: &TableRef, rows: &[Value], never: &[&str]) {
    let schema = source.get_table_schema(table).await.unwrap();
    let filled: BTreeSet<&str> =
        rows.iter().flat_map(|row| row.as_object().unwrap().keys()).map(String::as_str).collect();
    let empty: BTreeSet<&str> = schema.names().filter(|name| !filled.contains(name)).collect();
    assert_eq!(empty, never.iter().copied().collect(), "{}: of {} rows", table.name, rows.len());
}

fn last_hour(name: &str) -> TableRef {
    TableRef::new(name).option("startTime", "*-1h")
}

#[tokio::test(flavor = "multi_thread")]
async fn j01_every_column_of_the_tables_of_events_is_filled_by_some_row() {
    let server = motley_plant();
    let source = connect_to(&server);
    for name in ["pi_timeseries", "pi_streamset_recorded"] {
        let rows = read(&source, &last_hour(name)).await;
        fills_all_but(&source, &last_hour(name), &rows, &[]).await;
    }
    let notes = last_hour("pi_stream_annotations");
    let rows = read(&source, &notes).await;
    // An annotation that could not be read: the simulator has none.
    fills_all_but(&source, &notes, &rows, &["errors"]).await;
}
