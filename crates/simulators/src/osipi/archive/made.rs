//! Generated events: a pure function of seed, point and ordinal.

use std::io::Write;

use super::{
    super::{
        config::{ArchiveProfile, Wire},
        hash::{below, mix},
        json::{write_decimal, write_integer, write_quoted},
        model::{Beat, DIGITAL_SETS, Point, PointType},
        ticks::{DAY, Rounding, SECOND, Ticks},
    },
    sample::{Stored, errors_json, state_json},
};

/// Room between two instants so that they stay apart in the archive.
const APART: i64 = 160;
/// The states that generated bad events hold.
const BAD_STATES: [i32; 5] = [248, 246, 254, 255, 249];

/// The generated stream of one point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made<'a> {
    point: &'a Point,
    profile: &'a ArchiveProfile,
    wire: &'a Wire,
    beat: Beat,
    seed: u64,
    /// Distance of two instants, each of `beat.ties` events.
    slot: i64,
    /// How far an instant may lie behind the start of its slot.
    scatter: u64,
    rounding: Rounding,
}

/// What an event is, apart from its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nature {
    hash: u64,
    pub(crate) bad: Option<i32>,
    pub(crate) error: bool,
    pub(crate) questionable: bool,
    pub(crate) substituted: bool,
    pub(crate) annotated: bool,
}

impl<'a> Made<'a> {
    /// The stream of a point, or nothing when none is generated.
    pub(crate) fn new(seed: u64, profile: &'a ArchiveProfile, wire: &'a Wire, point: &'a Point) -> Option<Self> {
        let beat = point.spec.stream?;
        let slot = beat.interval.max(APART).saturating_mul(i64::from(beat.ties.max(1)));
        let scatter = if profile.regular { 0 } else { u64::try_from(slot - APART).unwrap_or(0) };
        let seed = mix(seed, point.number as u64, 3);
        Some(Self { point, profile, wire, beat, seed, slot, scatter, rounding: profile.rounding })
    }

    /// The instant of a group.
    fn group_time(&self, group: i64) -> Ticks {
        let start = self.beat.first.0 + group * self.slot;
        let late = if self.scatter == 0 { 0 } else { below(mix(self.seed, group as u64, 1), self.scatter) as i64 };
        self.rounding.quantise(Ticks(start + late))
    }

    fn ties(&self) -> i64 {
        i64::from(self.beat.ties.max(1))
    }

    /// The instant of an event.
    pub(crate) fn time(&self, event: i64) -> Ticks {
        self.group_time(event.div_euclid(self.ties()))
    }

    /// The first event at or after `from`.
    pub(crate) fn first_from(&self, from: Ticks) -> i64 {
        let guess = from.0.saturating_sub(APART).saturating_sub(self.beat.first.0).div_euclid(self.slot) - 1;
        let mut group = guess.max(0);
        while self.group_time(group) < from {
            group += 1;
        }
        group * self.ties()
    }

    /// The first event after `to`.
    pub(crate) fn first_after(&self, to: Ticks) -> i64 {
        self.first_from(Ticks(to.0.saturating_add(1)))
    }

    /// Whether compression throws the event away as soon as a newer one comes.
    pub(crate) fn is_discarded(&self, event: i64) -> bool {
        self.profile.discard_percent > 0
            && below(mix(self.seed, event as u64, 5), 100) < u64::from(self.profile.discard_percent)
    }

    /// Flags of an event.
    pub(crate) fn nature(&self, event: i64) -> Nature {
        let hash = mix(self.seed, event as u64, 2);
        // 10 bits for each chance, 1,024 being all.
        let chance = |shift: u32, percent: u8| (hash >> shift & 0x3ff) * 100 < u64::from(percent) * 1_024;
        let bad = chance(0, self.profile.bad_percent);
        let state = BAD_STATES.get((hash >> 40) as usize % BAD_STATES.len()).copied().unwrap_or(248);
        Nature {
            hash,
            bad: bad.then_some(state),
            error: self.wire.value_errors && (hash >> 50).is_multiple_of(40),
            questionable: chance(10, self.profile.flag_percent),
            substituted: chance(20, self.profile.flag_percent),
            annotated: chance(30, self.profile.flag_percent),
        }
    }

    /// The value as mantissa and decimals, of numeric points.
    fn decimal(&self, at: Ticks, nature: Nature) -> Option<(i64, u32)> {
        let noise = (nature.hash >> 32) as i64;
        let spec = &self.point.spec;
        // A triangle over an hour, 0..=1_000_000.
        let phase = (at.0 / 36_000).rem_euclid(1_000_000);
        let wave = if phase < 500_000 { phase * 2 } else { 2_000_000 - phase * 2 };
        let real = |decimals: u32, grain: i64| {
            let unit = 10i64.pow(decimals);
            let (zero, span) = ((spec.zero * unit as f64) as i64, (spec.span * unit as f64) as i64);
            let place = (wave * 9 / 10 + noise % 100_000) / grain * grain;
            (zero + (i128::from(span) * i128::from(place) / 1_000_000) as i64, decimals)
        };
        match spec.point_type {
            PointType::Float16 => Some(real(2, 100)),
            PointType::Float32 => Some(real(2, 1)),
            PointType::Float64 => Some(real(6, 1)),
            PointType::Int16 => Some((noise % 32_001, 0)),
            PointType::Int32 => Some((noise % 2_147_483_648, 0)),
            PointType::Int64 => Some(((nature.hash >> 1) as i64, 0)),
            _ => None,
        }
    }

    /// The value as a number; nothing when it is bad or has none.
    pub(crate) fn number(&self, event: i64, at: Ticks) -> Option<f64> {
        let nature = self.nature(event);
        if nature.bad.is_some() || nature.error {
            return None;
        }
        if self.point.spec.point_type == PointType::Digital {
            return self.state(nature).map(f64::from);
        }
        if let Some(odd) = self.odd(nature) {
            return odd.1;
        }
        self.decimal(at, nature).map(|(mantissa, decimals)| mantissa as f64 / 10f64.powi(decimals as i32))
    }

    fn state(&self, nature: Nature) -> Option<i32> {
        let name = self.point.spec.digital_set.as_deref()?;
        let set = DIGITAL_SETS.iter().find(|set| set.name == name)?;
        set.states.get((nature.hash >> 33) as usize % set.states.len().max(1)).map(|(code, _)| *code)
    }

    fn odd(&self, nature: Nature) -> Option<(&'static str, Option<f64>)> {
        if !self.wire.odd_numbers || !self.point.spec.point_type.is_real() {
            return None;
        }
        match (nature.hash >> 48) % 40 {
            0 => Some(("\"NaN\"", Some(f64::NAN))),
            1 => Some(("\"Infinity\"", Some(f64::INFINITY))),
            2 => Some(("\"-Infinity\"", Some(f64::NEG_INFINITY))),
            3 => Some(("1E-05", Some(1e-5))),
            4 => Some(("1.0", Some(1.0))),
            5 => Some(("-2.5e+3", Some(-2_500.0))),
            _ => None,
        }
    }

    /// Appends the value as JSON.
    pub(crate) fn write_value(&self, at: Ticks, nature: Nature, out: &mut Vec<u8>) {
        if nature.error {
            out.extend_from_slice(b"null");
        } else if let Some(code) = nature.bad {
            out.extend_from_slice(state_json(None, code).as_bytes());
        } else if let Some((text, _)) = self.odd(nature) {
            out.extend_from_slice(text.as_bytes());
        } else if let Some((mantissa, decimals)) = self.decimal(at, nature) {
            if decimals == 0 { write_integer(mantissa, out) } else { write_decimal(mantissa, decimals, out) }
        } else {
            self.write_other(at, nature, out);
        }
    }

    fn write_other(&self, at: Ticks, nature: Nature, out: &mut Vec<u8>) {
        let noise = (nature.hash >> 32) as i64;
        match self.point.spec.point_type {
            PointType::Digital => {
                let code = self.state(nature).unwrap_or(0);
                out.extend_from_slice(state_json(self.point.spec.digital_set.as_deref(), code).as_bytes());
            }
            PointType::Timestamp => {
                let _ = write!(out, "\"{}\"", Ticks(at.0 - noise % DAY / SECOND * SECOND));
            }
            PointType::Array => {
                let _ = write!(out, "[{},{},{}]", noise % 100, noise % 7, noise % 1_000);
            }
            _ => match noise % 16 {
                0 => write_quoted("Öl \"leicht\" 20 °C", out),
                1 => write_quoted("C:\\batch\\7\n次 🛢", out),
                2 => out.extend_from_slice(b"\"\""),
                _ => {
                    let _ = write!(out, "\"Batch {:05}\"", noise % 100_000);
                }
            },
        }
    }

    /// The text of the annotation that an annotated event carries.
    pub(crate) fn annotation(&self, event: i64) -> String {
        format!("Remark on event {event} of {}", self.point.spec.name)
    }

    /// The event as the archive would keep it.
    pub(crate) fn stored(&self, event: i64, at: Ticks) -> Stored {
        let nature = self.nature(event);
        let mut json = Vec::new();
        self.write_value(at, nature, &mut json);
        Stored {
            json: String::from_utf8(json).unwrap_or_default(),
            number: self.number(event, at),
            good: nature.bad.is_none() && !nature.error,
            questionable: nature.questionable,
            substituted: nature.substituted,
            annotation: nature.annotated.then(|| self.annotation(event)),
            errors: nature.error.then(|| errors_json(CONVERSION)),
        }
    }
}

/// The message of generated value-level errors.
pub(crate) const CONVERSION: &str = "conversion failed";
