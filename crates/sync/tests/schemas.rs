//! Schemas that change, and tables that are made.

use std::sync::Arc;

use deltalake::{
    kernel::StructType as KernelStruct,
    parquet::{
        arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
        basic,
        file::reader::{FileReader, SerializedFileReader},
    },
};
use lakeflow_connect::{
    ErrorKind, IngestionType, StructType,
    arrow::{
        array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray, StructArray},
        datatypes::{DataType, Field, Int32Type},
    },
};
use lakeflow_sync::{Compression, sync_table};

use crate::{source::Source, tables::Lake};

async fn stored(lake: &Lake) -> KernelStruct {
    lake.open().await.snapshot().unwrap().schema().as_ref().clone()
}

fn with_late(id: &'static str, late: Option<i32>) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(StringArray::from(vec![id]))),
        ("n", Arc::new(Int64Array::from(vec![1]))),
        ("body", Arc::new(StringArray::from(vec!["x"]))),
        ("late", Arc::new(Int32Array::from(vec![late]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

#[tokio::test]
async fn a_new_column_is_added_first_and_older_rows_have_null() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.unit(&[("a", 1, "x"), ("b", 1, "x")]);
    lake.sync(&source).await.unwrap();
    source.schema("id STRING, n BIGINT, body STRING, late INT NOT NULL").batches(vec![with_late("c", Some(7))]);
    lake.sync(&source).await.unwrap();
    // A merge that rewrites a file from before the column.
    source.batches(vec![with_late("a", Some(8))]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:1:x", "b:1:x", "c:1:x"]);
    let field = stored(&lake).await.field("late").unwrap().clone();
    assert!(field.is_nullable(), "a column that must not be null would break every later write");
    let mut late: Vec<_> = lake
        .batches()
        .await
        .iter()
        .flat_map(|b| b.column_by_name("late").unwrap().as_primitive::<Int32Type>().iter().collect::<Vec<_>>())
        .collect();
    late.sort_unstable();
    assert_eq!(late, [None, Some(7), Some(8)]);
}

#[tokio::test]
async fn a_new_member_of_a_struct_is_added() {
    let (lake, source) = (Lake::new(), Source::with_schema("id STRING, m STRUCT<a: INT>", IngestionType::Append));
    let member = |names: &[&'static str]| {
        let column =
            |name| (Arc::new(Field::new(name, DataType::Int32, true)), Arc::new(Int32Array::from(vec![1])) as ArrayRef);
        let m = StructArray::from(names.iter().map(|n| column(*n)).collect::<Vec<_>>());
        let id: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
        RecordBatch::try_from_iter_with_nullable([("id", id, true), ("m", Arc::new(m) as ArrayRef, true)]).unwrap()
    };
    source.batches(vec![member(&["a"])]);
    lake.sync(&source).await.unwrap();
    source.schema("id STRING, m STRUCT<a: INT, b: INT>").batches(vec![member(&["a", "b"])]);
    lake.sync(&source).await.unwrap();
    let rows: usize = lake.batches().await.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 2);
    let json = serde_json::to_string(&stored(&lake).await).unwrap();
    let m = StructType::from_json(&json).unwrap().field("m").unwrap().data_type.to_ddl();
    assert_eq!(m, "STRUCT<a: INT, b: INT>");
}

#[tokio::test]
async fn a_column_that_the_source_dropped_stays_and_is_null_from_then_on() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("id", Arc::new(StringArray::from(vec!["b"]))), ("n", Arc::new(Int64Array::from(vec![2])))];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    source.schema("id STRING, n BIGINT").batches(vec![batch]);
    lake.sync(&source).await.unwrap();
    assert_eq!(lake.rows().await, ["a:1:x", "b:2:null"]);
}

#[tokio::test]
async fn a_column_whose_type_changed_is_an_error_and_nothing_is_written() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Append));
    source.unit(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    let version = lake.version().await;
    source.schema("id STRING, n STRING, body STRING").unit(&[("b", 2, "y")]);
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sink);
    assert!(error.get("columns").unwrap().contains("n (the source has string, the table bigint)"), "{error}");
    assert_eq!(lake.version().await, version);
}

#[tokio::test]
async fn a_batch_that_differs_from_its_own_schema_is_not_cast_to_fit() {
    let (lake, source) = (Lake::new(), Source::with_schema("id STRING, n STRING, body STRING", IngestionType::Append));
    source.unit(&[("a", 1, "x")]);
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains('n'), "{error}");
}

#[tokio::test]
async fn columns_that_differ_only_in_case_are_refused() {
    let (lake, source) = (Lake::new(), Source::with_schema("id STRING, ID STRING", IngestionType::Append));
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!(error.get("columns"), Some("id, ID"));
    assert!(!lake.path().exists());
}

#[tokio::test]
async fn a_null_key_is_refused_without_showing_the_row() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.unit(&[("", 1, "MARKER-PATIENT")]);
    let error = lake.sync(&source).await.unwrap_err();
    assert_eq!((error.kind(), error.get("column")), (ErrorKind::Data, Some("id")));
    assert!(!format!("{error} {error:?}").contains("MARKER"));
}

#[tokio::test]
async fn a_keyed_landing_without_keys_and_unknown_columns_are_configuration_errors() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.metadata(|m| m.primary_keys.clear());
    assert_eq!(lake.sync(&source).await.unwrap_err().kind(), ErrorKind::Config);
    source.metadata(|m| m.primary_keys = vec!["idd".to_owned()]).unit(&[("a", 1, "x")]);
    let error = lake.sync(&source).await.unwrap_err();
    assert!(error.to_string().contains("did you mean 'id'"), "{error}");
}

#[tokio::test]
async fn a_partitioned_table_moves_rows_between_partitions() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    let mut job = lake.job(&source);
    job.partition_by = vec!["body".to_owned()];
    source.unit(&[("a", 1, "x y/z"), ("b", 1, "q")]);
    sync_table(job.clone(), &lake.options, &()).await.unwrap();
    source.unit(&[("a", 2, "q"), ("b", 1, "q")]);
    let receipt = sync_table(job, &lake.options, &()).await.unwrap();
    assert_eq!((receipt.counts.rows_updated, receipt.counts.rows_unchanged), (1, 1));
    let table = lake.open().await;
    let mut found = Vec::new();
    for uri in table.get_file_uris().unwrap() {
        let path = uri.trim_start_matches("file://").to_owned();
        assert!(path.contains("body=q"), "{path}");
        let file = std::fs::File::open(&path).unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            found.extend(batch.column_by_name("id").unwrap().as_string::<i32>().iter().map(|v| v.unwrap().to_owned()));
        }
    }
    found.sort();
    assert_eq!(found, ["a", "b"]);
}

#[tokio::test]
async fn a_nested_key_and_a_text_cursor_work() {
    let (lake, source) = (Lake::new(), Source::with_schema("m STRUCT<id: STRING>, at STRING", IngestionType::Cdc));
    source.metadata(|m| {
        m.primary_keys = vec!["m.id".to_owned()];
        m.cursor_field = Some("at".to_owned());
    });
    let row = |id: &str, at: &str| {
        let field = Arc::new(Field::new("id", DataType::Utf8, true));
        let m = StructArray::from(vec![(field, Arc::new(StringArray::from(vec![id])) as ArrayRef)]);
        let at: ArrayRef = Arc::new(StringArray::from(vec![at]));
        RecordBatch::try_from_iter_with_nullable([("m", Arc::new(m) as ArrayRef, true), ("at", at, true)]).unwrap()
    };
    source.batches(vec![row("a", "2024-01-01T00:00:10.5Z")]);
    lake.sync(&source).await.unwrap();
    source.batches(vec![row("a", "2024-01-01T00:00:10Z"), row("b", "2024-01-01T00:00:00Z")]);
    lake.sync(&source).await.unwrap();
    let mut at: Vec<_> = lake
        .batches()
        .await
        .iter()
        .flat_map(|b| b.column(1).as_string::<i32>().iter().map(|v| v.unwrap().to_owned()).collect::<Vec<_>>())
        .collect();
    at.sort();
    assert_eq!(at, ["2024-01-01T00:00:00Z", "2024-01-01T00:00:10.5Z"]);
}

#[tokio::test]
async fn files_are_compressed_as_asked_and_no_text_but_the_key_is_in_the_log() {
    for (compression, expected) in [
        (Compression::Snappy, basic::Compression::SNAPPY),
        (Compression::Zstd, basic::Compression::ZSTD(basic::ZstdLevel::default())),
        (Compression::Lz4Raw, basic::Compression::LZ4_RAW),
    ] {
        let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
        lake.options.compression = compression;
        source.unit(&[("a-key", 1, "MARKER-PATIENT"), ("b-key", 2, "MARKER-PATIENT")]);
        lake.sync(&source).await.unwrap();
        let mut log = String::new();
        for entry in std::fs::read_dir(lake.path().join("_delta_log")).unwrap() {
            log += &std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
        }
        assert!(!log.contains("MARKER"), "{log}");
        assert!(log.contains("b-key") && log.contains("numRecords"), "{log}");
        let file = lake.files().await.remove(0);
        let file = std::fs::File::open(file.trim_start_matches("file://")).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let group = reader.metadata().row_group(0);
        // Zstandard levels are not stored.
        let found = group.column(2).compression();
        assert_eq!(std::mem::discriminant(&found), std::mem::discriminant(&expected));
    }
}
