//! Event frames: open, closed, nested, acknowledged, annotated, tied.

use serde_json::json;

use super::{AfConfig, Tag, attributes, catalogue, guid, templates};
use crate::osipi::{
    af::{
        object::{Annotation, Body, Frame, Ix, Kind},
        store::Store,
    },
    ticks::{DAY, SECOND, Ticks},
};

/// The times that an asset server can keep: 1/300 of a second.
pub(crate) fn kept(at: Ticks) -> Ticks {
    let (second, part) = (at.0.div_euclid(SECOND), at.0.rem_euclid(SECOND));
    let third = (part * 300 + SECOND / 2) / SECOND;
    Ticks(second * SECOND + third * SECOND / 300)
}

pub(super) fn history(
    store: &mut Store,
    database: Ix,
    elements: &[Ix],
    config: &AfConfig,
    now: Ticks,
    tags: &[Tag],
    random: &mut fastrand::Rng,
) {
    let days = i64::from(config.event_frame_days.max(1)) * DAY;
    let count = config.event_frames;
    let (mut at, mut tied_until, mut tied_start) = (0, 0, now);
    while at < count {
        let step = days / count as i64;
        let mut start = kept(Ticks(now.0 - days + step * at as i64 + random.i64(0..step.max(1))));
        if at < tied_until {
            start = tied_start;
        } else if at % 20 == 3 {
            (tied_until, tied_start) = (at + config.tied_frames, start);
        }
        let open = at + 4 > count || at % 97 == 5;
        // From seconds to days, most of them short.
        let length = 10_i64.pow(random.u32(0..5)) * random.i64(SECOND..10 * SECOND);
        let end = (!open).then(|| kept(Ticks((start.0 + length).min(now.0))));
        let parent = one(store, database, elements, (start, end), at, now, tags, random);
        at += 1;
        let children = if at % 11 == 7 { 2.min(count - at) } else { 0 };
        for child in 0..children as i64 {
            let end = end.map(|end| Ticks(start.0 + (end.0 - start.0) * (child + 1) / 2)).map(kept);
            one(store, parent, elements, (start, end), at, now, tags, random);
            at += 1;
        }
    }
    if config.denied {
        let all: Vec<Ix> = store.owned(database, Kind::EventFrame).collect();
        for ix in all.into_iter().skip(13).step_by(41) {
            deny(store, ix);
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "a generator's knobs")]
fn one(
    store: &mut Store,
    owner: Ix,
    elements: &[Ix],
    (start, end): (Ticks, Option<Ticks>),
    at: usize,
    now: Ticks,
    tags: &[Tag],
    random: &mut fastrand::Rng,
) -> Ix {
    let database = store.within(owner, Kind::AssetDatabase).unwrap_or(owner);
    let template_name = ["Downtime", "Batch", "Excursion", "Downtime", ""][at % 5];
    let template = templates::named(store, database, template_name);
    let spec = templates::spec(template_name);
    let name = match spec {
        Some(spec) if spec.name == "Batch" => format!("Batch {}", 1_000 + at / 5),
        Some(spec) => format!("{} {}", spec.name, &start.to_string()[..16]),
        None => format!("Ereignis {at} – ohne Vorlage"),
    };
    let can_be_acknowledged = spec.is_some_and(|spec| spec.can_be_acknowledged);
    let acknowledged = (can_be_acknowledged && end.is_some() && at.is_multiple_of(3))
        .then(|| ("PLANT\\operator".to_owned(), kept(Ticks((end.unwrap_or(now).0 + 60 * SECOND).min(now.0)))));
    let annotations = if at % 5 == 3 { 1 + at % 2 } else { 0 };
    let annotations = (0..annotations).map(|number| annotation(number, start, random)).collect();
    let mut referenced: Vec<Ix> = Vec::new();
    for _ in 0..at % 4 {
        if let Some(element) = random.choice(elements)
            && !referenced.contains(element)
        {
            referenced.push(*element);
        }
    }
    let locked = acknowledged.is_some() && at.is_multiple_of(2);
    let frame = Frame {
        template,
        start,
        end,
        severity: spec.map_or("None", |spec| spec.severity),
        can_be_acknowledged,
        acknowledged,
        annotations,
        locked,
        captured: end.is_some() && at % 9 != 1,
        elements: referenced,
    };
    let made = store.add(Some(owner), Kind::EventFrame, guid(random), name, Body::Frame(frame));
    let category = if at % 4 == 1 { "Critical" } else { "" };
    let category = catalogue::category(store, database, Kind::ElementCategory, category);
    let object = store.object_mut(made);
    object.categories.extend(category);
    if at.is_multiple_of(3) {
        object.description = format!("Something happened, number {at}");
    }
    if at % 8 == 6 {
        object.extended = vec![("Shift".to_owned(), json!(["early", "late", "night"][at % 3]))];
    }
    if let Some((template, spec)) = template.zip(spec) {
        attributes::from_templates(store, made, template, spec.attributes, tags, random);
    }
    made
}

fn annotation(number: usize, start: Ticks, random: &mut fastrand::Rng) -> Annotation {
    let created = kept(Ticks(start.0 + random.i64(SECOND..600 * SECOND)));
    let value = match number {
        0 => json!("checked by the night shift"),
        _ => json!({ "Name": "photo.jpg", "ContentType": "image/jpeg", "Size": 70_123 }),
    };
    Annotation {
        id: guid(random),
        name: format!("Note {number}"),
        description: if number == 0 { String::new() } else { "a picture".to_owned() },
        value,
        creator: "PLANT\\operator".to_owned(),
        created,
        modifier: "PLANT\\engineer".to_owned(),
        modified: Ticks(created.0 + SECOND),
    }
}

fn deny(store: &mut Store, ix: Ix) {
    store.object_mut(ix).denied = true;
    for owned in store.object(ix).owned.clone() {
        deny(store, owned);
    }
}
