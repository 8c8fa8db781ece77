//! FHIR page bytes to Arrow, beside arrow-json alone on the same resources as lines.
//!
//! `cargo bench --bench decode`; all figures of one run are comparable, since they read the same resources.

#![allow(clippy::expect_used)] // a benchmark stops where its set-up is wrong

use std::{fmt::Write as _, hint::black_box, sync::Arc};

use arrow::{
    datatypes::{DataType as ArrowType, Field, Schema, SchemaRef},
    json::{ReaderBuilder, reader::Decoder as ArrowJsonDecoder},
    record_batch::RecordBatch,
};
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lakeflow_connect::{
    BadRows, DataType, JsonLines, Result, StructField, StructType,
    decode::{DecodeOptions, Decoder, FieldSource, Scanner, Shape, arrow_to_json},
};

const RESOURCES: usize = 1000;

fn text(names: &[&str]) -> Vec<StructField> {
    names.iter().map(|n| StructField::new(*n, DataType::String)).collect()
}

fn concept() -> DataType {
    let coding = DataType::structure(text(&["system", "code", "display"]));
    DataType::structure([
        StructField::new("coding", DataType::array(coding)),
        StructField::new("text", DataType::String),
    ])
}

fn quantity() -> DataType {
    let mut fields = vec![StructField::new("value", DataType::Double)];
    fields.extend(text(&["unit", "system", "code"]));
    DataType::structure(fields)
}

/// Column, its member in the JSON, its type: an Observation as the public connector has it.
fn observation() -> Vec<(&'static str, &'static str, DataType)> {
    let reference = || DataType::structure(text(&["reference", "display"]));
    let range = DataType::structure([
        StructField::new("low_value", DataType::Double),
        StructField::new("low_unit", DataType::String),
        StructField::new("high_value", DataType::Double),
        StructField::new("high_unit", DataType::String),
        StructField::new("type", concept()),
        StructField::new("text", DataType::String),
    ]);
    let component = DataType::structure([
        StructField::new("code", concept()),
        StructField::new("value_quantity", quantity()),
        StructField::new("value_string", DataType::String),
        StructField::new("value_codeable_concept", concept()),
        StructField::new("value_boolean", DataType::Boolean),
        StructField::new("value_integer", DataType::Long),
        StructField::new("data_absent_reason", concept()),
    ]);
    let period = DataType::structure([
        StructField::new("start", DataType::Timestamp),
        StructField::new("end", DataType::Timestamp),
    ]);
    vec![
        ("id", "id", DataType::String),
        ("resourceType", "resourceType", DataType::String),
        ("status", "status", DataType::String),
        ("category", "category", DataType::array(concept())),
        ("code", "code", concept()),
        ("subject", "subject", reference()),
        ("encounter", "encounter", reference()),
        ("effective_datetime", "effectiveDateTime", DataType::Timestamp),
        ("effective_period", "effectivePeriod", period),
        ("issued", "issued", DataType::Timestamp),
        ("performer", "performer", DataType::array(reference())),
        ("value_quantity", "valueQuantity", quantity()),
        ("value_codeable_concept", "valueCodeableConcept", concept()),
        ("value_string", "valueString", DataType::String),
        ("value_boolean", "valueBoolean", DataType::Boolean),
        ("value_integer", "valueInteger", DataType::Long),
        ("data_absent_reason", "dataAbsentReason", concept()),
        ("interpretation", "interpretation", DataType::array(concept())),
        ("body_site", "bodySite", concept()),
        ("method", "method", concept()),
        ("specimen", "specimen", reference()),
        ("device", "device", reference()),
        ("reference_range", "referenceRange", DataType::array(range)),
        ("has_member", "hasMember", DataType::array(reference())),
        ("derived_from", "derivedFrom", DataType::array(reference())),
        ("component", "component", DataType::array(component)),
    ]
}

/// The compat columns with their places in the JSON, the verbatim record among them.
fn compat() -> Shape {
    let mut fields = vec![
        StructField::new("lastUpdated", DataType::Timestamp),
        StructField::new("raw_json", DataType::String),
        StructField::new("extension", DataType::String),
    ];
    fields.extend(observation().into_iter().map(|(column, _, data_type)| StructField::new(column, data_type)));
    let members = observation();
    let sources = |path: &[&str]| match path {
        ["lastUpdated"] => Some(FieldSource::path("meta.lastUpdated")),
        ["raw_json"] => Some(FieldSource::record()),
        ["extension"] => Some(FieldSource::json("extension")),
        ["reference_range", "low_value"] => Some(FieldSource::path("low.value")),
        ["reference_range", "low_unit"] => Some(FieldSource::path("low.unit")),
        ["reference_range", "high_value"] => Some(FieldSource::path("high.value")),
        ["reference_range", "high_unit"] => Some(FieldSource::path("high.unit")),
        [column] => members.iter().find(|(c, ..)| c == column).map(|(_, member, _)| FieldSource::member(*member)),
        ["component", "value_quantity"] => Some(FieldSource::member("valueQuantity")),
        ["component", "value_string"] => Some(FieldSource::member("valueString")),
        ["component", "value_codeable_concept"] => Some(FieldSource::member("valueCodeableConcept")),
        ["component", "value_boolean"] => Some(FieldSource::member("valueBoolean")),
        ["component", "value_integer"] => Some(FieldSource::member("valueInteger")),
        ["component", "data_absent_reason"] => Some(FieldSource::member("dataAbsentReason")),
        _ => None,
    };
    Shape::with_sources(&StructType::new(fields), sources).expect("the paths are right")
}

/// The same leaves under their own names, as arrow-json can read them.
fn plain() -> StructType {
    let bound = || {
        DataType::structure([StructField::new("value", DataType::Double), StructField::new("unit", DataType::String)])
    };
    let mut fields =
        vec![StructField::new("meta", DataType::structure([StructField::new("lastUpdated", DataType::Timestamp)]))];
    for (_, member, data_type) in observation() {
        let data_type = match member {
            "referenceRange" => DataType::array(DataType::structure([
                StructField::new("low", bound()),
                StructField::new("high", bound()),
                StructField::new("type", concept()),
                StructField::new("text", DataType::String),
            ])),
            "component" => DataType::array(DataType::structure([
                StructField::new("code", concept()),
                StructField::new("valueQuantity", quantity()),
                StructField::new("valueString", DataType::String),
                StructField::new("valueCodeableConcept", concept()),
                StructField::new("valueBoolean", DataType::Boolean),
                StructField::new("valueInteger", DataType::Long),
                StructField::new("dataAbsentReason", concept()),
            ])),
            _ => data_type,
        };
        fields.push(StructField::new(member, data_type));
    }
    StructType::new(fields)
}

/// arrow-json reads no zone named `UTC`.
fn with_offset_zone(field: &Field) -> Field {
    let data_type = match field.data_type() {
        ArrowType::Timestamp(unit, Some(_)) => ArrowType::Timestamp(*unit, Some("+00:00".into())),
        ArrowType::List(element) => ArrowType::List(Arc::new(with_offset_zone(element))),
        ArrowType::Struct(fields) => ArrowType::Struct(fields.iter().map(|f| with_offset_zone(f)).collect()),
        other => other.clone(),
    };
    field.clone().with_data_type(data_type)
}

fn arrow_json_schema() -> SchemaRef {
    let fields: Vec<Field> = plain().to_arrow().fields().iter().map(|f| with_offset_zone(f)).collect();
    Arc::new(Schema::new(fields))
}

/// One resource of about 2 KB, of the kind that a laboratory or a monitor sends.
fn resource(i: usize) -> String {
    let (systolic, diastolic) = (100 + i % 50, 60 + i % 30);
    let coding = |system: &str, code: &str, display: &str| {
        format!(r#"{{"coding":[{{"system":"{system}","code":"{code}","display":"{display}"}}],"text":"{display}"}}"#)
    };
    let loinc = |code, display| coding("http://loinc.org", code, display);
    let quantity = |value: usize| {
        format!(r#"{{"value":{value}.{},"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}"#, i % 10)
    };
    let interpretation = coding("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "N", "Normal");
    let mut text = format!(
        concat!(
            r#"{{"resourceType":"Observation","id":"obs-{i:08}","meta":{{"versionId":"1","#,
            r#""lastUpdated":"2024-03-{day:02}T10:{minute:02}:30.123Z","profile":["http://hl7.org/fhir/StructureDefinition/vitalsigns"]}},"#,
            r#""text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p><b>Blood pressure</b></p><p>{s}/{d} mmHg</p></div>"}},"#,
            r#""identifier":[{{"system":"urn:ietf:rfc:3986","value":"urn:uuid:187e0c12-8dd2-67e2-99b2-{i:012}"}}],"status":"final","#,
            r#""category":[{category}],"code":{code},"subject":{{"reference":"Patient/pat-{p:06}","display":"A. Patient"}},"#,
            r#""encounter":{{"reference":"Encounter/enc-{p:06}"}},"effectiveDateTime":"2024-03-{day:02}T09:{minute:02}:00+01:00","#,
            r#""issued":"2024-03-{day:02}T10:{minute:02}:30.123Z","performer":[{{"reference":"Practitioner/prac-{q:04}"}}],"#,
            r#""interpretation":[{interpretation}],"bodySite":{site},"component":[{{"code":{code1},"valueQuantity":{value1}}},"#,
            r#"{{"code":{code2},"valueQuantity":{value2},"interpretation":[{interpretation}]}}]}}"#,
        ),
        i = i,
        p = i / 7,
        q = i % 100,
        day = 1 + i % 28,
        minute = i % 60,
        s = systolic,
        d = diastolic,
        category = coding("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", "Vital Signs"),
        code = loinc("85354-9", "Blood pressure panel with all children optional"),
        site = coding("http://snomed.info/sct", "368209003", "Right arm"),
        code1 = loinc("8480-6", "Systolic blood pressure"),
        code2 = loinc("8462-4", "Diastolic blood pressure"),
        value1 = quantity(systolic),
        value2 = quantity(diastolic),
        interpretation = interpretation,
    );
    text.shrink_to_fit();
    text
}

fn page(resources: &[String]) -> String {
    let mut page = String::from(
        r#"{"resourceType":"Bundle","type":"searchset","link":[{"relation":"self","url":"http://x/fhir"}],"entry":["#,
    );
    for (i, resource) in resources.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(
            page,
            r#"{comma}{{"fullUrl":"http://x/fhir/Observation/obs-{i:08}","resource":{resource},"search":{{"mode":"match"}}}}"#
        );
    }
    page + "]}"
}

fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for c in json.chars() {
        let line = |out: &mut String, depth: usize| {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', depth * 2));
        };
        match c {
            _ if quoted => {
                quoted = escaped || c != '"';
                escaped = !escaped && c == '\\';
                out.push(c);
            }
            '{' | '[' => {
                depth += 1;
                out.push(c);
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth -= 1;
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                quoted = c == '"';
                out.push(c);
            }
        }
    }
    out
}

/// A page's rows, as a source reads them: the envelope is walked, the record decoded where it stands.
fn decode_page(decoder: &mut Decoder, body: &[u8]) -> Result<RecordBatch> {
    let mut page = Scanner::from_utf8(body)?;
    page.enter_object()?;
    while let Some(key) = page.next_key()? {
        if key != "entry" {
            page.skip()?;
            continue;
        }
        page.enter_array()?;
        while page.next_element()? {
            page.enter_object()?;
            while let Some(key) = page.next_key()? {
                if key == "resource" {
                    decoder.decode_record(&mut page)??;
                } else {
                    page.skip()?;
                }
            }
        }
    }
    page.end()?;
    decoder.flush()
}

fn arrow_json(decoder: &mut ArrowJsonDecoder, mut body: &[u8]) -> RecordBatch {
    while !body.is_empty() {
        let read = decoder.decode(body).expect("the lines fit");
        body = &body[read..];
    }
    decoder.flush().expect("the lines are whole").expect("there are rows")
}

fn benches(c: &mut Criterion) {
    let resources: Vec<String> = (0..RESOURCES).map(resource).collect();
    let lines = JsonLines { bytes: Bytes::from(resources.join("\n")), rows: RESOURCES };
    let page = page(&resources);
    let pretty = indented(&page);
    let mut group = c.benchmark_group("observations");

    group.throughput(Throughput::Bytes(lines.bytes.len() as u64));
    let mut peer =
        ReaderBuilder::new(arrow_json_schema()).with_batch_size(RESOURCES).build_decoder().expect("a schema");
    group.bench_function("arrow-json, lines, plain columns", |b| {
        b.iter(|| arrow_json(&mut peer, black_box(&lines.bytes)))
    });
    let mut decoder = Decoder::new(Arc::new(Shape::new(&plain())), DecodeOptions::new("Observation"));
    group.bench_function("ours, lines, plain columns", |b| {
        b.iter(|| {
            decoder.decode_lines(black_box(&lines), BadRows::Fail).expect("the lines fit");
            decoder.flush().expect("a batch")
        });
    });

    group.throughput(Throughput::Bytes(page.len() as u64));
    group.bench_function("ours, page, checked and passed over", |b| {
        b.iter(|| Scanner::new(black_box(&page)).skip().expect("JSON").len());
    });

    let mut decoder = Decoder::new(Arc::new(compat()), DecodeOptions::new("Observation"));
    for (name, page) in [("ours, page, compat columns and raw_json", &page), ("the same, indented", &pretty)] {
        group.throughput(Throughput::Bytes(page.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| decode_page(&mut decoder, black_box(page.as_bytes())).expect("a page"));
        });
    }
    let batch = decode_page(&mut decoder, page.as_bytes()).expect("a page");
    assert_eq!(batch.num_rows(), RESOURCES);
    group.throughput(Throughput::Bytes(arrow_to_json(&batch).expect("lines").bytes.len() as u64));
    group.bench_function("arrow_to_json", |b| b.iter(|| arrow_to_json(black_box(&batch)).expect("lines")));
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
