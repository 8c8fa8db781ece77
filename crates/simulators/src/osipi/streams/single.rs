//! One value of a stream.

use super::{
    super::{
        archive::{Archive, Item, Order, Sample, Stored, Value},
        model::{Point, PointSpec, PointType},
        ticks::{SECOND, Ticks},
    },
    ask::Retrieval,
    body::Items,
};

/// A system state as a value.
pub(crate) fn system(code: i32) -> Stored {
    Stored::of(&Sample::from(Value::System(code)), &PointSpec::new("", PointType::String))
}

/// What stands for a value that a filter left out.
pub(crate) fn filtered() -> Stored {
    system(307)
}

/// What stands for a value that does not exist.
pub(crate) fn no_data() -> Stored {
    system(248)
}

/// The newest event.
pub(crate) fn write_end(archive: &Archive, point: &Point, now: Ticks, out: &mut Items<'_, '_>) {
    match archive.snapshot(point, now) {
        Some(item) => out.item(item),
        None => out.value(now, &system(253)),
    }
}

/// One event at or near an instant.
pub(crate) fn write_recorded_at(
    archive: &Archive,
    point: &Point,
    time: Ticks,
    mode: Retrieval,
    now: Ticks,
    out: &mut Items<'_, '_>,
) {
    match recorded_at(archive, point, archive.quantise(time), mode, now) {
        Some(item) => out.item(item),
        None => out.value(time, &no_data()),
    }
}

fn recorded_at<'a>(archive: &'a Archive, point: &'a Point, at: Ticks, mode: Retrieval, now: Ticks) -> Option<Item<'a>> {
    let (before, after) = (Ticks(at.0 - 1), Ticks(at.0 + 1));
    match mode {
        Retrieval::AtOrBefore | Retrieval::Auto => archive.before(point, at, now),
        Retrieval::Before => archive.before(point, before, now),
        Retrieval::AtOrAfter => archive.after(point, at, now),
        Retrieval::After => archive.after(point, after, now),
        Retrieval::Exact => archive.scan(point, (at, at), now, Order::Up).next(),
    }
}

/// The digits that a generated number is cut to when it is computed.
pub(crate) fn computed(number: f64) -> Stored {
    Stored::of(&Sample::from(number), &PointSpec::new("", PointType::Float64))
}

/// Seconds between two instants.
pub(crate) fn seconds(from: Ticks, to: Ticks) -> f64 {
    (to.0 - from.0) as f64 / SECOND as f64
}
