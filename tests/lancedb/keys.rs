//! What tells one row from another, and what is done where nothing tells.

use std::sync::Arc;

use lakeflow_connect::{
    IngestionType,
    arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray},
};
use lakeflow_simulators::lancedb::{Config, RowIds, Server};

use super::{
    changes::{assert_equal, replica, rows, serve},
    replica::Kill,
};

#[tokio::test]
async fn tables_without_a_key_are_followed_by_their_row_ids() {
    let server = serve(RowIds::Stable);
    let mut replica = replica(&server, &[]);
    replica.run(Kill::default()).await.unwrap();
    let metadata = replica.source.read_table_metadata(&replica.table).await.unwrap();
    assert_eq!(
        (metadata.primary_keys, metadata.ingestion_type),
        (vec!["_rowid".to_owned()], IngestionType::CdcWithDeletes)
    );
    server.database().delete("t", "id < 10").unwrap();
    server.database().update("t", "id = 20", &[("name", "'changed'")]).unwrap();
    replica.run(Kill::default()).await.unwrap();
    assert_eq!((replica.rows.len(), replica.came), (30, 40 + 1 + 10));
}

/// Ids that are no key, whatever their name says: each twice, and a null.
fn namesakes(names: &str) -> RecordBatch {
    let ids = Int64Array::from(vec![Some(1), Some(1), None, Some(2), Some(2), Some(3)]);
    let names = StringArray::from_iter_values((0..6).map(|row| format!("{names} {row}")));
    let columns: [(&str, ArrayRef, bool); 2] = [("id", Arc::new(ids), true), ("name", Arc::new(names), true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

#[tokio::test]
async fn a_column_is_no_key_because_of_its_name() {
    for row_ids in [RowIds::Stable, RowIds::Plain] {
        let server = serve(row_ids);
        {
            let mut database = server.database();
            database.drop_table("t").unwrap();
            database.create_in_fragments("t", &namesakes("first"), row_ids, 4).unwrap();
            database.append("t", &namesakes("second")).unwrap();
        }
        let mut replica = replica(&server, &[]);
        replica.run(Kill::default()).await.unwrap();
        assert_equal(&server, &replica, |_| true, &[]);
        assert_eq!(replica.rows.len(), 12);
        server.database().append("t", &namesakes("third")).unwrap();
        server.database().delete("t", "name = 'first 1'").unwrap();
        replica.run(Kill::default()).await.unwrap();
        assert_equal(&server, &replica, |_| true, &[]);
        assert_eq!((replica.rows.len(), replica.resets.len()), (17, 0));
        let metadata = replica.source.read_table_metadata(&replica.table).await.unwrap();
        let expected: &[&str] = if row_ids == RowIds::Stable { &["_rowid"] } else { &[] };
        assert_eq!(metadata.primary_keys, expected);
    }
}

#[tokio::test]
async fn rows_that_were_read_without_the_ids_that_are_their_key_are_read_anew() {
    let mut config = Config::default();
    config.tables.clear();
    let server = Server::start(config).unwrap();
    server.database().create("t", &rows(&[0, 1, 2, 3], 0), RowIds::Stable).unwrap();
    let mut replica = replica(&server, &[]);
    replica.run(Kill::default()).await.unwrap();
    server.database().append("t", &rows(&[4], 1)).unwrap();
    replica.run(Kill::default()).await.unwrap();
    assert_equal(&server, &replica, |_| true, &[]);
    assert!(replica.resets.len() == 1 && replica.resets[0].contains("without the ids"), "{:?}", replica.resets);
}

#[tokio::test]
async fn rows_that_change_are_not_appended_a_second_time() {
    let server = serve(RowIds::Plain);
    let mut replica = replica(&server, &[("cursor_field", "n")]);
    replica.run(Kill::default()).await.unwrap();
    server.database().update("t", "id = 3", &[("n", "1000")]).unwrap();
    replica.run(Kill::default()).await.unwrap();
    assert_equal(&server, &replica, |_| true, &[]);
    assert!(replica.resets.len() == 1 && replica.resets[0].contains("set primary_keys"), "{:?}", replica.resets);
}
