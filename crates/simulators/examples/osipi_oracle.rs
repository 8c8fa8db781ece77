//! A PI Web API server that tells what it holds: `cargo run -p lakeflow-simulators --example osipi_oracle -- auth=none`.
//!
//! Takes options as on the command line of `lakeflow simulate osipi` (`NAME=VALUE`), prints one line of JSON (address,
//! points with all their events, objects and event frames of the assets), and serves until its standard input ends.
//! `scripts/check-pi-client` compares that line with what the vendor's client decodes.
#![allow(clippy::print_stdout)]

use std::{error::Error, io::Read};

use lakeflow_simulators::osipi::{
    AfKind, Change, Config, Expected, ExpectedFrame, ExpectedObject, PointFault, PointSpec, PointType, RunningServer,
    Sample, Server, Spelling, Ticks, Value as Event,
};
use serde_json::{Map, Value, json, value::RawValue};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// The data server of the points that are added here.
const SERVER: &str = "PISRV1";

fn main() -> Fallible<()> {
    let mut config = Config::default();
    let own = ["clock=2026-03-01T12:00:00Z", "days=1", "elements=60", "event-frames=80"];
    for option in own.into_iter().map(str::to_owned).chain(std::env::args().skip(1)) {
        let (name, value) = option.split_once('=').ok_or("options are NAME=VALUE")?;
        config.set(name, value)?;
    }
    let server = Server::start(config)?;
    populate(&server)?;
    println!("{}", told(&server)?);
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Points whose events are known by heart, and one of which each kind of value and each flag can be seen.
fn populate(server: &RunningServer) -> Fallible<()> {
    let at = |text: &str| Ticks::parse(text).ok_or("no instant");
    let add = |name: &str, kind: PointType| {
        server.add_point(SERVER, PointSpec { stream: None, ..PointSpec::new(name, kind) })
    };
    add("Check.Ramp", PointType::Float64)?;
    for (minute, value) in [0.0, 10.0, 20.0, 10.0, 40.0, 40.0, -5.0, 0.0, 7.5, 15.0, 30.0].into_iter().enumerate() {
        server.change("Check.Ramp", Change::Add(at(&format!("2026-03-01T06:{minute:02}:00Z"))?, value.into()))?;
    }
    add("Check.Kinds", PointType::Float64)?;
    let flagged = Sample {
        questionable: true,
        substituted: true,
        annotation: Some("seen by the shift".to_owned()),
        ..Sample::from(2.5)
    };
    let failed = Sample {
        good: false,
        error: Some("conversion failed".to_owned()),
        ..Sample::from(Event::Json("null".to_owned()))
    };
    let events: [(&str, Sample); 11] = [
        ("2026-03-01T07:00:00.0000152Z", 71.25.into()),
        ("2026-03-01T07:00:10Z", flagged),
        ("2026-03-01T07:00:10Z", 2.75.into()),
        ("2026-03-01T07:00:10Z", 3.0.into()),
        ("2026-03-01T07:01:00Z", f64::NAN.into()),
        ("2026-03-01T07:02:00Z", f64::NEG_INFINITY.into()),
        ("2026-03-01T07:03:00Z", 9_007_199_254_740_993_i64.into()),
        ("2026-03-01T07:04:00Z", Event::System(248).into()),
        ("2026-03-01T07:05:00Z", failed),
        ("2026-03-01T07:06:00Z", Event::Boolean(true).into()),
        ("2026-03-01T07:07:00Z", "Überdruck \"hoch\" €\u{1F525}".into()),
    ];
    for (time, sample) in events {
        server.change("Check.Kinds", Change::Add(at(time)?, sample))?;
    }
    add("Check.Empty", PointType::Float32)?;
    add("Check.Array", PointType::Array)?;
    let spectrum = Event::Json("[1.5,2.5,null]".to_owned());
    server.change("Check.Array", Change::Add(at("2026-03-01T07:00:00Z")?, spectrum.into()))?;
    add("Check.Forbidden", PointType::Float32)?;
    server.break_point("Check.Forbidden", Some(PointFault::Forbidden))?;
    add("Check.Blob", PointType::Blob)?;
    Ok(())
}

fn told(server: &RunningServer) -> Fallible<String> {
    let points: Vec<Value> = server.points().iter().map(|path| point(server, path)).collect::<Fallible<_>>()?;
    let kinds = AfKind::ALL.into_iter().filter(|kind| *kind != AfKind::EventFrame);
    let objects: Map<String, Value> =
        kinds.map(|kind| (format!("{kind:?}"), server.assets().expected(kind).iter().map(object).collect())).collect();
    let frames: Vec<Value> = server.assets().expected_frames().iter().map(frame).collect();
    Ok(json!({
        "base": server.base_url(),
        "now": Ticks::from(server.clock().now()).to_string(),
        "server": { "Name": SERVER, "WebId": server.server_web_id(SERVER, Spelling::IdOnly)? },
        "points": points,
        "objects": objects,
        "frames": frames,
        "traits": server.assets().attribute_traits(),
    })
    .to_string())
}

fn point(server: &RunningServer, path: &str) -> Fallible<Value> {
    let spec = server.point(path)?;
    let events = server.events(path, Ticks(0), Ticks::END)?;
    Ok(json!({
        "Path": path,
        "WebId": server.web_id(path, Spelling::IdOnly)?,
        "Full": server.web_id(path, Spelling::Full)?,
        "PathOnly": server.web_id(path, Spelling::PathOnly)?,
        "Name": spec.name,
        "Descriptor": spec.descriptor,
        "PointType": spec.point_type.name(),
        "DigitalSetName": spec.digital_set.unwrap_or_default(),
        "EngineeringUnits": spec.units,
        "Step": spec.step,
        "Future": spec.future,
        "events": events.iter().map(event).collect::<Fallible<Vec<_>>>()?,
    }))
}

fn event(event: &Expected) -> Fallible<Value> {
    // As text: the reader parses it with its own rules for numbers.
    let errors: Option<Box<RawValue>> = event.errors.as_deref().map(serde_json::from_str).transpose()?;
    Ok(json!({
        "Timestamp": event.time.to_string(),
        "Value": event.value,
        "UnitsAbbreviation": event.units,
        "Good": event.good,
        "Questionable": event.questionable,
        "Substituted": event.substituted,
        "Errors": errors,
    }))
}

fn object(object: &ExpectedObject) -> Value {
    let mut out = object.fields.clone();
    let own = [
        ("WebId", &object.web_id),
        ("Id", &object.id),
        ("Name", &object.name),
        ("Description", &object.description),
        ("Path", &object.path),
    ];
    out.extend(own.map(|(name, text)| (name.to_owned(), json!(text))));
    json!({ "fields": out, "owner": object.owner, "holder": object.holder, "database": object.database, "rows": object.rows })
}

fn frame(frame: &ExpectedFrame) -> Value {
    let end = frame.end.unwrap_or(Ticks::END);
    let annotation = |one: &lakeflow_simulators::osipi::ExpectedAnnotation| {
        json!({
            "Id": one.id, "Name": one.name, "Description": one.description, "Value": one.value,
            "Creator": one.creator, "CreationDate": one.created.to_string(),
            "Modifier": one.modifier, "ModifyDate": one.modified.to_string(),
        })
    };
    let attribute = |one: &lakeflow_simulators::osipi::ExpectedAttribute| json!({ "WebId": one.web_id, "Name": one.name, "value": one.value, "hidden": one.hidden, "excluded": one.excluded });
    let (by, date) = frame.acknowledged.as_ref().map(|(user, at)| (user.clone(), at.to_string())).unzip();
    json!({
        "fields": {
            "WebId": frame.web_id, "Id": frame.id, "Name": frame.name, "Description": frame.description,
            "Path": frame.path, "TemplateName": frame.template, "HasChildren": frame.has_children,
            "CategoryNames": frame.categories, "StartTime": frame.start.to_string(), "EndTime": end.to_string(),
            "Severity": frame.severity, "AcknowledgedBy": by, "AcknowledgedDate": date,
            "CanBeAcknowledged": frame.can_be_acknowledged, "IsAcknowledged": by.is_some(),
            "IsAnnotated": !frame.annotations.is_empty(), "IsLocked": frame.locked,
            "AreValuesCaptured": frame.captured, "RefElementWebIds": frame.elements,
            "ExtendedProperties": frame.extended.iter().map(|(name, value)| (name.clone(), json!({ "Value": value })))
                .collect::<Map<_, _>>(),
        },
        "owner": frame.parent, "database": frame.database, "readable_elements": frame.readable_elements,
        "annotations": frame.annotations.iter().map(annotation).collect::<Vec<_>>(),
        "attributes": frame.attributes.iter().map(attribute).collect::<Vec<_>>(),
    })
}
