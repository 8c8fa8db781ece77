//! `Retry-After` in both of its forms.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

/// The wait that a `Retry-After` value asks for: seconds, or a date as seen from `now`.
///
/// A date in the past is no wait; text of neither form is none at all.
pub(super) fn parse(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::from(now)).unwrap_or_default())
}

/// An HTTP date.
pub(super) fn parse_date(value: &str) -> Option<DateTime<Utc>> {
    httpdate::parse_http_date(value.trim()).ok().map(DateTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_dates_and_nonsense() {
        let now = parse_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let seconds = |n| Some(Duration::from_secs(n));
        for (value, wanted) in [
            ("120", seconds(120)),
            (" 0 ", seconds(0)),
            ("99999999999999999999999", seconds(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", seconds(60)),
            ("Sunday, 06-Nov-94 08:49:38 GMT", seconds(1)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", seconds(0)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(parse(value, now), wanted, "{value:?}");
        }
    }
}
