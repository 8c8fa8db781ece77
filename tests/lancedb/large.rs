//! More text than Arrow's 32-bit offsets can hold in one answer, on Lance's own server.

use std::sync::Arc;

use futures::TryStreamExt;
use lakeflow_connect::{
    Context, LakeflowConnect, Options, ReadEvent, ReadRequest, Records, Registry, TableRef,
    arrow::{array::AsArray, datatypes::Int64Type},
};

use super::real::{python, variable};

const ROWS: i64 = 9_000;
const LENGTH: usize = 1 << 18;

fn connect() -> Arc<dyn LakeflowConnect> {
    let options = Options::new().with("uri", variable("LAKEFLOW_TEST_LANCE_URL"));
    Registry::builtin().connect("lancedb", &options, &Context::new()).unwrap()
}

/// Every text has its row's number in front, then one letter. They are looked at as they come: all would be 2.4 GB.
async fn read(table: TableRef) -> (Arc<dyn LakeflowConnect>, usize) {
    let source = connect();
    let mut events = source.read_table(ReadRequest::new(table));
    let (mut next, mut largest) = (0, 0);
    let letters = "x".repeat(LENGTH - 8);
    while let Some(event) = events.try_next().await.unwrap() {
        let ReadEvent::Records(Records::Arrow(batch)) = event else { continue };
        let ids = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>();
        let texts = batch.column_by_name("text").unwrap().as_string::<i32>();
        for (id, text) in ids.values().iter().zip(texts) {
            let (number, rest) = text.unwrap().split_at(8);
            assert!(*id == next && number.parse() == Ok(next) && rest == letters, "row {next}");
            next += 1;
        }
        largest = largest.max(batch.num_rows());
    }
    assert_eq!(next, ROWS);
    (source, largest)
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start lance, 5 GB of memory and two minutes"]
async fn texts_beyond_2_gib_in_one_answer_are_read_in_halves() {
    python("lance_tables.py", &[&variable("LAKEFLOW_TEST_LANCE_DATA"), "long_texts"], "");
    let table = TableRef::new("long_texts").option("ingestion_type", "snapshot");
    // The server builds 2 GiB and gives up, then 1.1 GiB, which the client does not take.
    let (source, largest) = read(table.clone().option("batch_size", "10000")).await;
    assert_eq!((largest, source.activity().retries), (2_250, 0));
    // Left to itself, the connector never asks for such an answer.
    let (source, largest) = read(table).await;
    assert!(largest <= 64 && source.activity().retries == 0, "{largest}");
}
