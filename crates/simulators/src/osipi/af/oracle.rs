//! What a lake must contain of the assets.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::{
    filters::visible,
    object::{Body, Ix, Kind},
    show::Show,
    state::Af,
    store::Store,
    streams::fixed,
    traits,
};
use crate::osipi::{ticks::Ticks, webid::Spelling};

/// An object as it is now. WebIDs hold ids only.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedObject {
    /// What it is.
    pub kind: Kind,
    /// Its WebID.
    pub web_id: String,
    /// Its GUID; attributes made from one template share it.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its primary path.
    pub path: String,
    /// The other paths of an element, or of an attribute of such an element.
    pub other_paths: Vec<String>,
    /// What it belongs to: an element for a child element or attribute, an attribute for a nested one.
    pub owner: Option<String>,
    /// The element, event frame or template of an attribute; of everything else the owner.
    pub holder: Option<String>,
    /// Its asset database.
    pub database: Option<String>,
    /// The members that only this kind has, as the API names them.
    pub fields: Map<String, Value>,
    /// The rows of a table.
    pub rows: Vec<Map<String, Value>>,
}

/// An event frame. WebIDs hold ids only.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedFrame {
    /// Its WebID.
    pub web_id: String,
    /// Its GUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its path.
    pub path: String,
    /// Its asset database.
    pub database: String,
    /// The event frame that it is a child of.
    pub parent: Option<String>,
    /// The name of its template; empty without one.
    pub template: String,
    /// The names of its categories.
    pub categories: Vec<String>,
    /// When it started.
    pub start: Ticks,
    /// When it ended; nothing while it is open.
    pub end: Option<Ticks>,
    /// Its severity.
    pub severity: &'static str,
    /// Whether it can be acknowledged.
    pub can_be_acknowledged: bool,
    /// Who acknowledged it, and when.
    pub acknowledged: Option<(String, Ticks)>,
    /// The notes on it.
    pub annotations: Vec<ExpectedAnnotation>,
    /// Whether it can be edited no more.
    pub locked: bool,
    /// Whether its values are captured.
    pub captured: bool,
    /// Whether it has child frames that can be read.
    pub has_children: bool,
    /// The elements that it refers to, the primary one first; those that cannot be read too.
    pub elements: Vec<String>,
    /// Those of them that can be read.
    pub readable_elements: Vec<String>,
    /// Its extended properties.
    pub extended: BTreeMap<String, Value>,
    /// Its attributes, the nested ones too, with values as JSON: a point's has none here.
    pub attributes: Vec<ExpectedAttribute>,
}

/// A note on an event frame.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedAnnotation {
    /// Its GUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: String,
    /// Its content.
    pub value: Value,
    /// Who wrote it.
    pub creator: String,
    /// When.
    pub created: Ticks,
    /// Who changed it last.
    pub modifier: String,
    /// When.
    pub modified: Ticks,
}

/// An attribute of an event frame.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedAttribute {
    /// Its WebID.
    pub web_id: String,
    /// Its name.
    pub name: String,
    /// The path below the event frame: `Product|Lot`.
    pub path: String,
    /// Its value, unless a point gives it.
    pub value: Option<Value>,
    /// Whether the value is good.
    pub good: bool,
    /// Whether lists leave it out unless asked.
    pub hidden: bool,
    /// Whether lists leave it out unless asked.
    pub excluded: bool,
}

impl Af {
    /// All objects of a kind that can be read.
    pub(crate) fn expected(&self, kind: Kind) -> Vec<ExpectedObject> {
        let store = &self.store;
        let readable = |ix: &Ix| store.object(*ix).kind == kind && visible(store, *ix);
        store.all().filter(readable).map(|ix| expected_object(store, ix)).collect()
    }

    /// All event frames that can be read.
    pub(crate) fn expected_frames(&self) -> Vec<ExpectedFrame> {
        self.store.all().filter_map(|ix| expected_frame(&self.store, ix)).collect()
    }

    /// How many changes of event frames there were.
    pub(crate) fn position(&self) -> usize {
        self.journal.len()
    }

    /// All event frames that could be read after the first `position` changes.
    pub(crate) fn expected_frames_at(&self, position: usize) -> Vec<ExpectedFrame> {
        let mut changed: HashMap<Ix, Option<ExpectedFrame>> = HashMap::new();
        for (at, entry) in self.journal.iter().enumerate() {
            if at < position {
                changed.insert(entry.frame, entry.after.clone());
            } else {
                changed.entry(entry.frame).or_insert_with(|| entry.before.clone());
            }
        }
        let at_that_time = |ix| match changed.get(&ix) {
            Some(then) => then.clone(),
            None => expected_frame(&self.store, ix),
        };
        self.store.all().filter_map(at_that_time).collect()
    }

    /// The names of all attribute traits.
    pub(crate) fn traits() -> Vec<&'static str> {
        traits::names().collect()
    }
}

fn expected_object(store: &Store, ix: Ix) -> ExpectedObject {
    let object = store.object(ix);
    let web_id = |ix| store.web_id(ix, Spelling::IdOnly);
    let mut fields = Show::plain(store).members(ix);
    for common in ["WebId", "Id", "Name", "Description", "Path"] {
        fields.remove(common);
    }
    let paths = fields.remove("Paths").and_then(|paths| serde_json::from_value::<Vec<String>>(paths).ok());
    let holder = match object.kind {
        Kind::Attribute | Kind::AttributeTemplate => Some(store.attribute_owner(ix)),
        _ => object.owner,
    };
    let rows = match &object.body {
        Body::Table(table) => match super::show::table_data(table)["Rows"].take() {
            Value::Array(rows) => rows.into_iter().filter_map(|row| row.as_object().cloned()).collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    ExpectedObject {
        kind: object.kind,
        web_id: web_id(ix),
        id: object.id.to_string(),
        name: object.name.clone(),
        description: object.description.clone(),
        path: store.path(ix),
        other_paths: paths.unwrap_or_default().into_iter().skip(1).collect(),
        owner: object.owner.map(web_id),
        holder: holder.map(web_id),
        database: store.within(ix, Kind::AssetDatabase).map(web_id),
        fields,
        rows,
    }
}

/// An event frame as it is; nothing for what is none or cannot be read.
pub(super) fn expected_frame(store: &Store, ix: Ix) -> Option<ExpectedFrame> {
    let frame = store.frame(ix).filter(|_| visible(store, ix))?;
    let object = store.object(ix);
    let web_id = |ix: Ix| store.web_id(ix, Spelling::IdOnly);
    let annotation = |one: &super::object::Annotation| ExpectedAnnotation {
        id: one.id.to_string(),
        name: one.name.clone(),
        description: one.description.clone(),
        value: one.value.clone(),
        creator: one.creator.clone(),
        created: one.created,
        modifier: one.modifier.clone(),
        modified: one.modified,
    };
    let parent = object.owner.filter(|owner| store.object(*owner).kind == Kind::EventFrame);
    Some(ExpectedFrame {
        web_id: web_id(ix),
        id: object.id.to_string(),
        name: object.name.clone(),
        description: object.description.clone(),
        path: store.path(ix),
        database: store.within(ix, Kind::AssetDatabase).map(web_id).unwrap_or_default(),
        parent: parent.map(web_id),
        template: store.name_of(frame.template).to_owned(),
        categories: store.category_names(ix).into_iter().map(str::to_owned).collect(),
        start: frame.start,
        end: frame.end,
        severity: frame.severity,
        can_be_acknowledged: frame.can_be_acknowledged,
        acknowledged: frame.acknowledged.clone(),
        annotations: frame.annotations.iter().map(annotation).collect(),
        locked: frame.locked,
        captured: frame.captured,
        has_children: store.owned(ix, Kind::EventFrame).next().is_some(),
        elements: frame.elements.iter().copied().map(web_id).collect(),
        readable_elements: frame.elements.iter().copied().filter(|ix| visible(store, *ix)).map(web_id).collect(),
        extended: object.extended.iter().cloned().collect(),
        attributes: expected_attributes(store, ix),
    })
}

fn expected_attributes(store: &Store, frame: Ix) -> Vec<ExpectedAttribute> {
    let mut all: Vec<Ix> = store.owned(frame, Kind::Attribute).collect();
    let mut at = 0;
    while at < all.len() {
        all.extend(store.owned(all[at], Kind::Attribute));
        at += 1;
    }
    let below = store.path(frame).len() + 1;
    let one = |ix: &Ix| {
        let attribute = store.attribute(*ix)?;
        let (value, good) = fixed(&attribute.data);
        let point = matches!(attribute.data, super::object::DataReference::Point { .. });
        Some(ExpectedAttribute {
            web_id: store.web_id(*ix, Spelling::IdOnly),
            name: store.object(*ix).name.clone(),
            path: store.path(*ix).get(below..).unwrap_or_default().to_owned(),
            value: (!point).then_some(value),
            good,
            hidden: attribute.hidden,
            excluded: attribute.excluded,
        })
    };
    all.iter().filter_map(one).collect()
}
