//! Writes, over HTTP and from the program, and when they are seen.

use std::time::Duration;

use lakeflow_simulators::fhir::Expected;
use reqwest::Method;
use serde_json::Value;

use crate::support::{at, client, get, ids, json, patients, start, walked_ids};

fn find(all: &[Expected], id: &str) -> Expected {
    all.iter().find(|row| row.id == id).unwrap().clone()
}

async fn send(method: Method, url: &str, body: &str) -> (u16, Option<String>, String) {
    let response = client().request(method, url).body(body.to_owned()).send().await.unwrap();
    let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), location, response.text().await.unwrap())
}

#[tokio::test]
async fn a_resource_lives_through_create_update_delete_and_re_create() {
    let server = patients(0, "");
    let url = format!("{}/Patient/x", server.base_url());
    let body = r#"{ "resourceType": "Patient", "id": "x", "extension": [{"url": "u", "valueDecimal": 1.00}] }"#;
    let (status, location, text) = send(Method::PUT, &url, body).await;
    assert_eq!((status, location), (201, Some(format!("{url}/_history/1"))));
    assert_eq!(
        text,
        r#"{"resourceType":"Patient","id":"x","meta":{"versionId":"1","lastUpdated":"2026-03-01T12:00:00.000Z"},"extension":[{"url":"u","valueDecimal":1.00}]}"#
    );
    server.clock().advance(Duration::from_millis(1_500));
    assert_eq!(send(Method::PUT, &url, body).await.0, 200);
    let read = get(&url).await;
    assert_eq!(read.headers()["etag"], "W/\"2\"");
    assert_eq!(read.headers()["last-modified"], "Sun, 01 Mar 2026 12:00:01 GMT");
    assert_eq!(send(Method::DELETE, &url, "").await.0, 204);
    assert_eq!(get(&url).await.status(), 410);
    assert_eq!(get(&format!("{url}/_history/1")).await.status(), 200);
    assert_eq!(get(&format!("{url}/_history/3")).await.status(), 410);
    assert_eq!(get(&format!("{url}/_history/9")).await.status(), 404);
    assert_eq!(get(&format!("{}/Patient/never", server.base_url())).await.status(), 404);
    assert_eq!(json(&format!("{}/Patient", server.base_url())).await["total"], 0);
    let gone = find(&server.expected("Patient"), "x");
    assert!(gone.is_deleted() && gone.version_id == "3");
    assert_eq!(send(Method::PUT, &url, body).await.0, 201);
    assert_eq!(json(&url).await["meta"]["versionId"], "4");
    assert_eq!(find(&server.expected("Patient"), "x").text, Some(get(&url).await.text().await.unwrap()));
}

#[tokio::test]
async fn a_post_gets_an_id_from_the_server() {
    let server = patients(2, "");
    let url = format!("{}/Patient", server.base_url());
    for body in [r#"{"resourceType":"Patient","active":true}"#, r#"{"resourceType":"Patient","id":"mine"}"#] {
        let (status, location, text) = send(Method::POST, &url, body).await;
        assert_eq!(status, 201);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(value["id"] != "mine" && location.unwrap().contains(value["id"].as_str().unwrap()));
    }
    assert_eq!(walked_ids(&url).await.len(), 4);
}

#[tokio::test]
async fn nonsense_is_refused_and_changes_nothing() {
    let server = patients(2, "");
    let url = format!("{}/Patient/x", server.base_url());
    for body in [
        "",
        "[]",
        "{\"resourceType\":\"Patient\"",
        r#"{"resourceType":"Patient"}"#,
        r#"{"resourceType":"Patient","id":"y"}"#,
        r#"{"resourceType":"Group","id":"x"}"#,
    ] {
        assert_eq!(send(Method::PUT, &url, body).await.0, 400, "{body}");
    }
    let url = format!("{}/Patient/a_b", server.base_url());
    assert_eq!(send(Method::PUT, &url, r#"{"resourceType":"Patient","id":"a_b"}"#).await.0, 400);
    assert_eq!(server.expected("Patient").len(), 2);
}

#[tokio::test]
async fn the_program_can_serve_what_no_client_could_write() {
    let server = patients(0, "");
    let deep = format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000));
    for (id, member) in [
        ("nan", "\"x\":NaN".to_owned()),
        ("surrogate", r#""x":"\ud800""#.to_owned()),
        ("twice", "\"x\":1,\"x\":2".to_owned()),
        ("deep", format!("\"x\":{deep}")),
    ] {
        server.put(&format!("{{\"resourceType\":\"Patient\",\"id\":\"{id}\",{member}}}")).unwrap();
        let text = get(&format!("{}/Patient/{id}", server.base_url())).await.text().await.unwrap();
        assert!(text.contains(&member), "{id}");
    }
    assert!(server.put("{}").is_err() && server.put("no").is_err());
    assert!(server.put(r#"{"resourceType":"Unicorn","id":"x"}"#).is_err());
}

#[tokio::test]
async fn touch_and_revise_and_delete_move_version_and_stamp() {
    let server = patients(22, "");
    let before = server.expected("Patient");
    let id = before[3].id.clone();
    server.touch("Patient", &id).unwrap();
    let touched = find(&server.expected("Patient"), &id);
    assert_eq!((touched.version_id.as_str(), touched.last_updated.as_deref()), ("2", Some("2026-03-01T12:00:00.000Z")));
    let body = |row: &Expected| row.text.as_deref().unwrap().split_once("},").unwrap().1.to_owned();
    assert_eq!(body(&touched), body(&before[3]));
    server.clock().set(at("2026-03-02T00:00:00Z"));
    server.revise("Patient", &id).unwrap();
    let revised = find(&server.expected("Patient"), &id);
    assert_eq!(revised.version_id, "3");
    assert_ne!(body(&revised), body(&touched), "the content is another one");
    assert!(revised.text.unwrap().contains(&format!("\"id\":\"{id}\"")));
    server.delete("Patient", &id).unwrap();
    server.delete("Patient", &id).unwrap();
    assert_eq!(find(&server.expected("Patient"), &id).version_id, "4", "a second delete is none");
    server.revise("Patient", &id).unwrap();
    assert_eq!(find(&server.expected("Patient"), &id).version_id, "5");
    assert!(server.touch("Patient", "nobody").is_err() && server.delete("Unicorn", "x").is_err());
    let new = ids(&json(&format!("{}/Patient?_lastUpdated=ge2026-03-02", server.base_url())).await);
    assert_eq!(new, [id]);
}

#[tokio::test]
async fn a_late_write_is_seen_after_later_ones_and_keeps_its_stamp() {
    let server = start(5, |config| config.set("personality", "late-commit").unwrap());
    let body = |id: &str| format!(r#"{{"resourceType":"Patient","id":"{id}"}}"#);
    server.put(&body("first")).unwrap();
    server.put(&body("late")).unwrap();
    server.clock().advance(Duration::from_secs(5));
    server.put(&body("third")).unwrap();
    let url = format!("{}/Patient?_lastUpdated=ge2026&_sort=_lastUpdated", server.base_url());
    assert_eq!(ids(&json(&url).await), ["first", "third"]);
    assert_eq!(server.expected("Patient").len(), 7, "the oracle knows what can be read, not what waits");
    assert!(server.has_late_writes());
    server.clock().advance(Duration::from_secs(25));
    let all = json(&url).await;
    assert_eq!(ids(&all), ["first", "late", "third"]);
    let late = find(&server.expected("Patient"), "late");
    assert_eq!(late.last_updated.as_deref(), Some("2026-03-01T12:00:00.000Z"));
    assert!(!server.has_late_writes());
}

#[tokio::test]
async fn a_write_waits_for_an_earlier_late_write_of_its_resource() {
    let server = patients(0, "");
    let body = |flag: bool| format!(r#"{{"resourceType":"Patient","id":"x","active":{flag}}}"#);
    server.put_late(&body(false), Duration::from_secs(30)).unwrap();
    server.clock().advance(Duration::from_secs(5));
    server.put(&body(true)).unwrap();
    assert_eq!(server.expected("Patient").len(), 0);
    server.clock().advance(Duration::from_secs(25));
    let row = find(&server.expected("Patient"), "x");
    assert_eq!(row.version_id, "2");
    assert!(row.text.unwrap().contains("\"active\":true"));
}
