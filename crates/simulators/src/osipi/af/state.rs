//! The state of the asset side and how calls and tests reach it.

use super::{
    changes::{self, AfChange, Entry},
    generate::{AfConfig, Tag, guid, plant},
    object::Ix,
    routes,
    store::Store,
};
use crate::{
    SimError,
    osipi::{
        call::{Answer, Call},
        guid::Guid,
        ticks::Ticks,
        webid::Spelling,
        world::World,
    },
};

/// The asset side's state.
#[derive(Debug, Default)]
pub(crate) struct Af {
    pub(crate) store: Store,
    /// What happened to event frames since the start.
    pub(super) journal: Vec<Entry>,
    /// Changes that happen after the next reply to a call whose path holds the text.
    pending: Vec<(String, Vec<AfChange>)>,
    random: fastrand::Rng,
}

impl Af {
    /// The assets that the configuration asks for; `tags` are the points that attributes may name.
    pub(crate) fn new(config: &AfConfig, seed: u64, now: Ticks, tags: &[Tag]) -> Self {
        Self {
            store: plant(config, seed, now, tags),
            journal: Vec::new(),
            pending: Vec::new(),
            random: fastrand::Rng::with_seed(seed ^ 0xc4a6e),
        }
    }

    /// Answers a call of the asset side; nothing when there is no such route.
    pub(crate) fn route(call: &Call<'_>, world: &mut World) -> Option<Answer> {
        let answer = match call.segments().as_slice() {
            ["attributes", id, "value"] => super::streams::value_of_attribute(call, world, id),
            _ => routes::answer(&world.af.store, call)?,
        };
        let path = call.path.join("/");
        let due = world.af.pending.iter().position(|(part, _)| path.contains(part.as_str()));
        if let Some(due) = due {
            for change in world.af.pending.remove(due).1 {
                if let Err(error) = world.af.change(change, call.now) {
                    tracing::warn!(%error, "a change between pages could not be made");
                }
            }
        }
        Some(answer)
    }

    /// Makes a change at `now`; gives the WebID (ids only) of the object that was made or changed.
    pub(crate) fn change(&mut self, change: AfChange, now: Ticks) -> Result<String, SimError> {
        let ix = changes::apply(self, change, now)?;
        Ok(self.store.web_id(ix, Spelling::IdOnly))
    }

    /// Makes changes after the next reply to a call whose path below the base holds `path`.
    pub(crate) fn after(&mut self, path: &str, changes: Vec<AfChange>) {
        self.pending.push((path.to_owned(), changes));
    }

    pub(super) fn new_id(&mut self) -> Guid {
        guid(&mut self.random)
    }

    pub(super) fn is_frame(&self, ix: Ix) -> bool {
        self.store.frame(ix).is_some()
    }
}
