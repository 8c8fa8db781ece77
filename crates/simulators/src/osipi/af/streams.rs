//! What attributes stream.

use serde_json::{Map, Value, json};

use super::{
    filters,
    object::{Body, DataReference, Ix, Kind},
    routes::by_web_id,
    state::Af,
    store::Store,
};
use crate::osipi::{
    call::{Answer, Call},
    service,
    streams::Conversion,
    ticks::Ticks,
    webid::WebId,
    world::World,
};

/// What an attribute streams.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AfStream {
    /// The events of a data archive's point: its number in `World::points`.
    Point(usize),
    /// One value that has no history. History routes answer 409.
    Fixed {
        /// The value as JSON text.
        json: String,
        /// The unit's abbreviation.
        units: String,
        /// When it was entered; 1970 for values valid from the beginning.
        at: Ticks,
        /// Whether it is good.
        good: bool,
    },
}

/// A stream below an element or event frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) web_id: String,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) stream: AfStream,
}

impl Af {
    /// An attribute and what it streams; nothing when the WebID names no attribute that can be read.
    pub(crate) fn member(call: &Call<'_>, world: &World, id: &WebId) -> Option<Member> {
        let store = &world.af.store;
        let ix = store.named(id).filter(|ix| store.object(*ix).kind == Kind::Attribute)?;
        filters::visible(store, ix).then(|| member(call, world, ix))
    }

    /// How values of an attribute become those of another unit of the same class, by its name or abbreviation; nothing when
    /// there is no such unit.
    pub(crate) fn conversion(world: &World, id: &WebId, wanted: &str) -> Option<Conversion> {
        let store = &world.af.store;
        let unit = |ix: Ix| match &store.object(ix).body {
            Body::Unit(unit) => Some(unit),
            _ => None,
        };
        let own = store.attribute(store.named(id)?)?.unit?;
        let class = store.object(own).owner?;
        let is_wanted = |ix: &Ix| {
            let name = store.object(*ix).name.eq_ignore_ascii_case(wanted);
            name || unit(*ix).is_some_and(|unit| unit.abbreviation == wanted)
        };
        let other = unit(store.owned(class, Kind::Unit).find(is_wanted)?)?;
        let own = unit(own)?;
        Some(Conversion {
            to: other.abbreviation.clone(),
            factor: own.factor / other.factor,
            offset: (own.offset - other.offset) / other.factor,
        })
    }

    /// The streams below an element or event frame; nothing when the WebID names neither.
    pub(crate) fn members(call: &Call<'_>, world: &World, id: &WebId) -> Option<Vec<Member>> {
        let store = &world.af.store;
        let root = store.named(id).filter(|ix| filters::visible(store, *ix))?;
        if !matches!(store.object(root).kind, Kind::Element | Kind::EventFrame | Kind::Attribute) {
            return None;
        }
        let all = filters::attributes(store, call, root).ok()?;
        Some(all.into_iter().map(|ix| member(call, world, ix)).collect())
    }
}

fn member(call: &Call<'_>, world: &World, ix: Ix) -> Member {
    let store = &world.af.store;
    Member {
        web_id: store.web_id(ix, call.spelling().unwrap_or_default()),
        name: store.object(ix).name.clone(),
        path: store.path(ix),
        stream: stream(world, ix),
    }
}

fn stream(world: &World, ix: Ix) -> AfStream {
    let store = &world.af.store;
    let Some(attribute) = store.attribute(ix) else {
        return AfStream::Fixed { json: "null".to_owned(), units: String::new(), at: Ticks(0), good: false };
    };
    if let DataReference::Point { server, tag } = &attribute.data
        && let Some(point) = world.point_at(&format!(r"\\{server}\{tag}"))
    {
        return AfStream::Point(point);
    }
    let (value, good) = fixed(&attribute.data);
    let at = match &attribute.data {
        DataReference::Static { at: Some(at), .. } => *at,
        DataReference::Computed { .. } => Ticks::from(world.config.clock.now()),
        _ => captured_at(store, ix).unwrap_or(Ticks(0)),
    };
    let unit = attribute.unit.map(|unit| &store.object(unit).body);
    let units = match unit {
        Some(Body::Unit(unit)) => unit.abbreviation.clone(),
        _ => String::new(),
    };
    AfStream::Fixed { json: value.to_string(), units, at, good }
}

/// The value of an attribute without a point, and whether it is good.
pub(super) fn fixed(data: &DataReference) -> (Value, bool) {
    match data {
        DataReference::None => (json!({ "Name": "No Data", "Value": 248, "IsSystem": true }), false),
        DataReference::Static { value, .. } => (value.clone(), true),
        DataReference::Point { server, tag } => {
            (json!({ "Errors": [format!(r"PI Point not found '\\{server}\{tag}'.")] }), false)
        }
        DataReference::Computed { value: Some(value), .. } => (value.clone(), true),
        DataReference::Computed { .. } => (json!({ "Name": "Calc Failed", "Value": 249, "IsSystem": true }), false),
    }
}

/// The values of a closed event frame were captured when it ended.
fn captured_at(store: &Store, ix: Ix) -> Option<Ticks> {
    let frame = store.frame(store.attribute_owner(ix))?;
    frame.end.filter(|_| frame.captured)
}

/// `attributes/{webId}/value`: as `streams/{webId}/value`.
pub(super) fn value_of_attribute(call: &Call<'_>, world: &mut World, id: &str) -> Answer {
    call.only_get()?;
    let ix = by_web_id(&world.af.store, Kind::Attribute, id)?;
    match stream(world, ix) {
        AfStream::Point(_) => {
            let path = vec!["streams".to_owned(), id.to_owned(), "value".to_owned()];
            service::route(&Call { path, ..call.clone() }, world)
        }
        AfStream::Fixed { json, units, at, good } => call.ok(timed(call, &json, &units, at, good)),
    }
}

/// A timed value of an attribute without history.
pub(crate) fn timed(call: &Call<'_>, value: &str, units: &str, at: Ticks, good: bool) -> Value {
    let mut out = Map::new();
    out.insert("Timestamp".to_owned(), json!(at.to_string()));
    out.insert("UnitsAbbreviation".to_owned(), json!(units));
    out.insert("Good".to_owned(), json!(good));
    out.insert("Questionable".to_owned(), json!(false));
    out.insert("Substituted".to_owned(), json!(false));
    if call.config.wire.annotated {
        out.insert("Annotated".to_owned(), json!(false));
    }
    out.insert("Value".to_owned(), serde_json::from_str(value).unwrap_or(Value::Null));
    Value::Object(out)
}
