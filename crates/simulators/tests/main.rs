//! The simulators seen from outside, over sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod auth;
mod data;
mod faults;
mod history;
mod lancedb_changes;
mod lancedb_filters;
mod lancedb_reads;
mod lancedb_support;
mod lancedb_trouble;
mod osipi_archive_support;
mod osipi_assets;
mod osipi_batch;
mod osipi_frames;
mod osipi_gate;
mod osipi_streams;
mod osipi_support;
mod osipi_updates;
mod paging;
mod search;
mod support;
mod writes;
