//! What the columns of a LanceDB table are in Spark, and how their values get there.
//!
//! Layouts that hold the same values (views, dictionaries, fixed-size lists) are left to [`crate::stream`]; here is
//! what Spark has no type for.

mod convert;
mod extension;
mod leaf;
mod mapping;
mod nanos;
mod table;

pub(super) use mapping::{Nanoseconds, TypeOptions};
pub(super) use table::Columns;
pub use table::decode_answer;
