//! Searches: filters, order, counts, and servers that do them differently.

use std::time::Duration;

use lakeflow_simulators::fhir::{StampStyle, Volume};
use serde_json::Value;

use crate::support::{client, entries, get, ids, json, link, patients, resources, sorted, stamps, start, walk};

async fn count(base: &str, query: &str) -> i64 {
    json(&format!("{base}/Patient?_summary=count&{query}")).await["total"].as_i64().unwrap()
}

#[tokio::test]
async fn a_date_value_is_an_interval_of_its_precision_or_a_point() {
    // Five stamps, half a second apart from 2024-01-01T00:00:00Z.
    let server = |personality: &'static str| {
        start(5, |config| {
            config.stamps.step = Duration::from_millis(500);
            config.set("personality", personality).unwrap();
        })
    };
    let (interval, point, cuts) = (server(""), server("point-dates"), server("cuts-seconds"));
    for (query, by_interval, by_point, cut) in [
        ("2024-01-01T00:00:01Z", 2, 1, 2),
        ("ne2024-01-01T00:00:01Z", 3, 4, 3),
        ("gt2024-01-01T00:00:01Z", 1, 2, 1),
        ("ge2024-01-01T00:00:01Z", 3, 3, 3),
        ("lt2024-01-01T00:00:01Z", 2, 2, 2),
        ("le2024-01-01T00:00:01Z", 4, 3, 4),
        ("ge2024-01-01T00:00:01.500Z", 2, 2, 3),
        ("lt2024-01-01T00:00:01.500Z", 3, 3, 2),
        ("2024-01", 5, 1, 5),
        ("ge2024-01-01T05:30:01%2B05:30", 3, 3, 3),
        ("ge2024-01-01T00:00:00.500Z&_lastUpdated=lt2024-01-01T00:00:01.500Z", 2, 2, 3),
        ("2024-01-01T00:00:00Z,2024-01-01T00:00:02Z", 3, 2, 3),
    ] {
        let query = format!("_lastUpdated={query}");
        assert_eq!(count(&interval.base_url(), &query).await, by_interval, "{query}");
        assert_eq!(count(&point.base_url(), &query).await, by_point, "{query}");
        if !query.contains("&") {
            assert_eq!(count(&cuts.base_url(), &query).await, cut, "{query}");
        }
    }
    for bad in ["_lastUpdated=yesterday", "_lastUpdated=ge", "_count=many", "_total=maybe"] {
        let response = get(&format!("{}/Patient?{bad}", interval.base_url())).await;
        assert_eq!(response.status(), 400, "{bad}");
        assert!(response.text().await.unwrap().contains("OperationOutcome"));
    }
}

#[tokio::test]
async fn results_are_sorted_only_when_asked_and_able() {
    for (personality, works) in [("", true), ("keyset-pages", true), ("ignores-sort", false)] {
        let server = patients(60, personality);
        let url = |sort: &str| format!("{}/Patient?_count=60{sort}", server.base_url());
        let ascending = json(&url("&_sort=_lastUpdated")).await;
        assert_eq!(stamps(&ascending).is_sorted(), works, "{personality}");
        assert_eq!(link(&ascending, "self").unwrap().contains("_sort"), works, "{personality}");
        let descending = stamps(&json(&url("&_sort=-_lastUpdated")).await);
        assert_eq!(descending.iter().rev().is_sorted(), works);
        assert_eq!(ids(&json(&url("&_sort=_id")).await).is_sorted(), works);
        assert!(!stamps(&json(&url("")).await).is_sorted());
    }
}

#[tokio::test]
async fn stamps_look_as_told() {
    for (personality, style, sample) in [
        ("seconds", StampStyle::Seconds, "2024-01-01T00:00:00Z"),
        ("micros", StampStyle::Micros, "2024-01-01T00:00:00.000000Z"),
        ("ticks", StampStyle::Ticks, "2024-01-01T00:00:00.0000000Z"),
        ("nanos", StampStyle::Nanos, "2024-01-01T00:00:00.000000000Z"),
        ("offset-zone", StampStyle::Offset, "2024-01-01T05:30:00.000+05:30"),
    ] {
        let server = patients(50, personality);
        let bundle = json(&format!("{}/Patient?_count=50&_sort=_lastUpdated", server.base_url())).await;
        let all = stamps(&bundle);
        assert_eq!(all[0], sample, "{style:?}");
        assert!(all.iter().all(|stamp| stamp.len() == sample.len()));
        assert!(all.iter().collect::<std::collections::BTreeSet<_>>().len() > 25);
        if matches!(style, StampStyle::Ticks | StampStyle::Nanos) {
            assert!(all.iter().any(|stamp| !stamp.contains("000Z")), "the last digits are used");
        }
    }
    let missing = patients(30, "some-stamps-missing");
    let bundle = json(&format!("{}/Patient?_count=30", missing.base_url())).await;
    assert_eq!(stamps(&bundle).iter().filter(|stamp| stamp.is_empty()).count(), 10);
    assert_eq!(count(&missing.base_url(), "_lastUpdated=ge1970").await, 20, "no window sees them");
    let none = patients(30, "no-stamps");
    assert!(stamps(&json(&format!("{}/Patient", none.base_url())).await).iter().all(String::is_empty));
    let mixed = patients(30, "mixed-stamps");
    let all = stamps(&json(&format!("{}/Patient?_count=30", mixed.base_url())).await);
    assert_eq!(all.iter().map(String::len).collect::<std::collections::BTreeSet<_>>().len(), 6);
}

#[tokio::test]
async fn ties_share_stamps() {
    let server = patients(1_500, "ties");
    assert_eq!(count(&server.base_url(), "_lastUpdated=2024-01-01T00:00:00.000Z").await, 1_500);
    let server = patients(100, "tied-pairs");
    let pages = walk(&format!("{}/Patient?_count=10&_sort=_lastUpdated", server.base_url())).await;
    for (one, next) in pages.iter().zip(&pages[1..]) {
        assert_eq!(stamps(one).last(), stamps(next).first(), "a pair lies on every border");
    }
}

#[tokio::test]
async fn an_ignored_filter_shows_in_the_self_link_or_hides() {
    let filter = "_lastUpdated=ge2025-01-01T00:00:00.000Z";
    for (personality, found, shown) in
        [("", 0, true), ("ignores-filter", 20, false), ("ignores-filter-silently", 20, true)]
    {
        let server = patients(40, personality);
        let bundle = json(&format!("{}/Patient?{filter}", server.base_url())).await;
        assert_eq!(entries(&bundle).len(), found, "{personality}");
        assert_eq!(link(&bundle, "self").unwrap().contains("_lastUpdated"), shown, "{personality}");
    }
}

#[tokio::test]
async fn unknown_parameters_are_refused_or_ignored_as_the_server_likes() {
    let status = async |personality: &str, parameter: &str, prefer: &str| {
        let server = patients(3, personality);
        let url = format!("{}/Patient?{parameter}", server.base_url());
        client().get(url).header("prefer", prefer).send().await.unwrap().status().as_u16()
    };
    assert_eq!(status("", "colour=red", "handling=strict").await, 400);
    assert_eq!(status("", "colour=red", "handling=lenient").await, 200);
    assert_eq!(status("rejects-unknown", "colour=red", "handling=lenient").await, 400);
    assert_eq!(status("ignores-prefer", "colour=red", "handling=strict").await, 200);
    for (personality, parameter) in [
        ("no-last-updated-search", "_lastUpdated=ge2024"),
        ("no-sort", "_sort=_lastUpdated"),
        ("no-total", "_total=accurate"),
        ("no-summary", "_summary=count"),
    ] {
        assert_eq!(status("", parameter, "handling=strict").await, 200, "{parameter}");
        assert_eq!(status(personality, parameter, "handling=strict").await, 400, "{personality}");
    }
    let server = patients(3, "");
    let bundle = json(&format!("{}/Patient?colour=red", server.base_url())).await;
    assert!(!link(&bundle, "self").unwrap().contains("colour"));
    let outcome = entries(&bundle)[0];
    assert_eq!(outcome["search"]["mode"], "outcome");
    assert_eq!(outcome["resource"]["resourceType"], "OperationOutcome");
}

#[tokio::test]
async fn totals_are_right_or_wrong_as_told() {
    let totals = async |personality: &str| {
        let server = patients(50, personality);
        let mut found = Vec::new();
        for query in ["_count=10", "_summary=count", "_summary=count&_total=accurate", "_total=none", "_count=0"] {
            found.push(json(&format!("{}/Patient?{query}", server.base_url())).await["total"].as_i64());
        }
        found
    };
    assert_eq!(totals("").await, [Some(50), Some(50), Some(50), None, Some(50)]);
    assert_eq!(totals("estimated-totals").await, [Some(56), Some(56), Some(50), None, Some(56)]);
    assert_eq!(totals("wrong-totals").await, [Some(56), Some(56), Some(56), None, Some(56)]);
    assert_eq!(totals("zero-totals").await, [Some(0), Some(0), Some(0), None, Some(0)]);
    assert_eq!(totals("no-totals").await, [None; 5]);
    let server = patients(50, "keyset-pages");
    let total = async |query: &str| json(&format!("{}/Patient?{query}", server.base_url())).await["total"].clone();
    assert_eq!(total("_count=10").await, Value::Null);
    assert_eq!(total("_count=10&_total=accurate").await, 50);
}

#[tokio::test]
async fn a_cached_search_is_old_unless_no_cache_is_sent() {
    let server = patients(10, "search-cache");
    let url = format!("{}/Patient?_summary=count", server.base_url());
    assert_eq!(json(&url).await["total"], 10);
    server.delete("Patient", "example").unwrap();
    assert_eq!(json(&url).await["total"], 10, "stored answer");
    let fresh = client().get(&url).header("cache-control", "no-cache").send().await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&fresh.text().await.unwrap()).unwrap()["total"], 9);
    server.touch("Patient", "f001").unwrap();
    server.delete("Patient", "f001").unwrap();
    assert_eq!(json(&url).await["total"], 9);
    server.clock().advance(Duration::from_secs(61));
    assert_eq!(json(&url).await["total"], 8);
}

#[tokio::test]
async fn other_entries_are_marked_as_what_they_are() {
    let server = patients(30, "includes,outcomes,foreign-type");
    let bundle = json(&format!("{}/Patient?_count=10", server.base_url())).await;
    let mode = |wanted: &str| entries(&bundle).into_iter().filter(|entry| entry["search"]["mode"] == wanted).count();
    assert_eq!((mode("match"), mode("include"), mode("outcome")), (11, 1, 1));
    let foreign = resources(&bundle).into_iter().filter(|r| r["resourceType"] == "Organization").count();
    assert_eq!(foreign, 2);
    assert_eq!(bundle["total"], 30);
}

#[tokio::test]
async fn a_capped_count_is_said_and_kept() {
    let server = patients(30, "caps-count");
    let bundle = json(&format!("{}/Patient?_count=100", server.base_url())).await;
    assert_eq!(entries(&bundle).len(), 11);
    assert!(entries(&bundle)[0]["resource"]["issue"][0]["diagnostics"].as_str().unwrap().contains("_count"));
    assert_eq!(walk(&format!("{}/Patient?_count=100", server.base_url())).await.len(), 3);
}

#[tokio::test]
async fn elements_make_marked_subsets() {
    let server = patients(22, "");
    let bundle = json(&format!("{}/Patient?_elements=id,gender&_count=22", server.base_url())).await;
    for resource in resources(&bundle) {
        let names: Vec<_> = resource.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(
            names.iter().all(|name| ["resourceType", "id", "meta", "gender", "_gender"].contains(name)),
            "{names:?}"
        );
        let tags = resource["meta"]["tag"].as_array().unwrap();
        assert_eq!(tags.iter().filter(|tag| tag["code"] == "SUBSETTED").count(), 1);
    }
    let paged = walk(&format!("{}/Patient?_elements=id&_count=5", server.base_url())).await;
    assert!(paged.iter().flat_map(resources).all(|resource| resource["name"].is_null()), "on later pages too");
}

#[tokio::test]
async fn ids_and_clinical_criteria_select() {
    let server = start(44, |config| config.volumes.push(Volume::new("Observation", 64)));
    let found = async |query: &str| ids(&json(&format!("{}/{query}&_count=100", server.base_url())).await);
    assert_eq!(sorted(found("Patient?_id=example,f001-c1,nobody").await), ["example", "f001-c1"]);
    assert_eq!(found("Observation?code=http://loinc.org|29463-7&_id=example").await, ["example"]);
    let vital = found("Observation?category=vital-signs").await;
    assert!(vital.contains(&"heart-rate".to_owned()) && !vital.contains(&"decimal".to_owned()), "{vital:?}");
    let of_patient = found("Observation?patient=f001").await;
    assert!(of_patient.contains(&"f001".to_owned()) && of_patient.len() < 20, "{of_patient:?}");
    assert_eq!(found("Observation?patient=Patient/f001").await, of_patient);
    let finals = found("Observation?status=final").await.len();
    assert!(finals > 30 && finals < 64, "{finals}");
}

#[tokio::test]
async fn the_server_says_what_it_can_do() {
    let server = patients(1, "");
    let statement = json(&format!("{}/metadata", server.base_url())).await;
    assert_eq!(statement["fhirVersion"], "4.0.1");
    let has = |statement: &Value, kind: &str, wanted: &str| {
        let resources = statement["rest"][0]["resource"].as_array().unwrap();
        let patient = resources.iter().find(|resource| resource["type"] == "Patient").unwrap();
        patient[kind].as_array().unwrap().iter().any(|item| item["code"] == wanted || item["name"] == wanted)
    };
    assert!(has(&statement, "interaction", "history-type") && has(&statement, "searchParam", "_lastUpdated"));
    let server = patients(1, "no-type-history,no-last-updated-search");
    let statement = json(&format!("{}/metadata", server.base_url())).await;
    assert!(!has(&statement, "interaction", "history-type") && !has(&statement, "searchParam", "_lastUpdated"));
}
