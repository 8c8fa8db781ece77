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
    for part in
        ["everything that the server has", "only what changed", "nothing lost, nothing twice", "Delta tables", "Next"]
    {
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
    let moved = |sync: &str, column: &str| -> u64 {
        end[sync]["tables"].as_array().unwrap().iter().map(|t| t[column].as_u64().unwrap()).sum()
    };
    let changes = &end["changes_at_the_source"];
    assert_eq!(moved("second_sync", "rows_inserted"), changes["created"].as_u64().unwrap());
    assert_eq!(moved("second_sync", "rows_updated"), changes["changed"].as_u64().unwrap());
    assert_eq!(end["verified_rows"], moved("first_sync", "rows_inserted") + moved("second_sync", "rows_inserted"));
}

#[test]
fn a_directory_that_is_a_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let run = lakeflow(["demo", "--to", file.to_str().unwrap()]);
    assert_eq!(run.code, 6, "{}{}", run.out, run.err);
}
