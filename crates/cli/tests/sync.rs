//! `lakeflow sync`: what lands, what it tells, what it leaves.

use std::fs;

use serde_json::Value;

use crate::support::{Source, lakeflow, rows};

#[test]
fn everything_lands_and_the_second_run_moves_only_what_changed() {
    let source = Source::with(&[("Patient", 120), ("Observation", 200)]);
    let dir = tempfile::tempdir().unwrap();
    let first = source.sync(&["Patient", "Observation"], dir.path()).ok();
    assert_eq!(first.event("end")["tables_done"], 2);
    source.assert_copied("Patient", dir.path());
    source.assert_copied("Observation", dir.path());

    source.write("Patient", 30);
    let second = source.sync(&["Patient", "Observation"], dir.path()).ok();
    source.assert_copied("Patient", dir.path());
    let moved: u64 = second
        .lines()
        .iter()
        .filter(|line| line["event"] == "table_done")
        .map(|line| {
            line["receipt"]["rows_inserted"].as_u64().unwrap() + line["receipt"]["rows_updated"].as_u64().unwrap()
        })
        .sum();
    assert_eq!(moved, 7, "four changed and three new patients");
}

#[test]
fn all_tables_of_the_source_land_when_none_is_named() {
    let source = Source::with(&[("Patient", 3), ("Goal", 4)]);
    let dir = tempfile::tempdir().unwrap();
    let run = source.sync(&[], dir.path()).ok();
    assert_eq!(run.event("begin")["tables"].as_array().unwrap().len(), 14);
    source.assert_copied("Patient", dir.path());
    source.assert_copied("Goal", dir.path());
}

#[test]
fn a_pipeline_file_says_where_tables_land_and_flags_narrow_it() {
    let source = Source::with(&[("Patient", 12), ("Goal", 5)]);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("address"), format!("{}\n", source.server.base_url())).unwrap();
    let pipeline = dir.path().join("ward.yaml");
    fs::write(
        &pipeline,
        "connection_name: ward\n\
         connection:\n  source: fhir\n  options:\n    base_url: ${file:address}\n\
         destination: lake\n\
         objects:\n  - table:\n      source_table: Patient\n      destination_schema: clinic\n      destination_table: patients\n      \
         table_configuration:\n        scd_type: SCD_TYPE_1\n        page_size: 5\n  - table:\n      source_table: Goal\n",
    )
    .unwrap();
    let pipeline = pipeline.to_str().unwrap();
    lakeflow(["sync", pipeline, "--table", "Goal"]).ok();
    assert!(!dir.path().join("lake/clinic").exists());
    lakeflow(["sync", pipeline]).ok();
    assert_eq!(rows(&dir.path().join("lake/clinic/patients")), source.expected("Patient"));
    source.assert_copied("Goal", &dir.path().join("lake"));
    let pages = source.server.exchanges();
    assert!(pages.iter().any(|e| e.path.ends_with("/Patient") && e.parameter("_count") == Some("5")));
    assert!(lakeflow(["tables", pipeline]).ok().out.contains("Goal"), "other commands take the file too");
}

#[test]
fn every_run_leaves_a_receipt_with_offsets_and_counts() {
    let source = Source::with(&[("Patient", 40)]);
    let dir = tempfile::tempdir().unwrap();
    let path = source.sync(&["Patient"], dir.path()).ok().event("end")["receipt"].as_str().unwrap().to_owned();
    assert!(path.starts_with(dir.path().join("_lakeflow/receipts").to_str().unwrap()));
    let receipt: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let table = &receipt["tables"][0];
    assert_eq!((&table["ok"], &table["rows_inserted"]), (&Value::from(true), &Value::from(40)));
    assert!(table["offset_before"].is_null() && table["offset_after"].is_object());
    assert!(table["activity"]["requests"].as_u64().unwrap() > 0 && table["table_version"].is_u64());

    source.write("Patient", 40);
    let next = source.sync(&["Patient"], dir.path()).ok().event("end")["receipt"].as_str().unwrap().to_owned();
    let after: Value = serde_json::from_str(&fs::read_to_string(next).unwrap()).unwrap();
    assert_eq!(after["tables"][0]["offset_before"], table["offset_after"]);
}

#[test]
fn receipts_and_state_tell_up_to_when_a_table_was_read() {
    let source = Source::with(&[("Patient", 40)]);
    let dir = tempfile::tempdir().unwrap();
    let done = source.sync(&["Patient"], dir.path()).ok().event("table_done");
    // The source's clock, less the minute that the newest data has to settle.
    assert_eq!(done["receipt"]["watermark"], "2025-12-31T23:59:00Z");
    assert!(!done["receipt"]["behind"].is_null(), "{done}");
    let to = ["--to", dir.path().to_str().unwrap()];
    let words = ["state", "show"].map(str::to_owned).into_iter().chain(source.connection());
    let words: Vec<String> = words.chain(to.map(str::to_owned)).collect();
    let shown = lakeflow(&words).ok().out;
    assert!(
        shown.contains("read up to") && shown.contains("2025-12-31 23:59:00Z") && !shown.contains("mark"),
        "{shown}"
    );
}

#[test]
fn each_table_counts_its_own_requests_while_others_are_read() {
    let source = Source::with(&[("Patient", 40), ("Observation", 400)]);
    let dir = tempfile::tempdir().unwrap();
    let words = ["--table", "Patient", "--table", "Observation", "--table-option", "page_size=10", "--format", "json"];
    let words: Vec<&str> = words.into_iter().chain(["--to", dir.path().to_str().unwrap()]).collect();
    let run = source.run("sync", &words).ok();
    let receipt = fs::read_to_string(run.event("end")["receipt"].as_str().unwrap()).unwrap();
    let receipt: Value = serde_json::from_str(&receipt).unwrap();
    let exchanges = source.server.exchanges();
    for table in receipt["tables"].as_array().unwrap() {
        let path = format!("/{}", table["table"].as_str().unwrap());
        let of_table = exchanges.iter().filter(|e| e.path.ends_with(&path)).count() as u64;
        let counted = table["activity"]["requests"].as_u64().unwrap();
        // Paging links, and what is asked once for the connection, have other paths.
        assert!(counted >= of_table && of_table > 0, "{path}: {counted} of {of_table}");
    }
    let requests = |value: &Value| value["activity"]["requests"].as_u64().unwrap();
    let sum: u64 = receipt["tables"].as_array().unwrap().iter().map(requests).sum();
    assert!(sum <= requests(&receipt), "{sum} of {}", requests(&receipt));
}

#[test]
fn a_directory_may_have_any_name() {
    let source = Source::with(&[("Patient", 10)]);
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("my lake, 100% für uns");
    source.sync(&["Patient"], &to).ok();
    source.write("Patient", 5);
    source.sync(&["Patient"], &to).ok();
    source.assert_copied("Patient", &to);
}

#[test]
fn a_file_of_the_public_specification_works_with_a_source_from_the_command_line() {
    let source = Source::with(&[("Patient", 6)]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("public.json");
    fs::write(&file, r#"{"connection_name":"ward","objects":[{"table":{"source_table":"Patient"}}]}"#).unwrap();
    let to = dir.path().join("lake");
    source.run("sync", &[file.to_str().unwrap(), "--to", to.to_str().unwrap()]).ok();
    source.assert_copied("Patient", &to);
    let alone = lakeflow(["sync", file.to_str().unwrap(), "--to", to.to_str().unwrap()]);
    assert_eq!(alone.code, 2);
    assert!(alone.err.contains("does not say which source to read"), "{}", alone.err);
}

#[test]
fn rows_that_do_not_fit_are_put_aside_when_asked_and_fail_the_table_otherwise() {
    let source = Source::with(&[("Patient", 10)]);
    source.server.put(r#"{"resourceType":"Patient","id":"odd","active":"MARKER-perhaps"}"#).unwrap();
    source.server.clock().advance(std::time::Duration::from_secs(3600));
    let dir = tempfile::tempdir().unwrap();
    let failed = source.sync(&["Patient"], dir.path());
    assert_eq!(failed.code, 5, "{}{}", failed.out, failed.err);
    assert!(failed.out.contains("active") && !failed.out.contains("MARKER"), "{}", failed.out);

    let words =
        ["--table", "Patient", "--to", dir.path().to_str().unwrap(), "--bad-rows", "quarantine", "--format", "json"];
    let run = source.run("sync", &words).ok();
    assert_eq!(run.event("table_done")["receipt"]["rows_quarantined"], 1);
    let mut expected = source.expected("Patient");
    expected.remove("odd").unwrap();
    assert_eq!(rows(&dir.path().join("Patient")), expected);
}

#[test]
fn a_failed_table_is_in_the_receipt_and_the_offset_stays() {
    let source = Source::with(&[("Patient", 40)]);
    let dir = tempfile::tempdir().unwrap();
    source.sync(&["Patient"], dir.path()).ok();
    let state = |dir: &std::path::Path| lakeflow(["state", "export", "--to", dir.to_str().unwrap()]).ok().lines();
    let before = state(dir.path());
    source.write("Patient", 10);
    source.server.faults().add("always=status:400".parse().unwrap());
    let failed = source.sync(&["Patient"], dir.path());
    assert_ne!(failed.code, 0);
    let receipt = failed.event("end")["receipt"].as_str().unwrap().to_owned();
    let receipt: Value = serde_json::from_str(&fs::read_to_string(receipt).unwrap()).unwrap();
    assert_eq!(receipt["tables"][0]["ok"], false);
    assert_eq!(before, state(dir.path()));
    source.server.faults().clear();
    source.sync(&["Patient"], dir.path()).ok();
    source.assert_copied("Patient", dir.path());
}

#[test]
fn another_system_is_not_mixed_into_a_table() {
    let (one, other) = (Source::with(&[("Patient", 5)]), Source::with(&[("Patient", 9)]));
    let dir = tempfile::tempdir().unwrap();
    one.sync(&["Patient"], dir.path()).ok();
    let run = other.sync(&["Patient"], dir.path());
    assert_eq!(run.code, 6, "{}{}", run.out, run.err);
    one.assert_copied("Patient", dir.path());
}

#[test]
fn state_is_shown_exported_and_reset() {
    let source = Source::with(&[("Patient", 25)]);
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().to_str().unwrap();
    source.sync(&["Patient"], dir.path()).ok();
    let shown = lakeflow(["state", "show", "--to", to]).ok().out;
    assert!(shown.contains("Patient") && shown.contains("cdc"), "{shown}");
    let exported = lakeflow(["state", "export", "--to", to]).ok().lines();
    assert!(exported[0]["state"]["offset"].is_object());

    let near = lakeflow(["state", "reset", "--to", to, "--table", "Patien", "--rows", "keep"]);
    assert_eq!(near.code, 2);
    assert!(near.err.contains("did you mean 'Patient'?"), "{}", near.err);
    lakeflow(["state", "reset", "--to", to, "--table", "Patient", "--rows", "remove"]).ok();
    assert!(rows(&dir.path().join("Patient")).is_empty());
    let again = source.sync(&["Patient"], dir.path()).ok();
    assert_eq!(again.event("table_done")["receipt"]["rows_inserted"], 25);
    source.assert_copied("Patient", dir.path());
}

#[test]
fn a_directory_without_tables_has_no_state() {
    let dir = tempfile::tempdir().unwrap();
    let run = lakeflow(["state", "show", "--to", dir.path().to_str().unwrap()]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("there are no tables in this directory"), "{}", run.err);
}

#[test]
fn people_get_a_table_and_the_way_to_the_receipt() {
    let source = Source::with(&[("Patient", 25)]);
    let dir = tempfile::tempdir().unwrap();
    let run =
        source.run("sync", &["--table", "Patient", "--to", dir.path().to_str().unwrap(), "--format", "table"]).ok();
    for part in ["table", "new", "Patient", "Caught up.", "25 rows read: 25 new, 0 changed", "Delta tables", "Receipt"]
    {
        assert!(run.out.contains(part), "{part:?} not in {}", run.out);
    }
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_at_a_checkpoint_and_the_next_run_goes_on() {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
    };

    let source =
        Source::configured(&[("Patient", 400)], |config| config.latency = std::time::Duration::from_millis(20));
    let dir = tempfile::tempdir().unwrap();
    let mut child = crate::support::program()
        .arg("sync")
        .args(source.connection())
        .args(["--table", "Patient", "--table-option", "page_size=10", "--table-option", "max_records_per_batch=10"])
        .args(["--commit-rows", "20", "--to", dir.path().to_str().unwrap(), "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = String::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.by_ref() {
        let line = line.unwrap();
        out.push_str(&line);
        if line.contains("\"commit\"") {
            let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
            assert!(killed.success());
            break;
        }
    }
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    let end: Value = serde_json::from_str(rest.last().unwrap()).unwrap();
    assert_eq!((&end["event"], &end["interrupted"]), (&Value::from("end"), &Value::from(true)));
    let there = rows(&dir.path().join("Patient")).len();
    assert!(there > 0 && there < 400, "{there}");
    source.sync(&["Patient"], dir.path()).ok();
    source.assert_copied("Patient", dir.path());
}
