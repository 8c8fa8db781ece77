//! What an offset says: up to where each tag was read.

use serde::{Deserialize, Serialize};

use super::{
    super::{tags::hash64, time::Micros},
    marks::{Group, Marks},
};
use crate::{
    error::{Error, ErrorKind, Result},
    read::Offset,
};

const VERSION: u32 = 1;

/// How far a table was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The end of the run.
    pub(super) end: Micros,
    /// How long an interval is, where that was found out by the first run.
    pub(super) length: Option<Micros>,
    /// `None` says only where a run ends: every tag is read up to there.
    pub(super) marks: Option<Marks>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    source: Box<str>,
    end: Micros,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    length: Option<Micros>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<Group>>,
}

impl State {
    /// Whether every tag that was ever asked for is read up to the end of the run.
    pub(super) fn is_complete(&self) -> bool {
        self.marks.as_ref().is_some_and(|marks| marks.earliest().is_none_or(|at| at >= self.end))
    }
}

/// Which table of which server an offset is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// A hash, as addresses are nobody's business.
    hash: Box<str>,
    table: &'static str,
}

impl Origin {
    /// `meaning` is what of the options decides which rows there are.
    pub(super) fn new(base: &str, table: &'static str, meaning: &str) -> Self {
        let text = format!("{}\n{table}\n{meaning}", base.trim_end_matches('/'));
        Self { hash: format!("{:016x}", hash64(&text)).into(), table }
    }

    /// Reads an offset.
    ///
    /// # Errors
    /// [`OffsetExpired`](ErrorKind::OffsetExpired) for one of another table, server, release or of other options.
    pub(super) fn read(&self, offset: &Offset) -> Result<State> {
        let wire: Wire = offset.decode(VERSION)?;
        if wire.source != self.hash {
            return Err(Error::new(
                ErrorKind::OffsetExpired,
                "the offset is of another server or table, or of other options such as the interval",
            )
            .with("table", self.table)
            .help("use the offset's own options, or reset the table's state to read it in full again"));
        }
        Ok(State { end: wire.end, length: wire.length, marks: wire.tags.map(Marks::from_groups) })
    }

    /// Writes an offset.
    ///
    /// # Errors
    /// [`Config`](ErrorKind::Config) when there are more tags than an offset can hold.
    pub(super) fn write(&self, state: &State) -> Result<Offset> {
        let tags = state.marks.as_ref().map(Marks::groups);
        let wire = Wire { source: self.hash.clone(), end: state.end, length: state.length, tags };
        Offset::encode(VERSION, &wire).map_err(|error| {
            Error::new(ErrorKind::Config, "there are more tags than the state of one table can hold")
                .with("table", self.table)
                .help("spread them over several tables, for example by 'nameFilter'")
                .caused_by(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::tags::TagKey, *};

    fn origin() -> Origin {
        Origin::new("https://pi/piwebapi", "pi_interpolated", "1m")
    }

    #[test]
    fn a_state_comes_back_and_one_of_other_options_is_expired() {
        let key = |number| TagKey::Point { server: "I1DSnhosP0R7Ck2cVQ4vaosdEA".into(), number };
        let mut marks = Marks::default();
        (0..30_000).for_each(|n| marks.set(key(n), 600));
        marks.set(TagKey::Other(7), 540);
        let mut state = State { end: 600, length: Some(60), marks: Some(marks) };
        let offset = origin().write(&state).unwrap();
        assert!(offset.to_json().len() < 60_000, "{}", offset.to_json().len());
        assert_eq!(origin().read(&offset).unwrap(), state);
        assert!(!state.is_complete());
        state.marks.as_mut().unwrap().set(TagKey::Other(7), 600);
        assert!(state.is_complete());
        for other in [
            Origin::new("https://other/piwebapi", "pi_interpolated", "1m"),
            Origin::new("https://pi/piwebapi", "pi_plot", "1m"),
            Origin::new("https://pi/piwebapi", "pi_interpolated", "2m"),
        ] {
            assert_eq!(other.read(&offset).unwrap_err().kind(), ErrorKind::OffsetExpired);
        }
        let bound = State { end: 5, ..State::default() };
        assert_eq!(origin().read(&origin().write(&bound).unwrap()).unwrap(), bound);
        assert!(!bound.is_complete());
    }
}
