//! `Links` of objects: absolute addresses of what belongs together.

use serde_json::{Map, Value};

use super::{Show, assets::point_path};
use crate::osipi::af::object::{Body, Ix, Kind};

const STREAMS: [(&str, &str); 6] = [
    ("InterpolatedData", "interpolated"),
    ("RecordedData", "recorded"),
    ("PlotData", "plot"),
    ("SummaryData", "summary"),
    ("Value", "value"),
    ("EndValue", "end"),
];

impl Show<'_> {
    pub(super) fn links_of(&self, ix: Ix) -> Value {
        let object = self.store.object(ix);
        let own = self.url(ix);
        let mut links = Map::new();
        let mut to = |name: &str, url: String| {
            links.insert(name.to_owned(), Value::from(url));
        };
        to("Self", own.clone());
        for name in below(object.kind) {
            let route = match *name {
                "Databases" => "assetdatabases".to_owned(),
                "Values" => "enumerationvalues".to_owned(),
                _ => name.to_lowercase(),
            };
            to(name, format!("{own}/{route}"));
        }
        if let Some(database) = self.store.within(ix, Kind::AssetDatabase).filter(|database| *database != ix) {
            to("Database", self.url(database));
        }
        if let Some(template) = self.store.template_of(ix) {
            to("Template", self.url(template));
        }
        if let Some(parent) = object.owner {
            match (object.kind, self.store.object(parent).kind) {
                (kind, parent_kind) if kind == parent_kind => to("Parent", self.url(parent)),
                (Kind::AssetDatabase | Kind::UnitClass, _) => to("AssetServer", self.url(parent)),
                (Kind::Attribute, Kind::Element) => to("Element", self.url(parent)),
                (Kind::Attribute, Kind::EventFrame) => to("EventFrame", self.url(parent)),
                (Kind::AttributeTemplate, _) => to("ElementTemplate", self.url(parent)),
                (Kind::EnumerationValue, _) => to("EnumerationSet", self.url(parent)),
                (Kind::Unit, _) => to("Class", self.url(parent)),
                _ => {}
            }
        }
        match &object.body {
            Body::Element(_) | Body::Frame(_) => {
                for (name, what) in STREAMS {
                    to(name, self.stream_url(ix, true, what));
                }
            }
            Body::Attribute(_) if object.kind == Kind::Attribute => {
                for (name, what) in STREAMS {
                    let url = if what == "value" { format!("{own}/value") } else { self.stream_url(ix, false, what) };
                    to(name, url);
                }
            }
            Body::Template(template) => {
                if let Some(base) = template.base {
                    to("BaseTemplate", self.url(base));
                }
            }
            Body::Analysis(analysis) => to("Target", self.url(analysis.target)),
            Body::AnalysisTemplate(template) => {
                if let Some(target) = template.target {
                    to("Target", self.url(target));
                }
            }
            Body::UnitClass { canonical: Some(canonical) } => to("CanonicalUnit", self.url(*canonical)),
            Body::Unit(unit) => {
                if let Some(reference) = unit.reference {
                    to("ReferenceUnit", self.url(reference));
                }
            }
            _ => {}
        }
        if let Body::Frame(frame) = &object.body
            && let Some(primary) = frame.elements.first()
        {
            to("PrimaryReferencedElement", self.url(*primary));
        }
        if let Some(path) = point_path(self.store, ix).filter(|_| object.kind == Kind::Attribute) {
            to("Point", self.point_url(&path));
        }
        Value::Object(links)
    }
}

/// The links to lists below an object; most routes are the same words in lower case.
fn below(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::AssetServer => &["Databases", "UnitClasses"],
        Kind::AssetDatabase => &[
            "Elements",
            "ElementTemplates",
            "EventFrames",
            "ElementCategories",
            "AttributeCategories",
            "TableCategories",
            "AnalysisCategories",
            "AnalysisTemplates",
            "EnumerationSets",
            "Tables",
        ],
        Kind::Element => &["Analyses", "Attributes", "Elements", "EventFrames", "Categories"],
        Kind::EventFrame => &["Attributes", "EventFrames", "ReferencedElements", "Annotations", "Categories"],
        Kind::Attribute => &["Attributes", "Categories"],
        Kind::ElementTemplate => &["AnalysisTemplates", "AttributeTemplates", "Categories"],
        Kind::AttributeTemplate => &["AttributeTemplates", "Categories"],
        Kind::Analysis | Kind::AnalysisTemplate => &["Categories"],
        Kind::Table => &["Data", "Categories"],
        Kind::EnumerationSet => &["Values"],
        Kind::UnitClass => &["Units"],
        _ => &[],
    }
}
