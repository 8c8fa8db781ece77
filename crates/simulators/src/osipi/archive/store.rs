//! The events of all points: what is generated, what the journal says, and both together at any moment.

use std::collections::HashMap;

use super::{
    super::{
        config::{ArchiveProfile, Wire},
        model::Point,
        ticks::{SECOND, Ticks},
    },
    changes::{Action, Change, Entry, Position, Previous},
    made::Made,
    sample::Stored,
    scan::{Item, Order, Overlay, Scan, What},
};
use crate::SimError;

/// How far ahead of the clock events of ordinary points may lie.
const AHEAD: i64 = 600 * SECOND;

/// The events of all points.
#[derive(Debug)]
pub(crate) struct Archive {
    seed: u64,
    profile: ArchiveProfile,
    wire: Wire,
    overlays: HashMap<usize, Overlay>,
    journal: Vec<Entry>,
}

impl Archive {
    pub(crate) fn new(seed: u64, profile: ArchiveProfile, wire: Wire) -> Self {
        Self { seed, profile, wire, overlays: HashMap::new(), journal: Vec::new() }
    }

    /// The generated stream of a point.
    pub(crate) fn made<'a>(&'a self, point: &'a Point) -> Option<Made<'a>> {
        Made::new(self.seed, &self.profile, &self.wire, point)
    }

    /// The archive time of an instant.
    pub(crate) fn quantise(&self, at: Ticks) -> Ticks {
        self.profile.rounding.quantise(at)
    }

    /// All changes so far.
    pub(crate) fn journal(&self) -> &[Entry] {
        &self.journal
    }

    /// Where the journal is at `now`.
    pub(crate) fn position(&self, now: Ticks) -> Position {
        Position { changes: self.journal.len(), now }
    }

    /// The last instant at which generated events of a point exist at `now`.
    pub(crate) fn limit(&self, point: &Point, now: Ticks) -> Ticks {
        let horizon = i64::try_from(self.profile.horizon.as_nanos() / 100).unwrap_or(0);
        if point.spec.future { Ticks(now.0.saturating_add(horizon)) } else { now }
    }

    /// The events of a point in `[from, to]` as they are at `now`.
    pub(crate) fn scan<'a>(&'a self, point: &'a Point, window: (Ticks, Ticks), now: Ticks, order: Order) -> Scan<'a> {
        self.scan_over(point, self.overlays.get(&point.number), window, now, order)
    }

    /// The same over another overlay.
    pub(crate) fn scan_over<'a>(
        &'a self,
        point: &'a Point,
        overlay: Option<&'a Overlay>,
        window: (Ticks, Ticks),
        now: Ticks,
        order: Order,
    ) -> Scan<'a> {
        Scan::new(self.made(point), overlay, window, self.limit(point, now), order)
    }

    /// The overlay of a point when the journal had `changes` entries.
    pub(crate) fn overlay_at(&self, point: usize, changes: usize) -> Overlay {
        let mut overlay = Overlay::new();
        for entry in self.journal.iter().take(changes).filter(|entry| entry.point == point) {
            overlay.extend(entry.groups.iter().cloned());
        }
        overlay
    }

    /// The newest event at or before `at`.
    pub(crate) fn before<'a>(&'a self, point: &'a Point, at: Ticks, now: Ticks) -> Option<Item<'a>> {
        self.scan(point, (Ticks(i64::MIN), at), now, Order::Down).next()
    }

    /// The oldest event at or after `at`.
    pub(crate) fn after<'a>(&'a self, point: &'a Point, at: Ticks, now: Ticks) -> Option<Item<'a>> {
        self.scan(point, (at, Ticks(i64::MAX - 1)), now, Order::Up).next()
    }

    /// The snapshot: the newest event that is not ahead of the clock by more than is allowed.
    pub(crate) fn snapshot<'a>(&'a self, point: &'a Point, now: Ticks) -> Option<Item<'a>> {
        let latest = if point.spec.future { now } else { Ticks(now.0 + AHEAD) };
        self.before(point, latest, now)
    }

    /// The event as the archive keeps it.
    pub(crate) fn stored(&self, point: &Point, item: Item<'_>) -> Stored {
        match (item.what, self.made(point)) {
            (What::Stored(stored), _) => stored.clone(),
            (What::Made(event), Some(made)) => made.stored(event, item.at),
            (What::Made(_), None) => Stored {
                json: "null".to_owned(),
                number: None,
                good: false,
                questionable: false,
                substituted: false,
                annotation: None,
                errors: None,
            },
        }
    }

    /// Makes a change.
    ///
    /// # Errors
    /// When the event lies too far ahead, or there is no event to change.
    pub(crate) fn change(&mut self, point: &Point, change: &Change, now: Ticks) -> Result<Position, SimError> {
        let (time, sample, action) = match change {
            Change::Add(time, sample) | Change::Supersede(time, sample) => (*time, Some(sample), Action::Add),
            Change::Replace(time, sample) | Change::Edit(time, _, sample) => (*time, Some(sample), Action::Update),
            Change::Delete(time) | Change::DeleteOne(time, _) => (*time, None, Action::Delete),
        };
        let time = self.quantise(time);
        if !point.spec.future && time.0 > now.0 + AHEAD {
            return Err(SimError::Resource(format!(
                "{time} is more than ten minutes ahead; only Future points take it"
            )));
        }
        let absent = || SimError::Resource(format!("point `{}` has no such event at {time}", point.spec.name));
        let mut group: Vec<Stored> =
            self.scan(point, (time, time), now, Order::Up).map(|item| self.stored(point, item)).collect();
        let event = sample.map(|sample| Stored::of(sample, &point.spec));
        let snapshot = self.snapshot(point, now).map(|item| item.at);
        let newest = snapshot.is_none_or(|snapshot| time >= snapshot);
        let mut groups = Vec::with_capacity(2);
        let mut previous = Previous::None;
        match (change, &event) {
            (Change::Add(..) | Change::Supersede(..), Some(event)) => {
                if let Some(snapshot) = snapshot.filter(|snapshot| newest && *snapshot < time) {
                    previous = Previous::Archived;
                    let mut kept: Vec<Stored> = self
                        .scan(point, (snapshot, snapshot), now, Order::Up)
                        .map(|item| self.stored(point, item))
                        .collect();
                    if matches!(change, Change::Supersede(..)) {
                        previous = Previous::Discarded;
                        kept.pop();
                    }
                    groups.push((snapshot, kept));
                } else if matches!(change, Change::Supersede(..)) {
                    return Err(SimError::Resource(format!("there is no snapshot older than {time} to supersede")));
                }
                group.push(event.clone());
            }
            (Change::Replace(..), Some(event)) => group = vec![event.clone()],
            (Change::Edit(_, at, _), Some(event)) => *group.get_mut(*at).ok_or_else(absent)? = event.clone(),
            (Change::DeleteOne(_, at), _) if *at < group.len() => drop(group.remove(*at)),
            (Change::Delete(_), _) if !group.is_empty() => group.clear(),
            _ => return Err(absent()),
        }
        groups.push((time, group));
        let action = if action == Action::Add && !newest { Action::Update } else { action };
        self.overlays.entry(point.number).or_default().extend(groups.iter().cloned());
        self.journal.push(Entry { point: point.number, at: now, time, action, previous, groups });
        Ok(self.position(now))
    }
}
