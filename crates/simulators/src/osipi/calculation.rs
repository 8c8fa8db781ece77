//! `/calculation`: expressions at instants and over windows.

use serde_json::json;

use super::{
    archive::{Columns, EventWriter, Order},
    call::{Answer, Call, Refusal, json_reply, read_web_id},
    expression::Expression,
    select::Selection,
    streams::{Statistics, SummaryQuery, beats, computed, readable, system},
    ticks::Ticks,
    time::{Clock, Span},
    webid::Kind,
    world::World,
};

/// Answers calls about calculations; nothing when there is no such route.
pub(crate) fn route(call: &Call<'_>, world: &mut World) -> Option<Answer> {
    let get = |answer: Answer| Some(call.only_get().and(answer));
    match call.segments().as_slice() {
        ["calculation", "intervals"] => get(intervals(call, world)),
        ["calculation", "recorded"] => get(recorded(call, world)),
        ["calculation", "times"] => get(times(call, world)),
        ["calculation", "summary"] => get(summary(call, world)),
        _ => None,
    }
}

/// The expression of a call, in the context of the data server that `webId` may name.
fn expression(call: &Call<'_>, world: &World) -> Result<Expression, Refusal> {
    let server = match call.filled("webId") {
        None => None,
        Some(text) if read_web_id(text)?.kind == Kind::DataServer => Some(world.server(text)?),
        Some(_) => None,
    };
    let found = Expression::parse(call.required("expression")?, world, server)?;
    let mut points = Vec::new();
    found.points(&mut points);
    for point in points.iter().filter_map(|number| world.points.get(*number)) {
        readable(world, point)?;
    }
    Ok(found)
}

fn intervals(call: &Call<'_>, world: &World) -> Answer {
    let expression = expression(call, world)?;
    let clock = Clock::of(call)?;
    let interval = Span::of("sampleInterval", call.filled("sampleInterval").unwrap_or("1h"))?;
    answer(call, world, &expression, &beats(call, &clock, clock.window(call)?, interval)?)
}

fn times(call: &Call<'_>, world: &World) -> Answer {
    let expression = expression(call, world)?;
    let clock = Clock::of(call)?;
    let times = call.all("time").map(|text| clock.instant("time", text)).collect::<Result<Vec<_>, _>>()?;
    if times.is_empty() {
        return Err(Refusal::bad("The parameter 'time' is required."));
    }
    answer(call, world, &expression, &times)
}

/// At every event of the points that are used.
fn recorded(call: &Call<'_>, world: &World) -> Answer {
    let expression = expression(call, world)?;
    answer(call, world, &expression, &event_times(call, world, &expression, Clock::of(call)?.window(call)?)?)
}

fn event_times(
    call: &Call<'_>,
    world: &World,
    expression: &Expression,
    (start, end): (Ticks, Ticks),
) -> Result<Vec<Ticks>, Refusal> {
    let mut points = Vec::new();
    expression.points(&mut points);
    let window = (start.min(end), start.max(end));
    let mut times: Vec<Ticks> = points
        .iter()
        .filter_map(|number| world.points.get(*number))
        .flat_map(|point| world.archive.scan(point, window, call.now, Order::Up).map(|item| item.at))
        .take(call.config.limits.max_items.saturating_add(1))
        .collect();
    call.within_cap("recorded values", times.len())?;
    times.sort_unstable();
    times.dedup();
    if end < start {
        times.reverse();
    }
    Ok(times)
}

fn answer(call: &Call<'_>, world: &World, expression: &Expression, times: &[Ticks]) -> Answer {
    let columns = Columns::of(&Selection::default(), call.config.wire.annotated, false);
    let mut writer = EventWriter::new(columns, None, "");
    let mut out = Vec::new();
    for at in times {
        if !out.is_empty() {
            out.push(b',');
        }
        let value = expression.value(world, *at, call.now).map_or_else(|| system(249), computed);
        writer.write_stored(*at, &value, &mut out);
    }
    body(call, &out)
}

fn summary(call: &Call<'_>, world: &World) -> Answer {
    let expression = expression(call, world)?;
    let query = SummaryQuery::of(call, world)?;
    let all: Vec<Statistics> = query
        .intervals
        .iter()
        .map(|window| {
            let times = event_times(call, world, &expression, *window)?;
            Ok(Statistics::of_values(times.into_iter().map(|at| (at, expression.value(world, at, call.now)))))
        })
        .collect::<Result<_, Refusal>>()?;
    let mut out = Vec::new();
    query.write_all(call, &all, true, "", &Selection::default(), &mut out);
    body(call, &out)
}

fn body(call: &Call<'_>, items: &[u8]) -> Answer {
    let selection = call.selection();
    if !selection.is_all() {
        let text = [b"[", items, b"]"].concat();
        let items: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| Refusal::new(500, error.to_string()))?;
        return call.ok(json!({ "Links": {}, "Items": items, "UnitsAbbreviation": "" }));
    }
    Ok(json_reply(200, [b"{\"Links\":{},\"Items\":[", items, b"],\"UnitsAbbreviation\":\"\"}"].concat()))
}
