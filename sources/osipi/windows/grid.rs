//! The instants at which intervals begin: fixed lengths in UTC, days and longer by the wall clock of a zone.

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};

use super::{super::time::Micros, question::Intervals};

const DAY: i64 = 86_400_000_000;

/// How long one interval is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// Microseconds, whatever the clock on the wall says.
    Fixed(i64),
    /// Days, from midnight to midnight.
    Days(u32),
    /// Months, from the first to the first; a year has twelve.
    Months(u32),
}

/// All instants at which an interval begins. They do not depend on what is asked for, so that every run finds the same.
#[derive(Clone, Debug)]
pub(crate) struct Grid<Z> {
    length: Length,
    zone: Z,
    /// Fixed intervals begin here and every length before and after.
    anchor: Micros,
    /// Intervals of days begin when the clock on the wall shows this, and every so many days before and after.
    origin: NaiveDateTime,
}

impl<Z: TimeZone> Grid<Z> {
    /// A grid through `anchor`; without one through 1970, through midnights (of Mondays, for weeks), or through the first
    /// days of months in `zone`. Months always begin on their first day.
    ///
    /// Returns `None` for an interval without a length.
    pub(crate) fn new(length: Length, zone: Z, anchor: Option<Micros>) -> Option<Self> {
        let has_length = match length {
            Length::Fixed(micros) => micros > 0,
            Length::Days(n) | Length::Months(n) => n > 0,
        };
        let local = |at| DateTime::<Utc>::from_timestamp_micros(at).map(|at| at.with_timezone(&zone).naive_local());
        // The first day of the year 1 was a Monday.
        let monday = NaiveDate::from_ymd_opt(1, 1, 1)?.and_time(NaiveTime::MIN);
        let origin = anchor.and_then(local).unwrap_or(monday);
        has_length.then_some(Self { length, zone, anchor: anchor.unwrap_or(0), origin })
    }

    /// The last beginning that is not after `at`.
    pub(crate) fn floor(&self, at: Micros) -> Micros {
        match self.length {
            Length::Fixed(length) => at - (at - self.anchor).rem_euclid(length),
            Length::Days(_) | Length::Months(_) => {
                let index = self.index_of(self.date_of(at));
                // Midnight may not exist or come twice: the date alone can be one interval off.
                let near = [index + 1, index, index - 1].into_iter().map(|i| self.begin_of(i));
                near.into_iter().find(|begin| *begin <= at).unwrap_or(Micros::MIN)
            }
        }
    }

    /// The first beginning after `at`.
    pub(crate) fn next(&self, at: Micros) -> Micros {
        match self.length {
            Length::Fixed(length) => self.floor(at).saturating_add(length),
            Length::Days(_) | Length::Months(_) => {
                let index = self.index_of(self.date_of(at));
                [index, index + 1, index + 2]
                    .into_iter()
                    .map(|i| self.begin_of(i))
                    .find(|begin| *begin > at)
                    .unwrap_or(Micros::MAX)
            }
        }
    }

    /// The first beginning that is not before `at`.
    pub(crate) fn ceil(&self, at: Micros) -> Micros {
        if self.floor(at) == at { at } else { self.next(at) }
    }

    /// The beginnings in `[from, to)`.
    #[cfg(test)]
    pub(crate) fn beginnings(&self, from: Micros, to: Micros) -> impl Iterator<Item = Micros> {
        std::iter::successors(Some(self.ceil(from)), |at| Some(self.next(*at))).take_while(move |at| *at < to)
    }

    /// Where a window ends that begins at `from`, goes no further than `to`, and has at most `most` intervals.
    ///
    /// A server steps through a window by one length, so no window holds intervals of different lengths: days do not
    /// reach over a change of the clock, and months come one at a time. `None` when not one interval fits before `to`.
    pub(crate) fn window_end(&self, from: Micros, to: Micros, most: u64) -> Option<Micros> {
        let first = self.next(from);
        if first > to {
            return None;
        }
        let most = i64::try_from(most.max(1)).unwrap_or(i64::MAX);
        match self.length {
            Length::Fixed(length) => {
                let intervals = ((to - from) / length).min(most);
                Some(from + intervals * length)
            }
            Length::Months(_) => Some(first),
            Length::Days(_) => {
                let length = first - from;
                let mut end = first;
                for _ in 1..most {
                    let next = self.next(end);
                    if next > to || next - end != length {
                        break;
                    }
                    end = next;
                }
                Some(end)
            }
        }
    }

    /// The intervals from `from` on that fit before `to`, at most `most`, as in [`Grid::window_end`].
    pub(crate) fn intervals(&self, from: Micros, to: Micros, most: u32) -> Option<Intervals> {
        let to = self.window_end(from, to, u64::from(most))?;
        let length = match self.length {
            Length::Fixed(length) => length,
            Length::Days(_) | Length::Months(_) => self.next(from) - from,
        };
        let count = u32::try_from((to - from) / length.max(1)).ok()?;
        Some(Intervals { from, to, length, count })
    }

    fn date_of(&self, at: Micros) -> NaiveDate {
        let utc = DateTime::<Utc>::from_timestamp_micros(at).unwrap_or_default();
        utc.with_timezone(&self.zone).date_naive()
    }

    fn index_of(&self, date: NaiveDate) -> i64 {
        match self.length {
            Length::Fixed(length) => i64::from(date.num_days_from_ce()) * DAY / length,
            Length::Days(n) => (date - self.origin.date()).num_days().div_euclid(i64::from(n)),
            Length::Months(n) => (i64::from(date.year()) * 12 + i64::from(date.month0())).div_euclid(i64::from(n)),
        }
    }

    fn begin_of(&self, index: i64) -> Micros {
        let local = match self.length {
            Length::Fixed(_) => None,
            Length::Days(n) => TimeDelta::try_days(index.saturating_mul(i64::from(n)))
                .and_then(|days| self.origin.checked_add_signed(days)),
            Length::Months(n) => u32::try_from(index.saturating_mul(i64::from(n)) - 12)
                .ok()
                .and_then(|months| NaiveDate::from_ymd_opt(1, 1, 1)?.checked_add_months(Months::new(months)))
                .map(|date| date.and_time(NaiveTime::MIN)),
        };
        local.map_or(if index > 0 { Micros::MAX } else { Micros::MIN }, |local| first_instant(&self.zone, local))
    }
}

/// When the clock on the wall shows this first, or what it shows next where it leaves that out.
fn first_instant<Z: TimeZone>(zone: &Z, local: NaiveDateTime) -> Micros {
    (0..=24 * 4)
        .filter_map(|quarter| local.checked_add_signed(TimeDelta::minutes(15 * quarter)))
        .find_map(|local| zone.from_local_datetime(&local).earliest())
        .map_or_else(|| local.and_utc().timestamp_micros(), |at| at.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use chrono_tz::{America::Sao_Paulo, Europe::Berlin, Tz};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Micros {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
    }

    fn grid(length: Length, zone: Tz) -> Grid<Tz> {
        Grid::new(length, zone, None).unwrap()
    }

    #[test]
    fn fixed_intervals_begin_at_the_same_instants_whatever_is_asked() {
        let minutes = grid(Length::Fixed(60_000_000), Berlin);
        assert_eq!(minutes.floor(at("2026-03-01T06:00:59.999999Z")), at("2026-03-01T06:00:00Z"));
        assert_eq!(minutes.next(at("2026-03-01T06:00:00Z")), at("2026-03-01T06:01:00Z"));
        assert_eq!(minutes.floor(at("1969-12-31T23:59:30Z")), at("1969-12-31T23:59:00Z"));
        let anchored = Grid::new(Length::Fixed(420_000_000), Berlin, Some(at("2026-03-01T00:03:00Z"))).unwrap();
        assert_eq!(anchored.floor(at("2026-03-01T00:09:59Z")), at("2026-03-01T00:03:00Z"));
        assert_eq!(anchored.ceil(at("2026-03-01T00:03:01Z")), at("2026-03-01T00:10:00Z"));
    }

    #[test]
    fn days_follow_the_clock_on_the_wall() {
        let days = grid(Length::Days(1), Berlin);
        let spring: Vec<_> = days.beginnings(at("2026-03-28T00:00:00Z"), at("2026-03-31T00:00:00Z")).collect();
        assert_eq!(
            spring,
            [at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z"), at("2026-03-30T22:00:00Z")],
            "the day of the change has 23 hours"
        );
        let weeks = grid(Length::Days(7), Berlin);
        assert_eq!(weeks.floor(at("2026-03-04T12:00:00Z")), at("2026-03-01T23:00:00Z"), "Monday, 2 March in Berlin");
    }

    #[test]
    fn days_may_begin_at_another_hour_and_weeks_on_another_day() {
        // A Wednesday, six in the morning in Berlin.
        let anchor = Some(at("2026-03-04T05:00:00Z"));
        let days = Grid::new(Length::Days(1), Berlin, anchor).unwrap();
        assert_eq!(days.floor(at("2026-03-01T04:59:59Z")), at("2026-02-28T05:00:00Z"));
        assert_eq!(days.next(at("2026-03-28T12:00:00Z")), at("2026-03-29T04:00:00Z"), "six by the summer's clock");
        let weeks = Grid::new(Length::Days(7), Berlin, anchor).unwrap();
        assert_eq!(weeks.floor(at("2026-02-20T00:00:00Z")), at("2026-02-18T05:00:00Z"));
        assert_eq!(weeks.next(at("2026-03-04T05:00:00Z")), at("2026-03-11T05:00:00Z"));
    }

    #[test]
    fn a_day_without_midnight_begins_when_its_clock_does() {
        // On 4 November 2018 clocks in Sao Paulo went from 23:59:59 to 01:00.
        let days = grid(Length::Days(1), Sao_Paulo);
        assert_eq!(days.floor(at("2018-11-04T12:00:00Z")), at("2018-11-04T03:00:00Z"));
        assert_eq!(days.next(at("2018-11-03T12:00:00Z")), at("2018-11-04T03:00:00Z"));
    }

    #[test]
    fn months_and_years_begin_on_the_first() {
        let months = grid(Length::Months(1), Berlin);
        assert_eq!(months.floor(at("2026-03-15T00:00:00Z")), at("2026-02-28T23:00:00Z"));
        assert_eq!(months.next(at("2026-12-15T00:00:00Z")), at("2026-12-31T23:00:00Z"));
        let years = grid(Length::Months(12), Tz::UTC);
        assert_eq!(years.floor(at("2026-07-01T00:00:00Z")), at("2026-01-01T00:00:00Z"));
        assert_eq!(years.next(at("2026-07-01T00:00:00Z")), at("2027-01-01T00:00:00Z"));
    }

    #[test]
    fn a_window_of_days_ends_where_the_clock_changes() {
        let days = grid(Length::Days(1), Berlin);
        let mut at_day = at("2026-03-26T23:00:00Z");
        let mut ends = Vec::new();
        while let Some(end) = days.window_end(at_day, at("2026-04-02T00:00:00Z"), 1000) {
            ends.push(end);
            at_day = end;
        }
        assert_eq!(
            ends,
            [at("2026-03-28T23:00:00Z"), at("2026-03-29T22:00:00Z"), at("2026-04-01T22:00:00Z")],
            "before the change, its day alone, after it"
        );
    }

    #[test]
    fn a_window_holds_no_more_than_the_cap_and_only_whole_intervals() {
        let minutes = grid(Length::Fixed(60_000_000), Tz::UTC);
        let from = at("2026-03-01T00:00:00Z");
        assert_eq!(minutes.window_end(from, from + 3_599_999_999, 1000), Some(from + 59 * 60_000_000));
        assert_eq!(minutes.window_end(from, from + 3_600_000_000, 7), Some(from + 7 * 60_000_000));
        assert_eq!(minutes.window_end(from, from + 59_999_999, 7), None);
    }

    #[test]
    fn an_interval_without_length_is_refused() {
        assert!(Grid::new(Length::Fixed(0), Tz::UTC, None).is_none());
        assert!(Grid::new(Length::Days(0), Tz::UTC, None).is_none());
    }

    fn lengths() -> impl Strategy<Value = Length> {
        prop_oneof![
            (1i64..4 * DAY).prop_map(Length::Fixed),
            (1u32..30).prop_map(Length::Days),
            (1u32..25).prop_map(Length::Months),
        ]
    }

    fn zones() -> impl Strategy<Value = Tz> {
        prop_oneof![
            Just(Tz::UTC),
            Just(Berlin),
            Just(Sao_Paulo),
            Just(Tz::Australia__Lord_Howe),
            Just(Tz::Asia__Kathmandu),
            Just(Tz::Pacific__Apia),
        ]
    }

    proptest! {
        #[test]
        fn every_instant_is_in_exactly_one_interval(
            length in lengths(), zone in zones(), anchor in proptest::option::of(0i64..4_000_000_000_000_000),
            t in 0i64..4_000_000_000_000_000,
        ) {
            let grid = Grid::new(length, zone, anchor).unwrap();
            let (floor, next) = (grid.floor(t), grid.next(t));
            prop_assert!(floor <= t && t < next);
            prop_assert_eq!(grid.next(floor), next);
            prop_assert_eq!(grid.floor(floor), floor);
            prop_assert_eq!(grid.floor(next), next);
            prop_assert_eq!(grid.floor(next - 1), floor);
        }

        #[test]
        fn windows_tile_a_range_whatever_their_size(
            length in lengths(), zone in zones(), from in 0i64..4_000_000_000_000_000, span in 0i64..400 * DAY, most in 1u64..5000,
        ) {
            let grid = grid(length, zone);
            let (from, to) = (grid.floor(from), from + span);
            let last = grid.floor(to).max(from);
            let far = matches!(length, Length::Fixed(n) if span / n > 200_000);
            prop_assume!(!far || most > 500);
            let mut windows = Vec::new();
            let mut at = from;
            while let Some(end) = grid.window_end(at, to, most) {
                prop_assert!(end > at && grid.floor(end) == end);
                windows.push((at, end));
                at = end;
                if windows.len() > 2000 { return Ok(()); }
            }
            prop_assert_eq!(at, last);
            for (a, b) in windows {
                let steps: Vec<_> = grid.beginnings(a, b).take(5001).collect();
                prop_assert!(steps.len() as u64 <= most);
                let same = steps.windows(2).all(|w| w[1] - w[0] == grid.next(a) - a);
                prop_assert!(same, "all intervals of a window are of one length");
            }
        }
    }
}
