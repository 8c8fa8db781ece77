//! Maintenance: fewer files, rows side by side, and no row changed.

use std::sync::Arc;

use lakeflow_connect::{
    ErrorKind, IngestionType,
    arrow::array::{ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    arrow::datatypes::{Int64Type, TimestampMicrosecondType},
};
use lakeflow_sync::{OptimizeReceipt, optimize, sync_table};

use crate::{source::Source, tables::Lake};

const DAY: i64 = 86_400_000_000;

async fn order(lake: &Lake, columns: &[&str]) -> lakeflow_connect::Result<OptimizeReceipt> {
    let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
    optimize(&lake.url(), &columns, &lake.options).await
}

#[tokio::test]
async fn small_files_are_put_together_and_the_sync_goes_on_where_it_was() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    for (id, n) in [("a", 1), ("b", 2), ("c", 3)] {
        source.unit(&[(id, n, "x")]);
        lake.sync(&source).await.unwrap();
    }
    let receipt = order(&lake, &[]).await.unwrap();
    assert_eq!((receipt.files_before, receipt.files_after, receipt.rows, receipt.commits), (3, 1, 3, 1));
    assert_eq!(receipt.table_version, Some(lake.version().await));
    assert_eq!(lake.files().await.len(), 1);
    assert_eq!(lake.rows().await, ["a:1:x", "b:2:x", "c:3:x"]);
    let log = lake.path().join(format!("_delta_log/{:020}.json", lake.version().await));
    assert!(!std::fs::read_to_string(log).unwrap().contains(r#""dataChange":true"#), "streams must not read it again");
    let again = order(&lake, &[]).await.unwrap();
    assert_eq!((again.commits, again.files_left), (0, 1));
    source.unit(&[("b", 4, "y"), ("d", 1, "x")]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!((receipt.counts.rows_read, receipt.counts.rows_updated), (2, 1));
    assert_eq!(lake.rows().await, ["a:1:x", "b:4:y", "c:3:x", "d:1:x"]);
}

/// Time series of some tags: every tag at every minute of some days, as they happen.
fn plant(days: i32, tags: i64) -> Source {
    let source = Source::with_schema("tag STRING, at TIMESTAMP, day DATE, n BIGINT", IngestionType::Cdc);
    source.metadata(|m| m.primary_keys = vec!["tag".to_owned(), "at".to_owned()]);
    for day in 0..days {
        source.batches(vec![events(day, 0..tags * 400, tags)]);
    }
    source
}

fn events(day: i32, rows: std::ops::Range<i64>, tags: i64) -> RecordBatch {
    let at = |n: i64| i64::from(day) * DAY + n / tags * 60_000_000;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("tag", Arc::new(rows.clone().map(|n| Some(format!("tag-{:03}", n % tags))).collect::<StringArray>())),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(rows.clone().map(at)).with_timezone("UTC"))),
        ("day", Arc::new(rows.clone().map(|_| Some(day)).collect::<Date32Array>())),
        ("n", Arc::new(rows.map(|n| Some(n * 2_654_435_761 % 1_000_003)).collect::<Int64Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

/// `tag`, time and `n` of every row, sorted; the partition's column is not in the files.
async fn values(lake: &Lake) -> Vec<(String, i64, i64)> {
    let mut values = Vec::new();
    for batch in lake.batches().await {
        let tag = batch.column_by_name("tag").unwrap().as_string::<i32>().clone();
        let at = batch.column_by_name("at").unwrap().as_primitive::<TimestampMicrosecondType>().clone();
        let n = batch.column_by_name("n").unwrap().as_primitive::<Int64Type>().clone();
        values.extend((0..batch.num_rows()).map(|i| (tag.value(i).to_owned(), at.value(i), n.value(i))));
    }
    values.sort();
    values
}

/// How many files of the table a reader of one tag has to open.
async fn files_with(lake: &Lake, tag: &str) -> usize {
    let table = lake.open().await;
    let log = table.snapshot().unwrap().log_data();
    let stats: Vec<serde_json::Value> =
        log.into_iter().map(|f| serde_json::from_str(&f.stats().unwrap()).unwrap()).collect();
    let bound = |s: &serde_json::Value, which: &str| s[which]["tag"].as_str().unwrap().to_owned();
    stats.iter().filter(|s| *bound(s, "minValues") <= *tag && *bound(s, "maxValues") >= *tag).count()
}

#[tokio::test]
async fn rows_asked_for_together_are_put_side_by_side_within_their_partition() {
    let (mut lake, source) = (Lake::new(), plant(2, 30));
    lake.options.file_bytes = 16 << 10;
    let mut job = lake.job(&source);
    job.partition_by = vec!["day".to_owned()];
    sync_table(job.clone(), &lake.options, &()).await.unwrap();
    let (before, all) = (values(&lake).await, lake.files().await.len());
    assert_eq!((before.len(), files_with(&lake, "tag-010").await), (24_000, all), "in the order of time");
    assert!(all > 10, "{all} files");

    let receipt = order(&lake, &["tag", "at"]).await.unwrap();
    assert_eq!((receipt.rows, receipt.files_left), (24_000, 0));
    assert!(values(&lake).await == before, "no row is changed");
    let (files, of_tag) = (lake.files().await, files_with(&lake, "tag-010").await);
    assert!(of_tag * 2 <= files.len(), "{of_tag} of {} files", files.len());
    assert!(files.iter().all(|f| f.contains("/day=1970-01-0")), "{files:?}");
    assert_eq!(order(&lake, &["tag", "at"]).await.unwrap().commits, 0, "there is nothing left to do");

    // A late correction finds its row by the bounds that are still in the log.
    source.batches(vec![events(0, 30..31, 30), events(1, 12_000..12_300, 30)]);
    let receipt = sync_table(job, &lake.options, &()).await.unwrap();
    assert_eq!((receipt.counts.rows_inserted, receipt.counts.rows_unchanged), (300, 1));
    assert!(receipt.counts.files_looked_into < files.len() as u64 / 2, "{:?}", receipt.counts);
    assert_eq!(order(&lake, &["tag", "at"]).await.unwrap().commits, 0, "little is new");
    assert!(order(&lake, &["n"]).await.unwrap().commits > 0, "another order is another matter");
    assert_eq!(values(&lake).await.len(), 24_300);
}

#[tokio::test]
async fn columns_that_cannot_order_a_table_are_refused() {
    let (lake, source) = (Lake::new(), plant(1, 2));
    assert_eq!(order(&lake, &[]).await.unwrap_err().kind(), ErrorKind::NotFound);
    let mut job = lake.job(&source);
    job.partition_by = vec!["day".to_owned()];
    sync_table(job, &lake.options, &()).await.unwrap();
    let error = order(&lake, &["tag", "day"]).await.unwrap_err();
    assert_eq!((error.kind(), error.get("column")), (ErrorKind::Config, Some("day")), "{error}");
    let error = order(&lake, &["tagg"]).await.unwrap_err();
    assert!(error.to_string().contains("did you mean 'tag'"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_of_a_sync_and_maintenance_comes_first_no_row_is_lost_or_doubled() {
    let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    lake.options.commit_rows = 1;
    let mut expected = Vec::new();
    for n in 0..20_i64 {
        let id: &'static str = Box::leak(format!("k{}", n % 7).into_boxed_str());
        source.unit(&[(id, n, "x")]);
        expected.retain(|row: &String| !row.starts_with(&format!("{id}:")));
        expected.push(format!("{id}:{n}:x"));
    }
    expected.sort();
    let (synced, ordered) = tokio::join!(lake.sync(&source), async {
        for _ in 0..5 {
            match order(&lake, &["id"]).await {
                Ok(_) => {}
                Err(error) => {
                    assert!(matches!(error.kind(), ErrorKind::Sink | ErrorKind::NotFound), "{error}");
                }
            }
        }
    });
    let () = ordered;
    if synced.is_err() {
        lake.sync(&source).await.unwrap();
    }
    assert_eq!(lake.rows().await, expected);
}
