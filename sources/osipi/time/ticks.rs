//! Instants as numbers, exact to the 100 ns that PI Web API writes.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};

/// Hundreds of nanoseconds since 1970-01-01 UTC; years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in super::super) struct Ticks(pub(in super::super) i64);

/// Microseconds since 1970-01-01 UTC: what the tables hold.
pub(in super::super) type Micros = i64;

const SECOND: i64 = 10_000_000;
const DAY: i64 = 86_400 * SECOND;

impl Ticks {
    /// 9999-12-31T23:59:59.9999999Z, by which PI says "not yet".
    pub(in super::super) const OPEN_END: Self = Self(2_534_023_007_999_999_999);

    /// The instant of an ISO 8601 text with 0 to 9 fraction digits and `Z` or `±hh:mm`; `None` for any other text.
    pub(in super::super) fn parse(text: &str) -> Option<Self> {
        InstantReader::default().read(text.as_bytes())
    }

    /// Microseconds, cut and never rounded: an event stays on its side of every border.
    #[inline]
    pub(in super::super) fn micros(self) -> Micros {
        self.0.div_euclid(10)
    }

    pub(in super::super) fn from_micros(micros: Micros) -> Self {
        Self(micros.saturating_mul(10))
    }

    pub(in super::super) fn from_utc(time: DateTime<Utc>) -> Self {
        Self(time.timestamp() * SECOND + i64::from(time.timestamp_subsec_nanos()) / 100)
    }

    pub(in super::super) fn to_utc(self) -> DateTime<Utc> {
        let nanos = self.0.rem_euclid(SECOND) * 100;
        let time = u32::try_from(nanos).ok().and_then(|n| DateTime::from_timestamp(self.0.div_euclid(SECOND), n));
        time.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    #[cfg(test)]
    pub(in super::super) fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(SECOND)))
    }
}

impl fmt::Display for Ticks {
    /// As PI Web API writes it: UTC, up to 7 fraction digits without zeros at the end, `Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_utc().format("%Y-%m-%dT%H:%M:%S"))?;
        let fraction = self.0.rem_euclid(SECOND);
        if fraction > 0 {
            let digits = format!("{fraction:07}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

/// Reads instants one after the other; a day that was seen last is not worked out again.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct InstantReader {
    day: [u8; 10],
    day_ticks: i64,
}

impl InstantReader {
    /// The instant of an ISO 8601 text; see [`Ticks::parse`].
    #[inline]
    pub(in super::super) fn read(&mut self, text: &[u8]) -> Option<Ticks> {
        let (day, rest) = text.split_first_chunk::<10>()?;
        if *day != self.day {
            self.day_ticks = day_ticks(day)?;
            self.day = *day;
        }
        let (clock, rest) = rest.split_first_chunk::<9>()?;
        let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, b':', s1, s2] = *clock else { return None };
        let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
        // 60 is a leap second: the clock's next second.
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let (fraction, zone) = fraction(rest)?;
        let seconds = (hour * 60 + minute) * 60 + second - zone_seconds(zone)?;
        Some(Ticks(self.day_ticks + seconds * SECOND + fraction))
    }
}

#[inline]
fn two(a: u8, b: u8) -> Option<i64> {
    let (a, b) = (a.wrapping_sub(b'0'), b.wrapping_sub(b'0'));
    (a < 10 && b < 10).then(|| i64::from(a) * 10 + i64::from(b))
}

#[cold]
fn day_ticks(day: &[u8; 10]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *day else { return None };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let (month, day) = (u32::try_from(two(m1, m2)?).ok()?, u32::try_from(two(d1, d2)?).ok()?);
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok().filter(|y| *y > 0)?, month, day)?;
    Some(date.signed_duration_since(NaiveDate::default()).num_days() * DAY)
}

/// Ticks of the fraction, where there is one, and what follows. Digits past the seventh are cut.
#[inline]
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', digits @ ..] = rest else { return Some((0, rest)) };
    let mut ticks = 0;
    let mut unit = SECOND / 10;
    let mut count = 0;
    for digit in digits.iter().map(|b| b.wrapping_sub(b'0')).take_while(|d| *d < 10) {
        ticks += i64::from(digit) * unit;
        unit /= 10;
        count += 1;
    }
    (1..=9).contains(&count).then_some((ticks, digits.get(count..)?))
}

/// Seconds east of Greenwich.
#[inline]
fn zone_seconds(zone: &[u8]) -> Option<i64> {
    match *zone {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
            let seconds = hours * 3600 + minutes * 60;
            (hours <= 18 && minutes < 60).then_some(if sign == b'+' { seconds } else { -seconds })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_and_zones_of_every_kind_are_read() {
        let base = Ticks::parse("2026-03-01T06:00:00Z").unwrap();
        for (text, ticks) in [
            ("2026-03-01T06:00:00.0000152Z", 152),
            ("2026-03-01T06:00:00.1Z", 1_000_000),
            ("2026-03-01T06:00:00.123456789Z", 1_234_567),
            ("2026-03-01T07:30:00+01:30", 0),
            ("2026-03-01T05:59:60Z", 0),
            ("2026-03-01T00:00:00.5-06:00", 5_000_000),
        ] {
            assert_eq!(Ticks::parse(text), Some(Ticks(base.0 + ticks)), "{text}");
        }
        assert_eq!(Ticks::parse("9999-12-31T23:59:59.9999999Z"), Some(Ticks::OPEN_END));
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T06:00:00",
            "2026-02-29T00:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T06:00:00.Z",
            "2026-03-01T06:00:00.1234567890Z",
            "2026-03-01T06:00Z",
            "0000-01-01T00:00:00Z",
            "2026-03-01T06:00:00ZZ",
            "2026-03-01T06:00:00+1:00",
            "*",
            "2026-03-01T06:00:00.1",
            "２026-03-01T06:00:00Z",
        ] {
            assert_eq!(Ticks::parse(text), None, "{text}");
        }
    }

    #[test]
    fn microseconds_are_cut_also_before_the_epoch() {
        let t = Ticks::parse("1969-12-31T23:59:59.9999999Z").unwrap();
        assert_eq!((t.0, t.micros()), (-1, -1));
        assert_eq!(Ticks::parse("2026-03-01T06:00:00.9999999Z").unwrap().micros() % 1_000_000, 999_999);
    }

    proptest! {
        #[test]
        fn text_comes_back_as_it_was(ticks in -621_355_968_000_000_000i64..=2_534_023_007_999_999_999) {
            let text = Ticks(ticks).to_string();
            prop_assert_eq!(Ticks::parse(&text), Some(Ticks(ticks)), "{}", text);
        }

        #[test]
        fn instants_agree_with_chrono(micros in -62_135_510_000_000_000i64..253_402_200_000_000_000, minutes in -1080i32..=1080) {
            let zone = chrono::FixedOffset::east_opt(minutes * 60).unwrap();
            let utc = DateTime::from_timestamp_micros(micros).unwrap();
            prop_assert_eq!(Ticks::parse(&utc.with_timezone(&zone).to_rfc3339()), Some(Ticks::from_utc(utc)));
            prop_assert_eq!(Ticks::from_utc(utc).micros(), micros);
            prop_assert_eq!(Ticks::from_micros(micros).to_utc(), utc);
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,40}") {
            let _ = Ticks::parse(&text);
        }
    }
}
