//! The simulators seen from outside, over sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod auth;
mod data;
mod faults;
mod history;
mod paging;
mod search;
mod support;
mod writes;
