//! Statistics over windows.

use super::{
    super::{
        archive::{Columns, EventWriter, Sample, Stored, Value},
        call::{Call, Refusal},
        json::write_name,
        model::{Point, PointSpec, PointType},
        select::Selection,
        ticks::Ticks,
        time::{Clock, Span},
        world::World,
    },
    ask::{Filter, beats},
    interpolate::is_numeric,
    single::{computed, system},
    statistics::{Basis, Kind, Statistics, summarise},
};

/// Parameters of `summary`.
#[derive(Clone, Debug)]
pub(crate) struct SummaryQuery {
    pub(crate) kinds: Vec<Kind>,
    basis: Basis,
    pub(crate) intervals: Vec<(Ticks, Ticks)>,
    time_type: TimeType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeType {
    Auto,
    Earliest,
    MostRecent,
}

#[derive(Clone, Copy)]
enum BasisName {
    Time(Option<bool>),
    Event,
    BothEnds,
    NotLast,
    NotFirst,
}

impl SummaryQuery {
    pub(crate) fn of(call: &Call<'_>, world: &World) -> Result<Self, Refusal> {
        let clock = Clock::of(call)?;
        let (start, end) = clock.window(call)?;
        let (start, end) = (world.archive.quantise(start.min(end)), world.archive.quantise(start.max(end)));
        let bases = [
            ("TimeWeighted", BasisName::Time(None)),
            ("EventWeighted", BasisName::Event),
            ("TimeWeightedContinuous", BasisName::Time(Some(false))),
            ("TimeWeightedDiscrete", BasisName::Time(Some(true))),
            ("EventWeightedExcludeMostRecentEvent", BasisName::NotLast),
            ("EventWeightedExcludeEarliestEvent", BasisName::NotFirst),
            ("EventWeightedIncludeBothEnds", BasisName::BothEnds),
        ];
        let name = call.word("calculationBasis", &bases)?;
        call.word("sampleType", &[("ExpressionRecordedValues", ()), ("Interval", ())])?;
        if call.filled("sampleInterval").is_some() {
            Span::of("sampleInterval", call.filled("sampleInterval").unwrap_or_default())?;
        }
        if Filter::of(call, world)?.expression.is_some() {
            return Err(Refusal::new(501, "This simulator has no filters for summaries."));
        }
        let intervals = match call.filled("summaryDuration") {
            None => vec![(start, end)],
            Some(text) => {
                let mut edges = beats(call, &clock, (start, end), Span::of("summaryDuration", text)?)?;
                if edges.last() != Some(&end) || edges.len() == 1 {
                    edges.push(end);
                }
                edges.iter().copied().zip(edges.iter().copied().skip(1)).collect()
            }
        };
        let event = |start, end| Basis::Event { start, end };
        let basis = match name {
            BasisName::Time(step) => Basis::Time { step },
            // With several intervals an event on a border belongs to the one that it begins.
            BasisName::Event => event(true, intervals.len() == 1),
            BasisName::BothEnds => event(true, true),
            BasisName::NotLast => event(true, false),
            BasisName::NotFirst => event(false, true),
        };
        let times =
            [("Auto", TimeType::Auto), ("EarliestTime", TimeType::Earliest), ("MostRecentTime", TimeType::MostRecent)];
        Ok(Self { kinds: kinds(call)?, basis, intervals, time_type: call.word("timeType", &times)? })
    }

    /// Appends one object of type and value for every type and interval, the intervals of a type together.
    pub(crate) fn write(&self, call: &Call<'_>, world: &World, point: &Point, fields: &Selection, out: &mut Vec<u8>) {
        let all: Vec<Statistics> = self
            .intervals
            .iter()
            .map(|interval| summarise(&world.archive, point, *interval, self.basis, call.now))
            .collect();
        self.write_all(call, &all, is_numeric(point), &point.spec.units, fields, out);
    }

    /// The same of statistics that are at hand.
    pub(crate) fn write_all(
        &self,
        call: &Call<'_>,
        all: &[Statistics],
        numeric: bool,
        units: &str,
        fields: &Selection,
        out: &mut Vec<u8>,
    ) {
        for kind in &self.kinds {
            let units = match kind {
                Kind::Count => "",
                Kind::PercentGood => "%",
                _ => units,
            };
            for ((from, to), statistics) in self.intervals.iter().zip(all) {
                if out.last() == Some(&b'}') {
                    out.push(b',');
                }
                out.push(b'{');
                if fields.has("Type") {
                    write_name("Type", out);
                    out.extend_from_slice(format!("\"{}\"", kind.name()).as_bytes());
                }
                if let Some(values) = fields.member("Value") {
                    write_name("Value", out);
                    let at = self.time(*kind, statistics, (*from, *to));
                    let columns = Columns::of(values, call.config.wire.annotated, false);
                    EventWriter::new(columns, None, units).write_stored(at, &result(*kind, statistics, numeric), out);
                }
                out.push(b'}');
            }
        }
    }

    fn time(&self, kind: Kind, statistics: &Statistics, (from, to): (Ticks, Ticks)) -> Ticks {
        match (self.time_type, kind) {
            (TimeType::Earliest, _) => from,
            (TimeType::MostRecent, _) => to,
            (TimeType::Auto, Kind::Minimum) => statistics.minimum.map_or(from, |(_, at)| at),
            (TimeType::Auto, Kind::Maximum) => statistics.maximum.map_or(from, |(_, at)| at),
            (TimeType::Auto, _) => from,
        }
    }
}

fn result(kind: Kind, statistics: &Statistics, numeric: bool) -> Stored {
    let spec = PointSpec::new("", PointType::Float64);
    match (kind, statistics.of(kind)) {
        (Kind::Count, Some(count)) if count.fract() == 0.0 => {
            Stored::of(&Sample::from(Value::Integer(count as i64)), &spec)
        }
        (Kind::Count | Kind::PercentGood, Some(number)) => computed(number),
        (_, Some(number)) if numeric => computed(number),
        _ if numeric => system(248),
        _ => system(249),
    }
}

/// The repeated parameter `summaryType`; Total when it is absent. A list in one parameter is refused.
fn kinds(call: &Call<'_>) -> Result<Vec<Kind>, Refusal> {
    let mut kinds = Vec::new();
    for text in call.all("summaryType").filter(|text| !text.is_empty()) {
        if text.eq_ignore_ascii_case("All") {
            kinds.extend(Kind::ALL.iter().map(|(_, kind)| *kind).filter(|kind| *kind != Kind::TotalWithUom));
            continue;
        }
        let found = Kind::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, kind)| *kind);
        kinds.push(found.ok_or_else(|| Refusal::bad(format!("The value '{text}' is not valid for 'summaryType'.")))?);
    }
    if kinds.is_empty() {
        kinds.push(Kind::Total);
    }
    Ok(kinds)
}
