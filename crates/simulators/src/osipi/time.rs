//! PI time strings and time spans, as a server understands them.

use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Utc, Weekday};

use super::{
    call::{Call, Refusal},
    ticks::{DAY, SECOND, Ticks, parse_iso},
};

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Mon),
    ("tuesday", Weekday::Tue),
    ("wednesday", Weekday::Wed),
    ("thursday", Weekday::Thu),
    ("friday", Weekday::Fri),
    ("saturday", Weekday::Sat),
    ("sunday", Weekday::Sun),
];

/// Zones that the server knows by name, with minutes east of UTC; none of them has daylight saving.
const ZONES: [(&str, i32); 9] = [
    ("UTC", 0),
    ("Etc/UTC", 0),
    ("GMT", 0),
    ("India Standard Time", 330),
    ("Asia/Kolkata", 330),
    ("Tokyo Standard Time", 540),
    ("Asia/Tokyo", 540),
    ("SA Pacific Standard Time", -300),
    ("America/Bogota", -300),
];

/// The clock against which time strings are read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) now: Ticks,
    /// Minutes east of UTC.
    pub(crate) zone: i32,
}

impl Clock {
    /// The server's clock in the zone that a call names.
    ///
    /// # Errors
    /// 400 for a zone that the server does not know.
    pub(crate) fn of(call: &Call<'_>) -> Result<Self, Refusal> {
        let zone = match call.filled("timeZone") {
            None => call.config.zone_minutes,
            Some(name) => ZONES
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, minutes)| *minutes)
                .ok_or_else(|| Refusal::bad(format!("The time zone '{name}' was not found on this computer.")))?,
        };
        Ok(Self { now: call.now, zone })
    }

    /// The instant of one parameter.
    ///
    /// # Errors
    /// 400 when it is no time.
    pub(crate) fn instant(&self, name: &str, text: &str) -> Result<Ticks, Refusal> {
        self.read(text, self.now).ok_or_else(|| bad_time(name, text))
    }

    /// The window of `startTime` (default `*-1d`) and `endTime` (default `*`); the end may lie before the start.
    ///
    /// # Errors
    /// 400 when one of them is no time.
    pub(crate) fn window(&self, call: &Call<'_>) -> Result<(Ticks, Ticks), Refusal> {
        let start = call.get("startTime").unwrap_or("*-1d").trim();
        let end = call.get("endTime").unwrap_or("*").trim();
        let relative = |text: &str| text.starts_with(['+', '-']);
        if relative(start) && relative(end) {
            return Err(bad_time("startTime", start));
        }
        if relative(start) {
            let end = self.instant("endTime", end)?;
            return Ok((self.read(start, end).ok_or_else(|| bad_time("startTime", start))?, end));
        }
        let start = self.instant("startTime", start)?;
        let base = if relative(end) { start } else { self.now };
        Ok((start, self.read(end, base).ok_or_else(|| bad_time("endTime", end))?))
    }

    /// Reads a PI time; `base` is what a leading offset counts from.
    fn read(&self, text: &str, base: Ticks) -> Option<Ticks> {
        let text = text.trim();
        if text.is_empty() {
            return Some(self.now);
        }
        if let Some(at) = parse_iso(text, Some(self.zone)) {
            return Some(at);
        }
        let lower = text.to_lowercase();
        let cut = lower.find(['+', '-']).unwrap_or(lower.len());
        let (head, offsets) = lower.split_at(cut);
        let at = match head.trim() {
            "" if offsets.is_empty() => return None,
            "" => base,
            head => self.base(head)?,
        };
        self.shifted(at, offsets)
    }

    fn midnight(&self, date: NaiveDate) -> Ticks {
        let days = i64::from(date.num_days_from_ce()) - 719_163;
        Ticks(days * DAY - i64::from(self.zone) * 60 * SECOND)
    }

    fn base(&self, word: &str) -> Option<Ticks> {
        let local = DateTime::<Utc>::from_timestamp(self.now.0.div_euclid(SECOND) + i64::from(self.zone) * 60, 0)?;
        let today = local.date_naive();
        match word {
            "*" => return Some(self.now),
            "t" | "today" => return Some(self.midnight(today)),
            "y" | "yesterday" => return Some(self.midnight(today.pred_opt()?)),
            _ => {}
        }
        let named = |full: &str, word: &str| word.len() >= 3 && full.starts_with(word);
        if let Some((_, day)) = DAYS.iter().find(|(full, _)| named(full, word)) {
            // The most recent one, today included.
            let back = today.weekday().days_since(*day);
            return Some(self.midnight(today - TimeDelta::days(i64::from(back))));
        }
        let (name, day) = word.split_once(' ').map_or((word, None), |(name, day)| (name, Some(day.trim())));
        if let Some(month) = MONTHS.iter().position(|full| named(full, name)) {
            let day = match day {
                Some(day) => day.parse().ok()?,
                None => today.day(),
            };
            return Some(self.midnight(NaiveDate::from_ymd_opt(today.year(), u32::try_from(month).ok()? + 1, day)?));
        }
        let number: i32 = word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()?;
        let date = match word.len() {
            1 | 2 => NaiveDate::from_ymd_opt(today.year(), today.month(), u32::try_from(number).ok()?)?,
            4 => NaiveDate::from_ymd_opt(number, today.month(), today.day())?,
            _ => return None,
        };
        Some(self.midnight(date))
    }

    fn shifted(&self, mut at: Ticks, offsets: &str) -> Option<Ticks> {
        let mut rest = offsets.trim();
        while !rest.is_empty() {
            let sign = match rest.as_bytes().first()? {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            let body = rest.get(1..)?;
            let end = body.find(['+', '-']).unwrap_or(body.len());
            let (part, tail) = body.split_at(end);
            at = self.step(at, Span::parse(part.trim())?, sign)?;
            rest = tail.trim_start();
        }
        Some(at)
    }

    /// `at` moved by a span, `times` times.
    pub(crate) fn step(&self, at: Ticks, span: Span, times: i64) -> Option<Ticks> {
        let mut at = at;
        if span.months != 0 {
            let shift = i64::from(self.zone) * 60 * SECOND;
            let local = DateTime::<Utc>::from_timestamp((at.0 + shift).div_euclid(SECOND), 0)?;
            let months = i64::from(span.months) * times;
            let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
            let moved = if months < 0 { local.checked_sub_months(count)? } else { local.checked_add_months(count)? };
            at = Ticks(moved.timestamp() * SECOND + at.0.rem_euclid(SECOND) - shift);
        }
        Some(Ticks(at.0.checked_add(span.ticks.checked_mul(times)?)?))
    }
}

/// A time span: calendar months and ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) months: i32,
    pub(crate) ticks: i64,
}

impl Span {
    /// Reads one or more of `number unit`; a missing number is 1. Fractions only of seconds, minutes and hours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        let mut rest = text.as_str();
        let mut sum = Self { months: 0, ticks: 0 };
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let (number, tail) = rest.split_at(digits);
            let tail = tail.trim_start();
            let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let number: f64 = if number.is_empty() { 1.0 } else { number.parse().ok()? };
            let whole = (number.fract() == 0.0 && number.abs() < 1e9).then_some(number as i64);
            let scaled = |unit: i64| Some((number * unit as f64).round() as i64);
            match unit {
                "s" | "sec" | "secs" | "second" | "seconds" => sum.ticks += scaled(SECOND)?,
                "ms" | "millisecond" | "milliseconds" => sum.ticks += scaled(SECOND / 1_000)?,
                "m" | "min" | "mins" | "minute" | "minutes" => sum.ticks += scaled(60 * SECOND)?,
                "h" | "hour" | "hours" => sum.ticks += scaled(3_600 * SECOND)?,
                "d" | "day" | "days" => sum.ticks += whole?.checked_mul(DAY)?,
                "w" | "week" | "weeks" => sum.ticks += whole?.checked_mul(7 * DAY)?,
                "mo" | "month" | "months" => sum.months += i32::try_from(whole?).ok()?,
                "y" | "year" | "years" => sum.months += i32::try_from(whole?).ok()?.checked_mul(12)?,
                _ => return None,
            }
            rest = tail.trim_start();
        }
        (!text.is_empty()).then_some(sum)
    }

    /// The span of a parameter.
    ///
    /// # Errors
    /// 400 when it is no positive time span.
    pub(crate) fn of(name: &str, text: &str) -> Result<Self, Refusal> {
        let span = Self::parse(text).filter(|span| span.months > 0 || span.ticks > 0);
        span.ok_or_else(|| Refusal::bad(format!("The value '{text}' of parameter '{name}' is not a valid time span.")))
    }

    /// About how long it is, in ticks.
    pub(crate) fn about(&self) -> i64 {
        i64::from(self.months) * 30 * DAY + self.ticks
    }
}

fn bad_time(name: &str, text: &str) -> Refusal {
    Refusal::bad(format!("The value '{text}' of parameter '{name}' is not a valid PI time string."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, zone: i32) -> Option<String> {
        // A Sunday.
        let now = Ticks::parse("2026-03-01T12:30:15.5Z").unwrap();
        Clock { now, zone }.read(text, now).map(|at| at.to_string())
    }

    #[test]
    fn pi_times_are_read_in_the_zone_of_the_server() {
        for (text, zone, wanted) in [
            ("*", 0, "2026-03-01T12:30:15.5Z"),
            ("", 0, "2026-03-01T12:30:15.5Z"),
            ("*-1.5h", 0, "2026-03-01T11:00:15.5Z"),
            ("* - 1d + 30 s", 0, "2026-02-28T12:30:45.5Z"),
            ("*-1mo", 0, "2026-02-01T12:30:15.5Z"),
            ("*-1y", 0, "2025-03-01T12:30:15.5Z"),
            ("t", 0, "2026-03-01T00:00:00Z"),
            ("t", 330, "2026-02-28T18:30:00Z"),
            ("yesterday+8h", 0, "2026-02-28T08:00:00Z"),
            ("sat", 0, "2026-02-28T00:00:00Z"),
            ("sunday", 0, "2026-03-01T00:00:00Z"),
            ("jan 15", 0, "2026-01-15T00:00:00Z"),
            ("15", 0, "2026-03-15T00:00:00Z"),
            ("2024", 0, "2024-03-01T00:00:00Z"),
            ("2026-02-03T04:05:06.0000001Z", 330, "2026-02-03T04:05:06.0000001Z"),
            ("2026-02-03", 60, "2026-02-02T23:00:00Z"),
        ] {
            assert_eq!(at(text, zone).as_deref(), Some(wanted), "{text}");
        }
        for text in ["now", "*-1", "*-1.5d", "*-x", "32", "feb 30", "2026-02-30", "**", "+", "*-1h*"] {
            assert_eq!(at(text, 0), None, "{text}");
        }
    }

    #[test]
    fn spans_have_numbers_and_units() {
        assert_eq!(Span::parse("1m"), Some(Span { months: 0, ticks: 60 * SECOND }));
        assert_eq!(Span::parse("2h30m"), Some(Span { months: 0, ticks: 9_000 * SECOND }));
        assert_eq!(Span::parse("1mo"), Some(Span { months: 1, ticks: 0 }));
        assert_eq!(Span::parse("d"), Some(Span { months: 0, ticks: DAY }));
        for text in ["", "1", "1x", "-1m", "0.5d"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
        assert!(Span::of("interval", "0m").is_err());
    }
}
