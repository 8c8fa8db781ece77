//! `/batch`: several calls in one, with parents, parameters and templates.

mod jsonpath;
mod plan;
mod run;

pub(crate) use run::route;
