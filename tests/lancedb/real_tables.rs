//! Every table as the connector reads it, against what Lance reads itself.

use lakeflow_connect::{ErrorKind, TableRef};
use serde_json::json;

use super::real::{Comparison, open, open_with, read, tables};

/// The server cannot read a table with such a column name.
pub(super) const UNREADABLE: &str = "backtick";
/// Tables that another test makes or changes.
pub(super) const MADE_BY_TESTS: [&str; 3] = ["million", "busy", "long_texts"];

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_every_table_is_what_lance_reads() {
    let source = open();
    let names = tables(&source).await;
    for name in ["scalars", "small_34", "empty", "plant$people", "plant$line-1$people"] {
        assert!(names.iter().any(|other| other == name), "{name} is not listed");
    }
    assert!(!names.iter().any(|name| name == "declared"), "a table that was never written is listed");
    let mut comparison = Comparison::new();
    for name in names.iter().filter(|name| *name != UNREADABLE && !MADE_BY_TESTS.contains(&name.as_str())) {
        comparison.read(&source, &TableRef::new(name), json!({})).await;
    }
    print!("{}", comparison.check());
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_every_choice_of_types_columns_and_rows_is_what_lance_reads() {
    let mut comparison = Comparison::new();
    for (connection, options) in [
        (&[][..], json!({"int_mode": "exact", "timestamp_ntz": "ntz", "uuid_format": "binary"})),
        (&[("parallelism", "1")], json!({"batch_size": "1"})),
        (&[], json!({"vector_format": "binary", "blob_mode": "skip", "keep_nanos": "false"})),
        (&[("dialect", "namespace")], json!({"with_row_id": "true", "batch_size": "7"})),
    ] {
        let source = open_with(connection);
        let mut names =
            vec!["scalars", "nested", "vectors", "case_twins", "empty_types", "wide", "blobs", "blobs_2", "odd_names"];
        if options["batch_size"] != "1" {
            names.push("plain_history");
        }
        for name in names {
            let options_of = options.as_object().unwrap().iter();
            let table = options_of.fold(TableRef::new(name), |table, (k, v)| table.option(k, v.as_str().unwrap()));
            comparison.read(&source, &table, json!({ "options": options })).await;
        }
    }
    let source = open();
    for (name, columns, filter) in [
        ("nested", Some("rows,id,point"), None),
        ("odd_names", Some("ünï😀,has space,select"), Some("`has space` IS NOT NULL AND `it's` <> 'it''s 4'")),
        ("odd_names", None, Some("`double\"quote` = 'double\"quote 5' OR `--` LIKE '-- %'")),
        ("third_deleted", Some("id"), Some("id % 2 = 0")),
        ("third_deleted", None, Some("name = 'name 5' AND score < 100.5")),
        ("third_deleted", None, Some("id < 0")),
        ("stable_history", None, Some("updated_at >= timestamp '2024-01-01 00:30:00' AND name <> 'updated'")),
        ("nested", None, Some("`point`.`x` = 1 OR point.x IS NULL")),
        ("scalars", Some("u64,decimal256,uuid"), Some("u64 = 18446744073709551615")),
        ("wide", Some("c599,c000"), Some("c001 > 20")),
    ] {
        let mut table = TableRef::new(name);
        let mut case = json!({});
        if let Some(columns) = columns {
            table = table.option("columns", columns);
            case["columns"] = columns.split(',').collect();
        }
        if let Some(filter) = filter {
            table = table.option("filter", filter);
            case["filter"] = filter.into();
        }
        comparison.read(&source, &table, case).await;
    }
    print!("{}", comparison.check());
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_versions_and_tags_are_what_lance_reads() {
    let source = open();
    let mut comparison = Comparison::new();
    for name in ["plain_history", "stable_history"] {
        for version in 1..=6 {
            let table = TableRef::new(name).option("version", version.to_string());
            comparison.read(&source, &table, json!({ "version": version })).await;
        }
        let table = TableRef::new(name).option("tag", "before");
        comparison.read(&source, &table, json!({"version": "before"})).await;
    }
    print!("{}", comparison.check());
    let missing = TableRef::new("plain_history").option("version", "1000");
    assert_eq!(read(&source, &missing).await.err().unwrap().kind(), ErrorKind::OffsetExpired);
    let missing = TableRef::new("plain_history").option("tag", "after");
    assert_eq!(read(&source, &missing).await.err().unwrap().kind(), ErrorKind::NotFound);
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_every_way_to_scan_reads_every_row_once() {
    let source = open();
    let mut comparison = Comparison::new();
    for (mode, verify) in [("offset", "strict"), ("row_range", "count"), ("dummy_vector", "count"), ("auto", "strict")]
    {
        for name in ["plain_history", "stable_history", "third_deleted", "fragments", "empty", "all_deleted"] {
            for (filter, columns) in [(None, None), (Some("id % 7 < 3 OR name IS NULL"), Some("score,vector,id"))] {
                let mut table = TableRef::new(name).option("scan_mode", mode).option("verify", verify);
                let mut case = json!({"sort": "id"});
                if name != "third_deleted" {
                    table = table.option("batch_size", "97");
                }
                if let Some(filter) = filter {
                    table = table.option("filter", filter);
                    case["filter"] = filter.into();
                }
                if let Some(columns) = columns {
                    table = table.option("columns", columns);
                    case["columns"] = columns.split(',').collect();
                }
                comparison.read(&source, &table, case).await;
            }
        }
    }
    // Rows without a vector are no neighbours, and come all the same.
    let table = TableRef::new("vectors").option("scan_mode", "dummy_vector").option("batch_size", "7");
    let no_nan = table.clone().option("vector_column", "v_u8");
    assert_eq!(
        read(&source, &no_nan).await.err().unwrap().kind(),
        ErrorKind::Config,
        "integers take no query of floats"
    );
    let error = read(&source, &table.option("vector_column", "v_f4_8")).await.err().unwrap();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Data, "rows are lost in a scan by neighbours: their vectors hold NaN")
    );
    let nulls = TableRef::new("vectors").option("filter", "id <> 3").option("batch_size", "7");
    let nulls = nulls.option("scan_mode", "dummy_vector").option("vector_column", "v_f4_8");
    comparison.read(&source, &nulls, json!({"sort": "id", "filter": "id <> 3"})).await;
    print!("{}", comparison.check());
    let none = TableRef::new("no_vectors").option("scan_mode", "dummy_vector");
    assert!(read(&source, &none).await.err().unwrap().message().contains("no column of vectors"));
}

#[tokio::test]
#[ignore = "needs scripts/real-servers start"]
async fn real_what_the_server_cannot_read_is_told_and_the_rest_is_read() {
    let source = open();
    let readable = read(&source, &TableRef::new(UNREADABLE)).await.unwrap();
    assert_eq!((readable.count(), readable.batches[0].num_columns()), (3, 1));
    let error = read(&source, &TableRef::new(UNREADABLE).option("columns", "id,a`b")).await.err().unwrap();
    assert_eq!((error.kind(), error.get("column")), (ErrorKind::Config, Some("a`b")), "{error}");
    let rest = TableRef::new(UNREADABLE).option("columns", "id").option("filter", "id > 1");
    assert_eq!(read(&source, &rest).await.unwrap().count(), 2);
    // The server counts a branch's rows, and then sends those of the main branch.
    let branch = TableRef::new("branched").option("branch", "dev");
    assert_eq!(read(&source, &branch).await.err().unwrap().kind(), ErrorKind::Unsupported);
    assert_eq!(read(&source, &TableRef::new("branched")).await.unwrap().count(), 4);
}
