//! Event frames, followed from their beginning to their end, and what hangs on them.

mod databases;
mod deletes;
mod details;
mod follow;
mod frame;
mod keyset;
mod known;
mod offset;
mod once;
mod packed;
mod present;
mod progress;
mod reader;
mod rows;
mod search;
mod sent;
mod tracker;
mod values;

pub(super) use reader::FramesReader;
pub(super) use sent::SentFrames;
