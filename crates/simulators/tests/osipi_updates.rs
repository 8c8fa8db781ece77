//! Stream updates: registration, markers, events, and every way to lose a registration.

use std::time::Duration;

use lakeflow_simulators::osipi::{Change, PointFault, RunningServer, Spelling, Ticks};
use serde_json::{Value, json};

use crate::{
    osipi_support::{answer, plant},
    support::client,
};

async fn post(server: &RunningServer, path: &str) -> (u16, Value, String) {
    let url = format!("{}/{path}", server.base_url());
    let response = client().post(url).header("x-requested-with", "test").send().await.unwrap();
    let status = response.status().as_u16();
    let location = response.headers().get("location").map(|text| text.to_str().unwrap().to_owned()).unwrap_or_default();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap(), location)
}

/// The names of the first points, and their WebIDs.
fn points(server: &RunningServer) -> Vec<(String, String)> {
    let id = |point: &String| server.web_id(point, Spelling::IdOnly).unwrap();
    server.points().into_iter().take(3).map(|point| (point.clone(), id(&point))).collect()
}

fn of(body: &Value, source: &str) -> Value {
    body["Items"].as_array().unwrap().iter().find(|item| item["Source"] == source).unwrap().clone()
}

async fn register(server: &RunningServer, id: &str) -> String {
    let (status, body, location) = post(server, &format!("streams/{id}/updates?webIdType=IDOnly")).await;
    assert_eq!((status, &body["Status"]), (200, &json!("Succeeded")));
    let marker = body["LatestMarker"].as_str().unwrap().to_owned();
    assert!(location.ends_with(&format!("/streams/updates/{marker}")));
    marker
}

async fn updates(server: &RunningServer, marker: &str) -> (String, Vec<Value>) {
    let (status, body) = answer(server, &format!("streams/updates/{marker}")).await;
    assert_eq!((status, &body["RequestedMarker"]), (200, &json!(marker)), "{body}");
    (body["LatestMarker"].as_str().unwrap().to_owned(), body["Events"].as_array().unwrap().clone())
}

fn told(events: &[Value]) -> Vec<(&str, &str)> {
    let text = |event: &'static str, value: &Value| value[event].as_str().unwrap().to_owned().leak() as &str;
    events.iter().map(|event| (text("Action", event), text("PreviousEventAction", event))).collect()
}

#[tokio::test]
async fn new_events_are_told_once_and_an_older_marker_tells_them_again() {
    let server = plant(|_| ());
    let (point, id) = points(&server)[0].clone();
    let first = register(&server, &id).await;
    assert_eq!(updates(&server, &first).await, (first.clone(), vec![]));
    let start = Ticks::from(server.clock().now());
    server.clock().advance(Duration::from_secs(600));
    let (second, events) = updates(&server, &first).await;
    let now = Ticks::from(server.clock().now());
    let held = server.events(&point, Ticks(start.0 + 1), Ticks(now.0 + 1)).unwrap();
    assert!(held.len() > 5);
    assert!(told(&events).iter().all(|event| *event == ("Add", "PreviousEventArchived")));
    let times: Vec<_> = events.iter().map(|event| event["Timestamp"].as_str().unwrap().to_owned()).collect();
    assert_eq!(times, held.iter().map(|event| event.time.to_string()).collect::<Vec<_>>());
    for (event, held) in events.iter().zip(&held) {
        assert_eq!(event["Value"], serde_json::from_str::<Value>(&held.value).unwrap());
        assert_eq!(event["Good"], held.good);
    }
    assert_eq!(updates(&server, &second).await.1, Vec::<Value>::new());
    assert_eq!(updates(&server, &first).await.1, events);
}

#[tokio::test]
async fn the_journal_is_told_by_its_actions() {
    let server = plant(|_| ());
    let (point, id) = points(&server)[0].clone();
    let marker = register(&server, &id).await;
    let now = Ticks::from(server.clock().now());
    let (late, ahead) = (Ticks(now.0 - 36_000_000_000 + 7), |seconds: i64| Ticks(now.0 + seconds * 10_000_000));
    server.change(&point, Change::Add(late, 1.5.into())).unwrap();
    server.change(&point, Change::Replace(late, 2.5.into())).unwrap();
    server.change(&point, Change::Delete(late)).unwrap();
    server.change(&point, Change::Add(ahead(1), 3.5.into())).unwrap();
    server.change(&point, Change::Supersede(ahead(2), 4.5.into())).unwrap();
    server.refresh(&point, late).unwrap();
    let (_, events) = updates(&server, &marker).await;
    let mut actions = told(&events);
    actions.sort_unstable();
    assert_eq!(
        actions,
        [
            ("Add", "PreviousEventArchived"),
            ("Add", "PreviousEventDiscarded"),
            ("Delete", "None"),
            ("Refresh", "None"),
            ("Update", "None"),
            ("Update", "None"),
        ]
    );
    let edited = events.iter().filter(|event| event["Action"] == "Update").map(|event| event["Value"].clone());
    assert_eq!(edited.collect::<Vec<_>>(), [json!(1.5), json!(2.5)]);
}

#[tokio::test]
async fn many_streams_register_at_once_each_with_its_outcome() {
    let server = plant(|_| ());
    let points = points(&server);
    server.break_point(&points[2].0, Some(PointFault::Forbidden)).unwrap();
    let attributes = server.assets().expected(lakeflow_simulators::osipi::AfKind::Attribute);
    let fixed = &attributes.iter().find(|attribute| attribute.fields["DataReferencePlugIn"] == "").unwrap().web_id;
    let query = format!("webId={}&webId={}&webId={}&webId={fixed}", points[0].1, points[1].1, points[2].1);
    let (status, body, location) = post(&server, &format!("streamsets/updates?webIdType=IDOnly&{query}")).await;
    assert_eq!(status, 200);
    for (_, id) in &points[..2] {
        let item = of(&body, id);
        assert_eq!((&item["Status"], &item["Exception"]), (&json!("Succeeded"), &Value::Null));
        assert!(location.contains(item["LatestMarker"].as_str().unwrap()));
    }
    for id in [&points[2].1, fixed] {
        let item = of(&body, id);
        assert!(item["Status"] == "Failed" && item["Exception"]["Errors"][0].is_string());
    }
    let (_, again, _) = post(&server, &format!("streamsets/updates?webIdType=IDOnly&webId={}", points[0].1)).await;
    assert_eq!(again["Items"][0]["Status"], "AlreadyRegistered");
    assert_eq!(again["Items"][0]["LatestMarker"], of(&body, &points[0].1)["LatestMarker"]);
    // One by one, a value without history is refused, and so is what is no WebID.
    assert_eq!(post(&server, &format!("streams/{fixed}/updates")).await.0, 409);
    assert_eq!(post(&server, "streamsets/updates?webId=nothing").await.0, 400);
    assert_eq!(post(&server, "streamsets/updates").await.0, 400);
    let url = format!("{}/streams/{}/updates", server.base_url(), points[0].1);
    assert!(client().post(url).send().await.unwrap().status().is_client_error(), "without X-Requested-With");
}

#[tokio::test]
async fn a_registration_ends_by_age_by_restart_and_by_any_error() {
    let server = plant(|_| ());
    let points = points(&server);
    let (point, id) = &points[0];
    let get = async |marker: &str| answer(&server, &format!("streams/updates/{marker}")).await.0;

    let marker = register(&server, id).await;
    server.clock().advance(Duration::from_secs(599));
    assert_eq!(get(&marker).await, 200);
    server.clock().advance(Duration::from_secs(601));
    assert_eq!(get(&marker).await, 404);

    let marker = register(&server, id).await;
    server.restart_updates();
    assert_eq!(get(&marker).await, 404);

    let marker = register(&server, id).await;
    assert_eq!(get("no-marker").await, 409);
    assert_eq!(get(&marker).await, 200, "a marker of nobody harms nobody");
    assert_eq!(get(&marker.replace("_0", "_99")).await, 409);
    assert_eq!(get(&marker).await, 404, "an invalid marker ends its registration");

    let marker = register(&server, id).await;
    server.break_point(point, Some(PointFault::Unreachable)).unwrap();
    let (status, body) = answer(&server, &format!("streamsets/updates?marker={marker}")).await;
    assert_eq!((status, &body["Items"][0]["Status"]), (200, &json!("Failed")));
    server.break_point(point, None).unwrap();
    assert_eq!(get(&marker).await, 404);
    let other = register(&server, &points[1].1).await;
    let (_, body) = answer(&server, &format!("streamsets/updates?marker={marker}&marker={other}")).await;
    let failed = body["Items"].as_array().unwrap().iter().filter(|item| !item["Exception"].is_null()).count();
    assert_eq!(failed, 1, "the others go on");
}
