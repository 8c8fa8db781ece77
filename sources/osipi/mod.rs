//! OSI PI: the PI Web API over a PI Data Archive and a PI AF server.

mod auth;
mod batch;
mod check;
mod client;
mod config;
mod connector;
mod controller;
mod eventframes;
mod faults;
mod fields;
mod fills;
mod items;
mod ledger;
mod lists;
mod objects;
mod origin;
mod pages;
mod reading;
mod rows;
mod streamset;
mod system;
mod tables;
mod tags;
mod time;
mod timeseries;
mod values;
mod webid;
mod windows;

pub use connector::OsiPiSource;
#[doc(hidden)]
pub use values::decode_recorded;
