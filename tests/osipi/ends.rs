//! A run ends, however slowly the server answers: what it reads up to is fixed when it begins.

use std::time::Duration;

use futures::TryStreamExt;
use lakeflow_connect::{Offset, ReadEvent, ReadRequest, TableRef};

use super::{connect_to, plant_with};

/// Rows after which a read ends at the next checkpoint.
const UNIT: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn j06_a_run_up_to_where_the_server_is_now_ends_for_every_table_while_its_clock_goes_on() {
    let server = plant_with(&[("points", "3"), ("elements", "6"), ("event-frames", "8")]);
    let source = connect_to(&server);
    for name in source.list_tables().await.unwrap() {
        let table = TableRef::new(&name).option("on_tag_error", "quarantine");
        // Two hours of what has a beginning.
        let recent = table.clone().option("startTime", "*-2h");
        let table = if source.get_table_schema(&recent).await.is_ok() { recent } else { table };
        let until = source.latest_offset(&table, None).await.unwrap();
        let (mut start, mut reads): (Option<Offset>, u32) = (None, 0);
        loop {
            // A unit at a time; to the server each event takes two seconds.
            let mut request = ReadRequest::new(table.clone()).start(start.clone()).max_records(UNIT as u64);
            if let Some(until) = &until {
                request = request.until(until.clone());
            }
            let (mut events, mut next, mut rows) = (source.read_table(request), start.clone(), 0);
            while let Some(event) = events.try_next().await.unwrap_or_else(|error| panic!("{name}: {error}")) {
                server.clock().advance(Duration::from_secs(2));
                match event {
                    ReadEvent::Checkpoint(offset) => next = Some(offset),
                    ReadEvent::Records(records) => rows += records.rows(),
                    _ => {}
                }
            }
            // A stream that ends by itself says that everything was read.
            if next == start || rows < UNIT {
                break;
            }
            (start, reads) = (next, reads + 1);
            assert!(reads < 200, "{name} does not end");
        }
    }
}
