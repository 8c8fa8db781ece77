//! When commits are made, and what a stop, a limit and a dropped run leave behind.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use futures::FutureExt;
use lakeflow_connect::{BadRows, ErrorKind, IngestionType};
use lakeflow_sync::{Counts, Observer, Stop, sync_table};

use crate::{
    quarantine::bad,
    source::{Row, Source, offset, rows},
    tables::Lake,
};

#[tokio::test]
async fn units_are_gathered_until_enough_rows_have_come() {
    let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    lake.options.commit_rows = 2;
    for _ in 0..5 {
        source.unit(&[("a", 1, "x")]);
    }
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!((receipt.counts.commits, receipt.counts.rows_read), (3, 5));
    assert_eq!(receipt.offset_after, Some(offset(5)));
    assert_eq!(lake.rows().await.len(), 5);
}

#[tokio::test]
async fn a_commit_is_made_when_enough_time_has_passed() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]).unit(&[("b", 1, "x")]).unit(&[("c", 1, "x")]);
    let clock = lake.clock.clone();
    source.during(1, move || {
        clock.advance(Duration::from_secs(61));
        async {}.boxed()
    });
    assert_eq!(lake.sync(&source).await.unwrap().counts.commits, 2);
}

#[tokio::test]
async fn a_commit_is_made_when_enough_bytes_have_come() {
    let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    lake.options.commit_bytes = 1;
    source.unit(&[("a", 1, "x")]).unit(&[("b", 1, "x")]);
    assert_eq!(lake.sync(&source).await.unwrap().counts.commits, 2);
}

#[tokio::test]
async fn a_stop_commits_whole_units_and_the_next_run_goes_on() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]).unit(&[("b", 1, "x")]).unit(&[("c", 1, "x")]);
    let stop = lake.options.stop.clone();
    source.during(1, move || {
        stop.stop();
        async {}.boxed()
    });
    let receipt = lake.sync(&source).await.unwrap();
    assert!(!receipt.caught_up);
    assert_eq!(receipt.offset_after, Some(offset(2)));
    assert_eq!(lake.rows().await, ["a:1:x", "b:1:x"]);
    let mut again = Lake::new().options;
    again.clock = lake.clock.clone();
    let receipt = sync_table(lake.job(&source), &again, &()).await.unwrap();
    assert!(receipt.caught_up);
    assert_eq!(lake.rows().await, ["a:1:x", "b:1:x", "c:1:x"]);
}

#[tokio::test]
async fn max_records_ends_the_run_without_claiming_to_be_caught_up() {
    let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]);
    lake.options.max_records = Some(1);
    assert!(!lake.sync(&source).await.unwrap().caught_up);
    lake.options.max_records = None;
    assert!(lake.sync(&source).await.unwrap().caught_up);
}

#[tokio::test]
async fn rows_put_aside_count_towards_max_records() {
    let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    lake.options.bad_rows = BadRows::Quarantine;
    lake.options.max_records = Some(2);
    source.unit(&[("a", 1, "x")]).bad_rows(vec![bad("\"b\"", b"{}")]);
    assert!(!lake.sync(&source).await.unwrap().caught_up);
}

#[tokio::test]
async fn max_records_is_refused_for_a_snapshot_which_would_lose_the_rest() {
    for keys in [vec!["id".to_owned()], Vec::new()] {
        let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Snapshot));
        source.metadata(|m| m.primary_keys = keys);
        source.content(&[("a", 1, "x"), ("b", 1, "x")]);
        lake.sync(&source).await.unwrap();
        lake.options.max_records = Some(1);
        let error = lake.sync(&source).await.unwrap_err();
        assert_eq!((error.kind(), source.reads()), (ErrorKind::Config, 1), "{error}");
        assert_eq!(lake.rows().await, ["a:1:x", "b:1:x"]);
    }
}

/// Stops a run at its first commit.
struct StopAtCommit(Stop);

impl Observer for StopAtCommit {
    fn committed(&self, _table: &str, _version: u64, _counts: &Counts) {
        self.0.stop();
    }
}

#[tokio::test]
async fn a_stop_between_rows_and_deletions_is_not_caught_up() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.deletes_from_now();
    lake.sync(&source).await.unwrap();
    source.unit(&[("a", 1, "x")]).deletes(&[("a", 1)]);
    let observer = StopAtCommit(lake.options.stop.clone());
    let receipt = sync_table(lake.job(&source), &lake.options, &observer).await.unwrap();
    assert_eq!((receipt.caught_up, receipt.counts.commits), (false, 1));
    assert_eq!(lake.rows().await, ["a:1:x"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_dropped_at_any_point_leaves_a_table_that_the_next_run_completes() {
    let source = Source::new(IngestionType::Cdc);
    let all: Vec<Row> = vec![("a", 1, "x"), ("b", 1, "y"), ("c", 1, "z"), ("a", 2, "newer"), ("d", 1, "w")];
    for row in &all {
        source.unit(&[*row]);
    }
    for polls in (0..60).step_by(3) {
        let mut lake = Lake::new();
        lake.options.commit_rows = 2;
        {
            let mut run = pin!(lake.sync(&source));
            let mut left = polls;
            let ended = std::future::poll_fn(|cx| {
                if left == 0 {
                    return Poll::Ready(None);
                }
                left -= 1;
                run.as_mut().poll(cx).map(Some)
            });
            ended.await.transpose().unwrap();
        }
        lake.sync(&source).await.unwrap();
        assert_eq!(lake.rows().await, ["a:2:newer", "b:1:y", "c:1:z", "d:1:w"], "after {polls} polls");
    }
}

#[tokio::test]
async fn a_unit_larger_than_memory_is_staged_in_files_and_committed_whole() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.unit(&[("small", 1, "x")]);
    source.batches(large_unit("a"));
    source.fail_after(Some(30));
    lake.sync(&source).await.unwrap_err();
    assert_eq!(lake.rows().await, ["small:1:x"], "no row of the unit that never ended");
    source.fail_after(None);
    lake.sync(&source).await.unwrap();
    let got = lake.batches().await.iter().map(|b| b.num_rows()).sum::<usize>();
    assert_eq!(got, 1 + 40 * 8);
}

#[tokio::test]
async fn of_large_units_those_that_were_whole_are_committed_when_the_source_fails() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    for name in ["a", "b", "c"] {
        source.batches(large_unit(name));
    }
    source.fail_after(Some(2 * 41 + 30));
    lake.sync(&source).await.unwrap_err();
    let rows = async || lake.batches().await.iter().map(|b| b.num_rows()).sum::<usize>();
    assert_eq!(rows().await, 2 * 320);
    source.fail_after(None);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!((rows().await, receipt.counts.rows_read), (3 * 320, 320));
}

/// 40 batches of 512 KiB.
fn large_unit(name: &str) -> Vec<lakeflow_connect::arrow::array::RecordBatch> {
    let body: &'static str = "x".repeat(64 * 1024).leak();
    let batch = |b: usize| {
        let of: Vec<Row> = (0..8).map(|i| (format!("{name}-{b}-{i}").leak() as &'static str, 1, body)).collect();
        rows(&of)
    };
    (0..40).map(batch).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_can_be_a_task_of_its_own() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.unit(&[("a", 1, "x")]);
    let (job, options) = (lake.job(&source), lake.options.clone());
    let run = tokio::spawn(async move { sync_table(job, &options, &()).await });
    assert!(run.await.unwrap().unwrap().caught_up);
}
