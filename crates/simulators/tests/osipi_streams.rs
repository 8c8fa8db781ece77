//! Streams of the PI Web API server.

use std::time::Duration;

use lakeflow_simulators::osipi::{Change, PointSpec, PointType, Sample, Spelling, Value as Of};
use serde_json::{Value, json};

use crate::osipi_archive_support::{ask, first, good, items, pi, pi_with, refused, same, ticks};

const FROM: &str = "2026-03-01T06:00:00Z";
const TO: &str = "2026-03-01T07:00:00Z";

#[tokio::test]
async fn recorded_is_exactly_what_the_oracle_says_for_every_type() {
    let server = pi_with("bad-percent=10 flag-percent=10 personality=odd-numbers,value-errors");
    for path in server.points() {
        let id = server.web_id(&path, Spelling::IdOnly).unwrap();
        let body = good(&server, &format!("streams/{id}/recorded?startTime={FROM}&endTime={TO}")).await;
        let expected = server.events(&path, ticks(FROM), ticks(TO)).unwrap();
        assert!((50..70).contains(&expected.len()), "{path}: {}", expected.len());
        same(items(&body), &expected);
        assert!(body["Links"].is_object() && body["UnitsAbbreviation"].is_string());
    }
}

#[tokio::test]
async fn the_same_seed_makes_the_same_bytes() {
    let text = async |seed: &str| {
        let server = pi_with(&format!("seed={seed}"));
        let (_, id) = first(&server);
        good(&server, &format!("streams/{id}/recorded?startTime={FROM}&endTime={TO}")).await.to_string()
    };
    assert_eq!(text("7").await, text("7").await);
    assert_ne!(text("7").await, text("8").await);
}

#[tokio::test]
async fn both_ends_belong_to_the_window_and_a_reversed_window_descends() {
    let server = pi_with("");
    let (path, id) = first(&server);
    let all = server.events(&path, ticks(FROM), ticks(TO)).unwrap();
    let (low, high) = (all[2].time, all[9].time);
    let up = good(&server, &format!("streams/{id}/recorded?startTime={low}&endTime={high}")).await;
    same(items(&up), &all[2..10]);
    let down = good(&server, &format!("streams/{id}/recorded?startTime={high}&endTime={low}&maxCount=3")).await;
    let mut reversed = all[7..10].to_vec();
    reversed.reverse();
    same(items(&down), &reversed);
    let empty = good(&server, &format!("streams/{id}/recorded?startTime=1990-01-01&endTime=1990-01-02")).await;
    assert_eq!(items(&empty).len(), 0);
}

#[tokio::test]
async fn max_count_cuts_silently_and_the_cap_is_named() {
    let server = pi_with("density=1s");
    let (_, id) = first(&server);
    let count = async |query: &str| {
        items(&good(&server, &format!("streams/{id}/recorded?startTime={FROM}&endTime={TO}{query}")).await).len()
    };
    assert_eq!(count("").await, 1_000);
    assert_eq!(count("&maxCount=2500").await, 2_500);
    let (status, message) = refused(&server, &format!("streams/{id}/recorded?maxCount=150001")).await;
    assert_eq!((status, message.as_str()), (400, "Parameter 'maxCount' is greater than the maximum allowed (150000)."));
    for bad in ["maxCount=0", "maxCount=-1", "maxCount=x", "startTime=now", "endTime=*-1.5d", "boundaryType=All"] {
        assert_eq!(refused(&server, &format!("streams/{id}/recorded?{bad}")).await.0, 400, "{bad}");
    }
}

#[tokio::test]
async fn ties_share_an_instant_and_fill_pages() {
    let server = pi_with("ties=2500 density=1s types=Float64");
    let (path, id) = first(&server);
    let all = server.events(&path, ticks(FROM), ticks("2026-03-01T09:00:00Z")).unwrap();
    let groups: std::collections::BTreeSet<_> = all.iter().map(|event| event.time).collect();
    assert!(all.len() > 2_500 && all.len() / groups.len() == 2_500, "{} in {}", all.len(), groups.len());
    let at = all[0].time;
    let page = good(&server, &format!("streams/{id}/recorded?startTime={at}&endTime={at}&maxCount=2000")).await;
    same(items(&page), &all[..2_000]);
}

#[tokio::test]
async fn archive_rounding_moves_boundaries_past_events() {
    for (rounding, missed) in [("round", false), ("floor", false), ("ceil", true)] {
        let server = pi_with(&format!("rounding={rounding}"));
        let (path, id) = first(&server);
        let all = server.events(&path, ticks(FROM), ticks(TO)).unwrap();
        // Asked for by its own text, an event may be missed at the start, which is why clients need a guard band.
        let mut lost = 0;
        for event in &all {
            let at = event.time;
            let body = good(&server, &format!("streams/{id}/recorded?startTime={at}&endTime={TO}&maxCount=1")).await;
            lost += usize::from(items(&body).first().is_none_or(|item| item["Timestamp"] != at.to_string()));
        }
        assert_eq!(lost > all.len() / 2, missed, "{rounding}: {lost} of {}", all.len());
    }
}

#[tokio::test]
async fn boundaries_outside_and_interpolated_add_what_lies_around() {
    let server = pi_with("types=Float64 bad-percent=0");
    let (path, id) = first(&server);
    let all = server.events(&path, ticks(FROM), ticks(TO)).unwrap();
    let query = |kind: &str| {
        format!("streams/{id}/recorded?startTime=2026-03-01T06:10:00Z&endTime=2026-03-01T06:20:00Z&boundaryType={kind}")
    };
    let inside = good(&server, &query("Inside")).await;
    let (inside, outside) = (items(&inside).clone(), good(&server, &query("Outside")).await);
    let outside = items(&outside);
    assert_eq!(outside.len(), inside.len() + 2);
    let place = all.iter().position(|event| event.time.to_string() == inside[0]["Timestamp"]).unwrap();
    same(outside, &all[place - 1..place + inside.len() + 1]);
    let between = good(&server, &query("Interpolated")).await;
    let between = items(&between);
    assert_eq!(between[0]["Timestamp"], "2026-03-01T06:10:00Z");
    assert_eq!(between.len(), inside.len() + 2);
    let (low, at, high) = (&outside[0]["Value"], &between[0]["Value"], &outside[1]["Value"]);
    let (low, at, high) = (low.as_f64().unwrap(), at.as_f64().unwrap(), high.as_f64().unwrap());
    assert!((low.min(high)..=low.max(high)).contains(&at), "{low} {at} {high}");
}

#[tokio::test]
async fn the_snapshot_is_recorded_until_compression_discards_it() {
    let server = pi(|config| config.set("density", "none").unwrap());
    server.add_point("PISRV1", PointSpec::new("T1", PointType::Float64)).unwrap();
    let id = server.web_id("T1", Spelling::IdOnly).unwrap();
    let (one, two, three) =
        (ticks("2026-03-01T11:00:00Z"), ticks("2026-03-01T11:30:00Z"), ticks("2026-03-01T11:59:00Z"));
    server.change("T1", Change::Add(one, 1.0.into())).unwrap();
    let before = server.change("T1", Change::Add(two, 2.0.into())).unwrap();
    let values = async || {
        let body = good(&server, &format!("streams/{id}/recorded?startTime=*-2h")).await;
        items(&body).iter().map(|item| item["Value"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(values().await, [1.0, 2.0]);
    server.change("T1", Change::Supersede(three, 3.0.into())).unwrap();
    assert_eq!(values().await, [1.0, 3.0]);
    assert_eq!(good(&server, &format!("streams/{id}/end")).await["Value"], 3.0);
    let (from, to) = (ticks("2026-03-01T00:00:00Z"), ticks("2026-03-02T00:00:00Z"));
    let was: Vec<_> = server.events_at(before, "T1", from, to).unwrap();
    assert_eq!(
        was.iter().map(|e| (e.value.as_str(), e.is_snapshot)).collect::<Vec<_>>(),
        [("1.0", false), ("2.0", true)]
    );
    let told: Vec<_> = server.changes().iter().map(|c| format!("{:?} {:?}", c.action, c.previous)).collect();
    assert_eq!(told, ["Add None", "Add Archived", "Add Discarded"]);
}

#[tokio::test]
async fn late_data_edits_and_deletes_show_at_once() {
    let server = pi_with("types=Float32 bad-percent=0");
    let (path, id) = first(&server);
    let (from, to) = (ticks(FROM), ticks(TO));
    let before = server.events(&path, from, to).unwrap();
    let position = server.position();
    let text = Sample { annotation: Some("by hand".to_owned()), ..Sample::from(5.5) };
    server.change(&path, Change::Add(ticks("2026-03-01T06:30:00.123Z"), text)).unwrap();
    server.change(&path, Change::Replace(before[3].time, Of::System(254).into())).unwrap();
    server.change(&path, Change::Delete(before[5].time)).unwrap();
    server.change(&path, Change::Add(before[7].time, 9.25.into())).unwrap();
    let body =
        good(&server, &format!("streams/{id}/recorded?startTime={FROM}&endTime={TO}&associations=Annotations")).await;
    let after = server.events(&path, from, to).unwrap();
    assert_eq!(after.len(), before.len() + 1);
    same(items(&body), &after);
    let added = items(&body).iter().find(|item| item["Value"] == 5.5).unwrap();
    assert_eq!((&added["Annotated"], &added["Annotations"][0]["Value"]), (&json!(true), &json!("by hand")));
    let bad = items(&body).iter().find(|item| item["Timestamp"] == before[3].time.to_string()).unwrap();
    assert_eq!(bad["Value"], json!({"Name": "Shutdown", "Value": 254, "IsSystem": true}));
    assert_eq!(server.events_at(position, &path, from, to).unwrap(), before);
    let ahead = ticks("2026-03-01T12:10:01Z");
    assert!(server.change(&path, Change::Add(ahead, 1.0.into())).is_err());
    assert!(server.change(&path, Change::Delete(ticks("2026-03-01T06:30:01Z"))).is_err());
}

#[tokio::test]
async fn generated_snapshots_are_discarded_when_newer_ones_come() {
    let server = pi_with("discard-percent=50 density=10s types=Float32");
    let (path, _) = first(&server);
    let (from, to) = (ticks("2026-03-01T11:00:00Z"), ticks("2026-03-02T00:00:00Z"));
    let mut gone = 0;
    for _ in 0..30 {
        let before = server.events(&path, from, to).unwrap();
        server.clock().advance(Duration::from_secs(10));
        let after = server.events(&path, from, to).unwrap();
        let snapshot = before.last().unwrap();
        assert!(snapshot.is_snapshot);
        assert_eq!(after[..before.len() - 1], before[..before.len() - 1]);
        gone += usize::from(!after.iter().any(|event| event.time == snapshot.time));
    }
    assert!((5..25).contains(&gone), "{gone}");
}

#[tokio::test]
async fn future_points_have_events_ahead_of_now() {
    let server = pi_with("future-every=2 points=2 types=Float32");
    for (path, ahead) in server.points().into_iter().zip([false, true]) {
        let id = server.web_id(&path, Spelling::IdOnly).unwrap();
        let body = good(&server, &format!("streams/{id}/recorded?startTime=*&endTime=*%2B1h")).await;
        assert_eq!(!items(&body).is_empty(), ahead);
        let point = good(&server, &format!("points/{id}")).await;
        assert_eq!(point["Future"], ahead);
    }
}

#[tokio::test]
async fn selected_fields_are_exact() {
    let server = pi_with("");
    let (_, id) = first(&server);
    let get = async |fields: &str| {
        let query = format!("startTime={FROM}&endTime={TO}&maxCount=1&selectedFields={fields}");
        good(&server, &format!("streams/{id}/recorded?{query}")).await
    };
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let body = get("Items.Timestamp;Items.Value;Items.Nope").await;
    assert_eq!(
        (names(&body), names(&body["Items"][0])),
        (vec!["Items".to_owned()], vec!["Timestamp".to_owned(), "Value".to_owned()])
    );
    assert_eq!(names(&get("Items.Good;UnitsAbbreviation").await), ["Items", "UnitsAbbreviation"]);
    assert_eq!(get("Items.Good;items.value").await, json!({"Items": [{"Good": true}]}));
    assert_eq!(get("Nothing").await, json!({}));
    let digital = server.points().into_iter().find(|path| path.contains(".XV")).unwrap();
    let id = server.web_id(&digital, Spelling::IdOnly).unwrap();
    let body = good(&server, &format!("streams/{id}/end?selectedFields=Value.Name;Good")).await;
    assert_eq!(names(&body["Value"]), ["Name"]);
}

#[tokio::test]
async fn single_values_have_their_shapes_in_streams_and_in_sets() {
    let server = pi_with("types=Float64 bad-percent=0 personality=in-order");
    let (path, id) = first(&server);
    let all = server.events(&path, ticks("2026-03-01T10:00:00Z"), ticks("2026-03-02T00:00:00Z")).unwrap();
    let last = all.last().unwrap().time.to_string();
    assert_eq!(good(&server, &format!("streams/{id}/value")).await["Timestamp"], last);
    assert_eq!(good(&server, &format!("streams/{id}/end")).await["Timestamp"], last);
    let at = "2026-03-01T10:30:00Z";
    assert_eq!(good(&server, &format!("streams/{id}/value?time={at}")).await["Timestamp"], at);
    let set = good(&server, &format!("streamsets/value?webId={id}")).await;
    assert_eq!((&set["Items"][0]["Value"]["Timestamp"], &set["Items"][0]["Path"]), (&json!(last), &json!(path)));
    let set = good(&server, &format!("streamsets/end?webId={id}")).await;
    assert_eq!(set["Items"][0]["Items"][0]["Timestamp"], last);
    assert!(set["Items"][0].get("Value").is_none());
    let event = all[3].time.to_string();
    for (mode, wanted) in [
        ("Exact", Some(3)),
        ("AtOrBefore", Some(3)),
        ("AtOrAfter", Some(3)),
        ("Before", Some(2)),
        ("After", Some(4)),
        ("Auto", Some(3)),
    ] {
        let value = good(&server, &format!("streams/{id}/recordedattime?time={event}&retrievalMode={mode}")).await;
        assert_eq!(
            Some(value["Timestamp"].as_str().unwrap().to_owned()),
            wanted.map(|n: usize| all[n].time.to_string()),
            "{mode}"
        );
    }
    let none = good(&server, &format!("streams/{id}/recordedattime?time={at}&retrievalMode=Exact")).await;
    assert_eq!((&none["Good"], &none["Value"]["Value"]), (&json!(false), &json!(248)));
    assert_eq!(refused(&server, &format!("streams/{id}/value?time=")).await.0, 400);
    assert_eq!(refused(&server, &format!("streams/{id}/recordedattime")).await.0, 400);
    let set = good(&server, &format!("streamsets/recordedattime?webId={id}&time={event}")).await;
    assert_eq!(set["Items"][0]["Value"]["Timestamp"], event);
}

#[tokio::test]
async fn interpolated_plot_and_summary_cover_the_window() {
    let server = pi_with("types=Float64 bad-percent=0 density=10s");
    let (path, id) = first(&server);
    let window = format!("startTime={FROM}&endTime={TO}");
    let body = good(&server, &format!("streams/{id}/interpolated?{window}&interval=10m")).await;
    let times: Vec<_> = items(&body).iter().map(|item| item["Timestamp"].as_str().unwrap()).collect();
    assert_eq!((times.len(), times[0], times[6]), (7, FROM, TO));
    let (status, message) = refused(&server, &format!("streams/{id}/interpolated?startTime=*-20d&interval=10s")).await;
    assert!(status == 400 && message.contains("(150000)"), "{message}");
    assert_eq!(refused(&server, &format!("streams/{id}/interpolated?{window}&interval=0s")).await.0, 400);

    let all = server.events(&path, ticks(FROM), ticks(TO)).unwrap();
    let numbers: Vec<f64> = all.iter().map(|event| event.value.parse().unwrap()).collect();
    let (low, high) =
        (numbers.iter().copied().fold(f64::MAX, f64::min), numbers.iter().copied().fold(f64::MIN, f64::max));
    let body = good(&server, &format!("streams/{id}/plot?{window}&intervals=4")).await;
    let plotted: Vec<f64> = items(&body).iter().map(|item| item["Value"].as_f64().unwrap()).collect();
    assert!((8..=22).contains(&plotted.len()) && plotted.contains(&low) && plotted.contains(&high));

    let query = "summaryType=Count&summaryType=Maximum&summaryType=Average&calculationBasis=EventWeighted";
    let body = good(&server, &format!("streams/{id}/summary?{window}&{query}")).await;
    let of =
        |kind: &str| items(&body).iter().find(|item| item["Type"] == kind).unwrap()["Value"]["Value"].as_f64().unwrap();
    assert_eq!((of("Count"), of("Maximum")), (all.len() as f64, high));
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    assert!((of("Average") - mean).abs() < 1e-6, "{} {mean}", of("Average"));
    let weighted = good(&server, &format!("streams/{id}/summary?{window}&summaryType=Average")).await;
    assert!((weighted["Items"][0]["Value"]["Value"].as_f64().unwrap() - mean).abs() < 100.0);
    let (status, _) = refused(&server, &format!("streams/{id}/summary?{window}&summaryType=Total,Count")).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn counts_include_both_ends_of_one_interval_and_the_start_of_several() {
    let server = pi(|config| config.set("density", "none").unwrap());
    server.add_point("PISRV1", PointSpec::new("C", PointType::Float64)).unwrap();
    let id = server.web_id("C", Spelling::IdOnly).unwrap();
    for minute in [0, 10, 20, 30, 60] {
        let at = ticks(FROM).0 + minute * 600_000_000;
        server.change("C", Change::Add(lakeflow_simulators::osipi::Ticks(at), 1.0.into())).unwrap();
    }
    let count = async |query: &str| {
        let query = format!("startTime={FROM}&endTime={TO}&summaryType=Count&calculationBasis={query}");
        let body = good(&server, &format!("streams/{id}/summary?{query}")).await;
        items(&body).iter().map(|item| item["Value"]["Value"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(count("EventWeighted").await, [5]);
    assert_eq!(count("EventWeighted&summaryDuration=30m").await, [3, 1]);
    assert_eq!(count("EventWeightedIncludeBothEnds&summaryDuration=30m").await, [4, 2]);
    assert_eq!(count("EventWeightedExcludeMostRecentEvent").await, [4]);
    assert_eq!(count("EventWeightedExcludeEarliestEvent").await, [4]);
}

#[tokio::test]
async fn what_is_no_stream_is_refused() {
    let server = pi_with("");
    let (_, id) = first(&server);
    assert_eq!(refused(&server, "streams/nonsense/value").await.0, 400);
    let unknown = id.replacen("6AMAAA", "________", 1);
    assert_eq!(ask(&server, &format!("streams/{}AAAAAA/value", &id[..26])).await.0, 404, "{unknown}");
    let other = server.server_web_id("PISRV1", Spelling::IdOnly).unwrap();
    assert_eq!(refused(&server, &format!("streams/{other}/value")).await.0, 400);
    server.add_point("PISRV1", PointSpec::new("PICTURE", PointType::Blob)).unwrap();
    let blob = server.web_id("PICTURE", Spelling::IdOnly).unwrap();
    assert_eq!(refused(&server, &format!("streams/{blob}/value")).await.0, 501);
    for route in ["calculated", "channels", ""] {
        assert_eq!(ask(&server, &format!("streams/{id}/{route}")).await.0, 404, "{route}");
    }
}

#[tokio::test]
async fn filters_keep_what_they_say() {
    let server = pi_with("types=Float64");
    let (path, id) = first(&server);
    let window = format!("startTime={FROM}&endTime={TO}");
    let limit = 2_500.0;
    let body = good(&server, &format!("streams/{id}/recorded?{window}&filterExpression='.'%3E{limit}")).await;
    let all = server.events(&path, ticks(FROM), ticks(TO)).unwrap();
    let wanted = all.iter().filter(|event| event.value.parse::<f64>().is_ok_and(|number| number > limit)).count();
    assert!(wanted > 0 && wanted < all.len());
    assert_eq!(items(&body).len(), wanted);
    let body = good(
        &server,
        &format!("streams/{id}/recorded?{window}&filterExpression='.'%3E{limit}&includeFilteredValues=true"),
    )
    .await;
    assert_eq!(items(&body).len(), all.len());
    let (status, message) = refused(&server, &format!("streams/{id}/recorded?filterExpression=frobnicate(1)")).await;
    assert!(status == 400 && message.contains("frobnicate"));
}
