//! Tables that somebody else made.

use std::{collections::HashMap, fs};

use deltalake::{
    DeltaTable, DeltaTableBuilder,
    kernel::{DataType, PrimitiveType, StructField},
};
use lakeflow_connect::{ErrorKind, IngestionType};

use crate::{source::Source, tables::Lake};

async fn made(lake: &Lake, fields: &[(&str, PrimitiveType, bool)], properties: &[(&str, &str)]) -> DeltaTable {
    fs::create_dir_all(lake.path()).unwrap();
    let fields = fields.iter().map(|(name, t, null)| StructField::new(*name, DataType::Primitive(t.clone()), *null));
    let properties: HashMap<_, _> = properties.iter().map(|(k, v)| ((*k).to_owned(), Some((*v).to_owned()))).collect();
    DeltaTableBuilder::from_url(lake.url())
        .unwrap()
        .build()
        .unwrap()
        .create()
        .with_columns(fields)
        .with_configuration(properties)
        .await
        .unwrap()
}

const OURS: [(&str, PrimitiveType, bool); 3] =
    [("id", PrimitiveType::String, true), ("n", PrimitiveType::Long, true), ("body", PrimitiveType::String, true)];

#[tokio::test]
async fn a_table_with_another_schema_is_refused_by_column_and_left_alone() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    let fields = [
        ("ID", PrimitiveType::String, true),
        ("n", PrimitiveType::String, true),
        ("body", PrimitiveType::String, true),
        ("owner", PrimitiveType::String, false),
    ];
    let table = made(&lake, &fields, &[]).await;
    source.unit(&[("a", 1, "MARKER-PATIENT")]);
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sink);
    let columns = error.get("columns").unwrap();
    for part in ["id (the table has ID)", "n (the source has bigint, the table string)", "owner (the table requires it"]
    {
        assert!(columns.contains(part), "{columns}");
    }
    assert!(!error.to_string().contains("MARKER"), "{error}");
    assert_eq!(Some(lake.version().await), table.version());
    assert_eq!((lake.data_files(), source.reads()), (0, 0));
}

#[tokio::test]
async fn a_table_that_fits_is_filled() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    made(&lake, &OURS, &[]).await;
    source.unit(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:1:x"]);
}

#[tokio::test]
async fn a_snapshot_does_not_remove_rows_of_somebody_else() {
    let (lake, rows, snapshot) =
        (Lake::new(), Source::new(IngestionType::Append), Source::new(IngestionType::Snapshot));
    rows.unit(&[("theirs", 1, "x")]);
    lake.sync(&rows).await.unwrap();
    snapshot.content(&[("a", 1, "x")]);
    let mut job = lake.job(&snapshot);
    job.source = "another".to_owned();
    let error = lakeflow_sync::sync_table(job, &lake.options, &()).await.unwrap_err();
    assert!(error.message().contains("rows of somebody else"), "{error}");
    assert_eq!(lake.rows().await, ["theirs:1:x"]);
}

#[tokio::test]
async fn tables_whose_rules_we_cannot_keep_are_refused() {
    for (property, value) in [("delta.enableChangeDataFeed", "true"), ("delta.appendOnly", "true")] {
        let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
        made(&lake, &OURS, &[(property, value)]).await;
        source.unit(&[("a", 1, "x")]);
        let first = lake.sync(&source).await;
        source.unit(&[("a", 2, "y")]);
        let error = match first {
            Ok(_) => lake.sync(&source).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::Sink, "{property}: {error}");
    }
}

#[tokio::test]
async fn a_folder_with_other_files_becomes_a_table_without_touching_them() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    fs::create_dir_all(lake.path()).unwrap();
    fs::write(lake.path().join("notes.txt"), "mine").unwrap();
    source.unit(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(fs::read_to_string(lake.path().join("notes.txt")).unwrap(), "mine");
    assert_eq!(lake.rows().await, ["a:1:x"]);
}

#[tokio::test]
async fn a_broken_log_is_an_error_and_not_a_new_table() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    for entry in fs::read_dir(lake.path().join("_delta_log")).unwrap() {
        fs::write(entry.unwrap().path(), "{ not json").unwrap();
    }
    source.unit(&[("b", 1, "x")]);
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sink, "{error}");
    assert!(!error.to_string().contains("not json"), "{error}");
}

/// Writes the log of an empty table by hand.
fn logged(lake: &Lake, protocol: &str, body: &str, configuration: &str) {
    let column = |name: &str, data_type: &str, metadata: &str| {
        format!(r#"{{"name":"{name}","type":"{data_type}","nullable":true,"metadata":{{{metadata}}}}}"#)
    };
    let fields = [column("id", "string", ""), column("n", "long", ""), column("body", "string", body)].join(",");
    let schema = serde_json::to_string(&format!(r#"{{"type":"struct","fields":[{fields}]}}"#)).unwrap();
    let metadata = format!(
        r#"{{"metaData":{{"id":"1","format":{{"provider":"parquet","options":{{}}}},"schemaString":{schema},"partitionColumns":[],"configuration":{{{configuration}}},"createdTime":0}}}}"#
    );
    let folder = lake.path().join("_delta_log");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{:020}.json", 0)), format!("{{\"protocol\":{protocol}}}\n{metadata}\n")).unwrap();
}

const PLAIN: &str = r#"{"minReaderVersion":1,"minWriterVersion":2}"#;

#[tokio::test]
async fn rules_and_features_of_foreign_tables_are_refused_before_anything_is_read() {
    let features = |reader: &str, writer: &str| {
        let reader = if reader.is_empty() { String::new() } else { format!(r#""readerFeatures":["{reader}"],"#) };
        let version = if reader.is_empty() { 1 } else { 3 };
        format!(r#"{{"minReaderVersion":{version},"minWriterVersion":7,{reader}"writerFeatures":["{writer}"]}}"#)
    };
    let invariant = r#""delta.invariants":"{\"expression\":{\"expression\":\"body <> ''\"}}""#;
    let tables = [
        ("column mapping", features("columnMapping", "columnMapping"), "", r#""delta.columnMapping.mode":"name""#),
        ("check constraint feature", features("", "checkConstraints"), "", r#""delta.constraints.c":"n > 0""#),
        ("row tracking", features("", "rowTracking"), "", ""),
        ("a feature of the future", features("", "telepathy"), "", ""),
        ("legacy check constraints", r#"{"minReaderVersion":1,"minWriterVersion":3}"#.to_owned(), "", ""),
        ("check constraint", PLAIN.to_owned(), "", r#""delta.constraints.c":"n > 0""#),
        ("a property in another case", PLAIN.to_owned(), "", r#""DELTA.enableDeletionVectors":"TRUE""#),
        ("expiring transactions", PLAIN.to_owned(), "", r#""delta.SETTRANSACTIONRETENTIONDURATION":"interval 1 days""#),
        ("invariant", PLAIN.to_owned(), invariant, ""),
        ("generated column", PLAIN.to_owned(), r#""delta.generationExpression":"id""#, ""),
    ];
    for (what, protocol, body, configuration) in tables {
        let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
        logged(&lake, &protocol, body, configuration);
        source.unit(&[("a", 1, "x")]);
        let error = lake.sync(&source).await.expect_err(what);
        assert_eq!((error.kind(), source.reads(), lake.data_files()), (ErrorKind::Sink, 0, 0), "{what}: {error}");
    }
}

/// Adds an entry to a table's log by hand: features for deletion vectors, and one for every data file that is there.
async fn with_deletion_vectors(lake: &Lake) {
    let table = lake.open().await;
    let name = |uri: &str| uri.rsplit('/').next().unwrap().to_owned();
    let mut entry = String::from(
        r#"{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}}"#,
    );
    for file in table.get_file_uris().unwrap() {
        let size = fs::metadata(lake.path().join(name(&file))).unwrap().len();
        entry.push_str(&format!("\n{{\"remove\":{{\"path\":\"{}\",\"dataChange\":true}}}}", name(&file)));
        entry.push_str(&format!(
            "\n{{\"add\":{{\"path\":\"{}\",\"partitionValues\":{{}},\"size\":{size},\"modificationTime\":0,\"dataChange\":true,\
             \"deletionVector\":{{\"storageType\":\"i\",\"pathOrInlineDv\":\"wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{{L\",\
             \"sizeInBytes\":40,\"cardinality\":6}}}}}}",
            name(&file)
        ));
    }
    let next = table.version().unwrap() + 1;
    fs::write(lake.path().join(format!("_delta_log/{next:020}.json")), entry).unwrap();
}

#[tokio::test]
async fn rows_are_not_merged_into_a_table_with_deletion_vectors_and_the_error_says_what_to_do() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.unit(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    with_deletion_vectors(&lake).await;
    source.unit(&[("a", 2, "MARKER-PATIENT")]);
    let (version, files) = (lake.version().await, lake.data_files());
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sink, "{error}");
    assert!(error.message().contains("deletion vectors"), "{error}");
    assert!(error.help_text().is_some() && !error.to_string().contains("MARKER"), "{error}");
    assert_eq!((lake.version().await, lake.data_files()), (version, files));
}

#[tokio::test]
async fn rows_are_appended_beside_files_with_deletion_vectors_which_stay_as_they_are() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    with_deletion_vectors(&lake).await;
    let before = lake.files().await;
    source.unit(&[("b", 1, "y")]);
    assert_eq!(lake.sync(&source).await.unwrap().counts.rows_inserted, 1);
    let after = lake.files().await;
    assert_eq!(after.iter().filter(|file| before.contains(file)).count(), before.len());
    let log = format!("_delta_log/{:020}.json", lake.version().await);
    let entry = fs::read_to_string(lake.path().join(log)).unwrap();
    assert!(entry.contains("\"add\"") && !entry.contains("\"remove\""), "{entry}");
}

#[tokio::test]
async fn a_plain_table_with_a_log_of_somebody_else_is_filled() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    logged(&lake, PLAIN, "", "");
    source.unit(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:1:x"]);
}

#[tokio::test]
async fn a_partition_value_that_does_not_fit_is_an_error_and_not_a_null() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.unit(&[("a", 1, "x")]);
    let mut job = lake.job(&source);
    job.partition_by = vec!["n".to_owned()];
    lakeflow_sync::sync_table(job, &lake.options, &()).await.unwrap();
    for entry in fs::read_dir(lake.path().join("_delta_log")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace(r#""partitionValues":{"n":"1"}"#, r#""partitionValues":{"n":"one"}"#)).unwrap();
    }
    source.unit(&[("a", 2, "y")]);
    assert_eq!(lake.sync(&source).await.unwrap_err().kind(), ErrorKind::Sink);
}
