//! Bodies of stream answers, written straight into bytes.

use serde_json::Value;

use super::{
    super::{
        af::AfStream,
        archive::{Columns, EventWriter, Item, Stored},
        call::{Call, Refusal},
        json::{quoted, write_name, write_quoted},
        model::{Point, PointFault},
        select::Selection,
        ticks::Ticks,
        world::World,
    },
    ask::Ask,
    single,
    source::Stream,
};

/// A list of timed values that is being written.
#[derive(Debug)]
pub(crate) struct Items<'a, 'b> {
    pub(crate) events: EventWriter<'a>,
    pub(crate) out: &'b mut Vec<u8>,
}

impl Items<'_, '_> {
    /// Appends an event of the archive.
    pub(crate) fn item(&mut self, item: Item<'_>) {
        self.comma();
        self.events.write(item, self.out);
    }

    /// Appends a value that is no event.
    pub(crate) fn value(&mut self, at: Ticks, stored: &Stored) {
        self.comma();
        self.events.write_stored(at, stored, self.out);
    }

    pub(crate) fn comma(&mut self) {
        if self.out.last() == Some(&b'}') {
            self.out.push(b',');
        }
    }
}

/// Whether a selection goes below members that are written as a whole, so that the body must be filtered afterwards.
fn is_deep(values: &Selection, summary: bool) -> bool {
    let values = if summary { values.member("Value") } else { Some(values) };
    values.is_some_and(|values| ["Value", "Errors", "Annotations"].iter().any(|name| values.is_part(name)))
}

/// The body for one stream.
///
/// # Errors
/// What is wrong with the stream.
pub(crate) fn stream(call: &Call<'_>, world: &World, ask: &Ask, stream: &Stream) -> Result<Vec<u8>, Refusal> {
    let selection = call.selection();
    let single = ask.is_single(false);
    let values = if single { Some(&selection) } else { selection.member("Items") };
    let deep = values.is_some_and(|values| is_deep(values, matches!(ask, Ask::Summary(_))));
    let written = if deep { Selection::default() } else { selection.clone() };
    let mut out = Vec::new();
    if single {
        one(call, world, ask, stream, &written, &mut out)?;
    } else {
        out.push(b'{');
        if written.has("Links") {
            write_name("Links", &mut out);
            out.extend_from_slice(b"{}");
        }
        content(call, world, ask, stream, &written, &mut out)?;
        out.push(b'}');
    }
    if !deep {
        return Ok(out);
    }
    let whole: Value = serde_json::from_slice(&out).map_err(|error| Refusal::new(500, error.to_string()))?;
    Ok(selection.of(whole).to_string().into_bytes())
}

/// The body for several streams; each either resolved or refused.
///
/// # Errors
/// When a body cannot be filtered.
pub(crate) fn set(
    call: &Call<'_>,
    world: &World,
    ask: &Ask,
    streams: &[Result<Stream, Refusal>],
) -> Result<Vec<u8>, Refusal> {
    let selection = call.selection();
    let single = ask.is_single(true);
    let name = if single { "Value" } else { "Items" };
    let inner = selection.member("Items").and_then(|items| items.member(name));
    let deep = inner.is_some_and(|values| is_deep(values, matches!(ask, Ask::Summary(_))))
        || selection.member("Items").is_some_and(|items| items.is_part("Links") || items.is_part("WebException"));
    let written = if deep { Selection::default() } else { selection.clone() };
    let mut out = vec![b'{'];
    if written.has("Links") {
        write_name("Links", &mut out);
        out.extend_from_slice(b"{}");
    }
    if let Some(fields) = written.member("Items") {
        write_name("Items", &mut out);
        out.push(b'[');
        for each in streams {
            let missing = each.as_ref().ok().and_then(|stream| fault(world, stream));
            if missing == Some(PointFault::MissingFromSets) {
                continue;
            }
            if out.last() == Some(&b'}') {
                out.push(b',');
            }
            member(call, world, ask, each, fields, &mut out);
        }
        out.push(b']');
    }
    out.push(b'}');
    if !deep {
        return Ok(out);
    }
    let whole: Value = serde_json::from_slice(&out).map_err(|error| Refusal::new(500, error.to_string()))?;
    Ok(selection.of(whole).to_string().into_bytes())
}

fn member(
    call: &Call<'_>,
    world: &World,
    ask: &Ask,
    stream: &Result<Stream, Refusal>,
    fields: &Selection,
    out: &mut Vec<u8>,
) {
    out.push(b'{');
    let refusal = match stream {
        Err(refusal) => Some(refusal.clone()),
        Ok(stream) => {
            for (name, text) in [("WebId", &stream.web_id), ("Name", &stream.name), ("Path", &stream.path)] {
                if fields.has(name) {
                    write_name(name, out);
                    write_quoted(text, out);
                }
            }
            if fields.has("Links") {
                write_name("Links", out);
                let source = match stream.source {
                    AfStream::Point(_) => "points",
                    AfStream::Fixed { .. } => "attributes",
                };
                let link = call.link(&format!("{source}/{}", stream.web_id));
                out.extend_from_slice(format!("{{\"Source\":{}}}", quoted(&link)).as_bytes());
            }
            let begin = out.len();
            let written = if ask.is_single(true) {
                match fields.member("Value") {
                    None => Ok(()),
                    Some(values) => {
                        write_name("Value", out);
                        one(call, world, ask, stream, values, out)
                    }
                }
            } else {
                content(call, world, ask, stream, fields, out)
            };
            written.err().inspect(|_| out.truncate(begin))
        }
    };
    if let Some(refusal) = refusal {
        if !ask.is_single(true) && fields.has("Items") {
            write_name("Items", out);
            out.extend_from_slice(b"[]");
        }
        if fields.has("WebException") {
            exception(&refusal, out);
        }
    }
    out.push(b'}');
}

fn exception(refusal: &Refusal, out: &mut Vec<u8>) {
    write_name("WebException", out);
    let text = quoted(&refusal.message);
    out.extend_from_slice(format!("{{\"StatusCode\":{},\"Errors\":[{text}]}}", refusal.status).as_bytes());
}

/// What is wrong with the point behind a stream.
fn fault(world: &World, stream: &Stream) -> Option<PointFault> {
    match stream.source {
        AfStream::Point(number) => world.points.get(number)?.fault,
        AfStream::Fixed { .. } => None,
    }
}

/// `Items` and `UnitsAbbreviation` of a stream that answers with a list.
fn content(
    call: &Call<'_>,
    world: &World,
    ask: &Ask,
    stream: &Stream,
    fields: &Selection,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let broken = fault(world, stream) == Some(PointFault::WebException);
    let Some(point) = stream.point(world)? else { return fixed_content(call, ask, stream, fields, out) };
    if let Some(values) = fields.member("Items") {
        write_name("Items", out);
        out.push(b'[');
        let begin = out.len();
        list(call, world, ask, point, values, out);
        if broken {
            halve(begin, out);
        }
        out.push(b']');
    }
    units(&point.spec.units, ask, fields, out);
    if broken && fields.has("WebException") {
        exception(&Refusal::new(500, "The connection to the data server was lost while reading."), out);
    }
    Ok(())
}

/// Drops the second half of the objects behind `begin`.
fn halve(begin: usize, out: &mut Vec<u8>) {
    let middle = begin + (out.len() - begin) / 2;
    let cut = out.get(begin..middle).and_then(|half| half.windows(3).rposition(|three| three == b"},{"));
    out.truncate(cut.map_or(begin, |at| begin + at + 1));
}

fn units(units: &str, ask: &Ask, fields: &Selection, out: &mut Vec<u8>) {
    if fields.has("UnitsAbbreviation") && !matches!(ask, Ask::Summary(_)) {
        write_name("UnitsAbbreviation", out);
        write_quoted(units, out);
    }
}

fn columns(call: &Call<'_>, ask: &Ask, values: &Selection) -> Columns {
    let annotations = matches!(ask, Ask::Recorded(query) if query.annotations);
    Columns::of(values, call.config.wire.annotated, annotations)
}

fn list(call: &Call<'_>, world: &World, ask: &Ask, point: &Point, values: &Selection, out: &mut Vec<u8>) {
    let archive = &world.archive;
    let made = archive.made(point);
    let events = EventWriter::of_point(columns(call, ask, values), made, point);
    let mut items = Items { events, out };
    match ask {
        Ask::Recorded(query) => query.write(world, point, call.now, &mut items),
        Ask::Interpolated(times, filter) => {
            super::interpolate::write(world, point, times, filter, call.now, &mut items);
        }
        Ask::Plot(query) => query.write(archive, point, call.now, &mut items),
        Ask::Summary(query) => query.write(call, world, point, values, items.out),
        Ask::RecordedAtTimes(times, mode) => {
            for time in times {
                single::write_recorded_at(archive, point, *time, *mode, call.now, &mut items);
            }
        }
        Ask::End => single::write_end(archive, point, call.now, &mut items),
        Ask::Value(_) | Ask::RecordedAt(..) => {}
    }
}

/// The value object of a stream that answers with one value.
fn one(
    call: &Call<'_>,
    world: &World,
    ask: &Ask,
    stream: &Stream,
    values: &Selection,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if fault(world, stream) == Some(PointFault::WebException) {
        return Err(Refusal::new(500, "The connection to the data server was lost while reading."));
    }
    let Some(point) = stream.point(world)? else { return fixed_one(call, ask, stream, values, out) };
    let archive = &world.archive;
    let events = EventWriter::of_point(columns(call, ask, values), archive.made(point), point);
    // The list writer adds a comma only behind a closing brace.
    let mut items = Items { events, out };
    match ask {
        Ask::Value(None) => single::write_end(archive, point, call.now, &mut items),
        Ask::Value(Some(time)) => {
            let value = super::interpolate::value_at(archive, point, *time, call.now);
            items.value(*time, &value);
        }
        Ask::RecordedAt(time, mode) => single::write_recorded_at(archive, point, *time, *mode, call.now, &mut items),
        _ => single::write_end(archive, point, call.now, &mut items),
    }
    Ok(())
}

fn fixed(stream: &Stream) -> Option<(Stored, Ticks, &str)> {
    let AfStream::Fixed { json, units, at, good } = &stream.source else { return None };
    let stored = Stored {
        json: json.clone(),
        number: json.parse().ok(),
        good: *good,
        questionable: false,
        substituted: false,
        annotation: None,
        errors: None,
    };
    Some((stored, *at, units))
}

fn fixed_one(
    call: &Call<'_>,
    ask: &Ask,
    stream: &Stream,
    values: &Selection,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let history = !matches!(ask, Ask::Value(_) | Ask::End);
    let Some((stored, at, units)) = fixed(stream).filter(|_| !history) else {
        return Err(Refusal::new(409, "The data reference of this attribute does not support this operation."));
    };
    EventWriter::new(columns(call, ask, values), None, units).write_stored(at, &stored, out);
    Ok(())
}

fn fixed_content(
    call: &Call<'_>,
    ask: &Ask,
    stream: &Stream,
    fields: &Selection,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if !matches!(ask, Ask::End) {
        return Err(Refusal::new(409, "The data reference of this attribute does not support this operation."));
    }
    if let Some(values) = fields.member("Items") {
        write_name("Items", out);
        out.push(b'[');
        fixed_one(call, ask, stream, values, out)?;
        out.push(b']');
    }
    units(fixed(stream).map_or("", |(_, _, units)| units), ask, fields, out);
    Ok(())
}
