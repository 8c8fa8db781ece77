//! Commands that only look.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::support::{Source, lakeflow, program};

#[test]
fn sources_lists_what_there_is_and_documents_every_option() {
    let run = lakeflow(["sources"]).ok();
    assert!(run.out.contains("fhir"), "{}", run.out);
    let one = lakeflow(["sources", "fhir", "--format", "json"]).ok();
    let options = one.lines()[0]["options"].as_array().unwrap().clone();
    assert!(options.iter().any(|o| o["name"] == "base_url" && o["required"] == true));
    assert!(options.iter().any(|o| o["name"] == "password" && o["secret"] == true));
    let text = lakeflow(["sources", "fhir"]).ok().out;
    for option in options {
        assert!(text.contains(option["name"].as_str().unwrap()), "{option}");
    }
}

#[test]
fn check_says_what_it_learned_and_tries_every_table() {
    let source = Source::with(&[("Patient", 5)]);
    let run = source.run("check", &[]).ok();
    for part in ["fhir: connected", "4.0.1", "Patient", "reads, empty"] {
        assert!(run.out.contains(part), "{part} not in {}", run.out);
    }
    let lines = source.run("check", &["--format", "json", "--table", "Patient"]).ok().lines();
    assert_eq!(lines[0]["check"], "connection");
    assert_eq!((&lines[1]["table"], &lines[1]["has_rows"]), (&Value::from("Patient"), &Value::from(true)));
}

#[test]
fn check_goes_on_after_a_table_that_fails_and_says_what_to_do() {
    let source = Source::with(&[("Patient", 5)]);
    let run = source.run("check", &["--table", "Patient", "--table", "Pateint"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("did you mean 'Patient'?"), "{}", run.out);
    assert!(run.out.contains("reads"), "{}", run.out);
}

#[test]
fn tables_lists_keys_and_cursor() {
    let source = Source::with(&[]);
    let lines = source.run("tables", &["--format", "json"]).ok().lines();
    let patient = lines.iter().find(|line| line["table"] == "Patient").unwrap();
    assert_eq!(patient["primary_keys"], serde_json::json!(["id"]));
    assert_eq!(patient["cursor_field"], "lastUpdated");
    assert!(source.run("tables", &[]).ok().out.contains("Observation"));
}

#[test]
fn schema_speaks_spark_ddl_arrow_and_plain_words() {
    let source = Source::with(&[]);
    let schema = |format: &str| source.run("schema", &["--table", "Patient", "--format", format]).ok().out;
    let json: Value = serde_json::from_str(&schema("json")).unwrap();
    assert_eq!((&json["type"], &json["fields"][0]["name"]), (&Value::from("struct"), &Value::from("id")));
    assert!(schema("ddl").starts_with("id STRING"), "{}", schema("ddl"));
    assert!(schema("arrow").contains("Timestamp(µs, \"UTC\")"));
    assert!(schema("table").contains("array of struct"));
    let two = source.run("schema", &["--table", "Patient", "--table", "Goal", "--format", "json"]).ok().lines();
    assert_eq!((two.len(), &two[1]["table"]), (2, &Value::from("Goal")));
}

#[test]
fn preview_shows_the_first_rows_for_people_and_programs() {
    let source = Source::with(&[("Patient", 30)]);
    let lines = source.run("preview", &["--table", "Patient", "-n", "7", "--format", "json"]).ok().lines();
    assert_eq!(lines.len(), 7);
    let ids = source.server.ids("Patient");
    assert!(lines.iter().all(|line| ids.contains(&line["id"].as_str().unwrap().to_owned())));
    let chosen = source.run("preview", &["--table", "Patient", "--columns", "id,gender", "--format", "json"]).ok();
    assert!(chosen.lines().iter().all(|line| line.as_object().unwrap().len() <= 2 && !line["id"].is_null()));
    let text = source.run("preview", &["--table", "Patient", "-n", "3"]).ok().out;
    assert!(text.contains("--format json shows everything"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn simulate_prints_its_address_when_it_serves_and_takes_options() {
    let mut child = program()
        .args(["simulate", "fhir", "--port", "0", "--option", "volume=Patient:12", "--option", "personality=ties"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
    let address = format!("base_url={}", address.trim());
    let run = lakeflow([
        "preview", "--source", "fhir", "--option", &address, "--table", "Patient", "-n", "50", "--format", "json",
    ]);
    child.kill().unwrap();
    child.wait().unwrap();
    let lines = run.ok().lines();
    assert_eq!(lines.len(), 12);
    assert!(lines.iter().all(|line| line["lastUpdated"] == lines[0]["lastUpdated"]), "the personality was heard");
}

#[test]
fn the_simulated_lancedb_serves_tables_of_the_size_that_was_asked_for() {
    let mut child = program()
        .args(["simulate", "lancedb", "--port", "0", "--option", "tables=notes", "--option", "rows=7"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
    let address = format!("uri={}", address.trim());
    let run =
        lakeflow(["preview", "--source", "lancedb", "--option", &address, "--table", "notes", "--format", "json"]);
    child.kill().unwrap();
    child.wait().unwrap();
    let lines = run.ok().lines();
    assert_eq!(lines.len(), 7);
    assert_eq!(lines[6]["embedding"].as_array().unwrap().len(), 16);
}

#[test]
fn each_simulator_lists_its_own_options_and_every_fault_that_it_lists_is_one() {
    let fhir = lakeflow(["simulate", "fhir", "--options"]).ok().out;
    assert!(fhir.contains("page_size") && fhir.contains("ignores-sort") && !fhir.contains("fragment_rows"), "{fhir}");
    for source in ["fhir", "osipi", "lancedb"] {
        let lines = lakeflow(["simulate", source, "--options", "--format", "json"]).ok().lines();
        let names = |kind: &str| -> Vec<String> {
            let of_kind = lines.iter().filter(|line| line["kind"] == kind);
            of_kind.map(|line| line["name"].as_str().unwrap().to_owned()).collect()
        };
        let example = |word: &String| {
            let word = word.replace("N,N", "1,2").replace("CODE", "503").replace("URL", "/elsewhere");
            ["PERCENT", "BYTES", "MS", "N"].iter().fold(word, |word, letters| word.replace(letters, "1"))
        };
        assert!(names("fault_when").len() >= 5 && names("fault").len() >= 13 && names("option").len() > 10);
        for when in names("fault_when") {
            let rule = format!("{}=html", example(&when));
            assert!(rule.parse::<lakeflow_simulators::faults::FaultRule>().is_ok(), "{rule}");
        }
        for fault in names("fault") {
            let rule = format!("always={}", example(&fault));
            assert!(rule.parse::<lakeflow_simulators::faults::FaultRule>().is_ok(), "{rule}");
        }
    }
}

#[test]
fn results_that_are_piped_carry_no_colours() {
    let run = lakeflow(["sources", "fhir"]).ok();
    assert!(!run.out.contains('\u{1b}') && !run.err.contains('\u{1b}'));
}

#[test]
fn simulate_serves_at_the_port_that_is_asked_for_and_a_taken_one_is_told() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let words = ["simulate", "fhir", "--port", &free];
    let mut child = program().args(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
    let taken = lakeflow(words);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(address.trim(), format!("http://127.0.0.1:{free}/fhir"));
    assert_eq!(taken.code, 2);
    assert!(taken.err.contains("choose another port"), "{}", taken.err);
}
