//! Points in time as FHIR servers stamp them, compared as numbers.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::decode::instant_nanos;

/// Nanoseconds since the epoch, UTC: what `meta.lastUpdated` is compared as, never as text.
///
/// Aligned to eight bytes: an enum around sixteen has a tag of sixteen, which is written in halves and read whole, and
/// then the processor waits until everything written before it, the copy of the resource too, is in its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(8))]
pub(super) struct Instant(i128);

const SECOND: i128 = 1_000_000_000;

impl Instant {
    /// 1970-01-01: where splitting a range without lower bound begins.
    pub(super) const EPOCH: Self = Self(0);

    /// Before everything that can be read.
    pub(super) const BEFORE_ALL: Self = Self(i128::MIN);

    /// 2200-01-01: later than anything that a server has stamped.
    pub(super) const FAR_FUTURE: Self = Self(7_258_118_400 * SECOND);

    /// Reads an instant with any zone and any number of fraction digits, seconds left out or not; `None` when it is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        instant_nanos(text).map(Self)
    }

    /// The last multiple of `step` at or before this instant.
    pub(super) fn floor(self, step: Step) -> Self {
        Self(self.0.div_euclid(step.nanos()) * step.nanos())
    }

    /// The first multiple of `step` at or after this instant.
    pub(super) fn ceil(self, step: Step) -> Self {
        Self(-(-self.0).div_euclid(step.nanos()) * step.nanos())
    }

    pub(super) fn plus(self, step: Step) -> Self {
        Self(self.0 + step.nanos())
    }

    pub(super) fn minus(self, step: Step) -> Self {
        Self(self.0 - step.nanos())
    }

    pub(super) fn plus_seconds(self, seconds: f64) -> Self {
        // Options bound the seconds; milliseconds are the finest step there is.
        Self(self.0 + (seconds * 1e3).round() as i128 * Step::Millisecond.nanos())
    }

    /// Whether its millisecond shows if a server tells milliseconds apart: neither end of it is a multiple of ten, where a
    /// coarser clock or a cut search value would give the same answer.
    pub(super) fn has_telling_millisecond(self) -> bool {
        (1..=8).contains(&(self.0.div_euclid(Step::Millisecond.nanos()).rem_euclid(10)))
    }

    /// The instant half way to `other`.
    pub(super) fn middle(self, other: Self) -> Self {
        Self(self.0 + (other.0 - self.0).div_euclid(2))
    }

    /// As a search value; `step` decides whether a fraction is written.
    pub(super) fn search_value(self, step: Step) -> String {
        let format = match step {
            Step::Millisecond => SecondsFormat::Millis,
            Step::Second => SecondsFormat::Secs,
        };
        self.utc().to_rfc3339_opts(format, true)
    }

    pub(super) fn utc(self) -> DateTime<Utc> {
        let seconds = i64::try_from(self.0.div_euclid(SECOND)).unwrap_or(i64::MAX);
        let nanos = u32::try_from(self.0.rem_euclid(SECOND)).unwrap_or(0);
        DateTime::from_timestamp(seconds, nanos).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl From<DateTime<Utc>> for Instant {
    fn from(time: DateTime<Utc>) -> Self {
        Self(i128::from(time.timestamp()) * SECOND + i128::from(time.timestamp_subsec_nanos()))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not an instant"))
    }
}

/// How finely a server tells search values apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Thousandths of a second.
    Millisecond,
    /// Whole seconds.
    Second,
}

impl Step {
    fn nanos(self) -> i128 {
        match self {
            Self::Millisecond => 1_000_000,
            Self::Second => SECOND,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    #[test]
    fn instants_compare_as_numbers_whatever_their_spelling() {
        assert!(at("2024-01-01T00:00:00Z") < at("2024-01-01T00:00:00.5Z"));
        assert_eq!(at("2024-01-01T05:30:00+05:30"), at("2024-01-01T00:00:00.000Z"));
        assert!(at("2024-01-01T00:00:00.1234567Z") > at("2024-01-01T00:00:00.123Z"));
        assert!(at("1969-12-31T23:59:59.9Z") < Instant::EPOCH);
    }

    #[test]
    fn the_far_future_is_what_it_says() {
        assert_eq!(Instant::FAR_FUTURE, at("2200-01-01T00:00:00Z"));
    }

    #[test]
    fn what_is_not_an_instant_is_none() {
        for text in ["", "2024", "2024-01-01", "2024-01-01T00:00:00", "2024-13-01T00:00:00Z", "yesterday"] {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_is_read_as_it_was_written(
            seconds in -62_135_510_400i64..253_402_214_400, nanos in 0u32..1_000_000_000, minutes in -840i32..=840,
        ) {
            let time = DateTime::from_timestamp(seconds, nanos).unwrap();
            let zone = chrono::FixedOffset::east_opt(minutes * 60).unwrap();
            prop_assert_eq!(at(&time.with_timezone(&zone).to_rfc3339()), Instant::from(time));
        }
    }

    #[test]
    fn flooring_and_ceiling_also_before_the_epoch() {
        let t = at("1969-12-31T23:59:58.7504Z");
        assert_eq!(t.floor(Step::Second), at("1969-12-31T23:59:58Z"));
        assert_eq!(t.ceil(Step::Second), at("1969-12-31T23:59:59Z"));
        assert_eq!(t.floor(Step::Millisecond), at("1969-12-31T23:59:58.750Z"));
        assert_eq!(t.ceil(Step::Millisecond), at("1969-12-31T23:59:58.751Z"));
        assert_eq!(at("2024-01-01T00:00:00Z").ceil(Step::Second), at("2024-01-01T00:00:00Z"));
    }

    #[test]
    fn a_millisecond_beside_a_multiple_of_ten_tells_nothing() {
        assert!(at("2024-01-01T00:00:00.123Z").has_telling_millisecond());
        for text in ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00.120Z", "2024-01-01T00:00:00.999Z"] {
            assert!(!at(text).has_telling_millisecond(), "{text}");
        }
    }

    #[test]
    fn search_values_are_utc_with_or_without_milliseconds() {
        let t = at("2024-01-01T02:00:00.5+02:00");
        assert_eq!(t.search_value(Step::Millisecond), "2024-01-01T00:00:00.500Z");
        assert_eq!(t.search_value(Step::Second), "2024-01-01T00:00:00Z");
    }
}
