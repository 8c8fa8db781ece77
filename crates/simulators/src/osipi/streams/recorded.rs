//! Events of a window.

use super::{
    super::{
        archive::{Item, Order},
        model::Point,
        ticks::Ticks,
        world::World,
    },
    ask::Filter,
    body::Items,
    interpolate::value_at,
    single::filtered,
};

/// Parameters of `recorded`.
#[derive(Clone, Debug)]
pub(crate) struct RecordedQuery {
    pub(crate) start: Ticks,
    pub(crate) end: Ticks,
    pub(crate) boundary: Boundary,
    pub(crate) max_count: usize,
    pub(crate) filter: Filter,
    pub(crate) annotations: bool,
}

/// What is given at the ends of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Boundary {
    /// Nothing but the events inside, both ends included.
    Inside,
    /// Also the next event on either side.
    Outside,
    /// Also interpolated values at both ends.
    Interpolated,
}

impl RecordedQuery {
    /// Appends the events, at most `max_count`.
    pub(crate) fn write(&self, world: &World, point: &Point, now: Ticks, out: &mut Items<'_, '_>) {
        let archive = &world.archive;
        let (start, end) = (archive.quantise(self.start), archive.quantise(self.end));
        let (low, high, order) = if end < start { (end, start, Order::Down) } else { (start, end, Order::Up) };
        let mut left = self.max_count;
        // The usual read, and the one that must be fast.
        if self.boundary == Boundary::Inside && self.filter.expression.is_none() {
            for item in archive.scan(point, (low, high), now, order).take(left) {
                out.item(item);
            }
            return;
        }
        let before = || archive.before(point, Ticks(low.0 - 1), now);
        let after = || archive.after(point, Ticks(high.0 + 1), now);
        let (near, far) = if order == Order::Up { (before(), after()) } else { (after(), before()) };
        self.write_edge(world, point, (start, near), now, &mut left, out);
        for item in archive.scan(point, (low, high), now, order) {
            if left == 0 {
                return;
            }
            self.write_filtered(world, point, item, now, &mut left, out);
        }
        if start != end {
            self.write_edge(world, point, (end, far), now, &mut left, out);
        }
    }

    /// What the boundary type adds at one end of the window, unless there is an event exactly there.
    fn write_edge(
        &self,
        world: &World,
        point: &Point,
        (at, neighbour): (Ticks, Option<Item<'_>>),
        now: Ticks,
        left: &mut usize,
        out: &mut Items<'_, '_>,
    ) {
        let archive = &world.archive;
        if *left == 0 || archive.scan(point, (at, at), now, Order::Up).next().is_some() {
            return;
        }
        match (self.boundary, neighbour) {
            (Boundary::Outside, Some(item)) => self.write_filtered(world, point, item, now, left, out),
            (Boundary::Interpolated, _) => {
                *left -= 1;
                out.value(at, &value_at(archive, point, at, now));
            }
            _ => {}
        }
    }

    fn write_filtered(
        &self,
        world: &World,
        point: &Point,
        item: Item<'_>,
        now: Ticks,
        left: &mut usize,
        out: &mut Items<'_, '_>,
    ) {
        if self.filter.passes(world, point, item, now) {
            out.item(item);
        } else if self.filter.include {
            out.value(item.at, &filtered());
        } else {
            return;
        }
        *left -= 1;
    }
}

impl Filter {
    /// Whether an event is kept.
    pub(crate) fn passes(&self, world: &World, point: &Point, item: Item<'_>, now: Ticks) -> bool {
        let Some(expression) = &self.expression else { return true };
        let number = item.number(world.archive.made(point).as_ref());
        expression.holds(world, point.number, item.at, now, number)
    }
}
