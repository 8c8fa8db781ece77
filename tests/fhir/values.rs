//! What stands in every column, against values found in the same resources by another way: a walk over `serde_json` along the
//! types that the public connector gives and a short list of renames.

use std::collections::BTreeSet;

use futures::StreamExt;
use lakeflow_connect::{
    DataType, StructField, StructType,
    arrow::datatypes::{DataType as ArrowType, Float64Type, Int64Type, TimestampMicrosecondType},
};
use serde_json::{Map, Value, json, value::RawValue};

use super::*;

const PUBLIC: &str = include_str!("../fixtures/fhir/compat_columns.txt");

/// Columns and members whose name does not say where their value is.
const RENAMED: [(&str, &str); 23] = [
    ("lastUpdated", "meta.lastUpdated"),
    ("Encounter.class_coding", "class"),
    ("Coverage.class_coverage", "class"),
    ("Observation.reference_range.low_value", "low.value"),
    ("Observation.reference_range.low_unit", "low.unit"),
    ("Observation.reference_range.high_value", "high.value"),
    ("Observation.reference_range.high_unit", "high.unit"),
    ("CarePlan.activity.detail_status", "detail.status"),
    ("CarePlan.activity.detail_code", "detail.code"),
    ("CarePlan.activity.detail_description", "detail.description"),
    ("DocumentReference.content.attachment_url", "attachment.url"),
    ("DocumentReference.content.attachment_title", "attachment.title"),
    ("DocumentReference.content.attachment_content_type", "attachment.contentType"),
    ("DocumentReference.content.format_code", "format.code"),
    ("DocumentReference.content.format_system", "format.system"),
    ("MedicationRequest.dosage_instruction.timing_code", "timing.code.coding.0.code"),
    ("MedicationRequest.dosage_instruction.dose_value", "doseAndRate.0.doseQuantity.value"),
    ("MedicationRequest.dosage_instruction.dose_unit", "doseAndRate.0.doseQuantity.unit"),
    ("MedicationRequest.dispense_request.quantity_value", "quantity.value"),
    ("MedicationRequest.dispense_request.quantity_unit", "quantity.unit"),
    ("MedicationRequest.dispense_request.expected_supply_duration_value", "expectedSupplyDuration.value"),
    ("MedicationRequest.dispense_request.expected_supply_duration_unit", "expectedSupplyDuration.unit"),
    ("MedicationRequest.substitution_allowed_boolean", "substitution.allowedBoolean"),
];

/// The JSON members that lead to a value; numbers are places in arrays.
fn place(path: &str, name: &str) -> Vec<String> {
    let full = format!("{path}.{name}");
    if let Some((_, place)) = RENAMED.iter().find(|(column, _)| *column == full || *column == name) {
        return place.split('.').map(str::to_owned).collect();
    }
    let mut camel = String::new();
    for (n, word) in name.split('_').enumerate() {
        match (n, word) {
            (0, _) => camel += word,
            (_, "datetime") => camel += "DateTime",
            _ => camel.extend(word[..1].to_uppercase().chars().chain(word[1..].chars())),
        }
    }
    vec![camel]
}

/// Table and columns of the public connector with profile `base_r4`, without `raw_json` and `extension`.
fn tables() -> Vec<(&'static str, Vec<StructField>)> {
    let mut tables: Vec<(&str, Vec<StructField>)> = Vec::new();
    for line in PUBLIC.lines().filter(|line| !line.starts_with('#')) {
        let (table, column) = line.split_once(' ').unwrap();
        if tables.last().is_none_or(|(last, _)| *last != table) {
            tables.push((table, Vec::new()));
        }
        let field = StructType::from_ddl(column).unwrap().fields.remove(0);
        if !["raw_json", "extension"].contains(&field.name.as_str()) {
            tables.last_mut().unwrap().1.push(field);
        }
    }
    assert_eq!(tables.len(), 14);
    tables
}

/// Microseconds of an instant; of a date without a time or a part of one, its first.
fn micros(text: &str) -> i64 {
    let whole = match text.len() {
        4 => format!("{text}-01-01T00:00:00Z"),
        7 => format!("{text}-01T00:00:00Z"),
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    DateTime::parse_from_rfc3339(&whole).unwrap_or_else(|e| panic!("{text}: {e}")).timestamp_micros()
}

/// What must stand in a column; instants as microseconds.
fn expected(data_type: &DataType, value: Option<&Value>, path: &str) -> Value {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Value::Null };
    match data_type {
        DataType::Array(array) => {
            let elements = value.as_array().unwrap_or_else(|| panic!("{path}: {value}"));
            elements.iter().map(|element| expected(&array.element, Some(element), path)).collect()
        }
        DataType::Struct(inner) => members(&inner.fields, value, path),
        DataType::Timestamp => json!(micros(value.as_str().unwrap())),
        DataType::Double => json!(value.as_f64().unwrap()),
        DataType::Long => json!(value.as_i64().unwrap()),
        _ => value.clone(),
    }
}

fn members(fields: &[StructField], value: &Value, path: &str) -> Value {
    let member = |field: &StructField| {
        let found = place(path, &field.name).iter().try_fold(value, |at, hop| match hop.parse::<usize>() {
            Ok(index) => at.get(index),
            Err(_) => at.get(hop),
        });
        (field.name.clone(), expected(&field.data_type, found, &format!("{path}.{}", field.name)))
    };
    Value::Object(fields.iter().map(member).collect())
}

/// What stands in a column.
fn found(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        ArrowType::Utf8 => json!(array.as_string::<i32>().value(row)),
        ArrowType::Boolean => json!(array.as_boolean().value(row)),
        ArrowType::Int64 => json!(array.as_primitive::<Int64Type>().value(row)),
        ArrowType::Float64 => json!(array.as_primitive::<Float64Type>().value(row)),
        ArrowType::Timestamp(..) => json!(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        ArrowType::List(_) => {
            let elements = array.as_list::<i32>().value(row);
            (0..elements.len()).map(|at| found(&elements, at)).collect()
        }
        ArrowType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let member = |(field, column): (&Arc<_>, &Arc<dyn Array>)| {
                let field: &lakeflow_connect::arrow::datatypes::Field = field;
                (field.name().clone(), found(column, row))
            };
            Value::Object(fields.iter().zip(columns).map(member).collect())
        }
        other => panic!("{other}"),
    }
}

/// The rows of a table by id, each as an object of its columns.
async fn rows(server: &RunningServer, table: TableRef) -> BTreeMap<String, Map<String, Value>> {
    let mut rows = BTreeMap::new();
    let mut events = open(server).read_table(ReadRequest::new(table));
    while let Some(event) = events.next().await {
        let ReadEvent::Records(Records::Arrow(batch)) = event.unwrap() else { continue };
        for row in 0..batch.num_rows() {
            let schema = batch.schema();
            let columns = schema.fields().iter().zip(batch.columns());
            let values: Map<String, Value> =
                columns.map(|(field, column)| (field.name().clone(), found(column, row))).collect();
            rows.insert(values["id"].as_str().unwrap().to_owned(), values);
        }
    }
    rows
}

/// A value that stands in a resource only once, at the place of this column.
fn put_at(data_type: &DataType, path: &str, next: &mut i64) -> Value {
    *next += 1;
    match data_type {
        DataType::Array(array) => (0..2).map(|_| put_at(&array.element, path, next)).collect(),
        DataType::Struct(inner) => object(&inner.fields, path, next),
        DataType::Timestamp => json!(format!("2024-02-29T23:59:58.{:06}+05:30", *next)),
        DataType::Double => json!(*next as f64 + 0.1),
        // One more than a double can hold.
        DataType::Long => json!(9_007_199_254_740_993 + *next),
        DataType::Boolean => json!(*next % 2 == 0),
        _ => json!(format!("Zoë \"{next}\" \u{1f600}")),
    }
}

fn object(fields: &[StructField], path: &str, next: &mut i64) -> Value {
    let mut object = json!({});
    for field in fields {
        let value = put_at(&field.data_type, &format!("{path}.{}", field.name), next);
        let mut at = &mut object;
        for hop in place(path, &field.name) {
            at = match hop.parse::<usize>() {
                Ok(_) => {
                    if !at.is_array() {
                        *at = json!([{}]);
                    }
                    &mut at[0]
                }
                Err(_) => &mut at[&hop],
            };
        }
        *at = value;
    }
    object
}

/// A resource in which every column of a table has a value, down to the last member.
fn full(table: &str, columns: &[StructField]) -> Value {
    let columns: Vec<StructField> = columns.iter().filter(|c| c.name != "lastUpdated").cloned().collect();
    let mut resource = object(&columns, table, &mut 0);
    resource["resourceType"] = json!(table);
    resource["id"] = json!("full");
    resource
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(elements) => elements.is_empty() || elements.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_column_of_every_example_has_the_value_of_the_resource() {
    let server = start(Config { clock: SimClock::fixed(now()), ..Config::default() });
    for (table, columns) in tables() {
        server.put(&full(table, &columns).to_string()).unwrap();
        server.put(&json!({"resourceType": table, "id": "bare"}).to_string()).unwrap();
    }
    server.clock().advance(Duration::from_secs(600));
    let mut kinds = BTreeSet::new();
    for (table, columns) in tables() {
        let rows = rows(&server, TableRef::new(table).option("profile", "base_r4")).await;
        let expected_rows = server.expected(table);
        assert_eq!(rows.len(), expected_rows.len(), "{table}");
        for resource in &expected_rows {
            let (row, text) = (&rows[&resource.id], resource.text.as_ref().unwrap());
            assert_eq!(row["raw_json"].as_str(), Some(text.as_str()), "{table}/{}: byte for byte", resource.id);
            let value: Value = serde_json::from_str(text).unwrap();
            let Value::Object(expected) = members(&columns, &value, table) else { panic!() };
            for (name, expected) in &expected {
                assert_eq!(&row[name], expected, "{table}/{}: {name}", resource.id);
            }
            assert_eq!(row.len(), expected.len() + 2, "{table}: columns");
        }
        for column in &columns {
            assert!(!has_null(&rows["full"][&column.name]), "{table}: {} is not filled", column.name);
            let common = ["id", "resourceType", "lastUpdated"].contains(&column.name.as_str());
            assert_eq!(rows["bare"][&column.name].is_null(), !common, "{table}: {} of a bare resource", column.name);
            kinds.insert(column.data_type.to_string());
        }
        assert!(rows["bare"]["extension"].is_null(), "{table}: no extension is null, not a text that says so");
    }
    assert!(kinds.len() > 20, "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_is_the_text_that_the_server_sent() {
    #[derive(serde::Deserialize)]
    struct Extended<'a> {
        #[serde(borrow)]
        extension: Option<&'a RawValue>,
    }
    let server = start(Config { clock: SimClock::fixed(now()), ..Config::default() });
    let odd = r#"{"resourceType":"Patient","id":"odd","extension":[ {"url" : "u\u002fx","valueDecimal":1.50e-7} ]}"#;
    server.put(odd).unwrap();
    server.clock().advance(Duration::from_secs(600));
    let mut extended = 0;
    for (table, _) in tables() {
        for (id, row) in rows(&server, table.into()).await {
            let raw = row["raw_json"].as_str().unwrap();
            let wanted = serde_json::from_str::<Extended<'_>>(raw).unwrap().extension.map(RawValue::get);
            assert_eq!(row["extension"].as_str(), wanted, "{table}/{id}");
            extended += usize::from(wanted.is_some());
        }
    }
    assert!(extended >= 3, "{extended} resources have an extension");
    let odd = &rows(&server, "Patient".into()).await["odd"];
    assert!(odd["extension"].as_str().unwrap().contains("1.50e-7"), "{odd:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_that_are_not_given_in_full_are_their_first_instant_and_text_stays_as_it_is() {
    let server = start(Config { clock: SimClock::fixed(now()), ..Config::default() });
    let cases = [
        ("year", "2012", "2012-01-01T00:00:00Z"),
        ("month", "2012-05", "2012-05-01T00:00:00Z"),
        ("day", "2012-05-03", "2012-05-03T00:00:00Z"),
        ("zone", "2012-05-03T01:00:00+02:00", "2012-05-02T23:00:00Z"),
        ("digits", "2012-05-03T01:00:00.1234567Z", "2012-05-03T01:00:00.123456Z"),
    ];
    for (id, text, _) in cases {
        let dated = json!({"resourceType": "Condition", "id": id, "onsetDateTime": text, "recordedDate": text});
        server.put(&dated.to_string()).unwrap();
        server.put(&json!({"resourceType": "Patient", "id": id, "birthDate": text}).to_string()).unwrap();
    }
    server.clock().advance(Duration::from_secs(600));
    let (conditions, patients) = (rows(&server, "Condition".into()).await, rows(&server, "Patient".into()).await);
    for (id, text, instant) in cases {
        let row = &conditions[id];
        let instant = DateTime::parse_from_rfc3339(instant).unwrap().timestamp_micros();
        assert_eq!((&row["onset_datetime"], &row["recorded_date"]), (&json!(instant), &json!(text)), "{id}");
        assert_eq!(patients[id]["birthDate"], json!(text), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uk_core_columns_are_found_among_identifiers_and_extensions() {
    let core = "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-";
    let concept = |code: &str| json!({"coding": [{"system": "s", "code": code, "display": code}], "text": code});
    let extension = |name: &str| json!({"url": format!("{core}{name}"), "valueCodeableConcept": concept(name)});
    let patient = json!({"resourceType": "Patient", "id": "uk",
        "identifier": [{"system": "https://other.example", "value": "1"},
            {"value": "9434765919", "system": "https://fhir.nhs.uk/Id/nhs-number"},
            {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "second"}],
        "extension": [extension("ResidentialStatus"), extension("EthnicCategory"), extension("BirthSex"),
            {"url": format!("{core}DeathNotificationStatus"), "extension": [
                {"url": "systemEffectiveDate", "valueDateTime": "2024"},
                {"url": "deathNotificationStatus", "valueCodeableConcept": concept("formal")}]},
            {"url": "http://hl7.org/fhir/StructureDefinition/patient-interpreterRequired", "valueBoolean": true}]});
    let server = start(config());
    server.put(&patient.to_string()).unwrap();
    server.put(&json!({"resourceType": "Patient", "id": "none", "extension": [{"url": core}]}).to_string()).unwrap();
    server.clock().advance(Duration::from_secs(600));
    let rows = rows(&server, "Patient".into()).await;
    for (column, value) in [
        ("nhs_number", json!("9434765919")),
        ("ethnic_category", concept("EthnicCategory")),
        ("birth_sex", concept("BirthSex")),
        ("death_notification_status", concept("formal")),
        ("interpreter_required", json!(true)),
        ("residential_status", concept("ResidentialStatus")),
    ] {
        assert_eq!(rows["uk"][column], value, "{column}");
        assert!(rows["none"][column].is_null(), "{column}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dosage_has_its_first_dose_and_an_observation_exact_numbers() {
    let server = start(config());
    let texts = [
        r#"{"resourceType":"MedicationRequest","id":"m","dosageInstruction":[{"text":"t","timing":{"code":{"coding":[{"code":"BID"},{"code":"QD"}]}},
            "doseAndRate":[{"doseQuantity":{"value":0.10,"unit":"mg"}},{"doseQuantity":{"value":7}}]},{"text":"as needed"}]}"#,
        r#"{"resourceType":"Observation","id":"o","valueInteger":9007199254740993,"referenceRange":[{"low":{"value":1e-7}}],
            "component":[{"valueQuantity":{"value":6.30,"comparator":"<"}},{"valueQuantity":{"value":123456789.123456789}},{"code":{}}]}"#,
    ];
    texts.iter().for_each(|text| server.put(text).unwrap());
    server.clock().advance(Duration::from_secs(600));
    let medication = &rows(&server, "MedicationRequest".into()).await["m"];
    let dosage = |text, code: Value, value: Value, unit: Value| json!({"text": text, "timing_code": code, "dose_value": value, "dose_unit": unit, "route": null, "site": null});
    let dosages = [
        dosage("t", json!("BID"), json!(0.1), json!("mg")),
        dosage("as needed", json!(null), json!(null), json!(null)),
    ];
    assert_eq!(medication["dosage_instruction"], json!(dosages));
    let observation = &rows(&server, "Observation".into()).await["o"];
    assert_eq!(observation["value_integer"], json!(9_007_199_254_740_993_i64));
    assert_eq!(observation["reference_range"][0]["low_value"], json!(1e-7));
    let value = |n: usize| observation["component"][n]["value_quantity"]["value"].clone();
    assert_eq!((value(0), value(1)), (json!(6.3), json!(123456789.12345679)));
    assert!(observation["component"][2]["code"].is_null(), "an object without members is absent");
}
