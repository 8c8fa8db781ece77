//! Values for a chart: up to five events of each interval.

use super::{
    super::{
        archive::{Archive, Item, Order},
        call::{Call, Refusal},
        model::Point,
        ticks::Ticks,
        time::Clock,
    },
    body::Items,
    interpolate::value_at,
};

/// Parameters of `plot`.
#[derive(Clone, Debug)]
pub(crate) struct PlotQuery {
    start: Ticks,
    end: Ticks,
    intervals: usize,
}

/// A value, its place among the events of an interval, and its event.
type Extreme<'a> = (f64, usize, Item<'a>);

impl PlotQuery {
    pub(crate) fn of(call: &Call<'_>) -> Result<Self, Refusal> {
        let (start, end) = Clock::of(call)?.window(call)?;
        let intervals = call.count("intervals", 24)?;
        if intervals == 0 {
            return Err(Refusal::bad("Parameter 'intervals' must be greater than zero."));
        }
        call.within_cap("intervals", intervals)?;
        Ok(Self { start: start.min(end), end: start.max(end), intervals })
    }

    /// Appends first, last, lowest, highest and first bad event of each interval, in order of time; a value at the very
    /// start and end is interpolated where there is no event.
    pub(crate) fn write(&self, archive: &Archive, point: &Point, now: Ticks, out: &mut Items<'_, '_>) {
        let (start, end) = (archive.quantise(self.start), archive.quantise(self.end));
        let has_event = |at: Ticks| archive.scan(point, (at, at), now, Order::Up).next().is_some();
        if !has_event(start) {
            out.value(start, &value_at(archive, point, start, now));
        }
        let made = archive.made(point);
        let edge = |n: usize| {
            let part = i128::from(end.0 - start.0) * n as i128 / self.intervals as i128;
            Ticks(start.0 + i64::try_from(part).unwrap_or(0))
        };
        for n in 0..self.intervals {
            let to = if n + 1 == self.intervals { end } else { Ticks(edge(n + 1).0 - 1) };
            let mut kept: Vec<(usize, Item<'_>)> = Vec::new();
            let (mut low, mut high): (Option<Extreme<'_>>, Option<Extreme<'_>>) = (None, None);
            let (mut last, mut bad) = (None, None);
            for (place, item) in archive.scan(point, (edge(n), to), now, Order::Up).enumerate() {
                if place == 0 {
                    kept.push((place, item));
                }
                last = Some((place, item));
                match item.number(made.as_ref()) {
                    Some(number) => {
                        if low.is_none_or(|(lowest, ..)| number < lowest) {
                            low = Some((number, place, item));
                        }
                        if high.is_none_or(|(highest, ..)| number > highest) {
                            high = Some((number, place, item));
                        }
                    }
                    None if bad.is_none() && !item.is_good(made.as_ref()) => bad = Some((place, item)),
                    None => {}
                }
            }
            kept.extend([low, high].into_iter().flatten().map(|(_, place, item)| (place, item)));
            kept.extend([last, bad].into_iter().flatten());
            kept.sort_by_key(|(place, _)| *place);
            kept.dedup_by_key(|(place, _)| *place);
            for (_, item) in kept {
                out.item(item);
            }
        }
        if end > start && !has_event(end) {
            out.value(end, &value_at(archive, point, end, now));
        }
    }
}
