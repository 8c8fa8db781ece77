//! The first impression.

use std::path::Path;

use crate::support::{Run, lakeflow, rows};

fn demo(to: &Path) -> Run {
    lakeflow(["demo", "--to", to.to_str().unwrap()]).ok()
}

#[test]
fn the_demo_runs_verifies_itself_and_goes_on_in_the_same_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = demo(dir.path());
    for part in [
        "everything that the server has",
        "only what changed",
        "PI Web API server",
        "✓ osipi",
        "LanceDB server",
        "✓ lancedb",
        "nothing lost, nothing twice",
        "Delta tables",
        "rows/s",
        "Peak memory",
        "Next",
    ] {
        assert!(first.out.contains(part), "{part:?} not in {}", first.out);
    }
    assert!(first.err.is_empty(), "{}", first.err);
    let patients = rows(&dir.path().join("Patient")).len();

    let second = demo(dir.path());
    assert!(second.out.contains("this directory has seen the demo before"), "{}", second.out);
    assert_eq!(rows(&dir.path().join("Patient")).len(), patients + 3, "the second demo's new patients");
}

#[test]
fn the_demo_speaks_json_too() {
    let dir = tempfile::tempdir().unwrap();
    let run = lakeflow(["demo", "--to", dir.path().to_str().unwrap(), "--format", "json"]).ok();
    let end = run.event("demo_end");
    let moved = |source: &str, sync: &str, table: &str, column: &str| -> u64 {
        let tables = end["sources"][source][sync]["tables"].as_array().unwrap();
        let chosen = tables.iter().filter(|t| table.is_empty() || t["table"] == table);
        chosen.map(|t| t[column].as_u64().unwrap()).sum()
    };
    let changes = &end["sources"]["fhir"]["changes_at_the_source"];
    assert_eq!(moved("fhir", "second_sync", "", "rows_inserted"), changes["created"].as_u64().unwrap());
    assert_eq!(moved("fhir", "second_sync", "", "rows_updated"), changes["changed"].as_u64().unwrap());
    let library = &end["sources"]["lancedb"]["changes_at_the_source"];
    for (what, column) in [("created", "rows_inserted"), ("changed", "rows_updated"), ("deleted", "rows_deleted")] {
        assert_eq!(moved("lancedb", "second_sync", "documents", column), library[what].as_u64().unwrap(), "{what}");
    }
    for source in ["fhir", "osipi"] {
        let inserted = ["first_sync", "second_sync"].map(|sync| moved(source, sync, "", "rows_inserted"));
        assert_eq!(end["sources"][source]["verified_rows"], inserted.iter().sum::<u64>(), "{source}");
    }
    let plant = &end["sources"]["osipi"]["changes_at_the_source"];
    let second = |table, column| moved("osipi", "second_sync", table, column);
    assert_eq!(second("pi_points", "rows_inserted"), plant["new_points"].as_u64().unwrap());
    assert!(moved("osipi", "first_sync", "pi_timeseries", "rows_inserted") > 30_000);
    assert!(second("pi_timeseries", "rows_inserted") > plant["late"].as_u64().unwrap() + 1_000);
    assert_eq!(second("pi_timeseries", "rows_updated"), plant["edited"].as_u64().unwrap());
    assert!(second("pi_timeseries", "rows_unchanged") > 1_000, "the last hours are read again");
    assert_eq!(second("pi_event_frames", "rows_inserted"), 1);
    assert!(second("pi_event_frames", "rows_updated") >= 1);
}

#[test]
fn a_directory_that_is_a_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let run = lakeflow(["demo", "--to", file.to_str().unwrap()]);
    assert_eq!(run.code, 6, "{}{}", run.out, run.err);
    assert!(run.err.contains("is a file") && run.err.contains("give a directory"), "{}", run.err);
}
