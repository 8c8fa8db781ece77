//! Who registered for which stream, and how far a marker reaches.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    super::{archive::Position, guid::Guid, ticks::Ticks},
    events,
};
use crate::osipi::world::World;

/// The registrations of a server process.
#[derive(Debug, Default)]
pub(crate) struct Updates {
    registrations: BTreeMap<String, Registration>,
    made: u64,
}

/// One registered stream.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) point: usize,
    /// The WebID as it was registered.
    pub(super) web_id: String,
    pub(super) name: String,
    pub(super) path: String,
    /// Everything since the registration: marker n stands before the n-th event.
    events: Vec<Value>,
    seen: Position,
    used: Ticks,
}

/// Why a marker is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// It is no marker, or lies ahead of the stream.
    Invalid,
    /// The cache that it names is gone.
    Gone,
}

impl Updates {
    /// The registration of a stream under this WebID: the marker of now, and whether it is new.
    pub(super) fn register(&mut self, registration: Registration, seed: u64) -> (String, bool) {
        let known = self.registrations.iter_mut().find(|(_, known)| known.web_id == registration.web_id);
        if let Some((id, known)) = known {
            known.used = registration.used;
            return (marker(id, known.events.len()), false);
        }
        self.made += 1;
        let id = Guid::made(seed, "updates", self.made).to_string().replace('-', "");
        let first = marker(&id, 0);
        self.registrations.insert(id, registration);
        (first, true)
    }

    /// Forgets a stream.
    pub(super) fn unregister(&mut self, id: &str) {
        self.registrations.remove(id);
    }

    /// Forgets everything: a new process knows no marker of the old one.
    pub(crate) fn restart(&mut self) {
        self.registrations.clear();
    }

    /// Tells all who registered for a point that everything from an instant on is invalid.
    pub(crate) fn refresh(&mut self, point: usize, from: Ticks) {
        for registration in self.registrations.values_mut().filter(|registration| registration.point == point) {
            registration.events.push(events::refresh(from));
        }
    }

    /// Forgets what was not asked for in `life` ticks.
    pub(super) fn expire(&mut self, now: Ticks, life: i64) {
        self.registrations.retain(|_, registration| now.0 - registration.used.0 <= life);
    }

    /// The registration of a marker and the marker's place.
    pub(super) fn find(&self, marker: &str) -> Result<(&str, &Registration, usize), Bad> {
        let (id, place) = parts(marker).ok_or(Bad::Invalid)?;
        let (id, registration) = self.registrations.get_key_value(id).ok_or(Bad::Gone)?;
        if place > registration.events.len() {
            return Err(Bad::Invalid);
        }
        Ok((id, registration, place))
    }
}

impl Registration {
    pub(super) fn new(point: usize, (web_id, name, path): (String, String, String), now: Position) -> Self {
        Self { point, web_id, name, path, events: Vec::new(), seen: now, used: now.now }
    }
}

/// The events behind a marker and the marker behind them. Everything up to `now` has happened.
pub(super) fn retrieve(world: &mut World, id: &str, place: usize, now: Position) -> (Vec<Value>, String) {
    let found = world.updates.registrations.get(id).map(|registration| (registration.point, registration.seen));
    let new = found
        .and_then(|(point, seen)| Some(events::between(world, world.points.get(point)?, seen, now)))
        .unwrap_or_default();
    match world.updates.registrations.get_mut(id) {
        None => (Vec::new(), marker(id, place)),
        Some(registration) => {
            registration.events.extend(new);
            (registration.seen, registration.used) = (now, now.now);
            let behind = registration.events.get(place..).unwrap_or_default().to_vec();
            (behind, marker(id, registration.events.len()))
        }
    }
}

fn marker(id: &str, place: usize) -> String {
    format!("{id}_{place}")
}

fn parts(marker: &str) -> Option<(&str, usize)> {
    let (id, place) = marker.split_once('_')?;
    let sound = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    sound.then_some(id).zip(place.parse().ok())
}
