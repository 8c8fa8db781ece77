//! Options: strings at the edge, a documented serde struct inside.
//!
//! A source lists its options once, as [`OptionDoc`]s. That list drives parsing and its error messages, the
//! command line's help and the reference pages; [`assert_documented`] holds it equal to the struct.

mod doc;
mod fields;
mod parse;
mod value;

pub use doc::{Level, OptionDoc, OptionKind, joined, redefaulted};
pub use fields::assert_documented;
pub use parse::{Options, Problems};
