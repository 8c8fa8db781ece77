//! A destination without room, or that may not be written to: the program says so, and what was committed stays.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::support::{Run, Source, finish, lakeflow, program, rows};

const BINARY: &str = env!("CARGO_BIN_EXE_lakeflow");

/// The words of a sync of patients into a directory.
fn words(source: &Source, to: &Path) -> Vec<String> {
    let to = to.to_str().unwrap();
    let rest = ["--table", "Patient", "--to", to, "--format", "json"].map(str::to_owned);
    ["sync".to_owned()].into_iter().chain(source.connection()).chain(rest).collect()
}

/// Runs a shell script whose arguments are the program and the words of a sync.
fn in_shell(script: &str, source: &Source, to: &Path) -> Output {
    Command::new("sh").args(["-c", script, "sh", BINARY]).args(words(source, to)).output().unwrap()
}

fn assert_refused(run: &Run, why: &str) {
    assert_eq!(run.code, 6, "{}{}", run.out, run.err);
    let error = &run.event("table_failed")["error"];
    assert_eq!(error["kind"], "sink");
    assert!(error.to_string().contains(why), "{why:?} not in {error}");
}

fn offset(to: &Path) -> serde_json::Value {
    lakeflow(["state", "export", "--to", to.to_str().unwrap()]).ok().lines()[0]["state"]["offset"].clone()
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_that_may_not_grow_further_ends_the_table_and_the_next_run_completes_it() {
    let source = Source::with(&[("Patient", 20)]);
    let dir = tempfile::tempdir().unwrap();
    source.sync(&["Patient"], dir.path()).ok();
    let (before, offset_before) = (rows(&dir.path().join("Patient")), offset(dir.path()));
    source.add("Patient", 3_000);
    let run = finish(in_shell("trap '' XFSZ; ulimit -f 300; exec \"$@\"", &source, dir.path()));
    assert_refused(&run, "larger than allowed");
    assert_eq!((rows(&dir.path().join("Patient")), offset(dir.path())), (before, offset_before));
    source.sync(&["Patient"], dir.path()).ok();
    source.assert_copied("Patient", dir.path());
}

#[test]
#[cfg(target_os = "linux")]
fn a_directory_that_is_not_writable_is_told_and_left_alone() {
    // Root may write everywhere as long as it has these capabilities.
    let unprivileged =
        "[ \"$(id -u)\" = 0 ] && exec setpriv --bounding-set=-dac_override,-dac_read_search \"$@\"; exec \"$@\"";
    let source = Source::with(&[("Patient", 20)]);
    let dir = tempfile::tempdir().unwrap();
    let mode = |mode: &str| {
        assert!(Command::new("chmod").args(["-R", mode]).arg(dir.path()).status().unwrap().success());
    };
    mode("a-w");
    assert_refused(&finish(in_shell(unprivileged, &source, dir.path())), "permission was denied");
    mode("u+w");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

    source.sync(&["Patient"], dir.path()).ok();
    let before = rows(&dir.path().join("Patient"));
    source.write("Patient", 3);
    mode("a-w");
    let refused = finish(in_shell(unprivileged, &source, dir.path()));
    mode("u+w");
    assert_refused(&refused, "permission was denied");
    assert_eq!(rows(&dir.path().join("Patient")), before);
    source.sync(&["Patient"], dir.path()).ok();
    source.assert_copied("Patient", dir.path());
}

#[test]
#[ignore = "needs a file system of its own, which unprivileged user namespaces allow; CI runs it"]
fn real_disk_that_is_full_ends_the_table_and_the_next_run_completes_it() {
    let source = Source::with(&[("Patient", 20)]);
    let dir = tempfile::tempdir().unwrap();
    let (disk, small, large) = (dir.path().join("disk"), dir.path().join("small"), dir.path().join("large"));
    for folder in [&disk, &small, &large] {
        std::fs::create_dir(folder).unwrap();
    }
    source.sync(&["Patient"], &small).ok();
    let (before, offset_before) = (rows(&small.join("Patient")), offset(&small));
    source.add("Patient", 3_000);
    let script = format!(
        "cd '{}' && mount -t tmpfs -o size=1m none disk && cp -r small/. disk/ || exit 99\n\
         \"$@\"; code=$?\n\
         rm -rf small/*; cp -r disk/. small/ && mount -o remount,size=100m disk || exit 98\n\
         \"$@\" >&2 || exit 97\n\
         cp -r disk/. large/ && exit $code",
        dir.path().display()
    );
    let out = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh", BINARY])
        .args(words(&source, &disk))
        .output()
        .unwrap();
    assert_refused(&finish(out), "no space left");
    assert_eq!((rows(&small.join("Patient")), offset(&small)), (before, offset_before));
    source.assert_copied("Patient", &large);
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn the_program_keeps_one_heap_unless_told_otherwise() {
    use std::io::{BufRead, BufReader};

    for (given, kept) in [(None, "1"), (Some("3"), "3")] {
        let mut command = program();
        command.env_remove("MALLOC_ARENA_MAX").envs(given.map(|n| ("MALLOC_ARENA_MAX", n)));
        command.args(["simulate", "fhir", "--format", "json"]).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let environment = std::fs::read_to_string(format!("/proc/{}/environ", child.id())).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(ready.contains("\"ready\""), "{ready}");
        let set = environment.split('\0').find_map(|entry| entry.strip_prefix("MALLOC_ARENA_MAX="));
        assert_eq!(set, Some(kept));
    }
}
