//! Tables that keep every version of a row (SCD type 2).

use std::{sync::Arc, time::Duration};

use lakeflow_connect::{
    ErrorKind, IngestionType, Result,
    arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray},
    arrow::util::display::array_value_to_string,
};
use lakeflow_sync::{
    Landing, TableReceipt, optimize,
    state::{ResetRows, reset},
    sync_table,
};

use crate::{source::Source, tables::Lake};

pub async fn sync(lake: &Lake, source: &Source) -> Result<TableReceipt> {
    let mut job = lake.job(source);
    job.landing = Some(Landing::History);
    sync_table(job, &lake.options, &()).await
}

/// `id:body start-end` of every version, sorted; nothing stands for no end.
pub async fn versions(lake: &Lake) -> Vec<String> {
    let mut all = Vec::new();
    for batch in lake.batches().await {
        let text = |name: &str, row: usize| {
            let column = batch.column_by_name(name).unwrap();
            array_value_to_string(column, row).unwrap()
        };
        all.extend((0..batch.num_rows()).map(|row| {
            let [id, body, start, end] = ["id", "body", "__START_AT", "__END_AT"].map(|name| text(name, row));
            format!("{id}:{body} {start}-{end}")
        }));
    }
    all.sort();
    all
}

#[tokio::test]
async fn each_version_is_a_row_that_ends_where_the_next_one_begins() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    // Several versions in one batch all become history.
    source.unit(&[("a", 1, "x"), ("b", 1, "y"), ("a", 3, "z"), ("a", 2, "w")]);
    let counts = sync(&lake, &source).await.unwrap().counts;
    assert_eq!(versions(&lake).await, ["a:w 2-3", "a:x 1-2", "a:z 3-", "b:y 1-"]);
    assert_eq!((counts.rows_inserted, counts.rows_updated, counts.rows_unchanged), (4, 0, 0));
    source.unit(&[("a", 7, "new"), ("c", 1, "first")]);
    let counts = sync(&lake, &source).await.unwrap().counts;
    assert_eq!(versions(&lake).await, ["a:new 7-", "a:w 2-3", "a:x 1-2", "a:z 3-7", "b:y 1-", "c:first 1-"]);
    assert_eq!((counts.rows_inserted, counts.rows_updated, counts.rows_deleted), (2, 0, 0));
}

#[tokio::test]
async fn late_rows_go_into_their_place_and_rows_that_come_again_change_nothing() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.unit(&[("a", 5, "five"), ("a", 1, "one")]);
    sync(&lake, &source).await.unwrap();
    source.unit(&[("a", 3, "late"), ("a", 0, "first")]);
    sync(&lake, &source).await.unwrap();
    let expected = ["a:first 0-1", "a:five 5-", "a:late 3-5", "a:one 1-3"];
    assert_eq!(versions(&lake).await, expected);
    let files = lake.files().await;
    source.unit(&[("a", 5, "five"), ("a", 3, "late"), ("a", 0, "first"), ("a", 1, "one")]);
    let counts = sync(&lake, &source).await.unwrap().counts;
    assert_eq!((counts.rows_inserted, counts.rows_unchanged), (0, 4));
    assert_eq!((versions(&lake).await, lake.files().await), (expected.map(str::to_owned).to_vec(), files));
    // The same moment told otherwise: the later word counts, and the version keeps its place.
    source.unit(&[("a", 3, "corrected")]);
    let counts = sync(&lake, &source).await.unwrap().counts;
    assert_eq!((counts.rows_inserted, counts.rows_updated), (0, 1));
    assert_eq!(versions(&lake).await, ["a:corrected 3-5", "a:first 0-1", "a:five 5-", "a:one 1-3"]);
}

#[tokio::test]
async fn a_deletion_ends_the_current_version_and_a_row_made_again_begins_another() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.unit(&[("a", 1, "x"), ("b", 1, "y"), ("c", 1, "z")]);
    sync(&lake, &source).await.unwrap();
    source.deletes(&[("a", 4), ("b", 1), ("c", 0)]);
    let counts = sync(&lake, &source).await.unwrap().counts;
    assert_eq!(versions(&lake).await, ["a:x 1-4", "b:y 1-1", "c:z 1-"]);
    assert_eq!((counts.rows_deleted, counts.deletes_read), (2, 3));
    // Made again; a late row from before the deletion, and one after it.
    source.unit(&[("a", 9, "again"), ("a", 2, "late"), ("a", 4, "tied"), ("a", 6, "between")]);
    sync(&lake, &source).await.unwrap();
    let expected = ["a:again 9-", "a:between 6-9", "a:late 2-4", "a:tied 4-4", "a:x 1-2", "b:y 1-1", "c:z 1-"];
    assert_eq!(versions(&lake).await, expected);
    // A late deletion ends what was valid then, and nothing else.
    source.deletes(&[("a", 7), ("a", 3)]);
    let counts = sync(&lake, &source).await.unwrap().counts;
    let expected = ["a:again 9-", "a:between 6-7", "a:late 2-3", "a:tied 4-4", "a:x 1-2", "b:y 1-1", "c:z 1-"];
    assert_eq!((versions(&lake).await, counts.rows_deleted), (expected.map(str::to_owned).to_vec(), 0));
}

#[tokio::test]
async fn a_row_that_is_read_again_at_another_time_is_no_version() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::CdcWithDeletes));
    source.read_time("n");
    source.unit(&[("a", 1, "x"), ("b", 1, "y")]);
    sync(&lake, &source).await.unwrap();
    source.unit(&[("a", 2, "x"), ("b", 2, "changed"), ("b", 3, "changed")]);
    let counts = sync(&lake, &source).await.unwrap().counts;
    assert_eq!((counts.rows_inserted, counts.rows_unchanged), (1, 2));
    assert_eq!(versions(&lake).await, ["a:x 1-", "b:changed 2-", "b:y 1-2"]);
    source.deletes(&[("a", 4)]);
    sync(&lake, &source).await.unwrap();
    source.unit(&[("a", 5, "x")]);
    sync(&lake, &source).await.unwrap();
    assert_eq!(versions(&lake).await, ["a:x 1-4", "a:x 5-", "b:changed 2-", "b:y 1-2"]);
}

#[tokio::test]
async fn what_changes_between_snapshots_is_history() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Snapshot));
    source.read_time("n");
    source.content(&[("a", 1, "x"), ("b", 1, "y"), ("c", 1, "z"), ("c", 1, "twice")]);
    sync(&lake, &source).await.unwrap();
    // The clock stands still: a run is later than the one before it all the same.
    source.content(&[("a", 2, "x"), ("b", 2, "changed"), ("d", 2, "new")]);
    let counts = sync(&lake, &source).await.unwrap().counts;
    let all = (counts.rows_inserted, counts.rows_deleted, counts.rows_unchanged);
    assert_eq!(all, (2, 1, 1));
    let at = |micros: &str| format!("2023-11-14T22:13:20{micros}Z");
    let [first, second] = [at(""), at(".000001")];
    let expected = [
        format!("a:x {first}-"),
        format!("b:changed {second}-"),
        format!("b:y {first}-{second}"),
        format!("c:twice {first}-{second}"),
        format!("d:new {second}-"),
    ];
    assert_eq!(versions(&lake).await, expected);
    let (version, files) = (lake.version().await, lake.files().await);
    assert_eq!(sync(&lake, &source).await.unwrap().counts.rows_unchanged, 3);
    assert_eq!((lake.version().await, lake.files().await), (version, files));
    lake.wait(Duration::from_secs(1));
    source.content(&[("c", 3, "twice")]);
    sync(&lake, &source).await.unwrap();
    let now = versions(&lake).await;
    assert!(now.contains(&"c:twice 2023-11-14T22:13:21Z-".to_owned()), "{now:?}");
    assert_eq!(now.iter().filter(|v| v.ends_with('-')).count(), 1, "{now:?}");
}

#[tokio::test]
async fn moments_have_the_type_and_the_order_of_their_column() {
    let lake = Lake::new();
    let ddl = "id STRING, n BIGINT, body STRING, meta STRUCT<at: STRING>, at TIMESTAMP";
    let source = Source::with_schema(ddl, IngestionType::Cdc);
    source.metadata(|m| m.cursor_field = Some("meta.at".to_owned()));
    source.json(
        concat!(
            r#"{"id":"a","body":"x","meta":{"at":"2024-01-01T10:00:00.5Z"}}"#,
            "\n",
            r#"{"id":"a","body":"y","meta":{"at":"2024-01-01T10:00:00Z"}}"#,
            "\n",
            r#"{"id":"a","body":"z","meta":{"at":"2024-01-01T12:00:00.1+02:00"}}"#,
            "\n",
        ),
        3,
    );
    sync(&lake, &source).await.unwrap();
    let expected = [
        "a:x 2024-01-01T10:00:00.5Z-",
        "a:y 2024-01-01T10:00:00Z-2024-01-01T12:00:00.1+02:00",
        "a:z 2024-01-01T12:00:00.1+02:00-2024-01-01T10:00:00.5Z",
    ];
    assert_eq!(versions(&lake).await, expected);
    source.json("{\"id\":\"b\",\"body\":\"MARKER\",\"meta\":{}}\n", 1);
    let error = sync(&lake, &source).await.unwrap_err();
    assert_eq!((error.kind(), error.get("column")), (ErrorKind::Data, Some("meta.at")));
    assert!(!format!("{error} {error:?}").contains("MARKER"));
}

#[tokio::test]
async fn versions_move_within_partitions_and_are_put_together() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    let mut job = lake.job(&source);
    job.landing = Some(Landing::History);
    job.partition_by = vec!["body".to_owned()];
    for n in 1..6 {
        source.unit(&[("a", n, if n % 2 == 0 { "even" } else { "odd" }), ("b", n, "odd")]);
        sync_table(job.clone(), &lake.options, &()).await.unwrap();
    }
    let states = |batches: &[RecordBatch]| {
        let mut all = Vec::new();
        for batch in batches {
            let text =
                |name: &str, row: usize| array_value_to_string(batch.column_by_name(name).unwrap(), row).unwrap();
            all.extend((0..batch.num_rows()).map(|row| {
                let [id, start, end] = ["id", "__START_AT", "__END_AT"].map(|name| text(name, row));
                format!("{id} {start}-{end}")
            }));
        }
        all.sort();
        all
    };
    let expected = ["a 1-2", "a 2-3", "a 3-4", "a 4-5", "a 5-", "b 1-2", "b 2-3", "b 3-4", "b 4-5", "b 5-"];
    assert_eq!(states(&lake.batches().await), expected);
    for cluster_by in [Vec::new(), vec!["id".to_owned(), "__END_AT".to_owned()]] {
        optimize(&lake.url(), &cluster_by, &lake.options).await.unwrap();
        assert_eq!(states(&lake.batches().await), expected);
    }
    source.unit(&[("a", 6, "even")]);
    sync_table(job.clone(), &lake.options, &()).await.unwrap();
    assert_eq!(states(&lake.batches().await).len(), 11);
}

#[tokio::test]
async fn only_files_are_opened_that_hold_a_key_or_are_not_over() {
    let (mut lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    lake.options.commit_rows = 1;
    source.unit(&[("a", 1, "x"), ("b", 1, "x")]);
    for others in [["m", "n"], ["p", "q"], ["y", "z"]] {
        source.unit(&others.map(|id| (id, 1, "x")));
    }
    sync(&lake, &source).await.unwrap();
    assert_eq!(lake.files().await.len(), 4);
    source.unit(&[("a", 2, "y"), ("b", 2, "y")]);
    let counts = sync(&lake, &source).await.unwrap().counts;
    assert_eq!(counts.files_looked_into, 1, "those of other keys are not opened");
    for n in 3..6 {
        source.unit(&[("a", n, "y"), ("b", n, "y")]);
        let counts = sync(&lake, &source).await.unwrap().counts;
        assert_eq!(counts.files_looked_into, 1, "versions that are over are in files of their own");
    }
    source.unit(&[("a", 0, "late")]);
    let counts = sync(&lake, &source).await.unwrap().counts;
    assert!(counts.files_looked_into > 2, "{counts:?}");
    assert_eq!(versions(&lake).await.len(), 17);
}

#[tokio::test]
async fn tables_without_versions_or_without_their_order_are_refused_before_anything_is_read() {
    let refused = |change: fn(&Source)| async move {
        let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
        change(&source);
        let error = sync(&lake, &source).await.unwrap_err();
        assert_eq!((error.kind(), source.reads(), lake.path().exists()), (ErrorKind::Config, 0, false), "{error}");
        error.to_string()
    };
    let append: fn(&Source) = |source| {
        source.metadata(|m| m.ingestion_type = IngestionType::Append);
    };
    assert!(refused(append).await.contains("only grows"));
    let without_order: fn(&Source) = |source| {
        source.metadata(|m| m.cursor_field = None);
    };
    assert!(refused(without_order).await.contains("sequence_by"));
    let without_keys: fn(&Source) = |source| {
        source.metadata(|m| m.primary_keys.clear());
    };
    assert!(refused(without_keys).await.contains("primary_keys"));
    let taken: fn(&Source) = |source| {
        source.schema("id STRING, n BIGINT, body STRING, __end_at STRING");
    };
    assert!(refused(taken).await.contains("__end_at"));
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Snapshot));
    let mut job = lake.job(&source);
    (job.landing, job.sequence_by) = (Some(Landing::History), Some("n".to_owned()));
    let error = sync_table(job, &lake.options, &()).await.unwrap_err();
    assert_eq!((error.kind(), source.reads()), (ErrorKind::Config, 0), "{error}");
}

#[tokio::test]
async fn rows_and_versions_are_not_mixed_and_a_null_key_is_refused() {
    let (lake, source) = (Lake::new(), Source::new(IngestionType::Cdc));
    source.unit(&[("a", 1, "x")]);
    lake.sync(&source).await.unwrap();
    assert_eq!(sync(&lake, &source).await.unwrap_err().kind(), ErrorKind::Sink);
    reset(&lake.url(), &lake.options.storage, ResetRows::Remove, lake.clock.as_ref()).await.unwrap();
    sync(&lake, &source).await.unwrap();
    assert_eq!(versions(&lake).await, ["a:x 1-"]);
    assert_eq!(lake.sync(&source).await.unwrap_err().kind(), ErrorKind::Sink);
    source.schema("id STRING, n BIGINT, body STRING, m BIGINT");
    let mut job = lake.job(&source);
    (job.landing, job.sequence_by) = (Some(Landing::History), Some("m".to_owned()));
    let error = sync_table(job, &lake.options, &()).await.unwrap_err();
    assert!(error.to_string().contains("another column orders"), "{error}");
    source.unit(&[("", 1, "x")]);
    assert_eq!(sync(&lake, &source).await.unwrap_err().kind(), ErrorKind::Data);
    assert_eq!(versions(&lake).await, ["a:x 1-"]);
}

#[tokio::test]
async fn a_cursor_of_instants_gives_instants() {
    let lake = Lake::new();
    let source = Source::with_schema("id STRING, at TIMESTAMP, body STRING", IngestionType::Cdc);
    source.metadata(|m| m.cursor_field = Some("at".to_owned()));
    let batch = |rows: &[(&str, i64)]| {
        let id: ArrayRef = Arc::new(rows.iter().map(|(id, _)| Some(*id)).collect::<StringArray>());
        let at = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|(_, at)| *at)).with_timezone("UTC");
        let body: ArrayRef = Arc::new(rows.iter().map(|(_, at)| Some(at.to_string())).collect::<StringArray>());
        let columns: [(&str, ArrayRef, bool); 3] = [("id", id, true), ("at", Arc::new(at), true), ("body", body, true)];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    };
    source.batches(vec![batch(&[("a", -1_500), ("a", 0)])]);
    sync(&lake, &source).await.unwrap();
    source.batches(vec![batch(&[("a", 1), ("b", 2)])]);
    sync(&lake, &source).await.unwrap();
    let mut ends = Vec::new();
    for batch in lake.batches().await {
        let of = |name: &str| {
            let column = batch.column_by_name(name).unwrap();
            let column = column.as_primitive::<lakeflow_connect::arrow::datatypes::TimestampMicrosecondType>().clone();
            (0..column.len()).map(move |row| column.is_valid(row).then(|| column.value(row))).collect::<Vec<_>>()
        };
        ends.extend(of("__START_AT").into_iter().zip(of("__END_AT")));
    }
    ends.sort();
    assert_eq!(ends, [(Some(-1_500), Some(0)), (Some(0), Some(1)), (Some(1), None), (Some(2), None)]);
}

#[tokio::test]
async fn many_keys_are_settled_in_shares() {
    let (mut lake, source) = (Lake::new(), Source::with_schema("id STRING, n BIGINT, body STRING", IngestionType::Cdc));
    lake.options.merge_keys = 100;
    let batch = |version: i64| {
        let id: ArrayRef = Arc::new((0..500).map(|i| Some(format!("key-{i:04}"))).collect::<StringArray>());
        let n: ArrayRef = Arc::new((0..500).map(|_| Some(version)).collect::<Int64Array>());
        let columns = [("id", id.clone(), true), ("n", n, true), ("body", id, true)];
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    };
    source.batches(vec![batch(1), batch(3)]);
    sync(&lake, &source).await.unwrap();
    source.batches(vec![batch(2)]);
    let counts = sync(&lake, &source).await.unwrap().counts;
    assert_eq!((counts.rows_inserted, counts.rows_unchanged), (500, 0));
    let versions = versions(&lake).await;
    assert_eq!(versions.len(), 1_500);
    assert_eq!(versions[..3], ["key-0000:key-0000 1-2", "key-0000:key-0000 2-3", "key-0000:key-0000 3-"]);
}
