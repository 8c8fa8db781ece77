//! The words in which people give times to PI: `*-1d`, `t+8h`, `monday`, `2026-03-01 06:00`.
//!
//! ```text
//! expression := base? offset*        offset := (+|-) number unit
//! base       := * | t | today | y | yesterday | weekday | month [day] | 1..31 | yyyy | a date and time
//! unit       := s m h d w mo y, their names and plurals; fractions for s, m and h only
//! ```

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, Utc, Weekday};

use super::{ticks::Ticks, zone::Zone};
use crate::error::{Error, ErrorKind, Result};

/// A length of time: calendar parts follow the wall clock, the rest is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Span {
    months: i32,
    days: i32,
    ticks: i64,
}

/// The instant of an expression.
///
/// # Errors
/// [`Config`](ErrorKind::Config) naming the text when it is not an expression, and for one that only stands relative to
/// another time.
pub(in super::super) fn instant(text: &str, now: Ticks, zone: Zone) -> Result<Ticks> {
    if is_relative(text) {
        return Err(unreadable(text).help("a time that begins with + or - needs another time to count from"));
    }
    resolve(text, now, now, zone)
}

/// The instants of a start and an end; either may begin with `+` or `-` and then counts from the other.
///
/// # Errors
/// [`Config`](ErrorKind::Config) naming the text that is not an expression, and when both count from the other.
pub(in super::super) fn range(start: &str, end: &str, now: Ticks, zone: Zone) -> Result<(Ticks, Ticks)> {
    match (is_relative(start), is_relative(end)) {
        (true, true) => Err(unreadable(start).help("start and end cannot both count from the other")),
        (true, false) => {
            let end = instant(end, now, zone)?;
            Ok((resolve(start, end, now, zone)?, end))
        }
        (false, _) => {
            let start = instant(start, now, zone)?;
            Ok((start, resolve(end, if is_relative(end) { start } else { now }, now, zone)?))
        }
    }
}

impl Span {
    /// A length such as `1h`, `30s`, `1.5h` or `1mo`.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) naming the text when it is not a length, or none greater than zero.
    pub(in super::super) fn parse(text: &str) -> Result<Self> {
        let trimmed = text.trim();
        let unsigned = trimmed.strip_prefix('+').unwrap_or(trimmed);
        let (span, rest) = number_and_unit(unsigned, 1).ok_or_else(|| unreadable(text))?;
        let positive = span.months > 0 || span.days > 0 || span.ticks > 0;
        if rest.trim().is_empty() && positive { Ok(span) } else { Err(unreadable(text)) }
    }

    /// The instant this much later.
    pub(in super::super) fn after(self, at: Ticks, zone: Zone) -> Option<Ticks> {
        let mut at = at;
        if self.months != 0 || self.days != 0 {
            let fraction = at.0.rem_euclid(10);
            let local = zone.local(at.to_utc());
            let months = Months::new(self.months.unsigned_abs());
            let local = match self.months {
                0.. => local.checked_add_months(months)?,
                _ => local.checked_sub_months(months)?,
            };
            let days = Days::new(u64::from(self.days.unsigned_abs()));
            let local = if self.days >= 0 { local.checked_add_days(days)? } else { local.checked_sub_days(days)? };
            at = Ticks(Ticks::from_utc(zone.instant(local)?).0.div_euclid(10) * 10 + fraction);
        }
        let range = Ticks::parse("0001-01-01T00:00:00Z")?..=Ticks::OPEN_END;
        at.0.checked_add(self.ticks).map(Ticks).filter(|t| range.contains(t))
    }

    /// Months, days and ticks; only one of them is not zero for what [`Span::parse`] reads.
    pub(in super::super) fn parts(self) -> (i32, i32, i64) {
        (self.months, self.days, self.ticks)
    }
}

fn is_relative(text: &str) -> bool {
    matches!(text.trim_start().as_bytes().first(), Some(b'+' | b'-'))
}

/// `origin` is where an expression without a base counts from.
fn resolve(text: &str, origin: Ticks, now: Ticks, zone: Zone) -> Result<Ticks> {
    let unreadable = || unreadable(text);
    let trimmed = text.trim();
    if let Some(at) = absolute(trimmed, zone) {
        return Ok(at);
    }
    // Dates hold signs too: the longest base that is one wins.
    let is_sign = |(i, c): (usize, char)| matches!(c, '+' | '-').then_some(i);
    let signs: Vec<usize> = trimmed.char_indices().filter_map(is_sign).collect();
    for split in std::iter::once(trimmed.len()).chain(signs.into_iter().rev()) {
        let (base, offsets) = trimmed.split_at(split);
        let Some(base) = self::base(base.trim(), origin, now, zone) else { continue };
        let Some(offsets) = self::offsets(offsets) else { continue };
        return offsets.into_iter().try_fold(base, |at, span| span.after(at, zone)).ok_or_else(unreadable);
    }
    Err(unreadable())
}

fn base(text: &str, origin: Ticks, now: Ticks, zone: Zone) -> Option<Ticks> {
    let midnight = |day: NaiveDate| Some(Ticks::from_utc(zone.instant(day.and_hms_opt(0, 0, 0)?)?));
    let today = zone.local(now.to_utc()).date();
    let lower = text.to_lowercase();
    match lower.as_str() {
        "" => return Some(origin),
        "*" | "now" => return Some(now),
        "t" | "today" => return midnight(today),
        "y" | "yesterday" => return midnight(today.pred_opt()?),
        _ => {}
    }
    if let Ok(weekday) = lower.parse::<Weekday>() {
        let back = (today.weekday().num_days_from_monday() + 7 - weekday.num_days_from_monday()) % 7;
        return midnight(today.checked_sub_days(Days::new(u64::from(back)))?);
    }
    let (word, day) = lower.split_once(char::is_whitespace).unwrap_or((&lower, "1"));
    if let Ok(month) = word.parse::<chrono::Month>() {
        return midnight(NaiveDate::from_ymd_opt(today.year(), month.number_from_month(), day.trim().parse().ok()?)?);
    }
    match (lower.len(), lower.parse::<u32>().ok()) {
        (1 | 2, Some(day)) => midnight(today.with_day(day)?),
        (4, Some(year)) => midnight(NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, 1, 1)?),
        _ => absolute(text, zone),
    }
}

/// A date, or a date and time; the wall clock of the zone where the text names none.
fn absolute(text: &str, zone: Zone) -> Option<Ticks> {
    if let Some(at) = Ticks::parse(text) {
        return Some(at);
    }
    let local = |format| NaiveDateTime::parse_from_str(text, format).ok();
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let local: NaiveDateTime = formats.into_iter().find_map(local).or_else(day)?;
    let at: DateTime<Utc> = zone.instant(local)?;
    (1..=9999).contains(&at.year()).then(|| Ticks::from_utc(at))
}

fn offsets(text: &str) -> Option<Vec<Span>> {
    let mut rest = text.trim();
    let mut spans = Vec::new();
    while let Some(first) = rest.chars().next() {
        let sign = match first {
            '+' => 1,
            '-' => -1,
            _ => return None,
        };
        let (span, after) = number_and_unit(rest.get(1..)?.trim_start(), sign)?;
        spans.push(span);
        rest = after.trim_start();
    }
    Some(spans)
}

fn number_and_unit(text: &str, sign: i64) -> Option<(Span, &str)> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(unit_at);
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let whole = || number.parse::<i32>().ok().map(|n| n * if sign < 0 { -1 } else { 1 });
    let exact = |seconds: i64| scaled(number, seconds * 10_000_000).map(|ticks| ticks * sign);
    let span = match unit.to_lowercase().as_str() {
        "s" | "sec" | "second" | "seconds" => Span { ticks: exact(1)?, ..Span::default() },
        "m" | "min" | "minute" | "minutes" => Span { ticks: exact(60)?, ..Span::default() },
        "h" | "hour" | "hours" => Span { ticks: exact(3600)?, ..Span::default() },
        "d" | "day" | "days" => Span { days: whole()?, ..Span::default() },
        "w" | "week" | "weeks" => Span { days: whole()?.checked_mul(7)?, ..Span::default() },
        "mo" | "month" | "months" => Span { months: whole()?, ..Span::default() },
        "y" | "year" | "years" => Span { months: whole()?.checked_mul(12)?, ..Span::default() },
        _ => return None,
    };
    Some((span, rest))
}

/// A number with or without fraction, times `unit`, cut to a whole number.
fn scaled(number: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.len() > 9 || whole.is_empty() && fraction == "0" {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: i128 =
        fraction.parse::<i128>().ok()? * i128::from(unit) / 10i128.pow(u32::try_from(fraction.len()).ok()?);
    whole.checked_mul(unit)?.checked_add(i64::try_from(part).ok()?)
}

fn unreadable(text: &str) -> Error {
    Error::new(ErrorKind::Config, format!("'{}' is not a PI time", text.trim()))
        .help("write it as '*-30d', 't+8h', 'yesterday' or '2026-03-01T06:00:00Z'")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A Wednesday.
    const NOW: &str = "2026-03-18T10:20:30.1234567Z";

    fn at(text: &str) -> Ticks {
        Ticks::parse(text).unwrap()
    }

    fn read(text: &str) -> Option<String> {
        instant(text, at(NOW), Zone::default()).ok().map(|t| t.to_string())
    }

    #[test]
    fn words_stand_for_what_pi_says() {
        for (text, want) in [
            ("*", NOW),
            ("", NOW),
            (" * - 1d ", "2026-03-17T10:20:30.1234567Z"),
            ("*-30s", "2026-03-18T10:20:00.1234567Z"),
            ("*-1w", "2026-03-11T10:20:30.1234567Z"),
            ("*-1mo", "2026-02-18T10:20:30.1234567Z"),
            ("*+1h", "2026-03-18T11:20:30.1234567Z"),
            ("*-1.5h", "2026-03-18T08:50:30.1234567Z"),
            ("*-.5m", "2026-03-18T10:20:00.1234567Z"),
            ("*-1d+2h-3m", "2026-03-17T12:17:30.1234567Z"),
            ("t", "2026-03-18T00:00:00Z"),
            ("today+8h", "2026-03-18T08:00:00Z"),
            ("Y", "2026-03-17T00:00:00Z"),
            ("yesterday - 1 days", "2026-03-16T00:00:00Z"),
            ("wednesday", "2026-03-18T00:00:00Z"),
            ("thu", "2026-03-12T00:00:00Z"),
            ("January", "2026-01-01T00:00:00Z"),
            ("dec 25", "2026-12-25T00:00:00Z"),
            ("14", "2026-03-14T00:00:00Z"),
            ("2024", "2024-01-01T00:00:00Z"),
            ("2026-03-01", "2026-03-01T00:00:00Z"),
            ("2026-03-01 06:07", "2026-03-01T06:07:00Z"),
            ("2026-03-01T06:07:08.5", "2026-03-01T06:07:08.5Z"),
            ("2026-03-01T06:07:08+02:00", "2026-03-01T04:07:08Z"),
            ("2026-03-01-1d", "2026-02-28T00:00:00Z"),
            ("2026-03-01T06:07:08Z+1y", "2027-03-01T06:07:08Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_an_error_and_never_now() {
        for text in [
            "*-1.5d",
            "*-",
            "*-1",
            "*-1x",
            "1d",
            "-1d",
            "+1h",
            "noon",
            "32",
            "0",
            "feb 30",
            "13:00",
            "2026-02-30",
            "*1d",
            "*-1h extra",
            "99999-01-01",
            "*-99999999999999999999d",
            "*-9000y",
            "t t",
            "*--1d",
        ] {
            let error = instant(text, at(NOW), Zone::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
        }
    }

    #[test]
    fn a_range_may_count_from_its_other_end() {
        let range = |start, end| range(start, end, at(NOW), Zone::default()).unwrap();
        assert_eq!(range("-1d", "t"), (at("2026-03-17T00:00:00Z"), at("2026-03-18T00:00:00Z")));
        assert_eq!(range("t", "+8h"), (at("2026-03-18T00:00:00Z"), at("2026-03-18T08:00:00Z")));
        assert_eq!(range("*-1h", "*").1, at(NOW));
        assert!(super::range("-1d", "+1d", at(NOW), Zone::default()).is_err());
    }

    #[test]
    fn days_follow_the_wall_clock_and_hours_do_not() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let before = at("2026-03-28T11:00:00Z");
        assert_eq!(Span::parse("1d").unwrap().after(before, berlin), Some(at("2026-03-29T10:00:00Z")));
        assert_eq!(Span::parse("24h").unwrap().after(before, berlin), Some(at("2026-03-29T11:00:00Z")));
        assert_eq!(instant("t", at("2026-03-28T23:30:00Z"), berlin).unwrap(), at("2026-03-28T23:00:00Z"));
    }

    #[test]
    fn lengths_are_positive_and_whole_where_they_follow_the_calendar() {
        assert_eq!(Span::parse("1.5h").unwrap().parts(), (0, 0, 54_000_000_000));
        assert_eq!(Span::parse("1mo").unwrap().parts(), (1, 0, 0));
        for text in ["", "0s", "-1h", "1", "h", "1.5d", "1h 1m", "1h1m", "0d"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,30}", letters in "[*tymhdws0-9+\\- .]{0,12}") {
            let _ = instant(&text, at(NOW), Zone::default());
            let _ = instant(&letters, at(NOW), Zone::default());
            let _ = Span::parse(&letters);
        }

        #[test]
        fn offsets_add_up(seconds in 0i64..1_000_000, hours in 0i64..1_000) {
            let want = at(NOW).plus_seconds(-seconds - hours * 3600);
            prop_assert_eq!(instant(&format!("*-{seconds}s-{hours}h"), at(NOW), Zone::default()).unwrap(), want);
        }
    }
}
