//! `/dataservers/{webId}/points` and `/points`.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Refusal, read_web_id},
    hash::mix,
    json::quoted,
    lists::{Page, fits, whole},
    model::{Point, PointType},
    multiple::multiple,
    servers::add_links,
    streams::{alive, point_web_id, reachable},
    webid::Kind,
    world::World,
};

/// Answers calls about points; nothing when there is no such route.
pub(crate) fn route(call: &Call<'_>, world: &mut World) -> Option<Answer> {
    let get = |answer: Answer| Some(call.only_get().and(answer));
    match call.segments().as_slice() {
        ["dataservers", id, "points"] => get(list(call, world, id)),
        ["points"] => get(by_path(call, world)),
        ["points", "multiple"] => {
            let show = |point| show(call, world, point);
            get(multiple(call, |id| named(world, id), |path| at_path(world, path), show))
        }
        ["points", id] => get(named(world, id).and_then(|point| call.ok(show(call, world, point)))),
        ["points", id, "attributes"] => get(attributes(call, world, id)),
        ["points", id, "attributes", name] => get(attribute(call, world, id, name)),
        _ => None,
    }
}

fn named<'a>(world: &'a World, text: &str) -> Result<&'a Point, Refusal> {
    let id = read_web_id(text)?;
    if id.kind != Kind::Point {
        return Err(Refusal::bad(format!("The WebID '{text}' is not that of a PI Point.")));
    }
    let point = world.point_of(&id).and_then(|number| world.points.get(number));
    let point = point.ok_or_else(|| Refusal::absent(format!("PI Point not found for WebID '{text}'.")))?;
    reachable(world, point)?;
    Ok(point)
}

fn at_path<'a>(world: &'a World, path: &str) -> Result<&'a Point, Refusal> {
    let absent = || Refusal::absent(format!("PI Point not found '{path}'."));
    if !path.starts_with(r"\\") {
        return Err(Refusal::bad(format!("The path '{path}' is not valid.")));
    }
    let point = world.point_at(path).and_then(|number| world.points.get(number)).ok_or_else(absent)?;
    reachable(world, point)?;
    Ok(point)
}

fn list(call: &Call<'_>, world: &World, id: &str) -> Answer {
    let server = world.server(id)?;
    alive(world, server)?;
    let page = Page::of(call)?;
    let filter = call.get("nameFilter");
    let all: Vec<&Point> = world
        .points_of(server)
        .into_iter()
        .filter_map(|number| world.points.get(number))
        .filter(|point| fits(filter, &point.spec.name))
        .collect();
    page.answer(call, &all, |point| show(call, world, point))
}

fn by_path(call: &Call<'_>, world: &World) -> Answer {
    let point = at_path(world, call.required("path")?)?;
    call.ok(show(call, world, point))
}

/// A point as JSON.
pub(crate) fn show(call: &Call<'_>, world: &World, point: &Point) -> Value {
    let spec = &point.spec;
    let web_id = point_web_id(call, world, point);
    let mut out = json!({
        "WebId": web_id,
        "Id": point.id,
        "Name": spec.name,
        "Path": point.path,
        "Descriptor": spec.descriptor,
        "PointClass": "classic",
        "PointType": spec.point_type.name(),
        "DigitalSetName": spec.digital_set.as_deref().unwrap_or_default(),
        "Span": spec.span,
        "Zero": spec.zero,
        "EngineeringUnits": spec.units,
        "Step": spec.step,
        "Future": spec.future,
        "DisplayDigits": spec.display_digits,
    });
    let server = world
        .servers
        .get(point.server)
        .map(|server| call.web_id(Kind::DataServer, &[server.id], None, &format!(r"\\{}", server.name)));
    let streams = ["InterpolatedData", "RecordedData", "PlotData", "SummaryData", "Value", "EndValue"]
        .into_iter()
        .zip(["interpolated", "recorded", "plot", "summary", "value", "end"])
        .map(|(name, route)| (name, format!("streams/{web_id}/{route}")));
    let links = [("DataServer", format!("dataservers/{}", server.unwrap_or_default()))]
        .into_iter()
        .chain([("Attributes", format!("points/{web_id}/attributes"))])
        .chain(streams);
    add_links(call, &mut out, &format!("points/{web_id}"), links);
    out
}

fn attributes(call: &Call<'_>, world: &World, id: &str) -> Answer {
    let point = named(world, id)?;
    let filter = call.get("nameFilter");
    let names: Vec<&str> = call.all("name").filter(|name| !name.is_empty()).collect();
    let all = attribute_values(point);
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))) {
        return Err(Refusal::bad(format!("The PI Point attribute '{unknown}' does not exist.")));
    }
    let wanted = |name: &str| {
        fits(filter, name) && (names.is_empty() || names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)))
    };
    let items =
        all.into_iter().filter(|(name, _)| wanted(name)).map(|(name, value)| show_attribute(call, id, name, value));
    whole(call, items.collect())
}

fn attribute(call: &Call<'_>, world: &World, id: &str, name: &str) -> Answer {
    let point = named(world, id)?;
    let found = attribute_values(point).into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let (name, value) =
        found.ok_or_else(|| Refusal::absent(format!("The PI Point attribute '{name}' does not exist.")))?;
    call.ok(show_attribute(call, id, name, value))
}

fn show_attribute(call: &Call<'_>, id: &str, name: &str, value: Value) -> Value {
    let mut out = json!({ "Name": name, "Value": value });
    add_links(call, &mut out, &format!("points/{id}/attributes/{name}"), [("Point", format!("points/{id}"))]);
    out
}

/// The attributes of a point, sorted by name.
pub(crate) fn attribute_values(point: &Point) -> Vec<(&'static str, Value)> {
    let spec = &point.spec;
    let some = mix(point.number as u64, 11, 13);
    let typical = match spec.point_type {
        PointType::Digital => json!({ "Name": "OPEN", "Value": 1, "IsSystem": false }),
        PointType::String | PointType::Blob | PointType::Timestamp => Value::Null,
        _ => json!(spec.zero + spec.span / 2.0),
    };
    let mut all = vec![
        ("archiving", json!(1)),
        ("changedate", json!("2025-11-03T09:15:00Z")),
        ("changer", json!("PLANT\\engineer")),
        ("compdev", json!(spec.span / 500.0)),
        ("compdevpercent", json!(0.2)),
        ("compmax", json!(28_800)),
        ("compmin", json!(0)),
        ("compressing", json!(1)),
        ("creationdate", json!("2020-01-02T03:04:05Z")),
        ("creator", json!("PLANT\\engineer")),
        ("descriptor", json!(spec.descriptor)),
        ("digitalset", json!(spec.digital_set)),
        ("displaydigits", json!(spec.display_digits)),
        ("engunits", json!(spec.units)),
        ("excdev", json!(spec.span / 1_000.0)),
        ("excmax", json!(600)),
        ("exdesc", json!(quoted(&spec.name))),
        ("future", json!(spec.future)),
        ("instrumenttag", json!(format!("PLC1.DB{}.{}", some % 90 + 10, point.number))),
        ("location1", json!(1)),
        ("location4", json!(some % 5 + 1)),
        ("pointid", json!(point.id)),
        ("pointsource", json!("L")),
        ("pointtype", json!(spec.point_type.name())),
        ("ptclassname", json!("classic")),
        ("scan", json!(1)),
        ("shutdown", json!(1)),
        ("span", json!(spec.span)),
        ("step", json!(i32::from(spec.step))),
        ("tag", json!(spec.name)),
        ("typicalvalue", typical),
        ("zero", json!(spec.zero)),
    ];
    all.sort_by_key(|(name, _)| *name);
    all
}
