//! Stream updates: what happened to a stream since a marker.

mod events;
mod registry;
mod routes;

pub(crate) use registry::Updates;
pub(crate) use routes::route;
