//! What attributes there are, as data, and making them from it.

use serde_json::{Value, json};

use super::{Tag, catalogue, guid};
use crate::osipi::af::{
    object::{Attribute, Body, DataReference, Ix, Kind},
    store::Store,
};

/// An attribute of a template.
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) value_type: &'static str,
    pub(super) qualifier: &'static str,
    pub(super) unit: &'static str,
    pub(super) source: Source,
    pub(super) category: &'static str,
    pub(super) trait_name: &'static str,
    pub(super) flags: &'static [Flag],
    pub(super) children: &'static [Spec],
}

#[derive(Clone, Copy)]
pub(super) enum Source {
    /// A numeric point.
    Point,
    /// A point of another type.
    OtherPoint,
    /// A point that does not exist.
    LostPoint,
    Static(Sample),
    /// Plug-in, configuration, whether it can be computed.
    Computed(&'static str, &'static str, bool),
    Nothing,
}

#[derive(Clone, Copy)]
pub(super) enum Sample {
    Number,
    Integer,
    Huge,
    Text,
    Boolean,
    Time,
    Guid,
    Array,
    State(&'static [(&'static str, i64)]),
    Special(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    Configuration,
    Excluded,
    Hidden,
    Manual,
    Step,
}

const PLAIN: Spec = Spec {
    name: "",
    value_type: "Double",
    qualifier: "",
    unit: "",
    source: Source::Nothing,
    category: "",
    trait_name: "",
    flags: &[],
    children: &[],
};

const MODES: &[(&str, i64)] = &[("Off", 0), ("Running", 1), ("Maintenance", 2), ("Störung", -1)];
const REASONS: &[(&str, i64)] = &[("Bearing", 11), ("Seal", 12), ("Fuse", 21), ("Unknown", 99)];

const fn limit(name: &'static str, trait_name: &'static str) -> Spec {
    Spec { name, trait_name, unit: "°C", source: Source::Static(Sample::Number), category: "Limits", ..PLAIN }
}

const LIMITS: &[Spec] = &[
    limit("LoLo", "LimitLoLo"),
    limit("Lo", "LimitLo"),
    limit("Hi", "LimitHi"),
    limit("HiHi", "LimitHiHi"),
    limit("Minimum", "LimitMinimum"),
    limit("Maximum", "LimitMaximum"),
    Spec { name: "Forecast", trait_name: "Forecast", unit: "°C", source: Source::Point, ..PLAIN },
];

const NAMEPLATE: &[Flag] = &[Flag::Configuration];

pub(super) const EQUIPMENT: &[Spec] = &[
    Spec {
        name: "Manufacturer",
        value_type: "String",
        source: Source::Static(Sample::Text),
        category: "Nameplate",
        flags: NAMEPLATE,
        ..PLAIN
    },
    Spec {
        name: "Installed",
        value_type: "DateTime",
        source: Source::Static(Sample::Time),
        category: "Nameplate",
        flags: NAMEPLATE,
        ..PLAIN
    },
    Spec {
        name: "Asset Id",
        value_type: "Guid",
        source: Source::Static(Sample::Guid),
        flags: &[Flag::Hidden],
        ..PLAIN
    },
    Spec {
        name: "Health",
        value_type: "Int32",
        trait_name: "HealthScore",
        source: Source::Static(Sample::Integer),
        ..PLAIN
    },
];

pub(super) const BOILER: &[Spec] = &[
    Spec { name: "Temperature", unit: "°C", source: Source::Point, category: "Process", children: LIMITS, ..PLAIN },
    Spec { name: "Pressure", value_type: "Single", unit: "kPa", source: Source::Point, category: "Process", ..PLAIN },
    Spec {
        name: "Mode",
        value_type: "EnumerationValue",
        qualifier: "Unit Mode",
        source: Source::Static(Sample::State(MODES)),
        flags: &[Flag::Step],
        ..PLAIN
    },
    Spec { name: "Valve", value_type: "String", source: Source::OtherPoint, flags: &[Flag::Step], ..PLAIN },
    Spec { name: "Efficiency", unit: "%", source: Source::Computed("Formula", "A=Pressure;[A*0.8]", true), ..PLAIN },
    Spec {
        name: "Rated Power",
        unit: "kW",
        source: Source::Computed("Table Lookup", "SELECT Power FROM Ratings WHERE Model = 'B7'", true),
        ..PLAIN
    },
    Spec { name: "Availability", unit: "%", source: Source::Computed("Formula", "A=Missing;[A]", false), ..PLAIN },
    Spec { name: "Obsolete", source: Source::Static(Sample::Special("NaN")), flags: &[Flag::Excluded], ..PLAIN },
];

pub(super) const PUMP: &[Spec] = &[
    Spec { name: "Flow", unit: "L/min", source: Source::Point, category: "Process", ..PLAIN },
    Spec { name: "Speed", value_type: "Int32", unit: "rpm", source: Source::Static(Sample::Integer), ..PLAIN },
    Spec { name: "Starts", value_type: "Int64", source: Source::Static(Sample::Huge), ..PLAIN },
    Spec {
        name: "In Service",
        value_type: "Boolean",
        source: Source::Static(Sample::Boolean),
        flags: &[Flag::Step],
        ..PLAIN
    },
    Spec {
        name: "Remark",
        value_type: "String",
        source: Source::Static(Sample::Text),
        flags: &[Flag::Manual],
        ..PLAIN
    },
    Spec {
        name: "Manual",
        value_type: "String",
        source: Source::Computed("URI Builder", "https://manuals.example/%Element%", true),
        ..PLAIN
    },
    Spec { name: "Retired Tag", unit: "bar", source: Source::LostPoint, ..PLAIN },
    Spec { name: "Reading", source: Source::Nothing, flags: &[Flag::Manual], ..PLAIN },
];

pub(super) const TANK: &[Spec] = &[
    Spec { name: "Level", unit: "%", source: Source::Point, category: "Process", ..PLAIN },
    Spec { name: "Profile", value_type: "Double[]", unit: "m3", source: Source::Static(Sample::Array), ..PLAIN },
    Spec { name: "Latitude", trait_name: "Latitude", source: Source::Static(Sample::Number), ..PLAIN },
    Spec { name: "Longitude", trait_name: "Longitude", source: Source::Static(Sample::Number), ..PLAIN },
];

pub(super) const DOWNTIME: &[Spec] = &[
    Spec {
        name: "Reason Code",
        value_type: "EnumerationValue",
        qualifier: "Reason",
        trait_name: "Reason",
        source: Source::Static(Sample::State(REASONS)),
        ..PLAIN
    },
    Spec { name: "Lost Production", unit: "m3", source: Source::Static(Sample::Number), ..PLAIN },
    Spec { name: "Comment", value_type: "String", source: Source::Static(Sample::Text), ..PLAIN },
];

pub(super) const BATCH: &[Spec] = &[
    Spec {
        name: "Product",
        value_type: "String",
        source: Source::Static(Sample::Text),
        children: &[Spec { name: "Lot", value_type: "Int64", source: Source::Static(Sample::Huge), ..PLAIN }],
        ..PLAIN
    },
    Spec { name: "Quantity", unit: "L", source: Source::Static(Sample::Number), ..PLAIN },
    Spec { name: "Approved", value_type: "Boolean", source: Source::Static(Sample::Boolean), ..PLAIN },
    Spec { name: "Released", value_type: "DateTime", source: Source::Static(Sample::Time), ..PLAIN },
];

pub(super) const EXCURSION: &[Spec] = &[
    Spec { name: "Peak", unit: "°C", source: Source::Static(Sample::Number), ..PLAIN },
    Spec {
        name: "Sensor",
        value_type: "String",
        source: Source::Computed("String Builder", "%Element%", false),
        ..PLAIN
    },
];

/// Adds the templates of attributes to the template of an element or event frame, or of an attribute.
pub(super) fn templates(store: &mut Store, owner: Ix, specs: &[Spec], random: &mut fastrand::Rng) {
    for spec in specs {
        let server = store.server_of(owner);
        let data = match spec.source {
            Source::Point | Source::OtherPoint | Source::LostPoint => {
                DataReference::Point { server: "%Server%".to_owned(), tag: format!("%Element%.{}", spec.name) }
            }
            Source::Computed(plug_in, config, _) => {
                DataReference::Computed { plug_in, config: config.to_owned(), value: None }
            }
            Source::Static(sample) => DataReference::Static { value: value(sample, random), at: None },
            Source::Nothing => DataReference::None,
        };
        let body = body(spec, None, catalogue::unit(store, server, spec.unit), data);
        let made = store.add(Some(owner), Kind::AttributeTemplate, guid(random), spec.name, Body::Attribute(body));
        describe(store, made, spec);
        templates(store, made, spec.children, random);
    }
}

/// Adds attributes made from the attribute templates below `template` (and its base templates) to `owner`.
pub(super) fn from_templates(
    store: &mut Store,
    owner: Ix,
    template: Ix,
    specs: &[Spec],
    tags: &[Tag],
    random: &mut fastrand::Rng,
) {
    for spec in specs {
        let Some(made_from) =
            store.owned(template, Kind::AttributeTemplate).find(|at| store.object(*at).name == spec.name)
        else {
            continue;
        };
        let made = one(store, owner, Some(made_from), spec, tags, random);
        from_templates(store, made, made_from, spec.children, tags, random);
    }
}

/// An attribute that no template asks for.
pub(super) fn ad_hoc(store: &mut Store, owner: Ix, tags: &[Tag], random: &mut fastrand::Rng) {
    let spec = Spec { name: "Notes", value_type: "String", source: Source::Static(Sample::Text), ..PLAIN };
    one(store, owner, None, &spec, tags, random);
}

fn one(
    store: &mut Store,
    owner: Ix,
    template: Option<Ix>,
    spec: &Spec,
    tags: &[Tag],
    random: &mut fastrand::Rng,
) -> Ix {
    let server = store.server_of(owner);
    let data = match spec.source {
        Source::Point => point(tags, true, random),
        Source::OtherPoint => point(tags, false, random),
        Source::LostPoint => DataReference::Point {
            server: tags.first().map(|tag| tag.server.clone()).unwrap_or_default(),
            tag: "retired.pressure".to_owned(),
        },
        Source::Static(sample) => DataReference::Static { value: value(sample, random), at: None },
        Source::Computed(plug_in, config, works) => {
            let sample = if spec.value_type == "String" { Sample::Text } else { Sample::Number };
            let value = works.then(|| value(sample, random));
            DataReference::Computed { plug_in, config: config.to_owned(), value }
        }
        Source::Nothing => DataReference::None,
    };
    let body = body(spec, template, catalogue::unit(store, server, spec.unit), data);
    let id = template.map_or_else(|| guid(random), |template| store.object(template).id);
    let made = store.add(Some(owner), Kind::Attribute, id, spec.name, Body::Attribute(body));
    describe(store, made, spec);
    made
}

fn describe(store: &mut Store, made: Ix, spec: &Spec) {
    let database = store.within(made, Kind::AssetDatabase);
    let category =
        database.and_then(|database| catalogue::category(store, database, Kind::AttributeCategory, spec.category));
    let object = store.object_mut(made);
    object.categories.extend(category);
    if !spec.unit.is_empty() {
        object.description = format!("{} in {}", spec.name, spec.unit);
    }
}

fn body(spec: &Spec, template: Option<Ix>, unit: Option<Ix>, data: DataReference) -> Attribute {
    let has = |flag| spec.flags.contains(&flag);
    Attribute {
        template,
        value_type: spec.value_type,
        qualifier: spec.qualifier.to_owned(),
        unit,
        display_digits: if spec.value_type == "Single" { 2 } else { -5 },
        data,
        configuration_item: has(Flag::Configuration),
        excluded: has(Flag::Excluded),
        hidden: has(Flag::Hidden),
        manual: has(Flag::Manual),
        step: has(Flag::Step),
        zero: 0.0,
        span: 100.0,
        trait_name: spec.trait_name,
    }
}

fn point(tags: &[Tag], numeric: bool, random: &mut fastrand::Rng) -> DataReference {
    let fitting: Vec<&Tag> = tags.iter().filter(|tag| tag.numeric == numeric).collect();
    match random.choice(fitting) {
        Some(tag) => DataReference::Point { server: tag.server.clone(), tag: tag.name.clone() },
        None => DataReference::None,
    }
}

const WORDS: [&str; 8] =
    ["Kessel & Söhne", "steady", "\"quoted\"", "line one\nline two", "плановый ремонт", "see log, p. 7", "", "100 %"];

pub(super) fn value(sample: Sample, random: &mut fastrand::Rng) -> Value {
    match sample {
        Sample::Number => json!(f64::from(random.u32(0..2_000_000)) / 1_000.0),
        Sample::Integer => json!(random.i32(-100..3_000)),
        Sample::Huge => json!(9_007_199_254_740_993_i64 + random.i64(0..1_000)),
        Sample::Text => json!(WORDS[random.usize(..WORDS.len())]),
        Sample::Boolean => json!(random.bool()),
        Sample::Time => {
            json!(format!("20{:02}-{:02}-{:02}T06:30:00Z", random.u8(10..25), random.u8(1..13), random.u8(1..29)))
        }
        Sample::Guid => json!(guid(random).to_string()),
        Sample::Array => json!([random.u8(..), f64::from(random.u16(..)) / 8.0, random.i16(..)]),
        Sample::Special(text) => json!(text),
        Sample::State(states) => {
            let (name, code) = states[random.usize(..states.len())];
            json!({ "Name": name, "Value": code, "IsSystem": false })
        }
    }
}
