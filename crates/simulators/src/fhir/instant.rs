//! Instants: their spellings in `meta.lastUpdated` and the intervals that search values mean.

use std::io::Write;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};

/// Nanoseconds since 1970, UTC.
pub(crate) type Nanos = i64;

/// Stands for "no `lastUpdated`".
pub(crate) const MISSING: Nanos = i64::MIN;

const SECOND: Nanos = 1_000_000_000;

/// How a server spells `meta.lastUpdated`, and how fine its stamps are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StampStyle {
    /// `2024-01-01T00:00:00Z`
    Seconds,
    /// `2024-01-01T00:00:00.123Z`
    #[default]
    Millis,
    /// `2024-01-01T00:00:00.123456Z`
    Micros,
    /// `2024-01-01T00:00:00.1234567Z`
    Ticks,
    /// `2024-01-01T00:00:00.123456789Z`
    Nanos,
    /// `2024-01-01T05:30:00.123+05:30`
    Offset,
    /// All of the above, row by row.
    Mixed,
}

impl StampStyle {
    /// The style of one row.
    pub(crate) fn of_row(self, row: u32) -> Self {
        const ALL: [StampStyle; 6] = [
            StampStyle::Millis,
            StampStyle::Seconds,
            StampStyle::Ticks,
            StampStyle::Offset,
            StampStyle::Nanos,
            StampStyle::Micros,
        ];
        match self {
            Self::Mixed => ALL[row as usize % ALL.len()],
            style => style,
        }
    }

    fn digits(self) -> u32 {
        match self {
            Self::Seconds => 0,
            Self::Millis | Self::Offset | Self::Mixed => 3,
            Self::Micros => 6,
            Self::Ticks => 7,
            Self::Nanos => 9,
        }
    }

    /// `at` cut to what this style can spell.
    pub(crate) fn cut(self, at: Nanos) -> Nanos {
        if at == MISSING {
            return at;
        }
        let step = 10i64.pow(9 - self.digits());
        at.div_euclid(step) * step
    }

    /// Appends the spelling of `at`.
    pub(crate) fn write(self, at: Nanos, out: &mut Vec<u8>) {
        let shift = if self == Self::Offset { 19_800 } else { 0 };
        let local = DateTime::<Utc>::from_timestamp_nanos(at) + TimeDelta::seconds(shift);
        let (date, time) = (local.date_naive(), local.time());
        let _ = write!(
            out,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            date.year(),
            date.month(),
            date.day(),
            time.hour(),
            time.minute(),
            time.second()
        );
        let digits = self.digits();
        if digits > 0 {
            let fraction = i64::from(time.nanosecond() % 1_000_000_000) / 10i64.pow(9 - digits);
            let _ = write!(out, ".{fraction:0width$}", width = digits as usize);
        }
        out.extend_from_slice(if shift == 0 { b"Z" } else { b"+05:30" });
    }

    /// The spelling of `at`.
    pub(crate) fn text(self, at: Nanos) -> String {
        let mut out = Vec::with_capacity(32);
        self.write(at, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

/// The interval `[start, end)` that a date search value covers by its precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) start: Nanos,
    pub(crate) end: Nanos,
}

impl Interval {
    /// Reads `YYYY[-MM[-DD[Thh:mm[:ss[.f]][zone]]]]`; without a zone UTC is meant.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut parts = date.split('-');
        let year: i32 = digits(parts.next()?, 4)?;
        let month: Option<u32> = parts.next().map(|part| digits(part, 2)).map_or(Some(None), |m| m.map(Some))?;
        let day: Option<u32> = parts.next().map(|part| digits(part, 2)).map_or(Some(None), |d| d.map(Some))?;
        if parts.next().is_some() || (time.is_some() && day.is_none()) {
            return None;
        }
        let first = NaiveDate::from_ymd_opt(year, month.unwrap_or(1), day.unwrap_or(1))?;
        let Some(time) = time else {
            let after = match (month, day) {
                (None, _) => NaiveDate::from_ymd_opt(year + 1, 1, 1)?,
                (Some(12), None) => NaiveDate::from_ymd_opt(year + 1, 1, 1)?,
                (Some(month), None) => NaiveDate::from_ymd_opt(year, month + 1, 1)?,
                (Some(_), Some(_)) => first.succ_opt()?,
            };
            return Some(Self { start: midnight(first)?, end: midnight(after)? });
        };
        let zone_at = time.find(['Z', '+', '-']).unwrap_or(time.len());
        let (clock, zone) = time.split_at(zone_at);
        let offset = match zone {
            "" | "Z" => FixedOffset::east_opt(0)?,
            _ => {
                let (hours, minutes) = zone.get(1..)?.split_once(':')?;
                let seconds = digits::<i32>(hours, 2)? * 3600 + digits::<i32>(minutes, 2)? * 60;
                FixedOffset::east_opt(if zone.starts_with('-') { -seconds } else { seconds })?
            }
        };
        let (whole, fraction) = clock.split_once('.').map_or((clock, None), |(whole, part)| (whole, Some(part)));
        let mut parts = whole.split(':');
        let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
        let second: Option<u32> = parts.next().map(|part| digits(part, 2)).map_or(Some(None), |s| s.map(Some))?;
        if parts.next().is_some() || (fraction.is_some() && second.is_none()) {
            return None;
        }
        let mut width = if second.is_some() { SECOND } else { 60 * SECOND };
        let mut nanos = 0;
        if let Some(fraction) = fraction {
            if fraction.is_empty() || fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            width = 10i64.pow(9 - u32::try_from(fraction.len()).ok()?);
            nanos = fraction.parse::<i64>().ok()? * width;
        }
        let time = NaiveTime::from_hms_opt(hour, minute, second.unwrap_or(0).min(59))?;
        let start = offset.from_local_datetime(&first.and_time(time)).single()?.timestamp_nanos_opt()? + nanos;
        Some(Self { start, end: start + width })
    }

    /// The same value after a server cut it to whole seconds.
    pub(crate) fn to_seconds(self) -> Self {
        let start = self.start.div_euclid(SECOND) * SECOND;
        Self { start, end: self.end.max(start + SECOND) }
    }
}

fn digits<T: std::str::FromStr>(text: &str, width: usize) -> Option<T> {
    (text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn midnight(date: NaiveDate) -> Option<Nanos> {
    date.and_time(NaiveTime::MIN).and_utc().timestamp_nanos_opt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(text: &str) -> (String, i64) {
        let Interval { start, end } = Interval::parse(text).unwrap_or(Interval { start: 0, end: 0 });
        (StampStyle::Nanos.text(start), end - start)
    }

    #[test]
    fn a_search_value_is_as_wide_as_its_precision() {
        let day = 86_400 * SECOND;
        assert_eq!(interval("2024"), ("2024-01-01T00:00:00.000000000Z".into(), 366 * day));
        assert_eq!(interval("2024-02"), ("2024-02-01T00:00:00.000000000Z".into(), 29 * day));
        assert_eq!(interval("2024-12-31"), ("2024-12-31T00:00:00.000000000Z".into(), day));
        assert_eq!(interval("2024-01-01T10:20Z"), ("2024-01-01T10:20:00.000000000Z".into(), 60 * SECOND));
        assert_eq!(interval("2024-01-01T10:20:30+05:30"), ("2024-01-01T04:50:30.000000000Z".into(), SECOND));
        assert_eq!(interval("2024-01-01T10:20:30.5-01:00"), ("2024-01-01T11:20:30.500000000Z".into(), SECOND / 10));
        assert_eq!(interval("2024-01-01T10:20:30.123Z"), ("2024-01-01T10:20:30.123000000Z".into(), 1_000_000));
    }

    #[test]
    fn nonsense_is_no_search_value() {
        for text in
            ["", "24", "2024-13", "2024-01-32", "2024-01T10:00Z", "2024-01-01T10", "2024-01-01T10:00:00.Z", "now"]
        {
            assert_eq!(Interval::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_style_spells_an_instant_that_reads_back() {
        let at = 1_704_067_199_123_456_789;
        for (style, text) in [
            (StampStyle::Seconds, "2023-12-31T23:59:59Z"),
            (StampStyle::Millis, "2023-12-31T23:59:59.123Z"),
            (StampStyle::Micros, "2023-12-31T23:59:59.123456Z"),
            (StampStyle::Ticks, "2023-12-31T23:59:59.1234567Z"),
            (StampStyle::Nanos, "2023-12-31T23:59:59.123456789Z"),
            (StampStyle::Offset, "2024-01-01T05:29:59.123+05:30"),
        ] {
            assert_eq!(style.text(at), text);
            assert_eq!(Interval::parse(text).map(|interval| interval.start), Some(style.cut(at)));
        }
    }
}
