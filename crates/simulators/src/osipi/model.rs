//! Data servers, points and digital sets.

use super::{guid::Guid, ticks::Ticks};

/// What a point holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PointType {
    /// 16-bit scaled real.
    Float16,
    /// 32-bit real.
    Float32,
    /// 64-bit real.
    Float64,
    /// 16-bit integer.
    Int16,
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// A state of a digital set.
    Digital,
    /// Text.
    String,
    /// An instant.
    Timestamp,
    /// Bytes, which the API cannot serve: reading answers 501.
    Blob,
    /// A list of numbers, as attributes may hold.
    Array,
}

impl PointType {
    /// All with their names.
    pub const ALL: [(&'static str, Self); 11] = [
        ("Float16", Self::Float16),
        ("Float32", Self::Float32),
        ("Float64", Self::Float64),
        ("Int16", Self::Int16),
        ("Int32", Self::Int32),
        ("Int64", Self::Int64),
        ("Digital", Self::Digital),
        ("String", Self::String),
        ("Timestamp", Self::Timestamp),
        ("Blob", Self::Blob),
        ("Array", Self::Array),
    ];

    /// What a plant holds: mostly reals.
    pub(crate) const MIX: [Self; 16] = [
        Self::Float32,
        Self::Float64,
        Self::Int32,
        Self::Digital,
        Self::String,
        Self::Float32,
        Self::Timestamp,
        Self::Int16,
        Self::Float16,
        Self::Float32,
        Self::Int64,
        Self::Float64,
        Self::Float32,
        Self::Digital,
        Self::Float32,
        Self::Int32,
    ];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| *name)
    }

    /// The type of that name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, kind)| *kind)
    }

    /// Whether values between two events are interpolated.
    pub(crate) fn is_real(self) -> bool {
        matches!(self, Self::Float16 | Self::Float32 | Self::Float64)
    }
}

/// A point before it exists on a server.
#[derive(Clone, Debug, PartialEq)]
pub struct PointSpec {
    /// The name, unique on its data server, in any case.
    pub name: String,
    /// What it holds.
    pub point_type: PointType,
    /// Free text.
    pub descriptor: String,
    /// The unit's abbreviation; empty for none.
    pub units: String,
    /// The digital set, of Digital points.
    pub digital_set: Option<String>,
    /// The lowest value.
    pub zero: f64,
    /// Highest less lowest value.
    pub span: f64,
    /// Whether a value holds until the next one.
    pub step: bool,
    /// Whether events may lie ahead of now.
    pub future: bool,
    /// Digits that displays show; negative means significant ones.
    pub display_digits: i32,
    /// Its generated events; nothing leaves it empty.
    pub stream: Option<Beat>,
}

impl PointSpec {
    /// A point without generated events.
    pub fn new(name: &str, point_type: PointType) -> Self {
        let digital = point_type == PointType::Digital;
        Self {
            name: name.to_owned(),
            point_type,
            descriptor: format!("{} of {name}", point_type.name()),
            units: if point_type.is_real() { "degC".to_owned() } else { String::new() },
            digital_set: digital.then(|| "VALVE".to_owned()),
            zero: 0.0,
            span: 100.0,
            step: !point_type.is_real(),
            future: false,
            display_digits: -5,
            stream: None,
        }
    }
}

/// The rhythm of generated events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The first event comes at or after this.
    pub first: Ticks,
    /// Mean distance of two events in ticks of 100 ns; at least 160 (one archive unit).
    pub interval: i64,
    /// Events that share one instant.
    pub ties: u32,
}

/// A point on a server.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// Its place in [`World::points`](super::world::World), which is also the seed of its events.
    pub(crate) number: usize,
    /// The place of its data server.
    pub(crate) server: usize,
    pub(crate) id: i32,
    pub(crate) path: String,
    pub(crate) spec: PointSpec,
    pub(crate) deleted: bool,
    pub(crate) fault: Option<PointFault>,
}

/// What is wrong with one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointFault {
    /// No permission: 403.
    Forbidden,
    /// Gone: 404.
    Absent,
    /// Its data server's archive is not reachable: 502.
    Unreachable,
    /// Another error status.
    Status(u16),
    /// 200, half of the values, and a `WebException`.
    WebException,
    /// Left out of streamsets; alone it answers.
    MissingFromSets,
    /// A body that is no JSON, with status 502.
    HtmlPage,
}

/// A PI Data Archive.
#[derive(Clone, Debug)]
pub(crate) struct DataServer {
    pub(crate) id: Guid,
    pub(crate) name: String,
    pub(crate) alive: bool,
}

/// A digital set.
#[derive(Clone, Debug)]
pub(crate) struct DigitalSet {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) states: &'static [(i32, &'static str)],
    pub(crate) is_system: bool,
}

/// The digital sets of every data server; the first is the system's.
pub(crate) const DIGITAL_SETS: &[DigitalSet] = &[
    DigitalSet { name: "SYSTEM", description: "System states", states: SYSTEM_STATES, is_system: true },
    DigitalSet {
        name: "VALVE",
        description: "Positions of a valve",
        states: &[(0, "CLOSED"), (1, "OPEN"), (2, "MOVING"), (3, "FAULT")],
        is_system: false,
    },
    DigitalSet {
        name: "MODES",
        description: "Modes of a unit",
        states: &[(0, "Manual"), (1, "Auto"), (2, "Cascade")],
        is_system: false,
    },
    DigitalSet {
        name: "BatchAct",
        description: "Whether a batch runs",
        states: &[(0, "Inactive"), (1, "Active")],
        is_system: false,
    },
];

/// States that any point may hold.
pub(crate) const SYSTEM_STATES: &[(i32, &str)] = &[
    (246, "I/O Timeout"),
    (248, "No Data"),
    (249, "Calc Failed"),
    (253, "Pt Created"),
    (254, "Shutdown"),
    (255, "Bad Input"),
    (307, "Filtered"),
    (313, "Scan Off"),
];
