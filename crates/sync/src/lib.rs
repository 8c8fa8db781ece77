//! Drives a lakeflow connector into Delta tables: rows and offset in one commit.
//!
//! [`sync_table`] is one run of one table; [`state`] shows, resets and exports how far tables have been synced.
//! `DESIGN.md` in this crate tells how a commit is made and why.

mod align;
mod checkpoint;
mod commit;
mod cursor;
mod deletes;
mod doc;
mod drive;
mod error;
mod files;
mod filter;
mod flow;
mod flow_id;
mod history;
mod job;
mod keys;
mod merge;
mod object;
mod optimize;
mod quarantine;
mod receipt;
mod rows;
mod run;
mod scan;
mod schema;
mod sequence;
mod settle;
mod shape;
mod size;
mod stage;
mod staging;
mod stop;
mod table;

pub mod state;

pub use crate::{
    flow_id::FlowKind,
    job::{Compression, Landing, SyncOptions, TableJob, destination},
    optimize::{OptimizeReceipt, optimize},
    quarantine::quarantine_url,
    receipt::{Counts, Observer, TableReceipt},
    run::sync_table,
    stop::Stop,
};
