//! Objects as the API tells them.

mod assets;
mod catalogue;
mod frames;
mod links;

pub(crate) use catalogue::table_data;

use serde_json::{Map, Value, json};

use super::{
    object::{Body, Ix, Kind},
    store::Store,
};
use crate::osipi::{
    call::{Call, Refusal},
    select::Selection,
    webid::Spelling,
};

/// Shows objects in the way that a call asks for.
#[derive(Debug)]
pub(crate) struct Show<'a> {
    pub(super) store: &'a Store,
    base: &'a str,
    pub(super) spelling: Spelling,
    links: bool,
    /// `associations` names paths.
    pub(super) paths: bool,
    /// `associations` names the data references of attributes.
    pub(super) data_references: bool,
}

impl<'a> Show<'a> {
    /// Shows one object, or items of a list, as `call` wants them.
    ///
    /// # Errors
    /// 400 for a `webIdType` or `associations` that do not exist.
    pub(crate) fn new(store: &'a Store, call: &Call<'a>) -> Result<Self, Refusal> {
        let selection = call.selection();
        let wants_links = |selection: &Selection| selection.has("Links");
        let links = wants_links(&selection) && !selection.has("Items")
            || selection.is_all()
            || selection
                .member("Items")
                .is_some_and(|items| wants_links(items) || items.member("Object").is_some_and(wants_links));
        let associations: Vec<&str> = call
            .all("associations")
            .flat_map(|text| text.split(';'))
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .collect();
        if let Some(unknown) =
            associations.iter().find(|name| !["paths", "datareference"].contains(&name.to_ascii_lowercase().as_str()))
        {
            return Err(Refusal::bad(format!("The association '{unknown}' is not supported.")));
        }
        let associated = |name: &str| associations.iter().any(|found| found.eq_ignore_ascii_case(name));
        Ok(Self {
            store,
            base: call.base,
            spelling: call.spelling()?,
            links: links && call.config.wire.object_links,
            paths: associated("Paths"),
            data_references: associated("DataReference"),
        })
    }

    /// Shows objects with ids only and without links, with everything that associations can ask for.
    pub(crate) fn plain(store: &'a Store) -> Self {
        Self { store, base: "", spelling: Spelling::IdOnly, links: false, paths: true, data_references: false }
    }

    /// Its WebID, spelled as asked for.
    pub(crate) fn web_id(&self, ix: Ix) -> String {
        self.store.web_id(ix, self.spelling)
    }

    /// A whole object.
    pub(crate) fn object(&self, ix: Ix) -> Value {
        Value::Object(self.members(ix))
    }

    pub(crate) fn members(&self, ix: Ix) -> Map<String, Value> {
        let object = self.store.object(ix);
        let mut out = Map::new();
        out.insert("WebId".to_owned(), json!(self.web_id(ix)));
        out.insert("Id".to_owned(), json!(object.id.to_string()));
        out.insert("Name".to_owned(), json!(object.name));
        out.insert("Description".to_owned(), json!(object.description));
        out.insert("Path".to_owned(), json!(self.store.path(ix)));
        let mut add = |value: Value| {
            if let Value::Object(members) = value {
                out.extend(members);
            }
        };
        match &object.body {
            Body::Plain if object.kind == Kind::AssetDatabase => add(json!({ "ExtendedProperties": {} })),
            Body::Plain => {}
            Body::Server(server) => add(self.server(server)),
            Body::Element(element) => add(self.element(ix, element)),
            Body::Frame(frame) => add(self.frame(ix, frame)),
            Body::Attribute(attribute) => add(self.attribute(ix, attribute)),
            Body::Template(template) => add(self.template(ix, template)),
            Body::Analysis(analysis) => add(self.analysis(ix, analysis)),
            Body::AnalysisTemplate(template) => add(self.analysis_template(ix, template)),
            Body::Table(table) => add(self.table(ix, table)),
            Body::EnumerationValue(value) => add(self.enumeration_value(value)),
            Body::UnitClass { canonical } => add(self.unit_class(*canonical)),
            Body::Unit(unit) => add(self.unit(unit)),
        }
        if self.links {
            out.insert("Links".to_owned(), self.links_of(ix));
        }
        out
    }

    pub(super) fn url(&self, ix: Ix) -> String {
        format!("{}/{}/{}", self.base, self.store.object(ix).kind.route(), self.web_id(ix))
    }

    pub(super) fn stream_url(&self, ix: Ix, set: bool, what: &str) -> String {
        format!("{}/{}/{}/{what}", self.base, if set { "streamsets" } else { "streams" }, self.web_id(ix))
    }

    pub(super) fn point_url(&self, path: &str) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("path", path).finish();
        format!("{}/points?{query}", self.base)
    }

    pub(super) fn extended(&self, ix: Ix) -> Value {
        let properties = &self.store.object(ix).extended;
        Value::Object(properties.iter().map(|(name, value)| (name.clone(), json!({ "Value": value }))).collect())
    }

    /// The abbreviation of a unit, empty without one.
    pub(super) fn abbreviation(&self, unit: Option<Ix>) -> &'a str {
        match unit.map(|unit| &self.store.object(unit).body) {
            Some(Body::Unit(unit)) => &unit.abbreviation,
            _ => "",
        }
    }
}
