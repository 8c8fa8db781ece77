//! What people and programs see: results on standard output, everything else on standard error.

mod console;
mod human;
mod table;

pub(crate) use console::{Console, error_json, grouped};
pub(crate) use human::{bytes, count, duration, rate};
pub(crate) use table::{Column, Table};
