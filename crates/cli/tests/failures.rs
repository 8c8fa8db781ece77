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
    assert_fails(&lakeflow(["simulate", "fhir", "--option", "personality=tie"]), 2, "did you mean 'ties'?");
    assert_fails(&lakeflow(["simulate", "fhir", "--option", "page_sise=1"]), 2, "did you mean 'page_size'?");
}

#[test]
fn every_option_problem_comes_at_once_with_the_near_name() {
    let run = lakeflow(["check", "--source", "fhir", "--option", "base_ulr=x", "--option", "max_retries=many"]);
    assert_fails(&run, 2, "there is no option 'base_ulr'; did you mean 'base_url'?");
    assert_fails(&run, 2, "'base_url' is missing");
    assert_fails(&run, 2, "'max_retries' must be a whole number");
}

#[test]
fn problems_of_both_levels_come_at_once_before_anything_is_asked_or_written() {
    let source = Source::with(&[("Patient", 3)]);
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("lake");
    let words = ["--option", "page_sizes=2", "--option", "max_retries=many", "--table-option", "shema_mode=raw"];
    let more = ["--table-option", "page_size=0", "--table-option", "scd_type=3", "--to", to.to_str().unwrap()];
    let run = source.run("sync", &[&words[..], &more, &["--format", "table"]].concat());
    for sentence in [
        "there is no option 'page_sizes'; did you mean the table option 'page_size'?",
        "'max_retries' must be a whole number",
        "there is no option 'shema_mode'; did you mean 'schema_mode'?",
        "'page_size' must be a whole number",
        "'scd_type' must be",
    ] {
        assert_fails(&run, 2, sentence);
    }
    assert!(run.out.is_empty() && !to.exists(), "{}", run.out);
    let run = source.run("check", &["--table-option", "base_url=x"]);
    assert_fails(&run, 2, "'base_url' is a connection option");
    assert!(run.out.is_empty(), "{}", run.out);
    assert!(source.server.exchanges().is_empty());
}

#[test]
fn a_pipeline_file_tells_all_its_problems_at_once_and_of_which_table() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.yaml");
    let text = "connection:\n  source: fhir\n  options:\n    nope: 1\n    base_url: ${env:LAKEFLOW_NOT_SET}\n\
                objects:\n  - table:\n      source_table: Goal\n  - table:\n      source_table: Patient\n      \
                table_configuration:\n        page_siz: 2\n        scd_type: 3\n";
    std::fs::write(&file, text).unwrap();
    let run = lakeflow(["sync", file.to_str().unwrap(), "--to", dir.path().join("lake").to_str().unwrap()]);
    for sentence in [
        "there is no option 'nope'",
        "'LAKEFLOW_NOT_SET', which is not set",
        "there is no option 'page_siz'; did you mean 'page_size'? (table Patient)",
        "'scd_type' must be",
        "p.yaml",
    ] {
        assert_fails(&run, 2, sentence);
    }
    assert!(!run.err.contains("'base_url' is missing"), "{}", run.err);
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

/// `check` must not claim a connection that there is not, in words or in JSON.
fn assert_no_connection(code: i32, check: impl Fn(&[&str]) -> Run) {
    let run = check(&[]);
    assert_eq!(run.code, code, "{}{}", run.out, run.err);
    assert!(run.out.contains("fhir: no connection") && !run.out.contains("connected"), "{}", run.out);
    assert_eq!(run.err.matches("error: ").count(), 1, "{}", run.err);
    let run = check(&["--format", "json"]);
    assert_eq!((run.code, &run.lines()[0]["ok"]), (code, &serde_json::Value::Bool(false)), "{}", run.out);
    assert_eq!(run.lines().len(), 1, "{}", run.out);
}

#[test]
fn a_check_says_connected_only_when_something_that_speaks_fhir_answered() {
    let dead = ["check", "--source", "fhir", "--option", "base_url=http://127.0.0.1:9/fhir"];
    assert_no_connection(4, |more| lakeflow(dead.iter().chain(&["--option", "max_retries=0"]).chain(more)));
    let source = Source::with(&[("Patient", 3)]);
    let wrong_path = format!("base_url={}/elsewhere", source.server.base_url());
    assert_no_connection(2, |more| lakeflow(["check", "--source", "fhir", "--option", &wrong_path].iter().chain(more)));
    source.server.faults().add("always=html".parse().unwrap());
    assert_no_connection(5, |more| source.run("check", more));
}

#[test]
fn a_source_that_never_says_what_it_is_is_connected_when_its_table_can_be_read() {
    let words = ["check", "--source", "lancedb", "--option", "uri=http://127.0.0.1:9", "--option", "max_retries=0"];
    let run = lakeflow(words.iter().chain(&["--table", "notes"]));
    assert_fails(&run, 4, "could not connect");
    assert!(run.out.contains("lancedb: no connection") && !run.out.contains("connected"), "{}", run.out);
}

#[test]
fn a_server_that_does_not_say_what_it_is_is_connected_when_a_table_can_be_read() {
    let source = Source::with(&[("Patient", 3)]);
    source.server.faults().add("always@/metadata=status:403".parse().unwrap());
    let run = source.run("check", &[]).ok();
    assert!(run.out.contains("fhir: connected") && run.out.contains("not told"), "{}", run.out);
}

#[test]
fn a_source_that_was_never_reached_fails_all_tables_after_the_tries_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let words =
        ["sync", "--source", "fhir", "--option", "base_url=http://127.0.0.1:9/fhir", "--option", "max_retries=1"];
    let run = lakeflow(words.into_iter().chain(["--format", "table", "--to", dir.path().to_str().unwrap()]));
    assert_fails(&run, 4, "error in 14 tables");
    assert!(!run.err.contains(" WARN "), "{}", run.err);
    let receipts = std::fs::read_dir(dir.path().join("_lakeflow/receipts")).unwrap();
    let receipt = std::fs::read_to_string(receipts.last().unwrap().unwrap().path()).unwrap();
    let receipt: serde_json::Value = serde_json::from_str(&receipt).unwrap();
    let requests = receipt["activity"]["requests"].as_u64().unwrap();
    assert!((2..=4).contains(&requests), "two tables at a time, two tries each: {requests}");
    assert_eq!(receipt["activity"]["answers"], 0);
    assert_eq!(receipt["tables"].as_array().unwrap().len(), 14);
}

#[test]
fn a_source_that_answered_before_is_asked_for_every_table() {
    let source = Source::with(&[("Patient", 3), ("Goal", 3)]);
    source.server.faults().add("always@/Goal=no-answer".parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().to_str().unwrap();
    let words = ["--option", "max_retries=0", "--parallel", "1", "--table", "Goal", "--table", "Patient", "--to", to];
    let run = source.run("sync", &[&words[..], &["--format", "json"]].concat());
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    source.assert_copied("Patient", dir.path());
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

#[test]
fn a_place_that_this_program_cannot_write_to_is_told() {
    let source = Source::with(&[("Patient", 3)]);
    let run = source.sync(&["Patient"], std::path::Path::new("s3://bucket/lake"));
    assert_eq!(run.code, 6, "{}{}", run.out, run.err);
    let error = run.event("table_failed")["error"].to_string();
    assert!(error.contains("give a directory") && !error.contains("run again"), "{error}");
}

#[test]
fn a_server_that_asks_for_an_hour_ends_the_run_which_keeps_what_it_has() {
    let source = Source::with(&[("Patient", 200)]);
    source.server.faults().add("nth:70=status:503:after:3600".parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().to_str().unwrap();
    let words = [
        ["--table", "Patient"],
        ["--table-option", "page_size=10"],
        ["--table-option", "max_records_per_batch=20"],
        ["--commit-rows", "20"],
        ["--to", to],
        ["--format", "json"],
    ];
    let run = source.run("sync", words.as_flattened());
    assert_eq!(run.code, 4, "{}{}", run.out, run.err);
    assert_eq!(run.event("table_failed")["error"]["context"]["retry_after_seconds"], "3600");
    let kept = crate::support::rows(&dir.path().join("Patient")).len();
    assert!((1..200).contains(&kept), "{kept} rows");
    source.run("sync", words.as_flattened()).ok();
    source.assert_copied("Patient", dir.path());
}
