//! Partitions, many files, and which files a merge looks into.

use std::{collections::HashSet, sync::Arc};

use lakeflow_connect::{
    ErrorKind, IngestionType,
    arrow::{
        array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
        datatypes::DataType,
    },
};
use lakeflow_sync::{TableReceipt, sync_table};

use crate::{
    source::{Row, Source},
    tables::Lake,
};

const DAY: i64 = 86_400_000_000;

async fn sync_by(lake: &Lake, source: &Source, columns: &[&str]) -> lakeflow_connect::Result<TableReceipt> {
    let mut job = lake.job(source);
    job.partition_by = columns.iter().map(|c| (*c).to_owned()).collect();
    sync_table(job, &lake.options, &()).await
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// Time series: `(tag, at in days, n)`.
fn plant() -> Source {
    let source = Source::with_schema("tag STRING, at TIMESTAMP, day DATE, n BIGINT", IngestionType::Cdc);
    source.metadata(|m| m.primary_keys = vec!["tag".to_owned(), "at".to_owned()]);
    source
}

fn events(of: &[(&str, f64, i64)]) -> RecordBatch {
    let micros = |days: f64| (days * DAY as f64) as i64;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("tag", Arc::new(of.iter().map(|e| Some(e.0)).collect::<StringArray>())),
        (
            "at",
            Arc::new(TimestampMicrosecondArray::from_iter_values(of.iter().map(|e| micros(e.1))).with_timezone("UTC")),
        ),
        ("day", Arc::new(of.iter().map(|e| Some(e.1 as i32)).collect::<Date32Array>())),
        ("n", Arc::new(of.iter().map(|e| Some(e.2)).collect::<Int64Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

#[tokio::test]
async fn late_rows_look_into_the_files_of_their_day_only() {
    let (lake, source) = (Lake::new(), plant());
    let tags = ["sinusoid", "pump.1", "pump.2"];
    for day in 0..20 {
        let day: Vec<_> = tags.iter().map(|tag| (*tag, f64::from(day) + 0.5, 1)).collect();
        source.batches(vec![events(&day)]);
    }
    let first = sync_by(&lake, &source, &["day"]).await.unwrap();
    assert_eq!((first.counts.rows_inserted, first.counts.files_looked_into), (60, 0));
    assert_eq!(lake.files().await.len(), 20);
    // A corrected row and a row that was never there, both of one day; and rows of today.
    source.batches(vec![events(&[("pump.1", 3.5, 2), ("pump.9", 3.25, 1), ("pump.1", 20.5, 1)])]);
    let second = sync_by(&lake, &source, &["day"]).await.unwrap();
    assert_eq!((second.counts.rows_inserted, second.counts.rows_updated), (2, 1));
    assert_eq!(second.counts.files_looked_into, 1);
    let rows: usize = lake.batches().await.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 62);
}

#[tokio::test]
async fn when_most_of_the_table_is_looked_into_later_commits_need_not_look() {
    let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.unit(&[("a", 1, "x"), ("m", 1, "x"), ("z", 1, "x")]);
    lake.sync(&source).await.unwrap();
    lake.options.commit_rows = 1;
    source.unit(&[("m", 2, "y")]).unit(&[("n", 1, "x")]).unit(&[("o", 1, "x")]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!((receipt.counts.commits, receipt.counts.files_looked_into), (3, 1));
    assert_eq!(lake.rows().await, ["a:1:x", "m:2:y", "n:1:x", "o:1:x", "z:1:x"]);
}

#[tokio::test]
async fn an_empty_text_cannot_partition_a_table_and_nothing_is_lost() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]).unit(&[("b", 2, "")]);
    let error = sync_by(&lake, &source, &["body"]).await.unwrap_err();
    assert_eq!((error.kind(), error.get("column")), (ErrorKind::Data, Some("body")));
    // Another layout takes the same rows.
    let other = Lake::new();
    let receipt = sync_by(&other, &source, &["n"]).await.unwrap();
    assert_eq!(receipt.counts.rows_inserted, 2);
}

#[tokio::test]
async fn columns_that_cannot_partition_a_table_are_refused_before_anything_is_made() {
    let (lake, source) = (Lake::new(), Source::with_schema("id STRING, x DOUBLE", IngestionType::Append));
    for columns in [vec!["x"], vec!["idd"], vec!["id", "x"]] {
        assert!(sync_by(&lake, &source, &columns).await.is_err(), "{columns:?}");
    }
    let whole = Source::with_schema("id STRING", IngestionType::Append);
    assert_eq!(sync_by(&lake, &whole, &["id"]).await.unwrap_err().kind(), ErrorKind::Config);
    assert!(!lake.path().exists());
}

#[tokio::test]
async fn more_partitions_than_open_files_land_whole() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    let mut expected = HashSet::new();
    for unit in 0..3 {
        let rows: Vec<Row> =
            (0..600).map(|i| (leak(format!("{unit}-{i}")), i, leak(format!("p{}", i % 400)))).collect();
        expected.extend(rows.iter().map(|r| r.0.to_owned()));
        source.unit(&rows);
    }
    let receipt = sync_by(&lake, &source, &["body"]).await.unwrap();
    assert_eq!(receipt.counts.rows_inserted, 1800);
    assert!(lake.files().await.len() >= 400);
    let mut found = HashSet::new();
    for batch in lake.batches().await {
        let id = batch.column_by_name("id").unwrap().as_any().downcast_ref::<StringArray>().unwrap().clone();
        found.extend(id.iter().map(|id| id.unwrap().to_owned()));
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_commit_of_several_files_is_whole_and_can_be_changed_again() {
    let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    lake.options.file_bytes = 64 << 10;
    let body =
        |i: i64, salt: i64| leak((0..60).map(|n| format!("{:x}", (i * 7919 + n * 104_729 + salt) % 65_521)).collect());
    let rows: Vec<Row> = (0..4_000).map(|i| (leak(format!("{i:05}")), i, body(i, 0))).collect();
    source.unit(&rows);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(receipt.counts.commits, 1);
    assert!(lake.files().await.len() > 3, "{:?}", lake.files().await);
    let changed: Vec<Row> = (0..4_000).step_by(7).map(|i| (leak(format!("{i:05}")), i + 10_000, body(i, 1))).collect();
    source.unit(&changed);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(receipt.counts.rows_updated, changed.len() as u64);
    let mut expected: Vec<String> = rows
        .iter()
        .map(|(id, n, body)| match changed.iter().find(|c| c.0 == *id) {
            Some((id, n, body)) => format!("{id}:{n}:{body}"),
            None => format!("{id}:{n}:{body}"),
        })
        .collect();
    expected.sort();
    assert_eq!(lake.rows().await, expected);
}

#[tokio::test]
async fn a_row_without_a_cursor_is_older_than_any_and_equal_to_its_like() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    let without = |id: &str, body: &str| {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(StringArray::from(vec![id]))),
            ("n", Arc::new(Int64Array::from(vec![None::<i64>]))),
            ("body", Arc::new(StringArray::from(vec![body]))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
    };
    source.unit(&[("a", -5, "known")]).batches(vec![without("b", "first")]);
    lake.sync(&source).await.unwrap();
    source.batches(vec![without("a", "late"), without("b", "second")]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!((receipt.counts.rows_unchanged, receipt.counts.rows_updated), (1, 1));
    let bodies: HashSet<String> = lake
        .batches()
        .await
        .iter()
        .flat_map(|b| {
            let column = b.column_by_name("body").unwrap().as_any().downcast_ref::<StringArray>().unwrap();
            column.iter().map(|v| v.unwrap().to_owned()).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(bodies, HashSet::from(["known".to_owned(), "second".to_owned()]));
}

#[tokio::test]
async fn numbers_that_come_as_text_are_ordered_as_numbers() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.metadata(|m| m.cursor_field = Some("body".to_owned()));
    source.unit(&[("a", 1, "9"), ("b", 1, "10")]);
    lake.sync(&source).await.unwrap();
    source.unit(&[("a", 2, "10"), ("b", 2, "9")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:2:10", "b:1:10"]);
}

#[tokio::test]
async fn instants_without_a_zone_are_kept_as_they_are() {
    let (lake, source) =
        (Lake::new(), Source::with_schema("id STRING, at TIMESTAMP_NTZ, n BIGINT", IngestionType::Cdc));
    let rows = |at: i64, n: i64| {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("id", Arc::new(StringArray::from(vec!["a"]))),
            ("at", Arc::new(TimestampMicrosecondArray::from(vec![at]))),
            ("n", Arc::new(Int64Array::from(vec![n]))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
    };
    source.batches(vec![rows(1_700_000_000_123_456, 1)]);
    lake.sync(&source).await.unwrap();
    source.batches(vec![rows(1_700_000_000_123_457, 2)]);
    lake.sync(&source).await.unwrap();
    let batches = lake.batches().await;
    let at = batches[0].column_by_name("at").unwrap();
    assert!(matches!(at.data_type(), DataType::Timestamp(_, None)), "{:?}", at.data_type());
    let at = at.as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap();
    assert_eq!((batches.len(), at.values().to_vec()), (1, vec![1_700_000_000_123_457]));
}
