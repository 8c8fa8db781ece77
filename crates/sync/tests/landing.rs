//! Each way of landing.

use lakeflow_connect::IngestionType;

use crate::{
    source::{Source, offset},
    tables::Lake,
};

#[tokio::test]
async fn appended_rows_arrive_once_and_a_second_run_commits_nothing() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x"), ("b", 2, "y")]).unit(&[("a", 1, "x")]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:1:x", "a:1:x", "b:2:y"]);
    assert_eq!((receipt.counts.rows_read, receipt.counts.rows_inserted, receipt.counts.commits), (3, 3, 1));
    let version = lake.version().await;
    let again = lake.sync(&source).await.unwrap();
    assert_eq!(lake.version().await, version);
    assert_eq!((again.counts.rows_read, again.counts.commits), (0, 0));
    source.unit(&[("c", 3, "z")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await.len(), 4);
}

#[tokio::test]
async fn of_a_key_the_newest_cursor_stays_whatever_the_order() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.unit(&[("a", 2, "new"), ("b", 1, "old"), ("a", 1, "old")]).unit(&[("b", 2, "new")]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:2:new", "b:2:new"]);
    assert_eq!((receipt.counts.rows_inserted, receipt.counts.rows_unchanged), (2, 2));
    source.unit(&[("a", 1, "late"), ("b", 3, "newer"), ("c", 1, "first")]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:2:new", "b:3:newer", "c:1:first"]);
    let counts = receipt.counts;
    assert_eq!((counts.rows_inserted, counts.rows_updated, counts.rows_unchanged), (1, 1, 1));
}

#[tokio::test]
async fn a_row_that_differs_in_the_time_of_reading_only_is_the_same() {
    for ingestion in [IngestionType::Cdc, IngestionType::Snapshot] {
        let (lake, source) = (Lake::new(), Source::new(ingestion));
        source.read_time("body");
        source.content(&[("a", 1, "read at 1"), ("b", 1, "read at 1")]);
        lake.sync(&source).await.unwrap();
        let again = [("a", 1, "read at 2"), ("b", 1, "read at 2"), ("c", 2, "read at 2")];
        match ingestion {
            IngestionType::Snapshot => source.content(&again),
            _ => source.unit(&again),
        };
        let counts = lake.sync(&source).await.unwrap().counts;
        assert_eq!((counts.rows_inserted, counts.rows_updated, counts.rows_unchanged), (1, 0, 2), "{ingestion}");
        assert_eq!(lake.rows().await, ["a:1:read at 1", "b:1:read at 1", "c:2:read at 2"]);
    }
}

#[tokio::test]
async fn a_cursor_that_is_the_time_of_reading_makes_no_row_newer_that_is_the_same() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.read_time("n");
    source.unit(&[("a", 1, "x"), ("b", 1, "y"), ("c", 1, "z")]);
    lake.sync(&source).await.unwrap();
    source.unit(&[("a", 2, "x"), ("b", 2, "changed")]);
    let counts = lake.sync(&source).await.unwrap().counts;
    assert_eq!((counts.rows_unchanged, counts.rows_updated), (1, 1));
    assert_eq!(lake.rows().await, ["a:1:x", "b:2:changed", "c:1:z"]);
    // Deleted, and there again.
    source.deletes(&[("a", 3)]);
    assert_eq!(lake.sync(&source).await.unwrap().counts.rows_deleted, 1);
    source.unit(&[("a", 4, "x"), ("b", 1, "older")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:4:x", "b:2:changed", "c:1:z"]);
}

#[tokio::test]
async fn with_equal_cursors_a_changed_row_replaces_and_an_equal_one_costs_nothing() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.unit(&[("a", 1, "x"), ("b", 1, "y")]);
    lake.sync(&source).await.unwrap();
    let files = lake.files().await;
    source.unit(&[("a", 1, "x"), ("b", 1, "y")]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(lake.files().await, files);
    assert_eq!((receipt.counts.rows_unchanged, receipt.counts.rows_updated), (2, 0));
    source.unit(&[("a", 1, "x"), ("b", 1, "changed")]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:1:x", "b:1:changed"]);
    assert_eq!((receipt.counts.rows_unchanged, receipt.counts.rows_updated), (1, 1));
}

#[tokio::test]
async fn json_rows_land_like_arrow_rows() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.json("{\"id\":\"a\",\"n\":\"2\",\"body\":\"x\"}\n{\"id\":\"b\",\"n\":1}\n", 2).unit(&[("a", 1, "older")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:2:x", "b:1:null"]);
}

#[tokio::test]
async fn a_snapshot_by_difference_writes_only_what_changed_and_removes_what_is_gone() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Snapshot));
    source.content(&[("a", 1, "x"), ("b", 1, "y"), ("c", 1, "z")]);
    lake.sync(&source).await.unwrap();
    let (files, version) = (lake.files().await, lake.version().await);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(receipt.counts.rows_unchanged, 3);
    assert_eq!((lake.files().await, lake.version().await), (files, version));
    source.content(&[("a", 1, "x"), ("b", 0, "older but true"), ("d", 1, "new")]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:1:x", "b:0:older but true", "d:1:new"]);
    let counts = receipt.counts;
    let all = (counts.rows_inserted, counts.rows_updated, counts.rows_deleted, counts.rows_unchanged);
    assert_eq!(all, (1, 1, 1, 1));
}

#[tokio::test]
async fn a_snapshot_without_keys_replaces_the_table_in_one_commit() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Snapshot));
    source.metadata(|m| m.primary_keys.clear());
    source.content(&[("a", 1, "x"), ("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    let version = lake.version().await;
    source.content(&[("b", 1, "y")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["b:1:y"]);
    assert_eq!(lake.version().await, version + 1);
}

#[tokio::test]
async fn an_empty_snapshot_empties_the_table() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Snapshot));
    source.content(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    source.content(&[]);
    let receipt = lake.sync(&source).await.unwrap();
    assert!(lake.rows().await.is_empty());
    assert_eq!(receipt.counts.rows_deleted, 1);
}

#[tokio::test]
async fn a_new_column_is_read_although_the_snapshot_has_not_moved() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Snapshot));
    source.latest(offset(1)).content(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    lake.sync(&source).await.unwrap();
    assert_eq!(source.reads(), 1);
    source.schema("id STRING, n BIGINT, body STRING, late STRING");
    lake.sync(&source).await.unwrap();
    assert_eq!(source.reads(), 2);
    assert!(lake.open().await.snapshot().unwrap().schema().field("late").is_some());
    lake.sync(&source).await.unwrap();
    assert_eq!(source.reads(), 2);
}
