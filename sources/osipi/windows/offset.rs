//! What an offset says: up to where each tag was read.

use serde::{Deserialize, Serialize};

use super::{
    super::{origin::Origin, time::Micros},
    marks::{Group, Marks},
};
use crate::{error::Result, read::Offset};

const VERSION: u32 = 1;

/// How far a table was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// The end of the run.
    pub(super) end: Micros,
    /// Where tags began that were new in it.
    pub(super) first: Micros,
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
    first: Micros,
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

    /// Reads an offset.
    ///
    /// # Errors
    /// [`OffsetExpired`](crate::ErrorKind::OffsetExpired) for one of another table, server, release or of other options.
    pub(super) fn read(origin: &Origin, offset: &Offset) -> Result<Self> {
        let wire: Wire = offset.decode(VERSION)?;
        origin.check(&wire.source)?;
        Ok(Self { end: wire.end, first: wire.first, length: wire.length, marks: wire.tags.map(Marks::from_groups) })
    }

    /// Writes an offset.
    ///
    /// # Errors
    /// [`Config`](crate::ErrorKind::Config) when there are more tags than an offset can hold.
    pub(super) fn write(&self, origin: &Origin) -> Result<Offset> {
        let tags = self.marks.as_ref().map(Marks::groups);
        let Self { end, first, length, .. } = *self;
        let wire = Wire { source: origin.hash().into(), end, first, length, tags };
        let count = || wire.tags.iter().flatten().count();
        Offset::encode(VERSION, &wire).map_err(|error| origin.too_many(count()).caused_by(error))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::tags::TagKey, *};
    use crate::error::ErrorKind;

    fn origin() -> Origin {
        Origin::new("https://pi/piwebapi", "pi_interpolated", "1m")
    }

    #[test]
    fn a_state_comes_back_and_one_of_other_options_is_expired() {
        let key = |number| TagKey::Point { server: "I1DSnhosP0R7Ck2cVQ4vaosdEA".into(), number };
        let mut marks = Marks::default();
        (0..30_000).for_each(|n| marks.set(key(n), 600));
        marks.set(TagKey::Other(7), 540);
        let mut state = State { end: 600, first: 60, length: Some(60), marks: Some(marks) };
        let offset = state.write(&origin()).unwrap();
        assert!(offset.to_json().len() < 60_000, "{}", offset.to_json().len());
        assert_eq!(State::read(&origin(), &offset).unwrap(), state);
        assert!(!state.is_complete());
        state.marks.as_mut().unwrap().set(TagKey::Other(7), 600);
        assert!(state.is_complete());
        for other in [
            Origin::new("https://other/piwebapi", "pi_interpolated", "1m"),
            Origin::new("https://pi/piwebapi", "pi_plot", "1m"),
            Origin::new("https://pi/piwebapi", "pi_interpolated", "2m"),
        ] {
            assert_eq!(State::read(&other, &offset).unwrap_err().kind(), ErrorKind::OffsetExpired);
        }
        let bound = State { end: 5, ..State::default() };
        assert_eq!(State::read(&origin(), &bound.write(&origin()).unwrap()).unwrap(), bound);
        assert!(!bound.is_complete());
    }
}
