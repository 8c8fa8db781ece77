//! Streams: the helpers for sources, the adapters for hosts.

mod conform;
mod hosts;
mod sources;
