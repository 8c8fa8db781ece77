//! What the archive of a simulated plant holds, against what a Delta table holds.

use std::{collections::BTreeMap, fs::File, path::Path};

use deltalake::{
    arrow::{
        array::{Array, AsArray},
        datatypes::{Float64Type, Int64Type},
    },
    parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
};
use lakeflow_simulators::osipi::{RunningServer, Spelling, Ticks};

use crate::support::files;

/// The number of each event by tag, exact time and place within its microsecond.
pub(crate) type Events = BTreeMap<(String, String, i64), Option<f64>>;

/// The first instant that is not yet past.
pub(crate) fn now(server: &RunningServer) -> Ticks {
    Ticks(Ticks::from(server.clock().now()).0 + 1)
}

/// What the archive holds from an instant on.
pub(crate) fn held(server: &RunningServer, from: Ticks) -> Events {
    let mut held = Events::new();
    for point in server.points() {
        let webid = server.web_id(&point, Spelling::IdOnly).unwrap();
        let (mut last, mut sequence) = (None, 0);
        for event in server.events(&point, from, now(server)).unwrap() {
            sequence = if last == Some(event.time.0 / 10) { sequence + 1 } else { 0 };
            last = Some(event.time.0 / 10);
            held.insert((webid.clone(), event.time.to_string(), sequence), event.value.parse().ok());
        }
    }
    held
}

/// What a Delta table holds; fails the test when it has an event twice.
pub(crate) fn stored(table: &Path) -> Events {
    let mut stored = Events::new();
    for file in files(table) {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap().build().unwrap();
        for batch in reader {
            let batch = batch.unwrap();
            let column = |name: &str| batch.column_by_name(name).unwrap();
            let (tags, times) = (column("tag_webid").as_string::<i32>(), column("timestamp_raw").as_string::<i32>());
            let values = column("value").as_primitive::<Float64Type>();
            let types = column("value_type").as_string::<i32>();
            let places = column("event_seq").as_primitive::<Int64Type>();
            for row in 0..batch.num_rows() {
                let key = (tags.value(row).to_owned(), times.value(row).to_owned(), places.value(row));
                // The code of a state is no number of the archive.
                let is_number = values.is_valid(row) && matches!(types.value(row), "number" | "integer");
                let value = is_number.then(|| values.value(row));
                assert!(stored.insert(key, value).is_none(), "an event is there twice");
            }
        }
    }
    stored
}

/// Fails the test unless the table holds each event of the archive from an instant on, once, as it is now, and nothing
/// else. How many there are.
pub(crate) fn assert_copied(server: &RunningServer, from: Ticks, table: &Path) -> usize {
    let (held, stored) = (held(server, from), stored(table));
    let missing: Vec<_> = held.iter().filter(|(key, value)| stored.get(*key) != Some(value)).take(3).collect();
    let extra: Vec<_> = stored.keys().filter(|key| !held.contains_key(*key)).take(3).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{} of {}: {missing:?} {extra:?}", stored.len(), held.len());
    held.len()
}
