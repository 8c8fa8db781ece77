//! The real `lakeflow` program against real sockets and files.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod commands;
mod demo;
mod docs;
mod failures;
mod kill;
mod secrets;
mod support;
mod sync;
