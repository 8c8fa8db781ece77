//! LanceDB: Cloud and Enterprise, and servers of the Lance REST Namespace.

#![allow(dead_code, unused_imports, reason = "the readers are not written yet")]

mod branch;
mod changes;
mod client;
mod config;
mod connector;
mod dialect;
mod discovery;
mod faults;
mod filter;
mod ipc;
mod keys;
mod neighbours;
mod offset;
mod pages;
mod ranges;
mod readable;
mod reader;
mod search;
mod snapshot;
mod types;
pub use connector::LanceDbSource;
