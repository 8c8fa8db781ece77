//! One clear sentence for each failure, and an exit code that means something.

use lakeflow_simulators::fhir::Auth;

use crate::support::{Run, Source, lakeflow};

fn assert_fails(run: &Run, code: i32, sentence: &str) {
    assert_eq!(run.code, code, "{}{}", run.out, run.err);
    assert!(run.err.contains(sentence), "{sentence:?} not in {:?}", run.err);
}

fn guarded() -> Source {
    Source::configured(&[("Patient", 3)], |config| {
        config.auth = Auth::Basic { user: "ward".to_owned(), password: "right-password".to_owned() };
    })
}

#[test]
fn wrong_usage_is_two() {
    assert_eq!(lakeflow(["snyc"]).code, 2);
    assert_fails(&lakeflow(["tables"]), 2, "nothing says which source to read");
    assert_fails(&lakeflow(["tables", "--source", "fihr"]), 2, "did you mean 'fhir'?");
    assert_fails(&lakeflow(["sync", "no-such.yaml"]), 2, "the pipeline file cannot be read");
    assert_fails(&lakeflow(["simulate", "fihr"]), 2, "did you mean 'fhir'?");
    assert_fails(&lakeflow(["simulate", "fhir", "--option", "personality=grumpy"]), 2, "no personality `grumpy`");
}

#[test]
fn every_option_problem_comes_at_once_with_the_near_name() {
    let run = lakeflow(["check", "--source", "fhir", "--option", "base_ulr=x", "--option", "max_retries=many"]);
    assert_fails(&run, 2, "there is no option 'base_ulr'; did you mean 'base_url'?");
    assert_fails(&run, 2, "'base_url' is missing");
    assert_fails(&run, 2, "'max_retries' must be a whole number");
}

#[test]
fn an_unknown_table_option_is_refused() {
    let source = Source::with(&[("Patient", 3)]);
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().to_str().unwrap();
    let run =
        source.run("sync", &["--table", "Patient", "--table-option", "page_sise=5", "--to", to, "--format", "table"]);
    assert_fails(&run, 2, "did you mean 'page_size'?");
}

#[test]
fn refused_credentials_are_three() {
    let source = guarded();
    let wrong = ["--option", "auth_type=basic", "--option", "username=ward", "--option", "password=wrong-password"];
    let run = source.run("check", &wrong);
    assert_eq!(run.code, 3, "{}{}", run.out, run.err);
    assert!(!run.err.contains("wrong-password") && !run.out.contains("wrong-password"));
    assert_eq!(source.run("check", &[]).code, 3);
}

#[test]
fn a_source_that_is_not_there_is_four() {
    let run = lakeflow([
        "check",
        "--source",
        "fhir",
        "--option",
        "base_url=http://127.0.0.1:9/fhir",
        "--option",
        "max_retries=0",
    ]);
    assert_fails(&run, 4, "could not connect");
}

#[test]
fn something_else_than_fhir_is_five() {
    let source = Source::with(&[("Patient", 3)]);
    source.server.faults().add("always=html".parse().unwrap());
    let run = source.run("check", &["--option", "max_retries=0"]);
    assert_eq!(run.code, 5, "{}{}", run.out, run.err);
}

#[test]
fn a_destination_that_cannot_be_written_is_six() {
    let source = Source::with(&[("Patient", 3)]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a-file");
    std::fs::write(&file, "in the way").unwrap();
    let run = source.sync(&["Patient"], &file);
    assert_eq!(run.code, 6, "{}{}", run.out, run.err);
    assert_eq!(run.event("table_failed")["error"]["kind"], "sink");
}

#[test]
fn one_failing_table_does_not_stop_the_others() {
    let source = Source::with(&[("Patient", 20), ("Goal", 20)]);
    source.server.faults().add("always@/Goal=status:400".parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let run = source.sync(&["Goal", "Patient"], dir.path());
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    assert_eq!(run.event("table_failed")["table"], "Goal");
    source.assert_copied("Patient", dir.path());
}

#[test]
fn a_program_gets_the_error_as_json() {
    let run = lakeflow(["tables", "--source", "fihr", "--format", "json"]);
    let error: serde_json::Value = serde_json::from_str(run.err.trim()).unwrap();
    assert_eq!(error["error"]["kind"], "not_found");
    assert_eq!(error["error"]["help"], "did you mean 'fhir'?");
    assert!(run.out.is_empty());
}
