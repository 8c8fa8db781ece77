//! Plants from a seed.

mod attributes;
mod catalogue;
mod elements;
mod frames;
mod plant;
mod tables;
mod templates;

pub(crate) use frames::kept;
pub(crate) use plant::plant;

use crate::osipi::guid::Guid;

/// How much there is. [`AfConfig::default`] is a small plant that has one of everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AfConfig {
    /// Elements of the first database; default 60.
    pub elements: usize,
    /// Event frames of the first database, children included; default 120.
    pub event_frames: usize,
    /// The event frames start within this many days before the server's time; default 30.
    pub event_frame_days: u32,
    /// So many event frames in a row share one start time, once in a while; default 5.
    pub tied_frames: usize,
    /// Some objects may not be read; default true.
    pub denied: bool,
}

impl Default for AfConfig {
    fn default() -> Self {
        Self { elements: 60, event_frames: 120, event_frame_days: 30, tied_frames: 5, denied: true }
    }
}

/// A point that attributes may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The name of its data server.
    pub(crate) server: String,
    /// Its name.
    pub(crate) name: String,
    /// Whether its values are numbers.
    pub(crate) numeric: bool,
}

/// A random id of version 4.
pub(crate) fn guid(random: &mut fastrand::Rng) -> Guid {
    let mut bytes = random.u128(..).to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Guid::from_text_order(bytes)
}
