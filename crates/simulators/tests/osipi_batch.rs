//! Batches of the PI Web API server.

use lakeflow_simulators::{
    faults::Fault,
    osipi::{PointFault, RunningServer, Spelling},
};
use serde_json::{Map, Value, json};

use crate::osipi_archive_support::{good, items, pi_with, post, same, ticks};

const FROM: &str = "2026-03-01T06:00:00Z";
const TO: &str = "2026-03-01T07:00:00Z";

async fn batch(server: &RunningServer, body: Value) -> Value {
    let (status, value) = post(server, "batch", body.to_string()).await;
    assert_eq!(status, 207, "{value}");
    value
}

/// The message of a batch that is refused as a whole.
async fn refused(server: &RunningServer, body: &str) -> (u16, String) {
    let (status, value) = post(server, "batch", body.to_owned()).await;
    (status, value["Errors"][0].as_str().unwrap_or_default().to_owned())
}

fn url(server: &RunningServer, path: &str) -> String {
    // The authority does not matter.
    format!("https://pi.example{}/{path}", server.base_url().split_once("/piwebapi").map_or("", |_| "/piwebapi"))
}

#[tokio::test]
async fn every_sub_request_answers_for_itself_in_any_order() {
    let server = pi_with("points=40");
    let mut body = Map::new();
    for (n, path) in server.points().iter().enumerate() {
        let id = server.web_id(path, Spelling::IdOnly).unwrap();
        let resource = url(&server, &format!("streams/{id}/recorded?startTime={FROM}&endTime={TO}"));
        body.insert(format!("t{n}"), json!({"Method": "GET", "Resource": resource}));
    }
    server.break_point(&server.points()[3], Some(PointFault::Forbidden)).unwrap();
    server.break_point(&server.points()[4], Some(PointFault::HtmlPage)).unwrap();
    let answer = batch(&server, Value::Object(body)).await;
    assert_eq!(answer.as_object().unwrap().len(), 40);
    for (n, path) in server.points().iter().enumerate() {
        let item = &answer[format!("t{n}")];
        match n {
            3 => assert_eq!((&item["Status"], item["Content"]["Errors"].is_array()), (&json!(403), true)),
            4 => assert!(item["Status"] == 502 && item["Content"].as_str().unwrap().starts_with("<html>")),
            _ => {
                assert_eq!(item["Status"], 200);
                assert_eq!(item["Headers"]["Content-Type"], "application/json; charset=utf-8");
                same(items(&item["Content"]), &server.events(path, ticks(FROM), ticks(TO)).unwrap());
            }
        }
    }
}

#[tokio::test]
async fn keys_come_in_another_order_than_asked_for() {
    let server = pi_with("");
    let body: Map<_, _> =
        (0..20).map(|n| (format!("k{n:02}"), json!({"Method": "GET", "Resource": url(&server, "system")}))).collect();
    let client = crate::support::client();
    let request = client.post(format!("{}/batch", server.base_url())).header("x-requested-with", "tests");
    let text = request.body(Value::Object(body).to_string()).send().await.unwrap().text().await.unwrap();
    let order: Vec<usize> = (0..20).map(|n| text.find(&format!("\"k{n:02}\"")).unwrap()).collect();
    assert!(!order.is_sorted());
}

#[tokio::test]
async fn children_use_what_their_parents_found() {
    let server = pi_with("types=Float64 points=3");
    let body = json!({
        "server": {"Method": "GET", "Resource": url(&server, "dataservers?name=PISRV1&selectedFields=Links.Points;WebId")},
        "points": {"Method": "GET", "Resource": "{0}?maxCount=2&selectedFields=Items.WebId", "ParentIds": ["server"],
                   "Parameters": ["$.server.Content.Links.Points"]},
        "same": {"Method": "GET", "Resource": "$.server.Content.Links.Points", "ParentIds": ["server"]},
        "values": {"Method": "GET", "RequestTemplate": {"Resource": url(&server, "streams/{0}/value")},
                   "ParentIds": ["points"], "Parameters": ["$.points.Content.Items[*].WebId"]},
    });
    let answer = batch(&server, body).await;
    assert_eq!(items(&answer["points"]["Content"]).len(), 2);
    assert_eq!(items(&answer["same"]["Content"]).len(), 3);
    let values = &answer["values"];
    assert_eq!((&values["Status"], &values["Content"]["Total"]), (&json!(207), &json!(2)));
    for value in items(&values["Content"]) {
        assert!(value["Status"] == 200 && value["Content"]["Timestamp"].is_string(), "{value}");
    }
}

#[tokio::test]
async fn a_child_of_a_failed_parent_is_not_executed() {
    let server = pi_with("");
    let body = json!({
        "a": {"Method": "GET", "Resource": url(&server, "dataservers?name=NOWHERE")},
        "b": {"Method": "GET", "Resource": "{0}", "ParentIds": ["a"], "Parameters": ["$.a.Content.Links.Points"]},
        "c": {"Method": "GET", "Resource": url(&server, "system")},
    });
    let answer = batch(&server, body).await;
    assert_eq!(
        [&answer["a"]["Status"], &answer["b"]["Status"], &answer["c"]["Status"]],
        [404, 400, 200].map(|n| json!(n)).each_ref()
    );
    assert!(answer["b"]["Content"]["Errors"][0].as_str().unwrap().contains("parent"));
}

#[tokio::test]
async fn what_is_no_batch_is_refused_whole() {
    let server = pi_with("max-batch=3 max-body=4000");
    let with = |extra: &str| format!(r#"{{"a":{{"Method":"GET","Resource":"https://x/piwebapi/system",{extra}}}}}"#);
    for (body, word) in [
        ("[]".to_owned(), "object"),
        ("{".to_owned(), "JSON"),
        (r#"{"Requests":[]}"#.to_owned(), "object"),
        (with(r#""Parameters":{"startTime":"*-1h"}"#), "Parameters"),
        (with(r#""ParentIds":"b""#), "ParentIds"),
        (with(r#""ParentIds":["b"]"#), "not in the batch"),
        (with(r#""ParentIds":["a"]"#), "cycle"),
        (with(r#""Content":{}"#), "Content"),
        (with(r#""RequestTemplate":{"Resource":"https://x/piwebapi/system"}"#), "either"),
        (r#"{"a":{"Method":"GET"}}"#.to_owned(), "either"),
        (r#"{"a":{"Resource":"https://x/piwebapi/system"}}"#.to_owned(), "Method"),
        (json!({"a":{"Method":"GET","Resource":"x"},"b":{"Method":"GET","Resource":"x"},"c":{"Method":"GET","Resource":"x"},"d":{"Method":"GET","Resource":"x"}}).to_string(), "(3)"),
    ] {
        let (status, message) = refused(&server, &body).await;
        assert!(status == 400 && message.contains(word), "{body}: {status} {message}");
    }
    assert_eq!(refused(&server, &with(&format!(r#""Content":"{}""#, "x".repeat(4_000)))).await.0, 413);
    assert_eq!(good(&server, "system").await["ProductVersion"], "2023.1.0.0");
    assert_eq!(crate::osipi_archive_support::ask(&server, "batch").await.0, 405);
}

#[tokio::test]
async fn a_resource_must_be_an_absolute_url() {
    let server = pi_with("");
    let get = |resource: &str| json!({"Method": "GET", "Resource": resource});
    let body = json!({
        "relative": get("/piwebapi/system"), "elsewhere": get("https://x/other/system"), "unknown": get("https://x/piwebapi/uoms"),
        "nested": {"Method": "POST", "Resource": "https://x/piwebapi/batch", "Content": "{}"},
        "fine": get("http://ignored:1/piwebapi/system"),
    });
    let answer = batch(&server, body).await;
    let status = |id: &str| answer[id]["Status"].as_u64().unwrap();
    assert_eq!(["relative", "elsewhere", "unknown", "nested", "fine"].map(status), [400, 404, 404, 400, 200]);
}

#[tokio::test]
async fn sub_requests_fail_by_script_apart_from_requests() {
    let server = pi_with("item-fault=nth:2@/system=status:503:after:1");
    let one = || json!({"Method": "GET", "Resource": url(&server, "system")});
    let answer = batch(&server, json!({"a": one(), "b": one(), "c": one()})).await;
    let mut all: Vec<u64> = answer.as_object().unwrap().values().map(|item| item["Status"].as_u64().unwrap()).collect();
    all.sort_unstable();
    assert_eq!(all, [200, 200, 503]);
    server.item_faults().push(Fault::Html);
    let answer = batch(&server, json!({"a": one()})).await;
    assert!(answer["a"]["Content"].as_str().unwrap().starts_with("<html>"));
}
