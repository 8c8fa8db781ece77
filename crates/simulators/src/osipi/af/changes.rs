//! Changes of a running server: elements come and go, event frames are opened, closed, edited and deleted.

use serde_json::Value;

use super::{
    generate::kept,
    object::{Annotation, Attribute, Body, DataReference, Element, Frame, Ix, Kind},
    oracle::{ExpectedFrame, expected_frame},
    state::Af,
    store::Store,
};
use crate::{
    SimError,
    osipi::{ticks::Ticks, webid::WebId},
};

/// A change of the assets. Objects are named by a WebID of any spelling, or by their path.
#[derive(Clone, Debug, PartialEq)]
pub enum AfChange {
    /// A new element.
    AddElement {
        /// The database or element that gets it.
        parent: String,
        /// Its name.
        name: String,
        /// The name of its template; it gets the attributes of the template without values.
        template: Option<String>,
    },
    /// An element is a child of another one too.
    ReferElement {
        /// The other parent.
        parent: String,
        /// The element.
        child: String,
    },
    /// Another name; path and full WebIDs change with it.
    Rename {
        /// An element or event frame.
        object: String,
        /// The new name.
        name: String,
    },
    /// Another description.
    Describe {
        /// Any object.
        object: String,
        /// The new text.
        description: String,
    },
    /// Gone, with all that it owns.
    Delete {
        /// Any object.
        object: String,
    },
    /// May not be read from now on, or may be again; with all that it owns.
    Deny {
        /// Any object.
        object: String,
        /// Whether it is denied.
        denied: bool,
    },
    /// A static attribute gets another value.
    SetValue {
        /// The attribute.
        attribute: String,
        /// As JSON, as the API tells it.
        value: Value,
    },
    /// A new event frame.
    AddFrame {
        /// The database or event frame that gets it.
        parent: String,
        /// Its name.
        name: String,
        /// The name of its template; it gets the attributes of the template without values.
        template: Option<String>,
        /// When it started; kept to 1/300 of a second.
        start: Ticks,
        /// When it ended; an open one has no end.
        end: Option<Ticks>,
        /// Elements that it refers to, the primary one first.
        elements: Vec<String>,
    },
    /// An event frame changes.
    EditFrame {
        /// The event frame.
        frame: String,
        /// What changes.
        edit: FrameEdit,
    },
}

/// What changes in an event frame.
#[derive(Clone, Debug, PartialEq)]
pub enum FrameEdit {
    /// It ended; its values are captured.
    Close(Ticks),
    /// It is open again.
    Reopen,
    /// Another start.
    Start(Ticks),
    /// `None`, `Information`, `Warning`, `Minor`, `Major` or `Critical`.
    Severity(&'static str),
    /// Somebody acknowledged it, now.
    Acknowledge(String),
    /// Somebody wrote a note, now: user and text.
    Annotate(String, String),
    /// All notes are gone.
    Unannotate,
    /// Whether it can be edited no more.
    Lock(bool),
    /// Whether its values are captured.
    Capture(bool),
    /// The elements that it refers to, the primary one first.
    Refer(Vec<String>),
}

/// What a change did to one event frame.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) frame: Ix,
    pub(super) before: Option<ExpectedFrame>,
    pub(super) after: Option<ExpectedFrame>,
}

/// Makes the change; gives the object that was made or changed.
pub(super) fn apply(af: &mut Af, change: AfChange, now: Ticks) -> Result<Ix, SimError> {
    let named = named_frame(&af.store, &change);
    let mut touched: Vec<(Ix, Option<ExpectedFrame>)> =
        named.iter().map(|ix| (*ix, expected_frame(&af.store, *ix))).collect();
    let ix = make(af, change, now)?;
    if af.is_frame(ix) && named.is_empty() {
        touched.push((ix, None));
    }
    for (frame, before) in touched {
        let after = expected_frame(&af.store, frame);
        af.journal.push(Entry { frame, before, after });
    }
    Ok(ix)
}

/// The frames that a change is about: the one it names and those below.
fn named_frame(store: &Store, change: &AfChange) -> Vec<Ix> {
    let text = match change {
        AfChange::EditFrame { frame: text, .. }
        | AfChange::Rename { object: text, .. }
        | AfChange::Describe { object: text, .. }
        | AfChange::Delete { object: text }
        | AfChange::Deny { object: text, .. }
        | AfChange::SetValue { attribute: text, .. } => text,
        _ => return Vec::new(),
    };
    let found = find(store, text).ok().and_then(|ix| store.within(ix, Kind::EventFrame));
    let mut all: Vec<Ix> = found.into_iter().collect();
    let mut at = 0;
    while at < all.len() {
        all.extend(store.owned(all[at], Kind::EventFrame));
        at += 1;
    }
    all
}

fn make(af: &mut Af, change: AfChange, now: Ticks) -> Result<Ix, SimError> {
    match change {
        AfChange::AddElement { parent, name, template } => {
            let parent = find(&af.store, &parent)?;
            let template = template_named(&af.store, parent, template.as_deref())?;
            let body = Body::Element(Element { template, element_type: "Other", ..Element::default() });
            let id = af.new_id();
            let made = af.store.add(Some(parent), Kind::Element, id, name, body);
            attributes(&mut af.store, made, template);
            Ok(made)
        }
        AfChange::ReferElement { parent, child } => {
            let (parent, child) = (find(&af.store, &parent)?, find(&af.store, &child)?);
            if let Body::Element(element) = &mut af.store.object_mut(parent).body {
                element.referenced.push(child);
            }
            if let Body::Element(element) = &mut af.store.object_mut(child).body {
                element.other_parents.push(parent);
            }
            Ok(child)
        }
        AfChange::Rename { object, name } => {
            let ix = find(&af.store, &object)?;
            af.store.rename(ix, &name);
            Ok(ix)
        }
        AfChange::Describe { object, description } => {
            let ix = find(&af.store, &object)?;
            af.store.object_mut(ix).description = description;
            Ok(ix)
        }
        AfChange::Delete { object } => {
            let ix = find(&af.store, &object)?;
            af.store.delete(ix);
            Ok(ix)
        }
        AfChange::Deny { object, denied } => {
            let ix = find(&af.store, &object)?;
            deny(&mut af.store, ix, denied);
            Ok(ix)
        }
        AfChange::SetValue { attribute, value } => {
            let ix = find(&af.store, &attribute)?;
            match &mut af.store.object_mut(ix).body {
                Body::Attribute(body) => body.data = DataReference::Static { value, at: Some(now) },
                _ => return Err(SimError::Resource(format!("`{attribute}` is no attribute"))),
            }
            Ok(ix)
        }
        AfChange::AddFrame { parent, name, template, start, end, elements } => {
            let parent = find(&af.store, &parent)?;
            let template = template_named(&af.store, parent, template.as_deref())?;
            let elements = elements.iter().map(|element| find(&af.store, element)).collect::<Result<Vec<_>, _>>()?;
            let (severity, can_be_acknowledged) = match template.map(|template| &af.store.object(template).body) {
                Some(Body::Template(template)) => (template.severity, template.can_be_acknowledged),
                _ => ("None", false),
            };
            let frame = Frame {
                template,
                start: kept(start),
                end: end.map(kept),
                severity,
                can_be_acknowledged,
                acknowledged: None,
                annotations: Vec::new(),
                locked: false,
                captured: end.is_some(),
                elements,
            };
            let id = af.new_id();
            let made = af.store.add(Some(parent), Kind::EventFrame, id, name, Body::Frame(frame));
            attributes(&mut af.store, made, template);
            Ok(made)
        }
        AfChange::EditFrame { frame, edit } => {
            let ix = find(&af.store, &frame)?;
            edit_frame(af, ix, edit, now)?;
            Ok(ix)
        }
    }
}

fn edit_frame(af: &mut Af, ix: Ix, edit: FrameEdit, now: Ticks) -> Result<(), SimError> {
    let id = af.new_id();
    let elements = match &edit {
        FrameEdit::Refer(elements) => {
            elements.iter().map(|element| find(&af.store, element)).collect::<Result<Vec<_>, _>>()?
        }
        _ => Vec::new(),
    };
    let name = af.store.object(ix).name.clone();
    let Body::Frame(frame) = &mut af.store.object_mut(ix).body else {
        return Err(SimError::Resource(format!("`{name}` is no event frame")));
    };
    match edit {
        FrameEdit::Close(at) => (frame.end, frame.captured) = (Some(kept(at)), true),
        FrameEdit::Reopen => (frame.end, frame.captured) = (None, false),
        FrameEdit::Start(at) => frame.start = kept(at),
        FrameEdit::Severity(severity) => frame.severity = severity,
        FrameEdit::Acknowledge(user) => frame.acknowledged = Some((user, kept(now))),
        FrameEdit::Annotate(user, text) => frame.annotations.push(Annotation {
            id,
            name: "Note".to_owned(),
            description: String::new(),
            value: Value::from(text),
            creator: user.clone(),
            created: kept(now),
            modifier: user,
            modified: kept(now),
        }),
        FrameEdit::Unannotate => frame.annotations.clear(),
        FrameEdit::Lock(locked) => frame.locked = locked,
        FrameEdit::Capture(captured) => frame.captured = captured,
        FrameEdit::Refer(_) => frame.elements = elements,
    }
    Ok(())
}

/// The living object of a WebID or path.
fn find(store: &Store, text: &str) -> Result<Ix, SimError> {
    let found = match WebId::parse(text) {
        Some(id) => store.named(&id),
        None => Kind::ALL.into_iter().find_map(|kind| store.at_path(kind, text)),
    };
    let found = found.filter(|ix| !store.object(*ix).deleted);
    found.ok_or_else(|| SimError::Resource(format!("there is no asset object `{text}`")))
}

fn template_named(store: &Store, below: Ix, name: Option<&str>) -> Result<Option<Ix>, SimError> {
    let Some(name) = name else { return Ok(None) };
    let database = store.within(below, Kind::AssetDatabase).unwrap_or(below);
    let found = store.owned(database, Kind::ElementTemplate).find(|at| store.object(*at).name == name);
    found.map(Some).ok_or_else(|| SimError::Resource(format!("there is no template `{name}`")))
}

/// Gives an object the attributes of its template, without values.
fn attributes(store: &mut Store, owner: Ix, template: Option<Ix>) {
    let mut specs: Vec<Ix> = Vec::new();
    let mut at = template;
    while let Some(template) = at {
        specs.extend(store.owned(template, Kind::AttributeTemplate));
        at = match &store.object(template).body {
            Body::Template(template) => template.base,
            _ => None,
        };
    }
    for spec in specs {
        let (id, name) = (store.object(spec).id, store.object(spec).name.clone());
        let Some(body) = store.attribute(spec).cloned() else { continue };
        let body = Attribute { template: Some(spec), data: DataReference::None, ..body };
        store.add(Some(owner), Kind::Attribute, id, name, Body::Attribute(body));
    }
}

fn deny(store: &mut Store, ix: Ix, denied: bool) {
    store.object_mut(ix).denied = denied;
    for owned in store.object(ix).owned.clone() {
        deny(store, owned, denied);
    }
}
