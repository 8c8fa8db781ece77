//! The simulators seen from outside, over sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod data;
mod paging;
mod support;
