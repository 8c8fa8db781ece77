//! The objects of all asset servers: making, finding, naming.

use std::collections::HashMap;

use super::object::{Attribute, Body, Element, Frame, Ix, Kind, Object};
use crate::osipi::{
    guid::Guid,
    webid::{self, Spelling, Target, WebId},
};

/// All objects of all asset servers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    objects: Vec<Object>,
    servers: Vec<Ix>,
    by_id: HashMap<Key, Ix>,
    by_path: HashMap<(Kind, String), Ix>,
    /// Points of the data servers, by path in capitals.
    points: HashMap<String, PointRef>,
}

/// A point that attributes may refer to.
#[derive(Clone, Debug)]
pub(crate) struct PointRef {
    pub(crate) server: Guid,
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) path: String,
}

/// Ids of attributes made from a template are those of the template: they are unique below their owner only.
type Key = (Kind, Option<Guid>, Guid);

impl Store {
    /// The point at a path.
    pub(crate) fn point(&self, path: &str) -> Option<&PointRef> {
        self.points.get(&path.to_uppercase())
    }

    pub(crate) fn add_point(&mut self, point: PointRef) {
        self.points.insert(point.path.to_uppercase(), point);
    }

    pub(crate) fn remove_point(&mut self, path: &str) {
        self.points.remove(&path.to_uppercase());
    }

    pub(crate) fn object(&self, ix: Ix) -> &Object {
        &self.objects[ix.0 as usize]
    }

    pub(crate) fn object_mut(&mut self, ix: Ix) -> &mut Object {
        &mut self.objects[ix.0 as usize]
    }

    pub(crate) fn servers(&self) -> &[Ix] {
        &self.servers
    }

    /// Everything, deleted objects too.
    pub(crate) fn all(&self) -> impl Iterator<Item = Ix> + '_ {
        (0..self.objects.len()).map(|at| Ix(at as u32))
    }

    pub(crate) fn add(&mut self, owner: Option<Ix>, kind: Kind, id: Guid, name: impl Into<String>, body: Body) -> Ix {
        let ix = Ix(self.objects.len() as u32);
        self.objects.push(Object {
            kind,
            id,
            name: name.into(),
            description: String::new(),
            owner,
            owned: Vec::new(),
            categories: Vec::new(),
            extended: Vec::new(),
            denied: false,
            deleted: false,
            body,
        });
        match owner {
            Some(owner) => self.object_mut(owner).owned.push(ix),
            None => self.servers.push(ix),
        }
        self.by_id.insert(self.key(ix), ix);
        self.by_path.insert((kind, self.path(ix).to_uppercase()), ix);
        ix
    }

    pub(crate) fn rename(&mut self, ix: Ix, name: &str) {
        self.object_mut(ix).name = name.to_owned();
        self.by_path = self
            .all()
            .filter(|ix| !self.object(*ix).deleted)
            .map(|ix| ((self.object(ix).kind, self.path(ix).to_uppercase()), ix))
            .collect();
    }

    /// Deletes an object and all that it owns.
    pub(crate) fn delete(&mut self, ix: Ix) {
        for owned in self.object(ix).owned.clone() {
            self.delete(owned);
        }
        self.object_mut(ix).deleted = true;
        let path = (self.object(ix).kind, self.path(ix).to_uppercase());
        if self.by_path.get(&path) == Some(&ix) {
            self.by_path.remove(&path);
        }
    }

    /// The living children of a kind, in the order of making.
    pub(crate) fn owned(&self, ix: Ix, kind: Kind) -> impl Iterator<Item = Ix> + '_ {
        self.object(ix).owned.iter().copied().filter(move |child| {
            let child = self.object(*child);
            child.kind == kind && !child.deleted
        })
    }

    /// The nearest owner of a kind; an object of that kind is its own.
    pub(crate) fn within(&self, ix: Ix, kind: Kind) -> Option<Ix> {
        let mut at = Some(ix);
        while let Some(ix) = at {
            if self.object(ix).kind == kind {
                return Some(ix);
            }
            at = self.object(ix).owner;
        }
        None
    }

    pub(crate) fn server_of(&self, ix: Ix) -> Ix {
        self.within(ix, Kind::AssetServer).unwrap_or(ix)
    }

    /// The element, event frame or template whose attribute this is, however deeply nested.
    pub(crate) fn attribute_owner(&self, ix: Ix) -> Ix {
        let mut at = ix;
        while matches!(self.object(at).kind, Kind::Attribute | Kind::AttributeTemplate) {
            match self.object(at).owner {
                Some(owner) => at = owner,
                None => break,
            }
        }
        at
    }

    pub(crate) fn path(&self, ix: Ix) -> String {
        let object = self.object(ix);
        let Some(owner) = object.owner else { return format!("\\\\{}", object.name) };
        match (object.kind, object.kind.path_word()) {
            (Kind::Attribute | Kind::AttributeTemplate, _) => format!("{}|{}", self.path(owner), object.name),
            (Kind::Unit, Some(word)) => format!("{}\\{word}[{}]", self.path(self.server_of(ix)), object.name),
            (_, Some(word)) => format!("{}\\{word}[{}]", self.path(owner), object.name),
            (_, None) => format!("{}\\{}", self.path(owner), object.name),
        }
    }

    pub(crate) fn web_id(&self, ix: Ix, spelling: Spelling) -> String {
        let object = self.object(ix);
        let mut ids = vec![self.object(self.server_of(ix)).id];
        let mut kind = object.kind.web_id_kind();
        match object.kind {
            Kind::Attribute | Kind::AttributeTemplate => {
                let owner = self.object(self.attribute_owner(ix));
                if owner.kind == Kind::EventFrame {
                    kind = webid::Kind::FrameAttribute;
                }
                ids.push(owner.id);
            }
            Kind::EnumerationValue => ids.extend(object.owner.map(|set| self.object(set).id)),
            _ => {}
        }
        if object.kind != Kind::AssetServer {
            ids.push(object.id);
        }
        webid::encode(kind, spelling, &ids, None, &self.path(ix))
    }

    /// The object that a WebID names, deleted or not.
    pub(crate) fn named(&self, web_id: &WebId) -> Option<Ix> {
        let kind = Kind::of_web_id(web_id.kind)?;
        if let Target::Path(path) = &web_id.target {
            return self.at_path(kind, &format!("\\\\{path}"));
        }
        let default = self.servers.first().map(|server| self.object(*server).id)?;
        let (ids, _) = web_id.ids(default)?;
        let (server, id) = (*ids.first()?, *ids.last()?);
        let owner = matches!(kind, Kind::Attribute | Kind::AttributeTemplate).then(|| ids.get(1).copied()).flatten();
        let ix = *self.by_id.get(&(kind, owner, id))?;
        (self.object(self.server_of(ix)).id == server).then_some(ix)
    }

    /// The object of a path, in any case of letters.
    pub(crate) fn at_path(&self, kind: Kind, path: &str) -> Option<Ix> {
        self.by_path.get(&(kind, path.to_uppercase())).copied()
    }

    fn key(&self, ix: Ix) -> Key {
        let object = self.object(ix);
        let owner = matches!(object.kind, Kind::Attribute | Kind::AttributeTemplate)
            .then(|| self.object(self.attribute_owner(ix)).id);
        (object.kind, owner, object.id)
    }

    pub(crate) fn element(&self, ix: Ix) -> Option<&Element> {
        match &self.object(ix).body {
            Body::Element(element) => Some(element),
            _ => None,
        }
    }

    pub(crate) fn frame(&self, ix: Ix) -> Option<&Frame> {
        match &self.object(ix).body {
            Body::Frame(frame) => Some(frame),
            _ => None,
        }
    }

    pub(crate) fn attribute(&self, ix: Ix) -> Option<&Attribute> {
        match &self.object(ix).body {
            Body::Attribute(attribute) => Some(attribute),
            _ => None,
        }
    }

    pub(crate) fn template_of(&self, ix: Ix) -> Option<Ix> {
        match &self.object(ix).body {
            Body::Element(element) => element.template,
            Body::Frame(frame) => frame.template,
            Body::Attribute(attribute) => attribute.template,
            Body::Analysis(analysis) => analysis.template,
            _ => None,
        }
    }

    /// The names of its categories.
    pub(crate) fn category_names(&self, ix: Ix) -> Vec<&str> {
        self.object(ix).categories.iter().map(|category| self.object(*category).name.as_str()).collect()
    }

    /// The name of an object that may be missing; empty then.
    pub(crate) fn name_of(&self, ix: Option<Ix>) -> &str {
        ix.map(|ix| self.object(ix).name.as_str()).unwrap_or_default()
    }
}
