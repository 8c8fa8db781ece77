//! Tables that are lists of objects, read in full each time.

mod assets;
mod attributes;
mod catalogue;
mod discovery;
mod extended;
mod hierarchy;
mod hierarchy_levels;
mod links;
mod out;
mod parents;
mod reader;
mod system;
mod table_rows;
mod templates;

pub(super) use reader::ListReader;
