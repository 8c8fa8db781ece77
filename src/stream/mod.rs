//! Streams of rows: helpers for sources that make them and for hosts that take them.
//!
//! A source turns one page function into a [`ReadStream`](crate::ReadStream) with [`pages`]; what it does besides is
//! wrapped by [`prefetch`] and [`limit_records`].

mod limit;
mod pages;
mod prefetch;

pub use limit::limit_records;
pub use pages::{Page, Pages, pages};
pub use prefetch::prefetch;
