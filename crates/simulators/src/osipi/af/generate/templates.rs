//! Templates of elements, event frames and analyses.

use super::{
    attributes::{self, BATCH, BOILER, DOWNTIME, EQUIPMENT, EXCURSION, PUMP, Spec, TANK},
    catalogue, guid,
};
use crate::osipi::af::{
    object::{AnalysisTemplate, Body, Ix, Kind, Template},
    store::Store,
};

/// A template and the attributes that it adds to those of its base.
pub(super) struct TemplateSpec {
    pub(super) name: &'static str,
    pub(super) instance_type: &'static str,
    pub(super) base: Option<&'static str>,
    pub(super) attributes: &'static [Spec],
    pub(super) severity: &'static str,
    pub(super) can_be_acknowledged: bool,
    pub(super) naming_pattern: &'static str,
}

const fn element(name: &'static str, base: Option<&'static str>, attributes: &'static [Spec]) -> TemplateSpec {
    TemplateSpec {
        name,
        instance_type: "Element",
        base,
        attributes,
        severity: "None",
        can_be_acknowledged: false,
        naming_pattern: "",
    }
}

pub(super) const TEMPLATES: [TemplateSpec; 9] = [
    element("Equipment", None, EQUIPMENT),
    element("Boiler", Some("Equipment"), BOILER),
    element("Pump", Some("Equipment"), PUMP),
    element("Tank", Some("Equipment"), TANK),
    element("Area", None, &[]),
    TemplateSpec {
        name: "Downtime",
        instance_type: "EventFrame",
        base: None,
        attributes: DOWNTIME,
        severity: "Major",
        can_be_acknowledged: true,
        naming_pattern: "Downtime %STARTTIME:yyyy-MM-dd HH:mm%",
    },
    TemplateSpec {
        name: "Batch",
        instance_type: "EventFrame",
        base: None,
        attributes: BATCH,
        severity: "None",
        can_be_acknowledged: false,
        naming_pattern: "Batch %@.\\Elements[.]|Lot%",
    },
    TemplateSpec {
        name: "Excursion",
        instance_type: "EventFrame",
        base: None,
        attributes: EXCURSION,
        severity: "Warning",
        can_be_acknowledged: true,
        naming_pattern: "",
    },
    TemplateSpec { name: "Material Transfer", instance_type: "Transfer", ..element("", None, &[]) },
];

pub(super) fn spec(name: &str) -> Option<&'static TemplateSpec> {
    TEMPLATES.iter().find(|spec| spec.name == name)
}

pub(super) fn named(store: &Store, database: Ix, name: &str) -> Option<Ix> {
    store.owned(database, Kind::ElementTemplate).find(|template| store.object(*template).name == name)
}

pub(super) fn all(store: &mut Store, database: Ix, random: &mut fastrand::Rng) {
    for spec in &TEMPLATES {
        let base = spec.base.and_then(|base| named(store, database, base));
        let body = Template {
            instance_type: spec.instance_type,
            base,
            naming_pattern: spec.naming_pattern.to_owned(),
            severity: spec.severity,
            can_be_acknowledged: spec.can_be_acknowledged,
            allow_to_extend: spec.instance_type == "Element",
        };
        let template = store.add(Some(database), Kind::ElementTemplate, guid(random), spec.name, Body::Template(body));
        let category = match spec.name {
            "Pump" => catalogue::category(store, database, Kind::ElementCategory, "Rotating Equipment"),
            "Boiler" | "Downtime" => catalogue::category(store, database, Kind::ElementCategory, "Critical"),
            _ => None,
        };
        let object = store.object_mut(template);
        object.description = format!("What every {} has", spec.name.to_lowercase());
        object.categories.extend(category);
        attributes::templates(store, template, spec.attributes, random);
    }
    let rules = [
        ("Boiler Efficiency", "PerformanceEquation", "Periodic", "Boiler", 1),
        ("Pump Stopped", "EventFrame", "Natural", "Pump", 2),
        ("Site Total", "Rollup", "Periodic", "", 1),
    ];
    for (name, rule, time_rule, target, group) in rules {
        let body = AnalysisTemplate {
            target: named(store, database, target),
            rule,
            time_rule,
            group,
            output_time: "",
            create_enabled: true,
        };
        let made = store.add(Some(database), Kind::AnalysisTemplate, guid(random), name, Body::AnalysisTemplate(body));
        let category = catalogue::category(store, database, Kind::AnalysisCategory, "Efficiency");
        store.object_mut(made).categories.extend(category);
    }
}
