//! Whatever a user writes as a filter means what it says or is refused, and never touches what the connector adds.

use std::{collections::BTreeSet, sync::Arc};

use fastrand::Rng;
use lakeflow_connect::{
    ErrorKind, LakeflowConnect, Result, TableRef,
    arrow::{
        array::{Array, AsArray, RecordBatch},
        datatypes::{Float64Type, Int64Type},
    },
};
use serde_json::json;

use super::{
    expression::{Expression, Row, hostile},
    real::{open, python, read, variable},
};

fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let longs = |name| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().clone();
    let texts = |name| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
    let (ids, a, select) = (longs("id"), longs("a"), longs("select"));
    let (t, spaced) = (texts("t"), texts("has space"));
    let f = batch.column_by_name("f").unwrap().as_primitive::<Float64Type>();
    let flags = batch.column_by_name("flag").unwrap().as_boolean();
    let text = |column: &lakeflow_connect::arrow::array::StringArray, row| {
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let row = |row| Row {
        id: ids.value(row),
        a: a.is_valid(row).then(|| a.value(row)),
        select: select.is_valid(row).then(|| select.value(row)),
        f: f.is_valid(row).then(|| f.value(row)),
        t: text(&t, row),
        has_space: text(&spaced, row),
        flag: flags.is_valid(row).then(|| flags.value(row)),
    };
    (0..batch.num_rows()).map(row).collect()
}

/// The ids that a filter selects, read in a way whose every request adds a condition of the connector's own.
async fn select(source: &Arc<dyn LakeflowConnect>, filter: &str, mode: &str) -> Result<Vec<i64>> {
    let table = TableRef::new("filtered").option("filter", filter).option("columns", "id");
    let rows = read(source, &table.option("scan_mode", mode).option("batch_size", "50")).await?;
    let ids = rows.batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec());
    Ok(ids.collect())
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_conditions_select_what_they_mean() {
    let source = open();
    let all = read(&source, &TableRef::new("filtered")).await.unwrap();
    let all: Vec<Row> = all.batches.iter().flat_map(rows_of).collect();
    assert_eq!(all.len(), 132);
    let mut rng = Rng::with_seed(20_261_121);
    let mut selected = BTreeSet::new();
    for round in 0..250 {
        let expression = Expression::random(&mut rng, 4);
        let text = expression.write(&mut rng);
        let wanted: Vec<i64> = all.iter().filter(|row| expression.holds(row) == Some(true)).map(|row| row.id).collect();
        let mode = if round % 2 == 0 { "offset" } else { "row_range" };
        let found = select(&source, &text, mode).await.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(found, wanted, "{text}");
        selected.insert(found.len());
    }
    assert!(selected.len() > 20, "conditions that all select the same prove nothing: {selected:?}");
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_hostile_texts_are_refused_or_mean_what_they_say() {
    let source = open();
    let mut rng = Rng::with_seed(41_121_126);
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for _ in 0..400 {
        let text = hostile(&mut rng);
        if text.trim().is_empty() {
            continue; // An empty option is one that is not given.
        }
        match (select(&source, &text, "row_range").await, select(&source, &text, "offset").await) {
            (Ok(by_range), Ok(by_offset)) => {
                assert_eq!(by_range, by_offset, "{text}");
                accepted.push((text, by_range));
            }
            (Err(by_range), Err(by_offset)) => {
                assert_eq!(by_range.kind(), by_offset.kind(), "{text}");
                // Another kind would mean that more rows came than our own condition allows.
                assert!(matches!(by_range.kind(), ErrorKind::Config | ErrorKind::NotFound), "{text}: {by_range}");
                refused += 1;
            }
            (by_range, by_offset) => panic!("{text}: {by_range:?} {by_offset:?}"),
        }
    }
    assert!(accepted.len() > 20 && refused > 100, "{} accepted, {refused} refused", accepted.len());
    // What was accepted selects what Lance itself selects by the text as it was written.
    let cases: Vec<_> =
        accepted.iter().map(|(text, _)| json!({"table": "filtered", "by": "filter", "filter": text})).collect();
    let output = python("lance_search.py", &[&variable("LAKEFLOW_TEST_LANCE_DATA")], &json!(cases).to_string());
    for (line, (text, found)) in output.lines().zip(&accepted) {
        let wanted: Vec<i64> =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("{text}: Lance refuses it: {line}"));
        assert_eq!(found, &wanted, "{text}");
    }
    println!("compared: {} accepted, {refused} refused", accepted.len());
}
