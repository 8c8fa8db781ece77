//! More than one writer at a time.

use std::{sync::Arc, time::Duration};

use deltalake::{
    datafile::writer::{DeltaWriter, WriterConfig},
    kernel::{
        Action, DataType, PrimitiveType, StructField,
        transaction::{CommitBuilder, CommitProperties, TableReference},
    },
    protocol::DeltaOperation,
    table::config::TablePropertiesExt,
};
use futures::{FutureExt, TryStreamExt};
use lakeflow_connect::{ErrorKind, IngestionType, Retry};
use lakeflow_sync::{SyncOptions, TableJob, sync_table};
use url::Url;

use crate::{
    source::Source,
    tables::{Lake, read},
};

/// A sync of another source into the same table.
async fn sync_other(name: &'static str, url: Url, source: Source) {
    let job = TableJob::new(name, Arc::new(source), "things", url);
    sync_table(job, &SyncOptions::default(), &()).await.unwrap();
}

#[tokio::test]
async fn of_two_syncs_of_one_table_the_second_loses_and_nothing_is_doubled() {
    for ingestion_type in [IngestionType::Append, IngestionType::Cdc] {
        let (lake, source) = (Lake::new(), Source::new(ingestion_type));
        source.unit(&[("a", 1, "x")]);
        lake.sync(&source).await.unwrap();
        source.unit(&[("b", 2, "y")]);
        let (url, rival) = (lake.url(), source.clone());
        source.during(1, move || sync_other("memory", url.clone(), rival.clone()).boxed());
        let error = lake.sync(&source).await.unwrap_err();
        assert_eq!(error.message(), "another sync is writing this table");
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Sink, Retry::Later(None)));
        assert_eq!(lake.rows().await, ["a:1:x", "b:2:y"], "{ingestion_type}");
        lake.sync(&source).await.unwrap();
        assert_eq!(lake.rows().await, ["a:1:x", "b:2:y"], "{ingestion_type}");
    }
}

#[tokio::test]
async fn of_two_first_syncs_the_second_loses_too() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]);
    let (url, rival) = (lake.url(), source.clone());
    source.during(0, move || sync_other("memory", url.clone(), rival.clone()).boxed());
    assert_eq!(lake.sync(&source).await.unwrap_err().message(), "another sync is writing this table");
    assert_eq!(lake.rows().await, ["a:1:x"]);
}

#[tokio::test]
async fn two_sources_may_fill_one_table_at_the_same_time() {
    for ingestion_type in [IngestionType::Append, IngestionType::Cdc] {
        let (lake, source, other) = (Lake::new(), Source::new(ingestion_type), Source::new(ingestion_type));
        source.unit(&[("a", 1, "x")]);
        other.unit(&[("b", 2, "y")]);
        let url = lake.url();
        source.during(0, move || sync_other("other", url.clone(), other.clone()).boxed());
        lake.sync(&source).await.unwrap();
        assert_eq!(lake.rows().await, ["a:1:x", "b:2:y"], "{ingestion_type}");
        assert_eq!(lake.sync(&source).await.unwrap().counts.rows_read, 0);
    }
}

#[tokio::test]
async fn a_merge_planned_before_another_commit_is_planned_again() {
    let (lake, source, other) = (Lake::new(), Source::new(IngestionType::Cdc), Source::new(IngestionType::Cdc));
    source.unit(&[("a", 1, "x"), ("b", 1, "x")]);
    lake.sync(&source).await.unwrap();
    source.unit(&[("a", 2, "mine"), ("c", 2, "mine")]);
    other.unit(&[("a", 3, "theirs"), ("c", 1, "theirs")]);
    let url = lake.url();
    source.during(1, move || sync_other("other", url.clone(), other.clone()).boxed());
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:3:theirs", "b:1:x", "c:2:mine"]);
}

#[tokio::test]
async fn a_key_of_another_writer_is_found_after_a_commit_without_rows() {
    let (mut lake, source, other) = (Lake::new(), Source::new(IngestionType::Cdc), Source::new(IngestionType::Cdc));
    lake.options.commit_interval = Duration::ZERO;
    source.unit(&[("a", 1, "x")]).batches(Vec::new()).unit(&[("b", 2, "mine")]);
    other.unit(&[("b", 1, "theirs")]);
    let url = lake.url();
    source.during(1, move || sync_other("other", url.clone(), other.clone()).boxed());
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(receipt.counts.commits, 3);
    assert_eq!(lake.rows().await, ["a:1:x", "b:2:mine"]);
}

/// Adds a column to a table that somebody else fills.
async fn add_column(url: Url) {
    let field = StructField::new("theirs", DataType::Primitive(PrimitiveType::String), true);
    deltalake::open_table(url).await.unwrap().add_columns().with_fields([field]).await.unwrap();
}

#[tokio::test]
async fn a_column_that_another_writer_adds_during_a_sync_is_null_in_our_rows() {
    for ingestion_type in [IngestionType::Append, IngestionType::Cdc] {
        let (mut lake, source) = (Lake::new(), Source::new(ingestion_type));
        lake.options.commit_interval = Duration::ZERO;
        source.unit(&[("a", 1, "x")]).unit(&[("b", 1, "y")]).unit(&[("c", 1, "z")]);
        let url = lake.url();
        source.during(1, move || add_column(url.clone()).boxed());
        lake.sync(&source).await.unwrap();
        assert_eq!(lake.rows().await, ["a:1:x", "b:1:y", "c:1:z"], "{ingestion_type}");
    }
}

/// Rewrites all files of a table as one, as maintenance does: nothing changes for readers.
async fn compact(url: Url) {
    let table = deltalake::open_table(url).await.unwrap();
    let state = table.snapshot().unwrap();
    let batches = read(&table).await;
    let properties = state.table_config();
    let config =
        WriterConfig::new(batches[0].schema(), Vec::new(), None, None, None, properties.num_indexed_cols(), None);
    let mut writer = DeltaWriter::new(table.object_store(), config);
    for batch in &batches {
        writer.write(batch).await.unwrap();
    }
    let views: Vec<_> = table.get_active_add_actions_by_partitions(&[]).try_collect().await.unwrap();
    let mut actions: Vec<_> = views.iter().map(|v| Action::Remove(v.remove_action(false))).collect();
    for mut add in writer.close().await.unwrap() {
        add.data_change = false;
        actions.push(Action::Add(add));
    }
    CommitBuilder::from(CommitProperties::default())
        .with_actions(actions)
        .build(
            Some(state as &dyn TableReference),
            table.log_store(),
            DeltaOperation::Optimize { predicate: None, target_size: 1 },
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_compaction_during_a_merge_neither_doubles_nor_revives_a_row() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.unit(&[("a", 1, "x"), ("b", 1, "x")]);
    lake.sync(&source).await.unwrap();
    source.unit(&[("c", 1, "x")]);
    lake.sync(&source).await.unwrap();
    source.unit(&[("a", 2, "new")]);
    source.deletes(&[("b", 2)]);
    let url = lake.url();
    source.during(2, move || compact(url.clone()).boxed());
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:2:new", "c:1:x"]);
    assert_eq!((receipt.counts.rows_updated, receipt.counts.rows_deleted), (1, 1));
    compact(lake.url()).await;
    source.unit(&[("c", 2, "after")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:2:new", "c:2:after"]);
}

/// A sync of the same table in a lane.
async fn sync_lane(
    lane: &'static str,
    url: Url,
    source: Source,
) -> lakeflow_connect::Result<lakeflow_sync::TableReceipt> {
    let mut job = TableJob::new("memory", Arc::new(source), "things", url);
    job.lane = Some(lane.to_owned());
    sync_table(job, &SyncOptions::default(), &()).await
}

#[tokio::test]
async fn two_lanes_of_one_table_go_on_apart() {
    for ingestion_type in [IngestionType::Append, IngestionType::Cdc, IngestionType::CdcWithDeletes] {
        let (lake, past, live) = (Lake::new(), Source::new(ingestion_type), Source::new(ingestion_type));
        past.unit(&[("a", 1, "x")]);
        live.unit(&[("b", 2, "y")]);
        let (url, rival) = (lake.url(), live.clone());
        // The first commits of both race for the table itself.
        past.during(0, move || {
            let (url, rival) = (url.clone(), rival.clone());
            async move { assert!(sync_lane("live", url, rival).await.unwrap().caught_up) }.boxed()
        });
        sync_lane("past", lake.url(), past.clone()).await.unwrap();
        assert_eq!(lake.rows().await, ["a:1:x", "b:2:y"], "{ingestion_type}");
        past.unit(&[("c", 3, "x")]);
        assert_eq!(sync_lane("live", lake.url(), live.clone()).await.unwrap().counts.rows_read, 0);
        assert_eq!(sync_lane("past", lake.url(), past.clone()).await.unwrap().counts.rows_read, 1);
        let states = lakeflow_sync::state::show(&lake.url(), &lake.options.storage).await.unwrap();
        let lanes: Vec<_> = states.iter().filter_map(|s| s.lane.as_deref()).collect();
        assert_eq!(lanes.iter().filter(|lane| **lane == "past").count() * 2, lanes.len(), "{ingestion_type}");
        if ingestion_type != IngestionType::Append {
            lakeflow_sync::state::reset_lane(&lake.url(), &lake.options.storage, "past", lake.clock.as_ref())
                .await
                .unwrap();
            assert_eq!(sync_lane("live", lake.url(), live).await.unwrap().counts.rows_read, 0);
            assert_eq!(sync_lane("past", lake.url(), past).await.unwrap().counts.rows_read, 2);
            assert_eq!(lake.rows().await, ["a:1:x", "b:2:y", "c:3:x"], "{ingestion_type}");
        }
    }
}

#[tokio::test]
async fn a_row_of_one_lane_does_not_come_back_that_the_other_has_deleted() {
    let (lake, past, live) =
        (Lake::new(), Source::new(IngestionType::CdcWithDeletes), Source::new(IngestionType::CdcWithDeletes));
    live.unit(&[("a", 2, "read by both"), ("b", 2, "y")]);
    sync_lane("live", lake.url(), live.clone()).await.unwrap();
    past.unit(&[("a", 1, "read by both"), ("c", 1, "x")]).unit(&[("d", 1, "x")]);
    live.deletes(&[("a", 3)]);
    let (url, rival) = (lake.url(), live.clone());
    // The row has been read, and is committed after the deletion.
    past.during(1, move || {
        let (url, rival) = (url.clone(), rival.clone());
        async move { assert_eq!(sync_lane("live", url, rival).await.unwrap().counts.rows_deleted, 1) }.boxed()
    });
    sync_lane("past", lake.url(), past.clone()).await.unwrap();
    assert_eq!(lake.rows().await, ["b:2:y", "c:1:x", "d:1:x"]);
    past.unit(&[("a", 4, "made again")]);
    sync_lane("past", lake.url(), past).await.unwrap();
    assert_eq!(lake.rows().await, ["a:4:made again", "b:2:y", "c:1:x", "d:1:x"]);
}

#[tokio::test]
async fn lanes_are_named_plainly_and_not_for_tables_that_are_read_in_full() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.unit(&[("a", 1, "x")]);
    for lane in ["", "rows", "a:b", "a/b"] {
        assert_eq!(sync_lane(lane, lake.url(), source.clone()).await.unwrap_err().kind(), ErrorKind::Config, "{lane}");
    }
    let snapshot = Source::new(IngestionType::Snapshot);
    snapshot.content(&[("a", 1, "x")]);
    let error = sync_lane("past", lake.url(), snapshot).await.unwrap_err();
    assert!(error.message().contains("has no lanes"), "{error}");
}
