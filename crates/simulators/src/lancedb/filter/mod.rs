//! Conditions and values in SQL, as the query engine of the format reads them: its parser, its strict literals, its errors.
//!
//! What is here is understood as there; of functions there are fewer.

mod coerce;
mod evaluate;
mod functions;
mod node;
mod parse;
mod resolve;

pub(crate) use node::Expression;
