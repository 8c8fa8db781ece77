//! Which streams a table is of: by WebID, name, path, filter, element, template, or all.

mod resolve;
mod select;
mod tag;

pub(super) use tag::{Tag, TagKind};
