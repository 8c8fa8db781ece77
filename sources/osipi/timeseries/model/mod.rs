//! J.3 and J.4 over random schedules: an archive in memory behind the seam of `archive.rs`, in which events come, come late, are
//! edited, deleted and discarded, also in mid-run, and a host that breaks off at any question, event and commit.

mod host;
mod schedules;
mod world;
