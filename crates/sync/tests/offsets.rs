//! The offset is in the table whatever happens to its log.

use std::fs;

use deltalake::{
    kernel::{
        Transaction,
        transaction::{CommitBuilder, CommitProperties, TableReference},
    },
    protocol::{DeltaOperation, SaveMode},
};
use lakeflow_connect::{ErrorKind, IngestionType};
use lakeflow_sync::state;

use crate::{
    source::{Source, offset},
    tables::Lake,
};

const APP: &str = "lakeflow:memory:things:rows";

async fn synced() -> (Lake, Source) {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]).unit(&[("b", 2, "y")]);
    lake.sync(&source).await.unwrap();
    (lake, source)
}

/// Empty commits by somebody else; with a transaction where one is given.
async fn commit_by_others(lake: &Lake, transaction: Option<Transaction>) {
    let table = lake.open().await;
    let mut properties = CommitProperties::default();
    if let Some(transaction) = transaction {
        properties = properties.with_application_transaction(transaction);
    }
    let operation = DeltaOperation::Write { mode: SaveMode::Append, partition_by: None, predicate: None };
    CommitBuilder::from(properties)
        .build(Some(table.snapshot().unwrap() as &dyn TableReference), table.log_store(), operation)
        .await
        .unwrap();
}

/// A checkpoint on top of everything, and no older entry than the one that it was made of.
async fn clean_up_the_log(lake: &Lake) {
    commit_by_others(lake, None).await;
    let table = lake.open().await;
    deltalake::checkpoints::create_checkpoint(&table, None).await.unwrap();
    for version in 0..table.version().unwrap() {
        fs::remove_file(lake.path().join(format!("_delta_log/{version:020}.json"))).unwrap();
    }
}

fn documents(lake: &Lake) -> Vec<std::path::PathBuf> {
    let folders = fs::read_dir(lake.path().join("_lakeflow")).unwrap();
    let files = folders.flat_map(|f| fs::read_dir(f.unwrap().path()).unwrap());
    files.map(|f| f.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "json")).collect()
}

async fn offset_of(lake: &Lake) -> Option<String> {
    let states = state::show(&lake.url(), &lake.options.storage).await.unwrap();
    states.first()?.offset.as_ref().map(|o| o.to_json())
}

#[tokio::test]
async fn progress_without_rows_is_recorded() {
    let (lake, source) = synced().await;
    let version = lake.version().await;
    source.unit(&[]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!((receipt.counts.commits, receipt.counts.rows_read), (1, 0));
    assert_eq!(lake.version().await, version + 1);
    assert_eq!(offset_of(&lake).await, Some(offset(3).to_json()));
}

#[tokio::test]
async fn the_offset_survives_a_checkpoint_and_the_clean_up_of_the_log() {
    let (lake, source) = synced().await;
    clean_up_the_log(&lake).await;
    assert_eq!(offset_of(&lake).await, Some(offset(2).to_json()));
    source.unit(&[("c", 3, "z")]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!(receipt.counts.rows_read, 1);
    assert_eq!(lake.rows().await, ["a:1:x", "b:2:y", "c:3:z"]);
}

#[tokio::test]
async fn a_table_whose_log_was_cleaned_up_can_be_reset_with_and_without_its_documents() {
    for documented in [true, false] {
        let (lake, source) = synced().await;
        clean_up_the_log(&lake).await;
        if !documented {
            fs::remove_dir_all(lake.path().join("_lakeflow")).unwrap();
            let error = lake.sync(&source).await.unwrap_err();
            assert!(error.help_text().is_some_and(|help| help.contains("reset")), "{error}");
        }
        let rows = state::ResetRows::Remove;
        state::reset(&lake.url(), &lake.options.storage, rows, lake.clock.as_ref()).await.unwrap();
        assert!(lake.rows().await.is_empty());
        let receipt = lake.sync(&source).await.unwrap();
        assert_eq!((receipt.offset_before, receipt.counts.rows_read), (None, 2));
        assert_eq!(lake.rows().await, ["a:1:x", "b:2:y"]);
    }
}

#[tokio::test]
async fn the_commit_tells_the_offset_when_the_document_was_removed() {
    let (lake, source) = synced().await;
    documents(&lake).iter().for_each(|d| fs::remove_file(d).unwrap());
    source.unit(&[("c", 3, "z")]);
    assert_eq!(lake.sync(&source).await.unwrap().counts.rows_read, 1);
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_an_error_and_never_a_fresh_start() {
    let (lake, source) = synced().await;
    documents(&lake).iter().for_each(|d| fs::write(d, "{").unwrap());
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sink);
    assert!(error.help_text().unwrap().contains("reset"), "{error}");
    assert_eq!(lake.rows().await.len(), 2);
}

#[tokio::test]
async fn documents_of_commits_that_were_never_made_are_harmless_and_go_away() {
    let (lake, source) = synced().await;
    let document = documents(&lake).remove(0);
    let text = fs::read_to_string(&document).unwrap().replace(r#""at":2"#, r#""at":9"#);
    let folder = document.parent().unwrap();
    fs::write(folder.join(format!("{:020}-ffff.json", 1)), &text).unwrap();
    fs::write(folder.join(format!("{:020}-ffff.json", 2)), &text).unwrap();
    assert_eq!(offset_of(&lake).await, Some(offset(2).to_json()));
    source.unit(&[("c", 3, "z")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await.len(), 3);
    let names: Vec<_> = documents(&lake).iter().map(|d| d.display().to_string()).collect();
    assert!(!names.iter().any(|n| n.contains("00002-ffff")), "{names:?}");
}

#[tokio::test]
async fn old_documents_are_removed() {
    let (lake, source) = synced().await;
    for _ in 0..20 {
        source.unit(&[("c", 3, "z")]);
        lake.sync(&source).await.unwrap();
    }
    assert!(documents(&lake).len() < 10);
}

#[tokio::test]
async fn commits_of_others_on_top_do_not_hide_ours() {
    let (lake, source) = synced().await;
    let table = lake.open().await;
    let properties = [("delta.logRetentionDuration".to_owned(), "interval 9 days".to_owned())].into();
    table.set_tbl_properties().with_properties(properties).await.unwrap();
    commit_by_others(&lake, Some(Transaction::new("somebody else", 99))).await;
    documents(&lake).iter().for_each(|d| fs::remove_file(d).unwrap());
    source.unit(&[("c", 3, "z")]);
    assert_eq!(lake.sync(&source).await.unwrap().counts.rows_read, 1);
}

#[tokio::test]
async fn the_library_accepts_a_repeated_transaction_and_we_do_not() {
    let (lake, source) = synced().await;
    commit_by_others(&lake, Some(Transaction::new(APP, 1))).await;
    commit_by_others(&lake, Some(Transaction::new(APP, 0))).await;
    source.unit(&[("c", 3, "z")]);
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sink);
    assert_eq!(lake.rows().await.len(), 2, "{error}");
}

#[tokio::test]
async fn a_table_that_expires_transactions_is_refused() {
    let (lake, source) = synced().await;
    let property = "delta.setTransactionRetentionDuration";
    let properties = [(property.to_owned(), "interval 1 days".to_owned())].into();
    lake.open().await.set_tbl_properties().with_properties(properties).await.unwrap();
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!(error.get("property"), Some(property));
}

#[tokio::test]
async fn a_table_synced_from_another_system_is_refused() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]);
    let mut job = lake.job(&source);
    job.connection = Some("https://one.example".to_owned());
    lakeflow_sync::sync_table(job.clone(), &lake.options, &()).await.unwrap();
    job.connection = Some("https://two.example".to_owned());
    let error = lakeflow_sync::sync_table(job, &lake.options, &()).await.unwrap_err();
    assert_eq!((error.kind(), error.get("was")), (ErrorKind::Sink, Some("https://one.example")));
}

#[tokio::test]
async fn an_offset_that_the_source_cannot_honour_stays_where_it_is() {
    let (lake, source) = synced().await;
    source.expire();
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OffsetExpired);
    assert_eq!(offset_of(&lake).await, Some(offset(2).to_json()));
}
