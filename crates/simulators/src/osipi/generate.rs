//! The points that a configuration asks for.

use super::{
    config::{Config, Density},
    hash::{mix, unit},
    model::{Beat, PointSpec, PointType},
    ticks::{DAY, SECOND, Ticks},
};

/// One archive unit, in ticks and rounded up: events of one point are at least this far apart.
const CLOSEST: i64 = 160;

/// The generated point of that number.
pub(crate) fn spec(config: &Config, number: usize, now: Ticks) -> PointSpec {
    let kind = config.types.get(number % config.types.len().max(1)).copied().unwrap_or(PointType::Float32);
    let (code, what, units, zero, span) = match kind {
        PointType::Float16 => ("LI", "Level", "%", 0.0, 100.0),
        PointType::Float32 => ("TI", "Temperature", "degC", -20.0, 200.0),
        PointType::Float64 => ("FI", "Flow", "m3/h", 0.0, 5_000.0),
        PointType::Int16 => ("NI", "Count of starts", "", 0.0, 32_000.0),
        PointType::Int32 => ("QI", "Totaliser", "kg", 0.0, 2_000_000_000.0),
        PointType::Int64 => ("EI", "Energy counter", "Wh", 0.0, 9.0e18),
        PointType::Digital => ("XV", "Valve", "", 0.0, 4.0),
        PointType::String => ("SX", "Batch name", "", 0.0, 0.0),
        PointType::Timestamp => ("KT", "Last sample taken", "", 0.0, 0.0),
        PointType::Blob => ("BX", "Picture", "", 0.0, 0.0),
        PointType::Array => ("AX", "Spectrum", "", 0.0, 100.0),
    };
    let (area, unit_number) = (number / 1_000 + 1, number / 20 % 50 + 1);
    let future = config.future_every.is_some_and(|every| (number + 1).is_multiple_of(every.max(1) as usize));
    PointSpec {
        name: format!("A{area:02}.U{unit_number:02}.{code}{number:05}.PV"),
        descriptor: format!("{what} {number} of unit {unit_number}"),
        units: units.to_owned(),
        zero,
        span,
        future,
        display_digits: if kind.is_real() { -5 } else { 0 },
        stream: beat(config, number, now),
        ..PointSpec::new("", kind)
    }
}

/// The rhythm of that point, or nothing when nothing is generated.
pub(crate) fn beat(config: &Config, number: usize, now: Ticks) -> Option<Beat> {
    let profile = &config.archive;
    let interval = match profile.density {
        Density::Nothing => return None,
        Density::Every(interval) => i64::try_from(interval.as_nanos() / 100).unwrap_or(DAY),
        Density::LogNormal => {
            // A sum of twelve even numbers is normal enough.
            let bell: f64 = (0..12).map(|at| unit(mix(config.seed, number as u64, 1_000 + at))).sum::<f64>() - 6.0;
            let seconds = (60.0f64.ln() + 2.6 * bell).exp().clamp(0.001, 86_400.0);
            (seconds * SECOND as f64) as i64
        }
    };
    let history = i64::try_from(profile.history.as_nanos() / 100).unwrap_or(0);
    let first = Ticks(now.0.saturating_sub(history));
    Some(Beat { first, interval: interval.max(CLOSEST), ties: profile.ties.clamp(1, 200_000) })
}
