//! What to read and where it lands: the pipeline file, the flags, and secrets by reference.

mod file;
mod references;
mod resolve;
mod table;

pub(crate) use file::read as read_file;
pub(crate) use resolve::{Pipeline, typed_pairs};
pub(crate) use table::{ScdType, TableSpec};
