//! What the options of a table ask for, in the terms of the server.

use std::sync::Arc;

use chrono_tz::Tz;

use super::{
    super::{
        client::Query,
        config::TableOptions,
        fields,
        reading::{Reading, TableReader},
        tables::Windows,
        time::{self, Micros, Span, Ticks, Zone},
    },
    grid::{Grid, Length},
    out::Constants,
    question::{Intervals, Question, Route, Wanted, seconds},
    series::SeriesReader,
    snapshot::SnapshotReader,
    summaries::{ALL, TYPES},
};
use crate::{
    error::{Error, ErrorKind, Result},
    near::near_matches,
};

/// Values at even distances come back at archive times, which are multiples of 1/65,536 s.
const ARCHIVE: Micros = 20;
/// Longer than this nobody waits for a window to settle.
const SETTLED: Micros = 86_400_000_000;

/// What the questions of a table have in common.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) windows: Windows,
    pub(super) zone: Zone,
    pub(super) constants: Constants,
    route: Route,
    what: &'static str,
    /// Parameters of every question.
    query: Query,
    fields: Vec<&'static str>,
    /// Distance of values, or length of summaries.
    pub(super) length: Option<Length>,
    /// Where intervals are counted from.
    anchor: Option<Micros>,
    /// Whether the first interval is the one that the start lies in, not the one after it.
    pub(super) outside: bool,
    summaries: usize,
    /// An event between two intervals counts for the later one only if there is a later one.
    needs_next: bool,
}

/// The reader of a table.
///
/// # Errors
/// [`Config`](ErrorKind::Config) for options that cannot be read or do not go together.
pub(in super::super) fn reader(reading: Reading, windows: Windows) -> Result<Box<dyn TableReader>> {
    let terms = Terms::new(&reading, windows).map_err(|error| error.with("table", reading.table.name))?;
    let terms = Arc::new(terms);
    Ok(match windows {
        Windows::CurrentValue
        | Windows::ValueAtTime
        | Windows::RecordedAtTime
        | Windows::End
        | Windows::StreamsetEnd
        | Windows::Summary => Box::new(SnapshotReader { reading, terms }),
        Windows::Interpolated
        | Windows::StreamsetInterpolated
        | Windows::Plot
        | Windows::StreamsetPlot
        | Windows::StreamsetSummary
        | Windows::Calculated => Box::new(SeriesReader::new(reading, terms)),
    })
}

impl Terms {
    pub(super) fn new(reading: &Reading, windows: Windows) -> Result<Self> {
        let options = &reading.options;
        let windowed = &options.windowed;
        let zone = Zone::parse(&options.time_zone)?;
        let what = match windows {
            Windows::Interpolated | Windows::StreamsetInterpolated => "interpolated",
            Windows::Plot | Windows::StreamsetPlot => "plot",
            Windows::Summary | Windows::StreamsetSummary => "summary",
            Windows::Calculated if windowed.expression.is_some() => "calculation/intervals",
            Windows::Calculated => "summary",
            Windows::CurrentValue | Windows::ValueAtTime => "value",
            Windows::RecordedAtTime => "recordedattime",
            Windows::End | Windows::StreamsetEnd => "end",
        };
        let in_sets = matches!(
            windows,
            Windows::StreamsetInterpolated
                | Windows::StreamsetPlot
                | Windows::StreamsetSummary
                | Windows::StreamsetEnd
                | Windows::Calculated
        );
        let units = options.recorded.desired_units.as_ref();
        if windows == Windows::CurrentValue && windowed.time.len() > 1 {
            return Err(wrong("'time' is one instant here: the table has one row for each tag")
                .help("pi_value_at_time takes several"));
        }
        let mut terms = Self {
            windows,
            zone,
            constants: Constants::default(),
            route: match () {
                () if windows == Windows::Calculated && windowed.expression.is_some() => Route::Expression,
                // Streamsets do not convert units.
                () if in_sets && units.is_none() => Route::Streamset,
                () => Route::Batch,
            },
            what,
            query: Query::new(),
            fields: fields::of_values(options.selected_fields.as_deref()),
            length: None,
            anchor: None,
            outside: windowed.sync_time_boundary_type == "Outside",
            summaries: 0,
            needs_next: false,
        };
        match what {
            "interpolated" => terms.interpolated(options)?,
            "summary" => terms.summary(options, reading.is_compat())?,
            "calculation/intervals" => terms.expression(options)?,
            "recordedattime" => terms.query.push(("retrievalMode", windowed.retrieval_mode.clone())),
            _ => {}
        }
        terms.query.extend(units.map(|units| ("desiredUnits", units.clone())));
        Ok(terms)
    }

    fn interpolated(&mut self, options: &TableOptions) -> Result<()> {
        let windowed = &options.windowed;
        let text = match (&windowed.interval, &windowed.sample_interval) {
            (Some(a), Some(b)) if a != b => {
                return Err(wrong("'interval' and 'sampleInterval' mean the same here and differ"));
            }
            (a, b) => a.as_ref().or(b.as_ref()).map_or("1m", String::as_str),
        };
        self.length = Some(length("interval", text)?);
        if let Some(text) = &windowed.sync_time {
            if matches!(self.length, Some(Length::Months(_))) {
                return Err(wrong("'syncTime' does not go with an interval of months, which begin on their first day"));
            }
            // Words count from a day that stays, so that every run finds the same instants.
            self.anchor = Some(time::instant(text, Ticks(0), self.zone)?.micros());
        }
        self.filter(options);
        Ok(())
    }

    fn filter(&mut self, options: &TableOptions) {
        let recorded = &options.recorded;
        self.query.extend(recorded.filter_expression.iter().map(|text| ("filterExpression", text.clone())));
        if recorded.include_filtered_values {
            self.query.push(("includeFilteredValues", "true".to_owned()));
        }
    }

    fn summary(&mut self, options: &TableOptions, is_compat: bool) -> Result<()> {
        let windowed = &options.windowed;
        let (types, duration, mut time_type) = match self.windows {
            Windows::Calculated => {
                let summary = summary_type("calculationType", &windowed.calculation_type)?;
                if summary == ALL {
                    return Err(wrong("'calculationType' is one summary, not all of them"));
                }
                self.constants.calculation = Some(summary.into());
                (vec![summary], windowed.interval.as_deref().or(Some("1m")), windowed.time_type.as_str())
            }
            windows => {
                let mut types = Vec::new();
                for text in &windowed.summary_type {
                    let summary = summary_type("summaryType", text)?;
                    if !types.contains(&summary) {
                        types.push(summary);
                    }
                }
                let hour = (windows == Windows::StreamsetSummary).then_some("1h");
                (types, windowed.summary_duration.as_deref().or(hour), windowed.time_type.as_str())
            }
        };
        if self.windows == Windows::Calculated && time_type == "Auto" {
            // Of a minimum the server would give the time of the event, which two intervals may share.
            time_type = "EarliestTime";
        }
        let option = if self.windows == Windows::Calculated { "interval" } else { "summaryDuration" };
        self.length = duration.map(|text| length(option, text)).transpose()?;
        if is_compat && self.windows == Windows::Summary && self.length.is_some() {
            return Err(wrong("with compat=upstream there is one row for each tag and summary, so one interval")
                .help("leave out 'summaryDuration', or read pi_streamset_summary"));
        }
        if windowed.sample_type == "Interval" && windowed.sample_interval.is_none() {
            return Err(wrong("'sampleType=Interval' needs 'sampleInterval'"));
        }
        let basis = &windowed.calculation_basis;
        self.constants.basis = Some(basis.as_str().into());
        self.needs_next = basis == "EventWeighted" && self.length.is_some();
        self.summaries = if types.contains(&ALL) { TYPES.len() } else { types.len() };
        self.query.extend(types.into_iter().map(|summary| ("summaryType", summary.to_owned())));
        self.query.push(("calculationBasis", basis.clone()));
        if time_type != "Auto" {
            self.query.push(("timeType", time_type.to_owned()));
        }
        if let Some(interval) = &windowed.sample_interval {
            length("sampleInterval", interval)?;
            self.query.push(("sampleType", windowed.sample_type.clone()));
            self.query.push(("sampleInterval", interval.clone()));
        }
        self.filter(options);
        Ok(())
    }

    fn expression(&mut self, options: &TableOptions) -> Result<()> {
        let text = options.windowed.expression.clone().unwrap_or_default();
        if options.tags.names_any() {
            return Err(wrong("'expression' says itself which tags it reads; other tags cannot be named with it")
                .help("name them inside the expression, as in 'sinusoid' * 2"));
        }
        self.length = Some(length("interval", options.windowed.interval.as_deref().unwrap_or("1m"))?);
        self.constants.calculation = Some("Expression".into());
        self.constants.expression = Some(text.as_str().into());
        self.query.push(("expression", text));
        Ok(())
    }

    /// What of the options decides which rows there are.
    pub(super) fn meaning(&self, options: &TableOptions) -> String {
        let own = if self.what == "plot" { options.windowed.intervals.to_string() } else { String::new() };
        let place = options.windowed.expression_webid.as_deref().unwrap_or_default();
        // Hours are the same everywhere.
        let zone = match self.length {
            Some(Length::Days(_) | Length::Months(_)) => self.zone.tz().name(),
            Some(Length::Fixed(_)) | None => "",
        };
        format!("{}\n{:?}\n{:?}\n{:?}\n{zone}\n{own}\n{place}", self.what, self.query, self.length, self.anchor)
    }

    /// The instants at which intervals of this length begin.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for an interval without a length.
    pub(super) fn grid(&self, length: Length) -> Result<Grid<Tz>> {
        self.grid_at(length, self.anchor)
    }

    fn grid_at(&self, length: Length, anchor: Option<Micros>) -> Result<Grid<Tz>> {
        Grid::new(length, self.zone.tz(), anchor).ok_or_else(|| wrong("an interval must be longer than nothing"))
    }

    /// How many intervals of one stream an answer may have, when so many streams share it.
    pub(super) fn most(&self, reading: &Reading, streams: usize) -> u32 {
        /// Bytes of JSON that a value takes, about.
        const VALUE_BYTES: u64 = 150;
        /// Below the usual cap of a server.
        const MOST: u32 = 100_000;
        let values = match self.what {
            "plot" => 5,
            _ => self.summaries.max(1) as u64,
        };
        let (window, client) = (&reading.options.window, reading.client());
        let each = window.bytes_under_way() / client.http.max_concurrency().max(1) as u64;
        let fit = each.min(window.target_response_bytes) / (VALUE_BYTES * values * streams.max(1) as u64);
        let cap = client.page_size(MOST).saturating_sub(2);
        u32::try_from(fit).unwrap_or(MOST).min(cap).max(1)
    }

    /// The question for some intervals.
    pub(super) fn over(&self, over: Intervals) -> Question {
        let mut query = self.query.clone();
        let text = |at: Micros| Ticks::from_micros(at).to_string();
        let mut end = over.to;
        let wanted = match self.what {
            "plot" => {
                query.push(("intervals", over.count.to_string()));
                Wanted::Values { from: over.from, to: over.to }
            }
            "summary" => {
                if self.needs_next {
                    end += over.length;
                }
                if over.count > 1 || self.needs_next {
                    query.push(("summaryDuration", seconds(over.length)));
                }
                Wanted::Summaries(over)
            }
            what => {
                let name = if what == "interpolated" { "interval" } else { "sampleInterval" };
                query.push((name, seconds(over.length)));
                // The value at the end belongs to the next window.
                let guard = ARCHIVE.min(over.length / 4);
                Wanted::Values { from: over.from - guard, to: over.to - guard }
            }
        };
        query.extend([("startTime", text(over.from)), ("endTime", text(end))]);
        self.question(query, over.count, wanted)
    }

    /// The question for the newest value.
    pub(super) fn newest(&self) -> Question {
        self.question(self.query.clone(), 0, Wanted::Newest)
    }

    /// The question for the value at an instant.
    pub(super) fn at(&self, time: Ticks) -> Question {
        let mut query = self.query.clone();
        query.push(("time", time.to_string()));
        self.question(query, 0, Wanted::At(time.micros()))
    }

    fn question(&self, query: Query, intervals: u32, wanted: Wanted) -> Question {
        Question { route: self.route, what: self.what, query, fields: self.fields.clone(), intervals, wanted }
    }

    /// A window cut into intervals, counted from its start; the last may be shorter. One interval when no length is given.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) for an interval without a length.
    pub(super) fn cut(&self, from: Micros, to: Micros, most: u32) -> Result<Vec<Intervals>> {
        let Some(length) = self.length else { return Ok(vec![Intervals::one(from, to)]) };
        let grid = self.grid_at(length, Some(from))?;
        let mut parts = Vec::new();
        let mut at = from;
        while let Some(part) = grid.intervals(at, to, most) {
            at = part.to;
            parts.push(part);
        }
        if at < to {
            parts.push(Intervals::one(at, to));
        }
        Ok(parts)
    }

    /// The last instant before which all windows have settled: one interval ago, and a day ago for longer ones.
    pub(super) fn settled(now: Micros, length: Length) -> Micros {
        match length {
            Length::Fixed(length) => now - length.min(SETTLED),
            Length::Days(_) | Length::Months(_) => now - SETTLED,
        }
    }
}

/// The one spelling of a summary's name.
fn summary_type(option: &'static str, text: &str) -> Result<&'static str> {
    let known = || TYPES.into_iter().chain([ALL]);
    known().find(|name| name.eq_ignore_ascii_case(text.trim())).ok_or_else(|| {
        let error = wrong("this is no summary").with("option", option).with("value", text.trim());
        match near_matches(text, known()).first() {
            Some(near) => error.help(format!("did you mean '{near}'?")),
            None => error.help(format!("choose from {}", known().collect::<Vec<_>>().join(", "))),
        }
    })
}

/// A time span as the length of an interval.
fn length(option: &'static str, text: &str) -> Result<Length> {
    let too_long = || wrong("the time span is too long").with("option", option);
    let span = Span::parse(text).map_err(|error| error.with("option", option))?;
    Ok(match span.parts() {
        (0, 0, ticks) if ticks % 10 == 0 => Length::Fixed(ticks / 10),
        (0, 0, _) => return Err(wrong("an interval is a whole number of microseconds").with("option", option)),
        (0, days, _) => Length::Days(u32::try_from(days).map_err(|_| too_long())?),
        (months, ..) => Length::Months(u32::try_from(months).map_err(|_| too_long())?),
    })
}

fn wrong(why: &'static str) -> Error {
    Error::new(ErrorKind::Config, why)
}
