//! What the pages for users show works.

use std::{collections::BTreeSet, fs, path::Path};

use chrono::TimeDelta;
use lakeflow_simulators::{
    clock::SimClock,
    fhir::Auth,
    oauth::{Client, ClientCredential, TestKey, TokenServerConfig},
};

use crate::support::{Source, finish, lakeflow, program};

const CLI: &str = include_str!("../../../docs/cli.md");
const README: &str = include_str!("../../../README.md");
const FHIR: &str = include_str!("../../../sources/healthcare/fhir/README.md");
/// The server of all examples.
const EXAMPLE: &str = "https://fhir.example.org/r4";

/// The text of all code blocks of one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

/// Runs every `lakeflow` command of a page's blocks in a directory, and says how many there were.
fn run_all(page: &str, (language, prompt): (&str, &str), tested_elsewhere: &str, source: &Source, dir: &Path) -> usize {
    let commands = blocks(page, language).join("\n").replace(EXAMPLE, &source.server.base_url()).replace('\'', "");
    let mut run = 0;
    for line in commands.lines().filter_map(|line| line.strip_prefix(prompt)) {
        let words: Vec<&str> = line.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
        if words[0] == tested_elsewhere {
            continue;
        }
        let ran = finish(program().args(&words).current_dir(dir).env("FHIR_TOKEN", "a-token").output().unwrap());
        assert_eq!(ran.code, 0, "{line}\n{}{}", ran.out, ran.err);
        run += 1;
    }
    run
}

/// Writes a pipeline file as a page shows it, with the address of a server of ours.
fn write_pipeline(yaml: &str, source: &Source, file: &Path) {
    assert!(yaml.contains(EXAMPLE), "{yaml}");
    fs::write(file, yaml.replace(EXAMPLE, &source.server.base_url())).unwrap();
}

#[test]
fn every_command_of_the_manual_runs() {
    let source = Source::configured(&[("Patient", 30), ("Observation", 40)], |config| {
        config.auth = Auth::Bearer { token: "a-token".to_owned() };
    });
    let dir = tempfile::tempdir().unwrap();
    let yaml = blocks(CLI, "yaml");
    assert_eq!(yaml.len(), 1, "one pipeline file is shown");
    write_pipeline(&yaml[0], &source, &dir.path().join("pipeline.yaml"));
    fs::write(dir.path().join("token"), "a-token\n").unwrap();
    let run = run_all(CLI, ("sh", "lakeflow "), "simulate", &source, dir.path());
    assert!(run >= 12, "{run} commands");
    source.assert_copied("Patient", &dir.path().join("lake"));
}

#[test]
fn every_command_of_the_readme_runs() {
    let source = Source::with(&[("Patient", 30), ("Observation", 40)]);
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run_all(README, ("console", "$ cargo run -p lakeflow-cli -- "), "demo", &source, dir.path()), 2);
    source.assert_copied("Patient", &dir.path().join("lake"));
}

#[test]
fn every_command_and_the_pipeline_of_the_fhir_page_run() {
    let source = Source::with(&[("Patient", 30), ("Observation", 40)]);
    let dir = tempfile::tempdir().unwrap();
    write_pipeline(&blocks(FHIR, "yaml")[0], &source, &dir.path().join("ward.yaml"));
    assert_eq!(run_all(FHIR, ("sh", "lakeflow "), "simulate", &source, dir.path()), 3);
    source.assert_copied("Patient", &dir.path().join("lake"));
}

#[test]
fn every_login_of_the_fhir_page_reads() {
    let dir = tempfile::tempdir().unwrap();
    let key = TestKey::rs384("key-1").unwrap();
    for (file, text) in [("password", "a-password"), ("secret", "a-secret"), ("key.pem", key.private_pem.as_str())] {
        fs::write(dir.path().join(file), text).unwrap();
    }
    let oauth = |credential| {
        let clients = vec![Client { id: "reader".to_owned(), credential }];
        Auth::OAuth(TokenServerConfig { clients, ..TokenServerConfig::default() })
    };
    let mut ways = BTreeSet::new();
    for yaml in &blocks(FHIR, "yaml")[1..] {
        let way = yaml.split("auth_type: ").nth(1).unwrap().split_whitespace().next().unwrap();
        let auth = match way {
            "basic" => Auth::Basic { user: "reader".to_owned(), password: "a-password".to_owned() },
            "bearer" => Auth::Bearer { token: "a-token".to_owned() },
            "client_secret" => oauth(ClientCredential::SecretBasic("a-secret".to_owned())),
            "jwt_assertion" => oauth(ClientCredential::PrivateKeyJwt { jwks: key.jwks.clone(), jku: None }),
            other => panic!("{other} is no login that a server can be made for"),
        };
        let source = Source::configured(&[("Patient", 30)], |config| {
            config.auth = auth;
            // Assertions are judged by the server's clock.
            config.clock = SimClock::shifted(TimeDelta::zero());
        });
        let file = dir.path().join(format!("{way}.yaml"));
        write_pipeline(yaml, &source, &file);
        let ran = finish(program().arg("check").arg(&file).env("FHIR_TOKEN", "a-token").output().unwrap());
        assert_eq!(ran.code, 0, "{way}: {}{}", ran.out, ran.err);
        assert!(ran.err.is_empty(), "{way}: {}", ran.err);
        ways.insert(way.to_owned());
    }
    let known = lakeflow(["sources", "fhir", "--format", "json"]).ok().lines()[0]["options"].clone();
    let known = known.as_array().unwrap().iter().find(|option| option["name"] == "auth_type").unwrap()["value"].clone();
    let known = known.as_str().unwrap().trim_start_matches("one of ").split(", ").map(str::to_owned);
    assert_eq!(ways, known.filter(|way| way != "none").collect());
}
