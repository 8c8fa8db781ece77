//! Values between events.

use super::{
    super::{
        archive::{Archive, Item, Stored},
        model::{Point, PointType},
        ticks::Ticks,
        world::World,
    },
    ask::Filter,
    body::Items,
    single::{computed, filtered, no_data, seconds},
};

/// The value of a point at an instant: that of the event there, between two events of a continuous point the line between
/// them, otherwise the one before.
pub(crate) fn value_at(archive: &Archive, point: &Point, at: Ticks, now: Ticks) -> Stored {
    let Some(before) = archive.before(point, at, now) else { return no_data() };
    let after = if point.spec.step || before.at == at { None } else { archive.after(point, at, now) };
    match after.and_then(|after| between(archive, point, before, after, at)) {
        Some(number) => computed(number),
        None => archive.stored(point, before),
    }
}

/// The value as a number, where it has one.
pub(crate) fn number_at(archive: &Archive, point: &Point, at: Ticks, now: Ticks) -> Option<f64> {
    let stored = value_at(archive, point, at, now);
    stored.number.filter(|_| stored.good && is_numeric(point))
}

/// Whether statistics make sense.
pub(crate) fn is_numeric(point: &Point) -> bool {
    let kind = point.spec.point_type;
    kind.is_real() || matches!(kind, PointType::Int16 | PointType::Int32 | PointType::Int64 | PointType::Digital)
}

fn between(archive: &Archive, point: &Point, before: Item<'_>, after: Item<'_>, at: Ticks) -> Option<f64> {
    let made = archive.made(point);
    let (low, high) = (before.number(made.as_ref())?, after.number(made.as_ref())?);
    let part = seconds(before.at, at) / seconds(before.at, after.at);
    (point.spec.point_type != PointType::Digital).then_some(low + (high - low) * part).filter(|n| n.is_finite())
}

/// Appends the value at each instant.
pub(crate) fn write(
    world: &World,
    point: &Point,
    times: &[Ticks],
    filter: &Filter,
    now: Ticks,
    out: &mut Items<'_, '_>,
) {
    for at in times {
        let stored = value_at(&world.archive, point, *at, now);
        let pass =
            filter.expression.as_ref().is_none_or(|filter| filter.holds(world, point.number, *at, now, stored.number));
        if pass {
            out.value(*at, &stored);
        } else if filter.include {
            out.value(*at, &filtered());
        }
    }
}
