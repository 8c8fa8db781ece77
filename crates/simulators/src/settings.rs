//! Values of options given as text, as all simulators read them.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{SimError, clock::SimClock, faults::FaultRule};

/// The words of a list.
pub(crate) fn words(list: &str, separator: char) -> impl Iterator<Item = &str> {
    list.split(separator).map(str::trim).filter(|word| !word.is_empty())
}

/// An instant with its zone.
pub(crate) fn instant(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

/// A clock that stands at an instant, or is ahead or behind by seconds: `+3600`, `-60`.
pub(crate) fn clock(text: &str) -> Option<SimClock> {
    match (text.starts_with(['+', '-']), text.parse::<i64>()) {
        (true, Ok(seconds)) => Some(SimClock::shifted(TimeDelta::seconds(seconds))),
        _ => instant(text).map(SimClock::fixed),
    }
}

/// A path that starts with a slash and does not end with one; empty for the root.
pub(crate) fn base_path(text: &str) -> String {
    format!("/{}", text.trim_matches('/')).trim_end_matches('/').to_owned()
}

/// Refuses a base path that [`base_path`] would not have made.
pub(crate) fn check_base_path(path: &str) -> Result<(), SimError> {
    if path == base_path(path) {
        return Ok(());
    }
    Err(SimError::Config(format!("base path '{path}' must start with / and not end with it")))
}

/// Rules of faults, separated by `;`.
pub(crate) fn fault_rules(text: &str) -> Result<Vec<FaultRule>, SimError> {
    words(text, ';').map(|rule| rule.parse().map_err(SimError::Config)).collect()
}

/// A login as `KIND:REST`.
pub(crate) fn login(text: &str) -> (&str, &str) {
    text.split_once(':').unwrap_or((text, ""))
}

/// A name and what belongs to it, `NAME:SECRET`, neither of them empty.
pub(crate) fn pair(text: &str) -> Option<(String, String)> {
    let (name, secret) = text.split_once(':').filter(|(name, secret)| !name.is_empty() && !secret.is_empty())?;
    Some((name.to_owned(), secret.to_owned()))
}

/// The name of an option, which may be written with `-` in place of `_`.
pub(crate) fn name(text: &str) -> String {
    text.replace('-', "_")
}

/// Refuses an option that there is not.
pub(crate) fn unknown(name: &str, options: &'static [(&'static str, &'static str)]) -> SimError {
    no_such("option", name, options.iter().map(|(name, _)| *name))
}

/// Refuses a name that there is not, with the nearest that there is, else with all.
pub(crate) fn no_such(what: &str, name: &str, known: impl Iterator<Item = &'static str> + Clone) -> SimError {
    let score = |known: &str| strsim::jaro_winkler(name, known);
    let near = known.clone().filter(|known| score(known) > 0.8).max_by(|a, b| score(a).total_cmp(&score(b)));
    SimError::Config(match near {
        Some(near) => format!("no {what} '{name}'; did you mean '{near}'?"),
        None => format!("no {what} '{name}'; there are {}", known.collect::<Vec<_>>().join(", ")),
    })
}
