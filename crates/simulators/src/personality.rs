//! Ways in which servers of one kind differ, by name.

use crate::{
    SimError,
    faults::{Fault, FaultRule, When},
    settings,
};

/// One named behaviour of a server that `C` configures.
#[derive(Debug)]
pub struct Personality<C> {
    /// The name, as in `personality=ties,slow`.
    pub name: &'static str,
    /// What such a server does.
    pub help: &'static str,
    apply: fn(&mut C),
}

/// A configuration that behaviours are given to.
pub(crate) trait Behaves: Sized + 'static {
    /// All that there are.
    const PERSONALITIES: &'static [Personality<Self>];

    /// The script of faults.
    fn faults(&mut self) -> &mut Vec<FaultRule>;
}

pub(crate) const fn personality<C>(name: &'static str, help: &'static str, apply: fn(&mut C)) -> Personality<C> {
    Personality { name, help, apply }
}

/// Adds a fault on every path.
pub(crate) fn fault(config: &mut impl Behaves, when: When, fault: Fault) {
    config.faults().push(FaultRule { when, path: None, fault });
}

/// Gives a configuration the behaviour of a name.
pub(crate) fn add<C: Behaves>(config: &mut C, name: &str) -> Result<(), SimError> {
    match C::PERSONALITIES.iter().find(|personality| personality.name == name) {
        Some(personality) => (personality.apply)(config),
        None => return Err(settings::no_such("personality", name, C::PERSONALITIES.iter().map(|p| p.name))),
    }
    Ok(())
}
