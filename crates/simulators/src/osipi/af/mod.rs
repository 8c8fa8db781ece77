//! The asset side: databases, elements, attributes, templates, event frames, stream updates.
//!
//! How it plugs in: [`Af::route`] sees every call that the data side did not answer; [`Af::stream`] says what an
//! attribute's WebID streams; [`Af::members`] lists the streams below an element or event frame for `streamsets/{webId}`.

use super::{
    call::{Answer, Call},
    webid::WebId,
    world::World,
};

/// What can be chosen about the asset side.
#[derive(Clone, Debug, Default)]
pub struct AfConfig {}

/// The asset side's state.
#[derive(Debug, Default)]
pub(crate) struct Af {}

/// What an attribute streams.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AfStream {
    /// The events of a data archive's point: its number in `World::points`.
    Point(usize),
    /// One value that has no history: its JSON text and unit. History routes answer 409.
    Fixed { json: String, units: String },
}

/// A stream below an element or event frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) web_id: String,
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) stream: AfStream,
}

impl AfConfig {
    /// Sets an option of the asset side by text; false when there is none of that name.
    ///
    /// # Errors
    /// When the value makes no sense; the text says why.
    pub(crate) fn set(&mut self, _name: &str, _value: &str) -> Result<bool, String> {
        Ok(false)
    }
}

impl Af {
    /// Answers a call of the asset side; nothing when there is no such route.
    pub(crate) fn route(_call: &Call<'_>, _world: &mut World) -> Option<Answer> {
        None
    }

    /// What an attribute's WebID streams; nothing when it names no attribute.
    pub(crate) fn stream(_world: &World, _id: &WebId) -> Option<AfStream> {
        None
    }

    /// The streams below an element or event frame; nothing when the WebID names neither.
    pub(crate) fn members(_call: &Call<'_>, _world: &World, _id: &WebId) -> Option<Vec<Member>> {
        None
    }
}
