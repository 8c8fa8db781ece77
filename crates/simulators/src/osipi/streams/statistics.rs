//! Statistics of one interval.

use super::{
    super::{
        archive::{Archive, Order},
        model::Point,
        ticks::{SECOND, Ticks},
    },
    interpolate::{is_numeric, number_at},
    single::seconds,
};

/// One statistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Total,
    Average,
    Minimum,
    Maximum,
    Range,
    StdDev,
    PopulationStdDev,
    Count,
    PercentGood,
    TotalWithUom,
}

impl Kind {
    pub(crate) const ALL: [(&'static str, Self); 10] = [
        ("Total", Self::Total),
        ("Average", Self::Average),
        ("Minimum", Self::Minimum),
        ("Maximum", Self::Maximum),
        ("Range", Self::Range),
        ("StdDev", Self::StdDev),
        ("PopulationStdDev", Self::PopulationStdDev),
        ("Count", Self::Count),
        ("PercentGood", Self::PercentGood),
        ("TotalWithUOM", Self::TotalWithUom),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| *name)
    }
}

/// How values are weighted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// By how long they hold; `step` overrides how the point runs between events.
    Time { step: Option<bool> },
    /// Each event alike; whether events at the start and at the end of the interval belong to it.
    Event { start: bool, end: bool },
}

/// The statistics of one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Statistics {
    /// Good values (event-weighted) or good seconds (time-weighted).
    pub(crate) count: f64,
    /// Everything, good or not, in the same measure.
    pub(crate) all: f64,
    /// Sum of values times weights.
    sum: f64,
    squares: f64,
    pub(crate) minimum: Option<(f64, Ticks)>,
    pub(crate) maximum: Option<(f64, Ticks)>,
    by_time: bool,
}

impl Statistics {
    /// The statistics of values that are weighted alike.
    pub(crate) fn of_values(values: impl IntoIterator<Item = (Ticks, Option<f64>)>) -> Self {
        let mut out = Self::default();
        for (at, value) in values {
            out.all += 1.0;
            if let Some(value) = value {
                out.count += 1.0;
                out.sum += value;
                out.squares += value * value;
                out.see(value, at);
            }
        }
        out
    }

    fn see(&mut self, value: f64, at: Ticks) {
        if self.minimum.is_none_or(|(lowest, _)| value < lowest) {
            self.minimum = Some((value, at));
        }
        if self.maximum.is_none_or(|(highest, _)| value > highest) {
            self.maximum = Some((value, at));
        }
    }

    fn average(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }

    /// One statistic; nothing when there are no good values to compute it of.
    pub(crate) fn of(&self, kind: Kind) -> Option<f64> {
        let variance = || self.average().map(|average| (self.squares / self.count - average * average).max(0.0));
        match kind {
            // Time-weighted totals are per day.
            Kind::Total | Kind::TotalWithUom if self.by_time => self.average().map(|_| self.sum / 86_400.0),
            Kind::Total | Kind::TotalWithUom => self.average().map(|_| self.sum),
            Kind::Average => self.average(),
            Kind::Minimum => self.minimum.map(|(value, _)| value),
            Kind::Maximum => self.maximum.map(|(value, _)| value),
            Kind::Range => Some(self.maximum?.0 - self.minimum?.0),
            Kind::PopulationStdDev => variance().map(f64::sqrt),
            Kind::StdDev if self.by_time => variance().map(f64::sqrt),
            Kind::StdDev => {
                (self.count > 1.0).then(|| variance().map(|v| (v * self.count / (self.count - 1.0)).sqrt())).flatten()
            }
            Kind::Count => Some(self.count),
            Kind::PercentGood => Some(if self.all > 0.0 { 100.0 * self.count / self.all } else { 0.0 }),
        }
    }
}

/// The statistics of a point over `[from, to]`.
pub(crate) fn summarise(
    archive: &Archive,
    point: &Point,
    (from, to): (Ticks, Ticks),
    basis: Basis,
    now: Ticks,
) -> Statistics {
    match basis {
        Basis::Event { start, end } => by_event(archive, point, from, to, (start, end), now),
        Basis::Time { step } => by_time(archive, point, from, to, step.unwrap_or(point.spec.step), now),
    }
}

fn by_event(archive: &Archive, point: &Point, from: Ticks, to: Ticks, ends: (bool, bool), now: Ticks) -> Statistics {
    let mut out = Statistics::default();
    let made = archive.made(point);
    let window = (Ticks(from.0 + i64::from(!ends.0)), Ticks(to.0 - i64::from(!ends.1)));
    let numeric = is_numeric(point);
    for item in archive.scan(point, window, now, Order::Up) {
        out.all += 1.0;
        let number = if numeric { item.number(made.as_ref()) } else { None };
        match number {
            Some(value) => {
                out.count += 1.0;
                out.sum += value;
                out.squares += value * value;
                out.see(value, item.at);
            }
            None if !numeric && item.is_good(made.as_ref()) => out.count += 1.0,
            None => {}
        }
    }
    out
}

fn by_time(archive: &Archive, point: &Point, from: Ticks, to: Ticks, step: bool, now: Ticks) -> Statistics {
    let mut out = Statistics { by_time: true, ..Statistics::default() };
    let made = archive.made(point);
    let edge = |at: Ticks| (at, number_at(archive, point, at, now));
    let numeric = is_numeric(point);
    let events = archive.scan(point, (from, to), now, Order::Up);
    let inside = events.map(|item| (item.at, if numeric { item.number(made.as_ref()) } else { None }));
    let mut last: Option<(Ticks, Option<f64>)> = None;
    for (at, value) in std::iter::once(edge(from)).chain(inside).chain(std::iter::once(edge(to))) {
        if let Some(value) = value {
            out.see(value, at);
        }
        if let Some((before, Some(low))) = last {
            let weight = seconds(before, at);
            let high = if step { Some(low) } else { value };
            if let Some(high) = high {
                out.count += weight;
                out.sum += weight * (low + high) / 2.0;
                out.squares += weight * (low * low + low * high + high * high) / 3.0;
            }
        }
        last = Some((at, value));
    }
    out.all = (to.0 - from.0) as f64 / SECOND as f64;
    out
}
