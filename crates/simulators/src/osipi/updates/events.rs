//! What happened to a point between two moments, as the feed tells it.

use serde_json::{Value, json};

use super::super::{
    archive::{Action, Columns, Entry, EventWriter, Item, Made, Position, Previous, Stored, What},
    model::Point,
    select::Selection,
    ticks::Ticks,
    world::World,
};

/// The events of a point after `from` up to `to`, in the order in which they happened.
pub(super) fn between(world: &World, point: &Point, from: Position, to: Position) -> Vec<Value> {
    let mut all: Vec<(Ticks, Value)> = Vec::new();
    if let Some(made) = world.archive.made(point) {
        let limit = |at: Position| made.first_after(world.archive.limit(point, at.now));
        for event in limit(from)..limit(to) {
            all.push((made.time(event).min(to.now), generated(world, point, &made, event)));
        }
    }
    let journal = world.archive.journal().get(from.changes..to.changes).unwrap_or_default();
    all.extend(
        journal.iter().filter(|entry| entry.point == point.number).map(|entry| (entry.at, change(world, point, entry))),
    );
    all.sort_by_key(|(happened, _)| *happened);
    all.into_iter().map(|(_, event)| event).collect()
}

/// Everything from an instant on is invalid.
pub(super) fn refresh(from: Ticks) -> Value {
    json!({
        "Action": "Refresh",
        "PreviousEventAction": "None",
        "Timestamp": from.to_string(),
        "UnitsAbbreviation": "",
        "Good": true,
        "Questionable": false,
        "Substituted": false,
        "Value": null,
    })
}

fn generated(world: &World, point: &Point, made: &Made<'_>, event: i64) -> Value {
    let at = made.time(event);
    let previous = match event.checked_sub(1) {
        Some(before) if before >= 0 && made.is_discarded(before) => Previous::Discarded,
        Some(before) if before >= 0 => Previous::Archived,
        _ => Previous::None,
    };
    let stored = world.archive.stored(point, Item { at, what: What::Made(event) });
    told(world, point, Action::Add, previous, at, Some(&stored))
}

fn change(world: &World, point: &Point, entry: &Entry) -> Value {
    let group = entry.groups.iter().find(|(time, _)| *time == entry.time).map(|(_, group)| group.as_slice());
    let stored = group.and_then(<[Stored]>::last).filter(|_| entry.action != Action::Delete);
    told(world, point, entry.action, entry.previous, entry.time, stored)
}

fn told(world: &World, point: &Point, action: Action, previous: Previous, at: Ticks, stored: Option<&Stored>) -> Value {
    let nothing = Stored {
        json: "null".to_owned(),
        number: None,
        good: true,
        questionable: false,
        substituted: false,
        annotation: None,
        errors: None,
    };
    let columns = Columns::of(&Selection::default(), world.config.wire.annotated, false);
    let mut bytes = Vec::new();
    EventWriter::of_point(columns, None, point).write_stored(at, stored.unwrap_or(&nothing), &mut bytes);
    let mut event: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    event["Action"] = json!(match action {
        Action::Add => "Add",
        Action::Update => "Update",
        Action::Delete => "Delete",
    });
    event["PreviousEventAction"] = json!(match previous {
        Previous::None => "None",
        Previous::Archived => "PreviousEventArchived",
        Previous::Discarded => "PreviousEventDiscarded",
    });
    event
}
