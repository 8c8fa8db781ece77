//! Event frames: searches, contents, changes.

use lakeflow_simulators::osipi::{AfChange, AfConfig, AfKind, ExpectedFrame, FrameEdit, RunningServer, Ticks};
use serde_json::{Value, json};

use crate::osipi_support::{HOUR, answer, database, frames_of, items, now, ok, plant, refused, sorted, text, texts};

async fn server() -> (RunningServer, String) {
    let server = plant(|af| {
        *af = AfConfig { elements: 40, event_frames: 300, event_frame_days: 10, ..AfConfig::default() };
    });
    let database = database(&server, "Plant").await;
    (server, database)
}

async fn found(server: &RunningServer, database: &str, query: &str) -> Vec<String> {
    let url = format!("assetdatabases/{database}/eventframes?searchFullHierarchy=true&maxCount=50&{query}");
    texts(&items(server, &url).await, "WebId")
}

fn ids(frames: &[ExpectedFrame], fits: impl Fn(&ExpectedFrame) -> bool) -> Vec<String> {
    sorted(frames.iter().filter(|frame| fits(frame)).map(|frame| frame.web_id.clone()).collect())
}

#[tokio::test]
async fn frames_are_told_as_the_oracle_holds_them() {
    let (server, plant) = server().await;
    let all =
        items(&server, &format!("assetdatabases/{plant}/eventframes?searchFullHierarchy=true&searchMode=None")).await;
    let frames = frames_of(&server, &plant);
    assert_eq!(sorted(texts(&all, "WebId")), ids(&frames, |_| true));
    for frame in &frames {
        let item = all.iter().find(|item| item["WebId"] == frame.web_id).unwrap();
        let end = frame.end.map_or("9999-12-31T23:59:59.9999999Z".to_owned(), |end| end.to_string());
        assert_eq!((text(item, "StartTime"), text(item, "EndTime")), (frame.start.to_string().as_str(), end.as_str()));
        assert_eq!(item["TemplateName"], frame.template);
        assert_eq!(item["RefElementWebIds"], json!(frame.elements));
        assert_eq!(item["CategoryNames"], json!(frame.categories));
        assert_eq!(item["IsAnnotated"], !frame.annotations.is_empty());
        assert_eq!((&item["IsLocked"], &item["AreValuesCaptured"]), (&json!(frame.locked), &json!(frame.captured)));
        assert_eq!(item["AcknowledgedBy"].as_str(), frame.acknowledged.as_ref().map(|(user, _)| user.as_str()));
        let primary = item["Links"]["PrimaryReferencedElement"].as_str();
        assert_eq!(primary.is_some(), !frame.elements.is_empty());
        assert!(primary.is_none_or(|link| link.ends_with(&frame.elements[0])));
        let parent = item["Links"]["Parent"].as_str();
        assert_eq!(parent.map(|link| link.rsplit('/').next().unwrap()), frame.parent.as_deref());
        for (name, value) in &frame.extended {
            assert_eq!(&item["ExtendedProperties"][name]["Value"], value);
        }
        assert!(item.get("Attributes").is_none() && item.get("PrimaryReferencedElementWebId").is_none());
    }
    let some = |fits: &dyn Fn(&ExpectedFrame) -> bool| assert!(frames.iter().any(fits));
    some(&|frame| frame.end.is_none());
    some(&|frame| frame.parent.is_some());
    some(&|frame| frame.acknowledged.is_some());
    some(&|frame| frame.annotations.len() == 2);
    some(&|frame| frame.elements.len() == 3);
    some(&|frame| frame.readable_elements.len() < frame.elements.len());
    some(&|frame| frames.iter().filter(|other| other.start == frame.start).count() >= 5);
}

#[tokio::test]
async fn every_search_mode_finds_what_its_name_says() {
    let (server, plant) = server().await;
    let frames = frames_of(&server, &plant);
    let (start, end) = (Ticks(now().0 - 150 * HOUR), Ticks(now().0 - 60 * HOUR));
    let within = |at: Ticks| (start..=end).contains(&at);
    let ends = |frame: &ExpectedFrame| frame.end.unwrap_or(Ticks::END);
    let range = format!("startTime={start}&endTime={end}");
    let from = format!("startTime={start}");
    type Fits<'a> = Box<dyn Fn(&ExpectedFrame) -> bool + 'a>;
    let modes: [(&str, &str, Fits<'_>); 12] = [
        ("None", &range, Box::new(|_| true)),
        ("StartInclusive", &range, Box::new(|frame| within(frame.start))),
        ("EndInclusive", &range, Box::new(|frame| within(ends(frame)))),
        ("Inclusive", &range, Box::new(|frame| within(frame.start) && within(ends(frame)))),
        ("Overlapped", &range, Box::new(|frame| frame.start <= end && ends(frame) >= start)),
        ("InProgress", &range, Box::new(|frame| within(frame.start) && frame.end.is_none())),
        ("BackwardFromStartTime", &from, Box::new(|frame| frame.start <= start)),
        ("ForwardFromStartTime", &from, Box::new(|frame| frame.start >= start)),
        ("BackwardFromEndTime", &from, Box::new(|frame| ends(frame) <= start)),
        ("ForwardFromEndTime", &from, Box::new(|frame| ends(frame) >= start)),
        ("BackwardInProgress", &from, Box::new(|frame| frame.start <= start && frame.end.is_none())),
        ("ForwardInProgress", &from, Box::new(|frame| frame.start >= start && frame.end.is_none())),
    ];
    for (mode, times, fits) in modes {
        let got = found(&server, &plant, &format!("searchMode={mode}&{times}")).await;
        assert_eq!(sorted(got.clone()), ids(&frames, fits), "{mode}");
        assert!(!got.is_empty(), "{mode}");
    }
    // The way of a directed search is its order.
    let frame = |id: &String| frames.iter().find(|frame| &frame.web_id == id).unwrap();
    let backward = found(&server, &plant, &format!("searchMode=BackwardFromStartTime&{from}")).await;
    assert!(backward.iter().rev().map(|id| frame(id).start).is_sorted());
    let forward = found(&server, &plant, &format!("searchMode=ForwardFromEndTime&{from}")).await;
    assert!(forward.iter().map(|id| ends(frame(id))).is_sorted());
}

#[tokio::test]
async fn without_times_the_last_eight_hours_are_meant() {
    let (server, plant) = server().await;
    let start = Ticks(now().0 - 8 * HOUR);
    let got = found(&server, &plant, "").await;
    let frames = frames_of(&server, &plant);
    assert_eq!(sorted(got), ids(&frames, |frame| frame.start <= now() && frame.end.is_none_or(|end| end >= start)));
    // And without the full hierarchy only frames that are no children.
    let url = format!("assetdatabases/{plant}/eventframes?searchMode=None");
    let top = texts(&items(&server, &url).await, "WebId");
    assert_eq!(sorted(top), ids(&frames, |frame| frame.parent.is_none()));
    let parent = frames.iter().find(|frame| frame.has_children).unwrap();
    let children = items(&server, &format!("eventframes/{}/eventframes?searchMode=None", parent.web_id)).await;
    assert_eq!(sorted(texts(&children, "WebId")), ids(&frames, |frame| frame.parent.as_ref() == Some(&parent.web_id)));
}

#[tokio::test]
async fn directed_searches_forbid_an_end_and_an_order() {
    let (server, plant) = server().await;
    let directed = [
        "BackwardFromStartTime",
        "ForwardFromStartTime",
        "BackwardFromEndTime",
        "ForwardFromEndTime",
        "BackwardInProgress",
        "ForwardInProgress",
    ];
    for mode in directed {
        for more in ["endTime=*", "sortField=StartTime", "sortOrder=Descending"] {
            let url = format!("assetdatabases/{plant}/eventframes?searchMode={mode}&startTime=*&{more}");
            assert_eq!(refused(&server, &url).await, 400, "{url}");
        }
    }
    for query in ["searchMode=Exact", "startTime=soon", "severity=Loud", "isAcknowledged=maybe", "sortField=Color"] {
        assert_eq!(refused(&server, &format!("assetdatabases/{plant}/eventframes?{query}")).await, 400, "{query}");
    }
}

#[tokio::test]
async fn frames_are_filtered_and_sorted() {
    let (server, plant) = server().await;
    let frames = frames_of(&server, &plant);
    let elements = server.assets().expected(AfKind::Element);
    let element = |id: &String| elements.iter().find(|element| &element.web_id == id);
    let check = async |query: &str, fits: &dyn Fn(&ExpectedFrame) -> bool| {
        let got = found(&server, &plant, &format!("searchMode=None&{query}")).await;
        assert_eq!(sorted(got.clone()), ids(&frames, fits), "{query}");
        assert!(!got.is_empty(), "{query}");
    };
    check("templateName=Downtime", &|frame| frame.template == "Downtime").await;
    check("nameFilter=Batch%2A", &|frame| frame.name.starts_with("Batch")).await;
    check("categoryName=Critical", &|frame| frame.categories.contains(&"Critical".to_owned())).await;
    check("severity=Major&severity=Warning", &|frame| ["Major", "Warning"].contains(&frame.severity)).await;
    check("isAcknowledged=true", &|frame| frame.acknowledged.is_some()).await;
    check("canBeAcknowledged=false", &|frame| !frame.can_be_acknowledged).await;
    check("referencedElementNameFilter=Pump%2A", &|frame| {
        frame.readable_elements.iter().any(|id| element(id).is_some_and(|element| element.name.starts_with("Pump")))
    })
    .await;
    let starts: Vec<_> =
        items(&server, &format!("assetdatabases/{plant}/eventframes?searchMode=None&sortField=StartTime"))
            .await
            .iter()
            .map(|item| Ticks::parse(text(item, "StartTime")).unwrap())
            .collect();
    assert!(starts.is_sorted() && starts.len() > 100);
    let referring = frames.iter().find(|frame| !frame.readable_elements.is_empty()).unwrap();
    let of = &referring.readable_elements[0];
    let got = items(&server, &format!("elements/{of}/eventframes?searchMode=None")).await;
    assert_eq!(sorted(texts(&got, "WebId")), ids(&frames, |frame| frame.elements.contains(of)));
}

#[tokio::test]
async fn a_frame_has_attributes_notes_and_elements() {
    let (server, plant) = server().await;
    for frame in frames_of(&server, &plant).iter().filter(|frame| frame.annotations.len() == 2).take(3) {
        let notes = items(&server, &format!("eventframes/{}/annotations", frame.web_id)).await;
        for (note, held) in notes.iter().zip(&frame.annotations) {
            assert_eq!((text(note, "Id"), &note["Value"]), (held.id.as_str(), &held.value));
            assert_eq!(
                (text(note, "Creator"), text(note, "CreationDate")),
                (held.creator.as_str(), held.created.to_string().as_str())
            );
            let one = ok(&server, &format!("eventframes/{}/annotations/{}", frame.web_id, held.id)).await;
            assert_eq!(one["Name"], note["Name"]);
        }
        assert_eq!(notes.len(), 2);
        assert_eq!(refused(&server, &format!("eventframes/{}/annotations/none", frame.web_id)).await, 404);
    }
    for frame in frames_of(&server, &plant).iter().take(40) {
        let elements = items(&server, &format!("eventframes/{}/referencedelements", frame.web_id)).await;
        assert_eq!(texts(&elements, "WebId"), frame.readable_elements);
        let url = format!(
            "eventframes/{}/attributes?searchFullHierarchy=true&showHidden=true&showExcluded=true",
            frame.web_id
        );
        let held: Vec<_> = frame.attributes.iter().map(|attribute| attribute.web_id.clone()).collect();
        assert_eq!(sorted(texts(&items(&server, &url).await, "WebId")), sorted(held));
        for attribute in &frame.attributes {
            let value = ok(&server, &format!("attributes/{}/value", attribute.web_id)).await;
            assert_eq!(Some(&value["Value"]), attribute.value.as_ref());
            assert_eq!(value["Good"], attribute.good);
        }
    }
}

#[tokio::test]
async fn many_frames_at_once_each_with_its_outcome() {
    let (server, plant) = server().await;
    let frames = frames_of(&server, &plant);
    let (one, two) = (&frames[0].web_id, &frames[9].web_id);
    server.assets().change(AfChange::Delete { object: two.clone() }).unwrap();
    let (status, body) =
        answer(&server, &format!("eventframes/multiple?webId={one}&webId={two}&webIdType=IDOnly")).await;
    assert_eq!(status, 207);
    assert_eq!(body["Items"][0]["Object"]["WebId"], *one);
    assert!(body["Items"][0]["Exception"].is_null());
    assert_eq!(body["Items"][1]["Identifier"], *two);
    assert!(body["Items"][1]["Object"].is_null() && body["Items"][1]["Exception"]["Errors"][0].is_string());
}

#[tokio::test]
async fn changes_show_at_once_and_the_oracle_knows_every_position() {
    let (server, plant) = server().await;
    let assets = server.assets();
    let before = frames_of(&server, &plant);
    let open = before.iter().find(|frame| frame.end.is_none() && !frame.attributes.is_empty()).unwrap().clone();
    let edit = |edit| AfChange::EditFrame { frame: open.web_id.clone(), edit };
    let made = assets
        .change(AfChange::AddFrame {
            parent: plant.clone(),
            name: "New".to_owned(),
            template: Some("Batch".to_owned()),
            start: now(),
            end: None,
            elements: open.elements.clone(),
        })
        .unwrap();
    assets.change(edit(FrameEdit::Close(now()))).unwrap();
    assets.change(edit(FrameEdit::Acknowledge("PLANT\\boss".to_owned()))).unwrap();
    assets.change(edit(FrameEdit::Annotate("PLANT\\boss".to_owned(), "seen".to_owned()))).unwrap();
    let attribute = open.attributes[0].web_id.clone();
    assets.change(AfChange::SetValue { attribute: attribute.clone(), value: json!("edited") }).unwrap();
    assets.change(AfChange::Delete { object: open.web_id.clone() }).unwrap();
    assert_eq!(assets.position(), 6);

    let at = |position| assets.expected_frames_at(position).into_iter().find(|frame| frame.web_id == open.web_id);
    assert_eq!(at(0), Some(open.clone()));
    assert_eq!(at(2).unwrap().end, Some(now()));
    assert_eq!(at(3).unwrap().acknowledged.unwrap().0, "PLANT\\boss");
    assert_eq!(at(4).unwrap().annotations.last().unwrap().value, json!("seen"));
    assert_eq!(at(5).unwrap().attributes[0].value, Some(json!("edited")));
    assert_eq!(at(6), None);
    let exists = |position| assets.expected_frames_at(position).iter().any(|frame| frame.web_id == made);
    assert!(!exists(0) && exists(1) && exists(6));
    assert_eq!(assets.expected_frames_at(6), assets.expected_frames());

    let shown: Value = ok(&server, &format!("eventframes/{made}")).await;
    assert_eq!((text(&shown, "Name"), text(&shown, "EndTime")), ("New", "9999-12-31T23:59:59.9999999Z"));
    assert_eq!(refused(&server, &format!("eventframes/{}", open.web_id)).await, 404);
    assert_eq!(refused(&server, &format!("attributes/{attribute}/value")).await, 404);
    assert!(assets.change(AfChange::Delete { object: open.web_id.clone() }).is_err());
}

#[tokio::test]
async fn times_are_kept_to_a_three_hundredth_of_a_second() {
    let (server, plant) = server().await;
    for frame in frames_of(&server, &plant) {
        let part = frame.start.0.rem_euclid(10_000_000);
        assert_eq!((part * 300 + 5_000_000) / 10_000_000 * 10_000_000 / 300, part, "{}", frame.start);
    }
}
