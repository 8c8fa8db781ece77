//! Rows that are put aside.

use bytes::Bytes;
use lakeflow_connect::{BadRows, ErrorKind, IngestionType, QuarantinedRow, arrow::array::AsArray};

use crate::{
    source::Source,
    tables::{Lake, read},
};

pub fn bad(key: &str, record: &'static [u8]) -> QuarantinedRow {
    QuarantinedRow {
        key: Some(key.to_owned()),
        column: "n".to_owned(),
        reason: "expected bigint, got an object".to_owned(),
        record: Bytes::from_static(record),
    }
}

async fn quarantined(lake: &Lake) -> Vec<String> {
    let table = deltalake::open_table(lakeflow_sync::quarantine_url(&lake.url())).await.unwrap();
    let mut rows = Vec::new();
    for batch in read(&table).await {
        let text = |name: &str| batch.column_by_name(name).unwrap().as_string::<i32>().clone();
        let (key, column, record, encoding) = (text("key"), text("column"), text("record"), text("record_encoding"));
        rows.extend(
            (0..batch.num_rows())
                .map(|i| format!("{} {} {} {}", key.value(i), column.value(i), record.value(i), encoding.value(i))),
        );
    }
    rows.sort();
    rows
}

#[tokio::test]
async fn rows_put_aside_come_once_however_often_their_unit_is_read() {
    let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    lake.options.bad_rows = BadRows::Quarantine;
    source.unit(&[("a", 1, "x")]).bad_rows(vec![bad("\"b\"", b"{\"id\":\"b\",\"n\":{}}"), bad("\"c\"", b"\xff")]);
    let receipt = lake.sync(&source).await.unwrap();
    assert_eq!((receipt.counts.rows_quarantined, receipt.counts.rows_read), (2, 1));
    let expected = ["\"b\" n {\"id\":\"b\",\"n\":{}} text", "\"c\" n /w== base64"];
    assert_eq!(quarantined(&lake).await, expected);
    let rows = lakeflow_sync::state::ResetRows::Remove;
    lakeflow_sync::state::reset(&lake.url(), &lake.options.storage, rows, lake.clock.as_ref()).await.unwrap();
    lake.sync(&source).await.unwrap();
    assert_eq!(quarantined(&lake).await, expected);
    assert_eq!(lake.rows().await, ["a:1:x"]);
}

#[tokio::test]
async fn a_row_is_put_aside_before_its_offset_is_stored() {
    let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    lake.options.bad_rows = BadRows::Quarantine;
    source.unit(&[("a", 1, "x")]).bad_rows(vec![bad("\"b\"", b"{}")]).unit(&[("c", 1, "x")]);
    // Where the quarantine table should be is a file: the run must not commit past the bad row.
    std::fs::write(lake.dir.path().join("things_quarantine"), "in the way").unwrap();
    lake.sync(&source).await.unwrap_err();
    std::fs::remove_file(lake.dir.path().join("things_quarantine")).unwrap();
    lake.sync(&source).await.unwrap();
    assert_eq!(quarantined(&lake).await.len(), 1);
    assert_eq!(lake.rows().await, ["a:1:x", "c:1:x"]);
}

#[tokio::test]
async fn a_snapshot_with_rows_put_aside_leaves_the_table_as_it_was() {
    for keys in [vec!["id".to_owned()], Vec::new()] {
        let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Snapshot));
        lake.options.bad_rows = BadRows::Quarantine;
        source.metadata(|m| m.primary_keys = keys);
        source.content(&[("a", 1, "x"), ("b", 1, "y")]);
        lake.sync(&source).await.unwrap();
        source.content(&[("a", 2, "new")]).bad_rows(vec![bad("\"b\"", b"{}")]);
        let error = lake.sync(&source).await.unwrap_err();
        assert_eq!((error.kind(), error.get("rows")), (ErrorKind::Data, Some("1")), "{error}");
        assert_eq!(lake.rows().await, ["a:1:x", "b:1:y"]);
        assert_eq!(quarantined(&lake).await.len(), 1);
    }
}

#[tokio::test]
async fn many_and_large_rows_are_put_aside_in_pieces() {
    let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    lake.options.bad_rows = BadRows::Quarantine;
    let large = |n: u8| QuarantinedRow { record: vec![n; 9 << 20].into(), ..bad("\"b\"", b"") };
    source.bad_rows((b'a'..b'f').map(large).collect());
    assert_eq!(lake.sync(&source).await.unwrap().counts.rows_quarantined, 5);
    let table = deltalake::open_table(lakeflow_sync::quarantine_url(&lake.url())).await.unwrap();
    assert_eq!(read(&table).await.iter().map(|b| b.num_rows()).sum::<usize>(), 5);
    // Two records to a commit, after the one that made the table.
    assert_eq!(table.version(), Some(3));
}
