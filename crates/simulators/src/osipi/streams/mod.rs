//! `/streams` and `/streamsets`: values of points and attributes.

mod ask;
mod body;
mod interpolate;
mod plot;
mod recorded;
mod routes;
mod single;
mod source;
mod statistics;
mod summary;
mod units;

pub(crate) use ask::beats;
pub(crate) use interpolate::value_at;
pub(crate) use routes::route;
pub(crate) use single::{computed, system};
pub(crate) use source::{Stream, alive, point_web_id, reachable, readable, resolve};
pub(crate) use statistics::Statistics;
pub(crate) use summary::SummaryQuery;
pub(crate) use units::Conversion;
