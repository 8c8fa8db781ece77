//! ISO 8601 dates and times from text.

use super::{decoder::PartialDates, fault::Found};

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// What a timestamp column wants of a time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// The instant: an absent zone is UTC.
    Utc,
    /// The wall clock: a zone does not fit.
    None,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn number(&mut self, digits: usize) -> Option<i64> {
        let mut value = 0;
        for b in self.bytes.get(self.at..self.at + digits)? {
            if !b.is_ascii_digit() {
                return None;
            }
            value = value * 10 + i64::from(b - b'0');
        }
        self.at += digits;
        Some(value)
    }

    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == byte).then(|| self.at += 1)
    }

    fn done(&self) -> bool {
        self.at == self.bytes.len()
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar, years 1 to 9999.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if year < 1 || day < 1 || day > length {
        return None;
    }
    // Years that start in March put the leap day last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let year_start = y * 365 + y / 4 - y / 100 + y / 400;
    Some(year_start + (m * 153 + 2) / 5 + day - 1 - 719_468)
}

/// The first day of `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, and whether the day was given.
fn date_part(r: &mut Reader) -> Option<(i64, bool)> {
    let year = r.number(4)?;
    if r.done() {
        return Some((days(year, 1, 1)?, false));
    }
    r.take(b'-')?;
    let month = r.number(2)?;
    if r.done() {
        return Some((days(year, month, 1)?, false));
    }
    r.take(b'-')?;
    let day = r.number(2)?;
    Some((days(year, month, day)?, true))
}

/// Days since the epoch.
pub(super) fn date(text: &str, partial: PartialDates) -> Result<i32, Found> {
    let mut r = Reader { bytes: text.as_bytes(), at: 0 };
    let (days, whole) = date_part(&mut r).ok_or(Found::Text)?;
    if !whole && partial == PartialDates::Reject {
        return Err(Found::PartialDate);
    }
    if !r.done() {
        return Err(Found::Text);
    }
    i32::try_from(days).map_err(|_| Found::TooLarge)
}

/// Microseconds since the epoch.
pub(super) fn timestamp(text: &str, zone: Zone, partial: PartialDates) -> Result<i64, Found> {
    let mut r = Reader { bytes: text.as_bytes(), at: 0 };
    let (seconds, nanos) = match whole_seconds(&mut r) {
        Some(seconds) => (seconds, fraction_part(&mut r).ok_or(Found::Text)?),
        None => {
            let (days, _) = date_part(&mut r).ok_or(Found::Text)?;
            if r.done() {
                return match partial {
                    PartialDates::Reject => Err(Found::PartialDate),
                    PartialDates::FirstInstant => Ok(days * DAY * MICROS),
                };
            }
            let (seconds, nanos) = time_part(&mut r).ok_or(Found::Text)?;
            (days * DAY + seconds, nanos)
        }
    };
    let offset = match zone_part(&mut r).ok_or(Found::Text)? {
        Some(_) if zone == Zone::None => return Err(Found::Zone),
        offset => offset.unwrap_or(0),
    };
    Ok((seconds - offset) * MICROS + nanos / 1000)
}

/// Seconds since the epoch where nearly all texts begin with them: `YYYY-MM-DDThh:mm:ss`. Reads nothing of others.
fn whole_seconds(r: &mut Reader) -> Option<i64> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T', h0, h1, b':', n0, n1, b':', s0, s1] =
        *r.bytes.get(r.at..)?.first_chunk::<19>()?
    else {
        return None;
    };
    let digits = [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, n0, n1, s0, s1].map(|b| b.wrapping_sub(b'0'));
    if digits.iter().any(|digit| *digit > 9) {
        return None;
    }
    let [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, n0, n1, s0, s1] = digits.map(i64::from);
    let days = days(y0 * 1000 + y1 * 100 + y2 * 10 + y3, m0 * 10 + m1, d0 * 10 + d1)?;
    let seconds = of_day(h0 * 10 + h1, n0 * 10 + n1, s0 * 10 + s1)?;
    r.at += 19;
    Some(days * DAY + seconds)
}

/// Nanoseconds since the epoch of a whole date with a time of day and a zone.
#[cfg(feature = "fhir")]
pub(crate) fn instant_nanos(text: &str) -> Option<i128> {
    const NANOS: i128 = 1_000_000_000;
    let mut r = Reader { bytes: text.as_bytes(), at: 0 };
    let (seconds, nanos) = match whole_seconds(&mut r) {
        Some(seconds) => (seconds, fraction_part(&mut r)?),
        None => {
            let (days, _) = date_part(&mut r)?;
            let (seconds, nanos) = time_part(&mut r)?;
            (days * DAY + seconds, nanos)
        }
    };
    let offset = zone_part(&mut r)??;
    Some(i128::from(seconds - offset) * NANOS + i128::from(nanos))
}

/// Seconds of the day and nanoseconds: digits past the ninth are dropped, which is towards the past.
fn time_part(r: &mut Reader) -> Option<(i64, i64)> {
    if !matches!(r.peek(), b'T' | b't' | b' ') {
        return None;
    }
    r.at += 1;
    let hour = r.number(2)?;
    r.take(b':')?;
    let minute = r.number(2)?;
    let mut second = 0;
    let mut nanos = 0;
    if r.take(b':').is_some() {
        second = r.number(2)?;
        nanos = fraction_part(r)?;
    }
    Some((of_day(hour, minute, second)?, nanos))
}

/// Seconds of the day. 60 is a leap second: the clock's next second.
fn of_day(hour: i64, minute: i64, second: i64) -> Option<i64> {
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

/// Nanoseconds, when a point follows.
fn fraction_part(r: &mut Reader) -> Option<i64> {
    const UNITS: [i64; 9] = [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1000, 100, 10, 1];
    if r.take(b'.').is_none() {
        return Some(0);
    }
    let rest = r.bytes.get(r.at..)?;
    let digits = rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    r.at += digits;
    (digits > 0).then(|| rest.iter().take(digits).zip(UNITS).map(|(b, unit)| unit * i64::from(b - b'0')).sum())
}

/// Seconds east of Greenwich; the inner `None` when no zone is given.
#[allow(clippy::option_option)]
fn zone_part(r: &mut Reader) -> Option<Option<i64>> {
    let sign = match r.peek() {
        0 if r.done() => return Some(None),
        b'Z' | b'z' => {
            r.at += 1;
            return r.done().then_some(Some(0));
        }
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    r.at += 1;
    let hours = r.number(2)?;
    let minutes = if r.done() {
        0
    } else {
        let _ = r.take(b':');
        r.number(2)?
    };
    (r.done() && hours <= 18 && minutes < 60).then_some(Some(sign * (hours * 3600 + minutes * 60)))
}

/// Microseconds since the epoch of a JSON number, which counts seconds as Spark has it; years 1 to 9999.
pub(super) fn epoch_seconds(text: &str) -> Result<i64, Found> {
    const FIRST: i64 = -62_135_596_800 * MICROS;
    const LAST: i64 = 253_402_300_800 * MICROS - 1;
    let micros = super::number::scaled(text, 38, 6)?;
    i64::try_from(micros).ok().filter(|m| (FIRST..=LAST).contains(m)).ok_or(Found::TooLarge)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate};
    use proptest::prelude::*;

    use super::*;

    fn instant(text: &str) -> Result<i64, Found> {
        timestamp(text, Zone::Utc, PartialDates::Reject)
    }

    #[test]
    fn every_zone_and_fraction_is_understood() {
        let base = DateTime::parse_from_rfc3339("2024-02-29T10:20:30Z").unwrap().timestamp_micros();
        for (text, micros) in [
            ("2024-02-29T10:20:30Z", 0),
            ("2024-02-29 10:20:30", 0),
            ("2024-02-29t10:20:30z", 0),
            ("2024-02-29T15:50:30+05:30", 0),
            ("2024-02-29T15:50:30+0530", 0),
            ("2024-02-29T08:20:30-02", 0),
            ("2024-02-29T10:20:30.5Z", 500_000),
            ("2024-02-29T10:20:30.1234567Z", 123_456),
            ("2024-02-29T10:20:30.999999999+00:00", 999_999),
            ("2024-02-29T10:20Z", -30_000_000),
        ] {
            assert_eq!(instant(text), Ok(base + micros), "{text}");
        }
    }

    #[test]
    fn digits_past_microseconds_go_towards_the_past_before_the_epoch_too() {
        assert_eq!(instant("1969-12-31T23:59:59.9999999Z"), Ok(-1));
    }

    #[test]
    fn a_leap_second_is_the_next_second() {
        assert_eq!(instant("2016-12-31T23:59:60Z"), instant("2017-01-01T00:00:00Z"));
        assert_eq!(instant("2016-12-31T23:59:60.5Z"), instant("2017-01-01T00:00:00.5Z"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2024",
            "2024-02-30T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-02-29T24:00:00Z",
            "2024-02-29T10:60:00Z",
            "2024-02-29T10:20:61Z",
            "2024-02-29T10:20:30.Z",
            "2024-02-29T10:20:30ZZ",
            "2024-02-29T10:20:30+19:00",
            "2024-02-29T10:20:30+5:30",
            "0000-01-01T00:00:00Z",
            "24-02-29T10:20:30Z",
            "2024-02-29T10",
            "2024-02-29T",
            "2024-02-29T10:20:30 Z",
            "２024-02-29T10:20:30Z",
            "2024-02-29X10:20:30Z",
            "2024-2-29",
        ] {
            assert!(instant(text).is_err(), "{text}");
        }
    }

    #[test]
    fn partial_dates_are_refused_or_their_first_instant() {
        let first = |t| timestamp(t, Zone::Utc, PartialDates::FirstInstant);
        assert_eq!(first("2012"), instant("2012-01-01T00:00:00Z"));
        assert_eq!(first("2012-05"), instant("2012-05-01T00:00:00Z"));
        assert_eq!(first("2012-05-03"), instant("2012-05-03T00:00:00Z"));
        assert_eq!(instant("2012-05-03"), Err(Found::PartialDate));
        assert_eq!(date("2012-05", PartialDates::Reject), Err(Found::PartialDate));
        assert_eq!(date("2012-05", PartialDates::FirstInstant), date("2012-05-01", PartialDates::Reject));
        assert_eq!(date("2012-05-01T00:00:00Z", PartialDates::FirstInstant), Err(Found::Text));
    }

    #[test]
    fn a_wall_clock_takes_no_zone() {
        assert_eq!(timestamp("1970-01-01T00:00:01", Zone::None, PartialDates::Reject), Ok(MICROS));
        assert_eq!(timestamp("1970-01-01T00:00:01Z", Zone::None, PartialDates::Reject), Err(Found::Zone));
    }

    #[test]
    fn numbers_are_seconds_within_the_calendar() {
        assert_eq!(epoch_seconds("1700000000.25"), Ok(1_700_000_000_250_000));
        assert_eq!(epoch_seconds("1700000000000"), Err(Found::TooLarge));
        assert_eq!(epoch_seconds("0.0000001"), Err(Found::Fraction));
    }

    proptest! {
        #[test]
        fn dates_agree_with_chrono(year in 1i32..=9999, ordinal in 1u32..=366) {
            let Some(day) = NaiveDate::from_yo_opt(year, ordinal) else { return Ok(()) };
            let want = day.signed_duration_since(NaiveDate::default()).num_days();
            prop_assert_eq!(date(&day.format("%Y-%m-%d").to_string(), PartialDates::Reject).map(i64::from), Ok(want));
        }

        #[test]
        fn instants_agree_with_chrono(micros in -62_135_510_000_000_000i64..253_402_200_000_000_000, minutes in -1080i32..=1080) {
            let zone = chrono::FixedOffset::east_opt(minutes * 60).unwrap();
            let text = DateTime::from_timestamp_micros(micros).unwrap().with_timezone(&zone).to_rfc3339();
            prop_assert_eq!(instant(&text), Ok(micros));
        }
    }
}
