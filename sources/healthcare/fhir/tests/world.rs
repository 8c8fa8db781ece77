//! A server's resources and how they change.

use std::collections::{BTreeMap, HashSet};

use chrono::DateTime;
use fastrand::Rng;

pub(super) const MILLI: i128 = 1_000_000;
const SECOND: i128 = 1000 * MILLI;

/// 2024-01-01 in nanoseconds.
const EPOCH: i128 = 1_704_067_200 * SECOND;

/// One version of a resource.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) number: u32,
    pub(super) stamp: Option<i128>,
    visible_from: i128,
}

/// The resources, the time, and the habits of the writers.
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) now: i128,
    resources: BTreeMap<String, Vec<Version>>,
    deleted: HashSet<String>,
    /// Stamps are multiples of this.
    grain: i128,
    /// Longest time between stamp and visibility.
    latest: i128,
    pub(super) busy: bool,
    next_id: u32,
}

impl World {
    pub(super) fn new(mut rng: Rng) -> Self {
        let grain = [100, MILLI, 10 * MILLI, SECOND][rng.usize(0..4)];
        let latest = [0, 0, 3 * SECOND, 40 * SECOND][rng.usize(0..4)];
        let spread = [1, 20 * MILLI, SECOND, 3600 * SECOND, 30 * 365 * 86_400 * SECOND][rng.usize(0..5)];
        let mut world = Self {
            now: EPOCH,
            resources: BTreeMap::new(),
            deleted: HashSet::new(),
            grain,
            latest,
            busy: true,
            next_id: 0,
            rng: rng.fork(),
        };
        let without_stamp = world.rng.usize(0..8) == 0;
        for _ in 0..world.rng.usize(0..80) {
            let back = i128::from(world.rng.u64(0..u64::try_from(spread).unwrap())) + 500 * SECOND;
            let stamp = (EPOCH - back).div_euclid(grain) * grain;
            let stamp = (!without_stamp || world.rng.bool()).then_some(stamp);
            let id = world.new_id();
            world.resources.insert(id, vec![Version { number: 1, stamp, visible_from: i128::MIN }]);
        }
        world
    }

    fn new_id(&mut self) -> String {
        self.next_id += 1;
        format!("{:x}-{}", self.rng.u32(..), self.next_id)
    }

    /// Time passes, and while the world is busy somebody may write.
    pub(super) fn tick(&mut self) {
        self.now += i128::from(self.rng.u32(0..400)) * MILLI;
        if self.busy && self.rng.u8(0..10) < 3 {
            self.write();
        }
    }

    pub(super) fn pass(&mut self, seconds: i128) {
        self.now += seconds * SECOND;
    }

    pub(super) fn write(&mut self) {
        let stamp = Some(self.now.div_euclid(self.grain) * self.grain);
        let delay = if self.latest == 0 { 0 } else { i128::from(self.rng.u64(0..u64::try_from(self.latest).unwrap())) };
        let version = |number| Version { number, stamp, visible_from: self.now + delay };
        let stamped: Vec<String> = self
            .resources
            .iter()
            .filter(|(id, versions)| {
                let settled =
                    versions.iter().all(|v| v.visible_from <= self.now && v.stamp.is_some() && v.stamp < stamp);
                settled && !self.deleted.contains(*id)
            })
            .map(|(id, _)| id.clone())
            .collect();
        let some = (!stamped.is_empty()).then(|| stamped[self.rng.usize(0..stamped.len())].clone());
        match (self.rng.u8(0..10), some) {
            (0..=5, Some(id)) => {
                if let Some(versions) = self.resources.get_mut(&id) {
                    let number = versions.len() as u32 + 1;
                    versions.push(Version { number, stamp, visible_from: self.now + delay });
                }
            }
            (6, Some(id)) => drop(self.deleted.insert(id)),
            _ => {
                let version = version(1);
                let id = self.new_id();
                self.resources.insert(id, vec![version]);
            }
        }
    }

    /// What a search sees now.
    pub(super) fn visible(&self) -> Vec<(&str, &Version)> {
        self.resources
            .iter()
            .filter(|(id, _)| !self.deleted.contains(*id))
            .filter_map(|(id, versions)| {
                versions.iter().rfind(|v| v.visible_from <= self.now).map(|version| (id.as_str(), version))
            })
            .collect()
    }

    /// The current version of a resource.
    pub(super) fn current(&self, id: &str) -> Option<&Version> {
        let versions = self.resources.get(id).filter(|_| !self.deleted.contains(id))?;
        versions.iter().rfind(|v| v.visible_from <= self.now)
    }

    /// The most resources whose stamps lie within so many seconds; `None` when there is one without.
    pub(super) fn most_in_seconds(&self, seconds: i128) -> Option<usize> {
        let visible = self.visible();
        let mut stamps = visible.iter().map(|(_, version)| version.stamp).collect::<Option<Vec<_>>>()?;
        stamps.sort_unstable();
        let near = |from: i128| stamps.iter().filter(|t| (from..from + seconds * SECOND).contains(*t)).count();
        Some(stamps.iter().map(|from| near(*from)).max().unwrap_or_default())
    }

    /// Whether a version has a stamp.
    pub(super) fn has_stamp(&self, id: &str, number: u32) -> bool {
        let versions = self.resources.get(id);
        versions.is_some_and(|versions| versions.iter().any(|v| v.number == number && v.stamp.is_some()))
    }

    /// Whether such a version was ever there.
    pub(super) fn has_had(&self, id: &str, number: u32) -> bool {
        self.resources.get(id).is_some_and(|versions| versions.iter().any(|v| v.number == number))
    }
}

/// An instant as text with as many digits as it needs.
pub(super) fn text(nanos: i128) -> String {
    let seconds = i64::try_from(nanos.div_euclid(SECOND)).unwrap();
    let time = DateTime::from_timestamp(seconds, u32::try_from(nanos.rem_euclid(SECOND)).unwrap()).unwrap();
    time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}
