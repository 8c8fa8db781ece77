//! One file for each check.

mod bounded_reads_repeat;
mod deletions_begin_first;
mod dispatch;
mod faults_lose_nothing;
mod memory_is_bounded;
mod metadata_is_coherent;
mod no_silent_null;
mod offsets_are_opaque;
mod offsets_follow_rows;
mod plans_cover;
mod secrets_stay_secret;
mod structure_is_kept;
mod ties_are_whole;
mod units;
mod unknown_names_are_errors;

pub(crate) use dispatch::Source;
