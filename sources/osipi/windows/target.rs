//! What is asked: a stream, or the object that an expression is computed on.

use std::sync::Arc;

use super::super::{
    ledger::Object,
    tags::{Tag, TagKey},
    time::{Micros, Ticks},
    values::PointKind,
    webid::WebId,
};
use crate::error::Result;

/// One of the things that a table has values of.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) key: TagKey,
    pub(super) webid: Arc<str>,
    /// What people call it, where that is known.
    pub(super) name: Option<Box<str>>,
    pub(super) kind: PointKind,
    /// Whether it came with a list, and may have no such values at all.
    pub(super) by_chance: bool,
}

/// Shared by the requests under way.
pub(super) type Targets = Arc<[Target]>;

impl Target {
    pub(super) fn of_tag(tag: Tag) -> Result<Self> {
        let kind = tag.point_kind();
        let key = TagKey::of(&WebId::parse(&tag.webid)?);
        let (webid, by_chance) = (tag.webid.as_ref().into(), tag.by_chance);
        Ok(Self { key, webid, name: tag.path.or(tag.name), kind, by_chance })
    }

    pub(super) fn of_object(webid: &WebId, name: Option<Box<str>>) -> Self {
        let (key, webid) = (TagKey::of(webid), webid.as_str().into());
        Self { key, webid, name, kind: PointKind::Unknown, by_chance: false }
    }

    /// It as notes have it, with the window that could not be read.
    pub(super) fn object(&self, window: Option<(Micros, Micros)>) -> Object<'_> {
        let utc = |at: Micros| Ticks::from_micros(at).to_utc();
        Object {
            webid: Some(&self.webid),
            name: self.name.as_deref(),
            window: window.map(|(from, to)| (utc(from), utc(to))),
        }
    }
}
