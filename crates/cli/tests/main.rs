//! The real `lakeflow` program against real sockets and files.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod archive;
mod commands;
mod demo;
mod destination;
mod docs;
mod failures;
mod history;
mod kill;
mod kill_pi;
mod lancedb;
mod lanes;
mod pi;
mod secrets;
mod support;
mod sync;
