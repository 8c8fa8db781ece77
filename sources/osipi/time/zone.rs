//! Time zones by IANA name or by the name that Windows has for them.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use crate::error::{Error, ErrorKind, Result};

/// A time zone; UTC unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Zone(Tz);

impl Default for Zone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

/// Windows' name, IANA's name for its main place. A PI system is set up in one of these as a rule.
const WINDOWS: [(&str, &str); 58] = [
    ("Dateline Standard Time", "Etc/GMT+12"),
    ("Hawaiian Standard Time", "Pacific/Honolulu"),
    ("Alaskan Standard Time", "America/Anchorage"),
    ("Pacific Standard Time", "America/Los_Angeles"),
    ("US Mountain Standard Time", "America/Phoenix"),
    ("Mountain Standard Time", "America/Denver"),
    ("Central Standard Time", "America/Chicago"),
    ("Central America Standard Time", "America/Guatemala"),
    ("Central Standard Time (Mexico)", "America/Mexico_City"),
    ("Canada Central Standard Time", "America/Regina"),
    ("Eastern Standard Time", "America/New_York"),
    ("SA Pacific Standard Time", "America/Bogota"),
    ("Venezuela Standard Time", "America/Caracas"),
    ("Atlantic Standard Time", "America/Halifax"),
    ("Pacific SA Standard Time", "America/Santiago"),
    ("SA Western Standard Time", "America/La_Paz"),
    ("Newfoundland Standard Time", "America/St_Johns"),
    ("E. South America Standard Time", "America/Sao_Paulo"),
    ("Argentina Standard Time", "America/Buenos_Aires"),
    ("UTC", "UTC"),
    ("Coordinated Universal Time", "UTC"),
    ("GMT Standard Time", "Europe/London"),
    ("Greenwich Standard Time", "Atlantic/Reykjavik"),
    ("W. Europe Standard Time", "Europe/Berlin"),
    ("Central Europe Standard Time", "Europe/Budapest"),
    ("Romance Standard Time", "Europe/Paris"),
    ("Central European Standard Time", "Europe/Warsaw"),
    ("W. Central Africa Standard Time", "Africa/Lagos"),
    ("GTB Standard Time", "Europe/Bucharest"),
    ("FLE Standard Time", "Europe/Kiev"),
    ("E. Europe Standard Time", "Europe/Chisinau"),
    ("Egypt Standard Time", "Africa/Cairo"),
    ("South Africa Standard Time", "Africa/Johannesburg"),
    ("Israel Standard Time", "Asia/Jerusalem"),
    ("Turkey Standard Time", "Europe/Istanbul"),
    ("Russian Standard Time", "Europe/Moscow"),
    ("Arab Standard Time", "Asia/Riyadh"),
    ("Arabic Standard Time", "Asia/Baghdad"),
    ("E. Africa Standard Time", "Africa/Nairobi"),
    ("Iran Standard Time", "Asia/Tehran"),
    ("Arabian Standard Time", "Asia/Dubai"),
    ("Azerbaijan Standard Time", "Asia/Baku"),
    ("Pakistan Standard Time", "Asia/Karachi"),
    ("West Asia Standard Time", "Asia/Tashkent"),
    ("India Standard Time", "Asia/Calcutta"),
    ("Central Asia Standard Time", "Asia/Almaty"),
    ("Bangladesh Standard Time", "Asia/Dhaka"),
    ("SE Asia Standard Time", "Asia/Bangkok"),
    ("China Standard Time", "Asia/Shanghai"),
    ("Singapore Standard Time", "Asia/Singapore"),
    ("Taipei Standard Time", "Asia/Taipei"),
    ("W. Australia Standard Time", "Australia/Perth"),
    ("Tokyo Standard Time", "Asia/Tokyo"),
    ("Korea Standard Time", "Asia/Seoul"),
    ("Cen. Australia Standard Time", "Australia/Adelaide"),
    ("AUS Eastern Standard Time", "Australia/Sydney"),
    ("E. Australia Standard Time", "Australia/Brisbane"),
    ("New Zealand Standard Time", "Pacific/Auckland"),
];

impl Zone {
    /// The zone of a name, in any case.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for a name that is not known.
    pub(in super::super) fn parse(name: &str) -> Result<Self> {
        let name = name.trim();
        let windows = WINDOWS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, iana)| *iana);
        let zone = Tz::from_str_insensitive(windows.unwrap_or(name)).ok();
        zone.map(Self).ok_or_else(|| {
            Error::new(ErrorKind::Config, "the time zone is not known")
                .with("timeZone", name)
                .help("give an IANA name such as 'Europe/Berlin', or the name that Windows shows")
        })
    }

    pub(in super::super) fn tz(self) -> Tz {
        self.0
    }

    /// The wall clock at an instant.
    pub(super) fn local(self, at: DateTime<Utc>) -> NaiveDateTime {
        at.with_timezone(&self.0).naive_local()
    }

    /// The instant at which the wall clock shows this: the first of two, and the end of the gap where it never does.
    pub(super) fn instant(self, mut local: NaiveDateTime) -> Option<DateTime<Utc>> {
        for _ in 0..=4 {
            match self.0.from_local_datetime(&local) {
                LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => return Some(at.to_utc()),
                LocalResult::None => local = local.checked_add_signed(TimeDelta::minutes(30))?,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_windows_name_is_a_zone() {
        for (windows, iana) in WINDOWS {
            assert_eq!(Zone::parse(windows).unwrap(), Zone::parse(iana).unwrap(), "{windows}");
        }
        assert_eq!(Zone::parse("europe/berlin").unwrap(), Zone::parse("W. Europe Standard Time").unwrap());
        assert_eq!(Zone::parse("Middle Earth").unwrap_err().kind(), ErrorKind::Config);
    }

    #[test]
    fn a_wall_clock_that_never_shows_is_the_end_of_the_gap_and_of_two_the_first_counts() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let local = |text: &str| text.parse::<NaiveDateTime>().unwrap();
        assert_eq!(berlin.instant(local("2026-03-29T02:30:00")).unwrap().to_rfc3339(), "2026-03-29T01:00:00+00:00");
        assert_eq!(berlin.instant(local("2026-10-25T02:30:00")).unwrap().to_rfc3339(), "2026-10-25T00:30:00+00:00");
    }
}
