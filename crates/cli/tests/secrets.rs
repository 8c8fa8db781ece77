//! Secrets come by reference and are never seen again.

use std::{
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use deltalake::{arrow::array::AsArray, parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder};
use lakeflow_simulators::{fhir::Auth, osipi};

use crate::support::{Run, Source, finish, lakeflow, program};

const SECRET: &str = "MARKER-tok3n-7f";

fn guarded() -> Source {
    Source::configured(&[("Patient", 9)], |config| config.auth = Auth::Bearer { token: SECRET.to_owned() })
}

fn assert_silent(run: &Run) {
    assert!(!run.out.contains(SECRET) && !run.err.contains(SECRET), "{}{}", run.out, run.err);
}

/// Every file below a directory, Delta logs and receipts included.
fn files(below: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(below).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn holds(file: &Path, text: &str) -> bool {
    fs::read(file).unwrap().windows(text.len()).any(|w| w == text.as_bytes())
}

/// Whether a text is a value of a data file.
fn has_row(file: &Path, text: &str) -> bool {
    let batches = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(file).unwrap()).unwrap().build().unwrap();
    batches.map(Result::unwrap).any(|batch| {
        let column = batch.column_by_name("value_string").map(|column| column.as_string::<i32>().clone());
        column.is_some_and(|column| column.iter().any(|value| value == Some(text)))
    })
}

fn assert_nowhere(below: &Path) {
    for file in files(below) {
        assert!(!holds(&file, SECRET), "{}", file.display());
    }
}

#[test]
fn a_secret_from_the_environment_logs_in_and_leaves_no_trace() {
    let source = guarded();
    let dir = tempfile::tempdir().unwrap();
    let mut command = program();
    command.env("WARD_TOKEN", SECRET).arg("-vvv").arg("sync").args(source.connection()).args([
        "--option",
        "auth_type=bearer",
        "--option",
        "bearer_token=${env:WARD_TOKEN}",
        "--table",
        "Patient",
        "--to",
        dir.path().to_str().unwrap(),
    ]);
    let run = finish(command.output().unwrap()).ok();
    assert_silent(&run);
    assert_nowhere(dir.path());
    assert!(!run.err.contains("plain text"), "no warning for a reference: {}", run.err);
    source.assert_copied("Patient", dir.path());
}

#[test]
fn a_secret_on_the_command_line_works_with_a_gentle_warning() {
    let source = guarded();
    let token = format!("bearer_token={SECRET}");
    let run = source.run("check", &["--option", "auth_type=bearer", "--option", &token, "--table", "Patient"]).ok();
    assert!(
        run.err.contains("note: 'bearer_token' is a secret and stands on the command line as plain text"),
        "{}",
        run.err
    );
    assert_silent(&run);
}

#[test]
fn no_error_repeats_a_secret() {
    let token = format!("bearer_token={SECRET}");
    let pasted = format!("bearer_tokn={SECRET}");
    let naked = SECRET.to_owned();
    for options in
        [["base_url=not a url", &token], ["base_url=http://127.0.0.1:9", &pasted], ["auth_type=bearer", &naked]]
    {
        let run = lakeflow(["check", "--source", "fhir", "--option", options[0], "--option", options[1]]);
        assert_eq!(run.code, 2, "{}", run.err);
        assert_silent(&run);
    }
}

#[test]
fn a_reference_that_leads_nowhere_says_which() {
    let run = lakeflow(["check", "--source", "fhir", "--option", "base_url=${env:LAKEFLOW_TEST_UNSET}"]);
    assert_eq!(run.code, 2);
    assert!(
        run.err.contains("'base_url' refers to the environment variable 'LAKEFLOW_TEST_UNSET', which is not set"),
        "{}",
        run.err
    );
}

#[test]
fn j12_receipts_states_logs_and_delta_logs_of_a_plant_hold_no_secret_and_no_value() {
    const VALUE: &str = "PLANT-VALUE-4711";
    let (user, password) = ("PLANT\\reader", format!("{SECRET} ✓"));
    let mut config = osipi::Config { points: 9, ..osipi::Config::default() };
    config.set("days", "1").unwrap();
    config.auth = osipi::Auth::Basic { user: user.to_owned(), password: password.clone() };
    let server = osipi::Server::start(config).unwrap();
    let points = server.points();
    let text = points.iter().find(|point| server.point(point).unwrap().point_type == osipi::PointType::String).unwrap();
    let at = osipi::Ticks(osipi::Ticks::from(server.clock().now()).0 - 600 * 10_000_000);
    server.change(text, osipi::Change::Add(at, VALUE.into())).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let run = |password: &str, options: &[&str]| {
        let mut command = program();
        let base = format!("pi_base_url={}", server.base_url());
        let user = format!("username={user}");
        command
            .env("PLANT_PASSWORD", password)
            .args(["-vvv", "sync", "--source", "osipi", "--option", &base, "--option", &user]);
        command.args(["--option", "password=${env:PLANT_PASSWORD}", "--option", "debug_http=true"]);
        command.args(["--option", "max_retries=0", "--table", "pi_timeseries", "--table", "pi_errors"]);
        command.args(options).args(["--to", dir.path().to_str().unwrap(), "--format", "json"]);
        finish(command.output().unwrap())
    };
    let mut runs = vec![run(&password, &[]).ok()];
    let data = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "parquet");
    assert!(files(dir.path()).iter().filter(|file| data(file)).any(|file| has_row(file, VALUE)), "the rows have it");
    server.break_point(&points[0], Some(osipi::PointFault::WebException)).unwrap();
    runs.push(run(&password, &[]));
    runs.push(run(&password, &["--table-option", "on_tag_error=quarantine"]));
    runs.push(run(&format!("{SECRET}-wrong"), &[]));
    assert_ne!((runs[1].code, runs[3].code), (0, 0));
    let login = BASE64_STANDARD.encode(format!("{user}:{password}"));
    for run in &runs {
        assert_silent(run);
        assert!(!run.out.contains(VALUE) && !run.err.contains(VALUE), "{}{}", run.out, run.err);
        assert!(!run.err.contains(&login) && run.err.contains("http response"), "{}", run.err);
    }
    assert_nowhere(dir.path());
    for file in files(dir.path()).iter().filter(|file| !data(file)) {
        assert!(!holds(file, VALUE) && !holds(file, &login), "{}", file.display());
    }
}
