//! The resources themselves: byte-exact examples, copies, volumes, the oracle.

use std::collections::{BTreeMap, BTreeSet};

use lakeflow_simulators::fhir::{Config, Server, Volume, examples};

use crate::support::{get, json, patients, sorted, start, walk, walked_ids};

/// The text of an example with the `meta` that the server gives it, made here without the server's code.
fn with_meta(text: &str, served: &str) -> String {
    let meta_at = served.find("\"meta\":").unwrap();
    let meta_value = &served[meta_at + 7..];
    let end = meta_at + 7 + object_end(meta_value);
    match text.find("\"meta\":{").filter(|_| served[..meta_at] == text[..text.find("\"meta\":{").unwrap()]) {
        Some(at) => {
            let tail = &text[at + 7 + object_end(&text[at + 7..])..];
            format!("{}{}{}", &text[..at], &served[meta_at..end], tail)
        }
        None => {
            let before = &served[..meta_at - 1];
            format!("{}{}{}", before, &served[meta_at - 1..end], &text[before.len()..])
        }
    }
}

fn object_end(text: &str) -> usize {
    let (mut depth, mut inside, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        if inside {
            inside = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if c == '"' {
            inside = true;
        } else if c == '{' {
            depth += 1;
        } else if c == '}' {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
    }
    panic!("no object")
}

#[tokio::test]
async fn every_official_example_is_served_byte_for_byte_apart_from_meta() {
    let server = Server::start(Config::default()).unwrap();
    let mut read = 0;
    for example in examples() {
        let url = format!("{}/{}/{}", server.base_url(), example.resource_type, example.id);
        let response = get(&url).await;
        assert_eq!(response.status(), 200, "{url}");
        assert_eq!(response.headers()["content-type"], "application/fhir+json; charset=utf-8");
        let served = response.text().await.unwrap();
        assert_eq!(served, with_meta(example.text, &served), "{url}");
        let value: serde_json::Value = serde_json::from_str(&served).unwrap();
        assert_eq!(value["meta"]["versionId"], "1");
        assert!(value["meta"]["lastUpdated"].is_string());
        read += 1;
    }
    assert!(read > 600, "{read}");
}

#[tokio::test]
async fn the_rest_of_an_examples_meta_is_kept() {
    let server = Server::start(Config::default()).unwrap();
    let heart_rate = json(&format!("{}/Observation/heart-rate", server.base_url())).await;
    assert_eq!(heart_rate["meta"]["profile"][0], "http://hl7.org/fhir/StructureDefinition/vitalsigns");
}

#[tokio::test]
async fn pages_hold_the_same_bytes_as_the_oracle() {
    let server = patients(100, "");
    let mut expected: BTreeMap<String, String> =
        server.expected("Patient").into_iter().map(|row| (row.id, row.text.unwrap())).collect();
    let mut url = Some(format!("{}/Patient?_count=7", server.base_url()));
    while let Some(page) = url {
        let text = get(&page).await.text().await.unwrap();
        let bundle: serde_json::Value = serde_json::from_str(&text).unwrap();
        for id in crate::support::ids(&bundle) {
            let resource = expected.remove(&id).unwrap();
            assert!(text.contains(&format!("\"resource\":{resource},\"search\"")), "{id}");
        }
        url = crate::support::link(&bundle, "next");
    }
    assert_eq!(expected.len(), 0);
}

#[tokio::test]
async fn copies_have_ids_of_their_own_and_refer_to_their_own_copies() {
    let server = start(44, |config| config.volumes.push(Volume::new("Observation", 64 * 3)));
    let observations = server.expected("Observation");
    let ids: BTreeSet<_> = observations.iter().map(|row| row.id.clone()).collect();
    assert_eq!(ids.len(), 192);
    let patients: BTreeSet<_> = server.ids("Patient").into_iter().collect();
    let examples: BTreeSet<_> = examples().filter(|e| e.resource_type == "Patient").map(|e| e.id).collect();
    let mut references = 0;
    for row in &observations {
        let value: serde_json::Value = serde_json::from_str(row.text.as_deref().unwrap()).unwrap();
        if let Some(patient) = value["subject"]["reference"].as_str().and_then(|text| text.strip_prefix("Patient/")) {
            let base = patient.split("-c").next().unwrap();
            assert!(patients.contains(patient) || !examples.contains(base), "{} names {patient}", row.id);
            references += usize::from(patient != base);
        }
    }
    assert!(references > 20, "{references}");
    for copy in ["decimal", "decimal-c1", "decimal-c2"] {
        let text = get(&format!("{}/Observation/{copy}", server.base_url())).await.text().await.unwrap();
        assert!(text.contains(&format!("\"id\":\"{copy}\"")) && text.contains("\"value\":1.00,"));
    }
    assert_eq!(get(&format!("{}/Observation/decimal-c3", server.base_url())).await.status(), 404);
}

#[tokio::test]
async fn a_wished_average_size_is_met() {
    let volume = |bytes| Volume { average_bytes: Some(bytes), ..Volume::new("Observation", 1_000) };
    for bytes in [1_500, 2_000, 4_000] {
        let server = Server::start(Config { volumes: vec![volume(bytes)], ..Config::default() }).unwrap();
        let mut sum = 0;
        server.visit_expected("Observation", |row| sum += row.text.unwrap().len());
        let average = sum / 1_000;
        assert!(average.abs_diff(bytes) < bytes / 5, "{average} for {bytes}");
    }
}

#[tokio::test]
async fn two_servers_of_one_seed_are_the_same() {
    let (a, b) = (patients(200, "mixed-stamps"), patients(200, "mixed-stamps"));
    assert_eq!(a.expected("Patient"), b.expected("Patient"));
    let path = "Patient?_count=50&_sort=_lastUpdated";
    let (one, other) =
        (walk(&format!("{}/{path}", a.base_url())).await, walk(&format!("{}/{path}", b.base_url())).await);
    let text = |pages: &[serde_json::Value], host: String| format!("{pages:?}").replace(&host, "host");
    assert_eq!(text(&one, a.host()), text(&other, b.host()));
}

#[tokio::test]
async fn a_type_without_volume_is_empty_and_an_unknown_type_is_404() {
    let server = patients(3, "");
    assert_eq!(json(&format!("{}/Observation", server.base_url())).await["total"], 0);
    let unknown = get(&format!("{}/Unicorn", server.base_url())).await;
    assert_eq!(unknown.status(), 404);
    let outcome: serde_json::Value = serde_json::from_str(&unknown.text().await.unwrap()).unwrap();
    assert_eq!(outcome["resourceType"], "OperationOutcome");
    let ids = walked_ids(&format!("{}/Patient", server.base_url())).await;
    assert_eq!(sorted(ids), sorted(server.ids("Patient")));
}

#[tokio::test]
async fn a_configuration_that_cannot_be_is_refused() {
    let volumes = vec![Volume::new("Unicorn", 1)];
    assert!(Server::start(Config { volumes, ..Config::default() }).is_err());
    let mut config = Config::default();
    for (name, value) in [
        ("personality", "polite"),
        ("volume", "Patient"),
        ("clock", "noon"),
        ("fault", "every:2=explode"),
        ("fault", "often=empty"),
        ("auth", "basic:alone"),
        ("page-size", "0"),
        ("colour", "red"),
    ] {
        assert!(config.set(name, value).is_err(), "{name}={value}");
    }
    let taken = patients(1, "");
    let address = taken.host().parse().unwrap();
    assert!(Server::start(Config { address, ..Config::default() }).is_err());
}
