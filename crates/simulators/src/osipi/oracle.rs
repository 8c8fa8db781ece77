//! What a complete read of the archive must contain.

use super::{
    archive::{Order, Overlay, Position},
    model::Point,
    ticks::Ticks,
    world::World,
};

/// One event as a lake must hold it.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The instant, exactly as the server spells it when displayed.
    pub time: Ticks,
    /// The value as JSON text, exactly as sent.
    pub value: String,
    /// The unit's abbreviation as sent with the value.
    pub units: String,
    /// Quality.
    pub good: bool,
    /// Quality.
    pub questionable: bool,
    /// Quality.
    pub substituted: bool,
    /// Whether there is an annotation; nothing when the server knows no such field.
    pub annotated: Option<bool>,
    /// The text of the annotation.
    pub annotation: Option<String>,
    /// The `Errors` list as JSON text.
    pub errors: Option<String>,
    /// Whether it is the newest event, which compression may still throw away.
    pub is_snapshot: bool,
}

/// The events of a point in `[from, to)` as they were at a position, in the server's order.
pub(crate) fn expected(world: &World, point: &Point, (from, to): (Ticks, Ticks), at: Position) -> Vec<Expected> {
    let overlay: Overlay = world.archive.overlay_at(point.number, at.changes);
    let overlay = Some(&overlay);
    let end = (Ticks(i64::MIN), Ticks(i64::MAX - 1));
    let newest = world.archive.scan_over(point, overlay, end, at.now, Order::Down).next().map(|item| item.at);
    let window = (from, Ticks(to.0.saturating_sub(1)));
    let mut all: Vec<Expected> = world
        .archive
        .scan_over(point, overlay, window, at.now, Order::Up)
        .map(|item| {
            let stored = world.archive.stored(point, item);
            Expected {
                time: item.at,
                value: stored.json,
                units: if stored.good { point.spec.units.clone() } else { String::new() },
                good: stored.good,
                questionable: stored.questionable,
                substituted: stored.substituted,
                annotated: world.config.wire.annotated.then_some(stored.annotation.is_some()),
                annotation: stored.annotation,
                errors: stored.errors,
                is_snapshot: false,
            }
        })
        .collect();
    if let Some(last) = all.last_mut() {
        last.is_snapshot = Some(last.time) == newest;
    }
    all
}
