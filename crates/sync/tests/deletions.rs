//! Rows and their deletions: two flows, each with its offset.

use std::time::Duration;

use lakeflow_connect::{ErrorKind, IngestionType};
use lakeflow_sync::state::{ResetRows, reset};

use crate::{
    source::{Source, offset},
    tables::Lake,
};

#[tokio::test]
async fn a_deletion_removes_older_rows_and_never_a_newer_one() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.unit(&[("a", 1, "x"), ("b", 5, "y"), ("c", 1, "z")]);
    lake.sync(&source).await.unwrap();
    source.deletes(&[("a", 2), ("b", 4), ("c", 1)]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["b:5:y"]);
    assert_eq!((receipt.counts.rows_deleted, receipt.counts.deletes_read), (2, 3));
    source.unit(&[("a", 3, "again")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:3:again", "b:5:y"]);
}

#[tokio::test]
async fn a_row_older_than_a_deletion_that_was_applied_before_it_does_not_come_back() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.unit(&[("b", 1, "y")]);
    source.deletes(&[("a", 5)]);
    lake.sync(&source).await.unwrap();
    source.unit(&[("a", 4, "late"), ("c", 1, "z")]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["b:1:y", "c:1:z"]);
    assert_eq!(receipt.counts.rows_unchanged, 1);
    source.unit(&[("a", 6, "new")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:6:new", "b:1:y", "c:1:z"]);
}

#[tokio::test]
async fn a_deletion_is_remembered_for_a_day_and_then_forgotten() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    let kept = || std::fs::read_dir(tombstones(&lake)).unwrap().count();
    source.unit(&[("a", 1, "x")]);
    source.deletes(&[("a", 5)]);
    lake.sync(&source).await.unwrap();
    assert_eq!(kept(), 1);
    for _ in 0..2 {
        lake.wait(Duration::from_secs(20 * 3600));
        source.unit(&[("b", 1, "x")]).unit(&[("a", 4, "late")]).deletes(&[("z", 1)]);
        lake.sync(&source).await.unwrap();
        assert_eq!(lake.rows().await, ["b:1:x"]);
    }
    // The first is older than a day; of those after it, one was written 20 hours ago and one now.
    assert_eq!(kept(), 2);
}

#[tokio::test]
async fn deletions_are_forgotten_after_a_day_although_nothing_moves() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    let kept = || std::fs::read_dir(tombstones(&lake)).unwrap().count();
    source.unit(&[("a", 1, "x")]);
    source.deletes(&[("a", 5)]);
    lake.sync(&source).await.unwrap();
    lake.wait(Duration::from_secs(23 * 3600));
    let version = lake.version().await;
    assert_eq!(lake.sync(&source).await.unwrap().counts.commits, 0);
    assert_eq!((kept(), lake.version().await), (1, version));
    lake.wait(Duration::from_secs(2 * 3600));
    assert_eq!(lake.sync(&source).await.unwrap().counts.commits, 1);
    assert_eq!(kept(), 0);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!((receipt.counts.commits, receipt.deletes_offset_after), (0, Some(offset(1))));
}

#[tokio::test]
async fn deletions_make_progress_and_spare_newer_rows_while_no_rows_come() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.unit(&[("a", 1, "x"), ("b", 7, "y")]);
    lake.sync(&source).await.unwrap();
    source.deletes(&[("a", 5), ("b", 6)]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!((receipt.counts.rows_read, receipt.counts.rows_deleted), (0, 1));
    assert_eq!(lake.rows().await, ["b:7:y"]);
    source.deletes(&[]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!((receipt.counts.commits, receipt.deletes_offset_after), (1, Some(offset(2))));
    source.deletes(&[("b", 7)]);
    lake.sync(&source).await.unwrap();
    assert!(lake.rows().await.is_empty());
}

fn tombstones(lake: &Lake) -> std::path::PathBuf {
    let mut folders =
        std::fs::read_dir(lake.path().join("_lakeflow")).unwrap().map(|f| f.unwrap().path().join("tombstones"));
    folders.find(|f| f.exists()).unwrap()
}

#[tokio::test]
async fn deletions_without_a_cursor_are_refused_before_anything_is_read() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.metadata(|m| m.cursor_field = None);
    source.unit(&[("a", 1, "x")]);
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!((error.kind(), source.reads()), (ErrorKind::Config, 0), "{error}");
}

#[tokio::test]
async fn deletion_files_of_runs_that_were_killed_go_away_after_a_day() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.unit(&[("a", 1, "x")]);
    source.deletes(&[("a", 5)]);
    lake.sync(&source).await.unwrap();
    let now = std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    for (name, age) in [("old", 25), ("young", 23)] {
        let file = std::fs::File::create(tombstones(&lake).join(format!("{name}.parquet"))).unwrap();
        file.set_modified(now - Duration::from_secs(age * 3600)).unwrap();
    }
    source.deletes(&[("b", 5)]);
    lake.sync(&source).await.unwrap();
    let kept = std::fs::read_dir(tombstones(&lake)).unwrap().map(|f| f.unwrap().file_name());
    let kept: Vec<_> = kept.filter(|f| f.len() < 20).collect();
    assert_eq!(kept, ["young.parquet"]);
    assert_eq!(std::fs::read_dir(tombstones(&lake)).unwrap().count(), 3);
}

/// A source whose deletions begin where they are when they are asked for, and which deletes `a` while rows are first read.
fn deletes_while_rows_are_read() -> Source {
    let source = Source::new(IngestionType::CdcWithDeletes);
    source.deletes(&[("z", 1)]).deletes_from_now();
    source.unit(&[("a", 1, "x"), ("b", 1, "y")]);
    let deletes = source.clone();
    source.during(0, move || {
        deletes.deletes(&[("a", 2)]);
        Box::pin(async {})
    });
    source
}

#[tokio::test]
async fn a_row_that_is_deleted_after_it_was_first_read_is_told() {
    let (lake, source) = (Lake::new(), deletes_while_rows_are_read());
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["b:1:y"]);
    assert_eq!((receipt.deletes_offset_before, receipt.deletes_offset_after), (None, Some(offset(2))));
    assert!(receipt.caught_up);
}

#[tokio::test]
async fn a_row_that_is_deleted_between_a_first_run_that_failed_and_the_next_is_told() {
    let (mut lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    lake.options.commit_rows = 1;
    source.deletes_from_now().unit(&[("a", 1, "x")]).unit(&[("b", 1, "y")]);
    source.fail_after(Some(3));
    lake.sync(&source).await.unwrap_err();
    assert_eq!(lake.rows().await, ["a:1:x"]);
    source.deletes(&[("a", 2)]).fail_after(None);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["b:1:y"]);
}

#[tokio::test]
async fn after_a_reset_deletions_are_begun_before_rows_are_read_again() {
    for rows in [ResetRows::Keep, ResetRows::Remove] {
        let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
        source.deletes_from_now().unit(&[("a", 1, "x"), ("b", 1, "y")]);
        lake.sync(&source).await.unwrap();
        reset(&lake.url(), &lake.options.storage, rows, lake.clock.as_ref()).await.unwrap();
        let deletes = source.clone();
        source.during(0, move || {
            deletes.deletes(&[("a", 2)]);
            Box::pin(async {})
        });
        lake.sync(&source).await.unwrap();
        assert_eq!(lake.rows().await, ["b:1:y"], "{rows:?}");
    }
}

#[tokio::test]
async fn deletions_of_a_table_that_was_followed_without_them_begin_with_the_next_run() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.deletes_from_now().unit(&[("a", 1, "x"), ("b", 1, "y"), ("c", 1, "z")]);
    lake.sync(&source).await.unwrap();
    source.deletes(&[("a", 2)]);
    source.metadata(|m| m.ingestion_type = IngestionType::CdcWithDeletes);
    lake.sync(&source).await.unwrap();
    source.deletes(&[("b", 2)]);
    lake.sync(&source).await.unwrap();
    // Nothing tells of `a` any more: a full read could be less than what the table holds.
    assert_eq!(lake.rows().await, ["a:1:x", "c:1:z"]);
}

#[tokio::test]
async fn deletions_that_are_told_at_the_beginning_spare_rows_that_were_made_again() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.deletes(&[("a", 3), ("b", 4), ("c", 1)]);
    source.unit(&[("a", 5, "again"), ("b", 2, "late"), ("c", 1, "gone")]).unit(&[("b", 5, "again")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:5:again", "b:5:again"]);
}

#[tokio::test]
async fn no_row_is_read_before_deletions_could_be_begun() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.unit(&[("a", 1, "x")]).deletes_fail(true);
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!((error.kind(), source.reads()), (ErrorKind::Unavailable, 0));
    assert!(!lake.path().exists());
    source.deletes_fail(false);
    lake.options.stop.stop();
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!((receipt.caught_up, source.reads()), (false, 0));
}
