//! What `docs/cli.md` shows works.

use std::{fs, path::Path};

use crate::support::{Source, finish, program};

const DOCS: &str = include_str!("../../../docs/cli.md");

/// The lines of all code blocks of one language.
fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    DOCS.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

#[test]
fn every_documented_command_runs() {
    let source = Source::configured(&[("Patient", 30), ("Observation", 40)], |config| {
        config.auth = lakeflow_simulators::fhir::Auth::Bearer { token: "a-token".to_owned() };
    });
    let dir = tempfile::tempdir().unwrap();
    let here = |text: &str| text.replace("https://fhir.example.org/r4", &source.server.base_url());
    let yaml = blocks("yaml");
    assert_eq!(yaml.len(), 1, "one pipeline file is shown");
    fs::write(dir.path().join("pipeline.yaml"), here(&yaml[0])).unwrap();
    fs::write(dir.path().join("token"), "a-token\n").unwrap();

    let mut run = 0;
    for line in blocks("sh").iter().flat_map(|block| block.lines()).filter(|line| !line.trim().is_empty()) {
        let words = here(line).replace('\'', "");
        let mut words = words.split_whitespace();
        assert_eq!(words.next(), Some("lakeflow"), "{line}");
        let words: Vec<&str> = words.take_while(|word| !word.starts_with('#')).collect();
        if words[0] == "simulate" {
            // It serves until it is stopped; the test of that command is elsewhere.
            continue;
        }
        let ran = finish(program().args(&words).current_dir(dir.path()).env("FHIR_TOKEN", "a-token").output().unwrap());
        assert_eq!(ran.code, 0, "{line}\n{}{}", ran.out, ran.err);
        run += 1;
    }
    assert!(run >= 12, "{run} commands");
    source.assert_copied("Patient", &dir.path().join("lake"));
}

#[test]
fn every_exit_code_is_documented() {
    for code in ["`0`", "`1`", "`2`", "`3`", "`4`", "`5`", "`6`", "`70`", "`130`"] {
        assert!(DOCS.contains(&format!("| {code} |")), "{code}");
    }
    assert!(Path::new(env!("CARGO_BIN_EXE_lakeflow")).exists());
}
