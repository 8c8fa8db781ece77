//! Values of attributes: those that a list brings and that have none are no failure; those that were named are.

use std::collections::BTreeSet;

use lakeflow_connect::{ErrorKind, TableRef};
use lakeflow_simulators::osipi::{Expected, Ticks};
use serde_json::Value;

use super::{small_plant, table_rows, timeless};

fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_default().to_owned()
}

/// A value of the archive: numbers as such, states by their names.
fn held(json: &str) -> String {
    match serde_json::from_str(json).unwrap() {
        Value::Number(number) => number.as_f64().unwrap().to_string(),
        Value::String(text) => text,
        Value::Object(state) => state["Name"].as_str().unwrap().to_owned(),
        other => other.to_string(),
    }
}

/// The same of a row, from the column that its type says.
fn told(row: &Value) -> String {
    match row["value_type"].as_str().unwrap() {
        "number" => row["value"].as_f64().unwrap().to_string(),
        "integer" => row["value_long"].as_f64().unwrap().to_string(),
        "digital" | "system_digital" => text(row, "digital_name"),
        "string" | "timestamp" => text(row, "value_string"),
        other => panic!("a value of type {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn j01_attributes_without_a_history_do_not_stop_those_that_have_one() {
    let server = small_plant();
    let points = server.points();
    let source = timeless(&server, &[]);
    let now = Ticks::from(server.clock().now());
    let from = Ticks(now.0 - 3 * 3600 * 10_000_000);
    let all = table_rows(&source, TableRef::new("pi_element_attributes")).await.unwrap();
    // Lists of streams hold attributes that can be seen, without those below others.
    let is_listed = |row: &&Value| {
        let is_hidden = row["is_hidden"] == true || row["is_excluded"] == true;
        !is_hidden && row["parent_attribute_webid"].is_null() && !text(row, "data_reference_plugin").is_empty()
    };
    let streams = all.iter().filter(is_listed);
    let (of_points, others): (Vec<_>, Vec<_>) = streams.partition(|row| points.contains(&text(row, "config_string")));
    let wanted: BTreeSet<(String, String, String, bool)> = of_points
        .iter()
        .flat_map(|row| {
            let events = server.events(&text(row, "config_string"), from, Ticks(now.0 + 1)).unwrap();
            let webid = text(row, "attribute_webid");
            let of = move |event: Expected| (webid.clone(), event.time.to_string(), held(&event.value), event.good);
            events.into_iter().map(of).collect::<Vec<_>>()
        })
        .collect();
    assert!(wanted.len() > 100 && !others.is_empty(), "{} {}", wanted.len(), others.len());
    let table =
        |name: &str| TableRef::new(name).option("startTime", from.to_string()).option("snapshot_policy", "include");
    let rows = table_rows(&source, table("pi_attribute_values")).await.unwrap();
    let of = |row: &Value| (text(row, "tag_webid"), text(row, "timestamp_raw"), told(row), row["good"] == true);
    let found: BTreeSet<_> = rows.iter().map(of).collect();
    assert!(found == wanted && rows.len() == wanted.len(), "{} rows, {} events", rows.len(), wanted.len());
    // Each of the others is told, once.
    let noted = table_rows(&source, TableRef::new("pi_errors")).await.unwrap();
    let told: BTreeSet<String> = noted.iter().map(|row| text(row, "object_webid")).collect();
    assert_eq!(told.len(), noted.len());
    assert!(noted.iter().all(|row| row["kind"] == "unsupported" && row["status"] == 409), "{noted:?}");
    assert!(others.iter().all(|row| told.contains(&text(row, "attribute_webid"))));
    // Whoever names one is told that it cannot be had.
    let other = text(others[0], "attribute_webid");
    for name in ["pi_attribute_values", "pi_timeseries"] {
        let named = table(name).option("attribute_webids", other.as_str());
        let error = table_rows(&source, named).await.unwrap_err();
        assert_eq!((error.kind(), error.get("webid")), (ErrorKind::Unsupported, Some(other.as_str())), "{error}");
        assert!(error.help_text().is_some_and(|help| help.contains("on_tag_error")), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attribute_that_fails_in_another_way_is_a_failure() {
    let server = small_plant();
    let source = timeless(&server, &[("max_retries", "0")]);
    let all = table_rows(&source, TableRef::new("pi_element_attributes")).await.unwrap();
    let point = all.iter().map(|row| text(row, "config_string")).find(|path| server.points().contains(path)).unwrap();
    server.break_point(&point, Some(lakeflow_simulators::osipi::PointFault::Forbidden)).unwrap();
    let error = table_rows(&source, TableRef::new("pi_attribute_values")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_of_a_template_that_cannot_be_read_in_this_way_are_left_out_of_windows_too() {
    let server = small_plant();
    let source = timeless(&server, &[]);
    let all = table_rows(&source, TableRef::new("pi_af_hierarchy")).await.unwrap();
    let templates: BTreeSet<String> = all.iter().map(|row| text(row, "template_name")).collect();
    for (name, options) in [
        ("pi_interpolated", vec![("startTime", "*-1h"), ("interval", "10m")]),
        ("pi_recorded_at_time", vec![("time", "*-1h")]),
    ] {
        let table = options.into_iter().fold(TableRef::new(name), |table, (key, value)| table.option(key, value));
        let before = table_rows(&source, TableRef::new("pi_errors")).await.unwrap().len();
        let mut found = 0;
        for template in templates.iter().filter(|template| !template.is_empty()) {
            match table_rows(&source, table.clone().option("templateName", template.as_str())).await {
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{name} {template}: {error}"),
                Ok(rows) => found += rows.len(),
            }
        }
        let noted = table_rows(&source, TableRef::new("pi_errors")).await.unwrap();
        assert!(found > 0 && noted.len() > before, "{name}: {found} rows, {} noted", noted.len());
        assert!(noted.iter().all(|row| row["kind"] == "unsupported"), "{noted:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_value_at_a_time_and_the_fields_of_points_are_those_that_were_asked_for() {
    let server = small_plant();
    let source = timeless(&server, &[]);
    let value =
        |row: &Value| [&row["tag_webid"], &row["timestamp"], &row["value"], &row["value_string"]].map(Value::clone);
    let at = |name: &str, time: &str| TableRef::new(name).option("time", time);
    let current = table_rows(&source, at("pi_current_value", "*-5h")).await.unwrap();
    let at_time = table_rows(&source, at("pi_value_at_time", "*-5h")).await.unwrap();
    assert!(!current.is_empty() && current.iter().map(value).eq(at_time.iter().map(value)));
    let now = table_rows(&source, TableRef::new("pi_current_value")).await.unwrap();
    assert!(!now.iter().map(value).eq(current.iter().map(value)));
    let error = table_rows(&source, at("pi_current_value", "*,*-1h")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Config && error.help_text().is_some(), "{error}");

    let points = TableRef::new("pi_points").option("selectedFields", "Items.WebId;Items.Name");
    let points = table_rows(&source, points).await.unwrap();
    assert_eq!(points.len(), server.points().len());
    assert!(points.iter().all(|row| row["name"].is_string() && row["descriptor"].is_null() && row["span"].is_null()));
}
