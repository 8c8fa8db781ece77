//! Which streams a table is of: by WebID, name, path, filter, element, template, or all.

mod key;
mod resolve;
mod select;
pub(super) mod share;
mod tag;

pub(super) use key::{TagKey, hash64};
pub(super) use tag::Tag;
