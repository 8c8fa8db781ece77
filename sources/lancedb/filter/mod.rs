//! Filters: what users write, checked and written anew, and what the connector adds, typed.
//!
//! The server has no bind parameters, so filters are text. Nothing that a user writes reaches it as it was written.

mod lexer;
mod names;
mod predicate;
#[cfg(test)]
mod real;
mod text;

pub(super) use names::{Names, VIRTUAL};
pub(super) use predicate::{Comparison, Literal, Predicate};
pub(super) use text::checked;
