//! Showing, exporting and resetting how far a table was synced.

use lakeflow_connect::{ErrorKind, IngestionType};
use lakeflow_sync::{
    FlowKind, Landing,
    state::{ResetRows, export, reset, rewind, show},
};

use crate::{
    source::{Source, offset},
    tables::Lake,
};

async fn forget(lake: &Lake, rows: ResetRows) -> lakeflow_connect::Result<()> {
    reset(&lake.url(), &lake.options.storage, rows, lake.clock.as_ref()).await
}

#[tokio::test]
async fn both_flows_are_shown_and_exported() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.unit(&[("a", 1, "x"), ("b", 1, "x")]);
    source.deletes(&[("a", 1)]);
    lake.sync(&source).await.unwrap();
    let states = show(&lake.url(), &lake.options.storage).await.unwrap();
    let flows: Vec<_> = states.iter().map(|s| (s.flow, s.version, s.landing)).collect();
    let landing = Landing::CdcWithDeletes;
    assert_eq!(flows, [(FlowKind::Deletes, 1, landing), (FlowKind::Rows, 1, landing)]);
    assert_eq!(states[1].offset, Some(offset(1)));
    assert_eq!(states[1].committed_at.timestamp(), 1_700_000_000);
    let json: serde_json::Value =
        serde_json::from_str(&export(&lake.url(), &lake.options.storage).await.unwrap()).unwrap();
    assert_eq!(json[1]["offset"]["at"], 1);
    assert_eq!(json[1]["flow"], "rows");
}

#[tokio::test]
async fn where_nothing_was_synced_there_is_nothing_to_show_or_reset() {
    let lake = Lake::new();
    assert!(show(&lake.url(), &lake.options.storage).await.unwrap().is_empty());
    assert_eq!(forget(&lake, ResetRows::Remove).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!lake.path().exists());
}

#[tokio::test]
async fn after_a_reset_the_next_run_reads_in_full_without_duplicates() {
    for ingestion_type in [IngestionType::Append, IngestionType::Cdc, IngestionType::CdcWithDeletes] {
        let (lake, source) = (Lake::new(), Source::new(ingestion_type));
        source.unit(&[("a", 1, "x")]).unit(&[("b", 1, "y")]);
        lake.sync(&source).await.unwrap();
        forget(&lake, ResetRows::Remove).await.unwrap();
        assert!(lake.rows().await.is_empty());
        let receipt = lake.sync(&source).await.unwrap();
        assert_eq!((receipt.offset_before, receipt.counts.rows_read), (None, 2));
        assert_eq!(lake.rows().await, ["a:1:x", "b:1:y"], "{ingestion_type}");
    }
}

#[tokio::test]
async fn a_reset_that_keeps_rows_merges_into_them() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.unit(&[("a", 1, "x"), ("b", 1, "y")]);
    source.deletes(&[("b", 1)]);
    lake.sync(&source).await.unwrap();
    forget(&lake, ResetRows::Keep).await.unwrap();
    assert_eq!(lake.rows().await, ["a:1:x"]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(receipt.counts.rows_read, 2);
    assert_eq!(lake.rows().await, ["a:1:x"]);
}

#[tokio::test]
async fn keeping_the_rows_of_an_append_table_is_refused() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(forget(&lake, ResetRows::Keep).await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(lake.sync(&source).await.unwrap().counts.rows_read, 0);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_can_be_reset() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    for folder in std::fs::read_dir(lake.path().join("_lakeflow")).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace("\"format\":1", "\"format\":99")).unwrap();
        }
    }
    lake.sync(&source).await.unwrap_err();
    forget(&lake, ResetRows::Remove).await.unwrap();
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:1:x"]);
}

#[tokio::test]
async fn a_reset_is_one_commit_for_all_flows() {
    for rows in [ResetRows::Remove, ResetRows::Keep] {
        let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
        source.unit(&[("a", 1, "x"), ("b", 1, "y")]).deletes(&[("b", 1)]);
        lake.sync(&source).await.unwrap();
        let version = lake.version().await;
        forget(&lake, rows).await.unwrap();
        assert_eq!(lake.version().await, version + 1, "a kill between two commits would lose rows");
        let states = show(&lake.url(), &lake.options.storage).await.unwrap();
        let offsets: Vec<_> = states.iter().map(|s| (s.version, s.offset.clone())).collect();
        assert_eq!(offsets, [(2, None), (2, None)]);
        assert_eq!(tombstones(&lake), 0);
        lake.sync(&source).await.unwrap();
        assert_eq!(lake.rows().await, ["a:1:x"]);
    }
}

/// Deletion files on disk, named by a document or not.
fn tombstones(lake: &Lake) -> usize {
    let folders = std::fs::read_dir(lake.path().join("_lakeflow")).unwrap();
    folders.filter_map(|f| std::fs::read_dir(f.unwrap().path().join("tombstones")).ok()).map(Iterator::count).sum()
}

#[tokio::test]
async fn a_table_whose_side_folder_was_removed_can_be_reset() {
    for rows in [ResetRows::Remove, ResetRows::Keep] {
        let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
        source.unit(&[("a", 1, "x"), ("b", 1, "y")]).deletes(&[("b", 1)]);
        lake.sync(&source).await.unwrap();
        std::fs::remove_dir_all(lake.path().join("_lakeflow")).unwrap();
        forget(&lake, rows).await.unwrap();
        assert_eq!(lake.sync(&source).await.unwrap().counts.rows_read, 2);
        assert_eq!(lake.rows().await, ["a:1:x"]);
    }
}

#[tokio::test]
async fn deletions_whose_document_was_removed_are_lost_and_not_forgotten() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.unit(&[("b", 1, "y")]).deletes(&[("a", 5)]);
    lake.sync(&source).await.unwrap();
    std::fs::remove_dir_all(lake.path().join("_lakeflow")).unwrap();
    source.unit(&[("a", 4, "late")]);
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!((error.kind(), error.get("flow")), (ErrorKind::Sink, Some("deletes")), "{error}");
    assert_eq!(lake.rows().await, ["b:1:y"]);
}

#[tokio::test]
async fn a_flow_that_is_set_back_reads_again_and_keeps_rows_and_deletions() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.unit(&[("a", 1, "x")]).unit(&[("b", 2, "y")]).deletes(&[("c", 9)]);
    lake.sync(&source).await.unwrap();
    let states = show(&lake.url(), &lake.options.storage).await.unwrap();
    let back = |was: &lakeflow_sync::state::FlowState, to: usize| {
        let (was, url) = (was.clone(), lake.url());
        let (storage, clock) = (lake.options.storage.clone(), lake.clock.clone());
        async move { rewind(&url, &storage, &was, offset(to), clock.as_ref()).await }
    };
    back(&states[1], 1).await.unwrap();
    assert_eq!(lake.rows().await, ["a:1:x", "b:2:y"]);
    let stale = back(&states[1], 0).await.unwrap_err();
    assert!(stale.message().contains("since its state was read"), "{stale}");
    source.unit(&[("c", 5, "deleted before")]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!((receipt.offset_before, receipt.counts.rows_read), (Some(offset(1)), 2));
    assert_eq!(lake.rows().await, ["a:1:x", "b:2:y"], "the deletion is remembered");

    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    let states = show(&lake.url(), &lake.options.storage).await.unwrap();
    let error =
        rewind(&lake.url(), &lake.options.storage, &states[0], offset(0), lake.clock.as_ref()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}
