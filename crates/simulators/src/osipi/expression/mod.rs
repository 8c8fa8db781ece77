//! Simple performance equations: numbers, points, arithmetic, comparison, a few functions.

mod evaluate;
mod parse;

pub(crate) use parse::Expression;
