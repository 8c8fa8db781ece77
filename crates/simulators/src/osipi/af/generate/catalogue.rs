//! Units, enumeration sets and categories.

use super::guid;
use crate::osipi::af::{
    object::{Body, EnumerationValue, Ix, Kind, Unit},
    store::Store,
};

/// Name, abbreviation, factor, offset to the first unit of the class.
type UnitOf = (&'static str, &'static str, f64, f64);

const CLASSES: [(&str, &[UnitOf]); 7] = [
    (
        "Temperature",
        &[
            ("kelvin", "K", 1.0, 0.0),
            ("degree Celsius", "°C", 1.0, 273.15),
            ("degree Fahrenheit", "°F", 0.555_555_555_555_555_6, 255.372_222_222_222_2),
        ],
    ),
    (
        "Pressure",
        &[
            ("pascal", "Pa", 1.0, 0.0),
            ("kilopascal", "kPa", 1_000.0, 0.0),
            ("bar", "bar", 100_000.0, 0.0),
            ("pound-force per square inch", "psi", 6_894.757_293_168_361, 0.0),
        ],
    ),
    (
        "Volume Flow Rate",
        &[("cubic meter per second", "m3/s", 1.0, 0.0), ("liter per minute", "L/min", 1.0e-3 / 60.0, 0.0)],
    ),
    ("Power", &[("watt", "W", 1.0, 0.0), ("kilowatt", "kW", 1_000.0, 0.0)]),
    ("Volume", &[("cubic meter", "m3", 1.0, 0.0), ("liter", "L", 1.0e-3, 0.0)]),
    ("Ratio", &[("count", "count", 1.0, 0.0), ("percent", "%", 0.01, 0.0)]),
    (
        "Angular Velocity",
        &[("radian per second", "rad/s", 1.0, 0.0), ("revolution per minute", "rpm", 0.104_719_755_119_659_77, 0.0)],
    ),
];

/// The classes and units of an asset server.
pub(super) fn units(store: &mut Store, server: Ix, random: &mut fastrand::Rng) {
    for (class_name, units) in CLASSES {
        let class =
            store.add(Some(server), Kind::UnitClass, guid(random), class_name, Body::UnitClass { canonical: None });
        store.object_mut(class).description = format!("Units of {}", class_name.to_lowercase());
        let mut canonical = None;
        for (name, abbreviation, factor, offset) in units {
            let unit = Unit {
                abbreviation: (*abbreviation).to_owned(),
                factor: *factor,
                offset: *offset,
                reference_factor: 1.0,
                reference_offset: 0.0,
                reference: canonical,
            };
            let unit = store.add(Some(class), Kind::Unit, guid(random), *name, Body::Unit(unit));
            canonical = canonical.or(Some(unit));
        }
        store.object_mut(class).body = Body::UnitClass { canonical };
    }
}

/// The unit of an abbreviation.
pub(super) fn unit(store: &Store, server: Ix, abbreviation: &str) -> Option<Ix> {
    let classes = store.owned(server, Kind::UnitClass);
    let mut units = classes.flat_map(|class| store.owned(class, Kind::Unit));
    units.find(|unit| matches!(&store.object(*unit).body, Body::Unit(unit) if unit.abbreviation == abbreviation))
}

/// Name, code and parent.
type ValueOf = (&'static str, i64, Option<&'static str>);

const SETS: [(&str, &[ValueOf]); 3] = [
    ("Unit Mode", &[("Off", 0, None), ("Running", 1, None), ("Maintenance", 2, None), ("Störung", -1, None)]),
    (
        "Reason",
        &[
            ("Mechanical", 10, None),
            ("Bearing", 11, Some("Mechanical")),
            ("Seal", 12, Some("Mechanical")),
            ("Electrical", 20, None),
            ("Fuse", 21, Some("Electrical")),
            ("Unknown", 99, None),
        ],
    ),
    ("Grade", &[("A", 1, None), ("B", 2, None), ("A", 3, None)]),
];

pub(super) fn enumeration_sets(store: &mut Store, database: Ix, random: &mut fastrand::Rng) {
    for (name, values) in SETS {
        let set = store.add(Some(database), Kind::EnumerationSet, guid(random), name, Body::Plain);
        store.object_mut(set).description = format!("{name} of a unit");
        for (name, value, parent) in values {
            let parent = parent.and_then(|parent| {
                store.owned(set, Kind::EnumerationValue).find(|value| store.object(*value).name == parent)
            });
            let body = Body::EnumerationValue(EnumerationValue { value: *value, parent });
            store.add(Some(set), Kind::EnumerationValue, guid(random), *name, body);
        }
    }
}

const CATEGORIES: [(Kind, &[&str]); 4] = [
    (Kind::ElementCategory, &["Critical", "Rotating Equipment", "Café & Labor"]),
    (Kind::AttributeCategory, &["Process", "Nameplate", "Limits"]),
    (Kind::AnalysisCategory, &["Efficiency", "Alarming"]),
    (Kind::TableCategory, &["Reference"]),
];

pub(super) fn categories(store: &mut Store, database: Ix, random: &mut fastrand::Rng) {
    for (kind, names) in CATEGORIES {
        for name in names {
            let category = store.add(Some(database), kind, guid(random), *name, Body::Plain);
            if *name != "Limits" {
                store.object_mut(category).description = format!("Everything {}", name.to_lowercase());
            }
        }
    }
}

/// A category by its name.
pub(super) fn category(store: &Store, database: Ix, kind: Kind, name: &str) -> Option<Ix> {
    store.owned(database, kind).find(|category| store.object(*category).name == name)
}
