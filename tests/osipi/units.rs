//! Values of attributes in other units than their own.

use std::collections::HashMap;

use lakeflow_connect::TableRef;
use lakeflow_simulators::osipi::{RunningServer, Ticks};
use serde_json::Value;

use super::{connect_to, small_plant, table_rows};

fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_default().to_owned()
}

/// The attributes that are temperatures of points: WebIDs with the points' paths.
async fn temperatures(server: &RunningServer) -> HashMap<String, String> {
    let points = server.points();
    let all = table_rows(&connect_to(server), TableRef::new("pi_element_attributes")).await.unwrap();
    let wanted = all.iter().filter(|row| row["default_units_abbreviation"] == "°C");
    let found = wanted.map(|row| (text(row, "attribute_webid"), text(row, "config_string")));
    found.filter(|(_, point)| points.contains(point)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn desired_units_are_those_of_the_values_by_whatever_way_they_come() {
    let server = small_plant();
    let attributes = temperatures(&server).await;
    assert!(!attributes.is_empty());
    let webids = attributes.keys().cloned().collect::<Vec<_>>().join(",");
    let now = Ticks::from(server.clock().now());
    let from = Ticks(now.0 - 6 * 3600 * 10_000_000);
    for (name, streamset) in [
        ("pi_attribute_values", "false"),
        ("pi_timeseries", "false"),
        ("pi_timeseries", "true"),
        ("pi_streamset_recorded", "false"),
    ] {
        let table = TableRef::new(name)
            .option("attribute_webids", webids.as_str())
            .option("startTime", from.to_string())
            .option("snapshot_policy", "include")
            .option("prefer_streamset", streamset)
            .option("desiredUnits", "degree Fahrenheit");
        let found = table_rows(&connect_to(&server), table).await.unwrap();
        let found: HashMap<(String, String), &Value> =
            found.iter().map(|row| ((text(row, "tag_webid"), text(row, "timestamp_raw")), row)).collect();
        let mut numbers = 0;
        for (webid, point) in &attributes {
            for event in server.events(point, from, Ticks(now.0 + 1)).unwrap() {
                let row = found[&(webid.clone(), event.time.to_string())];
                assert_eq!(row["units"], "°F", "{row}");
                if let Ok(celsius) = event.value.parse::<f64>() {
                    let fahrenheit = celsius * 9.0 / 5.0 + 32.0;
                    assert!((row["value"].as_f64().unwrap() - fahrenheit).abs() < 1e-6, "{row} {celsius}");
                    numbers += 1;
                }
            }
        }
        assert!(numbers > 100, "{numbers}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn units_that_nothing_can_be_converted_to_are_an_error() {
    let server = small_plant();
    let attribute = temperatures(&server).await.into_keys().next().unwrap();
    for name in ["pi_timeseries", "pi_streamset_recorded"] {
        let of_attribute = TableRef::new(name).option("attribute_webids", attribute.as_str());
        for table in [of_attribute.option("desiredUnits", "kPa"), TableRef::new(name).option("desiredUnits", "°F")] {
            let error = table_rows(&connect_to(&server), table).await.unwrap_err();
            assert!(error.get("webid").is_some() && error.help_text().is_some(), "{error}");
        }
    }
}
