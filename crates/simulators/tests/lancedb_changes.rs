//! Writes, versions, and what rows tell of them.

use arrow::datatypes::DataType;
use serde_json::json;

use crate::lancedb_support::{documents, ids, numbers, refused, rows, table, told};

/// Id, `_rowid` and both versions of all rows, by id.
async fn lineage(server: &lakeflow_simulators::lancedb::RunningServer) -> Vec<(i64, i64, i64, i64)> {
    let columns = ["id", "_rowid", "_row_created_at_version", "_row_last_updated_at_version"];
    let batch = rows(server, json!({ "columns": columns })).await;
    let [ids, rows, created, updated] = columns.map(|name| numbers(&batch, name));
    let mut all: Vec<_> = (0..batch.num_rows()).map(|row| (ids[row], rows[row], created[row], updated[row])).collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn stable_ids_and_versions_follow_rows_through_every_kind_of_write() {
    let server = table(6, |_| {});
    assert_eq!(lineage(&server).await, (0..6).map(|id| (id, id, 1, 1)).collect::<Vec<_>>());
    let [two, five, three, twenty, none] =
        [(10, 2), (5, 1), (3, 2), (20, 1), (0, 2)].map(|(from, count)| documents(&server, from, count));
    server.database().append("t", &two).unwrap();
    server.database().update("t", "id in (0, 10)", &[("score", "1.5"), ("title", "'new'")]).unwrap();
    server.database().delete("t", "id = 5").unwrap();
    server.database().append("t", &five).unwrap();
    server.database().merge("t", &["id"], &three).unwrap();
    let wanted = [
        (0, 0, 1, 4),
        (1, 1, 1, 1),
        (2, 2, 1, 1),
        (3, 3, 1, 7),
        (4, 4, 1, 7),
        (5, 8, 6, 6),
        (10, 6, 3, 4),
        (11, 7, 3, 3),
    ];
    assert_eq!(lineage(&server).await, wanted);
    assert_eq!(server.database().compact("t").unwrap(), 9);
    assert_eq!(lineage(&server).await, wanted);
    // Updated rows have moved to the end.
    assert_eq!(ids(&rows(&server, json!({"version": 4})).await), [1, 2, 3, 4, 5, 11, 0, 10]);
    server.database().restore("t", 3).unwrap();
    assert_eq!(lineage(&server).await[0], (0, 0, 1, 1));
    server.database().append("t", &twenty).unwrap();
    assert_eq!(lineage(&server).await.last(), Some(&(20, 9, 11, 11)));
    server.database().add_column("t", "twice", &DataType::Int64, "id * 2").unwrap();
    assert!(lineage(&server).await.iter().all(|row| row.3 == 12 && row.2 < 12));
    server.database().overwrite("t", &none).unwrap();
    assert_eq!(lineage(&server).await, [(0, 10, 13, 13), (1, 11, 13, 13)]);
    assert_eq!(told(&server, "table/t/count_rows/", &json!({"version": 4})).await, json!(8));
}

#[tokio::test]
async fn plain_ids_are_addresses_and_versions_are_a_trap() {
    let server = table(150, |config| config.set("row-ids", "plain").unwrap());
    server.database().update("t", "id = 3", &[("score", "0.0")]).unwrap();
    let batch = rows(&server, json!({"columns": ["id", "_rowid", "_rowaddr", "_row_last_updated_at_version"]})).await;
    assert_eq!(numbers(&batch, "_rowid"), numbers(&batch, "_rowaddr"));
    assert!(numbers(&batch, "_row_last_updated_at_version").iter().all(|version| *version == 1));
    assert_eq!((ids(&batch)[149], numbers(&batch, "_rowid")[149]), (3, 2 << 32));
}

#[tokio::test]
async fn old_versions_stay_until_they_are_cleaned_up_and_tags_keep_them() {
    let server = table(10, |_| {});
    for id in 0..4 {
        server.database().delete("t", &format!("id = {id}")).unwrap();
    }
    server.database().tag("t", "before", 3).unwrap();
    assert_eq!(server.database().versions("t").unwrap(), [1, 2, 3, 4, 5, 6]);
    server.database().clean_up("t", 5).unwrap();
    assert_eq!(server.database().versions("t").unwrap(), [3, 5, 6]);
    assert_eq!(told(&server, "table/t/tags/version/", &json!({"tag": "before"})).await["version"], 3);
    let tags = told(&server, "table/t/tags/list/", &json!({})).await;
    assert_eq!(tags["before"]["version"], 3, "the official client takes the bare map");
    assert_eq!(rows(&server, json!({"version": 3})).await.num_rows(), 9);
    for path in ["table/t/query/", "table/t/count_rows/", "table/t/describe/", "table/t/version/describe"] {
        let (status, text) = refused(&server, path, &json!({"k": 1, "vector": [], "version": 4})).await;
        assert!(status == 404 && text.contains("Version 4"), "{path}: {text}");
    }
    let listed = told(&server, "table/t/version/list/?limit=1&descending=true", &json!({})).await;
    assert_eq!(listed["versions"][0]["version"], 6);
    assert_eq!(listed["versions"][0]["timestamp"], "2026-03-01T12:00:00.000000Z");
}

#[tokio::test]
async fn a_table_that_is_created_again_starts_with_version_one() {
    let server = table(10, |config| config.set("dialect", "namespace").unwrap());
    let again = documents(&server, 0, 5);
    let first = told(&server, "table/t/version/describe", &json!({"version": 1})).await;
    server.database().drop_table("t").unwrap();
    let (status, text) = refused(&server, "table/t/describe", &json!({})).await;
    assert!(status == 404 && text.contains("\"code\":4"), "{text}");
    server.database().create("t", &again, lakeflow_simulators::lancedb::RowIds::Stable).unwrap();
    let second = told(&server, "table/t/version/describe", &json!({"version": 1})).await;
    assert_ne!(first["version"]["e_tag"], second["version"]["e_tag"]);
}

#[tokio::test]
async fn columns_come_and_go_with_versions() {
    let server = table(5, |_| {});
    server.database().rename_column("t", "score", "points").unwrap();
    server.database().drop_column("t", "tags").unwrap();
    let schema = rows(&server, json!({})).await.schema();
    assert!(schema.index_of("points").is_ok() && schema.index_of("tags").is_err());
    assert!(rows(&server, json!({"version": 2})).await.schema().index_of("tags").is_ok());
    assert!(lineage(&server).await.iter().all(|row| row.3 == 1));
}
