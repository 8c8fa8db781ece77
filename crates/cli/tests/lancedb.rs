//! LanceDB to Delta: nothing lost, nothing twice, whatever the keys are and wherever it breaks off.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use deltalake::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray},
        datatypes::Int64Type,
    },
    parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
};
use lakeflow_simulators::lancedb::{Config, RowIds, RunningServer, Server};

use crate::support::{Run, files, finish, lakeflow, program};

/// Id and name of each row, sorted.
type Rows = Vec<(Option<i64>, String)>;

fn batch(rows: impl IntoIterator<Item = (Option<i64>, String)>) -> RecordBatch {
    let (ids, names): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let columns: [(&str, ArrayRef, bool); 2] =
        [("id", Arc::new(Int64Array::from(ids)), true), ("name", Arc::new(StringArray::from_iter_values(names)), true)];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Rows whose ids are no key: each twice, and one null.
fn namesakes(name: &str) -> RecordBatch {
    batch((0..6).map(|row| ((row != 2).then_some(row / 2), format!("{name} {row}"))))
}

/// Rows that differ in their ids.
fn people(ids: std::ops::Range<i64>, name: &str) -> RecordBatch {
    batch(ids.map(|id| (Some(id), format!("{name} {id}"))))
}

fn serve(settings: &[(&str, &str)]) -> RunningServer {
    let mut config = Config::default();
    config.tables.clear();
    settings.iter().for_each(|(name, value)| config.set(name, value).unwrap());
    Server::start(config).unwrap()
}

/// Words of a sync of all tables.
fn words(server: &RunningServer, to: &Path) -> Vec<String> {
    let address = format!("host_override={}", server.base_url());
    let words = ["sync", "--source", "lancedb", "--option", &address, "--option", "database=db", "--format", "json"];
    words.into_iter().chain(["--to", to.to_str().unwrap()]).map(str::to_owned).collect()
}

fn sync(server: &RunningServer, to: &Path, more: &[&str]) -> Run {
    lakeflow(words(server, to).into_iter().chain(more.iter().map(|word| (*word).to_owned())))
}

fn sorted(batches: impl IntoIterator<Item = RecordBatch>) -> Rows {
    let mut rows = Rows::new();
    for batch in batches {
        let ids = batch.column_by_name("id").unwrap().as_primitive::<Int64Type>().clone();
        let names = batch.column_by_name("name").unwrap().as_string::<i32>().clone();
        rows.extend(
            (0..batch.num_rows()).map(|row| (ids.is_valid(row).then(|| ids.value(row)), names.value(row).into())),
        );
    }
    rows.sort();
    rows
}

fn found(table: &Path) -> Rows {
    let open = |file| ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap().build().unwrap();
    sorted(files(table).into_iter().flat_map(open).map(Result::unwrap))
}

fn expected(server: &RunningServer) -> Rows {
    sorted([server.database().rows("people", None).unwrap()])
}

#[test]
fn rows_that_share_an_id_all_land() {
    for row_ids in [RowIds::Stable, RowIds::Plain] {
        let server = serve(&[]);
        server.database().create_in_fragments("people", &namesakes("first"), row_ids, 4).unwrap();
        server.database().append("people", &namesakes("second")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        sync(&server, dir.path(), &[]).ok();
        assert_eq!(found(&dir.path().join("people")), expected(&server));
        server.database().append("people", &namesakes("third")).unwrap();
        server.database().delete("people", "name = 'first 1'").unwrap();
        sync(&server, dir.path(), &[]).ok();
        assert_eq!((found(&dir.path().join("people")).len(), expected(&server).len()), (17, 17));
        assert_eq!(found(&dir.path().join("people")), expected(&server));
    }
}

#[test]
fn rows_that_landed_without_their_ids_are_not_mixed_with_rows_that_have_them() {
    let server = serve(&[]);
    server.database().create("people", &namesakes("first"), RowIds::Stable).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().to_str().unwrap();
    sync(&server, dir.path(), &[]).ok();
    let before = found(&dir.path().join("people"));
    assert_eq!(before, expected(&server));
    // A second fragment shows that ids are stable: now they are the key.
    server.database().append("people", &namesakes("second")).unwrap();
    for keep in [false, true] {
        if keep {
            lakeflow(["state", "reset", "--to", to, "--table", "people", "--rows", "keep"]).ok();
        }
        let run = sync(&server, dir.path(), &[]);
        assert_ne!(run.code, 0, "{}", run.out);
        assert!(run.out.contains("_rowid") && run.out.contains("--rows remove"), "{}{}", run.out, run.err);
        assert_eq!(found(&dir.path().join("people")), before);
    }
    lakeflow(["state", "reset", "--to", to, "--table", "people", "--rows", "remove"]).ok();
    sync(&server, dir.path(), &[]).ok();
    assert_eq!(found(&dir.path().join("people")), expected(&server));
}

#[test]
fn a_server_that_breaks_in_the_middle_leaves_whole_rows_and_their_offset() {
    for options in [&[][..], &["--table-option", "primary_keys=id"]] {
        let server = serve(&[]);
        server.database().create_in_fragments("people", &people(0..60, "first"), RowIds::Stable, 16).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("people");
        let small = ["--table-option", "batch_size=2", "--commit-rows", "10", "--option", "max_retries=0"];
        let small: Vec<&str> = small.into_iter().chain(options.iter().copied()).collect();
        server.before("/query", 28, |database| database.wire.other_schema = true);
        let broken = sync(&server, dir.path(), &small);
        assert_eq!(broken.code, 5, "{}{}", broken.out, broken.err);
        let landed = found(&table);
        let all = expected(&server);
        assert!((10..60).contains(&landed.len()) && landed.iter().all(|row| all.contains(row)), "{landed:?}");
        // What is asked for next is what is missing, and no row of those that landed.
        server.database().wire.other_schema = false;
        let rest = sync(&server, dir.path(), &small).ok();
        assert_eq!(rest.event("table_done")["receipt"]["rows_read"], 60 - landed.len());
        assert_eq!(found(&table), all);
        // A broken run without a new row leaves everything as it is.
        server.database().delete("people", "id < 3").unwrap();
        server.faults().add("always@/query=status:503".parse().unwrap());
        assert_ne!(sync(&server, dir.path(), &small).code, 0);
        assert_eq!(found(&table), all);
        server.faults().clear();
        sync(&server, dir.path(), &small).ok();
        assert_eq!(found(&table), expected(&server));
    }
}

#[test]
fn killed_and_started_again_a_table_of_vectors_is_whole() {
    let mut kills = 0;
    for seed in 0..4 {
        let mut random = fastrand::Rng::with_seed(seed);
        let server = serve(&[]);
        server.database().create_in_fragments("people", &people(0..200, "first"), RowIds::Stable, 32).unwrap();
        let dir = tempfile::tempdir().unwrap();
        for round in 0..3 {
            if round > 0 {
                let from = 1_000 * round;
                let mut database = server.database();
                database.append("people", &people(from..from + 60, "later")).unwrap();
                database.delete("people", &format!("id % 7 = {round}")).unwrap();
                database.update("people", &format!("id % 11 = {round}"), &[("name", "'changed'")]).unwrap();
            }
            for attempt in 0.. {
                let after = (attempt < 4).then(|| random.usize(0..8));
                match run_until(&server, dir.path(), after, Duration::from_micros(random.u64(0..40_000))) {
                    true => break,
                    false => kills += 1,
                }
                let rows = found(&dir.path().join("people"));
                let mut ids: Vec<_> = rows.iter().map(|(id, _)| *id).collect();
                ids.dedup();
                assert_eq!(ids.len(), rows.len(), "seed {seed}: a row is there twice");
            }
            assert_eq!(found(&dir.path().join("people")), expected(&server), "seed {seed}, round {round}");
        }
    }
    println!("kills: {kills} of a sync of LanceDB");
}

/// Syncs, killed after so many lines and a further delay; whether it came to its end.
fn run_until(server: &RunningServer, to: &Path, lines: Option<usize>, delay: Duration) -> bool {
    let mut child = program()
        .args(words(server, to))
        .args(["--table-option", "batch_size=7", "--table-option", "primary_keys=id", "--commit-rows", "20"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(lines) = lines {
        let out = BufReader::new(child.stdout.take().unwrap());
        out.lines().take(lines).for_each(drop);
        std::thread::sleep(delay);
        // It may have ended by itself.
        child.kill().ok();
    }
    let output = child.wait_with_output().unwrap();
    match (output.status.signal(), output.status.code()) {
        (Some(9), _) => false,
        // Nobody listens to its lines any more.
        (_, Some(0)) => true,
        _ if lines.is_some() => false,
        other => panic!("the sync ended with {other:?}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
fn the_key_of_the_environment_logs_in_and_is_never_shown() {
    const KEY: &str = "marker-key-8E-0123456789";
    let server = serve(&[("auth", &format!("api-key:{KEY}"))]);
    server.database().create("people", &people(0..3, "first"), RowIds::Plain).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (key, code) in [(Some(KEY), 0), (Some("marker-wrong"), 3), (None, 3)] {
        let mut command = program();
        command.env_remove("LANCEDB_API_KEY").args(words(&server, dir.path()));
        command.envs(key.map(|key| ("LANCEDB_API_KEY", key)));
        let run = finish(command.output().unwrap());
        assert_eq!(run.code, code, "{}{}", run.out, run.err);
        assert!(!run.out.contains("marker-") && !run.err.contains("marker-"), "{}{}", run.out, run.err);
    }
    assert_eq!(found(&dir.path().join("people")), expected(&server));
}
