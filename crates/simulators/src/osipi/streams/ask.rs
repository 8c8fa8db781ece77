//! What a stream route is asked for.

use super::{
    super::{
        call::{Call, Refusal},
        expression::Expression,
        ticks::Ticks,
        time::{Clock, Span},
        world::World,
    },
    plot::PlotQuery,
    recorded::{Boundary, RecordedQuery},
    summary::SummaryQuery,
};

/// One kind of read with its parameters.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    /// The current value, or the one at an instant.
    Value(Option<Ticks>),
    /// The last event.
    End,
    /// One event at or near an instant.
    RecordedAt(Ticks, Retrieval),
    /// The same at several instants.
    RecordedAtTimes(Vec<Ticks>, Retrieval),
    /// Events of a window.
    Recorded(RecordedQuery),
    /// Values at even distances.
    Interpolated(Vec<Ticks>, Filter),
    /// Values for a chart.
    Plot(PlotQuery),
    /// Statistics.
    Summary(SummaryQuery),
}

/// Which event answers for an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retrieval {
    Auto,
    AtOrBefore,
    Before,
    AtOrAfter,
    After,
    Exact,
}

/// Which values are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) expression: Option<Expression>,
    /// Filtered values are shown as such instead of being left out.
    pub(crate) include: bool,
}

const RETRIEVALS: [(&str, Retrieval); 6] = [
    ("Auto", Retrieval::Auto),
    ("AtOrBefore", Retrieval::AtOrBefore),
    ("Before", Retrieval::Before),
    ("AtOrAfter", Retrieval::AtOrAfter),
    ("After", Retrieval::After),
    ("Exact", Retrieval::Exact),
];

impl Ask {
    /// What the last segment of a stream route asks for; nothing when there is no such route.
    pub(crate) fn of(call: &Call<'_>, world: &World, what: &str) -> Option<Result<Self, Refusal>> {
        Some(match what {
            "value" => Self::value(call),
            "end" => Ok(Self::End),
            "recorded" => Self::recorded(call, world),
            "recordedattime" => Self::recorded_at(call),
            "recordedattimes" => Self::recorded_at_times(call),
            "interpolated" => Self::interpolated(call, world),
            "interpolatedattimes" => Self::interpolated_at_times(call, world),
            "plot" => PlotQuery::of(call).map(Self::Plot),
            "summary" => SummaryQuery::of(call, world).map(Self::Summary),
            _ => return None,
        })
    }

    /// Whether a stream answers with one value instead of a list.
    pub(crate) fn is_single(&self, in_set: bool) -> bool {
        match self {
            Self::Value(_) | Self::RecordedAt(..) => true,
            Self::End => !in_set,
            _ => false,
        }
    }

    fn value(call: &Call<'_>) -> Result<Self, Refusal> {
        let clock = Clock::of(call)?;
        match call.get("time") {
            None => Ok(Self::Value(None)),
            Some("") => Err(Refusal::bad("The value '' of parameter 'time' is not a valid PI time string.")),
            Some(text) => Ok(Self::Value(Some(clock.instant("time", text)?))),
        }
    }

    fn recorded_at(call: &Call<'_>) -> Result<Self, Refusal> {
        let time = Clock::of(call)?.instant("time", call.required("time")?)?;
        Ok(Self::RecordedAt(time, call.word("retrievalMode", &RETRIEVALS)?))
    }

    fn recorded_at_times(call: &Call<'_>) -> Result<Self, Refusal> {
        Ok(Self::RecordedAtTimes(times(call)?, call.word("retrievalMode", &RETRIEVALS)?))
    }

    fn recorded(call: &Call<'_>, world: &World) -> Result<Self, Refusal> {
        let (start, end) = Clock::of(call)?.window(call)?;
        let boundaries =
            [("Inside", Boundary::Inside), ("Outside", Boundary::Outside), ("Interpolated", Boundary::Interpolated)];
        let annotations = match call.filled("associations") {
            None => false,
            Some(text) if text.eq_ignore_ascii_case("Annotations") => true,
            Some(text) => return Err(Refusal::bad(format!("The value '{text}' is not valid for 'associations'."))),
        };
        Ok(Self::Recorded(RecordedQuery {
            start,
            end,
            boundary: call.word("boundaryType", &boundaries)?,
            max_count: call.max_count(call.config.limits.default_count)?,
            filter: Filter::of(call, world)?,
            annotations,
        }))
    }

    fn interpolated(call: &Call<'_>, world: &World) -> Result<Self, Refusal> {
        let clock = Clock::of(call)?;
        let (start, end) = clock.window(call)?;
        let interval = Span::of("interval", call.filled("interval").unwrap_or("1h"))?;
        let times = beats(call, &clock, (start, end), interval)?;
        Ok(Self::Interpolated(times, Filter::of(call, world)?))
    }

    fn interpolated_at_times(call: &Call<'_>, world: &World) -> Result<Self, Refusal> {
        Ok(Self::Interpolated(times(call)?, Filter::of(call, world)?))
    }
}

impl Filter {
    pub(crate) fn of(call: &Call<'_>, world: &World) -> Result<Self, Refusal> {
        let expression = match call.filled("filterExpression") {
            None => None,
            Some(text) => Some(Expression::parse(text, world, None)?),
        };
        Ok(Self { expression, include: call.flag("includeFilteredValues", false)? })
    }
}

/// The instants of the repeated parameter `time`.
fn times(call: &Call<'_>) -> Result<Vec<Ticks>, Refusal> {
    let clock = Clock::of(call)?;
    let times = call.all("time").map(|text| clock.instant("time", text)).collect::<Result<Vec<_>, _>>()?;
    if times.is_empty() {
        return Err(Refusal::bad("The parameter 'time' is required."));
    }
    call.within_cap("time", times.len())?;
    Ok(times)
}

/// Instants at an even distance from start to end, both included; descending when the end lies before the start.
///
/// # Errors
/// 400 when they are more than the server gives at once.
pub(crate) fn beats(
    call: &Call<'_>,
    clock: &Clock,
    (start, end): (Ticks, Ticks),
    interval: Span,
) -> Result<Vec<Ticks>, Refusal> {
    let down = end < start;
    let count = (end.0 - start.0).unsigned_abs() / interval.about().unsigned_abs().max(1);
    call.within_cap("timeRange / intervals", usize::try_from(count).unwrap_or(usize::MAX))?;
    let (first, sign) = (sync(call, clock, start, interval, down)?, if down { -1 } else { 1 });
    let mut times = Vec::new();
    for n in 0.. {
        let at = clock.step(first, interval, sign * n).ok_or_else(|| Refusal::bad("The window is too wide."))?;
        if (down && at < end) || (!down && at > end) {
            break;
        }
        times.push(at);
    }
    Ok(times)
}

/// The first instant: `start`, or the next (with `Outside`: the last) one before it that `syncTime` aligns.
fn sync(call: &Call<'_>, clock: &Clock, start: Ticks, interval: Span, down: bool) -> Result<Ticks, Refusal> {
    let outside = call.word("syncTimeBoundaryType", &[("Inside", false), ("Outside", true)])?;
    let Some(text) = call.filled("syncTime") else { return Ok(start) };
    let sync = clock.instant("syncTime", text)?;
    let (distance, step) = (start.0 - sync.0, interval.about());
    let below = Ticks(sync.0 + distance.div_euclid(step) * step);
    Ok(if below == start || outside != down { below } else { Ticks(below.0 + step) })
}
