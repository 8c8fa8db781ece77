//! The assets of a running server, for the program that runs it.

use super::{
    changes::AfChange,
    object::Kind,
    oracle::{ExpectedFrame, ExpectedObject},
    state::Af,
};
use crate::{
    SimError,
    osipi::{running::RunningServer, ticks::Ticks},
};

/// Changes the assets of a running server, and knows what a lake must contain of them.
#[derive(Debug)]
pub struct Assets<'a>(&'a RunningServer);

impl RunningServer {
    /// The assets: databases, elements, event frames.
    pub fn assets(&self) -> Assets<'_> {
        Assets(self)
    }
}

impl Assets<'_> {
    /// Makes a change at the server's time; gives the WebID (ids only) of the object that was made or changed.
    ///
    /// # Errors
    /// When the change names something that does not exist.
    pub fn change(&self, change: AfChange) -> Result<String, SimError> {
        let now = Ticks::from(self.0.clock().now());
        self.0.world().af.change(change, now)
    }

    /// Makes changes right after the next reply to a call whose path below the base holds `path`: between two pages of a
    /// list, for example. Several calls queue up.
    pub fn change_after(&self, path: &str, changes: Vec<AfChange>) {
        self.0.world().af.after(path, changes);
    }

    /// All objects of a kind that can be read now.
    pub fn expected(&self, kind: Kind) -> Vec<ExpectedObject> {
        self.0.world().af.expected(kind)
    }

    /// All event frames that can be read now.
    pub fn expected_frames(&self) -> Vec<ExpectedFrame> {
        self.0.world().af.expected_frames()
    }

    /// How many changes of event frames there were; each frame that a change touches counts.
    pub fn position(&self) -> usize {
        self.0.world().af.position()
    }

    /// All event frames that could be read after the first `position` changes.
    pub fn expected_frames_at(&self, position: usize) -> Vec<ExpectedFrame> {
        self.0.world().af.expected_frames_at(position)
    }

    /// The names of all attribute traits.
    pub fn attribute_traits(&self) -> Vec<&'static str> {
        Af::traits()
    }
}
