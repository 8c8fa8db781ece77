//! Times, spans, zones and fields of a table's options, checked before anything is sent.

use super::{
    super::{
        tables::{Reader, Table},
        time::{self, Span, Ticks, Zone},
    },
    table::TableOptions,
};
use crate::options::Problems;

/// Any instant: only the form of a text is looked at.
const SOME_TIME: Ticks = Ticks(17_000_000_000_000_000);
const DAY: i64 = 86_400 * 10_000_000;
/// Without these a value is not what it seems.
const NEEDED_FIELDS: [&str; 5] = ["Timestamp", "Value", "Good", "Questionable", "Substituted"];

impl TableOptions {
    pub(super) fn check_times(&self, problems: &mut Problems) {
        let zone = Zone::parse(&self.time_zone).unwrap_or_else(|_| {
            problems.add(format!("'timeZone' is {:?}, which is neither a Windows nor an IANA zone", self.time_zone));
            Zone::default()
        });
        let (start, end) = (self.window.start_time.as_deref().unwrap_or("*-1d"), self.window.end_time.as_str());
        let mut time = |option: &str, wrong: bool| {
            if wrong {
                problems.add(format!("'{option}' must be a PI time such as *-30d, t+8h or 2026-03-01T06:00:00Z"));
            }
        };
        let is_start = time::range(start, "*", SOME_TIME, zone).is_ok();
        let is_end = time::range("*-1d", end, SOME_TIME, zone).is_ok();
        time("startTime", !is_start);
        time("endTime", !is_end);
        let windowed = &self.windowed;
        let instants = windowed.time.iter().map(|text| ("time", text));
        for (option, text) in instants.chain(windowed.sync_time.iter().map(|text| ("syncTime", text))) {
            time(option, time::instant(text, SOME_TIME, zone).is_err());
        }
        if is_start && is_end && self.window.bounds(SOME_TIME, zone).is_err() {
            problems.add("'startTime' and 'endTime' cannot each count from the other");
        }
        let mut span = |option: &str, text: &str, most: i64| {
            let length = Span::parse(text).ok().and_then(|span| span.after(SOME_TIME, zone));
            match length.map(|after| after.0 - SOME_TIME.0) {
                None => problems.add(format!("'{option}' must be a time span such as 30s, 1h or 1d")),
                Some(length) if length > most => problems.add(format!("'{option}' is longer than {}d", most / DAY)),
                Some(_) => {}
            }
        };
        for (option, text, most) in
            [("late_window", &self.window.late_window, 365), ("future_horizon", &self.window.future_horizon, 3650)]
        {
            if text.trim() != "0" {
                span(option, text, most * DAY);
            }
        }
        for (option, text) in [
            ("interval", &windowed.interval),
            ("summaryDuration", &windowed.summary_duration),
            ("sampleInterval", &windowed.sample_interval),
        ] {
            if let Some(text) = text {
                span(option, text, i64::MAX);
            }
        }
    }

    /// The columns decide which fields are asked for. A selection that leaves out time, value or quality means something else.
    pub(super) fn check_fields(&self, table: &Table, problems: &mut Problems) {
        let Some(fields) = &self.selected_fields else { return };
        let (needed, why): (&[&str], _) = match table.reader {
            Reader::List(_) => (&["WebId"], "it is the key"),
            _ => (&NEEDED_FIELDS, "without them a bad value looks good"),
        };
        let given: Vec<&str> = fields.split(';').filter_map(|path| path.trim().rsplit('.').next()).collect();
        let missing: Vec<&str> =
            needed.iter().copied().filter(|needed| !given.iter().any(|f| f.eq_ignore_ascii_case(needed))).collect();
        if !missing.is_empty() {
            problems.add(format!("'selectedFields' must include {}: {why}", missing.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::tables, TableOptions};
    use crate::options::Options;

    fn problems(table: &str, pairs: &[(&str, &str)]) -> String {
        let options: Options = pairs.iter().copied().collect();
        let parsed = TableOptions::parse(tables::find(table).unwrap(), &options);
        parsed.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn wrong_times_are_told_all_at_once_and_right_ones_pass() {
        let wrong = [
            ("startTime", "*-3 fortnights"),
            ("endTime", "yesteryear"),
            ("late_window", "366d"),
            ("future_horizon", "soon"),
            ("timeZone", "Mars/Base"),
        ];
        let told = problems("pi_timeseries", &wrong);
        for (option, _) in wrong {
            assert!(told.contains(&format!("'{option}'")), "{option}: {told}");
        }
        let right = [("startTime", "-7d"), ("endTime", "t+8h"), ("late_window", "0"), ("timeZone", "Europe/Berlin")];
        assert_eq!(problems("pi_timeseries", &right), "");
        assert_eq!(problems("pi_timeseries", &[("startTime", "*-1d"), ("endTime", "+8h")]), "");
        let neither = problems("pi_timeseries", &[("startTime", "-1d"), ("endTime", "+8h")]);
        assert!(neither.contains("'startTime' and 'endTime' cannot each count from the other"), "{neither}");
        assert!(problems("pi_interpolated", &[("interval", "0")]).contains("'interval'"));
        assert!(problems("pi_recorded_at_time", &[("time", "*,noonish")]).contains("'time'"));
    }

    #[test]
    fn options_that_would_change_nothing_are_refused() {
        for (table, option, value) in [
            ("pi_timeseries_changes", "snapshot_policy", "include"),
            ("pi_timeseries_changes", "endTime", "*"),
            ("pi_timeseries_changes", "late_window", "1h"),
            ("pi_timeseries_changes", "filterExpression", "'.' > 1"),
            ("pi_stream_annotations", "desiredUnits", "K"),
            ("pi_stream_annotations", "prefer_streamset", "true"),
            // The public connector has no such tables.
            ("pi_timeseries_changes", "compat", "upstream"),
            ("pi_errors", "compat", "none"),
        ] {
            let told = problems(table, &[(option, value)]);
            assert!(told.contains(&format!("'{option}' does not apply to this table")), "{table}: {told}");
        }
        assert_eq!(problems("pi_timeseries_changes", &[("nameFilter", "sin*"), ("on_tag_error", "quarantine")]), "");
    }

    #[test]
    fn what_is_only_added_to_takes_nothing_that_changes() {
        let both = [("compat", "upstream"), ("future_horizon", "1h")];
        assert!(problems("pi_timeseries", &both).contains("'future_horizon'"));
        assert_eq!(problems("pi_timeseries", &[("compat", "upstream"), ("future_horizon", "0")]), "");
    }

    #[test]
    fn a_selection_of_fields_keeps_time_value_and_quality() {
        let told = problems("pi_timeseries", &[("selectedFields", "Items.Timestamp;Items.Value")]);
        assert!(told.contains("Good, Questionable, Substituted"), "{told}");
        let all = "Items.Timestamp; Items.Value;Items.good;Items.Questionable;Items.Substituted;UnitsAbbreviation";
        assert_eq!(problems("pi_timeseries", &[("selectedFields", all)]), "");
        assert!(problems("pi_points", &[("selectedFields", "Items.Name")]).contains("WebId"));
        assert_eq!(problems("pi_points", &[("selectedFields", "Items.WebId;Items.Name")]), "");
    }
}
