//! The tree of elements, with elements that have several parents and one that is its own ancestor.

use serde_json::json;

use super::{Tag, attributes, catalogue, guid, templates};
use crate::osipi::af::{
    object::{Analysis, Body, Element, Ix, Kind},
    store::Store,
};

/// Children of an element on the way down.
const FAN_OUT: usize = 7;
/// Elements of the one deep branch.
const DEEP: usize = 9;

pub(super) fn tree(
    store: &mut Store,
    database: Ix,
    count: usize,
    tags: &[Tag],
    denied: bool,
    random: &mut fastrand::Rng,
) -> Vec<Ix> {
    let mut made: Vec<Ix> = Vec::with_capacity(count);
    for at in 0..count {
        let deep = at < DEEP.min(count / 3);
        let parent = if at == 0 {
            None
        } else if deep {
            made.get(at - 1).copied()
        } else {
            // Every eighth on the top.
            (at % 8 != 0).then(|| made.get((at - 1) / FAN_OUT).copied()).flatten()
        };
        made.push(one(store, database, parent, at, tags, random));
    }
    references(store, &made);
    analyses(store, database, &made, random);
    if denied {
        for at in (23..made.len()).step_by(29) {
            deny(store, made[at]);
        }
    }
    made
}

fn one(store: &mut Store, database: Ix, parent: Option<Ix>, at: usize, tags: &[Tag], random: &mut fastrand::Rng) -> Ix {
    let template_name = match at % 6 {
        0 => "Area",
        1 | 4 => "Boiler",
        2 | 5 => "Pump",
        _ if at % 4 == 3 => "",
        _ => "Tank",
    };
    let owner = parent.unwrap_or(database);
    let number = 1 + store.owned(owner, Kind::Element).count();
    let label = if template_name.is_empty() { "Gerät" } else { template_name };
    // The same names in every branch, and some that URLs and paths must escape.
    let name = match at % 17 {
        5 => format!("{label} 50% + \"{number}\" #{number}"),
        11 => format!("{label} & Söhne {number}"),
        13 => format!("{label} {number} (塔/east)"),
        _ => format!("{label} {number}"),
    };
    let template = templates::named(store, database, template_name);
    let element_type = if at.is_multiple_of(6) { "Node" } else { "Other" };
    let body = Body::Element(Element { template, element_type, ..Element::default() });
    let made = store.add(Some(owner), Kind::Element, guid(random), name, body);
    let category_name = match at % 5 {
        0 => "Critical",
        2 => "Café & Labor",
        _ => "",
    };
    let mut categories: Vec<Ix> =
        template.map(|template| store.object(template).categories.clone()).unwrap_or_default();
    categories.extend(catalogue::category(store, database, Kind::ElementCategory, category_name));
    categories.sort_unstable();
    categories.dedup();
    let object = store.object_mut(made);
    object.categories = categories;
    if at % 3 != 1 {
        object.description = format!("{label} number {at} of the plant");
    }
    if at % 10 == 4 {
        object.extended = vec![
            ("Commissioned".to_owned(), json!("2019-05-04T00:00:00Z")),
            ("Priority".to_owned(), json!(at)),
            ("Spare".to_owned(), json!(null)),
        ];
    }
    if let Some((template, spec)) = template.zip(templates::spec(template_name)) {
        if let Some((base, base_spec)) =
            spec.base.and_then(|base| templates::named(store, database, base).zip(templates::spec(base)))
        {
            attributes::from_templates(store, made, base, base_spec.attributes, tags, random);
        }
        attributes::from_templates(store, made, template, spec.attributes, tags, random);
    }
    if at % 7 == 2 {
        attributes::ad_hoc(store, made, tags, random);
    }
    made
}

/// Every ninth element is a child of another one too, and one element is a child of its own descendant.
fn references(store: &mut Store, made: &[Ix]) {
    let mut refer = |parent: Ix, child: Ix| {
        if let Body::Element(element) = &mut store.object_mut(parent).body {
            element.referenced.push(child);
        }
        if let Body::Element(element) = &mut store.object_mut(child).body {
            element.other_parents.push(parent);
        }
    };
    for at in (9..made.len()).step_by(9) {
        // An earlier element that is not in the deep branch: neither an ancestor nor a descendant.
        if at / 2 > at / FAN_OUT + 1 {
            refer(made[at / 2], made[at]);
        }
    }
    if made.len() > 9 {
        refer(made[2], made[0]);
    }
}

fn analyses(store: &mut Store, database: Ix, made: &[Ix], random: &mut fastrand::Rng) {
    for (at, target) in made.iter().enumerate() {
        let (name, rule, time_rule) = match at % 6 {
            1 | 4 => ("Boiler Efficiency", "PerformanceEquation", "Periodic"),
            2 => ("Pump Stopped", "EventFrame", "Natural"),
            0 => ("Roll up", "Rollup", "Periodic"),
            _ => continue,
        };
        let template =
            store.owned(database, Kind::AnalysisTemplate).find(|template| store.object(*template).name == name);
        let body = Analysis {
            template,
            target: *target,
            rule,
            time_rule,
            status: ["Enabled", "Disabled", "Error"][at % 3],
            priority: ["Normal", "High", "Low"][at % 3],
            group: (at % 4) as i64,
            maximum_queue_size: if at % 2 == 0 { 0 } else { 100 },
            output_time: if at % 5 == 0 { "*" } else { "" },
            publish_results: at % 2 == 1,
            configured: at % 11 != 0,
        };
        let made = store.add(Some(*target), Kind::Analysis, guid(random), name, Body::Analysis(body));
        let category = if at % 2 == 0 { "Efficiency" } else { "Alarming" };
        let category = catalogue::category(store, database, Kind::AnalysisCategory, category);
        store.object_mut(made).categories.extend(category);
    }
}

/// Denies an object and all that it owns.
fn deny(store: &mut Store, ix: Ix) {
    store.object_mut(ix).denied = true;
    for owned in store.object(ix).owned.clone() {
        deny(store, owned);
    }
}
