//! The real `lakeflow` program against real sockets and files.

mod commands;
mod demo;
mod docs;
mod failures;
mod kill;
mod secrets;
mod support;
mod sync;
