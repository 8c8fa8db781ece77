//! What users and servers do wrong: a clear error, the offset where it was, and nothing half-written.

use std::sync::Arc;

use futures::StreamExt;
use lakeflow_connect::{
    Context, Error, ErrorKind, LakeflowConnect, Offset, Options, ReadEvent, ReadRequest, Records, Registry, TableRef,
    arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray},
    clock::ManualClock,
};
use lakeflow_simulators::{
    faults::{Fault, FaultRule, RetryAfter, When},
    lancedb::{Config, Database, RowIds, RunningServer, Server},
};

use super::log::Log;

const KEY: &str = "marker-key-9Q-0123456789";

fn people_of(ids: std::ops::Range<i64>) -> RecordBatch {
    let scores = Float64Array::from_iter(ids.clone().map(|id| Some(if id == 3 { f64::NAN } else { id as f64 })));
    let columns: [(&str, ArrayRef, bool); 3] = [
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone())), false),
        ("name", Arc::new(StringArray::from_iter_values(ids.map(|id| format!("name {id}")))), true),
        ("score", Arc::new(scores), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn serve(settings: &[(&str, &str)]) -> RunningServer {
    let mut config = Config::default();
    config.tables.clear();
    config.set("auth", &format!("api-key:{KEY}")).unwrap();
    settings.iter().for_each(|(name, value)| config.set(name, value).unwrap());
    let server = Server::start(config).unwrap();
    server.database().create_in_fragments("people", &people_of(0..20), RowIds::Stable, 7).unwrap();
    server
}

fn connect_with(server: &RunningServer, key: &str) -> Arc<dyn LakeflowConnect> {
    let options = Options::new().with("host_override", server.base_url()).with("database", "db").with("api_key", key);
    // Waits between tries take no time.
    let context = Context::new().clock(Arc::new(ManualClock::new("2024-06-01T00:00:00Z".parse().unwrap())));
    Registry::builtin().connect("lancedb", &options, &context).unwrap()
}

fn connect(server: &RunningServer) -> Arc<dyn LakeflowConnect> {
    connect_with(server, KEY)
}

fn people() -> TableRef {
    TableRef::new("people")
}

/// Rows that an offset covers, the last offset, and how the stream ended.
async fn read(source: &Arc<dyn LakeflowConnect>, request: ReadRequest) -> (Vec<i64>, Option<Offset>, Option<Error>) {
    read_and(source, request, || ()).await
}

/// The same, with something that happens when the first rows are there.
async fn read_and(
    source: &Arc<dyn LakeflowConnect>,
    request: ReadRequest,
    act: impl FnOnce(),
) -> (Vec<i64>, Option<Offset>, Option<Error>) {
    let (mut covered, mut open, mut offset, mut act) = (Vec::new(), Vec::new(), None, Some(act));
    let mut events = source.read_table(request);
    while let Some(event) = events.next().await {
        match event {
            Ok(ReadEvent::Records(Records::Arrow(batch))) => {
                let ids = batch.column_by_name("id").unwrap();
                open.extend_from_slice(ids.as_any().downcast_ref::<Int64Array>().unwrap().values());
            }
            Ok(ReadEvent::Checkpoint(next)) => {
                covered.append(&mut open);
                offset = Some(next);
            }
            Ok(other) => panic!("unexpected {other:?}"),
            Err(error) => return (covered, offset, Some(error)),
        }
        if let Some(act) = act.take() {
            act();
        }
    }
    assert!(open.is_empty());
    (covered, offset, None)
}

async fn refused(source: &Arc<dyn LakeflowConnect>, table: TableRef) -> Error {
    let (rows, offset, error) = read(source, ReadRequest::new(table)).await;
    assert!(rows.is_empty() && offset.is_none());
    let error = error.expect("the read must fail");
    let text = format!("{error} {error:?}");
    assert!(!text.contains(KEY), "{text}");
    error
}

#[tokio::test]
async fn a_wrong_key_is_refused_once_and_never_shown() {
    let server = serve(&[]);
    let source = connect_with(&server, "marker-wrong-key-77");
    let error = refused(&source, people()).await;
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert!(!format!("{error} {error:?}").contains("marker-wrong"), "{error:?}");
    assert_eq!(source.activity().retries, 0);
}

#[tokio::test]
async fn unknown_tables_and_columns_are_named_with_near_ones() {
    let server = serve(&[]);
    let source = connect(&server);
    for (table, parts) in [
        (TableRef::new("peolpe"), ["'peolpe'", "did you mean 'people'?"]),
        (people().option("columns", "id,nmae"), ["'nmae'", "did you mean 'name'?"]),
        (people().option("filter", "nmae = 'x'"), ["'nmae'", "did you mean 'name'?"]),
        (people().option("primary_keys", "idd"), ["'idd'", "did you mean 'id'?"]),
        (
            people().option("cursor_field", "scor").option("ingestion_type", "append"),
            ["'scor'", "did you mean 'score'?"],
        ),
        (TableRef::new("a/../b"), ["'a/../b'", "no table"]),
    ] {
        let error = refused(&source, table).await;
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(parts.iter().all(|part| error.to_string().contains(part)), "{error}");
    }
    assert_eq!(source.activity().retries, 0);
}

#[tokio::test]
async fn options_beyond_their_bounds_are_refused_before_anything_is_asked() {
    let server = serve(&[]);
    let source = connect(&server);
    for (name, value) in [
        ("batch_size", "0"),
        ("batch_size", "10001"),
        ("upper_bound", "NaN"),
        ("k", "0"),
        ("version", "-1"),
        ("columns", "id,id"),
    ] {
        let error = refused(&source, people().option(name, value)).await;
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(server.counters().requests, 0);
}

#[tokio::test]
async fn a_condition_that_the_server_cannot_use_is_not_asked_again() {
    for status in ["400", "500"] {
        let server = serve(&[("bad-filter", status)]);
        let source = connect(&server);
        let error = refused(&source, people().option("filter", "name > 5.5")).await;
        assert_eq!((error.kind(), source.activity().retries), (ErrorKind::Config, 0), "{error}");
        assert!(error.help_text().is_some(), "{error}");
    }
}

#[tokio::test]
async fn what_a_server_says_of_rows_stays_there() {
    for settings in [&[("dialect", "cloud")][..], &[("dialect", "namespace")], &[("bad-filter", "400")]] {
        let server = serve(settings);
        let error = refused(&connect(&server), people().option("filter", "cast(name as bigint) = 1")).await;
        let text = format!("{error} {error:?}");
        assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        assert!(text.contains("does not fit the type") && !text.contains("name 0"), "{text}");
    }
}

#[tokio::test]
async fn numbers_that_are_none_come_as_they_are() {
    let server = serve(&[]);
    let source = connect(&server);
    let mut events = source.read_table(ReadRequest::new(people()));
    let Some(Ok(ReadEvent::Records(Records::Arrow(batch)))) = events.next().await else { panic!("no rows") };
    let scores = batch.column_by_name("score").unwrap();
    assert!(scores.as_any().downcast_ref::<Float64Array>().unwrap().value(3).is_nan());
}

/// What is read before and after something happens to the table in the middle of a scan.
async fn in_mid_scan(
    act: impl FnOnce(&mut Database) + Send + 'static,
) -> (RunningServer, Vec<i64>, Option<Offset>, Option<Error>) {
    let server = serve(&[]);
    let source = connect(&server);
    // One schema, then one with the cursor; the rest are pages.
    server.before("/query", 8, act);
    let (rows, offset, error) = read(&source, ReadRequest::new(people().option("batch_size", "2"))).await;
    (server, rows, offset, error)
}

/// Reading on from the last offset brings the rest, or says that all must be read again.
async fn goes_on(server: &RunningServer, rows: Vec<i64>, offset: Option<Offset>) {
    let table = people().option("batch_size", "2");
    let (more, _, error) = read(&connect(server), ReadRequest::new(table).start(offset)).await;
    match error {
        None => assert_eq!([rows, more].concat(), (0..20).collect::<Vec<i64>>()),
        Some(error) => assert_eq!(error.kind(), ErrorKind::OffsetExpired, "{error}"),
    }
}

#[tokio::test]
async fn rows_that_change_in_mid_scan_are_read_as_they_were() {
    let (server, rows, offset, error) = in_mid_scan(|database| {
        database.delete("people", "id < 15").unwrap();
        database.compact("people").unwrap();
        database.overwrite("people", &people_of(50..60)).unwrap();
    })
    .await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rows, (0..20).collect::<Vec<i64>>());
    let (more, ..) = read(&connect(&server), ReadRequest::new(people()).start(offset)).await;
    assert_eq!(more, (50..60).collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_version_that_is_cleaned_up_in_mid_scan_is_told() {
    let (server, rows, offset, error) = in_mid_scan(|database| {
        let latest = database.append("people", &people_of(20..21)).unwrap();
        database.clean_up("people", latest).unwrap();
    })
    .await;
    let error = error.expect("the version is gone");
    assert_eq!(error.kind(), ErrorKind::OffsetExpired, "{error}");
    assert!(error.help_text().unwrap().contains("in full again"), "{error}");
    assert!(rows.len() < 20);
    goes_on(&server, rows, offset).await;
}

#[tokio::test]
async fn a_table_that_is_dropped_in_mid_scan_is_told() {
    let (server, rows, offset, error) = in_mid_scan(|database| database.drop_table("people").unwrap()).await;
    let error = error.expect("the table is gone");
    assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::OffsetExpired), "{error}");
    assert!(rows.len() < 20);
    // Made again, it is another table: what was read of the first does not go on with it.
    server.database().create_in_fragments("people", &people_of(0..20), RowIds::Stable, 7).unwrap();
    if offset.is_some() {
        let (more, _, error) = read(&connect(&server), ReadRequest::new(people()).start(offset)).await;
        assert!(more.is_empty());
        assert_eq!(error.unwrap().kind(), ErrorKind::OffsetExpired);
    }
}

#[tokio::test]
async fn another_schema_in_mid_scan_is_an_error() {
    let server = serve(&[]);
    let source = connect(&server);
    server.before("/query", 8, |database| database.wire.other_schema = true);
    let (rows, offset, error) = read(&source, ReadRequest::new(people().option("batch_size", "2"))).await;
    let error = error.expect("another schema came");
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    server.database().wire.other_schema = false;
    goes_on(&server, rows, offset).await;
}

#[tokio::test]
async fn answers_that_break_are_asked_for_again() {
    let status = |status, retry_after| Fault::Status { status, retry_after };
    for fault in
        [Fault::CutOff, Fault::Truncated, Fault::NoAnswer, status(429, Some(RetryAfter::Seconds(1))), status(503, None)]
    {
        let server = serve(&[]);
        server.faults().add(FaultRule { when: When::Every(3), path: Some("/query".to_owned()), fault: fault.clone() });
        let source = connect(&server);
        let (rows, _, error) = read(&source, ReadRequest::new(people().option("batch_size", "2"))).await;
        assert!(error.is_none(), "{fault:?}: {error:?}");
        assert_eq!(rows, (0..20).collect::<Vec<i64>>(), "{fault:?}");
        assert!(source.activity().retries > 0);
    }
}

#[tokio::test]
async fn what_stays_broken_ends_the_read_and_leaves_the_offset() {
    let status = |status, retry_after| Fault::Status { status, retry_after };
    for (fault, kind) in [
        (Fault::CutOff, ErrorKind::Unavailable),
        (status(429, None), ErrorKind::RateLimited),
        (status(503, None), ErrorKind::Unavailable),
        (Fault::Html, ErrorKind::Protocol),
    ] {
        let server = serve(&[]);
        let rule = FaultRule { when: When::Always, path: Some("/query".to_owned()), fault: fault.clone() };
        let request = ReadRequest::new(people().option("batch_size", "1"));
        // From the beginning, and from an offset of rows that were read.
        let (rows, offset, error) =
            read_and(&connect(&server), request.clone(), || server.faults().add(rule.clone())).await;
        let error = error.expect("the server stays broken");
        assert_eq!(error.kind(), kind, "{fault:?}: {error}");
        assert!(rows.len() < 20, "{fault:?}");
        let (none, unmoved, error) = read(&connect(&server), request.clone().start(offset.clone())).await;
        assert!(
            error.is_some() && none.is_empty() && unmoved.is_none_or(|unmoved| Some(unmoved) == offset),
            "{fault:?}"
        );
        server.faults().clear();
        let mut all = rows;
        let mut offset = offset;
        while all.len() < 20 {
            let (more, next, error) = read(&connect(&server), request.clone().start(offset).max_records(4)).await;
            assert!(error.is_none() && !more.is_empty(), "{fault:?}: {error:?}");
            all.extend(more);
            offset = next;
        }
        assert_eq!(all, (0..20).collect::<Vec<i64>>(), "{fault:?}");
    }
}

#[tokio::test]
async fn pages_that_are_too_large_are_asked_for_in_halves() {
    // A column of an answer holds eight names, as it holds 2 GiB of a real server.
    let server = serve(&[("column-bytes", "50")]);
    let source = connect(&server);
    let (rows, _, error) = read(&source, ReadRequest::new(people())).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rows, (0..20).collect::<Vec<i64>>());
    let server = serve(&[("column-bytes", "3")]);
    let (rows, _, error) = read(&connect(&server), ReadRequest::new(people())).await;
    let error = error.expect("no row fits");
    assert!(rows.is_empty() && error.to_string().contains("leave columns out"), "{error}");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_told_so() {
    let server = serve(&[("request-bytes", "2000")]);
    let source = connect(&server);
    let ids: Vec<String> = (0..600).map(|id| id.to_string()).collect();
    let error = refused(&source, people().option("filter", format!("id IN ({})", ids.join(",")))).await;
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("shorten the filter"), "{error}");
}

#[tokio::test]
async fn a_column_that_servers_cannot_read_is_left_out_with_a_warning_or_refused_by_name() {
    let server = serve(&[]);
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..3));
    let batch = RecordBatch::try_from_iter([("id", Arc::clone(&ids)), ("a`b", ids)]).unwrap();
    server.database().create("ticks", &batch, RowIds::Plain).unwrap();
    let ticks = || TableRef::new("ticks");
    let (log, guard) = Log::listen();
    let (rows, _, error) = read(&connect(&server), ReadRequest::new(ticks())).await;
    drop(guard);
    assert!(rows == [0, 1, 2] && error.is_none(), "{error:?}");
    assert!(log.warnings().iter().any(|line| line.contains("a`b")), "{:?}", log.warnings());
    for (name, value) in
        [("columns", "id,a`b"), ("filter", "`a``b` > 0"), ("primary_keys", "a`b"), ("cursor_field", "a`b")]
    {
        let error = refused(&connect(&server), ticks().option(name, value)).await;
        assert_eq!(error.kind(), ErrorKind::Config, "{name}: {error}");
        assert!(error.to_string().contains("backtick"), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_tag_keeps_a_version_that_is_cleaned_up_around_it() {
    let server = serve(&[]);
    let first = server.database().version("people").unwrap();
    server.database().tag("people", "monday", first).unwrap();
    server.before("/query", 8, |database| {
        let latest = database.append("people", &people_of(20..21)).unwrap();
        database.clean_up("people", latest).unwrap();
    });
    let monday = ReadRequest::new(people().option("tag", "monday").option("batch_size", "2"));
    let (rows, _, error) = read(&connect(&server), monday).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(rows, (0..20).collect::<Vec<i64>>());
    assert_eq!(server.database().versions("people").unwrap().len(), 2, "others are gone");
}
