//! The sync host against real files: one module for each concern.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub)]

mod commits;
mod deletions;
mod failures;
mod foreign;
mod history;
mod history_model;
mod landing;
mod model;
mod offsets;
mod optimize;
mod partitions;
mod quarantine;
mod schemas;
mod source;
mod state;
mod tables;
mod writers;
