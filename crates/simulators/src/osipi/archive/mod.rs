//! Stored events.

use super::config::{ArchiveProfile, Wire};

/// The events of all points.
#[derive(Debug)]
pub(crate) struct Archive {}

impl Archive {
    pub(crate) fn new(_seed: u64, _profile: ArchiveProfile, _wire: Wire) -> Self {
        Self {}
    }
}
