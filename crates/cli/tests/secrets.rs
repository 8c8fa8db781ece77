//! Secrets come by reference and are never seen again.

use std::{fs, path::Path};

use lakeflow_simulators::fhir::Auth;

use crate::support::{Run, Source, finish, lakeflow, program};

const SECRET: &str = "MARKER-tok3n-7f";

fn guarded() -> Source {
    Source::configured(&[("Patient", 9)], |config| config.auth = Auth::Bearer { token: SECRET.to_owned() })
}

fn assert_silent(run: &Run) {
    assert!(!run.out.contains(SECRET) && !run.err.contains(SECRET), "{}{}", run.out, run.err);
}

/// Every file below a directory, Delta logs and receipts included.
fn assert_nowhere(below: &Path) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_nowhere(&path);
        } else {
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(SECRET.len()).any(|w| w == SECRET.as_bytes()), "{}", path.display());
        }
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
